"""Visits: what a grid worker did at a building, and when. None is ever changed or deleted.

The client names a visit (a UUIDv7), so that a phone may send it again until it has an answer. That
there was one is public; whose it was and what was seen is a row of `visit_words`, which PostgreSQL
shows to those who look after the building.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, column, func, select, table, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Conflict, Forbidden, Invalid, NotFound
from gridmap.store import audit, tables
from gridmap.store.caretakers import building_in_care
from gridmap.store.database import protected
from gridmap.store.dates import CHINA
from gridmap.store.paging import (
    Key,
    Slice,
    parents_by_key,
    rows_by_parent,
)
from gridmap.store.viewers import Role, Viewer
from gridmap.store.workers import workers_by_key

_table = tables.visits

LONGEST_NOTE = 2_000

_FAST_CLOCK = datetime.timedelta(minutes=10)


class Visit(NamedTuple):
    """What a worker did at a building, and when."""

    district_code: str
    id: UUID
    building_code: str
    kind: str
    at: datetime.datetime

    @property
    def key(self) -> Key:
        """Its place among the visits of a building."""
        return Key(self.at.astimezone(datetime.UTC).isoformat(), str(self.id))

    @property
    def building_key(self) -> Key:
        return Key(self.building_code, self.district_code)


class Words(NamedTuple):
    """Of a visit: whose it was, and what was seen or done."""

    worker_code: str
    note: str


class NewVisit(NamedTuple):
    """What a client sends. `worker`: a code; None where the viewer is the worker."""

    id: UUID
    building: str
    kind: str
    at: datetime.datetime
    note: str = ""
    worker: str | None = None


_COLUMNS = tuple(_table.c[name] for name in Visit._fields)
_WORDS = tuple(_table.c[name] for name in Words._fields)
_words = table("visit_words", *map(column, ("district_code", "id", *Words._fields)))
_LATEST_FIRST = (_table.c.at.desc(), _table.c.id.desc())


async def visits_by_key(
    connection: AsyncConnection, keys: Sequence[tuple[str, UUID]]
) -> list[Visit | None]:
    """One for each district and id, in their order. Served by visits_pkey."""
    named = tuple_(_table.c.district_code, _table.c.id).in_(list(keys))
    rows = await connection.execute(select(*_COLUMNS).where(named))
    found = {(row.district_code, row.id): Visit(*row) for row in rows}
    return [found.get(key) for key in keys]


@protected
async def words_of_visits(
    connection: AsyncConnection, keys: Sequence[tuple[str, UUID]]
) -> list[Words | None]:
    """One for each district and id, in their order; None for whoever does not look after the
    building today. Served by visits_pkey."""
    named = tuple_(_words.c.district_code, _words.c.id).in_(list(keys))
    rows = await connection.execute(select(_words).where(named))
    found = {(district, id_): Words(*said) for district, id_, *said in rows}
    return [found.get(key) for key in keys]


async def visits_of_buildings(
    connection: AsyncConnection, buildings: Sequence[Key], on: datetime.date, cut: Slice
) -> list[list[Visit]]:
    """A page of the visits of each building up to a day, the latest first.

    Served by visits_building_idx. Raises Invalid where the page goes on after no visit.
    """
    parent = parents_by_key(buildings)
    rows = _up_to(select(*_COLUMNS).where(_is_of(parent)), on)
    if cut.after is not None:
        rows = rows.where(tuple_(_table.c.at, _table.c.id) < tuple_(*_place(cut.after)))
    rows = rows.order_by(*_LATEST_FIRST).limit(cut.limit)
    found = await rows_by_parent(connection, parent, rows, len(buildings))
    return [[Visit(*row) for row in visits] for visits in found]


async def count_visits_of_buildings(
    connection: AsyncConnection, buildings: Sequence[Key], on: datetime.date
) -> list[int]:
    """How many visits each building had up to a day."""
    parent = parents_by_key(buildings)
    rows = _up_to(select(func.count()).select_from(_table).where(_is_of(parent)), on)
    return [count for [(count,)] in await rows_by_parent(connection, parent, rows, len(buildings))]


async def last_visits_of_buildings(
    connection: AsyncConnection, buildings: Sequence[Key], on: datetime.date
) -> list[Visit | None]:
    """The last visit of each building up to a day."""
    pages = await visits_of_buildings(connection, buildings, on, Slice(1))
    return [page[0] if page else None for page in pages]


async def log(
    connection: AsyncConnection, given: NewVisit, viewer: Viewer, now: datetime.datetime
) -> Visit:
    """Keeps a visit, or finds that it is kept. `connection` is in a transaction of its own.

    Raises NotFound where there is no such building or worker, Forbidden where the viewer does not
    look after the building on that day or speaks for another worker, Conflict where another visit
    has this id, and Invalid for what makes no sense.
    """
    _check(given, now)
    building = await building_in_care(
        connection, given.building, viewer, given.at.astimezone(CHINA).date()
    )
    worker = await _worker(connection, given.worker, building.district_code, viewer)
    visit = Visit(building.district_code, given.id, building.code, given.kind, given.at)
    words = Words(worker, given.note)
    made = insert(_table).values(visit._asdict() | words._asdict()).on_conflict_do_nothing()
    if (await connection.execute(made.returning(_table.c.id))).first() is not None:
        place = [(visit.district_code, visit.id)]
        await audit.enter(connection, viewer, "LOG", "visits", place)
    kept = await connection.execute(
        select(*_COLUMNS, *_WORDS).where(
            _table.c.district_code == visit.district_code, _table.c.id == visit.id
        )
    )
    *found, worker_code, note = kept.one()
    if (*found, worker_code, note) != (*visit, *words):
        raise Conflict(
            f"The id {given.id} is that of another visit. Give each visit an id of its own, and "
            "send the same visit unchanged."
        )
    return Visit(*found)


def moments_of(on: datetime.date, days: int = 1) -> tuple[datetime.datetime, datetime.datetime]:
    """The first and the last moment of so many days, the last of them `on`, where the districts
    are.
    """
    first = datetime.date.fromordinal(max(1, on.toordinal() - days + 1))
    return (
        datetime.datetime.combine(first, datetime.time.min, CHINA),
        datetime.datetime.combine(on, datetime.time.max, CHINA),
    )


def _check(given: NewVisit, now: datetime.datetime) -> None:
    if given.at > now + _FAST_CLOCK:
        raise Invalid(
            f"at is {given.at.isoformat()}, which is still to come; here it is "
            f"{now.isoformat(timespec='seconds')}. Is the device's clock right?"
        )
    if len(given.note) > LONGEST_NOTE or "\0" in given.note:
        raise Invalid(
            f"note has {len(given.note)} characters; give up to {LONGEST_NOTE}, and no zero byte."
        )


async def _worker(
    connection: AsyncConnection, given: str | None, district_code: str, viewer: Viewer
) -> str:
    """Whose visit it is: of a grid worker who says it, else of the one that is named."""
    if viewer.role is Role.GRID_WORKER:
        if given not in (None, viewer.subject):
            raise Forbidden(
                f"worker is {given!r}, but you are {viewer.subject!r}; a grid worker says only "
                "what they did themselves."
            )
        given = viewer.subject
    if given is None:
        raise Invalid("worker is missing; say by a code whose visit it was.")
    [worker] = await workers_by_key(connection, [Key(given, district_code)])
    if worker is None:
        raise NotFound(f"There is no worker {given!r} in district {district_code}.")
    return worker.code


def _is_of(parent: Any) -> Any:
    return (_table.c.district_code == parent.c.district_code) & (
        _table.c.building_code == parent.c.code
    )


def _up_to(statement: Select[Any], on: datetime.date) -> Select[Any]:
    _, last = moments_of(on)
    return statement.where(_table.c.at <= last)


def _place(after: Key) -> tuple[datetime.datetime, UUID]:
    try:
        moment = datetime.datetime.fromisoformat(after.code)
        if moment.tzinfo is not None:
            return moment, UUID(after.district_code)
    except ValueError:
        pass
    raise Invalid("This cursor is of another list; give one back as it came.")
