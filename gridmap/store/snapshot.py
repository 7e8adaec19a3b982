"""What holds today, in memory: which grid, building and sponsor answer for a point.

A snapshot never changes. `load` makes the first; `Snapshot.after` makes the next from what the
change feed says, and shares with the one before whatever has not changed. They are to be read from
one state of the database (`one_state`), so that no snapshot is half of one and half of another.

PostGIS gives the same answers for any day, without a snapshot: `gridmap.store.locations`.
"""

from __future__ import annotations

import datetime
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from hashlib import blake2b
from itertools import count
from typing import Any, Generic, NamedTuple

import numpy as np
import orjson
import psycopg
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from gridmap.geo.circles import Circle, metres_to, metres_to_boundary
from gridmap.geo.index import PointIndex
from gridmap.geo.near import NearPoints
from gridmap.store.changes import EVERYTHING, Changes
from gridmap.store.grids import Grid
from gridmap.store.locations import Candidate
from gridmap.store.paging import Key
from gridmap.store.regions import Region
from gridmap.store.rows import Changed, Reading, Row, Rows, Selected, grown
from gridmap.store.sponsors import Sponsor

COMMUNITIES: defaultdict[str, int] = defaultdict(count(1).__next__)
"""The number of each community in arrays, the same in all snapshots; 0 is none of them."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """`day` is the day that it shows; a building may be `reach_metres` from a point at most."""

    day: datetime.date
    reach_metres: float
    regions: Rows[Region]
    sponsors: Rows[Sponsor]
    sponsorships: Rows[str]
    grids: _Outlined[tuple[Any, ...]]
    buildings: _Located
    footprints: _Outlined[str]

    @cached_property
    def version(self) -> str:
        """Names what is in it: where two are equal, in any process, so is all that they saw."""
        marks = [self.reach_metres, *(getattr(self, part).mark for part in _PARTS)]
        return blake2b(orjson.dumps(marks), digest_size=12).hexdigest()

    @cached_property
    def homes(self) -> NDArray[np.int32]:
        """The number of the grid that each building stands in, by the building's; −1 where none.

        The first who asks should do so in a thread: of a million it takes 0.3 s.
        """
        return self.grids.index.locate_many(self.buildings.points)

    @cached_property
    def answering(self) -> NDArray[np.int32]:
        """The number of the sponsor that each building has of its own, by the building's; −1 where
        none. The first who asks should do so in a thread: of a million it takes a second.
        """
        sponsorships, number = self.sponsorships, cache(self.sponsors.number)
        found = np.full(len(self.buildings.points), -1, dtype=np.int32)
        for building, rank in enumerate(self.buildings.rows.at.tolist()):
            # What a building is called is what its sponsorship is.
            if rank is not None and (code := sponsorships.get(rank)) is not None:
                found[building] = number(code)
        return found

    def is_grid_sponsored(self, grid: Key) -> bool:
        """Whether a grid has a sponsor of its own."""
        return self.sponsorships.get(_grid(grid)) is not None

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

    def grid(self, key: Key) -> Grid | None:
        """The version of a grid that holds on the day."""
        row = self.grids.rows.get(key.rank)
        return Grid._make(row) if row is not None else None

    def grid_at(self, number: int) -> Grid:
        """The grid that has the number in the index of grids."""
        return Grid._make(self.grids.rows.at[number])

    def after(self, connection: Connection, changes: Changes) -> Snapshot:
        """The next snapshot, in which the rows that `changes` name are as the connection sees them.

        It is of one state if the connection is in `one_state`, and the changes are all that came
        between this snapshot's and that.
        """
        return self._next(connection, changes, self.day)

    def anew(self, connection: Connection, day: datetime.date) -> Snapshot:
        """A snapshot of all that the connection sees; it shares with this one what is the same."""
        return self._next(connection, EVERYTHING, day)

    def _next(self, connection: Connection, changes: Changes, day: datetime.date) -> Snapshot:
        named: dict[str, set[Key] | None] = {}
        for change in changes:
            known = named.setdefault(change.table, set())
            if change.codes is None or known is None:
                named[change.table] = None
            else:
                known |= {Key(code, change.district_code) for code in change.codes}
        parts: dict[str, Any] = {}
        others: dict[str, Changed] = {}
        for name, part in _PARTS.items():
            keys = named.get(part.table, ())
            if keys is None or keys:
                old = getattr(self, name)
                rows = old if isinstance(old, Rows) else old.rows
                changed = part.changed(rows, connection, day, keys)
                if len(changed.numbers):
                    parts[name], others[name] = old.with_others(changed), changed
        snapshot = replace(self, day=day, **parts)
        if "homes" in self.__dict__:
            snapshot._inherit_homes(self.homes, others)
        if "answering" in self.__dict__:
            snapshot._inherit_answering(self.answering, others, named)
        return snapshot

    def _inherit_homes(self, homes: NDArray[np.int32], others: Mapping[str, Changed]) -> None:
        """Reckons anew where those stand whom a change concerns. If many are, whoever asks does."""
        points = self.buildings.points
        is_concerned = np.ones(len(points), dtype=np.bool_)
        is_concerned[: len(homes)] = False
        homes = grown(homes, len(points))
        if (buildings := others.get("buildings")) is not None:
            is_concerned[buildings.numbers] = True
        if (grids := others.get("grids")) is not None:
            if len(grids.numbers) > _FEW_GRIDS:
                return
            is_other = np.zeros(len(self.grids.rows.at) + 1, dtype=np.bool_)  # the last for −1
            is_other[grids.numbers] = True
            is_concerned |= is_other[homes]
            for west, south, east, north in shapely.bounds(grids.places).tolist():
                x, y = points.T
                is_concerned |= (x >= west) & (x <= east) & (y >= south) & (y <= north)
        homes[is_concerned] = self.grids.index.locate_many(points[is_concerned])
        self.__dict__["homes"] = homes

    def _inherit_answering(
        self,
        answering: NDArray[np.int32],
        others: Mapping[str, Changed],
        named: Mapping[str, set[Key] | None],
    ) -> None:
        """The same for who answers. A sponsor keeps its number, whatever becomes of it."""
        keys = named.get("sponsorships", set())
        if keys is None:
            return
        rows = self.buildings.rows
        concerned = [number for key in keys if (number := rows.number(key.rank)) >= 0]
        concerned += range(len(answering), len(rows.at))
        if (buildings := others.get("buildings")) is not None:
            concerned += buildings.numbers.tolist()
        answering = grown(answering, len(rows.at))
        for number in concerned:
            rank = rows.at[number]
            code = self.sponsorships.get(rank) if rank is not None else None
            answering[number] = self.sponsors.number(code) if code is not None else -1
        self.__dict__["answering"] = answering


def load(connection: Connection, day: datetime.date, reach_metres: float) -> Snapshot:
    """A snapshot of all that is kept. `connection` is in no transaction."""
    with one_state(connection):
        return nothing(reach_metres).anew(connection, day)


def nothing(reach_metres: float) -> Snapshot:
    """A snapshot in which there is nothing, to begin with."""
    nowhere, none = np.empty((0, 2)), np.empty(0, dtype=np.int32)
    buildings = _Located(Rows(), nowhere, none, none, NearPoints(nowhere, reach_metres))
    return Snapshot(
        datetime.date.min,
        reach_metres,
        regions=Rows(),
        sponsors=Rows(),
        sponsorships=Rows(),
        grids=_Outlined(Rows(), _NOBODY),
        buildings=buildings,
        footprints=_Outlined(Rows(), _NOBODY),
    )


def of_grids(grids: Sequence[Grid], outlines: NDArray[np.object_]) -> Snapshot:
    """A snapshot in which there are grids alone, with these outlines: shapely (n,)."""
    rows: Rows[tuple[Any, ...]] = Rows()
    rows.at = np.fromiter((tuple(grid) for grid in grids), dtype=np.object_, count=len(grids))
    ranks = np.array([grid.key.rank for grid in grids], dtype=np.str_)
    return replace(nothing(0.0), grids=_Outlined(rows, PointIndex(outlines, ranks)))


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
        return self._snapshot.grid_at(self._home) if self._home >= 0 else None

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
            Candidate(self._snapshot.grid_at(position), share, distance)
            for position, share, distance in zip(
                near[touched].tolist(), shares.tolist(), metres[touched].tolist(), strict=True
            )
        ]
        return tuple(sorted(found, key=lambda each: (-each.share, each.distance, each.grid.key)))

    @cached_property
    def building(self) -> Key | None:
        """The building whose footprint holds the point, else the nearest within reach at home."""
        snapshot = self._snapshot
        number = snapshot.footprints.index.locate(self._longitude, self._latitude)
        if number >= 0:
            return _key_of(snapshot.footprints.rows.at[number])
        if self._home < 0:
            return None
        buildings, locate = snapshot.buildings, snapshot.grids.index.locate
        around = (
            (metres, buildings.rows.at[number])
            for metres, number in buildings.near.within_reach(self._longitude, self._latitude)
            if locate(*buildings.points[number].tolist()) == self._home
        )
        _, nearest = min(around, default=(0.0, None))
        return _key_of(nearest) if nearest else None

    @property
    def sponsor(self) -> Sponsor | None:
        sponsorships, code = self._snapshot.sponsorships, None
        if (building := self.building) is not None:
            code = sponsorships.get(_building(building))
        if code is None and (grid := self.grid) is not None:
            code = sponsorships.get(_grid(grid.key))
        return None if code is None else self._snapshot.sponsors.get(code)


def _building(key: Key) -> str:
    """What the sponsorship of a building is called."""
    return key.rank


def _grid(key: Key) -> str:
    """What the sponsorship of a grid is called, which may have the code of a building."""
    return f"\0{key.rank}"


@dataclass(frozen=True, slots=True)
class _Outlined(Generic[Row]):
    """Rows that have an outline: their numbers are the positions in the index."""

    rows: Rows[Row]
    index: PointIndex

    @property
    def mark(self) -> int:
        return self.rows.mark

    def with_others(self, changed: Changed) -> _Outlined[Row]:
        parts = range(0, len(changed.keys), _AT_ONCE)
        ranks = [changed.keys[start : start + _AT_ONCE].astype(np.str_) for start in parts]
        index = self.index.replaced(changed.numbers, changed.places, np.concatenate(ranks))
        return _Outlined(self.rows.with_others(changed), index)


@dataclass(frozen=True, slots=True)
class _Located:
    """Buildings by number: where they are, float64 (n, 2), NaN where there is none; how many
    households each has, int32 (n,); and in which of `COMMUNITIES` it is, int32 (n,).
    """

    rows: Rows[str]
    points: NDArray[np.float64]
    households: NDArray[np.int32]
    communities: NDArray[np.int32]
    near: NearPoints

    @property
    def mark(self) -> int:
        return self.rows.mark

    def with_others(self, changed: Changed) -> _Located:
        rows = self.rows.with_others(changed)
        points = grown(self.points, len(rows.at))
        points[changed.numbers] = changed.places[:, :2]
        households, communities = (
            grown(array, len(rows.at)) for array in (self.households, self.communities)
        )
        said = np.nan_to_num(changed.places[:, 2:])
        households[changed.numbers], communities[changed.numbers] = said.T
        near = NearPoints(points, self.near.reach_metres)
        return _Located(rows, points, households, communities, near)


class _Part(NamedTuple):
    """How a part of a snapshot is read.

    `table`: whose changes concern it. `statement`: has the place for a condition `{named}`, which
    is `condition` where only certain rows are asked for. `keys`: what those may be called here.
    """

    table: str
    statement: str
    condition: str
    keys: Callable[[Key], Sequence[str]]
    reading: Reading[Any]

    def changed(
        self,
        rows: Rows[Any],
        connection: Connection,
        day: datetime.date,
        keys: Collection[Key] | None,
    ) -> Changed:
        """What is other than in `rows`, of rows with such keys, or of all where they are None."""
        statement = self.statement.format(named="" if keys is None else f"AND {self.condition}")
        parameters = {
            "day": day,
            "codes": [key.code for key in keys or ()],
            "districts": [key.district_code for key in keys or ()],
        }
        asked = None if keys is None else [name for key in keys for name in self.keys(key)]
        return rows.changed(_selected(connection, statement, parameters), asked, self.reading)


def _selected(
    connection: Connection, statement: str, parameters: Mapping[str, object]
) -> Iterator[Sequence[Selected]]:
    """Batches of plain tuples; SQLAlchemy would make much more of each."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with driver.cursor("selected", binary=True) as cursor:
        cursor.execute(statement.encode(), parameters)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield rows


@contextmanager
def one_state(connection: Connection) -> Iterator[None]:
    """All that is read within this block is of the state that the database has at its beginning."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    connection.execution_options(**options)
    with connection.begin():
        connection.execute(text("SELECT 1"))
        yield


def _rank(selected: Selected) -> str:
    return Key(selected[1], selected[0]).rank


def _key_of(rank: str) -> Key:
    return Key(*rank.split("\0"))


def _outlines(selected: Sequence[Selected]) -> NDArray[np.object_]:
    outlines: NDArray[np.object_] = shapely.from_wkb([row[-1] for row in selected])
    return outlines


def _standing(selected: Sequence[Selected]) -> NDArray[np.float64]:
    """Longitude, latitude, households and the number of the community of each building."""
    rows = [(*row[-2:], row[5], COMMUNITIES[row[3]]) for row in selected]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


# Of more grids at once it takes longer to look for the buildings that they concern than to reckon
# where all stand.
_FEW_GRIDS = 20

# Rows at once, of which nothing that is done to them in one go takes more than some milliseconds.
_AT_ONCE = 500
_NOBODY = PointIndex([], np.zeros(0, dtype=str))
_ASKED = (
    "unnest(CAST(%(districts)s AS text[]), CAST(%(codes)s AS text[])) AS asked (district, code)"
)
_OF_CODES = "code = ANY(CAST(%(codes)s AS text[]))"


def _among_asked(code: str) -> str:
    """The condition for rows of districts."""
    return f"(district_code, {code}) IN (SELECT district, code FROM {_ASKED})"


# Where keys are given each is served by the primary key of its table, but sponsorships by
# sponsorships_building_idx and sponsorships_grid_idx.
_PARTS = {
    "regions": _Part(
        "regions",
        """
        SELECT code, name, level, parent_code, district_code
        FROM regions
        WHERE TRUE {named}
        """,
        _OF_CODES,
        lambda key: [key.code],
        Reading(lambda row: row[0], Region._make),
    ),
    "sponsors": _Part(
        "sponsors",
        """
        SELECT code, name, level, region_code, leader_role
        FROM sponsors
        WHERE TRUE {named}
        """,
        _OF_CODES,
        lambda key: [key.code],
        Reading(lambda row: row[0], Sponsor._make),
    ),
    "sponsorships": _Part(
        "sponsorships",
        """
        SELECT district_code, building_code, grid_code, sponsor_code
        FROM sponsorships
        WHERE valid_from <= %(day)s AND (valid_to IS NULL OR valid_to > %(day)s) {named}
        """,
        # Not with OR, for which all rows would be read.
        f"""
        (district_code, id) IN (
            SELECT district_code, id FROM sponsorships WHERE {_among_asked("building_code")}
            UNION ALL
            SELECT district_code, id FROM sponsorships WHERE {_among_asked("grid_code")}
        )
        """,
        lambda key: [_building(key), _grid(key)],
        Reading(
            lambda row: _building(Key(row[1], row[0])) if row[1] else _grid(Key(row[2], row[0])),
            lambda row: sys.intern(row[3]),
        ),
    ),
    "grids": _Part(
        "grids",
        """
        SELECT
            district_code, code, community_code, name, valid_from, valid_to, ST_AsBinary(boundary)
        FROM grids
        WHERE valid_from <= %(day)s AND (valid_to IS NULL OR valid_to > %(day)s) {named}
        """,
        _among_asked("code"),
        lambda key: [key.rank],
        Reading(
            _rank,
            # Not as a Grid: tuples of plain values are nothing to the garbage collector.
            lambda row: (sys.intern(row[0]), row[1], sys.intern(row[2]), *row[3:6]),
            _outlines,
        ),
    ),
    "buildings": _Part(
        "buildings",
        """
        SELECT
            district_code, code,
            name, community_code, compound, households,  -- told by the database, named by a version
            ST_X(location), ST_Y(location)
        FROM buildings
        WHERE TRUE {named}
        """,
        _among_asked("code"),
        lambda key: [key.rank],
        Reading(_rank, places=_standing),
    ),
    "footprints": _Part(
        "buildings",
        """
        SELECT district_code, code, ST_AsBinary(footprint)
        FROM buildings
        WHERE footprint IS NOT NULL {named}
        """,
        _among_asked("code"),
        lambda key: [key.rank],
        Reading(_rank, places=_outlines),
    ),
}
