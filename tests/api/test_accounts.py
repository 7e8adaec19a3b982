"""Who signs in with a name and a password, on real servers that share a database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner

from gridmap.api.app import application
from gridmap.api.cli import app as commands
from gridmap.api.demo_users import add_demo_users
from gridmap.api.settings import Settings
from gridmap.api.sign_in import safe_path
from gridmap.errors import GridmapError, Invalid
from gridmap.store.database import Database
from gridmap.store.dates import today
from gridmap.store.passwords import check_password, hashed
from gridmap.store.permissions import WORDS, Permission
from gridmap.store.users import add_user
from gridmap.store.viewers import Role, Viewer
from tests.api.serving import served

SECRET = SecretStr("a secret that only tests may know")
PASSWORD = "lantern orbit mitten gravel"
DAY = timedelta(days=1)
WORKER = Viewer(Role.GRID_WORKER, "W001", frozenset({"230402001001003"}))

Value = TypeVar("Value")


@pytest.fixture(scope="module")
def address(database_url: str) -> Iterator[str]:
    with serving(database_url) as address:
        yield address


@pytest.fixture(scope="module")
def another(database_url: str) -> Iterator[str]:
    """Another server on the same database."""
    with serving(database_url) as address:
        yield address


@contextmanager
def serving(url: str, **settings: Any) -> Iterator[str]:
    app = application(Settings(**{"secret": SECRET, **settings}), url)
    with served(app, app.state.streams, lifespan="on") as address:
        yield address


@pytest.fixture(autouse=True)
def forgotten(database_url: str) -> None:
    """Each test begins without failures."""
    do(database_url, "TRUNCATE counts")


def do(url: str, statement: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).rowcount


def in_database(url: str, work: Callable[[AsyncConnection], Awaitable[Value]]) -> Value:
    async def done() -> Value:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    return asyncio.run(done())


HASHED = hashed(PASSWORD)


def add(url: str, name: str, viewer: Viewer = WORKER, **more: Any) -> None:
    since = more.pop("since", today())
    in_database(url, lambda connection: add_user(connection, name, HASHED, viewer, since, **more))


def sign_in(address: str, name: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    given = {"name": name, "password": password, **more}
    return httpx.post(f"{address}/sign-in", json=given, timeout=60)


def refresh(address: str, token: str) -> httpx.Response:
    return httpx.post(f"{address}/sign-in/refresh", json={"refreshToken": token})


def viewer(address: str, token: str, more: str = "") -> Any:
    query = {"query": f"{{ viewer {{ role subject codes {more} }} }}"}
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(f"{address}/graphql", json=query, headers=headers).json()["data"]["viewer"]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


class TestSignIn:
    def test_who_knows_the_password_is_who_the_table_says(
        self, address: str, database_url: str
    ) -> None:
        add(database_url, "张三")
        # However the name is typed.
        answer = sign_in(address, " 张三 ", app=True)
        said = answer.json()
        assert answer.headers["cache-control"] == "no-store"
        expected = {"role": "GRID_WORKER", "subject": "W001", "codes": ["230402001001003"]}
        assert said["viewer"] == expected
        assert said["expiresIn"] == 900
        known = viewer(address, said["accessToken"], "expiresAt permissions { name extent words }")
        left = datetime.fromisoformat(known.pop("expiresAt")) - datetime.now().astimezone()
        assert timedelta(minutes=14) < left <= timedelta(minutes=15)
        check = {
            "name": "CHECK_REPORTS",
            "extent": "OWN",
            "words": WORDS[Permission.CHECK_REPORTS],
        }
        assert check in known.pop("permissions")
        assert known == expected

    def test_nothing_tells_which_names_there_are(self, address: str, database_url: str) -> None:
        add(database_url, "known")
        for name in ("known", "unknown", "no name at all", "x" * 100):
            answer = sign_in(address, name, "another password")
            assert code(answer) == (401, "UNAUTHENTICATED")
            assert answer.json()["errors"][0]["message"] == "The name or the password is wrong."

    def test_whoever_may_not_now_is_told_why_only_with_the_password(
        self, address: str, database_url: str
    ) -> None:
        add(database_url, "early", since=today() + DAY)
        add(database_url, "late", since=today() - DAY, valid_to=today())
        add(database_url, "demo", is_demo=True)
        for name, why in (("early", "signs in from"), ("late", "signs in"), ("demo", "the demo")):
            assert code(sign_in(address, name, "another password"))[0] == 401
            answer = sign_in(address, name)
            assert code(answer) == (403, "FORBIDDEN")
            assert why in answer.text

    @pytest.mark.parametrize("path", ["sign-in", "sign-in/password", "sign-in/refresh", "sign-out"])
    @pytest.mark.parametrize(
        "kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""]
    )
    def test_no_form_of_another_page_can_ask(self, address: str, path: str, kind: str) -> None:
        content = b'{"name": "x", "password": "y"}'
        answer = httpx.post(f"{address}/{path}", content=content, headers={"content-type": kind})
        assert answer.status_code == 415

    def test_without_a_secret_nobody_signs_in(self, database_url: str) -> None:
        with serving(database_url, secret=None) as address:
            answer = sign_in(address, "anybody")
        assert code(answer) == (503, "UNAVAILABLE")
        assert "GRIDMAP_SECRET" in answer.text


class TestPasswords:
    NEW = "harbour velvet comet thimble"

    def change(self, address: str, name: str, password: str, new: str) -> httpx.Response:
        given = {"name": name, "password": password, "newPassword": new, "app": True}
        return httpx.post(f"{address}/sign-in/password", json=given, timeout=60)

    def test_who_knows_the_old_one_has_a_new_one_and_no_other_session(
        self, address: str, another: str, database_url: str
    ) -> None:
        add(database_url, "changes")
        elsewhere = sign_in(another, "changes", app=True).json()
        changed = self.change(address, "changes", PASSWORD, self.NEW)
        assert changed.status_code == 200
        assert viewer(address, changed.json()["accessToken"])["subject"] == "W001"
        assert code(refresh(another, elsewhere["refreshToken"])) == (401, "UNAUTHENTICATED")
        assert refresh(another, changed.json()["refreshToken"]).status_code == 200
        assert code(sign_in(another, "changes")) == (401, "UNAUTHENTICATED")
        assert sign_in(another, "changes", self.NEW).status_code == 200

    def test_one_that_is_guessed_easily_or_no_other_is_refused(
        self, address: str, database_url: str
    ) -> None:
        add(database_url, "stays")
        session = sign_in(address, "stays", app=True).json()
        for new in ("short", "password1234", "stays stays stays", PASSWORD, "x" * 200):
            refused = self.change(address, "stays", PASSWORD, new)
            assert code(refused) == (400, "INVALID")
            assert new not in refused.text
        assert refresh(address, session["refreshToken"]).status_code == 200
        assert sign_in(address, "stays").status_code == 200

    def test_guessing_the_old_one_is_slowed_down_as_at_the_sign_in(
        self, address: str, database_url: str
    ) -> None:
        add(database_url, "guesses")
        codes = [
            code(self.change(address, "guesses", "wrong", self.NEW))[1]
            if number % 2
            else code(sign_in(address, "guesses", "wrong"))[1]
            for number in range(6)
        ]
        assert codes == ["UNAUTHENTICATED"] * 5 + ["RATE_LIMITED"]
        assert code(self.change(address, "guesses", PASSWORD, self.NEW)) == (429, "RATE_LIMITED")


class TestSessions:
    def test_a_page_never_sees_its_refresh_token(self, address: str, database_url: str) -> None:
        add(database_url, "page")
        with httpx.Client(base_url=address) as browser:
            # 1. It comes in a cookie that scripts cannot read and other sites do not send.
            given = {"name": "page", "password": PASSWORD}
            answer = browser.post("/sign-in", json=given)
            assert "refreshToken" not in answer.json()
            flags = answer.headers["set-cookie"].lower().split("; ")
            assert {"httponly", "samesite=strict", "path=/"} <= set(flags)
            # 2. It brings the next.
            first = browser.cookies["gridmap"]
            answer = browser.post("/sign-in/refresh", json={})
            assert viewer(address, answer.json()["accessToken"])["subject"] == "W001"
            assert browser.cookies["gridmap"] != first
            # 3. Signing out ends it and takes it back.
            last = browser.cookies["gridmap"]
            assert browser.post("/sign-out", json={}).status_code == 204
            assert "gridmap" not in browser.cookies
            assert code(browser.post("/sign-in/refresh", json={}))[0] == 401
        assert code(refresh(address, last))[0] == 401

    def test_a_token_that_was_copied_ends_its_session_and_no_other(
        self, address: str, another: str, database_url: str
    ) -> None:
        add(database_url, "copied")
        first, other = (
            sign_in(address, "copied", app=True).json()["refreshToken"] for _ in range(2)
        )
        # 1. Its answer was lost: asked again at once, any server gives the same.
        second = refresh(address, first).json()["refreshToken"]
        assert refresh(another, first).json()["refreshToken"] == second
        # 2. It goes on from there; the first comes again, which somebody must have copied.
        third = refresh(another, second).json()["refreshToken"]
        assert len({first, second, third}) == 3
        assert code(refresh(address, first)) == (401, "UNAUTHENTICATED")
        # 3. So nobody goes on, neither the thief nor the owner, who signs in again.
        assert code(refresh(address, third)) == (401, "UNAUTHENTICATED")
        # 4. Elsewhere they stay signed in, but not by one token used twice after a while.
        assert refresh(address, other).status_code == 200
        do(database_url, "UPDATE sessions SET renewed_at = renewed_at - interval '31 s'")
        assert code(refresh(address, other)) == (401, "UNAUTHENTICATED")

    @pytest.mark.parametrize(
        "column", ["renewed_at - interval '14 d'", "begun_at - interval '90 d'"]
    )
    def test_no_session_lasts_for_ever(self, address: str, database_url: str, column: str) -> None:
        name = "lasting" + column[0]
        add(database_url, name)
        token = sign_in(address, name, app=True).json()["refreshToken"]
        do(database_url, f"UPDATE sessions SET {column.split()[0]} = {column}")
        assert code(refresh(address, token)) == (401, "UNAUTHENTICATED")

    def test_the_database_holds_nothing_to_sign_in_with(
        self, address: str, database_url: str
    ) -> None:
        add(database_url, "held")
        token = sign_in(address, "held", app=True).json()["refreshToken"]
        with psycopg.connect(database_url) as connection:
            rows = connection.execute("SELECT u::text, s::text FROM users u, sessions s").fetchall()
        assert rows
        assert PASSWORD not in str(rows)
        assert token not in str(rows)
        assert "$argon2id$" in str(rows)

    @pytest.mark.parametrize("token", ["", "x", "é", "A" * 64, "A" * 5000])
    def test_what_is_no_token_refreshes_nothing(self, address: str, token: str) -> None:
        assert code(refresh(address, token)) == (401, "UNAUTHENTICATED")


class TestGuessing:
    def test_guesses_are_slowed_down_by_all_servers_together(
        self, address: str, another: str, database_url: str
    ) -> None:
        add(database_url, "guessed")
        add(database_url, "neighbour")
        # 1. Twelve guesses at once at two servers: five are looked at.
        with ThreadPoolExecutor(12) as pool:
            answers = list(
                pool.map(
                    lambda number: sign_in([address, another][number % 2], "guessed", "guess"),
                    range(12),
                )
            )
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [401] * 5 + [429] * 7
        # 2. Even the right one has to wait, for as long as is said.
        answer = sign_in(address, "guessed")
        assert code(answer) == (429, "RATE_LIMITED")
        wait = answer.json()["errors"][0]["extensions"]["retryAfterSeconds"]
        assert answer.headers["retry-after"] == f"{wait}"
        assert 0 < wait <= 60
        # 3. Others from there do not wait, and who signs in is not counted for them.
        for _ in range(7):
            assert sign_in(another, "neighbour").status_code == 200
        # 4. After the wait it is looked at.
        do(database_url, f"UPDATE counts SET ends_at = ends_at - interval '{wait} s'")
        assert sign_in(another, "guessed").status_code == 200


class TestCommands:
    def run(self, url: str, *words: str, password: str = PASSWORD) -> str:
        done = CliRunner().invoke(
            commands,
            ["user", *words],
            input=f"{password}\n",
            env={"DATABASE_URL": url, "COLUMNS": "200"},
        )
        if done.exception:
            assert isinstance(done.exception, GridmapError), done.output
            assert password not in done.exception.message
            raise done.exception
        assert password not in done.output
        return done.output

    def test_a_user_comes_and_goes(self, address: str, database_url: str) -> None:
        def run(*words: str, password: str = PASSWORD) -> str:
            return self.run(database_url, *words, password=password)

        run("add", "Li", "community", "--subject", "李四", "--code", "230402001001")
        assert re.search(r"^li +COMMUNITY +李四 +230402001001 ", run("list"), re.MULTILINE)
        said = sign_in(address, "LI", app=True).json()
        assert said["viewer"]["role"] == "COMMUNITY"
        # 1. Another password signs them out.
        run("password", "li", password="another lantern, an orbit")
        assert code(refresh(address, said["refreshToken"]))[0] == 401
        assert sign_in(address, "li").status_code == 401
        said = sign_in(address, "li", "another lantern, an orbit", app=True).json()
        # 2. Whoever is disabled gets no token any more.
        run("disable", "li")
        assert "disabled" in run("list")
        assert code(refresh(address, said["refreshToken"]))[0] == 401
        assert code(sign_in(address, "li", "another lantern, an orbit"))[0] == 403
        run("enable", "li")
        assert sign_in(address, "li", "another lantern, an orbit").status_code == 200

    @pytest.mark.parametrize(
        ("words", "password", "why"),
        [
            (["add", "a", "AUDITOR"], "short", "characters"),
            (["add", "a", "AUDITOR"], "password1234", "guessed too easily"),
            (["add", "wangxiaoming", "AUDITOR"], "wangxiaoming1", "guessed too easily"),
            (["add", "a", "COMMUNITY"], PASSWORD, "needs a code"),
            (["add", "a b", "AUDITOR"], PASSWORD, "no name"),
            (["add", "a", "RESIDENT", "--subject", "report:230402/1"], PASSWORD, "receipt"),
            (["add", "a", "AUDITOR", "--to", "2020-01-01"], PASSWORD, "never"),
            (["add", "taken", "AUDITOR"], PASSWORD, "already"),
            (["disable", "nobody"], PASSWORD, "no user"),
        ],
        ids=str,
    )
    def test_what_makes_no_sense_is_refused_with_a_reason(
        self, database_url: str, words: list[str], password: str, why: str
    ) -> None:
        if "taken" in words:
            add(database_url, "taken")
        with pytest.raises(GridmapError, match=why):
            self.run(database_url, *words, password=password)

    def test_a_password_of_blanks_or_beyond_measure_is_refused(self) -> None:
        for weak in (" " * 20, "a" * 129, "12345678901234567890"):
            with pytest.raises(Invalid):
                check_password(weak)


class TestDemo:
    def test_each_role_signs_in_to_the_demo_and_to_no_other_server(self, demo_url: str) -> None:
        # 1. There is one of each role, whom the demo's server signs in.
        users = add_demo_users(demo_url, SECRET)
        assert {each.viewer.role for each in users} == set(Role) - {Role.ANONYMOUS}
        app = application(Settings(secret=SECRET), demo_url, is_demo=True)
        with served(app, app.state.streams, lifespan="on") as address:
            for each in users:
                said = sign_in(address, each.name, each.password).json()
                assert viewer(address, said["accessToken"])["subject"] == each.viewer.subject
                assert not each.viewer.codes ^ set(said["viewer"]["codes"])
        # 2. Another start changes nothing; another secret changes all passwords.
        assert add_demo_users(demo_url, SECRET) == users
        others = add_demo_users(demo_url, SecretStr("the secret of another folder"))
        assert not {each.password for each in others} & {each.password for each in users}
        # 3. A server that is not the demo's refuses all of them, whatever it signs with.
        with serving(demo_url) as address:
            for each in others:
                assert code(sign_in(address, each.name, each.password)) == (403, "FORBIDDEN")


# What browsers do before they look at an address: the URL Standard, "basic URL parser".
def as_a_browser_reads(path: str) -> str:
    cleaned = re.sub(r"[\t\n\r]", "", path.strip("".join(map(chr, range(0x21)))))
    return urljoin("https://here/sign-in", cleaned.replace("\\", "/"))


class TestPage:
    @given(st.text("/\\:.@?#abc \t\n\r\0é%", max_size=12) | st.text(max_size=20))
    @example("//evil.example")
    @example("/\\evil.example")
    @example("/\t/evil.example")
    @example(" //evil.example")
    @example("https://evil.example")
    @example("javascript:alert(1)")
    def test_it_leads_to_this_server_only(self, given: str) -> None:
        leads_to = urlsplit(as_a_browser_reads(safe_path(given)))
        assert (leads_to.scheme, leads_to.netloc) == ("https", "here")

    @pytest.mark.parametrize("path", ["/", "/graphql", "/map?at=1,2&z=15#top", "/市?a=//b"])
    def test_it_leads_where_one_came_from(self, path: str) -> None:
        assert safe_path(path) == path

    def test_it_is_safe_and_can_be_used_without_seeing_it(self, address: str) -> None:
        answer = httpx.get(f"{address}/sign-in", params={"next": '/"><script>alert(1)</script>'})
        page = _Page()
        page.feed(answer.text)
        # 1. What is put into it stays text, and all that it loads is this server's.
        [main] = page.found["main"]
        assert main["data-next"] == '/"><script>alert(1)</script>'
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "style" not in {name for each in page.all for name in each}
        [script] = page.found["script"]
        loaded = [script["src"], page.found["link"][1]["href"], "sign-in/page/session.js"]
        for path in loaded:
            assert httpx.get(urljoin(f"{address}/sign-in", path)).status_code == 200
        # 2. Chinese first; each field has a label, and errors are read out.
        assert page.found["html"] == [{"lang": "zh-CN"}]
        labels = {each["for"] for each in page.found["label"]}
        assert {each["id"] for each in page.found["input"]} == labels
        assert page.found["p"][1] == {"id": "error", "role": "alert"}
        completed = [each.get("autocomplete") for each in page.found["input"]]
        assert completed[:2] == ["username", "current-password"]


class _Page(HTMLParser):
    """The attributes of all elements, and by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, str | None]] = []
        self.found: dict[str, list[dict[str, Any]]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append(dict(attrs))
        self.found.setdefault(tag, []).append(dict(attrs))
