"""Whatever is planned and applied: the grids tile what they tiled, and no past day is another.

Each example puts a new tiling beside those of the examples before, with buildings and open reports,
and changes it some times over, each time from the day after on. What a plan shows is compared with
what queries say before and after it is applied, and the ground with what shapely and PostGIS make
of it.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import psycopg
import pytest
import shapely
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from shapely import Polygon
from shapely.ops import split

from gridmap.errors import Invalid
from gridmap.store.boundary_cases import Case, Draft, Outlined, Wanted
from gridmap.store.boundary_contents import Content
from gridmap.store.boundary_reckoning import content_of
from gridmap.store.dates import CHINA, today
from gridmap.store.grids import Grid
from tests.asking import Answer
from tests.districts import COMMUNITY, DISTRICT
from tests.reporting import DISTRICT_OFFICE, Desk, desk_of_a_district
from tests.tilings import SIDE, SOUTH, WEST, metres, shaken, tiling

TODAY = today()
DAY = datetime.timedelta(days=1)
LONG_AGO = TODAY - 1000 * DAY

PLAN = """
mutation ($input: PlanBoundaryChangeInput!) { planBoundaryChange(input: $input) {
  id obstacles warnings
  grids { code fate areaBefore areaAfter outlineAfter
    workBefore { buildings households workers } workAfter { buildings households workers } }
  snapped { totalCount nodes { metres } }
  gaps { totalCount } taken { totalCount } overlaps { totalCount }
  moves { nodes {
    gridBefore gridAfter area buildings households openReports sponsorships } }
  buildings { nodes { building { code } gridBefore gridAfter } }
  reports { nodes { report { id } gridBefore gridAfter } }
  sponsorships { nodes { sponsorship { id } gridBefore gridAfter } }
} }
"""

APPLY = """
mutation ($input: ApplyBoundaryChangeInput!) { applyBoundaryChange(input: $input) {
  grids { code validFrom } } }
"""

HOMES = """
query ($bounds: BoundsInput!, $before: Date!, $after: Date!) {
  buildings(bounds: $bounds) { nodes {
    code households
    before: grid(on: $before) { code } after: grid(on: $after) { code }
    sponsorships { id } } }
  reports(filter: {bounds: $bounds, open: true}) { nodes {
    id before: grid(on: $before) { code } after: grid(on: $after) { code } } }
}
"""

LOCATED = 'locateMany(points: $points, on: "{}") {{ grid {{ code validFrom }} sponsor {{ code }} }}'

_numbers = count(1)


@pytest.fixture(scope="module")
def desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        desk.sql("DELETE FROM grids")
        desk.now = datetime.datetime.now(CHINA) - 3 * DAY
        yield desk


@dataclass
class Town:
    """A tiling of nine grids, somewhere of its own, with buildings and reports in it."""

    desk: Desk
    random: np.random.Generator
    place: int = field(default_factory=lambda: next(_numbers))
    grids: dict[str, Polygon] = field(default_factory=dict)
    community: str = ""

    def __post_init__(self) -> None:
        self.origin = WEST + 0.05 * (self.place % 50), SOUTH + 0.05 * (1 + self.place // 50)
        for i, outline in enumerate(tiling(self.random, 3, self.origin)):
            # Apart from those of other towns, so that a code is never taken.
            code = f"{COMMUNITY[:9]}{100 + self.place:03}{i + 1:03}"
            self.grids[code] = outline
        self.whole = shapely.union_all(list(self.grids.values()))
        self.community = next(iter(self.grids))[:12]
        with psycopg.connect(self.desk.url) as connection:
            self._put(connection.cursor())
        inside = [at for at in self.points(6) if self.whole.contains(shapely.Point(at))]
        for i, at in enumerate(inside):
            self.desk.submit(at, accuracy=[None, 20.0, 90.0][i % 3])

    def _put(self, cursor: psycopg.Cursor[Any]) -> None:
        cursor.execute(
            "INSERT INTO regions (code, name, level, parent_code, district_code) "
            "VALUES (%s, '社区', 'COMMUNITY', %s, %s)",
            (self.community, COMMUNITY[:9], DISTRICT),
        )
        cursor.executemany(
            "INSERT INTO grids (district_code, code, community_code, name, boundary, "
            "source_datum, valid_from) VALUES "
            "(%s, %s, %s, '网格', ST_Multi(ST_GeomFromWKB(%s, 4326)), 'WGS84', %s)",
            [
                (DISTRICT, code, self.community, shapely.to_wkb(outline), LONG_AGO)
                for code, outline in self.grids.items()
            ],
        )
        buildings = [
            (f"{self.community}{i + 1:05}", i + 1, *at) for i, at in enumerate(self.points(16))
        ]
        cursor.executemany(
            "INSERT INTO buildings (district_code, code, community_code, name, households, "
            "location, source_datum, source_longitude, source_latitude) VALUES "
            "(%s, %s, %s, '楼', %s, ST_SetSRID(ST_MakePoint(%s, %s), 4326), 'WGS84', 0, 0)",
            [(DISTRICT, code, self.community, *said) for code, *said in buildings],
        )
        cursor.executemany(
            "INSERT INTO sponsorships (district_code, sponsor_code, building_code, valid_from) "
            "VALUES (%s, 'S1', %s, %s)",
            [(DISTRICT, code, LONG_AGO) for code, *_ in buildings[::2]],
        )

    @property
    def bounds(self) -> dict[str, float]:
        west, south, east, north = self.whole.buffer(0.001).bounds
        return {"west": west, "south": south, "east": east, "north": north}

    def points(self, how_many: int) -> list[tuple[float, float]]:
        """Within and around; some on corners and edges."""
        away = self.random.uniform(-0.1, 3.1, (how_many, 2)) * SIDE + self.origin
        points = [(float(x), float(y)) for x, y in away]
        for outline in list(self.grids.values())[:2]:
            ring = shapely.get_coordinates(outline)
            points += [tuple(ring[0].tolist()), tuple(((ring[1] + ring[2]) / 2).tolist())]
        return points

    def neighbours(self) -> tuple[str, str]:
        """Two grids that share a border."""
        pairs = [
            (one, other)
            for one in self.grids
            for other in self.grids
            if one != other
            and self.grids[one].intersection(self.grids[other]).length > 0.1 * SIDE[0]
            and self.grids[one].union(self.grids[other]).geom_type == "Polygon"
        ]
        one, other = pairs[self.random.integers(len(pairs))]
        return one, other

    def cut(self, code: str) -> list[Polygon]:
        """A grid in two, by a line through its middle that keeps clear of all vertices."""
        outline = self.grids[code]
        corners = shapely.points(shapely.get_coordinates(list(self.grids.values())))
        middle = np.array(outline.representative_point().coords[0])
        for _ in range(50):
            angle = self.random.uniform(0, np.pi)
            ahead = 2 * SIDE[0] * np.array([np.cos(angle), np.sin(angle)])
            line = shapely.LineString([middle - ahead, middle + ahead])
            parts = list(split(outline, line).geoms)
            cuts = shapely.intersection(line, outline.exterior)
            clear = (shapely.distance(corners, cuts) > 4 * metres(1, 0)[0]).all()
            if len(parts) == 2 and clear and all(part.area > outline.area / 20 for part in parts):
                return parts
        return reject()

    def wish(self, kind: str, noise: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is asked for, and what is to come of it: outlines by code, None for the new one."""
        one, other = self.neighbours()
        wanted: dict[str, Any]
        match kind:
            case "merge":
                wanted = {one: self.grids[one].union(self.grids[other])}
                given = {"grids": [{"code": one, "together": [one, other]}], "ends": [other]}
                return given, {**wanted, other: None}
            case "split":
                kept, new = self.cut(one)
                wanted = {one: kept, "": new}
            case "move":
                parts = sorted(self.cut(one), key=self.grids[other].distance)
                beside = [
                    part for part in parts if part.union(self.grids[other]).geom_type == "Polygon"
                ]
                assume(beside)
                given_away = beside[0]
                [rest] = [part for part in parts if part is not given_away]
                # Nodes on a raster: where the cut ends a rounding error off, a slit would remain.
                joined = shapely.union(self.grids[other], given_away, grid_size=1e-10)
                wanted = {one: rest, other: joined}
            case "swap":
                wanted = {one: self.grids[other], other: self.grids[one]}
        grids = []
        for code, outline in wanted.items():
            drawn = shaken(outline, self.random, noise) if noise else outline
            assume(drawn.is_valid)
            named = {"code": code} if code else {"name": "新网格"}
            grids.append({**named, "outline": json.loads(shapely.to_geojson(drawn))})
        return {"grids": grids}, wanted


def well(answer: Answer) -> Any:
    assert answer.errors == []
    [found] = answer.data.values()
    return found


def ground(desk: Desk, town: Town, on: datetime.date) -> dict[str, Any]:
    """The grids of the town on a day, and what PostGIS says of their union and their overlaps."""
    rows = desk.sql(
        "SELECT code, ST_AsBinary(boundary) FROM grids WHERE community_code = %s "
        "AND valid_from <= %s AND (valid_to IS NULL OR valid_to > %s)",
        town.community,
        on,
        on,
    )
    outlines = {code: shapely.from_wkb(bytes(wkb)) for code, wkb in rows}
    [(off, overlap)] = desk.sql(
        """
        WITH held AS (
            SELECT code, boundary FROM grids
            WHERE community_code = %s AND valid_from <= %s AND (valid_to IS NULL OR valid_to > %s)
        )
        SELECT
            ST_Area(ST_SymDifference(ST_Union(boundary), ST_GeomFromWKB(%s, 4326))),
            (
                SELECT sum(ST_Area(ST_Intersection(one.boundary, other.boundary)))
                FROM held AS one
                JOIN held AS other ON one.code < other.code AND one.boundary && other.boundary
            )
        FROM held
        """,
        town.community,
        on,
        on,
        shapely.to_wkb(town.whole),
    )
    limit = 1e-9 * town.whole.area
    assert off <= limit
    assert overlap <= limit
    mine = shapely.union_all(list(outlines.values()))
    assert shapely.area(shapely.symmetric_difference(mine, town.whole)) <= limit
    return outlines


def answers(desk: Desk, points: list[tuple[float, float]], days: list[datetime.date]) -> list[Any]:
    """Where the points lie on each of the days."""
    given = [{"longitude": x, "latitude": y, "datum": "WGS84"} for x, y in points]
    asked = " ".join(f"on{i}: {LOCATED.format(day)}" for i, day in enumerate(days))
    answer = desk.ask(f"query ($points: [PointInput!]!) {{ {asked} }}", points=given)
    assert answer.errors == []
    return list(answer.data.values())


def pairs_of(rows: list[dict[str, Any]], name: str) -> dict[str, tuple[str | None, str | None]]:
    return {row[name]["code" if name == "building" else "id"]: pair_of(row) for row in rows}


def pair_of(row: dict[str, Any]) -> tuple[str | None, str | None]:
    return row["gridBefore"], row["gridAfter"]


def homes(row: dict[str, Any]) -> tuple[str | None, str | None]:
    before, after = row["before"], row["after"]
    return before and before["code"], after and after["code"]


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    kinds=st.lists(st.sampled_from(["move", "split", "merge", "swap"]), min_size=1, max_size=4),
    noise=st.sampled_from([0.0, 0.05, 0.3]),
)
def test_after_any_plan_the_grids_tile_what_they_tiled_and_every_day_before_answers_as_it_did(
    desk: Desk, seed: int, kinds: list[str], noise: float
) -> None:
    town = Town(desk, np.random.default_rng(seed))
    points = town.points(12)
    for start, kind in zip((TODAY + n * DAY for n in count(1)), kinds, strict=False):
        eve = start - DAY
        days = [LONG_AGO - DAY, LONG_AGO, TODAY - 30 * DAY, *(TODAY + n * DAY for n in range(5))]
        past = [day for day in days if day <= eve]
        before = answers(desk, points, past)
        given, wanted = town.wish(kind, noise)

        plan = well(desk.ask(PLAN, DISTRICT_OFFICE, input={"from": start.isoformat(), **given}))
        assert plan["obstacles"] == []
        assert [plan[what]["totalCount"] for what in ("gaps", "taken", "overlaps")] == [0, 0, 0]
        assert all(each["metres"] <= 1.0 for each in plan["snapped"]["nodes"])
        assert answers(desk, points, past) == before

        applied = desk.ask(APPLY, DISTRICT_OFFICE, input={"plan": plan["id"], "reason": "网格调整"})
        begun = {each["code"] for each in well(applied)["grids"]}

        # Every day before is answered as it was, and the ground is what it was.
        assert answers(desk, points, past) == before
        kept = ground(desk, town, start)
        # The grids have the outlines that were asked for, within what was snapped, and those shown.
        codes = {
            code or next(iter(begun - set(town.grids))): outline for code, outline in wanted.items()
        }
        for code, outline in codes.items():
            if outline is None:
                del town.grids[code]
                assert code not in kept
            else:
                assert kept[code].symmetric_difference(outline).area <= (
                    2 * (noise + 0.02) * metres(1, 0)[0] * outline.length
                )
                town.grids[code] = shapely.get_parts(kept[code])[0]
        shown = {each["code"]: each for each in plan["grids"]}
        assert {code for code, each in shown.items() if each["fate"] != "ENDS"} == begun
        for code in begun:
            assert shapely.from_geojson(json.dumps(shown[code]["outlineAfter"])).equals(kept[code])

        # What the plan has shown to move is what queries say has moved.
        said = desk.ask(
            HOMES,
            bounds=town.bounds,
            before=eve.isoformat(),
            after=start.isoformat(),
        ).data
        moved = {
            row["code"]: homes(row)
            for row in said["buildings"]["nodes"]
            if homes(row)[0] != homes(row)[1]
        }
        assert pairs_of(plan["buildings"]["nodes"], "building") == moved
        reports = {
            row["id"]: homes(row)
            for row in said["reports"]["nodes"]
            if homes(row)[0] != homes(row)[1]
        }
        assert pairs_of(plan["reports"]["nodes"], "report") == reports
        sponsored = {
            each["id"]: homes(row)
            for row in said["buildings"]["nodes"]
            if row["code"] in moved
            for each in row["sponsorships"]
        }
        assert pairs_of(plan["sponsorships"]["nodes"], "sponsorship") == sponsored
        households = Counter[tuple[str | None, str | None]]()
        for row in said["buildings"]["nodes"]:
            households[homes(row)] += row["households"]
        for move in plan["moves"]["nodes"]:
            counted = move["buildings"], move["households"], move["openReports"]
            assert counted == (
                list(moved.values()).count(pair_of(move)),
                households[pair_of(move)],
                list(reports.values()).count(pair_of(move)),
            )
        for code, each in shown.items():
            for side, work in enumerate(("workBefore", "workAfter")):
                there = [homes(row)[side] for row in said["buildings"]["nodes"]]
                assert each[work]["buildings"] == there.count(code)


def drawn_anyhow(polygon: Polygon, random: np.random.Generator) -> Polygon:
    """As somebody might draw a grid who does not look at its neighbours."""
    match random.integers(4):
        case 0:
            count = random.integers(3, 15)
            angles = np.sort(random.uniform(0, 2 * np.pi, count))
            reach = random.uniform(0.01, 1.2) * SIDE * random.uniform(0.2, 1.2, (count, 1))
            star = np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach
            return Polygon(star + np.array(polygon.centroid.coords[0]))
        case 1:
            return shaken(polygon, random, random.uniform(0, 20))
        case 2:
            return polygon.buffer(metres(random.uniform(-20, 20), 0)[0])
        case _:
            hole = polygon.centroid.buffer(SIDE[0] * random.uniform(0.0001, 0.3))
            return polygon.difference(hole)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    chosen=st.lists(st.integers(0, 8), min_size=1, max_size=3, unique=True),
    is_one_ending=st.booleans(),
    tolerance=st.sampled_from([0.0, 0.1, 1.0, 5.0, 10.0]),
)
def test_however_outlines_are_drawn_the_ground_that_comes_and_goes_makes_up_their_areas(
    seed: int, chosen: list[int], is_one_ending: bool, tolerance: float
) -> None:
    random = np.random.default_rng(seed)
    grids = [
        Outlined(
            Grid(DISTRICT, f"{i}", COMMUNITY, "网格", LONG_AGO, None),
            shapely.multipolygons([outline]),
        )
        for i, outline in enumerate(tiling(random))
    ]
    ending = [grids[i] for i in chosen[:1] if is_one_ending]
    wanted = []
    for i in chosen[len(ending) :]:
        shape = drawn_anyhow(shapely.get_parts(grids[i].outline)[0], random)
        assume(shape.is_valid and not shape.is_empty)
        outline = shapely.multipolygons(shapely.get_parts(shape))
        wanted.append(Wanted(DISTRICT, f"{i}", "新名", COMMUNITY, outline, grids[i], False, None))
    draft = Draft(TODAY, (), tuple(each.grid.code for each in ending), "WGS84", tolerance)
    around = [each for i, each in enumerate(grids) if i not in chosen]
    try:
        found = content_of(Case(draft, DISTRICT, wanted, ending, around, [], [], [], []))
    except Invalid:
        return  # a tolerance too wide for what was drawn
    assert Content.of_json(found.as_json()) == found
    assert bool(found.obstacles) == bool(
        found.gaps or found.taken or [each for each in found.overlaps if each.is_new]
    )
    if found.overlaps:
        return  # such ground is counted with each that claims it
    for grid in found.grids:
        came = sum(flow.area_m2 for flow in found.flows if flow.after == grid.code)
        went = sum(flow.area_m2 for flow in found.flows if flow.before == grid.code)
        assert grid.area_after_m2 - grid.area_before_m2 == pytest.approx(came - went, abs=0.05)
