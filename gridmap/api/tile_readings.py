"""That somebody asked for tiles by a member's name, in the audit log: once a minute, not per tile.

A map asks for dozens of tiles at once, and again whenever it is moved; an entry for each says no
more than the first, for what an entry holds is who asked, from where, and by whose name.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Hashable

from gridmap.schema.context import Context
from gridmap.store.audit import origin


class TileReadings:
    """What this process has entered within the minute."""

    def __init__(self) -> None:
        self._minute: datetime.datetime | None = None
        self._entered: dict[Hashable, asyncio.Task[None]] = {}

    async def enter(self, context: Context, minute: datetime.datetime) -> None:
        """Enters what the context has noted, unless that was done. To be awaited before a tile is
        told: it ends when the entry is kept, whoever's tile it was that came first.

        Raises what the database does; then nothing is to be told.
        """
        if not context.noted:
            return
        if minute != self._minute:
            self._minute, self._entered = minute, {}
        from_ = origin.get()
        key = context.viewer, from_.account, from_.address, context.noted
        entering = self._entered.get(key)
        if entering is None or (entering.done() and _failed(entering)):
            # A task of its own, for whoever came first may go away, and others wait for it too.
            entering = self._entered[key] = asyncio.create_task(context.enter_reads())
        await asyncio.shield(entering)


def _failed(entering: asyncio.Task[None]) -> bool:
    return entering.cancelled() or entering.exception() is not None
