"""Keeps a snapshot of today and follows what changes, while lookups go on.

Snapshots are made in a thread, each from the one before, and swapped in by one assignment. While
there is none that can be trusted, the database answers: before the first is made, when the feed was
lost and changes may have been missed, when very much changes at once, and from midnight until the
new day's is there.

Whoever got an answer must never get an older one. So before a snapshot follows upon the database,
answers from the database wait: those under way end, a mark is sent through the change feed, and all
that was committed before it goes into the snapshot first.
"""

from __future__ import annotations

import asyncio
import datetime
import gc
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import Connection, exc

from gridmap.store.changes import EVERYTHING, Change, ChangeFeed, Changes, mark, merged
from gridmap.store.database import tool_engine
from gridmap.store.dates import now, seconds_to_midnight
from gridmap.store.snapshot import Snapshot, nothing

_log = logging.getLogger("gridmap")
Made = TypeVar("Made")


class Follower:
    """One for a process; `run` is to be a task of it for as long as it serves.

    `clock`: what time it is where the districts are.
    """

    def __init__(
        self,
        url: str,
        reach_metres: float,
        clock: Callable[[], datetime.datetime] = now,
    ) -> None:
        self._engine = tool_engine(url)
        self._feed = ChangeFeed(url)
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
        if snapshot is None or snapshot.day != on or not self._feed.is_listening:
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
        async with aclosing(self._feed.batches()) as batches:
            async for changes in batches:
                if _is_small(changes):
                    self._heard.put_nowait(changes)
                else:
                    self._lose(changes)

    def _lose(self, changes: Changes = EVERYTHING) -> None:
        """Has the database answer until a snapshot has followed what may have changed."""
        self._losses += 1
        self._snapshot = None
        self._heard.put_nowait(changes)

    async def _keep(self) -> None:
        while True:
            changes = await self._next_changes()
            losses = self._losses
            try:
                if self._snapshot is None:
                    await self._follow(changes, self._now().date())
                    await self._switch(losses)
                elif _of_rows(changes):
                    await self._follow(changes, self._latest.day)
                    self._trust_latest(losses)
            except (exc.DBAPIError, TimeoutError) as error:
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

    async def _follow(self, changes: Changes, day: datetime.date) -> None:
        self._latest = await self._made(partial(_next, self._latest, _of_rows(changes), day))

    def _trust_latest(self, losses: int) -> None:
        """Has memory answer, unless more was lost since there were so many losses."""
        if losses == self._losses:
            self._snapshot = self._latest

    async def _switch(self, losses: int) -> None:
        """Has memory answer as soon as all is in it that the database may have shown."""
        if losses != self._losses:
            return
        async with self._without_database(), asyncio.timeout(_SWITCH_SECONDS):
            end = await self._made(partial(_marked, uuid4().hex))
            changes: Changes = frozenset()
            while end not in changes:
                changes = await self._heard_by_now()
                if losses != self._losses:
                    self._heard.put_nowait(changes)  # for the next one to follow
                    return
                if _of_rows(changes):
                    await self._follow(changes, self._latest.day)
            self._trust_latest(losses)

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

    async def _made(self, make: Callable[[Connection], Made]) -> Made:
        def made() -> Made:
            with self._engine.connect() as connection:
                result = make(connection)
                connection.commit()
                return result

        making = asyncio.get_running_loop().run_in_executor(self._thread, made)
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


def _marked(name: str, connection: Connection) -> Change:
    return mark(connection, name)


def _is_small(changes: Changes) -> bool:
    """Whether a snapshot may follow them at once; if not, the database answers meanwhile."""
    codes = [change.codes for change in changes]
    return None not in codes and sum(len(some) for some in codes if some) <= _MOST_ROWS


def _of_rows(changes: Changes) -> Changes:
    """The changes without marks, which are not about rows."""
    return frozenset(change for change in changes if change.table)


# Rows that are followed in half a second. Of more, and until they are, the database tells.
_MOST_ROWS = 5_000
_SWITCH_SECONDS = 10.0
_WAIT_SECONDS = 1.0
_FAILURE_SECONDS = 5.0
_DAY_SECONDS = 60.0
_LONG_SECONDS = 0.5
