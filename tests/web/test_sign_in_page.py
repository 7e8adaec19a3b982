"""Signing in by the server's own page, another password there, and GraphiQL as who one is."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import Browser, expect
from pydantic import SecretStr

from gridmap.api.app import application
from gridmap.api.settings import Settings
from gridmap.store.database import Database
from gridmap.store.dates import today
from gridmap.store.passwords import hashed
from gridmap.store.users import add_user
from gridmap.store.viewers import Role, Viewer
from tests.api.serving import served
from tests.web.conftest import SECRET

OLD, NEW = "lantern orbit mitten gravel", "harbour velvet comet thimble"


async def _add(url: str) -> None:
    database = Database(url)
    async with database.transaction() as connection:
        viewer = Viewer(Role.AUDITOR, "审计")
        await add_user(connection, "auditor", hashed(OLD), viewer, today())
    await database.close()


def test_a_password_is_changed_on_the_page_that_leads_back_to_queries_as_oneself(
    browser: Browser, database_url: str
) -> None:
    # Playwright has the loop of this thread.
    with ThreadPoolExecutor() as another:
        another.submit(asyncio.run, _add(database_url)).result()
    app = application(Settings(secret=SecretStr(SECRET)), database_url)
    with served(app, app.state.streams, lifespan="on") as address:
        page = browser.new_page(locale="en")
        # 1. Nobody is signed in; the page for queries leads to the sign-in.
        page.goto(f"{address}/graphql")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="English").click()
        # 2. A password that is guessed easily is refused there, and the old one stays.
        page.get_by_role("button", name="Change the password").click()
        page.get_by_label("Name").fill("auditor")
        page.get_by_label("Password", exact=True).fill(OLD)
        page.get_by_label("New password").fill("password123")
        page.get_by_role("button", name="Change it and sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("guessed too easily")
        # 3. Another one is taken, and one comes back signed in.
        page.get_by_label("New password").fill(NEW)
        page.get_by_role("button", name="Change it and sign in").click()
        expect(page.get_by_text("审计 (AUDITOR)")).to_be_visible()
        assert page.url == f"{address}/graphql"
        # 4. Queries are asked as oneself, without a word of the token on the page.
        assert "eyJ" not in page.content()
        with page.expect_request(lambda request: request.method == "POST") as asked:
            page.get_by_role("button", name="Execute query").click()
        assert asked.value.headers["authorization"].startswith("Bearer eyJ")
        # 5. Signed out is signed out, and the old password is no more.
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("账号").fill("auditor")
        page.get_by_label("密码", exact=True).fill(OLD)
        page.get_by_role("button", name="登录").click()
        expect(page.get_by_role("alert")).to_contain_text("不正确")
        page.close()
