"""What a plan of other boundaries shows: a document that comes back from the database as it was."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple, Self

import orjson


class GridLoad(NamedTuple):
    """What stands in a grid, and how many walk it."""

    buildings: int
    households: int
    workers: int


class PlannedGrid(NamedTuple):
    """What becomes of one grid. `kind`: CHANGED, NEW or ENDS.

    `before_from`: the first day of the version that ends, None of a new one. `outline_before`,
    `outline_after`: WKB in hexadecimal digits, None where there is none.
    """

    code: str
    name: str
    community_code: str
    kind: str
    before_from: str | None
    outline_before: str | None
    outline_after: str | None
    area_before_m2: float
    area_after_m2: float
    load_before: GridLoad
    load_after: GridLoad


class Snap(NamedTuple):
    """A place of a grid's outline that was moved: longitude and latitude, WGS 84."""

    grid_code: str
    longitude: float
    latitude: float
    to_longitude: float
    to_latitude: float
    metres: float


class Piece(NamedTuple):
    """A piece of ground: WKB in hexadecimal digits, square metres, and grids by code.

    `is_new`: of an overlap, whether the change makes it.
    """

    outline: str
    area_m2: float
    grids: list[str]
    is_new: bool = True


class Flow(NamedTuple):
    """Ground that comes from one grid to another, either by its code, None where no grid is."""

    before: str | None
    after: str | None
    area_m2: float


class MovedBuilding(NamedTuple):
    district_code: str
    code: str
    before: str | None
    after: str | None
    households: int


class MovedReport(NamedTuple):
    district_code: str
    id: str
    before: str | None
    after: str | None


class MovedSponsorship(NamedTuple):
    """Of a building that moves: the sponsorship stays with it."""

    district_code: str
    id: int
    before: str | None
    after: str | None


class EndingSponsorship(NamedTuple):
    """Of a grid that ends, itself."""

    id: int
    sponsor_code: str
    grid_code: str
    valid_from: str


class EndingAssignment(NamedTuple):
    """Of a worker to a grid that ends."""

    worker_code: str
    worker_name: str
    grid_code: str
    valid_from: str


class WarningCode(StrEnum):
    """What a plan warns of; OTHER in one that was made before there were codes."""

    GROUND_GIVEN_UP = "GROUND_GIVEN_UP"
    GROUND_TAKEN_IN = "GROUND_TAKEN_IN"
    BUILDINGS_IN_NO_GRID = "BUILDINGS_IN_NO_GRID"
    BUILDINGS_OF_ANOTHER_COMMUNITY = "BUILDINGS_OF_ANOTHER_COMMUNITY"
    GRID_WAS_BEFORE = "GRID_WAS_BEFORE"
    NOBODY_WALKS_GRID = "NOBODY_WALKS_GRID"
    WORKER_WITHOUT_GRID = "WORKER_WITHOUT_GRID"
    SPONSOR_ENDS = "SPONSOR_ENDS"
    BEYOND_COMMUNITY = "BEYOND_COMMUNITY"
    OTHER = "OTHER"


class Warned(NamedTuple):
    """What to think of before a plan is applied: by a stable code, and in words.

    Beside it what the words name, None where they do not: grid, community, building, worker and
    sponsor by code, square metres, and how many buildings.
    """

    code: WarningCode
    message: str
    grid: str | None = None
    community: str | None = None
    building: str | None = None
    worker: str | None = None
    worker_name: str | None = None
    sponsor: str | None = None
    area_m2: float | None = None
    buildings: int | None = None


class Under(NamedTuple):
    """A version that the plan lies on, and a digest of its outline."""

    district_code: str
    code: str
    valid_from: str
    valid_to: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a plan shows. Codes are those of grids.

    `under`: the grids that change or end, and those that lie beside them. `gaps`: ground that a
    grid covers before and none does after. `taken`: the other way round. `overlaps`: where a grid
    of the plan lies over another. `obstacles`: why the plan cannot be applied, in words.
    """

    district_code: str
    under: list[Under]
    grids: list[PlannedGrid]
    snaps: list[Snap]
    gaps: list[Piece]
    taken: list[Piece]
    overlaps: list[Piece]
    flows: list[Flow]
    buildings: list[MovedBuilding]
    reports: list[MovedReport]
    sponsorships: list[MovedSponsorship]
    ending_sponsorships: list[EndingSponsorship]
    ending_assignments: list[EndingAssignment]
    warnings: list[Warned]
    obstacles: list[str]

    def as_json(self) -> dict[str, Any]:
        """As it comes back from the database."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        read: dict[str, Any] = orjson.loads(orjson.dumps(said, default=tuple))
        return read

    @classmethod
    def of_json(cls, said: dict[str, Any]) -> Self:
        rows: dict[str, Any] = {
            name: [kind(*row) for row in said[name]] for name, kind in _ROWS.items()
        }
        rows["grids"] = [
            grid._replace(
                load_before=GridLoad(*grid.load_before), load_after=GridLoad(*grid.load_after)
            )
            for grid in rows["grids"]
        ]
        rows["warnings"] = [
            Warned(WarningCode.OTHER, each)
            if isinstance(each, str)
            else Warned(WarningCode(each[0]), *each[1:])
            for each in said["warnings"]
        ]
        words = {name: said[name] for name in ("district_code", "obstacles")}
        return cls(**rows, **words)


_ROWS: dict[str, Any] = {
    "under": Under,
    "grids": PlannedGrid,
    "snaps": Snap,
    "gaps": Piece,
    "taken": Piece,
    "overlaps": Piece,
    "flows": Flow,
    "buildings": MovedBuilding,
    "reports": MovedReport,
    "sponsorships": MovedSponsorship,
    "ending_sponsorships": EndingSponsorship,
    "ending_assignments": EndingAssignment,
}


def digest_of(content: Content) -> bytes:
    """The same for the same content.

    Of warnings the words count, so that plans from before there were codes can be applied.
    """
    words = {"warnings": [each.message for each in content.warnings]}
    said = orjson.dumps(content.as_json() | words, option=orjson.OPT_SORT_KEYS)
    return blake2b(said, digest_size=16).digest()
