"""A planner at a desk: the planners' map in a browser, watched while it is used."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Browser, Locator, Page, expect

from tests.web.pages import Watched

WIDE = (1440, 900)
NARROW = (768, 1024)


class Desk(Watched):
    """The planners' map at `address`. `token`: who looks; None is nobody."""

    def __init__(self, page: Page, address: str, token: str | None) -> None:
        super().__init__(page, address)
        self.token = token

    def open(self, view: str = "") -> Page:
        """With the map there, and the names of the layers."""
        signed = f"token={self.token}&" if self.token else ""
        self.page.goto(f"{self.address}/#{signed}{view}")
        # It says how it is used from when it can be.
        expect(self.page.get_by_role("region", name="地图：")).to_be_visible()
        expect(self.page.locator(".layers h3").first).to_be_attached()
        return self.page

    def ask(self, query: str, **variables: object) -> Any:
        """What the server answers whoever looks."""
        answer = httpx.post(
            f"{self.address}/graphql",
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {self.token}"} if self.token else {},
            timeout=60,
        ).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def layer(self, name: str) -> Locator:
        """The switch of a layer, with its count if it has one."""
        return self.page.locator(".layers .el-checkbox", has_text=name)

    def view(self) -> dict[str, str]:
        """What the address says is looked at."""
        said = parse_qs(urlsplit(self.page.url).fragment)
        return {name: values[0] for name, values in said.items()}

    def centre(self) -> tuple[float, float]:
        longitude, latitude, _ = map(float, self.view()["at"].split(","))
        return longitude, latitude

    def bounds(self) -> dict[str, float]:
        """What the map shows, by its place, its zoom and its size, in Web Mercator."""
        longitude, latitude, zoom = map(float, self.view()["at"].split(","))
        box = self.page.locator(".maplibregl-canvas").bounding_box()
        assert box is not None
        # A tile of 512 pixels is 2π wide at zoom 0.
        pixel = 2 * math.pi / 512 / 2**zoom
        across = math.degrees(box["width"] / 2 * pixel)
        middle, up = math.asinh(math.tan(math.radians(latitude))), box["height"] / 2 * pixel
        south, north = (math.degrees(math.atan(math.sinh(middle + by))) for by in (-up, up))
        return {
            "west": longitude - across,
            "south": south,
            "east": longitude + across,
            "north": north,
        }

    def click_middle(self) -> None:
        box = self.page.locator(".maplibregl-canvas").bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def download(self, what: str, form: str | None = None, **choices: str) -> bytes:
        """The file that the sheet of files saves. `choices`: of (region or seen), datum."""
        page = self.page
        page.get_by_role("button", name="导出").click()
        sheet = page.get_by_role("dialog")
        sheet.locator("select[name=what]").select_option(what)
        if form:
            sheet.locator(f"input[name=form][value={form}]").check()
        if "of" in choices:
            sheet.locator(f"input[name=of][value={choices['of']}]").check()
        if "datum" in choices:
            sheet.locator("select[name=datum]").select_option(choices["datum"])
        with page.expect_download() as started:
            sheet.get_by_role("button", name="保存文件").click()
        expect(sheet).to_be_hidden()
        return started.value.path().read_bytes()


@contextmanager
def desk(
    browser: Browser,
    address: str,
    token: str | None = None,
    size: tuple[int, int] = WIDE,
    scheme: str = "light",
    elsewhere: str = "",
) -> Iterator[Desk]:
    """A desk that nobody has used yet. `elsewhere`: who else may be asked.

    Fails at the end where the page complained or asked anybody else.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale="zh-CN",
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    page = context.new_page()
    page.set_default_timeout(30_000)
    held = Desk(page, address, token)
    try:
        yield held
    finally:
        context.close()
    told = [each for each in held.complaints if not elsewhere or elsewhere not in each]
    assert told == [], "\n".join(told)


def decoded(file: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file)
    return found
