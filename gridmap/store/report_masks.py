"""Which of the reports in memory a filter wants.

A filter becomes conditions on the columns of numbers (see `report_columns`). The database is asked
which reports have a text, once for each text and large index; among the rows of a small index it is
looked for here.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.geo.bounds import Bounds
from gridmap.store import tables
from gridmap.store.database import Database
from gridmap.store.loop import ENDED
from gridmap.store.report_columns import Bools, Part, Rows, Serials, handler_key
from gridmap.store.reports import ReportFilter
from gridmap.store.scopes import Clause

_MOST_TEXTS = 1_000
_MOST_TEXT_BYTES = 64_000_000
# A text is looked for everywhere in this time where few reports have it. Where many do, the reports
# of a view are sooner looked through, if they are no more than this.
_SOON_SECONDS = 0.02
_FEW = 30_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter in numbers. `serials`: of the report that has the number, None for any."""

    filter: ReportFilter
    codes: Mapping[str, int]
    serials: Serials | None = None
    having: Having | None = None

    def mask(self, part: Part) -> Callable[[slice], Bools] | None:
        """Which rows of a part are wanted; None where all are."""
        conditions = self._conditions(part)
        if (is_here := part.is_here) is not None:
            conditions.append(lambda rows: is_here[rows])
        if not conditions:
            return None

        def where(rows: slice) -> Bools:
            mask = conditions[0](rows)
            for other in conditions[1:]:
                mask = mask & other(rows)
            return mask

        return where

    def _conditions(self, part: Part) -> list[Callable[[slice], Bools]]:
        wanted, columns = self.filter, part.rows.columns
        found: list[Callable[[slice], Bools]] = []
        if not wanted.scope.is_all:
            found.append(self._in_scope(part.rows))

        def equal(name: str, value: int) -> None:
            column = columns[name]
            found.append(lambda rows: column[rows] == value)

        def among(numbers: NDArray[Any], table: Bools) -> None:
            found.append(_looked_up(numbers, table))

        for name, code in (("grid", wanted.grid), ("sponsor", wanted.sponsor)):
            if code is not None:
                equal(name, self.codes[code])
        if wanted.handler is not None:
            found.append(self._handled_by(wanted.handler, part.rows))
        for (hashes, numbers), codes in (
            (part.rows.regions, wanted.regions),
            (part.rows.categories, wanted.categories),
        ):
            if codes is not None:
                known = np.array([self.codes[code] for code in codes], dtype=np.int64)
                among(numbers, np.isin(hashes, known))
        for name, values, chosen in (
            ("state", tables.STATES, wanted.states),
            ("urgency", tables.URGENCIES, wanted.urgencies),
            ("source", tables.SOURCES, wanted.sources),
        ):
            if chosen is not None:
                among(columns[name], np.array([value in chosen for value in values]))
        if wanted.is_open is not None:
            is_open = np.array([(state not in ENDED) is wanted.is_open for state in tables.STATES])
            among(columns["state"], is_open)
        received, overdue = columns["received"], columns["overdue"]
        if wanted.since is not None:
            since = _in_microseconds(wanted.since)
            found.append(lambda rows: received[rows] >= since)
        if wanted.until is not None:
            until = _in_microseconds(wanted.until)
            found.append(lambda rows: received[rows] < until)
        if wanted.is_overdue is not None:
            now, is_overdue = _in_microseconds(wanted.now), wanted.is_overdue
            found.append(lambda rows: (overdue[rows] < now) == is_overdue)
        if self.serials is not None:
            serials, known = self.serials, columns["serial"]
            found.append(lambda rows: np.isin(known[rows], serials))
        if self.having is not None:
            found.append(self.having.mask(part))
        return found

    def _in_scope(self, rows: Rows) -> Callable[[slice], Bools]:
        """The same as `scopes.condition`, but for what somebody sent in."""
        clauses = [self._clause(clause, rows) for clause in self.filter.scope.clauses]

        def where(at: slice) -> Bools:
            mask = np.zeros(at.stop - at.start, dtype=np.bool_)
            for first, *others in clauses:
                one = first(at)
                for other in others:
                    one = one & other(at)
                mask |= one
            return mask

        return where

    def _clause(self, clause: Clause, rows: Rows) -> list[Callable[[slice], Bools]]:
        found: list[Callable[[slice], Bools]] = []
        for name, values in _by_column(clause).items():
            numbers = np.array([self.codes[value] for value in values], dtype=np.int64)
            if name == "region":
                hashes, regions = rows.regions
                found.append(_looked_up(regions, np.isin(hashes, numbers)))
            else:
                found.append(_one_of(rows.columns[name], numbers))
        return found

    def _handled_by(self, code: str, rows: Rows) -> Callable[[slice], Bools]:
        handlers, (hashes, regions) = rows.columns["handler"], rows.regions
        kinds = (handler_key(kind, code) for kind in tables.HANDLER_KINDS if kind != _MEMBER)
        others = _one_of(handlers, np.array([self.codes[each] for each in kinds], dtype=np.int64))
        member = self.codes[handler_key(_MEMBER, code)]
        is_told = np.ones(len(hashes), dtype=np.bool_)
        if self.filter.member_regions is not None:
            known = [self.codes[region] for region in self.filter.member_regions]
            is_told = np.isin(hashes, np.array(known, dtype=np.int64))
        return lambda at: others(at) | ((handlers[at] == member) & is_told[regions[at]])


_MEMBER = "BUILDING_MEMBER"


def _by_column(clause: Clause) -> dict[str, tuple[str, ...]]:
    """The columns here, and what is hashed in them."""
    said = dict(clause)
    if "handler_kind" in said:
        kinds, codes = said.pop("handler_kind"), said["handler_code"]
        said["handler_code"] = tuple(handler_key(kind, code) for kind in kinds for code in codes)
    return {name.removesuffix("_code"): values for name, values in said.items()}


def _looked_up(numbers: NDArray[Any], table: Bools) -> Callable[[slice], Bools]:
    return lambda rows: table[numbers[rows]]


def _one_of(column: NDArray[np.int64], numbers: NDArray[np.int64]) -> Callable[[slice], Bools]:
    if len(numbers) == 1:
        return lambda rows: column[rows] == numbers[0]
    return lambda rows: np.isin(column[rows], numbers)


@dataclass(frozen=True, slots=True)
class Having:
    """Which rows have a text in them.

    `rows`: of a large index. `positions`: of them those that have it, ascending. `said`: the text
    as PostgreSQL puts it in lower case, by which the rows of a small index are looked through.
    """

    rows: Rows
    positions: NDArray[np.int32]
    said: str

    @classmethod
    def of(cls, rows: Rows, serials: bytes, said: str) -> Having:
        """By what `look` tells."""
        found, known = np.frombuffer(serials, ">i8").astype(np.int64), rows.columns["serial"]
        if len(found) < len(known) // 100:
            positions = np.sort(Part(rows).find(np.sort(found)))
        else:
            positions = np.flatnonzero(np.isin(known, found))
        return cls(rows, positions.astype(np.int32), said)

    def mask(self, part: Part) -> Callable[[slice], Bools]:
        """Which rows of a part have it."""
        if part.rows is self.rows:
            return self._among_positions
        descriptions, said = part.rows.columns["description"], self.said
        return lambda rows: np.array([said in each for each in descriptions[rows]], dtype=np.bool_)

    def _among_positions(self, rows: slice) -> Bools:
        first, end = np.searchsorted(self.positions, (rows.start, rows.stop))
        mask = np.zeros(rows.stop - rows.start, dtype=np.bool_)
        mask[self.positions[first:end] - rows.start] = True
        return mask


class Texts:
    """Which rows of a large index have the texts that were last asked for.

    What is found once holds as long as the index: a report that has changed since the text was
    looked for is no longer in the index for whoever asks then what has changed.
    """

    def __init__(
        self, rows: Rows, look: Callable[[Rows, str, Bounds | None], Coroutine[Any, Any, Having]]
    ) -> None:
        self.rows = rows
        self._look = look
        self._found: OrderedDict[str, asyncio.Task[Having]] = OrderedDict()

    async def having(self, text: str, bounds: Bounds | None) -> Having:
        """Of the rows within the bounds, where there are bounds, all that have the text are told.

        Where few lie within them they are looked through if the text is not soon found everywhere;
        of such texts, which nobody waits for, one at a time is looked for.
        """
        task = self._found.get(text)
        if task is not None:
            self._found.move_to_end(text)
        if bounds is not None and self.rows.index.most_within(bounds) <= _FEW:
            if task is None and all(each.done() for each in self._found.values()):
                task = self._look_everywhere(text)
                await asyncio.wait({task}, timeout=_SOON_SECONDS)
            if task is None or not _has_succeeded(task):
                return await self._look(self.rows, text, bounds)
        elif task is None or (task.done() and not _has_succeeded(task)):
            task = self._look_everywhere(text)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Looks for nothing any more."""
        tasks = [task for task in self._found.values() if task.cancel()]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _look_everywhere(self, text: str) -> asyncio.Task[Having]:
        task = asyncio.create_task(self._look(self.rows, text, None))
        self._found[text] = task
        task.add_done_callback(self._forget_oldest)
        return task

    def _forget_oldest(self, _: asyncio.Task[Having]) -> None:
        sizes = {
            text: task.result().positions.nbytes if _has_succeeded(task) else 0
            for text, task in self._found.items()
        }
        size = sum(sizes.values())
        while len(self._found) > 1 and (size > _MOST_TEXT_BYTES or len(self._found) > _MOST_TEXTS):
            text, _ = self._found.popitem(last=False)
            size -= sizes[text]


def _has_succeeded(task: asyncio.Task[Having]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def look(database: Database, text: str, bounds: Bounds | None) -> tuple[bytes, str]:
    """The serials of reports that have a text, within the bounds if there are any, each as eight
    bytes, the highest of them first; and the text as it is looked for."""
    if bounds is None:
        async with database.transaction() as connection:
            await connection.execute(_MUCH_MEMORY)
            row = (await connection.execute(_HAVING, {"said": text})).one()
    else:
        async with database.connection() as connection:
            given = {"said": text, **bounds._asdict()}
            row = (await connection.execute(_HAVING_WITHIN, given)).one()
    return row.serials or b"", row.said


# Served by reports_words_idx. Pairs say where their letters are too; of a text of two letters the
# index says all, of a longer one the pairs may stand apart. They come from a subquery, so that the
# planner does not know them: where most reports have them it would read all reports instead, and
# find the words of each, which takes ten times as long as to look for the text.
_HAVING = text(
    """
    SELECT
        lower(CAST(:said AS text)) AS said,
        (
            SELECT string_agg(int8send(serial), '')
            FROM reports
            WHERE gridmap_words(description) @> (
                    SELECT array_agg(word)
                    FROM unnest(gridmap_words(CAST(:said AS text))) AS word
                    WHERE length(word) = least(length(lower(CAST(:said AS text))), 2)
                )
                AND (
                    length(lower(CAST(:said AS text))) <= 2
                    OR strpos(lower(description), lower(CAST(:said AS text))) > 0
                )
        ) AS serials
    """
)
# To know each of ten million reports by itself; else PostgreSQL knows their pages, and finds the
# words of all that is there.
_MUCH_MEMORY = text("SET LOCAL work_mem = '64MB'")

# Served by reports_location_idx.
_HAVING_WITHIN = text(
    f"""
    SELECT
        lower(CAST(:said AS text)) AS said,
        (
            SELECT string_agg(int8send(serial), '')
            FROM reports
            WHERE location && ST_MakeEnvelope(
                    :west, :south, :east, :north, {tables.LONGITUDE_LATITUDE}
                )
                AND strpos(lower(description), lower(CAST(:said AS text))) > 0
        ) AS serials
    """
)


def codes_of(wanted: ReportFilter) -> set[str]:
    """What `Wanted` has to know the hashes of."""
    codes = {code for code in (wanted.grid, wanted.sponsor) if code is not None}
    codes |= {*(wanted.regions or ()), *(wanted.categories or ())}
    if wanted.handler is not None:
        codes |= {handler_key(kind, wanted.handler) for kind in tables.HANDLER_KINDS}
        codes |= {*(wanted.member_regions or ())}
    for clause in wanted.scope.clauses:
        codes.update(*_by_column(clause).values())
    return codes


async def numbers_of(connection: AsyncConnection, codes: Sequence[str]) -> dict[str, int]:
    """PostgreSQL's hashes of codes."""
    rows = await connection.execute(
        text(
            """
            SELECT code, hashtextextended(code, 0) AS number
            FROM unnest(CAST(:codes AS text[])) AS code
            """
        ),
        {"codes": list(codes)},
    )
    return {row.code: row.number for row in rows}


async def serials_of(connection: AsyncConnection, district_code: str, serial: int) -> Serials:
    """The serial, if a report of the district has it. Served by reports_serial_idx."""
    reports = tables.reports.c
    found = await connection.scalars(
        select(reports.serial).where(
            reports.district_code == district_code, reports.serial == serial
        )
    )
    return np.array(found.all(), dtype=np.int64)


def _in_microseconds(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // datetime.timedelta(microseconds=1)


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
