"""Keeps a snapshot of today and follows what changes, while lookups go on.

Snapshots are made in a thread, each from the one before, and swapped in by one assignment. While
there is none that can be trusted, the database answers: before the first is made, when the feed was
lost and changes may have been missed, when very much changes at once, and from midnight until the
new day's is there.

A snapshot shows one state of the database, and nothing less. So that state is held first, then a
mark is sent through the change feed: what is heard before it is all that the state may have and the
snapshot has not, and is read as it is in that state. Whoever got an answer must never get an older
one: before a snapshot follows upon the database, answers from the database wait, those under way
end, and only then is the state held.
"""

from __future__ import annotations

import asyncio
import datetime
import gc
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import TypeVar
from uuid import uuid4

import psycopg
from sqlalchemy import Connection, exc

from gridmap.store.changes import (
    EVERYTHING,
    SNAPSHOT_TABLES,
    ChangeFeed,
    Changes,
    mark,
    merged,
)
from gridmap.store.database import tool_engine
from gridmap.store.dates import now, seconds_to_midnight
from gridmap.store.snapshot import Snapshot, nothing, one_state

_log = logging.getLogger("gridmap")
Made = TypeVar("Made")


class Follower:
    """One for a process; `run` is to be a task of it for as long as it serves.

    `clock`: what time it is where the districts are. `feed` tells others of all changes too.
    """

    def __init__(
        self,
        url: str,
        reach_metres: float,
        clock: Callable[[], datetime.datetime] = now,
    ) -> None:
        self._engine = tool_engine(url)
        self.feed = ChangeFeed(url)
        self._now = clock
        self._heard: asyncio.Queue[Changes] = asyncio.Queue()
        self._snapshot: Snapshot | None = None
        # What the next one is made from, trusted or not.
        self._latest = nothing(reach_metres)
        self._losses = 0
        self._asking = 0
        self._is_switching = False
        self._turn = asyncio.Condition()
        self._thread = ThreadPoolExecutor(1, "snapshot")

    def snapshot(self, on: datetime.date) -> Snapshot | None:
        """What is in memory of the day, if it can be trusted now."""
        snapshot = self._snapshot
        if snapshot is None or snapshot.day != on or not self.feed.is_listening:
            return None
        return snapshot

    @asynccontextmanager
    async def snapshot_of(self, on: datetime.date) -> AsyncIterator[Snapshot | None]:
        """The same, but where it is None the database may answer within this block."""
        if (snapshot := self.snapshot(on)) is not None or on != self._now().date():
            yield snapshot
            return
        async with self._turn:
            await self._turn.wait_for(lambda: not self._is_switching)
            self._asking += 1
        try:
            yield self.snapshot(on)
        finally:
            async with self._turn:
                self._asking -= 1
                self._turn.notify_all()

    async def run(self) -> None:
        """Follows for ever; says in the log what keeps it from doing so, and tries again."""
        try:
            while True:
                try:
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._listen())
                        tasks.create_task(self._keep())
                except* Exception:  # noqa: BLE001 - whatever it was, the database can answer
                    _log.exception("The database answers lookups, as they failed to be in memory.")
                self._lose()
                await asyncio.sleep(_FAILURE_SECONDS)
        finally:
            self._thread.submit(self._engine.dispose)
            await asyncio.to_thread(self._thread.shutdown)

    async def _listen(self) -> None:
        async with aclosing(self.feed.batches()) as batches:
            async for changes in batches:
                followed = _followed(changes)
                if not _is_small(followed):
                    self._lose(followed)
                elif followed:
                    self._heard.put_nowait(followed)

    def _lose(self, changes: Changes = EVERYTHING) -> None:
        """Has the database answer until a snapshot has followed what may have changed."""
        self._losses += 1
        self._snapshot = None
        self._heard.put_nowait(changes)

    async def _keep(self) -> None:
        while True:
            changes = await self._next_changes()
            if not _is_small(changes):
                self._snapshot = None
            try:
                if self._snapshot is None:
                    if not await self._follow(changes):
                        continue
                    async with self._without_database():
                        if await self._follow(frozenset()):
                            self._snapshot = self._latest
                elif _of_rows(changes) and await self._follow(changes):
                    self._snapshot = self._latest
            except (exc.DBAPIError, psycopg.Error, TimeoutError) as error:
                _log.warning("The database answers lookups for now: %s", str(error).strip())
                self._lose()
                await asyncio.sleep(_WAIT_SECONDS)

    async def _next_changes(self) -> Changes:
        """What was heard since; everything when the day turns."""
        while True:
            now = self._now()
            if self._snapshot is not None and self._snapshot.day != now.date():
                self._lose()
            try:
                # A clock may be set, so that it is looked at again and again.
                async with asyncio.timeout(min(seconds_to_midnight(now), _DAY_SECONDS)):
                    return await self._heard_by_now()
            except TimeoutError:
                pass

    async def _heard_by_now(self) -> Changes:
        heard = [await self._heard.get()]
        while not self._heard.empty():
            heard.append(self._heard.get_nowait())
        return merged(change for changes in heard for change in changes)

    async def _follow(self, changes: Changes) -> bool:
        """Makes the latest snapshot show a state of now; whether it may be trusted.

        What is heard meanwhile may be later than that state, and is followed again. Where too much
        is heard meanwhile, all of it is, and what was to be followed.
        """
        losses, day = self._losses, self._now().date()
        async with self._one_state() as connection:
            end = await self._made(partial(mark, name=uuid4().hex))
            heard: Changes = frozenset()
            async with asyncio.timeout(_MARK_SECONDS):
                while end not in heard and losses == self._losses:
                    heard = merged([*heard, *await self._heard_by_now()])
            later = _of_rows(heard)
            changes = merged([*_of_rows(changes), *later])
            if losses != self._losses:
                self._heard.put_nowait(changes)  # none of them is followed yet
                return False
            if later:
                self._heard.put_nowait(later)
            self._latest = await self._in_thread(
                partial(_next, self._latest, changes, day, connection)
            )
        return losses == self._losses

    @asynccontextmanager
    async def _without_database(self) -> AsyncIterator[None]:
        """No answer about today is under way from the database within this block."""
        self._is_switching = True
        try:
            async with self._turn:
                await self._turn.wait_for(lambda: self._asking == 0)
            yield
        finally:
            self._is_switching = False
            async with self._turn:
                self._turn.notify_all()

    @asynccontextmanager
    async def _one_state(self) -> AsyncIterator[Connection]:
        """A connection that sees the database as it is at the beginning of this block."""
        stack = ExitStack()

        def hold() -> Connection:
            connection = stack.enter_context(self._engine.connect())
            stack.enter_context(one_state(connection))
            return connection

        try:
            yield await self._in_thread(hold)
        finally:
            await self._in_thread(stack.close)

    async def _made(self, make: Callable[[Connection], Made]) -> Made:
        def made() -> Made:
            with self._engine.begin() as connection:
                return make(connection)

        return await self._in_thread(made)

    async def _in_thread(self, make: Callable[[], Made]) -> Made:
        making = asyncio.get_running_loop().run_in_executor(self._thread, make)
        try:
            while not (await asyncio.wait([making], timeout=_LONG_SECONDS))[0]:
                # Much is being made, and it stays. The garbage collector need not look at it, for
                # which everybody would wait, again and again.
                gc.freeze()
            return await making
        finally:
            making.cancel()


def _next(
    snapshot: Snapshot, changes: Changes, day: datetime.date, connection: Connection
) -> Snapshot:
    if day != snapshot.day:
        return snapshot.anew(connection, day)
    return snapshot.after(connection, changes)


def _followed(changes: Changes) -> Changes:
    """Those of rows that a snapshot holds, and the marks."""
    return frozenset(change for change in changes if change.table in ("", *SNAPSHOT_TABLES))


def _is_small(changes: Changes) -> bool:
    """Whether a snapshot may follow them at once; if not, the database answers meanwhile."""
    codes = [change.codes for change in changes]
    return None not in codes and sum(len(some) for some in codes if some) <= _MOST_ROWS


def _of_rows(changes: Changes) -> Changes:
    """The changes without marks, which are not about rows."""
    return frozenset(change for change in changes if change.table)


# Rows that are followed in half a second. Of more, and until they are, the database tells.
_MOST_ROWS = 5_000
_MARK_SECONDS = 10.0
_WAIT_SECONDS = 1.0
_FAILURE_SECONDS = 5.0
_DAY_SECONDS = 60.0
_LONG_SECONDS = 0.5
