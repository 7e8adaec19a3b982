"""A phone in somebody's hand: a page of the browser that is watched while it is used."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

ROOT = Path(__file__).parents[2]
PICTURES = os.environ.get("GRIDMAP_PICTURES")
"""The folder that pictures of the pages are written to; without it, none are."""

# Where many things run at once, much is slow that is right.
expect.set_options(timeout=20_000)

_AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"


class Phone:
    """`page` at `address`; what it complains of, and what it asks of other hosts, is noted."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        host = urlsplit(address).netloc
        page.on("console", lambda said: self._note(said.type, said.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if urlsplit(request.url).netloc == host
                or urlsplit(request.url).scheme in ("blob", "data")
                else self.complaints.append(f"asked elsewhere: {request.url}")
            ),
        )

    def open(self, tab: str = "where") -> Page:
        self.page.goto(f"{self.address}/m/#{tab}")
        return self.page

    def go(self, tab: str) -> None:
        """By the tabs below."""
        self.page.locator(f".tabs a[href='#{tab}']").click()

    def is_for_everybody(self) -> None:
        """Axe finds nothing in the page as it is now."""
        self.page.evaluate(_AXE.read_text())
        found: list[dict[str, Any]] = self.page.evaluate(
            "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations"
        )
        told = [
            f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
            for each in found
        ]
        assert told == [], "\n".join(told)

    def picture(self, name: str) -> None:
        """For the manual, where somebody asked for pictures."""
        if PICTURES:
            self.page.wait_for_timeout(1500)  # until the map is drawn
            self.page.screenshot(path=f"{PICTURES}/{name}.png")

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")


@contextmanager
def phone(
    browser: Browser,
    address: str,
    at: tuple[float, float, float] | None = None,
    language: str = "zh-CN",
) -> Iterator[Phone]:
    """A phone of 360 by 740 that nobody has used yet. `at`: longitude, latitude, accuracy; None
    where it may not say.

    Fails at the end where the page complained or asked anybody else.
    """
    context = browser.new_context(
        viewport={"width": 360, "height": 740},
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
        locale=language,
    )
    if at is not None:
        context.grant_permissions(["geolocation"])
        move(context, at)
    page = context.new_page()
    page.set_default_timeout(30_000)
    held = Phone(page, address)
    try:
        yield held
    finally:
        context.close()
    assert held.complaints == [], "\n".join(held.complaints)


def move(context: BrowserContext, at: tuple[float, float, float]) -> None:
    longitude, latitude, accuracy = at
    context.set_geolocation({"longitude": longitude, "latitude": latitude, "accuracy": accuracy})


def photo(colour: str) -> FilePayload:
    """A file as a camera makes it, for an input."""
    image = Image.new("RGB", (1600, 1200), colour)
    draw = ImageDraw.Draw(image)
    for i in range(12):
        draw.rectangle((i * 140, 500 + 40 * (i % 5), i * 140 + 90, 1200), fill="#58483c")
    bytes_ = io.BytesIO()
    image.save(bytes_, "JPEG", quality=92)
    return {"name": "IMG_1.jpg", "mimeType": "image/jpeg", "buffer": bytes_.getvalue()}
