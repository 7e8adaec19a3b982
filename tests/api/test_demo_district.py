"""The demo district over HTTP: its figures come out of queries, and every building is found."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from gridmap.demo import write_demo
from gridmap.geo.datums import Datum, from_wgs84
from tests.api.conftest import Server


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the demo was loaded from: what the server should answer."""
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder)
    return folder


def features(files: Path, noun: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((files / f"{noun}.geojson").read_text())["features"]
    return found


def every_building(server: Server, region: str) -> list[dict[str, Any]]:
    """All buildings of a region, page by page."""
    buildings: list[dict[str, Any]] = []
    after = None
    while True:
        page = server.ask(
            """
            query ($region: String, $after: Cursor) {
              buildings(region: $region, after: $after) {
                pageInfo { hasNextPage endCursor }
                nodes {
                  code households compound managementMode grid { code }
                  sponsor { code level }
                }
              }
            }
            """,
            region=region,
            after=after,
        )["buildings"]
        buildings += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return buildings


class TestFigures:
    def test_xiangyang_has_its_streets_communities_grids_and_buildings(
        self, server: Server
    ) -> None:
        region = server.ask(
            '{ region(code: "230402") { name grids(first: 0) { totalCount } '
            "children { level children { level } } } }"
        )["region"]
        assert region["name"] == "向阳区"
        assert region["grids"]["totalCount"] == 92
        assert [street["level"] for street in region["children"]] == ["STREET"] * 5
        assert sum(len(street["children"]) for street in region["children"]) == 7

    def test_every_one_of_370_buildings_has_one_sponsor_232_a_city_unit_138_a_group(
        self, server: Server
    ) -> None:
        buildings = every_building(server, "230402")
        assert len(buildings) == 370
        assert Counter(each["sponsor"]["level"] for each in buildings) == {
            "CITY": 232,
            "DISTRICT": 138,
        }
        units = {(each["sponsor"]["level"], each["sponsor"]["code"]) for each in buildings}
        assert Counter(level for level, _ in units) == {"CITY": 13, "DISTRICT": 21}

    def test_the_sponsors_own_counts_add_up_to_the_same(self, server: Server) -> None:
        sponsors = server.ask(
            '{ sponsors(region: "230402") { nodes { code level buildingCount householdCount } } }'
        )["sponsors"]["nodes"]
        counts = Counter[str]()
        for sponsor in sponsors:
            counts[sponsor["level"]] += sponsor["buildingCount"]
        assert counts == {"CITY": 232, "DISTRICT": 138}

    def test_the_buildings_are_managed_in_the_four_modes(self, server: Server) -> None:
        modes = Counter(each["managementMode"] for each in every_building(server, "230402"))
        assert modes == {
            "COMMUNITY_LED": 311,
            "PROFESSIONAL": 10,
            "BASELINE_CLEANING": 10,
            "SELF_MANAGED": 39,
        }

    def test_xingan_has_12_compounds_63_buildings_and_756_households_all_sponsored(
        self, server: Server
    ) -> None:
        buildings = every_building(server, "230405")
        assert len({each["compound"] for each in buildings}) == 12
        assert len(buildings) == 63
        assert sum(each["households"] for each in buildings) == 756
        assert [each for each in buildings if each["sponsor"] is None] == []

    def test_dongshan_has_its_16_abandoned_buildings_divided_into_grids(
        self, server: Server
    ) -> None:
        buildings = every_building(server, "230406004002")
        assert len(buildings) == 16
        assert all(each["grid"]["code"].startswith("230406004002") for each in buildings)

    def test_the_13_and_21_units_come_out_of_one_query(self, server: Server) -> None:
        levels = server.ask(
            '{ coverage(region: "230402") { sponsorLevels { level sponsors buildings } } }'
        )["coverage"]["sponsorLevels"]
        assert levels == [
            {"level": "CITY", "sponsors": 13, "buildings": 232},
            {"level": "DISTRICT", "sponsors": 21, "buildings": 138},
        ]

    def test_no_building_of_xiangyang_or_xingan_is_a_blind_spot(self, server: Server) -> None:
        for region, buildings in (("230402", 370), ("230405", 63)):
            coverage = server.ask(
                """
                query ($region: String!) {
                  coverage(region: $region) {
                    buildingCount
                    buildingsOutsideGrids { nodes { code } }
                    buildingsWithoutSponsor { nodes { code } }
                    gridsWithoutWorker { nodes { code } }
                    gridsWithoutSponsor { nodes { code } }
                  }
                }
                """,
                region=region,
            )["coverage"]
            assert coverage == {
                "buildingCount": buildings,
                "buildingsOutsideGrids": {"nodes": []},
                "buildingsWithoutSponsor": {"nodes": []},
                "gridsWithoutWorker": {"nodes": []},
                "gridsWithoutSponsor": {"nodes": []},
            }

    def test_the_16_buildings_of_dongshan_are_proposed_to_the_units_of_their_grids(
        self, server: Server
    ) -> None:
        proposals = server.ask(
            """
            { suggestSponsorships(region: "230406", evenness: 16) {
                proposals { building { grid { sponsor { code } } } sponsor { code } } } }
            """
        )["suggestSponsorships"]["proposals"]
        assert len(proposals) == 16
        for each in proposals:
            assert each["sponsor"] == each["building"]["grid"]["sponsor"]

    def test_every_one_of_xiangyangs_370_buildings_has_a_mode(self, server: Server) -> None:
        coverage = server.ask(
            '{ coverage(region: "230402") { buildingsWithoutManagement { totalCount } } }'
        )["coverage"]
        assert coverage["buildingsWithoutManagement"]["totalCount"] == 0

    def test_every_grid_has_a_worker(self, server: Server) -> None:
        page = server.ask('{ grids(region: "230402") { nodes { workers { code } } } }')["grids"]
        assert [len(grid["workers"]) for grid in page["nodes"]] == [1] * 92


class TestLocate:
    @pytest.mark.parametrize("datum", list(Datum))
    def test_the_centre_of_every_building_has_its_grid_and_sponsor(
        self, server: Server, files: Path, datum: Datum
    ) -> None:
        buildings = [
            each
            for each in features(files, "buildings")
            if each["properties"]["code"].startswith("230402")
        ]
        outlines = {
            each["properties"]["code"]: shapely.geometry.shape(each["geometry"])
            for each in features(files, "grids")
        }
        tree = shapely.STRtree(list(outlines.values()))
        with (files / "sponsorships.csv").open(encoding="utf-8-sig") as table:
            sponsors = {
                row["building"]: row["sponsor"]
                for row in csv.DictReader(table)
                if row["building"] and not row["valid_to"]
            }
        centres = np.array([each["geometry"]["coordinates"] for each in buildings])
        points, places = tree.query(shapely.points(centres), predicate="covered_by")
        assert points.tolist() == list(range(370))

        given = from_wgs84(centres, datum)
        locations = server.ask(
            """
            query ($points: [PointInput!]!) {
              locateMany(points: $points) {
                outcome grid { code } building { code } sponsor { code }
              }
            }
            """,
            points=[
                {"longitude": longitude, "latitude": latitude, "datum": datum.value}
                for longitude, latitude in given.tolist()
            ],
        )["locateMany"]

        assert len(locations) == 370
        codes = list(outlines)
        for building, place, location in zip(buildings, places, locations, strict=True):
            code = building["properties"]["code"]
            assert location == {
                "outcome": "INSIDE",
                "grid": {"code": codes[place]},
                "building": {"code": code},
                "sponsor": {"code": sponsors[code]},
            }

    def test_one_at_a_time_gives_the_same_as_many_at_once(
        self, server: Server, files: Path
    ) -> None:
        fields = "outcome distanceToBoundary grid { code } sponsor { code }"
        points = [
            {
                "longitude": each["geometry"]["coordinates"][0],
                "latitude": each["geometry"]["coordinates"][1],
                "datum": "WGS84",
                "accuracy": 25.0,
            }
            for each in features(files, "buildings")[::40]
        ]
        one = f"query ($point: PointInput!) {{ locate(point: $point) {{ {fields} }} }}"
        many = f"query ($points: [PointInput!]!) {{ locateMany(points: $points) {{ {fields} }} }}"
        assert server.ask(many, points=points)["locateMany"] == [
            server.ask(one, point=point)["locate"] for point in points
        ]
