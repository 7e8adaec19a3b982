"""How grids were and became: the versions of one, and two days compared."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence

import strawberry

from gridmap.errors import Invalid, NotFound
from gridmap.geo.datums import Datum
from gridmap.schema.boundary_plans import OutlineDatum
from gridmap.schema.connections import (
    After,
    Connection,
    First,
    connection,
    connection_of,
    page_slice,
)
from gridmap.schema.context import Context, Info
from gridmap.schema.grids import Grid, grid
from gridmap.schema.nodes import GlobalId
from gridmap.schema.regions import Region, region, regions_below
from gridmap.schema.scalars import GeoJSON, geojson
from gridmap.store import boundary_differences as store_differences
from gridmap.store import grid_history as store
from gridmap.store import grids as store_grids
from gridmap.store import regions as store_regions
from gridmap.store.paging import Key, Slice

_DAY = datetime.timedelta(days=1)


@strawberry.type(description="A version of a grid: how it was for a time.")
class GridVersion:
    name: str
    valid_from: datetime.date
    valid_to: datetime.date | None = strawberry.field(
        description="The first day on which it no longer holds; null while no end is known."
    )
    author: str | None = strawberry.field(
        description="Who applied the change that it began with; null where an import brought it."
    )
    author_role: str | None
    applied_at: datetime.datetime | None
    reason: str | None
    plan: strawberry.ID | None = strawberry.field(description="The id of that change's plan.")
    end_author: str | None = strawberry.field(
        description="Who applied the change that it ended with; null where an import ended it, and "
        "while no end is known."
    )
    end_reason: str | None
    end_plan: strawberry.ID | None = strawberry.field(description="The id of that change's plan.")
    row: strawberry.Private[store.Version]

    @strawberry.field(description="The grid as it was on the first day of the version.")
    def grid(self) -> Grid:
        return grid(self.row.grid, self.row.grid.valid_from)

    @strawberry.field
    async def outline(self, info: Info, datum: OutlineDatum = Datum.WGS84) -> GeoJSON:
        wkb = await info.context.load(store_grids.grid_boundaries, self.row.grid.version)
        return geojson(wkb, datum)

    @strawberry.field(description="Square metres on the ground.")
    async def area(self, info: Info) -> float:
        return await info.context.load(store_grids.grid_areas, self.row.grid.version)

    @strawberry.field(
        description="The grids, as they were on the day before, that it has ground from; none "
        "where an import brought it."
    )
    async def split_from(self, info: Info) -> list[Grid]:
        codes = self.row.began.taken_from if self.row.began else []
        return await _grids(info.context, self.row.grid, codes, self.valid_from - _DAY)

    @strawberry.field(
        description="The grids, as they were on the first day after it, that got ground of it; "
        "none where an import ended it."
    )
    async def merged_into(self, info: Info) -> list[Grid]:
        if self.valid_to is None or self.row.ended is None:
            return []
        return await _grids(info.context, self.row.grid, self.row.ended.given_to, self.valid_to)


@strawberry.type(description="Ground that went from one grid to another.")
class ChangedArea:
    area: float = strawberry.field(description="Square metres on the ground.")
    row: strawberry.Private[store_differences.ChangedArea]
    days: strawberry.Private[tuple[datetime.date, datetime.date]]

    @strawberry.field
    def outline(self, datum: OutlineDatum = Datum.WGS84) -> GeoJSON:
        return geojson(self.row.outline, datum)

    @strawberry.field(description="Null where no grid was.")
    def grid_before(self) -> Grid | None:
        return grid(self.row.before, self.days[0]) if self.row.before else None

    @strawberry.field(description="Null where no grid is.")
    def grid_after(self) -> Grid | None:
        return grid(self.row.after, self.days[1]) if self.row.after else None


@strawberry.type(description="A grid that has another version: it came, it ended, or it changed.")
class ChangedGrid:
    before: Grid | None = strawberry.field(description="Null of one that came.")
    after: Grid | None = strawberry.field(description="Null of one that ended.")


@strawberry.type(description="Two days of a region compared.")
class BoundaryDifference:
    region: Region
    from_: datetime.date = strawberry.field(name="from")
    to: datetime.date
    area: float = strawberry.field(
        description="Of all ground that is in another grid, square metres."
    )
    found: strawberry.Private[store_differences.Difference]

    @strawberry.field(
        description="Ground that is in another grid, one for each pair of grids, the largest "
        "first. Of other regions are grids that ground of this one came from or went to."
    )
    def areas(self, first: First = None, after: After = None) -> Connection[ChangedArea]:
        days = self.from_, self.to
        return connection_of(
            self.found.areas,
            page_slice(first, after),
            lambda each: ChangedArea(area=each.area_m2, row=each, days=days),
        )

    @strawberry.field(
        description="The grids that came, ended, or have another outline, name or community; by "
        "code."
    )
    def grids(self, first: First = None, after: After = None) -> Connection[ChangedGrid]:
        return connection_of(
            self.found.grids,
            page_slice(first, after),
            lambda each: ChangedGrid(
                before=grid(each.before, self.from_) if each.before else None,
                after=grid(each.after, self.to) if each.after else None,
            ),
        )


async def grid_history(context: Context, code: str, cut: Slice) -> Connection[GridVersion]:
    """The versions of a grid, the newest first; none of one that never was."""
    rows = await context.run(store.page_of_history, code, cut)
    return connection(rows, cut, _version, lambda: context.run(store.count_versions, code))


async def boundary_difference(
    context: Context, code: str, before: datetime.date, after: datetime.date
) -> BoundaryDifference:
    """Two days of a region compared. Raises NotFound where it is not kept."""
    if before > after:
        raise Invalid(f"from is {before}, which is after to, {after}; exchange them.")
    codes = await regions_below(context, code)
    row = await context.load(store_regions.regions_by_code, code)
    if row is None or codes is None:
        raise NotFound(f"There is no region {code!r}.", reason="NO_REGION", region=code)
    found = await context.run(store_differences.difference, codes, before, after)
    return BoundaryDifference(
        region=region(row, after),
        from_=before,
        to=after,
        area=sum(each.area_m2 for each in found.areas),
        found=found,
    )


def _version(row: store.Version) -> GridVersion:
    began, ended = row.began, row.ended
    return GridVersion(
        name=row.grid.name,
        valid_from=row.grid.valid_from,
        valid_to=row.grid.valid_to,
        author=began.author_subject if began else None,
        author_role=began.author_role if began else None,
        applied_at=began.applied_at if began else None,
        reason=began.reason if began else None,
        plan=_plan_id(row.grid, began),
        end_author=ended.author_subject if ended else None,
        end_reason=ended.reason if ended else None,
        end_plan=_plan_id(row.grid, ended),
        row=row,
    )


def _plan_id(of: store_grids.Grid, change: store.Change | None) -> strawberry.ID | None:
    if change is None:
        return None
    return GlobalId("BoundaryPlan", of.district_code, str(change.plan_id)).encoded()


async def _grids(
    context: Context, of: store_grids.Grid, codes: Sequence[str], on: datetime.date
) -> list[Grid]:
    keys = [Key(code, of.district_code) for code in codes]
    rows = await asyncio.gather(
        *(context.load(store_grids.grids_on_days, (key, on)) for key in keys)
    )
    return [grid(row, on) for row in rows if row]
