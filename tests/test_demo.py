"""What the demo's files promise to those who import, count and look at them."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Geod, Transformer

from gridmap.demo import DEMO_DATUM, DEMO_FILES, write_demo
from gridmap.demo.streets import outline
from gridmap.errors import Invalid

GEOD = Geod(ellps="WGS84")
# An azimuthal equidistant projection in the district's middle: metres true to the millimetre here.
TO_METRES = {
    "230402": Transformer.from_crs(
        "EPSG:4326", "+proj=aeqd +lat_0=47.34 +lon_0=130.2865 +ellps=WGS84", always_xy=True
    ),
    "230405": Transformer.from_crs(
        "EPSG:4326", "+proj=aeqd +lat_0=47.26 +lon_0=130.24 +ellps=WGS84", always_xy=True
    ),
    "230406": Transformer.from_crs(
        "EPSG:4326", "+proj=aeqd +lat_0=47.34 +lon_0=130.34 +ellps=WGS84", always_xy=True
    ),
}
STREET_BEARING_DEGREES = 5.2
XIANGYANG, XINGAN, DONGSHAN = "230402", "230405", "230406"
ABANDONED_COMMUNITY = "230406004002"


@dataclass(frozen=True)
class Demo:
    """The written files, read back with readers that are not the project's."""

    folder: Path

    def features(self, noun: str) -> dict[str, dict[str, Any]]:
        """Properties by code, in the file's order."""
        return {f["properties"]["code"]: f["properties"] for f in self.collection(noun)["features"]}

    def collection(self, noun: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / f"{noun}.geojson").read_text("utf-8"))
        return document

    def shapes(self, noun: str) -> dict[str, Any]:
        return {
            f["properties"]["code"]: shapely.from_geojson(json.dumps(f["geometry"]))
            for f in self.collection(noun)["features"]
            if f["geometry"] is not None
        }

    def table(self, noun: str) -> list[dict[str, str]]:
        with (self.folder / f"{noun}.csv").open(encoding="utf-8-sig", newline="") as lines:
            return list(csv.DictReader(lines))

    @cached_property
    def grids(self) -> dict[str, Any]:
        return self.shapes("grids")

    @cached_property
    def outlines(self) -> dict[str, Any]:
        return self.shapes("regions")

    @cached_property
    def regions(self) -> dict[str, dict[str, Any]]:
        return self.features("regions")

    @cached_property
    def buildings(self) -> dict[str, dict[str, Any]]:
        return self.features("buildings")

    @cached_property
    def grid_of_building(self) -> dict[str, str]:
        """By brute force over all grids; a building in no grid or in two fails here."""
        found = {}
        for code, point in self.shapes("buildings").items():
            (found[code],) = [g for g, shape in self.grids.items() if shape.contains(point)]
        return found

    @cached_property
    def current_sponsorships(self) -> list[dict[str, str]]:
        return [row for row in self.table("sponsorships") if not row["valid_to"]]

    def metres(self, noun_shapes: dict[str, Any]) -> dict[str, Any]:
        """The shapes in metres on a plane of their own district."""
        return {
            code: shapely.transform(shape, _projecting(code[:6]))
            for code, shape in noun_shapes.items()
        }

    @cached_property
    def grids_metres(self) -> dict[str, Any]:
        return self.metres(self.grids)

    @cached_property
    def points_metres(self) -> dict[str, Any]:
        return self.metres(self.shapes("buildings"))

    @cached_property
    def footprints_metres(self) -> dict[str, Any]:
        return self.metres({c: shapely.from_wkt(b["footprint"]) for c, b in self.buildings.items()})


def _projecting(district: str) -> Any:
    def project(positions: Any) -> Any:
        return np.column_stack(TO_METRES[district].transform(positions[:, 0], positions[:, 1]))

    return project


def _area_km2(shape: Any) -> float:
    area, _ = GEOD.geometry_area_perimeter(shape)
    return float(area) / 1e6


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    write_demo(folder)
    return Demo(folder)


def test_exactly_the_announced_files_are_written(demo: Demo) -> None:
    assert [noun for noun, _ in DEMO_FILES] == [
        "regions",
        "grids",
        "buildings",
        "sponsors",
        "sponsorships",
        "workers",
        "member-cards",
        "report-rules",
    ]
    assert {path.name for path in demo.folder.iterdir()} == {name for _, name in DEMO_FILES}
    assert DEMO_DATUM == "WGS84"


def test_every_process_writes_the_same_bytes(demo: Demo, tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        return {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for _, name in DEMO_FILES
        }

    for seed in ("1", "4242"):
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import pathlib, sys, gridmap.demo as d; d.write_demo(pathlib.Path(sys.argv[1]))",
                str(tmp_path / seed),
            ],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "0", "LC_ALL": "C"},
            check=True,
        )
    assert digests(tmp_path / "1") == digests(tmp_path / "4242") == digests(demo.folder)


@pytest.mark.parametrize("noun", ["regions", "grids", "buildings"])
def test_a_collection_says_that_it_is_synthetic(demo: Demo, noun: str) -> None:
    collection = demo.collection(noun)
    assert collection["synthetic"] is True
    assert "synthetic" in collection["name"]
    assert collection["description"].startswith("Synthetic")


@pytest.mark.parametrize(
    ("noun", "count", "drawn"),
    [("regions", 111, 3 + 7 + 10), ("grids", 102, 102), ("buildings", 449, 449)],
)
def test_gdal_reads_the_collections(demo: Demo, noun: str, count: int, drawn: int) -> None:
    meta, _, geometries, fields = pyogrio.raw.read(demo.folder / f"{noun}.geojson")
    assert meta["crs"] == "EPSG:4326"
    assert len(geometries) == count
    assert sum(geometry is not None for geometry in geometries) == drawn
    codes = fields[list(meta["fields"]).index("code")]
    assert all(isinstance(code, str) for code in codes)


def test_codes_follow_the_statistical_hierarchy(demo: Demo) -> None:
    digits = {"PROVINCE": 2, "CITY": 4, "DISTRICT": 6, "STREET": 9, "COMMUNITY": 12}
    seen: set[str] = set()
    for code, region in demo.regions.items():
        assert re.fullmatch(r"\d+", code)
        assert len(code) == digits[region["level"]]
        if region["level"] == "PROVINCE":
            assert region["parent"] is None
        else:
            assert region["parent"] in seen, "a parent comes before its children"
            assert code.startswith(region["parent"])
        assert code not in seen
        seen.add(code)
    levels = Counter(region["level"] for region in demo.regions.values())
    assert levels["PROVINCE"] == levels["CITY"] == 1
    assert levels["DISTRICT"] == 3
    communities = {c for c, r in demo.regions.items() if r["level"] == "COMMUNITY"}
    streets = {c for c, r in demo.regions.items() if r["level"] == "STREET"}
    assert sum(code.startswith(XIANGYANG) for code in communities) == 7
    assert sum(code.startswith(XIANGYANG) for code in streets) == 5
    for code, grid in demo.features("grids").items():
        assert re.fullmatch(r"\d{15}", code)
        assert code[:12] == grid["community"] in communities
    for code in demo.buildings:
        assert re.fullmatch(r"\d{17}", code)
        assert code[:12] in communities
    assert demo.regions["230402002005"]["name"] == "友谊社区"
    assert demo.features("grids")["230402002005003"]["name"] == "友谊社区第3网格"


def test_xiangyang_has_92_grids_in_7_communities(demo: Demo) -> None:
    grids = Counter(code[:6] for code in demo.grids)
    assert grids == {XIANGYANG: 92, XINGAN: 6, DONGSHAN: 4}
    in_community = Counter(code[:12] for code in demo.grids if code.startswith(XIANGYANG))
    assert len(in_community) == 7
    assert all(12 <= count <= 15 for count in in_community.values())
    assert {code[:12] for code in demo.grids if code.startswith(DONGSHAN)} == {ABANDONED_COMMUNITY}
    assert {grid["valid_from"] for grid in demo.features("grids").values()} == {"2024-01-01"}


def test_grids_are_simple_polygons_of_20_to_60_vertices(demo: Demo) -> None:
    for code, grid in demo.grids.items():
        assert grid.geom_type == "Polygon", code
        assert grid.is_valid, code
        assert not grid.interiors, code
        assert grid.exterior.is_ccw, code
        assert 20 <= len(grid.exterior.coords) - 1 <= 60, code
        assert all(round(value, 8) == value for value in itertools.chain(*grid.exterior.coords))


def test_grids_neither_overlap_nor_leave_a_gap(demo: Demo) -> None:
    shapes = np.array(list(demo.grids.values()))
    assert shapely.coverage_is_valid(shapes)
    for first, second in itertools.combinations(shapes, 2):
        assert not shapely.relate_pattern(first, second, "T********")
    for district in (XIANGYANG, XINGAN, DONGSHAN):
        own = [grid for code, grid in demo.grids.items() if code.startswith(district)]
        assert shapely.union_all(own).area == pytest.approx(
            sum(grid.area for grid in own), rel=1e-9
        )


def test_a_region_is_exactly_its_grids(demo: Demo) -> None:
    drawn = {code[:digits] for code in demo.grids for digits in (6, 9, 12)}
    assert set(demo.outlines) == drawn
    for code, region in demo.outlines.items():
        union = shapely.union_all([g for c, g in demo.grids.items() if c.startswith(code)])
        assert union.geom_type == region.geom_type == "Polygon", code
        assert region.is_valid, code
        assert not union.interiors, code
        assert shapely.normalize(union) == shapely.normalize(region), code


def test_streets_meet_in_t_junctions(demo: Demo) -> None:
    grids_at = Counter(
        position for grid in demo.grids.values() for position in set(grid.exterior.coords)
    )
    inner = demo.outlines[XIANGYANG]
    junctions = Counter(
        count
        for position, count in grids_at.items()
        if count > 2 and not inner.boundary.covers(shapely.Point(position))
    )
    assert junctions[3] >= 20
    assert junctions[4] >= 20


def test_xiangyang_has_the_size_and_place_of_the_real_one(demo: Demo) -> None:
    district = demo.outlines[XIANGYANG]
    assert _area_km2(district) == pytest.approx(10.6, rel=0.01)
    assert district.bounds == pytest.approx((130.261, 47.314, 130.312, 47.366), abs=0.001)
    assert district.area < 0.6 * shapely.box(*district.bounds).area
    areas = [_area_km2(g) for code, g in demo.grids.items() if code.startswith(XIANGYANG)]
    assert min(areas) > 0.05
    assert max(areas) < 0.2
    assert max(areas) > 1.8 * min(areas)


def test_the_other_districts_lie_apart_from_xiangyang(demo: Demo) -> None:
    xiangyang, xingan, dongshan = (
        demo.outlines[code].bounds for code in (XIANGYANG, XINGAN, DONGSHAN)
    )
    assert xingan[3] < xiangyang[1], "Xing'an is south"
    assert dongshan[0] > xiangyang[2], "Dongshan is east"


def test_grids_are_numbered_from_west_to_east_and_from_north_to_south(demo: Demo) -> None:
    turn = np.radians(-STREET_BEARING_DEGREES)
    along_streets = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    communities: defaultdict[str, list[tuple[int, Any]]] = defaultdict(list)
    for code, grid in demo.grids_metres.items():
        point = grid.representative_point()
        communities[code[:12]].append(
            (int(code[12:]), along_streets @ np.array([point.x, point.y]))
        )
    for community, numbered in communities.items():
        assert [number for number, _ in numbered] == list(range(1, len(numbered) + 1)), community
        rows: list[list[Any]] = [[numbered[0][1]]]
        for _, point in numbered[1:]:
            if point[0] > rows[-1][-1][0]:
                rows[-1].append(point)
            else:
                rows.append([point])
        assert len(rows) > 1, community
        for northern, southern in itertools.pairwise(rows):
            assert min(p[1] for p in northern) > max(p[1] for p in southern) + 100, community


def test_the_account_s_buildings_are_there(demo: Demo) -> None:
    by_district = defaultdict(list)
    for code, building in demo.buildings.items():
        by_district[code[:6]].append(building)
    assert Counter(b["management_mode"] for b in by_district[XIANGYANG]) == {
        "COMMUNITY_LED": 311,
        "PROFESSIONAL": 10,
        "BASELINE_CLEANING": 10,
        "SELF_MANAGED": 39,
    }
    assert all(b["households"] > 0 and b["management_from"] for b in by_district[XIANGYANG])
    assert len(by_district[DONGSHAN]) == 16
    assert {c[:12] for c in demo.buildings if c.startswith(DONGSHAN)} == {ABANDONED_COMMUNITY}
    assert all(
        b["households"] == 0 and b["management_mode"] is None and b["management_from"] is None
        for b in by_district[DONGSHAN]
    )
    assert len(by_district[XINGAN]) == 63
    assert sum(b["households"] for b in by_district[XINGAN]) == 756
    assert len({b["households"] for b in by_district[XINGAN]}) > 3
    assert len({b["compound"] for b in by_district[XINGAN]}) == 12
    for buildings in by_district.values():
        assert len({b["name"] for b in buildings}) == len(buildings)
        assert all(re.fullmatch(r".+[^\d]\d+号楼", b["name"]) for b in buildings)


def test_building_codes_count_on_within_a_community(demo: Demo) -> None:
    codes = defaultdict(list)
    for code in demo.buildings:
        codes[code[:12]].append(int(code[12:]))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in codes.values())


def test_a_compound_lies_in_one_grid(demo: Demo) -> None:
    grids = defaultdict(set)
    for code, building in demo.buildings.items():
        if building["compound"]:
            grids[building["compound"]].add(demo.grid_of_building[code])
    assert all(len(found) == 1 for found in grids.values())
    assert Counter(grid for found in grids.values() for grid in found) == {
        code: 2 for code in demo.grids if code.startswith(XINGAN)
    }


def test_every_grid_has_at_least_two_buildings(demo: Demo) -> None:
    counts = Counter(demo.grid_of_building.values())
    assert set(counts) == set(demo.grids)
    assert min(counts.values()) >= 2
    assert all(grid.startswith(code[:12]) for code, grid in demo.grid_of_building.items())


def test_buildings_stand_inside_their_grid_and_hold_their_point(demo: Demo) -> None:
    for code, footprint in demo.footprints_metres.items():
        grid = demo.grids_metres[demo.grid_of_building[code]]
        point = demo.points_metres[code]
        assert footprint.geom_type == "Polygon", code
        assert footprint.is_valid, code
        assert footprint.contains(point), code
        assert grid.contains(footprint), code
        assert grid.exterior.distance(point) > 8, code


def test_footprints_are_slabs_of_flats(demo: Demo) -> None:
    for code, footprint in demo.footprints_metres.items():
        corners = np.asarray(footprint.exterior.coords)
        assert len(corners) == 5, code
        sides = np.hypot(*np.diff(corners, axis=0).T)
        assert 50 <= sides[0] <= 70, code
        assert 11 <= sides[1] <= 13, code
        assert sides[:2] == pytest.approx(sides[2:], abs=0.1), code
        assert footprint.area == pytest.approx(sides[0] * sides[1], rel=1e-3), "right angles"


def test_buildings_of_xiangyang_line_the_streets(demo: Demo) -> None:
    for code, footprint in demo.footprints_metres.items():
        if code.startswith((XIANGYANG, DONGSHAN)):
            street = demo.grids_metres[demo.grid_of_building[code]].exterior
            assert 12 <= street.distance(footprint) <= 25, code
            corners = np.asarray(footprint.exterior.coords)
            front = shapely.LineString(corners[:2])
            assert street.distance(front) == pytest.approx(street.distance(footprint)), code
            assert max(street.distance(shapely.Point(c)) for c in corners[:2]) <= 25, "parallel"


@pytest.mark.parametrize("district", [XIANGYANG, XINGAN, DONGSHAN])
def test_buildings_keep_their_distance(demo: Demo, district: str) -> None:
    for shapes, least in ((demo.footprints_metres, 15), (demo.points_metres, 31)):
        own = np.array([shape for code, shape in shapes.items() if code.startswith(district)])
        tree = shapely.STRtree(own)
        _, distances = tree.query_nearest(own, exclusive=True, return_distance=True)
        assert distances.min() > least


def test_13_city_units_and_21_groups_share_out_370_buildings(demo: Demo) -> None:
    sponsors = {row["code"]: row for row in demo.table("sponsors")}
    held = Counter(
        row["sponsor"] for row in demo.current_sponsorships if row["building"].startswith(XIANGYANG)
    )
    units = {c for c, row in sponsors.items() if row["level"] == "CITY"}
    groups = {c for c, row in sponsors.items() if row["region"] == XIANGYANG}
    assert len(units) == 13
    assert len(groups) == 21
    assert set(held) == units | groups
    assert sum(held[unit] for unit in units) == 232
    assert sum(held[group] for group in groups) == 138
    assert min(held.values()) >= 4
    assert {sponsors[unit]["region"] for unit in units} == {"2304"}
    names = {row["name"] for row in sponsors.values()}
    assert {"市审计局", "市公安局", "市教育局", "市融媒体中心", "市统计局"} <= names
    assert {"区法院包保组", "区级包保第一组", "区级包保第二十一组"} <= names
    assert len(names) == len(sponsors)
    leaders = [row["leader"] for row in sponsors.values()]
    assert len(set(leaders)) == len(leaders)
    assert all(leader.startswith("示例") for leader in leaders), "nobody real"
    assert all(row["leader_role"] for row in sponsors.values())
    assert all(re.fullmatch(rf"S{row['region']}-\d\d", c) for c, row in sponsors.items())
    assert all(row["region"] in demo.regions for row in sponsors.values())


def test_a_building_has_one_sponsor_at_a_time(demo: Demo) -> None:
    holding = Counter(row["building"] for row in demo.current_sponsorships if row["building"])
    expected = {c for c in demo.buildings if c.startswith((XIANGYANG, XINGAN))}
    assert holding == dict.fromkeys(expected, 1)
    assert {row["valid_from"] for row in demo.current_sponsorships} == {"2024-03-01"}
    sponsor_of = {row["building"]: row["sponsor"] for row in demo.current_sponsorships}
    ended = [row for row in demo.table("sponsorships") if row["valid_to"]]
    assert len({row["building"] for row in ended}) == len(ended) == 5
    for row in ended:
        assert (row["valid_from"], row["valid_to"]) == ("2023-06-01", "2024-03-01")
        assert row["sponsor"] != sponsor_of[row["building"]]
    codes = {row["code"] for row in demo.table("sponsors")}
    assert {row["sponsor"] for row in demo.table("sponsorships")} == codes


def test_each_grid_of_the_abandoned_buildings_has_a_sponsor(demo: Demo) -> None:
    rows = [row for row in demo.table("sponsorships") if row["grid"]]
    assert all(not row["building"] for row in rows)
    assert sorted(row["grid"] for row in rows) == [c for c in demo.grids if c[:6] == DONGSHAN]
    assert len({row["sponsor"] for row in rows}) == 2


def test_a_sponsor_s_buildings_are_neighbours(demo: Demo) -> None:
    grids_held = defaultdict(set)
    for row in demo.current_sponsorships:
        if row["building"].startswith(XIANGYANG):
            grids_held[row["sponsor"]].add(demo.grid_of_building[row["building"]])
    for sponsor, codes in grids_held.items():
        union = shapely.union_all([demo.grids[code] for code in codes])
        assert union.geom_type == "Polygon", f"{sponsor} holds grids apart: {sorted(codes)}"


def test_every_grid_has_one_worker(demo: Demo) -> None:
    workers = demo.table("workers")
    assert [row["grid"] for row in workers] == list(demo.grids)
    assert len({row["code"] for row in workers}) == len(workers) == 102
    for row in workers:
        assert re.fullmatch(rf"W{row['grid'][:6]}-\d{{3}}", row["code"])
        assert re.fullmatch(r"000\d{8}", row["phone"]), "no number that could be somebody's"
        assert (row["valid_from"], row["valid_to"]) == ("2024-01-01", "")


def test_xiangyang_has_a_default_sponsor_and_dongshan_does_not_rate(demo: Demo) -> None:
    rules = {row["region"]: row for row in demo.table("report_rules")}
    assert rules.keys() == {XIANGYANG, DONGSHAN}
    assert rules[XIANGYANG]["default_sponsor"] in {row["code"] for row in demo.table("sponsors")}
    assert rules[DONGSHAN]["default_sponsor"] == ""
    assert [rules[code]["rated"] for code in (XIANGYANG, DONGSHAN)] == ["true", "false"]


@pytest.mark.parametrize("noun", ["sponsors", "sponsorships", "workers", "report_rules"])
def test_tables_open_in_a_spreadsheet(demo: Demo, noun: str) -> None:
    assert (demo.folder / f"{noun}.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def _square(west: float, south: float) -> tuple[tuple[float, float], ...]:
    return (
        (west, south),
        (west + 1, south),
        (west + 1, south + 1),
        (west, south + 1),
    )


@pytest.mark.parametrize(
    "squares",
    [
        [],
        [(0, 0), (2, 0)],
        [(0, 0), (1, 1)],
        [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2), (1, 2), (2, 2)],
    ],
    ids=["none", "apart", "touching in a point", "around a hole"],
)
def test_an_outline_that_is_not_one_ring_is_refused(squares: list[tuple[float, float]]) -> None:
    with pytest.raises(Invalid):
        outline([_square(*corner) for corner in squares])
