"""Pages of the browser that are watched while they are used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request, WebSocket, expect

from tests.waiting import PATIENCE_SECONDS, wait_until

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


def subscriptions(page: Page) -> list[WebSocket]:
    """The sockets by which the page asks from now on to be told of changes, as it comes to do so.

    Each is watched from its opening on, since it asks at once.
    """
    found: list[WebSocket] = []

    def watch(socket: WebSocket) -> None:
        socket.on("framesent", lambda sent: found.append(socket) if '"subscribe"' in sent else None)

    page.on("websocket", watch)
    return found


class Watched:
    """`page` at `address`; what it complains of, and what it asks of other hosts, is noted."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self._asked: set[Request] = set()
        page.set_default_timeout(_PATIENCE_MS)
        page.on("request", lambda request: self._asked.add(request))
        page.on("requestfinished", lambda request: self._asked.discard(request))
        page.on("requestfailed", lambda request: self._asked.discard(request))
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

    def wait_until(self, holds: Callable[[], object]) -> None:
        """As `wait_until`, for what the page tells meanwhile."""

        def holds_now() -> object:
            self.page.wait_for_timeout(10)  # what has happened comes in
            return holds()

        wait_until(holds_now)

    def complains(self, of: str) -> None:
        """It complains of this, as it should, and that is forgotten."""
        self.wait_until(lambda: any(of in each for each in self.complaints))
        self.complaints = [each for each in self.complaints if of not in each]

    def loses_the_network(self) -> None:
        """When nothing is on its way; of what is the browser would complain."""
        self.wait_until(lambda: not self._asked)
        self.page.context.set_offline(True)

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
