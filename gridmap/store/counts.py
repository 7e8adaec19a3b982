"""How often something may be done, counted in PostgreSQL so that all servers count together.

The rule is GCRA (ITU-T I.371): a key has a time at which its count is back at nothing, and each
time it is done moves that on. One row and one statement, exact under concurrency, and nothing to
reset. Who is counted is kept as a digest.
"""

from __future__ import annotations

import datetime
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, case, delete, extract, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import DateTime

from gridmap.errors import TooOften
from gridmap.store.database import Database
from gridmap.store.tables import counts

# How often counts that are back at nothing are removed, in all that are made.
_SWEEP_EACH = 200
_SWEPT_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` times at once, and one more each `seconds`."""

    burst: int
    seconds: float

    @property
    def step(self) -> datetime.timedelta:
        return datetime.timedelta(seconds=self.seconds)


class Counted(NamedTuple):
    """What is counted: `what` is done by `who`, as in "photos" by "192.0.2.1"."""

    what: str
    who: str
    rate: Rate

    @property
    def key(self) -> bytes:
        return hashlib.sha256(f"{self.what}\0{self.who}".encode()).digest()


async def spend(database: Database, counted: Sequence[Counted]) -> None:
    """Counts something that is about to be done under each of these, or under none.

    Raises TooOften where one of them was done too often already, with how long to wait.
    """
    async with database.transaction() as connection:
        # In one order, so that none waits for another that waits for it.
        for each in sorted(counted, key=lambda each: each.key):
            await _spend(connection, each)
    if random.randrange(_SWEEP_EACH) == 0:
        await sweep(database)


async def forget(database: Database, *, wholly: Sequence[Counted], once: Sequence[Counted]) -> None:
    """Takes counts back: wholly, or what was counted once."""
    async with database.transaction() as connection:
        for each in sorted((*wholly, *once), key=lambda each: each.key):
            await connection.execute(
                counts.update()
                .where(counts.c.key == each.key)
                .values(
                    ends_at=case(
                        (bindparam("wholly", each in wholly), func.now()),
                        else_=counts.c.ends_at - each.rate.step,
                    )
                )
            )


async def sweep(database: Database) -> None:
    """Removes counts that are back at nothing. Served by counts_ends_at_idx."""
    over = (
        select(counts.c.key)
        .where(counts.c.ends_at < func.now())
        .limit(_SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    async with database.connection() as connection:
        await connection.execute(delete(counts).where(counts.c.key.in_(over)))


async def _spend(connection: AsyncConnection, counted: Counted) -> None:
    rate = counted.rate
    latest = func.greatest(counts.c.ends_at, func.now(), type_=DateTime(timezone=True)) + rate.step
    statement = insert(counts).values(key=counted.key, ends_at=func.now() + rate.step)
    spent = await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_={"ends_at": latest},
            where=latest <= func.now() + rate.burst * rate.step,
        ).returning(counts.c.key)
    )
    if spent.first() is None:
        wait = extract("epoch", latest - rate.burst * rate.step - func.now())
        # Another server may have removed it meanwhile, and then it is free again.
        left = await connection.scalar(select(wait).where(counts.c.key == counted.key))
        raise too_often(counted.what, float(left or rate.seconds))


def too_often(what: str, seconds: float) -> TooOften:
    """What to tell whoever did something too often."""
    whole = max(1, -int(-seconds // 1))
    return TooOften(f"Too many {what} at once; try again in {whole} s.", retryAfterSeconds=whole)
