"""Which grid, which building and which sponsor answer for a point."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import Polygon

from gridmap.geo.datums import Datum, from_wgs84
from gridmap.store.database import tool_engine
from tests.asking import Answer, ask
from tests.districts import (
    LAST_YEAR,
    SIDE,
    SOUTH,
    WEST,
    District,
    building_code,
    grid_code,
    put_building,
)

LOCATE = """
query ($point: PointInput!, $on: Date) {
  locate(point: $point, on: $on) {
    outcome
    point { longitude latitude datum }
    grid { code }
    candidates { grid { code } share distance }
    distanceToBoundary
    building { code }
    sponsor { code }
  }
}
"""
CORNER = (WEST + SIDE, SOUTH + SIDE)
"""Where grids 1, 2, 4 and 5 meet."""

GEOD = Geod(ellps="WGS84")


def locate(
    database_url: str,
    longitude: float,
    latitude: float,
    *,
    datum: str = "WGS84",
    accuracy: float | None = None,
    on: datetime.date | None = None,
) -> Answer:
    point = {
        "longitude": longitude,
        "latitude": latitude,
        "datum": datum,
        "accuracy": accuracy,
    }
    return ask(database_url, LOCATE, point=point, on=on.isoformat() if on else None)


def circle(longitude: float, latitude: float, radius: float) -> Polygon:
    """The circle on the ellipsoid, as a fine polygon: an oracle beside PostGIS's buffer."""
    bearings = np.linspace(0, 360, 720, endpoint=False)
    east, north, _ = GEOD.fwd(
        np.full(720, longitude), np.full(720, latitude), bearings, np.full(720, radius)
    )
    return Polygon(np.column_stack([east, north]))


@pytest.mark.usefixtures("district")
class TestPlace:
    def test_a_point_inside_a_grid_has_its_grid_building_and_sponsor(
        self, database_url: str
    ) -> None:
        location = locate(database_url, WEST + SIDE / 2, SOUTH + 1.5 * SIDE).data["locate"]
        assert location["outcome"] == "INSIDE"
        assert location["grid"] == {"code": grid_code(1)}
        assert location["building"] == {"code": building_code(1)}
        assert location["sponsor"] == {"code": "S1"}

    @pytest.mark.parametrize("datum", [datum.value for datum in Datum])
    def test_the_same_place_in_every_datum_has_the_same_grid(
        self, database_url: str, datum: str
    ) -> None:
        centre = np.array([[WEST + SIDE / 2, SOUTH + SIDE / 2]])
        [[longitude, latitude]] = from_wgs84(centre, Datum(datum))
        location = locate(database_url, longitude, latitude, datum=datum).data["locate"]
        assert location["grid"] == {"code": grid_code(4)}
        assert location["point"]["datum"] == "WGS84"
        assert location["point"]["longitude"] == pytest.approx(centre[0, 0], abs=1e-9)

    @pytest.mark.parametrize(
        ("longitude", "latitude", "number"),
        [
            (*CORNER, 1),
            (WEST + SIDE, SOUTH + SIDE / 2, 4),
            (WEST + SIDE / 2, SOUTH + SIDE, 1),
            (WEST, SOUTH, 4),
        ],
    )
    def test_a_point_on_a_shared_edge_or_corner_belongs_to_the_smallest_code(
        self, database_url: str, longitude: float, latitude: float, number: int
    ) -> None:
        location = locate(database_url, longitude, latitude).data["locate"]
        assert location["grid"] == {"code": grid_code(number)}
        assert location["distanceToBoundary"] == pytest.approx(0, abs=0.01)

    def test_a_point_in_no_grid_is_outside_and_has_no_sponsor(self, database_url: str) -> None:
        location = locate(database_url, WEST - SIDE, SOUTH).data["locate"]
        assert location["outcome"] == "OUTSIDE"
        assert location["grid"] is location["building"] is location["sponsor"] is None
        assert location["candidates"] == []
        assert location["distanceToBoundary"] is None

    @pytest.mark.parametrize("datum", ["WGS84", "GCJ02", "BD09"])
    def test_a_point_outside_china_is_outside(self, database_url: str, datum: str) -> None:
        answer = locate(database_url, -0.1276, 51.5074, datum=datum)
        assert answer.errors == []
        assert answer.data["locate"]["outcome"] == "OUTSIDE"
        assert answer.data["locate"]["point"]["longitude"] == -0.1276

    def test_a_past_day_is_answered_as_it_was(self, database_url: str) -> None:
        south_of_grid_6 = (WEST + 2.5 * SIDE, SOUTH + SIDE / 4)
        before = locate(database_url, *south_of_grid_6, on=LAST_YEAR - datetime.timedelta(days=1))
        since = locate(database_url, *south_of_grid_6, on=LAST_YEAR)
        assert before.data["locate"]["outcome"] == "OUTSIDE"
        assert since.data["locate"]["grid"] == {"code": grid_code(6)}

    @given(east=st.floats(-0.5, 3.5), north=st.floats(-0.5, 2.5))
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_the_grid_is_the_one_that_shapely_finds(
        self, database_url: str, district: District, east: float, north: float
    ) -> None:
        longitude, latitude = WEST + east * SIDE, SOUTH + north * SIDE
        codes = [
            code
            for code, square in sorted(district.grids.items())
            if shapely.intersects_xy(square, longitude, latitude)
        ]
        found = locate(database_url, longitude, latitude).data["locate"]["grid"]
        assert found == ({"code": codes[0]} if codes else None)


@pytest.mark.usefixtures("district")
class TestSponsor:
    def test_a_building_s_sponsor_comes_before_the_grid_s_own(self, database_url: str) -> None:
        far_from_the_building = (WEST + SIDE / 8, SOUTH + 1.1 * SIDE)
        assert locate(database_url, *far_from_the_building).data["locate"]["sponsor"] == {
            "code": "S2"
        }

    def test_where_the_building_has_none_the_grid_s_own_sponsor_answers(
        self, database_url: str
    ) -> None:
        location = locate(database_url, WEST + 1.5 * SIDE, SOUTH + 1.5 * SIDE).data["locate"]
        assert location["building"] == {"code": building_code(2)}
        assert location["sponsor"] == {"code": "S2"}

    def test_where_neither_has_one_nobody_answers(self, database_url: str) -> None:
        location = locate(database_url, WEST + 1.5 * SIDE, SOUTH + SIDE / 2).data["locate"]
        assert location["building"] == {"code": building_code(5)}
        assert location["sponsor"] is None

    def test_the_sponsor_of_a_past_day_answers_for_that_day(self, database_url: str) -> None:
        then = LAST_YEAR - datetime.timedelta(days=1)
        location = locate(database_url, WEST + SIDE / 2, SOUTH + 1.5 * SIDE, on=then)
        assert location.data["locate"]["sponsor"] == {"code": "S2"}

    def test_a_building_is_at_the_point_up_to_its_reach_of_thirty_metres(
        self, database_url: str, district: District
    ) -> None:
        home = district.buildings[building_code(1)]
        near = GEOD.fwd(home.x, home.y, 90, 29.9)[:2]
        far = GEOD.fwd(home.x, home.y, 90, 30.1)[:2]
        assert locate(database_url, *near).data["locate"]["building"]
        assert locate(database_url, *far).data["locate"]["building"] is None

    def test_a_footprint_around_the_point_comes_before_a_nearer_building(
        self, database_url: str, district: District
    ) -> None:
        # 1. A long building beside the middle of grid 3, its point far off at its west end.
        home = district.buildings[building_code(3)]
        slab = shapely.box(home.x - 0.001, home.y + 0.0001, home.x + 0.001, home.y + 0.0002)
        engine = tool_engine(database_url)
        with engine.begin() as connection:
            end = shapely.Point(home.x - 0.0009, home.y + 0.00015)
            put_building(connection, building_code(99), end, footprint=slab)
        engine.dispose()
        # 2. Inside its walls, 17 m from building 3's point, one is in the long building.
        inside = locate(database_url, home.x, home.y + 0.00015).data["locate"]
        assert inside["building"] == {"code": building_code(99)}
        # 3. Outside them, the near point wins.
        assert locate(database_url, home.x, home.y).data["locate"]["building"] == {
            "code": building_code(3)
        }

    def test_a_building_beyond_the_grid_s_edge_is_not_the_building_here(
        self, database_url: str
    ) -> None:
        edge = WEST + SIDE
        engine = tool_engine(database_url)
        with engine.begin() as connection:
            across = shapely.Point(edge + 0.0001, SOUTH + 1.9 * SIDE)
            put_building(connection, building_code(98), across)
        engine.dispose()
        location = locate(database_url, edge - 0.0001, SOUTH + 1.9 * SIDE).data["locate"]
        assert location["grid"] == {"code": grid_code(1)}
        assert location["building"] is None


@pytest.mark.usefixtures("district")
class TestAccuracy:
    def test_a_circle_within_one_grid_is_inside(self, database_url: str) -> None:
        location = locate(database_url, WEST + SIDE / 2, SOUTH + 1.5 * SIDE, accuracy=50)
        assert location.data["locate"]["outcome"] == "INSIDE"
        assert [candidate["share"] for candidate in location.data["locate"]["candidates"]] == [1]

    def test_a_circle_that_reaches_another_grid_is_uncertain(self, database_url: str) -> None:
        answer = locate(database_url, WEST + SIDE * 0.9, SOUTH + 1.5 * SIDE, accuracy=60)
        assert answer.data["locate"]["outcome"] == "UNCERTAIN"
        codes = [candidate["grid"]["code"] for candidate in answer.data["locate"]["candidates"]]
        assert codes == [grid_code(1), grid_code(2)]

    def test_outside_every_grid_the_circle_still_says_which_are_near(
        self, database_url: str
    ) -> None:
        location = locate(database_url, WEST - 0.0001, SOUTH + SIDE / 2, accuracy=40)
        assert location.data["locate"]["outcome"] == "OUTSIDE"
        [candidate] = location.data["locate"]["candidates"]
        expected = GEOD.inv(WEST - 0.0001, SOUTH + SIDE / 2, WEST, SOUTH + SIDE / 2)[2]
        assert candidate["grid"] == {"code": grid_code(4)}
        assert candidate["distance"] == pytest.approx(expected, abs=0.01)

    def test_without_an_accuracy_the_grid_is_the_only_candidate(self, database_url: str) -> None:
        location = locate(database_url, *CORNER).data["locate"]
        assert location["outcome"] == "INSIDE"
        assert [candidate["grid"]["code"] for candidate in location["candidates"]] == [grid_code(1)]

    @given(
        east=st.floats(-0.1, 3.1),
        north=st.floats(-0.1, 2.1),
        radius=st.floats(1, 400),
    )
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_shares_are_those_of_the_circle_on_the_ground(
        self, database_url: str, district: District, east: float, north: float, radius: float
    ) -> None:
        longitude, latitude = WEST + east * SIDE, SOUTH + north * SIDE
        answer = locate(database_url, longitude, latitude, accuracy=radius).data["locate"]
        ground = circle(longitude, latitude, radius)
        shares = {
            candidate["grid"]["code"]: candidate["share"] for candidate in answer["candidates"]
        }
        for code, square in district.grids.items():
            expected = shapely.intersection(ground, square).area / ground.area
            assert shares.get(code, 0) == pytest.approx(expected, abs=0.005)
        assert sum(shares.values()) <= 1 + 1e-9
        assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_every_answer_names_the_state_of_the_data_that_it_saw(
    database_url: str, district: District
) -> None:
    query = """
    query ($points: [PointInput!]!) { locateMany(points: $points) { snapshotVersion } }
    """
    point = {"longitude": WEST, "latitude": SOUTH, "datum": "WGS84"}

    def versions() -> set[str]:
        answer = ask(database_url, query, points=[point, point])
        return {location["snapshotVersion"] for location in answer.data["locateMany"]}

    before = versions()
    assert versions() == before
    assert len(before) == 1
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        put_building(connection, building_code(97), district.buildings[building_code(6)])
    engine.dispose()
    assert versions() != before


@pytest.mark.usefixtures("district")
class TestManyPoints:
    QUERY = """
    query ($points: [PointInput!]!) {
      locateMany(points: $points) {
        outcome grid { code community { name } } building { code } sponsor { name }
      }
    }
    """

    def test_many_points_are_answered_in_their_order_each_in_its_datum(
        self, database_url: str, district: District
    ) -> None:
        centres = [(code, square.centroid) for code, square in sorted(district.grids.items())]
        points, expected = [], []
        for number, (code, centre) in enumerate(centres * 4):
            datum = list(Datum)[number % 4]
            [[x, y]] = from_wgs84(np.array([[centre.x, centre.y]]), datum)
            points.append({"longitude": x, "latitude": y, "datum": datum.value})
            expected.append(code)
        answer = ask(database_url, self.QUERY, points=points)
        assert [location["grid"]["code"] for location in answer.data["locateMany"]] == expected

    def test_ten_thousand_points_take_as_many_statements_as_a_few(self, database_url: str) -> None:
        generator = np.random.default_rng(7)
        positions = generator.uniform(
            (WEST, SOUTH), (WEST + 3 * SIDE, SOUTH + 2 * SIDE), (10_000, 2)
        )
        points = [{"longitude": x, "latitude": y, "datum": "WGS84"} for x, y in positions.tolist()]
        few = ask(database_url, self.QUERY, points=points[:200])
        many = ask(database_url, self.QUERY, points=points)
        assert len(many.data["locateMany"]) == 10_000
        assert {location["outcome"] for location in many.data["locateMany"]} == {"INSIDE"}
        assert len(many.statements) <= len(few.statements) <= 4

    def test_no_points_have_no_answers(self, database_url: str) -> None:
        assert ask(database_url, self.QUERY, points=[]).data == {"locateMany": []}

    def test_more_than_ten_thousand_points_are_refused(self, database_url: str) -> None:
        point = {"longitude": WEST, "latitude": SOUTH, "datum": "WGS84"}
        answer = ask(database_url, self.QUERY, points=[point] * 10_001)
        [(code, message)] = answer.errors
        assert code == "TOO_LARGE"
        assert "10001" in message

    def test_a_bad_point_is_named_by_its_place(self, database_url: str) -> None:
        good = {"longitude": WEST, "latitude": SOUTH, "datum": "WGS84"}
        bad = {"longitude": 200.0, "latitude": 10.0, "datum": "WGS84"}
        [(code, message)] = ask(database_url, self.QUERY, points=[good, good, bad]).errors
        assert code == "INVALID"
        assert message.startswith("Point 2:")


@pytest.mark.usefixtures("district")
@pytest.mark.parametrize(
    ("longitude", "latitude", "accuracy", "words"),
    [
        ("1e999", "47.33", "10", "longitude inf"),
        ("130.28", "-1e999", "10", "latitude -inf"),
        ("47.34", "130.28", "10", "exchanged"),
        ("190", "10", "10", "nowhere on Earth"),
        ("10", "-90.001", "10", "nowhere on Earth"),
        ("130.28", "47.33", "-1", "accuracy is -1"),
        ("130.28", "47.33", "1e9", "accuracy is 1e+09"),
        ("130.28", "47.33", "1e999", "accuracy is inf"),
    ],
)
def test_a_position_that_is_none_is_refused_with_the_value_that_was_wrong(
    database_url: str, longitude: str, latitude: str, accuracy: str, words: str
) -> None:
    answer = ask(
        database_url,
        f"{{ locate(point: {{longitude: {longitude}, latitude: {latitude}, datum: WGS84, "
        f"accuracy: {accuracy}}}) {{ outcome }} }}",
    )
    [(code, message)] = answer.errors
    assert code == "INVALID"
    assert words in message
