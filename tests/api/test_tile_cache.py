"""What is kept of tiles is bounded, shared, and never of data that has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gridmap.api.tile_cache import Coding, TileCache
from gridmap.store.changes import Change

GRIDS = frozenset({"grids"})
CHANGED = frozenset({Change("grids", "230402", frozenset({"1"}))})


class Maker:
    """Makes tiles that say how many were made before; waits where it is told to."""

    def __init__(self) -> None:
        self.made = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def __call__(self) -> bytes:
        number = self.made
        self.made += 1
        await self.goes_on.wait()
        return b"%d" % number


def cache(most_bytes: int = 100_000, is_heard: bool = True) -> TileCache:
    return TileCache(most_bytes, 2, lambda: is_heard)


async def body(of: TileCache, make: Callable[[], Awaitable[bytes]], key: object = "a") -> bytes:
    tile = await of.tile(key, GRIDS, make)
    return b"".join(tile.bodies.values())


def test_a_tile_is_made_once_until_what_it_shows_has_changed() -> None:
    async def story() -> None:
        kept, make = cache(), Maker()
        assert [await body(kept, make), await body(kept, make)] == [b"0", b"0"]
        kept.hear(frozenset({Change("regions", "", None)}))
        assert await body(kept, make) == b"0"
        kept.hear(CHANGED)
        assert kept.size == 0
        assert await body(kept, make) == b"1"

    asyncio.run(story())


def test_those_who_ask_at_once_share_one_answer_though_the_first_leaves() -> None:
    async def story() -> None:
        kept, make = cache(), Maker()
        make.goes_on.clear()
        asking = [asyncio.create_task(body(kept, make)) for _ in range(20)]
        await asyncio.sleep(0)
        asking[0].cancel()
        await asyncio.sleep(0)
        make.goes_on.set()
        assert set(await asyncio.gather(*asking[1:])) == {b"0"}
        assert make.made == 1

    asyncio.run(story())


def test_what_changes_while_a_tile_is_made_is_in_the_next_one() -> None:
    async def story() -> None:
        kept, make = cache(), Maker()
        make.goes_on.clear()
        before = asyncio.create_task(body(kept, make))
        await asyncio.sleep(0)
        kept.hear(CHANGED)
        after = asyncio.create_task(body(kept, make))
        await asyncio.sleep(0)
        make.goes_on.set()
        assert [await before, await after, await body(kept, make)] == [b"0", b"1", b"1"]

    asyncio.run(story())


def test_nothing_is_kept_while_no_changes_are_heard_of() -> None:
    async def story() -> None:
        kept, make = cache(is_heard=False), Maker()
        assert [await body(kept, make), await body(kept, make)] == [b"0", b"1"]
        assert kept.size == 0

    asyncio.run(story())


def test_an_error_is_told_to_all_who_wait_and_not_kept() -> None:
    async def broken() -> bytes:
        await asyncio.sleep(0)
        raise RuntimeError("示例")

    async def story() -> None:
        kept = cache()
        told = await asyncio.gather(*(body(kept, broken) for _ in range(3)), return_exceptions=True)
        assert [str(each) for each in told] == ["示例"] * 3
        assert await body(kept, Maker()) == b"0"

    asyncio.run(story())


@pytest.mark.parametrize("most_bytes", [0, 50_000])
def test_what_is_kept_is_bounded_and_what_is_asked_for_stays(most_bytes: int) -> None:
    async def story() -> None:
        kept, made = cache(most_bytes), 0

        async def large() -> bytes:
            nonlocal made
            made += 1
            return bytes(3_000)

        for number in range(100):
            await kept.tile(number, GRIDS, large)
            tile = await kept.tile("favourite", GRIDS, large)
            await kept.body(tile, Coding.GZIP)
            assert kept.size <= most_bytes
        assert made == (101 if most_bytes else 200)

    asyncio.run(story())


def test_a_tile_is_found_by_its_address_for_as_long_as_it_is_kept() -> None:
    async def story() -> None:
        hears = True
        kept, make = TileCache(3_000, 2, lambda: hears), Maker()
        tile = await kept.tile("a", GRIDS, make)
        kept.name(tile, "/other")
        kept.name(tile, "/a")  # whoever asks in many ways does not fill the memory
        assert (kept.at("/a"), kept.at("/other"), kept.at("/b")) == (tile, None, None)
        hears = False
        assert kept.at("/a") is None
        hears = True
        kept.hear(CHANGED)
        assert kept.at("/a") is None
        kept.name(tile, "/late")
        assert kept.at("/late") is None

        first, *_ = tiles = [await kept.tile(key, GRIDS, make) for key in "xy"]
        for tile, address in zip(tiles, "xy", strict=True):
            kept.name(tile, address)
        assert kept.at("x") is first  # and stays, for it is asked for
        await kept.tile("z", GRIDS, make)
        assert (kept.at("x"), kept.at("y")) == (first, None)

    asyncio.run(story())
