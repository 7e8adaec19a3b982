"""Pages of the browser that are watched while they are used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
PICTURES = os.environ.get("GRIDMAP_PICTURES")
"""The folder that pictures of the pages are written to; without it, none are."""

# Where many things run at once, much is slow that is right.
_PATIENCE_MS = 1000 * PATIENCE_SECONDS
expect.set_options(timeout=_PATIENCE_MS)

_AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"


WORDS = """() => new Promise((done) => {
    const open = indexedDB.open('gridmap');
    open.onsuccess = () => {
        const words = open.result.transaction('words').objectStore('words');
        const found = {};
        words.openCursor().onsuccess = ({ target: { result } }) => {
            if (!result) return done(found);
            found[result.key] = result.value;
            result.continue();
        };
    };
})"""
"""What the browser keeps of a page for the next time, by name."""


class Watched:
    """`page` at `address`; what it complains of, and what it asks of other hosts, is noted."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        page.set_default_timeout(_PATIENCE_MS)
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
