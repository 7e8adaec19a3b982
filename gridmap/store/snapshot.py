"""What holds today, in memory: which grid, building and sponsor answer for a point.

A snapshot never changes. `load` makes the first; `Snapshot.after` makes the next from what the
change feed says, and shares with the one before whatever has not changed. Both read the database in
one state of it, so that no snapshot is half of one and half of another.

PostGIS gives the same answers for any day, without a snapshot: `gridmap.store.locations`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection

from gridmap.errors import Invalid
from gridmap.geo.circles import Circle, metres_to, metres_to_boundary
from gridmap.geo.index import PointIndex
from gridmap.geo.near import NearPoints
from gridmap.store.changes import Changes
from gridmap.store.grids import Grid
from gridmap.store.imports.staging import batches_of
from gridmap.store.locations import Candidate
from gridmap.store.paging import Key
from gridmap.store.regions import Region
from gridmap.store.sponsors import Sponsor

Id = TypeVar("Id")
Row = TypeVar("Row")


@dataclass(frozen=True)
class Snapshot:
    """`day` is the day that it shows; a building may be `reach_metres` from a point at most."""

    day: datetime.date
    reach_metres: float
    regions: _Rows[str, Region]
    sponsors: _Rows[str, Sponsor]
    sponsorships: _Rows[_Sponsored, str]
    grids: _Grids
    buildings: _Buildings

    @cached_property
    def version(self) -> str:
        """Names what is in it: where two are equal, in any process, so is all that they saw."""
        marks = [self.reach_metres, *(getattr(self, part).mark for part in _PARTS)]
        return blake2b(orjson.dumps(marks), digest_size=12).hexdigest()

    def locate(self, longitude: float, latitude: float, accuracy: float | None = None) -> Spot:
        """What is known of a point, WGS 84 degrees. `accuracy`: metres, None for a true one."""
        home = self.grids.index.locate(longitude, latitude)
        return Spot(self, longitude, latitude, accuracy, home)

    def locate_many(
        self, points: NDArray[np.float64], accuracies: Sequence[float | None]
    ) -> list[Spot]:
        """The same for points float64 (n, 2), longitude then latitude, in their order."""
        homes = self.grids.index.locate_many(points).tolist()
        return [
            Spot(self, longitude, latitude, accuracy, home)
            for (longitude, latitude), accuracy, home in zip(
                points.tolist(), accuracies, homes, strict=True
            )
        ]

    def after(self, connection: Connection, changes: Changes) -> Snapshot:
        """The next snapshot, in which the rows that `changes` name are as they are kept now.

        `connection` is in no transaction. Raises Invalid for a change that names no codes.
        """
        named: dict[str, set[Key]] = {}
        for change in changes:
            if change.codes is None:
                raise Invalid(f"All {change.table} may have changed; load a new snapshot.")
            named.setdefault(change.table, set()).update(
                Key(code, change.district_code) for code in change.codes
            )
        parts: dict[str, Any] = {}
        with _one_state(connection):
            for part, after in _PARTS.items():
                if keys := named.get(part):
                    source = _Source(connection, self.day, self.reach_metres, keys)
                    parts[part] = after(getattr(self, part), source)
        return replace(self, **parts) if parts else self


def load(connection: Connection, day: datetime.date, reach_metres: float) -> Snapshot:
    """A snapshot of all that is kept. `connection` is in no transaction."""
    source = _Source(connection, day, reach_metres)
    with _one_state(connection):
        parts: dict[str, Any] = {part: after(None, source) for part, after in _PARTS.items()}
    return Snapshot(day, reach_metres, **parts)


class Spot:
    """What a snapshot knows of one point: a `Located` that is reckoned as it is asked for.

    `home` is the position of the grid that holds the point, below 0 where none does.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        longitude: float,
        latitude: float,
        accuracy: float | None,
        home: int,
    ) -> None:
        self._snapshot = snapshot
        self._longitude = longitude
        self._latitude = latitude
        self._accuracy = accuracy or None
        self._home = home

    @property
    def version(self) -> str:
        return self._snapshot.version

    @property
    def grid(self) -> Grid | None:
        return self._snapshot.grids.at(self._home) if self._home >= 0 else None

    @cached_property
    def distance_to_boundary(self) -> float | None:
        if self._home < 0:
            return None
        outline = self._snapshot.grids.index.polygons[self._home]
        return metres_to_boundary(outline, self._longitude, self._latitude)

    @property
    def is_within(self) -> bool:
        if self._accuracy is None:
            return self._home >= 0
        distance = self.distance_to_boundary
        return distance is not None and distance >= self._accuracy

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        grid = self.grid
        if grid is not None and self.is_within:
            return (Candidate(grid, 1.0, 0.0),)
        if self._accuracy is None:
            return ()
        circle = Circle(self._longitude, self._latitude, self._accuracy)
        grids = self._snapshot.grids
        near = np.array(grids.index.meeting(*circle.bounds), dtype=np.int64)
        outlines = grids.index.polygons[near]
        metres = metres_to(outlines, self._longitude, self._latitude)
        touched = metres <= self._accuracy
        shares = circle.shares(outlines[touched])
        found = [
            Candidate(row, share, distance)
            for position, share, distance in zip(
                near[touched].tolist(), shares.tolist(), metres[touched].tolist(), strict=True
            )
            if (row := grids.at(position)) is not None
        ]
        return tuple(sorted(found, key=lambda each: (-each.share, each.distance, each.grid.key)))

    @cached_property
    def building(self) -> Key | None:
        snapshot = self._snapshot
        return snapshot.buildings.at(
            self._longitude, self._latitude, self._home, snapshot.grids.index
        )

    @property
    def sponsor(self) -> Sponsor | None:
        sponsorships, code = self._snapshot.sponsorships.rows, None
        if (building := self.building) is not None:
            code = sponsorships.get(_Sponsored(building.district_code, building.code, None))
        if code is None and (grid := self.grid) is not None:
            code = sponsorships.get(_Sponsored(grid.district_code, None, grid.code))
        return None if code is None else self._snapshot.sponsors.rows[code]


class _Sponsored(NamedTuple):
    """What has a sponsor: a building or a grid."""

    district_code: str
    building_code: str | None
    grid_code: str | None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where rows come from: those of `keys`, or all where that is None."""

    connection: Connection
    day: datetime.date
    reach_metres: float
    keys: Collection[Key] | None = None

    def rows(self, statement: str, named: str) -> Iterator[Sequence[Any]]:
        """Selects; `{named}` in the statement becomes the condition `named` where keys are."""
        keys = self.keys
        parameters: dict[str, object] = {"day": self.day} if ":day" in statement else {}
        if keys is not None:
            parameters |= {
                "districts": [key.district_code for key in keys],
                "codes": [key.code for key in keys],
            }
        condition = "" if keys is None else f"AND {named}"
        for rows in batches_of(self.connection, statement.format(named=condition), **parameters):
            yield from rows


@contextmanager
def _one_state(connection: Connection) -> Iterator[None]:
    """All statements within see the database as the first one does."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    connection.execution_options(**options)
    with connection.begin():
        yield


@dataclass(frozen=True, slots=True)
class _Rows(Generic[Id, Row]):
    """Rows by what they are called. `mark` is the sum of all rows' marks."""

    rows: Mapping[Id, Row]
    mark: int

    def with_others(self, ids: Iterable[Id], others: Mapping[Id, Row]) -> _Rows[Id, Row]:
        """Rows of which those with such ids are others or, where there is none, are no more."""
        rows = dict(self.rows)
        mark = self.mark - _sum((each, rows.pop(each)) for each in ids if each in rows)
        rows.update(others)
        return _Rows(rows, (mark + _sum(others.items())) % _MARKS)


def _regions(old: _Rows[str, Region] | None, source: _Source) -> _Rows[str, Region]:
    """Served by regions_pkey where keys are given."""
    selected = source.rows(
        """
        SELECT code, name, level, parent_code, district_code
        FROM regions
        WHERE TRUE {named}
        """,
        "code = ANY(CAST(:codes AS text[]))",
    )
    others = {row[0]: Region(*row) for row in selected}
    return (old or _Rows({}, 0)).with_others((key.code for key in source.keys or ()), others)


def _sponsors(old: _Rows[str, Sponsor] | None, source: _Source) -> _Rows[str, Sponsor]:
    """Served by sponsors_pkey where keys are given."""
    selected = source.rows(
        """
        SELECT code, name, level, region_code, leader_role
        FROM sponsors
        WHERE TRUE {named}
        """,
        "code = ANY(CAST(:codes AS text[]))",
    )
    others = {row[0]: Sponsor(*row) for row in selected}
    return (old or _Rows({}, 0)).with_others((key.code for key in source.keys or ()), others)


def _sponsorships(old: _Rows[_Sponsored, str] | None, source: _Source) -> _Rows[_Sponsored, str]:
    """Served by sponsorships_building_idx and sponsorships_grid_idx where keys are given."""
    selected = source.rows(
        """
        SELECT district_code, building_code, grid_code, sponsor_code
        FROM sponsorships
        WHERE valid_from <= :day AND (valid_to IS NULL OR valid_to > :day) {named}
        """,
        f"((district_code, building_code) IN {_KEYS} OR (district_code, grid_code) IN {_KEYS})",
    )
    others = {_Sponsored(*row[:3]): row[3] for row in selected}
    ids = (
        sponsored
        for code, district_code in source.keys or ()
        for sponsored in (
            _Sponsored(district_code, code, None),
            _Sponsored(district_code, None, code),
        )
    )
    return (old or _Rows({}, 0)).with_others(ids, others)


class _Grid(NamedTuple):
    row: Grid
    outline: Any


class _Building(NamedTuple):
    key: Key
    longitude: float
    latitude: float
    footprint: Any


@dataclass(frozen=True, slots=True)
class _Places(Generic[Row]):
    """Rows at positions that stay theirs; None where there is one no more."""

    rows: Sequence[Row | None]
    positions: Mapping[Key, int]
    mark: int

    def with_others(
        self, keys: Iterable[Key], others: Mapping[Key, Row]
    ) -> tuple[_Places[Row], dict[int, Row | None]]:
        """Places in which the rows with such keys are others, or are no more where there is none.

        Also what is now at the positions that this concerns.
        """
        rows, positions = list(self.rows), dict(self.positions)
        concerned: dict[int, Row | None] = {}
        for key in dict.fromkeys([*keys, *others]):
            row = others.get(key)
            if row is None and key not in positions:
                continue
            position = positions.setdefault(key, len(rows)) if row else positions.pop(key)
            if position == len(rows):
                rows.append(None)
            concerned[position] = row
        mark = self.mark - _sum(rows[position] for position in concerned)
        for position, row in concerned.items():
            rows[position] = row
        return _Places(rows, positions, (mark + _sum(concerned.values())) % _MARKS), concerned


@dataclass(frozen=True, slots=True)
class _Grids:
    places: _Places[_Grid]
    index: PointIndex

    @property
    def mark(self) -> int:
        return self.places.mark

    def at(self, position: int) -> Grid | None:
        """The grid that has the position in the index."""
        there = self.places.rows[position]
        return None if there is None else there.row


def _grids(old: _Grids | None, source: _Source) -> _Grids:
    """Served by grids_pkey where keys are given."""
    selected = source.rows(
        """
        SELECT
            district_code, code, community_code, name, valid_from, valid_to, ST_AsBinary(boundary)
        FROM grids
        WHERE valid_from <= :day AND (valid_to IS NULL OR valid_to > :day) {named}
        """,
        f"(district_code, code) IN {_KEYS}",
    )
    others = {}
    for *values, outline in selected:
        row = Grid(*values)
        others[row.key] = _Grid(row, shapely.from_wkb(outline))
    places, concerned = (old.places if old else _Places([], {}, 0)).with_others(
        source.keys or (), others
    )
    if old and not concerned:
        return old
    index = (old.index if old else _NOBODY).replaced(
        list(concerned),
        [there and there.outline for there in concerned.values()],
        np.array([there.row.key.rank if there else "" for there in concerned.values()], dtype=str),
    )
    return _Grids(places, index)


@dataclass(frozen=True, slots=True)
class _Buildings:
    places: _Places[_Building]
    points: NDArray[np.float64]
    near: NearPoints
    footprints: PointIndex

    @property
    def mark(self) -> int:
        return self.places.mark

    def at(self, longitude: float, latitude: float, home: int, grids: PointIndex) -> Key | None:
        """The building whose footprint holds the point, else the nearest within reach at home.

        `home`: the position in `grids` of the grid that holds the point, and the building too.
        """
        position = self.footprints.locate(longitude, latitude)
        if position >= 0 and (building := self.places.rows[position]) is not None:
            return building.key
        if home < 0:
            return None
        around = (
            (metres, building)
            for metres, position in self.near.within_reach(longitude, latitude)
            if (building := self.places.rows[position]) is not None
            and grids.locate(building.longitude, building.latitude) == home
        )
        _, nearest = min(around, default=(0.0, None))
        return nearest and nearest.key


def _buildings(old: _Buildings | None, source: _Source) -> _Buildings:
    """Served by buildings_pkey where keys are given."""
    selected = source.rows(
        """
        SELECT district_code, code, ST_X(location), ST_Y(location), ST_AsBinary(footprint)
        FROM buildings
        WHERE TRUE {named}
        """,
        f"(district_code, code) IN {_KEYS}",
    )
    others = {}
    for district_code, code, longitude, latitude, footprint in selected:
        key = Key(code, district_code)
        others[key] = _Building(key, longitude, latitude, footprint and shapely.from_wkb(footprint))
    places, concerned = (old.places if old else _Places([], {}, 0)).with_others(
        source.keys or (), others
    )
    if old and not concerned:
        return old
    points = np.full((len(places.rows), 2), np.nan)
    if old:
        points[: len(old.points)] = old.points
    points[list(concerned)] = np.array(
        [there[1:3] if there else _NOWHERE for there in concerned.values()], dtype=np.float64
    ).reshape(-1, 2)
    footprints = (old.footprints if old else _NOBODY).replaced(
        list(concerned),
        [there and there.footprint for there in concerned.values()],
        np.array([there.key.rank if there else "" for there in concerned.values()], dtype=str),
    )
    return _Buildings(places, points, NearPoints(points, source.reach_metres), footprints)


# What each part is made from: the part before, or nothing, and what the database has now.
_PARTS: dict[str, Callable[[Any, _Source], Any]] = {
    "regions": _regions,
    "sponsors": _sponsors,
    "sponsorships": _sponsorships,
    "grids": _grids,
    "buildings": _buildings,
}
_KEYS = "(SELECT * FROM unnest(CAST(:districts AS text[]), CAST(:codes AS text[])))"
_NOWHERE = (np.nan, np.nan)
_NOBODY = PointIndex([], np.zeros(0, dtype=str))
_MARKS = 1 << 64


def _sum(rows: Iterable[object]) -> int:
    """The sum of the rows' marks, each a digest of all that the row says."""
    return sum(
        int.from_bytes(blake2b(orjson.dumps(row, default=_plain), digest_size=8).digest())
        for row in rows
        if row is not None
    )


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, tuple) else shapely.to_wkb(value, hex=True)
