"""What a map shows of reports: clusters at a zoom, and hotspots."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import replace
from functools import partial

import orjson
import shapely
import strawberry
from graphql.pyutils import AwaitableOrValue

from gridmap.errors import Invalid, Unavailable
from gridmap.schema.context import Context, Info
from gridmap.schema.grids import Grid, grid
from gridmap.schema.points import BoundsInput, bounds_of
from gridmap.schema.reports import Report, ReportFilter, map_filter_of, report
from gridmap.schema.scalars import GeoJSON
from gridmap.store import report_hotspots as store_hotspots
from gridmap.store.report_points import LEAST_PUBLIC, ReportPoints, reports_by_serial


@strawberry.type(description="Reports that lie close to each other at a zoom.")
class ReportCluster:
    count: int
    location: GeoJSON = strawberry.field(description="The mean of their positions.")
    bounds: list[float] = strawberry.field(description="Theirs: west, south, east, north.")
    key: str = strawberry.field(
        description="Stands for these reports and no others: the same at every zoom. On the "
        "public's map for their squares, and how many are in each."
    )
    serial: strawberry.Private[int | None]

    @strawberry.field(
        graphql_type=Report | None,
        description="The report, where it is one alone; null on the public's map.",
    )
    def report(self, info: Info) -> AwaitableOrValue[Report | None]:
        if self.serial is None or self.count != 1:
            return None
        return _report(info.context, self.serial)


async def _report(context: Context, serial: int) -> Report | None:
    row = await context.load(reports_by_serial, serial, await context.scope())
    return report(row) if row else None


@strawberry.type(description="A place where reports are denser than around it.")
class Hotspot:
    count: int
    outline: GeoJSON
    centre: GeoJSON = strawberry.field(description="The mean of the reports' positions.")
    row: strawberry.Private[store_hotspots.Hotspot]

    @strawberry.field(description="The grids that the outline touches, on a day, today by default.")
    async def grids(self, info: Info, on: datetime.date | None = None) -> list[Grid]:
        day = on or info.context.today
        around = await info.context.load(store_hotspots.surroundings, self.row.outline, day)
        return [grid(row, day) for row in around.grids]

    @strawberry.field(
        description="Over the households of the buildings within the outline; null where there are "
        "none."
    )
    async def reports_per_hundred_households(self, info: Info) -> float | None:
        today = info.context.today
        around = await info.context.load(store_hotspots.surroundings, self.row.outline, today)
        return 100 * self.count / around.households if around.households else None


async def report_clusters(
    context: Context, bounds: BoundsInput, zoom: int, given: ReportFilter | None
) -> list[ReportCluster]:
    """Reports merged for a map. Raises Invalid and TooLarge for what no map shows."""
    box, points = bounds_of(bounds), _points(context)
    assert box is not None
    wanted, is_public = await map_filter_of(context, given)
    serials: list[int] | list[None]
    if is_public:
        cells = await points.public_clusters(box, zoom, wanted)
        serials = [None] * len(cells)
    else:
        cells, found = await points.clusters(box, zoom, wanted)
        serials = found.tolist()
    return [
        ReportCluster(
            count=count,
            location=_point(longitude, latitude),
            bounds=list(edges),
            key=f"{key:016x}",
            serial=serial,
        )
        for count, (longitude, latitude), key, serial, *edges in zip(
            cells.count.tolist(),
            cells.location.tolist(),
            cells.key.tolist(),
            serials,
            cells.west.tolist(),
            cells.south.tolist(),
            cells.east.tolist(),
            cells.north.tolist(),
            strict=True,
        )
    ]


async def hotspots(
    context: Context,
    region: str,
    given: ReportFilter | None,
    radius: float,
    min_reports: int,
) -> list[Hotspot]:
    """The hotspots of a region, those of most reports first."""
    given = given or ReportFilter()
    if given.region is not None:
        raise Invalid("Name the region beside the filter, and none in it.")
    wanted, is_public = await map_filter_of(context, replace(given, region=region))
    points = _points(context)
    if is_public:
        min_reports = max(min_reports, LEAST_PUBLIC)
        positions = await points.public_positions(wanted)
    else:
        positions = await points.positions(wanted)
    found = await asyncio.to_thread(
        partial(store_hotspots.hotspots_among, positions, radius, min_reports)
    )
    return [
        Hotspot(
            count=row.reports,
            outline=_written(row.outline),
            centre=_point(row.longitude, row.latitude),
            row=row,
        )
        for row in found
    ]


def _points(context: Context) -> ReportPoints:
    if context.points is None:
        raise Unavailable("This server keeps no map of reports.")
    return context.points


def _point(longitude: float, latitude: float) -> GeoJSON:
    return GeoJSON({"type": "Point", "coordinates": [longitude, latitude]})


def _written(wkb: bytes) -> GeoJSON:
    return GeoJSON(orjson.Fragment(shapely.to_geojson(shapely.from_wkb(wkb))))
