"""How much one person, or one address, may ask for in a minute.

Requests are counted by each process for itself, because a look at the database for each would cost
more than most answers: several processes let through as many times more. Reports and photos are
counted in PostgreSQL by all of them together. Either lets a minute's worth through at once.
"""

from __future__ import annotations

import time
from typing import Literal

from starlette.requests import HTTPConnection

from gridmap.api.addresses import client_address
from gridmap.api.identity import Recognised, Tokens
from gridmap.api.settings import Settings
from gridmap.errors import GridmapError
from gridmap.store.counts import Counted, Rate, spend, too_often
from gridmap.store.database import Database
from gridmap.store.viewers import Role, Viewer

Kept = Literal["reports", "photos"]

_MOST_KEPT = 100_000
_KNOWN = "gridmap.recognised"


class Rates:
    """Counts what is asked for; each of the settings may say that it is not counted."""

    def __init__(self, settings: Settings, tokens: Tokens, database: Database) -> None:
        self._tokens = tokens
        self._database = database
        requests = _per_minute(settings.requests_per_minute)
        self._requests = Requests(requests) if requests else None
        self._kept: dict[Kept, Rate | None] = {
            "reports": _per_minute(settings.reports_per_minute),
            "photos": _per_minute(settings.photos_per_minute),
        }

    def recognised(self, connection: HTTPConnection) -> Recognised:
        """Who asks; looked up once for a request. Raises Unauthenticated or Unavailable."""
        known: Recognised | None = connection.scope.get(_KNOWN)
        if known is None:
            known = self._tokens.recognised(connection.headers.get("authorization"))
            if connection.scope["type"] == "http":
                connection.scope[_KNOWN] = known
        return known

    def count_request(self, connection: HTTPConnection) -> None:
        """Counts a request, or an operation over a socket. Raises TooOften."""
        if self._requests is not None:
            self._requests.spend(self._who(connection))

    async def count(self, connection: HTTPConnection, what: Kept) -> None:
        """Counts something that is about to be kept. Raises TooOften."""
        if rate := self._kept[what]:
            await spend(self._database, [Counted(what, self._who(connection), rate)])

    def _who(self, connection: HTTPConnection) -> str:
        try:
            viewer = self.recognised(connection).viewer
        except GridmapError:
            return client_address(connection)
        return who_is_counted(viewer, client_address(connection))


class Requests:
    """The same rule as `gridmap.store.counts`, in memory."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._ends: dict[str, float] = {}

    def spend(self, who: str) -> None:
        """Raises TooOften where that was one too many."""
        now, rate = time.monotonic(), self._rate
        end = max(self._ends.get(who, 0.0), now) + rate.seconds
        wait = end - rate.burst * rate.seconds - now
        if wait > 0:
            raise too_often("requests", wait)
        self._ends[who] = end
        if len(self._ends) > _MOST_KEPT:
            running = {who: end for who, end in self._ends.items() if end > now}
            # More than that at once are no persons that could be told from each other.
            self._ends = running if len(running) < _MOST_KEPT else {}


def who_is_counted(viewer: Viewer, address: str) -> str:
    """By what somebody is counted: whoever did not sign in by their address.

    Holders of receipts too, for anybody may have as many as they send reports.
    """
    if viewer.role is Role.ANONYMOUS or viewer.report is not None:
        return address
    return f"{viewer.role}/{viewer.subject}"


def _per_minute(count: int) -> Rate | None:
    return Rate(count, 60 / count) if count else None
