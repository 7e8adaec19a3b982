"""The rules that a process keeps: read once for all who ask, and anew when they have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from gridmap.errors import Unavailable
from gridmap.store.changes import Change
from gridmap.store.database import Database
from gridmap.store.report_rules import KeptRules
from tests.districts import DISTRICT
from tests.reporting import Desk, desk_of_a_district

CHANGED = frozenset({Change("report_rules", "", None)})


@pytest.fixture(scope="module")
def desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        yield desk


def test_all_who_ask_meanwhile_share_one_reading(desk: Desk) -> None:
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    async def ask() -> list[Any]:
        kept = KeptRules(desk.database)
        found = await asyncio.gather(*(kept.rules() for _ in range(30)))
        return [*found, await kept.rules()]

    event.listen(desk.database.engine.sync_engine, "before_cursor_execute", note)
    found = desk.run(ask())
    event.remove(desk.database.engine.sync_engine, "before_cursor_execute", note)
    assert all(rules is found[0] for rules in found)
    assert len(statements) == 3


def test_rules_that_changed_while_they_were_read_are_read_again(desk: Desk) -> None:
    async def ask() -> tuple[bool | None, bool | None]:
        kept = KeptRules(desk.database)
        before = await kept.rules()
        kept.hear(CHANGED)
        asking = asyncio.create_task(kept.rules())
        await asyncio.sleep(0)
        desk.sql("INSERT INTO report_rules VALUES (%s, NULL, false)", DISTRICT)
        kept.hear(CHANGED)
        after = await asking
        return before.is_rated([DISTRICT]), after.is_rated([DISTRICT])

    assert desk.run(ask()) == (True, False)


def test_what_changed_elsewhere_is_no_reason_to_read(desk: Desk) -> None:
    async def ask() -> bool:
        kept = KeptRules(desk.database)
        before = await kept.rules()
        kept.hear(frozenset({Change("reports", DISTRICT, None)}))
        return await kept.rules() is before

    assert desk.run(ask())


def test_who_gives_up_spoils_it_for_nobody(desk: Desk) -> None:
    async def ask() -> int:
        kept = KeptRules(desk.database)
        first, second = (asyncio.create_task(kept.rules()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return len((await second).categories)

    assert desk.run(ask()) > 8


def test_after_a_failure_they_are_asked_for_again(desk: Desk) -> None:
    async def ask() -> None:
        away = Database(desk.url.replace("host=", "host=/nowhere"))
        kept = KeptRules(away)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await kept.rules()
        await away.close()

    desk.run(ask())
