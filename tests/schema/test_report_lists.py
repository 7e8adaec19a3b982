"""Lists of reports: each filter against a plain one, pages while the data changes, and the text."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from gridmap.errors import Conflict
from gridmap.store import tables
from gridmap.store.database import tool_engine
from gridmap.store.dates import now
from gridmap.store.loop import Action
from gridmap.store.reports import Reporter
from gridmap.store.viewers import Viewer
from tests.asking import AUDITOR
from tests.conftest import new_database
from tests.districts import COMMUNITY, DISTRICT, SIDE, SOUTH, STREET, WEST, grid_code
from tests.reporting import ADMINISTRATOR, OFFICE, RESIDENT, Desk, desk_of_a_district, middle_of

OTHER_COMMUNITY = "230402002006"
LETTERS = "楼道口有垃圾下水堵塞停车 abcXYZé%_'\"\\{},\U0001f9f9１."
DAY = datetime.timedelta(days=1)
NOON = now().replace(hour=12, minute=0, second=0, microsecond=0) - DAY

Row = dict[str, Any]


def random_reports(how_many: int) -> list[Row]:
    """Rows of the table, as they might have become; many received at the same moment."""
    draw = random.Random(19)
    rows = []
    for serial in range(how_many):
        state = draw.choice(tables.STATES)
        has_ended = state in ("REJECTED", "MERGED", "CLOSED", "RATED")
        handler = draw.choice([None, ("SPONSOR", "S1"), ("REGION", COMMUNITY)])
        received_at = (
            NOON - draw.randrange(30) * DAY + draw.choice([0, 0, 1e-6, 3600]) * DAY / 86400
        )
        grid = draw.choice([None, 1, 1, 2, 3])
        rows.append(
            {
                "district_code": DISTRICT,
                "id": UUID(int=draw.getrandbits(128)),
                "serial": serial + 1,
                "version": 1,
                "state": state,
                "category_code": draw.choice(["0101", "0102", "01", "1101", "0501"]),
                "urgency": draw.choice(tables.URGENCIES),
                "source": draw.choice(tables.SOURCES),
                "description": "".join(
                    draw.choice(LETTERS) for _ in range(draw.choice([1, 2, 3, 12, 40]))
                ),
                "longitude": WEST + draw.randrange(13) / 4 * SIDE,
                "latitude": SOUTH + draw.randrange(9) / 4 * SIDE,
                "captured_at": received_at,
                "received_at": received_at,
                "state_since": received_at,
                "region_code": draw.choice([COMMUNITY, COMMUNITY, OTHER_COMMUNITY, STREET]),
                "grid_code": grid_code(grid) if grid else None,
                "sponsor_code": draw.choice([None, "S1", "S2"]),
                "level": "GRID",
                "handler_kind": handler[0] if handler else None,
                "handler_code": handler[1] if handler else None,
                "due_at": draw.choice([None, NOON - DAY, NOON + 100 * DAY]),
                "step_due_at": draw.choice([None, NOON - DAY, NOON + 100 * DAY]),
                "ended_at": received_at if has_ended else None,
                "merged_into": None,
            }
        )
    standing = [row["id"] for row in rows if row["state"] != "MERGED"]
    for row in rows:
        if row["state"] == "MERGED":
            row["merged_into"] = draw.choice(standing[:5])
    return rows


def put_reports(database_url: str, rows: list[Row]) -> None:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        for row in sorted(rows, key=lambda row: row["merged_into"] is not None):
            longitude, latitude = row["longitude"], row["latitude"]
            values = {key: row[key] for key in row if key not in ("longitude", "latitude")}
            del values["serial"]
            connection.execute(
                insert(tables.reports).values(
                    location=f"SRID=4326;POINT({longitude!r} {latitude!r})",
                    source_datum="WGS84",
                    source_longitude=longitude,
                    source_latitude=latitude,
                    submission=b"",
                    **values,
                )
            )
            connection.execute(
                insert(tables.report_events).values(
                    district_code=row["district_code"],
                    report_id=row["id"],
                    version=1,
                    action="SUBMIT",
                    state="SUBMITTED",
                    at=row["received_at"],
                    actor_role="ANONYMOUS",
                    actor_subject="",
                    note="",
                    details={},
                )
            )
        for id_, serial in connection.execute(
            tables.reports.select().with_only_columns(tables.reports.c.id, tables.reports.c.serial)
        ):
            for row in rows:
                if row["id"] == id_:
                    row["serial"] = serial
    engine.dispose()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return random_reports(300)


@pytest.fixture(scope="module")
def desk(database_url: str, rows: list[Row]) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        put_reports(database_url, rows)
        yield desk


@pytest.fixture(scope="module")
def written_desk(cluster_url: str, empty_template: str) -> Iterator[Desk]:
    """Of another database, with such rows too: what is written there is in no list of `desk`."""
    url = new_database(cluster_url, "written_to", template=empty_template)
    with desk_of_a_district(url) as desk:
        put_reports(url, random_reports(300))
        yield desk


LIST = """
query ($filter: ReportFilter, $first: Int, $after: Cursor, $order: ReportOrder! = NEWEST) {
  reports(filter: $filter, first: $first, after: $after, order: $order) {
    nodes { number } pageInfo { hasNextPage endCursor } totalCount
  }
}
"""


def number_of(row: Row) -> str:
    return f"{DISTRICT}-{row['serial']}"


def newest_first(rows: list[Row]) -> list[str]:
    """The numbers in the order of the list."""
    ordered = sorted(rows, key=lambda row: (row["received_at"], row["id"]), reverse=True)
    return [number_of(row) for row in ordered]


def listed(
    desk: Desk, wanted: dict[str, Any], first: int = 100, order: str = "NEWEST"
) -> list[str]:
    """The numbers on all pages, one after the other; each page says how many there are in all."""
    numbers: list[str] = []
    counts = set()
    after = None
    while True:
        answer = desk.ask(LIST, filter=wanted, first=first, after=after, order=order)
        assert answer.errors == []
        page = answer.data["reports"]
        numbers += [node["number"] for node in page["nodes"]]
        counts.add(page["totalCount"])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            assert counts == {len(numbers)}
            return numbers


SINCE = NOON - 12 * DAY
BOUNDS = {
    "west": WEST + SIDE / 2,
    "south": SOUTH + SIDE / 4,
    "east": WEST + 1.75 * SIDE,
    "north": SOUTH + 1.25 * SIDE,
}


def is_open(row: Row) -> bool:
    return row["ended_at"] is None


def is_overdue(row: Row) -> bool:
    # The deadline of a report that is suspended does not run.
    running = ("step_due_at",) if row["state"] == "SUSPENDED" else ("due_at", "step_due_at")
    return is_open(row) and any(row[name] is not None and row[name] < NOON for name in running)


def next_deadline(row: Row) -> datetime.datetime:
    """That is to be kept; where there is none, long after all others."""
    running = ("step_due_at",) if row["state"] == "SUSPENDED" else ("due_at", "step_due_at")
    deadlines = [row[name] for name in running if row[name] is not None]
    return min(deadlines) if is_open(row) and deadlines else NOON + 10_000 * DAY


def is_within_bounds(row: Row) -> bool:
    return bool(
        BOUNDS["west"] <= row["longitude"] <= BOUNDS["east"]
        and BOUNDS["south"] <= row["latitude"] <= BOUNDS["north"]
    )


FILTERS: list[tuple[str, Any, Callable[[Row], bool]]] = [
    ("region", "23", lambda _: True),
    ("region", DISTRICT, lambda _: True),
    ("region", STREET, lambda _: True),
    ("region", COMMUNITY, lambda row: row["region_code"] == COMMUNITY),
    ("grid", grid_code(1), lambda row: row["grid_code"] == grid_code(1)),
    ("grid", grid_code(6), lambda _: False),
    ("sponsor", "S1", lambda row: row["sponsor_code"] == "S1"),
    ("handler", "S1", lambda row: row["handler_code"] == "S1"),
    ("handler", COMMUNITY, lambda row: row["handler_code"] == COMMUNITY),
    ("states", ["DONE", "RATED"], lambda row: row["state"] in ("DONE", "RATED")),
    ("states", [], lambda _: False),
    ("open", True, is_open),
    ("open", False, lambda row: not is_open(row)),
    ("category", "0101", lambda row: row["category_code"] == "0101"),
    ("category", "01", lambda row: row["category_code"][:2] == "01"),
    ("category", "13", lambda _: False),
    ("urgency", "URGENT", lambda row: row["urgency"] == "URGENT"),
    ("source", "WALK", lambda row: row["source"] == "WALK"),
    ("since", SINCE.isoformat(), lambda row: row["received_at"] >= SINCE),
    ("until", SINCE.isoformat(), lambda row: row["received_at"] < SINCE),
    ("since", SINCE.astimezone(datetime.UTC).isoformat(), lambda row: row["received_at"] >= SINCE),
    ("bounds", BOUNDS, is_within_bounds),
    ("overdue", True, is_overdue),
    ("overdue", False, lambda row: not is_overdue(row)),
    ("text", "垃", lambda row: "垃" in row["description"]),
    ("text", "%", lambda row: "%" in row["description"]),
]


class TestFilters:
    def test_without_a_filter_all_are_there_newest_first(self, desk: Desk, rows: list[Row]) -> None:
        assert listed(desk, {}) == listed(desk, {}, first=7) == newest_first(rows)

    @pytest.mark.parametrize(("name", "value", "holds"), FILTERS, ids=lambda value: str(value)[:20])
    def test_a_filter_lets_through_what_it_says(
        self, desk: Desk, rows: list[Row], name: str, value: Any, holds: Callable[[Row], bool]
    ) -> None:
        assert listed(desk, {name: value}) == newest_first([row for row in rows if holds(row)])

    def test_all_that_is_said_must_hold(self, desk: Desk, rows: list[Row]) -> None:
        draw, not_empty = random.Random(23), 0
        for _ in range(40):
            chosen = draw.sample(FILTERS, draw.choice([2, 2, 3]))
            wanted = {name: value for name, value, _ in chosen}
            tests = {name: holds for name, _, holds in chosen}
            expected = [row for row in rows if all(holds(row) for holds in tests.values())]
            assert listed(desk, wanted) == newest_first(expected), wanted
            not_empty += bool(expected)
        assert not_empty > 15

    def test_a_list_by_deadlines_has_the_soonest_first_on_pages_of_any_size(
        self, desk: Desk, rows: list[Row]
    ) -> None:
        kept = [row for row in rows if is_open(row)]
        assert 7 < len(kept) < len(rows)
        expected = sorted(kept, key=lambda row: (next_deadline(row), row["id"]))
        assert len({next_deadline(row) for row in kept}) == 3
        for wanted in ({}, {"open": True}):
            for first in (7, 100):
                found = listed(desk, wanted, first, "NEXT_DEADLINE")
                assert found == [number_of(row) for row in expected]

    def test_what_has_ended_has_no_place_in_a_list_by_deadlines(self, desk: Desk) -> None:
        assert listed(desk, {"states": ["CLOSED"]}, 100, "NEXT_DEADLINE") == []
        [(code, _)] = desk.ask(LIST, filter={"open": False}, order="NEXT_DEADLINE").errors
        assert code == "INVALID"

    def test_a_number_as_it_is_said_on_the_phone_finds_its_report(
        self, desk: Desk, rows: list[Row]
    ) -> None:
        number = number_of(rows[17])
        assert listed(desk, {"number": f" {number} "}) == [number]
        assert listed(desk, {"number": f"230406-{rows[17]['serial']}"}) == []

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            ({"number": "17"}, "INVALID"),
            ({"number": "230402-"}, "INVALID"),
            ({"number": "230402-x"}, "INVALID"),
            ({"number": "230402-１７"}, "INVALID"),
            ({"number": "230402-" + "9" * 30}, "INVALID"),
            ({"region": "999999"}, "NOT_FOUND"),
            ({"category": "9999"}, "INVALID"),
            ({"since": "2026-01-01T00:00:00"}, "INVALID"),
            ({"until": "2026-01-01T00:00:00"}, "INVALID"),
            ({"text": ""}, "INVALID"),
            ({"text": "  "}, "INVALID"),
            ({"text": "长" * 101}, "TOO_LARGE"),
            ({"text": "a\0"}, "INVALID"),
            ({"grid": "\0"}, "INVALID"),
            ({"bounds": {**BOUNDS, "west": 131.0}}, "INVALID"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_a_filter_that_makes_no_sense_is_refused(
        self, desk: Desk, wanted: dict[str, Any], code: str
    ) -> None:
        [(found, message)] = desk.ask(LIST, filter=wanted).errors
        assert (found, bool(message)) == (code, True)

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
    def test_the_ends_of_time_are_moments_too(self, desk: Desk, moment: str) -> None:
        assert len(listed(desk, {"since": moment})) + len(listed(desk, {"until": moment})) == 300

    @pytest.mark.parametrize(
        "cursor",
        ["nonsense", "WyIxIiwiMiJd", "WyIyMDI2LTAxLTAxIHgiLCIyIl0=", ""],
    )
    def test_a_cursor_of_another_list_is_refused(self, desk: Desk, cursor: str) -> None:
        [(code, _)] = desk.ask(LIST, after=cursor).errors
        assert code == "INVALID"


class TestText:
    def test_any_part_of_a_description_finds_it_whatever_its_case(
        self, desk: Desk, rows: list[Row]
    ) -> None:
        draw = random.Random(29)
        for size in [1] * 25 + [2] * 25 + [3] * 15 + [7] * 10:
            said = draw.choice(rows)["description"]
            start = draw.randrange(len(said))
            part = said[start : start + size].strip()
            if not part:
                continue
            # Of other letters than these the database's own locale knows the case.
            part = draw.choice([part, part.upper(), part.lower()]) if part.isascii() else part
            expected = [row for row in rows if part.lower() in row["description"].lower()]
            assert expected
            assert listed(desk, {"text": part}) == newest_first(expected), part

    @pytest.mark.parametrize(
        "part", ["%", "_", "'", '"', "\\", "%_", "\\%", "{}", "','", "🧹", "é", "１"]
    )
    def test_no_character_means_anything_but_itself(
        self, desk: Desk, rows: list[Row], part: str
    ) -> None:
        expected = [row for row in rows if part.lower() in row["description"].lower()]
        assert listed(desk, {"text": part}) == newest_first(expected)


class TestPages:
    def test_the_reports_of_a_grid_are_its_own_page_by_page(self, desk: Desk) -> None:
        query = """
        query ($code: String!, $first: Int, $after: Cursor, $filter: ReportFilter) {
          grid(code: $code) { reports(first: $first, after: $after, filter: $filter) {
            nodes { number } pageInfo { hasNextPage endCursor } totalCount } } }
        """
        for wanted in ({}, {"open": True, "category": "01"}):
            found: list[str] = []
            after = None
            while True:
                answer = desk.ask(query, code=grid_code(1), first=9, after=after, filter=wanted)
                page = answer.data["grid"]["reports"]
                found += [node["number"] for node in page["nodes"]]
                after = page["pageInfo"]["endCursor"]
                if not page["pageInfo"]["hasNextPage"]:
                    break
            assert found == listed(desk, {"grid": grid_code(1), **wanted})
            assert page["totalCount"] == len(found)

    def test_so_are_those_that_were_merged_into_a_report(self, desk: Desk, rows: list[Row]) -> None:
        query = """
        query ($number: String!, $after: Cursor) { reports(filter: {number: $number}) { nodes {
          merged(first: 3, after: $after) {
            nodes { number } pageInfo { hasNextPage endCursor } totalCount } } } }
        """
        holders = {row["merged_into"] for row in rows} - {None}
        assert holders
        for holder in (row for row in rows if row["id"] in holders):
            found: list[str] = []
            after = None
            while True:
                answer = desk.ask(query, number=number_of(holder), after=after)
                [node] = answer.data["reports"]["nodes"]
                page = node["merged"]
                found += [other["number"] for other in page["nodes"]]
                after = page["pageInfo"]["endCursor"]
                if not page["pageInfo"]["hasNextPage"]:
                    break
            merged = [row for row in rows if row["merged_into"] == holder["id"]]
            assert found == newest_first(merged)
            assert page["totalCount"] == len(found)


EVERYTHING = """
  number isOverdue location category { code parent { code } } region { code } grid { code }
  capturedGrid { code } building { code } sponsor { code name } handler { kind code }
  mergedInto { number sponsor { code } } merged { nodes { number } totalCount }
  events { version details } actions reporter { name phone }
"""


class TestStatements:
    @pytest.mark.parametrize("viewer", [AUDITOR, OFFICE], ids=lambda viewer: str(viewer.role))
    def test_their_number_does_not_grow_with_the_reports(self, desk: Desk, viewer: Viewer) -> None:
        query = f"query ($n: Int) {{ reports(first: $n) {{ nodes {{ {EVERYTHING} }} }} }}"
        few, many = (desk.ask(query, viewer, n=n) for n in (60, 100))
        assert (few.errors, many.errors) == ([], [])
        assert len(many.data["reports"]["nodes"]) == 100
        assert len(few.statements) == len(many.statements) <= 21

    @pytest.mark.parametrize(
        "wanted",
        ["", f'(filter: {{region: "{STREET}", category: "01", text: "楼", open: true}}, first: 3)'],
        ids=["all", "some"],
    )
    def test_nor_with_the_grids_whose_reports_are_asked_for(self, desk: Desk, wanted: str) -> None:
        query = f"""
        query ($n: Int) {{ grids(first: $n) {{ nodes {{ code
          reports{wanted} {{ totalCount nodes {{ {EVERYTHING} }} }} }} }} }}
        """
        few, many = (desk.ask(query, OFFICE, n=n) for n in (2, 6))
        assert (few.errors, many.errors) == ([], [])
        assert len(many.data["grids"]["nodes"]) == 6
        assert len(few.statements) == len(many.statements) < 30

    def test_a_page_is_one_and_its_count_another(self, desk: Desk) -> None:
        # What comes first reads the rules.
        query = "{ reports { nodes { number } } }"
        assert len(desk.ask(query).statements) == 4
        assert len(desk.ask(query.replace("nodes", "totalCount nodes")).statements) == 5


class TestWhileOthersWrite:
    @pytest.fixture
    def desk(self, written_desk: Desk) -> Desk:
        return written_desk

    def test_pairs_that_stand_apart_are_no_text(self, desk: Desk) -> None:
        # All letters and pairs of the second stand in it, but not the whole.
        report = desk.submit(middle_of(1), description="zab bza", captured_at=NOON)
        assert listed(desk, {"text": "ab bz"}) == [report.number]
        assert listed(desk, {"text": "bzab"}) == []
        desk.sql("UPDATE reports SET description = 'x' WHERE id = %s", report.id)

    def test_what_was_there_and_still_matches_comes_once(self, desk: Desk) -> None:
        draw = random.Random(31)
        query = LIST.replace("totalCount", "")
        open_now = "SELECT id, district_code || '-' || serial FROM reports WHERE ended_at IS NULL"
        before = dict(desk.sql(open_now))
        numbers: list[str] = []
        after = None
        desk.now = now()
        while True:
            page = desk.ask(query, filter={"open": True}, first=13, after=after).data["reports"]
            numbers += [node["number"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
            fresh = desk.submit(middle_of(draw.randrange(1, 7)), captured_at=desk.now)
            desk.act(fresh, Action.REGISTER, OFFICE)
            for id_ in draw.sample(sorted(before), 3):
                row = desk.kept_by_id(id_)
                if row.state in ("SUBMITTED", "REGISTERED"):
                    with suppress(Conflict):  # others were merged into it
                        desk.act(row, Action.REJECT, ADMINISTRATOR)
                elif row.ended_at is None:
                    desk.sql("UPDATE reports SET urgency = 'URGENT' WHERE id = %s", id_)
            # Old ones come in as well: taken without a network, or from another system.
            desk.now -= datetime.timedelta(hours=7)
        assert len(numbers) == len(set(numbers))
        still = {number for id_, number in desk.sql(open_now) if id_ in before}
        assert len(before) - 40 < len(still) < len(before)
        assert still <= set(numbers)

    def test_the_name_of_a_reporter_stands_beside_its_own_report(self, desk: Desk) -> None:
        desk.now = now()
        names = [f"第{number}人" for number in range(5)]
        for name in names:
            desk.submit(
                viewer=RESIDENT, reporter=Reporter(name, None), description=name, captured_at=NOON
            )
        query = """{ reports(filter: {text: "人"}) { nodes { description reporter { name } } } }"""
        nodes = desk.ask(query, OFFICE).data["reports"]["nodes"]
        assert {node["description"] for node in nodes} == set(names)
        assert all(node["reporter"]["name"] == node["description"] for node in nodes)
