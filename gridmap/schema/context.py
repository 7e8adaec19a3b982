"""What every resolver of one request shares: who asks, the database, what is in memory, loaders."""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from typing import Any, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar, cast
from uuid import UUID

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection
from strawberry.dataloader import DataLoader

from gridmap.errors import Unavailable
from gridmap.store import audit
from gridmap.store.database import Database, is_protected
from gridmap.store.dates import now
from gridmap.store.follower import Follower
from gridmap.store.report_changes import ReportNews
from gridmap.store.report_points import ReportPoints
from gridmap.store.report_rules import KeptRules, ReportRules
from gridmap.store.scopes import Scope, known_scope, require_reports, scopes_of
from gridmap.store.snapshot import Snapshot
from gridmap.store.viewers import ANONYMOUS, Viewer

Key = TypeVar("Key")
Value = TypeVar("Value")
Terms = ParamSpec("Terms")


class Context:
    """One for each request.

    `load` gathers the keys that sibling resolvers ask for in one turn of the event loop and
    answers all of them with one call of a store function, so that the number of statements does
    not grow with the number of rows.

    `database` sees what is public, and as the viewer what the viewer may see: `load` and `run` go
    by whether the store function is `protected`. `keeper` writes, after the code has found that the
    viewer may.
    """

    def __init__(
        self,
        database: Database,
        building_reach_metres: float,
        follower: Follower | None = None,
        viewer: Viewer = ANONYMOUS,
        kept_rules: KeptRules | None = None,
        news: ReportNews | None = None,
        points: ReportPoints | None = None,
        receipt: Callable[[str, UUID], str] | None = None,
        ends_at: float | None = None,
        photo_address: Callable[[UUID, bool], str] | None = None,
        count: Callable[[Literal["reports"]], Awaitable[None]] | None = None,
        keeper: Database | None = None,
    ) -> None:
        self.database = database
        self.keeper = keeper or database
        self.viewer = viewer
        # When the viewer is nobody any more, in seconds of the epoch; None where that is never.
        self.ends_at = ends_at
        self.building_reach_metres = building_reach_metres
        self._follower = follower
        self.news = news
        self.points = points
        self._receipt = receipt
        self._photo_address = photo_address
        self._count = count
        self._kept_rules = kept_rules or KeptRules(database)
        self._snapshot: Snapshot | None = None
        self.now: datetime.datetime = now()
        self.today: datetime.date = self.now.date()
        self._loaders: dict[object, DataLoader[Any, Any]] = {}
        self._reads: dict[str, set[tuple[str, object]]] = {}
        self._waiting: Counter[asyncio.Future[Any]] = Counter()

    def load(
        self,
        batch: Callable[
            Concatenate[AsyncConnection, Sequence[Key], Terms], Awaitable[Sequence[Value]]
        ],
        key: Key,
        *terms: Terms.args,
        **named: Terms.kwargs,
    ) -> Awaitable[Value]:
        """What `batch(connection, keys, *terms)` gives for this key."""
        name = (batch, terms, *named.items())
        loader = self._loaders.get(name)
        if loader is None:

            async def load_all(keys: list[Key]) -> Sequence[Value]:
                async with self._connection_for(batch) as connection:
                    return await batch(connection, keys, *terms, **named)

            loader = self._loaders[name] = DataLoader(load_all)
        # What Strawberry gives is a future, which its type does not say.
        loading = cast("asyncio.Future[Value]", loader.load(key))
        return loading if loading.done() else self._shared(loading)

    async def _shared(self, loading: asyncio.Future[Value]) -> Value:
        """Waits beside others. When a field fails, graphql-core stops those beside it; what they
        were waiting for would be taken from all who wait for the same.
        """
        self._waiting[loading] += 1
        try:
            return await asyncio.shield(loading)
        finally:
            self._waiting[loading] -= 1
            if not self._waiting[loading]:
                del self._waiting[loading]
                loading.cancel()  # does nothing where it is done

    def forget_loaded(self) -> None:
        """What was loaded may have changed: loads it anew when it is asked for again."""
        self._loaders.clear()

    @property
    def remembered(self) -> Snapshot | None:
        """What this request was answered from before, and is to be answered from again."""
        return self._snapshot

    def snapshot(self, on: datetime.date) -> Snapshot | None:
        """What is in memory of the day, the same for the whole request; None where nothing is."""
        if self._snapshot is None and self._follower is not None:
            self._snapshot = self._follower.snapshot(on)
        snapshot = self._snapshot
        return snapshot if snapshot is not None and snapshot.day == on else None

    @asynccontextmanager
    async def snapshot_of(self, on: datetime.date) -> AsyncIterator[Snapshot | None]:
        """The same, but where it is None the database may answer within this block."""
        if (snapshot := self.snapshot(on)) is not None or self._follower is None:
            yield snapshot
        else:
            async with self._follower.snapshot_of(on):
                yield self.snapshot(on)

    def asked_by(self, viewer: Viewer) -> Context:
        """The same request, for what somebody else may see of it."""
        other = copy(self)
        other.viewer, other._loaders, other._waiting = viewer, {}, Counter()
        return other

    def receipt(self, district_code: str, report_id: UUID) -> str | None:
        """What shows that somebody sent a report; None where the server cannot sign it."""
        return self._receipt(district_code, report_id) if self._receipt else None

    def photo_address(self, id: UUID, is_thumbnail: bool) -> str:
        """Where whoever asks has the photo, or its thumbnail. Raises Unavailable where nobody
        does."""
        if self._photo_address is None:
            raise Unavailable("Photos are had from a server alone.")
        return self._photo_address(id, is_thumbnail)

    async def count(self, what: Literal["reports"]) -> None:
        """Counts what is about to be kept. Raises TooOften where whoever asks has kept too much."""
        if self._count is not None:
            await self._count(what)

    async def scope(self) -> Scope:
        """Which reports the viewer may see; the same until what was loaded is forgotten."""
        known = known_scope(self.viewer)
        return await self.load(scopes_of, self.viewer) if known is None else known

    async def scope_of_lists(self) -> Scope:
        """The same. Raises Forbidden where that is none whatever there is."""
        require_reports(self.viewer)
        return await self.scope()

    async def report_rules(self) -> ReportRules:
        """Categories, deadlines, and what regions say of their reports."""
        return await self._kept_rules.rules()

    def note_read(self, noun: str, district_code: str, id: object) -> None:
        """Personal data is about to be told: of which thing, as the audit log names it."""
        self._reads.setdefault(noun, set()).add((district_code, id))

    @property
    def noted(self) -> frozenset[tuple[str, str, object]]:
        """The personal data that is about to be told: nouns, districts and ids."""
        return frozenset((noun, *key) for noun, keys in self._reads.items() for key in keys)

    async def enter_reads(self) -> None:
        """Says in the audit log whose personal data was read. To be awaited before it is told.

        Raises what the database does; then nothing is to be told.
        """
        if not self._reads:
            return
        reads, self._reads = self._reads, {}
        async with self.keeper.transaction() as connection:
            for noun, keys in reads.items():
                await audit.enter(connection, self.viewer, audit.READ, noun, sorted(keys, key=str))

    def announce_reports(self) -> None:
        """Reports were changed: tells whoever listens."""
        if self.news is not None:
            self.news.announce()

    async def run(
        self,
        statement: Callable[Concatenate[AsyncConnection, Terms], Awaitable[Value]],
        *terms: Terms.args,
        **named: Terms.kwargs,
    ) -> Value:
        """What `statement` gives, on a connection of its own: siblings run at the same time."""
        async with self._connection_for(statement) as connection:
            return await statement(connection, *terms, **named)

    async def run_as_keeper(
        self,
        statement: Callable[Concatenate[AsyncConnection, Terms], Awaitable[Value]],
        *terms: Terms.args,
        **named: Terms.kwargs,
    ) -> Value:
        """The same of a statement that looks itself at what the viewer may do, and see of it."""
        async with self.keeper.connection() as connection:
            return await statement(connection, *terms, **named)

    def _connection_for(
        self, statement: Callable[..., object]
    ) -> AbstractAsyncContextManager[AsyncConnection]:
        if is_protected(statement):
            return self.database.as_viewer(self.viewer)
        return self.database.connection()


Info: TypeAlias = strawberry.Info[Context, None]
