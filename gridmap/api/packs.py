"""`/packs/{district}.json`: the grids of a district for phones without a network.

Its ETag names what is in it. Whoever has a version says so by `since`, and is sent what is other in
the newest, or all where that version is not remembered any more.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gridmap.api.errors import telling_errors
from gridmap.api.etags import is_known
from gridmap.schema.context import Context
from gridmap.store.packs import Pack, pack_of

# Who walks a grid is told no later than this; all else at once.
_FRESH_SECONDS = 60
_DISTRICTS = 64
_VERSIONS = 16


def routes(context: Callable[[Request], Context]) -> list[Route]:
    """`context` is called once for each request."""
    packs = _Packs()

    async def answer(request: Request) -> Response:
        district = request.path_params["district"]
        known = await packs.get(context(request), district)
        pack = known.pack
        etag = f'"{pack.version}"'
        headers = {"etag": etag, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
        if is_known(etag, request.headers.getlist("if-none-match")):
            return Response(status_code=304, headers=headers)
        since = request.query_params.get("since")
        marks = known.marks.get(since) if since else None
        body = pack.whole() if since is None or marks is None else pack.since(since, marks)
        return Response(body, 200, headers, "application/json")

    return [Route("/packs/{district}.json", telling_errors(answer), methods=["GET", "HEAD"])]


@dataclass
class _Known:
    """What a process knows of a district: its newest pack, and which marks older ones had."""

    pack: Pack
    snapshot: str | None
    made_at: float
    marks: OrderedDict[str, dict[str, bytes]] = field(default_factory=OrderedDict)


class _Packs:
    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._making = asyncio.Lock()

    async def get(self, context: Context, district: str) -> _Known:
        """The newest pack, made anew where the data has changed. One is made at a time."""
        snapshot = context.snapshot(context.today)
        version = snapshot.version if snapshot else None
        if (known := self._fresh(district, version)) is not None:
            return known
        async with self._making:
            if (known := self._fresh(district, version)) is not None:
                return known
            pack = await context.run(pack_of, district, context.today)
            old = self._known.get(district)
            marks = old.marks if old else OrderedDict()
            marks[pack.version] = pack.marks
            while len(marks) > _VERSIONS:
                marks.popitem(last=False)
            known = self._known[district] = _Known(pack, version, time.monotonic(), marks)
            self._known.move_to_end(district)
            while len(self._known) > _DISTRICTS:
                self._known.popitem(last=False)
            return known

    def _fresh(self, district: str, version: str | None) -> _Known | None:
        known = self._known.get(district)
        if known is None or version is None or known.snapshot != version:
            return None
        is_young = time.monotonic() - known.made_at < _FRESH_SECONDS
        return known if is_young else None
