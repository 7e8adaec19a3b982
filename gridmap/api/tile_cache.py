"""Tiles that were told, in memory: so many bytes, the least wanted forgotten first.

A tile is kept until something changes that it was made of, which the change feed says; while the
feed is silent nothing is kept. Those who ask for one tile at the same time wait for one answer.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from hashlib import blake2b

from gridmap.store.changes import Changes


class Coding(StrEnum):
    """How a body is sent, by the names of RFC 9110, 8.4.1."""

    IDENTITY = "identity"
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(eq=False, slots=True)
class KeptTile:
    """`tag` names what is in it, in any process; `bodies` are made as they are asked for.

    `address`: as which it was asked for last, where `at` is to find it.
    """

    key: Hashable
    tag: str
    tables: frozenset[str]
    bodies: dict[Coding, bytes] = field(default_factory=dict)
    address: Hashable = None

    @property
    def size(self) -> int:
        return _OVERHEAD_BYTES + sum(map(len, self.bodies.values()))


class TileCache:
    """One for a process. `most_bytes`: what it may keep. `most_made`: how many are made at once.

    `is_heard`: whether changes are heard of now.
    """

    def __init__(self, most_bytes: int, most_made: int, is_heard: Callable[[], bool]) -> None:
        self._most_bytes = most_bytes
        self._places = asyncio.Semaphore(most_made)
        self._is_heard = is_heard
        self._kept: OrderedDict[Hashable, KeptTile] = OrderedDict()
        self._addresses: dict[Hashable, KeptTile] = {}
        self._bytes = 0
        self._making: dict[Hashable, asyncio.Task[KeptTile]] = {}
        # How often a table was said to have changed.
        self._changes: dict[str, int] = {}

    @property
    def size(self) -> int:
        """In bytes."""
        return self._bytes

    def hear(self, changes: Changes) -> None:
        """Forgets what was made of the tables that have changed."""
        changed = {change.table for change in changes if change.table}
        for table in changed:
            self._changes[table] = self._changes.get(table, 0) + 1
        for key in [key for key, tile in self._kept.items() if tile.tables & changed]:
            self._forget(self._kept.pop(key))

    def at(self, address: Hashable) -> KeptTile | None:
        """The tile that `name` gave this address, if it is kept."""
        tile = self._addresses.get(address)
        if tile is None or not self._is_heard():
            return None
        self._kept.move_to_end(tile.key)
        return tile

    def name(self, tile: KeptTile, address: Hashable) -> None:
        """Has `at` find a tile for as long as it is kept. The last address of a tile counts."""
        if self._kept.get(tile.key) is tile:
            self._addresses.pop(tile.address, None)
            tile.address = address
            self._addresses[address] = tile

    async def tile(
        self, key: Hashable, tables: frozenset[str], make: Callable[[], Awaitable[bytes]]
    ) -> KeptTile:
        """What `make` gives, or gave. `key` says all that it depends on beside the tables."""
        key = key, tuple(self._changes.get(table, 0) for table in sorted(tables))
        if (kept := self._kept.get(key)) is not None and self._is_heard():
            self._kept.move_to_end(key)
            return kept
        making = self._making.get(key)
        if making is None:
            making = asyncio.create_task(self._make(key, tables, make))
            self._making[key] = making
            making.add_done_callback(partial(self._made, key))
        # Whoever leaves does not take the tile away from the others.
        return await asyncio.shield(making)

    async def body(self, tile: KeptTile, coding: Coding) -> bytes:
        """The tile's body in this coding, made once."""
        found = tile.bodies.get(coding)
        if found is not None:
            return found
        body = tile.bodies[Coding.IDENTITY]
        if len(body) < _LARGE_BYTES:
            coded = _CODED[coding](body)
        else:
            coded = await asyncio.to_thread(_CODED[coding], body)
        if coding not in tile.bodies:
            before = tile.size
            tile.bodies[coding] = coded
            if self._kept.get(tile.key) is tile:
                self._bytes += tile.size - before
                self._shrink()
        return coded

    async def _make(
        self, key: Hashable, tables: frozenset[str], make: Callable[[], Awaitable[bytes]]
    ) -> KeptTile:
        was_heard = self._is_heard()
        before = [self._changes.get(table, 0) for table in tables]
        async with self._places:
            body = await make()
        tag = blake2b(body, digest_size=12).hexdigest()
        tile = KeptTile(key, tag, tables, {Coding.IDENTITY: body})
        is_of_now = before == [self._changes.get(table, 0) for table in tables]
        if was_heard and is_of_now and self._is_heard():
            self._kept[key] = tile
            self._bytes += tile.size
            self._shrink()
        return tile

    def _made(self, key: Hashable, made: asyncio.Task[KeptTile]) -> None:
        del self._making[key]
        if not made.cancelled():
            made.exception()  # is told to those who wait, if anybody does

    def _shrink(self) -> None:
        while self._bytes > self._most_bytes:
            self._forget(self._kept.popitem(last=False)[1])

    def _forget(self, tile: KeptTile) -> None:
        self._bytes -= tile.size
        self._addresses.pop(tile.address, None)


def _gzipped(body: bytes) -> bytes:
    return zlib.compress(body, level=6, wbits=31)


def _zstandard(body: bytes) -> bytes:
    import pyarrow  # 24 MB, which a server that is asked for none need not hold

    coded: bytes = pyarrow.Codec("zstd", compression_level=3).compress(body, asbytes=True)
    return coded


_CODED = {Coding.GZIP: _gzipped, Coding.ZSTD: _zstandard}
# What a tile takes beside its body: its key, its address and the objects around it.
_OVERHEAD_BYTES = 1_000
_LARGE_BYTES = 32_000
