"""A phone in somebody's hand: a page of the browser that is watched while it is used."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

from tests.web.pages import Watched


class Phone(Watched):
    """The phone page at `address`."""

    def open(self, tab: str = "where") -> Page:
        self.page.goto(f"{self.address}/m/#{tab}")
        return self.page

    def go(self, tab: str) -> None:
        """By the tabs below."""
        link = self.page.locator(f".tabs a[href='#{tab}']")
        link.click()
        expect(link).to_have_attribute("aria-current", "page")


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
        # The map jumps, so that one need not wait until it stands.
        reduced_motion="reduce",
    )
    if at is not None:
        context.grant_permissions(["geolocation"])
        move(context, at)
    page = context.new_page()
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
