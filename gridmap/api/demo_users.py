"""Somebody of each role to sign in as, for the demo alone.

They are in the demo's private database only, marked as the demo's, and no other server signs them
in. Their passwords are no secret that this program ships: they follow from the secret of the data
folder, which was made at random, and are printed at each start.
"""

from __future__ import annotations

import base64
import datetime
import hmac
from collections.abc import Iterator
from typing import NamedTuple

import uvloop
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.store import tables
from gridmap.store.database import Database
from gridmap.store.dates import holds_on, today
from gridmap.store.passwords import hashed, is_password
from gridmap.store.users import add_user, user
from gridmap.store.viewers import Role, Viewer

_GRID = "230402001001008"
_PASSWORD_BYTES = 10


class DemoUser(NamedTuple):
    """`name` and `password` are what to type."""

    name: str
    password: str
    viewer: Viewer


def add_demo_users(url: str, secret: SecretStr) -> list[DemoUser]:
    """Sees to it that they are there and have these passwords, and returns them."""
    return uvloop.run(_add_demo_users(url, secret.get_secret_value().encode()))


def print_demo_users(console: Console, users: list[DemoUser]) -> None:
    """A line for each, with the password."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "password", "role", "of"):
        table.add_column(heading, no_wrap=True)
    for each in users:
        codes = ", ".join(sorted(each.viewer.codes))
        table.add_row(each.name, each.password, each.viewer.role, codes)
    console.print("\nSign in at /sign-in as one of these, who are known to this demo alone:\n")
    console.print(table)


async def _add_demo_users(url: str, secret: bytes) -> list[DemoUser]:
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as connection:
            wanted = [
                DemoUser(name, _password(secret, name), viewer)
                for name, viewer in _viewers(await _worker(connection))
            ]
            first, *_ = wanted
            kept = [await user(connection, each.name) for each in wanted]
            # All have been made of one secret, and each takes a while to hash.
            is_done = all(
                known and known.is_demo and known.viewer == each.viewer
                for known, each in zip(kept, wanted, strict=True)
            )
            if not (is_done and kept[0] and is_password(first.password, kept[0].password)):
                for each in wanted:
                    since = datetime.date(2020, 1, 1)
                    kept_as = hashed(each.password)
                    await add_user(connection, each.name, kept_as, each.viewer, since, is_demo=True)
            return wanted
    finally:
        await database.close()


def _viewers(worker_code: str) -> Iterator[tuple[str, Viewer]]:
    street, community = _GRID[:9], _GRID[:12]
    yield "resident", Viewer(Role.RESIDENT, "示例居民")
    yield "worker", Viewer(Role.GRID_WORKER, worker_code, frozenset({_GRID}))
    yield "member", Viewer(Role.BUILDING_MEMBER, "示例党员", frozenset({f"{community}00025"}))
    yield "sponsor", Viewer(Role.SPONSOR, "示例包保干部", frozenset({"S2304-01"}))
    yield "community", Viewer(Role.COMMUNITY, "示例社区干部", frozenset({community}))
    yield "street", Viewer(Role.STREET, "示例街道干部", frozenset({street}))
    yield "district", Viewer(Role.DISTRICT, "示例区干部", frozenset({street[:6]}))
    yield "auditor", Viewer(Role.AUDITOR, "示例审计员")
    yield "administrator", Viewer(Role.ADMINISTRATOR, "示例管理员")


async def _worker(connection: AsyncConnection) -> str:
    """Who walks the grid today."""
    table = tables.worker_assignments
    found = select(table.c.worker_code).where(table.c.grid_code == _GRID, holds_on(table, today()))
    codes = (await connection.execute(found.order_by("worker_code"))).scalars()
    return str(next(codes))


def _password(secret: bytes, name: str) -> str:
    drawn = hmac.digest(secret, f"gridmap demo user\0{name}".encode(), "sha256")
    written = base64.b32encode(drawn[:_PASSWORD_BYTES]).decode().lower()
    return "-".join(written[at : at + 4] for at in range(0, len(written), 4))
