"""The answer to "which grid and which sponsor answer for this point", as clients see it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from enum import Enum

import numpy as np
import strawberry
from graphql.pyutils import AwaitableOrValue
from numpy.typing import NDArray

from gridmap.errors import TooLarge
from gridmap.geo.datums import Datum
from gridmap.schema.buildings import Building, building
from gridmap.schema.context import Context, Info
from gridmap.schema.grids import Grid, grid
from gridmap.schema.points import Point, PointInput, point_in, wgs84_position, wgs84_positions
from gridmap.schema.sponsors import Sponsor, sponsor
from gridmap.store import buildings as store_buildings
from gridmap.store import locations as store

MOST_POINTS = 10_000


@strawberry.enum(
    description="INSIDE: one grid, and the whole accuracy circle lies in it. UNCERTAIN: a grid, "
    "but the circle reaches beyond it. OUTSIDE: no grid."
)
class LocationOutcome(Enum):
    INSIDE = "INSIDE"
    UNCERTAIN = "UNCERTAIN"
    OUTSIDE = "OUTSIDE"


@strawberry.type
class GridCandidate:
    grid: Grid
    share: float
    distance: float = strawberry.field(description="Metres from the point; 0 inside.")


@strawberry.type
class Location:
    snapshot_version: str = strawberry.field(
        description="Names the state of the data that this is true of: of regions, grids, "
        "buildings, sponsors and sponsorships. How buildings are managed and who walks a grid is "
        "told as it is now."
    )
    position: strawberry.Private[tuple[float, float]]
    located: strawberry.Private[store.Located]
    on: strawberry.Private[datetime.date]

    @strawberry.field(description="The position, in the datum asked for.")
    def point(self, datum: Datum = Datum.WGS84) -> Point:
        return point_in(datum, *self.position)

    @strawberry.field
    def outcome(self) -> LocationOutcome:
        if self.located.grid is None:
            return LocationOutcome.OUTSIDE
        return LocationOutcome.INSIDE if self.located.is_within else LocationOutcome.UNCERTAIN

    @strawberry.field
    def grid(self) -> Grid | None:
        row = self.located.grid
        return grid(row, self.on) if row else None

    @strawberry.field(
        description="Every grid the accuracy circle touches, with its share of the circle, largest "
        "first. Shares add up to at most 1."
    )
    def candidates(self) -> list[GridCandidate]:
        return [
            GridCandidate(grid=grid(row, self.on), share=share, distance=distance)
            for row, share, distance in self.located.candidates
        ]

    @strawberry.field(description="Metres from the point to the outline of its grid.")
    def distance_to_boundary(self) -> float | None:
        return self.located.distance_to_boundary

    @strawberry.field(
        description="The building at the point, if one of the grid lies within reach."
    )
    async def building(self, info: Info) -> Building | None:
        key = self.located.building
        if key is None:
            return None
        row = await info.context.load(store_buildings.buildings_by_key, key, self.on)
        return building(row, self.on) if row else None

    @strawberry.field(
        description="The unit answerable here: the building's sponsor, else the grid's own."
    )
    def sponsor(self) -> Sponsor | None:
        row = self.located.sponsor
        return sponsor(row, self.on) if row else None


def locate(context: Context, point: PointInput, on: datetime.date) -> AwaitableOrValue[Location]:
    """Where a point lies on a day: from memory where that shows the day, else by one statement.

    Raises Invalid for one that lies nowhere on Earth.
    """
    position = wgs84_position(point)
    if snapshot := context.snapshot(on):
        return _location(position, snapshot.locate(*position, point.accuracy), on)

    async def located() -> Location:
        [location] = await _located(context, np.array([position]), [point.accuracy], on)
        return location

    return located()


def locate_many(
    context: Context, points: Sequence[PointInput], on: datetime.date
) -> AwaitableOrValue[list[Location]]:
    """The same for many points, in their order. Raises TooLarge for too many as well."""
    if len(points) > MOST_POINTS:
        raise TooLarge(
            f"{len(points)} points were asked for; at most {MOST_POINTS} go at once. "
            "Send them in parts."
        )
    positions = wgs84_positions(points)
    accuracies = [point.accuracy for point in points]
    if snapshot := context.snapshot(on):
        return _locations(positions, snapshot.locate_many(positions, accuracies), on)
    return _located(context, positions, accuracies, on)


async def _located(
    context: Context,
    positions: NDArray[np.float64],
    accuracies: Sequence[float | None],
    on: datetime.date,
) -> list[Location]:
    return _locations(positions, await spots(context, positions, accuracies, on), on)


async def spots(
    context: Context,
    positions: NDArray[np.float64],
    accuracies: Sequence[float | None],
    on: datetime.date,
) -> Sequence[store.Located]:
    """What is known of positions on a day: float64 (n, 2), longitude then latitude, WGS 84 degrees.

    From memory if that has the day by the time that it may answer, else by one statement.
    """
    async with context.snapshot_of(on) as snapshot:
        if snapshot is not None:
            return snapshot.locate_many(positions, accuracies)
        reach = context.building_reach_metres
        return await context.run(store.locate_points, positions, accuracies, on, reach)


def _locations(
    positions: NDArray[np.float64], found: Iterable[store.Located], on: datetime.date
) -> list[Location]:
    return [
        _location((longitude, latitude), located, on)
        for (longitude, latitude), located in zip(positions.tolist(), found, strict=True)
    ]


def _location(position: tuple[float, float], located: store.Located, on: datetime.date) -> Location:
    return Location(snapshot_version=located.version, position=position, located=located, on=on)
