"""The lists of coverage as files: a CSV for a spreadsheet, GeoJSON for a map.

Each has the name of its field in GraphQL, as in `/coverage/gridsWithoutWorker.csv?region=230402`.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import orjson
import shapely
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gridmap.api.report_files import language_of
from gridmap.api.sending import PATIENCE_SECONDS, Sending, answered, check_parameters, place_in
from gridmap.errors import Invalid, NotFound
from gridmap.schema.context import Context
from gridmap.schema.coverage import (
    USUAL_HOUSEHOLDS,
    USUAL_TOLERANCE,
    check_days,
    check_norm,
    check_tolerance,
    coverage,
)
from gridmap.store import coverage as store
from gridmap.store.coverage import GridLack, Lack
from gridmap.store.coverage_files import (
    Listing,
    building_list,
    gap_list,
    grid_list,
    load_list,
    overlap_list,
)
from gridmap.store.database import Database
from gridmap.store.report_sheets import Language, csv_heading, csv_lines
from gridmap.store.streaming import Rows

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for. `regions`: the region and all below it."""

    region: str
    regions: list[str]
    on: datetime.date
    given: dict[str, str]

    @property
    def tolerance(self) -> float:
        """Metres. Raises Invalid for what is no width of a sliver."""
        metres = self._read("tolerance", float, USUAL_TOLERANCE, "a width in metres, as in 0.5")
        check_tolerance(metres)
        return metres

    @property
    def norm(self) -> int:
        """Households of one worker. Raises Invalid for what is no number of them."""
        households = self._read("norm", int, USUAL_HOUSEHOLDS, "a number of households, as in 300")
        check_norm(households)
        return households

    @property
    def days(self) -> int:
        """How many days without a visit. Raises Invalid where nobody says it."""
        if "days" not in self.given:
            raise Invalid("Say for how many days nobody was there, as in &days=30.")
        days = _read("days", int, self.given["days"], "a number of days, as in 30")
        check_days(days)
        return days

    def _read(self, name: str, kind: Callable[[str], Value], usual: Value, what: str) -> Value:
        return _read(name, kind, self.given[name], what) if name in self.given else usual


@dataclass(frozen=True, slots=True)
class _List:
    """`english` and `chinese` are what a file is called. `parameters`: those that it alone has."""

    english: str
    chinese: str
    listing: Callable[[Wanted], Listing]
    parameters: tuple[str, ...] = field(default=())


def _buildings(english: str, chinese: str, lack: Lack) -> _List:
    return _List(
        english,
        chinese,
        lambda wanted: building_list(store.Wanted(lack, wanted.regions, wanted.on)),
    )


def _grids(english: str, chinese: str, lack: GridLack) -> _List:
    return _List(english, chinese, lambda wanted: grid_list(lack, wanted.regions, wanted.on))


LISTS = {
    "gaps": _List(
        "gaps",
        "网格空白",
        lambda wanted: gap_list(wanted.region, wanted.on, wanted.tolerance),
        ("tolerance",),
    ),
    "overlaps": _List(
        "overlaps",
        "网格重叠",
        lambda wanted: overlap_list(wanted.region, wanted.on, wanted.tolerance),
        ("tolerance",),
    ),
    "buildingsOutsideGrids": _buildings("buildings-outside-grids", "网格外楼栋", Lack.GRID),
    "buildingsWithoutSponsor": _buildings(
        "buildings-without-sponsor", "无包保单位楼栋", Lack.SPONSOR
    ),
    "buildingsWithoutManagement": _buildings(
        "buildings-without-management", "无人管理楼栋", Lack.MANAGEMENT
    ),
    "buildingsNotVisited": _List(
        "buildings-not-visited",
        "未走访楼栋",
        lambda wanted: building_list(
            store.Wanted(Lack.VISIT, wanted.regions, wanted.on, wanted.days)
        ),
        ("days",),
    ),
    "buildingsWithoutMemberCard": _buildings(
        "buildings-without-member-card", "无党员身份卡楼栋", Lack.MEMBER_CARD
    ),
    "gridsWithoutWorker": _grids("grids-without-worker", "无网格员网格", GridLack.WORKER),
    "gridsWithoutSponsor": _grids("grids-without-sponsor", "无包保单位网格", GridLack.SPONSOR),
    "gridsOverNorm": _List(
        "grids-over-norm",
        "超户数网格",
        lambda wanted: load_list(wanted.norm, wanted.regions, wanted.on),
        ("norm",),
    ),
}
"""What may be asked for, by its name in GraphQL."""


def routes(context: Callable[[Request], Context], places: asyncio.Semaphore) -> list[Route]:
    """`/coverage/{list}.csv` and `.geojson`; `context` is called once for each request."""
    return [Route("/coverage/{file}", CoverageFile(context, places))]


class CoverageFile:
    """An ASGI application that sends one list. `places` are shared by all files of a process."""

    def __init__(self, context: Callable[[Request], Context], places: asyncio.Semaphore) -> None:
        self._context = context
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answered(scope, receive, Sending(send, PATIENCE_SECONDS), self._answer)

    async def _answer(self, request: Request, sending: Sending) -> None:
        name, _, ending = request.path_params["file"].rpartition(".")
        if name not in LISTS or ending not in ("csv", "geojson"):
            raise NotFound(
                f"There is no list {request.path_params['file']!r}. There are, as .csv and as "
                f".geojson: {', '.join(LISTS)}."
            )
        wanted_list = LISTS[name]
        parameters = ["region", "on", *wanted_list.parameters]
        check_parameters(request, [*parameters, "language"] if ending == "csv" else parameters)
        given = dict(request.query_params)
        language = language_of(given.get("language", Language.CHINESE))
        context = self._context(request)
        wanted = await _wanted(context, given)
        listing = wanted_list.listing(wanted)
        async with place_in(self._places):
            title = wanted_list.chinese if language is Language.CHINESE else wanted_list.english
            sending.name = f"{title}-{wanted.region}-{wanted.on}"
            sending.plain_name = f"{wanted_list.english}-{wanted.on}"
            if ending == "csv":
                await _send_csv(context.database, listing, language, sending)
            else:
                await _send_geojson(context.database, listing, sending)


async def _wanted(context: Context, given: dict[str, str]) -> Wanted:
    if "region" not in given:
        raise Invalid("Say the region by its code, as in ?region=230402.")
    on = context.today
    if "on" in given:
        on = _read("on", datetime.date.fromisoformat, given["on"], "a day, as in 2026-03-01")
    found = await coverage(context, given["region"], on)
    return Wanted(found.region.code, found.codes, on, given)


def _read(name: str, kind: Callable[[str], Value], text: str, what: str) -> Value:
    try:
        return kind(text)
    except ValueError as error:
        raise Invalid(f"The parameter {name!r} is {text!r}; give {what}.") from error


async def _send_csv(
    database: Database, listing: Listing, language: Language, sending: Sending
) -> None:
    async with listing.read(database) as batches:
        await sending.begin("text/csv; charset=utf-8", ".csv")
        await sending.bytes(csv_heading(language, listing.columns))
        async for rows in batches:
            await sending.bytes(csv_lines(_cells(rows), language, listing.columns))
    await sending.end()


def _cells(rows: Rows) -> Rows:
    return [
        [" ".join(cell) if isinstance(cell, list) else cell for cell in row[:-1]] for row in rows
    ]


async def _send_geojson(database: Database, listing: Listing, sending: Sending) -> None:
    """A feature a line, so that who compares two files sees which."""
    names = [column.name for column in listing.columns if column.name not in _POSITION]
    places = [i for i, column in enumerate(listing.columns) if column.name not in _POSITION]
    async with listing.read(database) as batches:
        await sending.begin("application/geo+json", ".geojson")
        await sending.bytes(b'{"type":"FeatureCollection","datum":"WGS84","features":[')
        separator = b"\n"
        async for rows in batches:
            lines = _features(rows, names, places)
            await sending.bytes(separator + b",\n".join(lines))
            separator = b",\n"
        await sending.bytes(b"\n]}\n")
    await sending.end()


# GeoJSON has them in the geometry.
_POSITION = ("longitude", "latitude")


def _features(rows: Rows, names: list[str], places: list[int]) -> list[bytes]:
    """Features by RFC 7946: WGS 84, longitude first, outer rings counter-clockwise."""
    shapes = shapely.orient_polygons(shapely.from_wkb([row[-1] for row in rows]))
    return [
        orjson.dumps(
            {
                "type": "Feature",
                "properties": {name: row[place] for name, place in zip(names, places, strict=True)},
                "geometry": orjson.Fragment(shape),
            }
        )
        for row, shape in zip(rows, shapely.to_geojson(shapes), strict=True)
    ]
