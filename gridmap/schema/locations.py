"""The answer to "which grid and which sponsor answer for this point", as clients see it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from enum import Enum

import strawberry

from gridmap.errors import TooLarge
from gridmap.geo.datums import Datum
from gridmap.schema.buildings import Building, building
from gridmap.schema.context import Context, Info
from gridmap.schema.grids import Grid, grid
from gridmap.schema.points import Point, PointInput, point_in, wgs84_positions
from gridmap.schema.sponsors import Sponsor, sponsor
from gridmap.store import buildings as store_buildings
from gridmap.store import locations as store
from gridmap.store.paging import Key

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
    outcome: LocationOutcome
    grid: Grid | None
    candidates: list[GridCandidate] = strawberry.field(
        description="Every grid the accuracy circle touches, with its share of the circle, largest "
        "first. Shares add up to at most 1."
    )
    distance_to_boundary: float | None = strawberry.field(
        description="Metres from the point to the outline of its grid."
    )
    sponsor: Sponsor | None = strawberry.field(
        description="The unit answerable here: the building's sponsor, else the grid's own."
    )
    snapshot_version: str = strawberry.field(
        description="Names the state of the data that this is true of."
    )
    position: strawberry.Private[tuple[float, float]]
    building_key: strawberry.Private[Key | None]
    on: strawberry.Private[datetime.date]

    @strawberry.field(description="The position, in the datum asked for.")
    def point(self, datum: Datum = Datum.WGS84) -> Point:
        return point_in(datum, *self.position)

    @strawberry.field(
        description="The building at the point, if one of the grid lies within reach."
    )
    async def building(self, info: Info) -> Building | None:
        if self.building_key is None:
            return None
        row = await info.context.load(store_buildings.buildings_by_key, self.building_key, self.on)
        return building(row, self.on) if row else None


async def locate(
    context: Context, points: Sequence[PointInput], on: datetime.date
) -> list[Location]:
    """Where each point lies on a day, by one statement.

    Raises TooLarge for too many points, Invalid for one that lies nowhere on Earth.
    """
    if len(points) > MOST_POINTS:
        raise TooLarge(
            f"{len(points)} points were asked for; at most {MOST_POINTS} go at once. "
            "Send them in parts."
        )
    positions = wgs84_positions(points)
    found = await context.run(
        store.locate_points,
        positions,
        [point.accuracy for point in points],
        on,
        context.building_reach_metres,
    )
    return [
        _location((longitude, latitude), located, on)
        for (longitude, latitude), located in zip(positions.tolist(), found, strict=True)
    ]


def _location(position: tuple[float, float], located: store.Located, on: datetime.date) -> Location:
    if located.grid is None:
        outcome = LocationOutcome.OUTSIDE
    else:
        outcome = LocationOutcome.INSIDE if located.within else LocationOutcome.UNCERTAIN
    return Location(
        outcome=outcome,
        grid=grid(located.grid, on) if located.grid else None,
        candidates=[
            GridCandidate(
                grid=grid(candidate.grid, on), share=candidate.share, distance=candidate.distance
            )
            for candidate in located.candidates
        ],
        distance_to_boundary=located.distance_to_boundary,
        sponsor=sponsor(located.sponsor, on) if located.sponsor else None,
        position=position,
        snapshot_version=located.version,
        building_key=located.building,
        on=on,
    )
