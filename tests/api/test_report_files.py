"""Files of reports over HTTP: they hold what the list holds, and nothing that does harm."""

from __future__ import annotations

import csv
import datetime
import io
import random
import re
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import orjson
import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import Connection, insert, text

from gridmap.store import tables
from gridmap.store.database import tool_engine
from gridmap.store.viewers import Role
from tests.api.conftest import Server, gridmap
from tests.districts import (
    COMMUNITY,
    DISTRICT,
    SIDE,
    SOUTH,
    STREET,
    WEST,
    building_code,
    grid_code,
    put_district,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
START = datetime.datetime(2026, 3, 1, 8, 30, 15, 250_000, SHANGHAI)
COUNT = 230

FORMATS = ("csv", "xlsx")

REPORTER_NAME, REPORTER_PHONE = "居民张三丰", "13904681234"

DANGEROUS = [
    '=HYPERLINK("http://example.invalid","点这里")',
    "+1+1",
    "-1+1",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(A1)",
]

AWKWARD = [
    '他说："快来",\r\n第二行\n第三行',
    '逗号,分号;制表\t引号""',
    "  前后有空格  ",
    "https://example.invalid/x",
    "00123",
    "1e5",
    "<b>&amp;</b> ]]>",
    "\x01\x1f_x0041_",
    "😀" * 300,
    "'已经有撇号",
]

LIST = """
query ($filter: ReportFilter, $after: Cursor) {
  reports(filter: $filter, after: $after) {
    nodes {
      number state urgency source description capturedAt receivedAt repliedAt closedAt deadline
      isOverdue level rating accuracy location
      category { name parent { name } } region { name } capturedGrid { code } building { name }
      sponsor { name } handler { kind code } point { longitude latitude datum }
      mergedInto { number }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""

HANDLERS = {
    ("SPONSOR", "S2"): "区法院",
    ("GRID_WORKER", "W1"): "示例",
    ("REGION", COMMUNITY): "友谊社区",
    ("BUILDING_MEMBER", "member-7"): None,
}

FILTERS: list[dict[str, object]] = [
    {},
    {"region": STREET},
    {"grid": grid_code(2), "open": True},
    {"open": False},
    {"overdue": True},
    {"overdue": False},
    {"states": ["DISPATCHED", "MERGED"]},
    {"category": "01"},
    {"urgency": "URGENT", "source": "WALK"},
    {"sponsor": "S1"},
    {"handler": "W1"},
    {"since": "2026-03-01T12:00:00+08:00", "until": "2026-03-01T06:00:00Z"},
    {"text": "第 12"},
    {"number": "230402-7"},
    {"bounds": {"west": WEST, "south": SOUTH, "east": WEST + SIDE, "north": SOUTH + SIDE}},
    {"text": "没有这样的"},
]


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        put_district(connection)
        put_reports(connection)
    engine.dispose()
    with gridmap("serve", DATABASE_URL=database_url) as server:
        yield server


def put_reports(connection: Connection) -> None:
    """Reports of every state, some with texts that are hard to write."""
    chosen = random.Random(7)
    now = datetime.datetime.now(SHANGHAI)
    texts = [*DANGEROUS, *AWKWARD]
    rows: list[dict[str, object]] = []
    for number in range(1, COUNT + 1):
        state = tables.STATES[number % len(tables.STATES)]
        place = chosen.randint(1, 6)
        received_at = START + datetime.timedelta(minutes=3 * (number // 2))
        longitude, latitude = WEST + chosen.random() * 3 * SIDE, SOUTH + chosen.random() * 2 * SIDE
        is_ended = state in ("REJECTED", "MERGED", "CLOSED", "RATED")
        kind, code = chosen.choice(list(HANDLERS)) if number % 3 else (None, None)
        rows.append(
            {
                "district_code": DISTRICT,
                "id": UUID(int=number),
                "version": 1,
                "state": state,
                "category_code": chosen.choice(["0101", "0102", "1101", "05"]),
                "urgency": chosen.choice(tables.URGENCIES),
                "source": chosen.choice(tables.SOURCES),
                "description": texts[number - 1] if number <= len(texts) else f"第 {number} 件",
                "location": f"SRID=4326;POINT({longitude!r} {latitude!r})",
                "source_datum": chosen.choice(["WGS84", "GCJ02"]),
                "source_longitude": chosen.uniform(130, 131),
                "source_latitude": chosen.uniform(47, 48),
                "accuracy": chosen.choice([None, 12.5]),
                "captured_at": received_at - datetime.timedelta(seconds=chosen.randint(1, 999)),
                "received_at": received_at,
                "region_code": COMMUNITY,
                "grid_code": grid_code(place) if number % 5 else None,
                "building_code": building_code(place) if number % 4 else None,
                "sponsor_code": chosen.choice([None, "S1", "S2"]),
                "level": chosen.choice(tables.REPORT_LEVELS),
                "handler_kind": kind,
                "handler_code": code,
                "due_at": chosen.choice([None, now + datetime.timedelta(days=9), received_at]),
                "state_since": received_at,
                "replied_at": received_at
                + datetime.timedelta(seconds=6 * chosen.randint(0, 999) + 1),
                "closed_at": received_at if state in ("CLOSED", "RATED") else None,
                "ended_at": received_at if is_ended else None,
                "rating": chosen.randint(1, 5) if state == "RATED" else None,
                "merged_into": UUID(int=1) if state == "MERGED" else None,
                "submission": b"",
            }
        )
    connection.execute(text("ALTER TABLE reports ALTER serial SET GENERATED BY DEFAULT"))
    connection.execute(
        insert(tables.reports),
        [{**row, "serial": number} for number, row in enumerate(rows, start=1)],
    )
    connection.execute(
        insert(tables.report_events),
        [
            {
                "district_code": DISTRICT,
                "report_id": row["id"],
                "version": 1,
                "action": "SUBMIT",
                "state": row["state"],
                "at": row["received_at"],
                "actor_role": "ANONYMOUS",
                "actor_subject": "",
                "note": "",
                "details": {},
            }
            for row in rows
        ],
    )
    connection.execute(
        insert(tables.reporters),
        [
            {
                "district_code": DISTRICT,
                "report_id": row["id"],
                "name": REPORTER_NAME,
                "phone": REPORTER_PHONE,
            }
            for row in rows
        ],
    )


def download(server: Server, ending: str, **parameters: object) -> httpx.Response:
    """A file; a `filter` is given as it is to be sent, or as what JSON is made of."""
    sent = {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in parameters.items()
    }
    return httpx.get(
        f"{server.address}/reports.{ending}",
        params=sent,
        headers=server.headers(Role.AUDITOR),
        timeout=60,
    )


def read(answer: httpx.Response) -> tuple[list[str], list[list[Any]]]:
    """The heading and the rows of a file, read by others than wrote it."""
    assert answer.status_code == 200, answer.text
    lines: list[list[Any]]
    if answer.headers["content-type"].startswith("text/csv"):
        assert answer.content.startswith(b"\xef\xbb\xbf")
        lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    else:
        book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
        [name] = book.sheet_names
        lines = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    return list(map(str, lines[0])), lines[1:]


def listed(server: Server, wanted: dict[str, object]) -> list[dict[str, Any]]:
    """All that GraphQL lists by the filter."""
    nodes: list[dict[str, Any]] = []
    after = None
    while True:
        page = server.ask(LIST, filter=wanted, after=after)["reports"]
        nodes += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes
        after = page["pageInfo"]["endCursor"]


def moment(said: str | None) -> datetime.datetime | None:
    if said is None:
        return None
    return (
        datetime.datetime.fromisoformat(said)
        .astimezone(SHANGHAI)
        .replace(tzinfo=None, microsecond=0)
    )


def row_of(node: dict[str, Any]) -> dict[str, Any]:
    """What a file in English is to say of a report, by heading."""
    category, handler = node["category"], node["handler"] or {"kind": None, "code": None}
    replied, received = moment(node["repliedAt"]), moment(node["receivedAt"])
    assert replied is not None
    assert received is not None
    return {
        "Number": node["number"],
        "State": node["state"],
        "Main category": (category["parent"] or category)["name"],
        "Category": category["name"],
        "Urgency": node["urgency"],
        "Source": node["source"],
        "Description": node["description"],
        "Captured (UTC+8)": moment(node["capturedAt"]),
        "Received (UTC+8)": received,
        "First reply (minutes)": round((replied - received).total_seconds() / 60, 1),
        "Deadline (UTC+8)": moment(node["deadline"]),
        "Overdue": "yes" if node["isOverdue"] else "no",
        "Closed (UTC+8)": moment(node["closedAt"]),
        "Community": node["region"]["name"],
        "Grid": node["capturedGrid"] and node["capturedGrid"]["code"],
        "Building": node["building"] and node["building"]["name"],
        "Level": node["level"],
        "Sponsor": node["sponsor"] and node["sponsor"]["name"],
        "Kind of handler": handler["kind"],
        # What a building's member is called is for few to know.
        "Handler's code": handler["code"] if handler["kind"] != "BUILDING_MEMBER" else None,
        "Handler": HANDLERS.get((handler["kind"], handler["code"])),
        "Longitude (WGS 84)": node["location"]["coordinates"][0],
        "Latitude (WGS 84)": node["location"]["coordinates"][1],
        "Datum as given": node["point"]["datum"],
        "Longitude as given": node["point"]["longitude"],
        "Latitude as given": node["point"]["latitude"],
        "Accuracy (m)": node["accuracy"],
        "Rating (1–5)": node["rating"],
        "Merged into": node["mergedInto"] and node["mergedInto"]["number"],
    }


def as_in_csv(value: Any) -> str:
    """How a CSV says a value; an apostrophe before what a spreadsheet takes for a formula."""
    if value is None:
        return ""
    said = str(value)
    is_text = isinstance(value, str)
    return f"'{said}" if is_text and said[:1] in tuple("=+-@\t\r\n＝＋－＠") and said else said


def as_in_xlsx(value: Any) -> Any:
    """What is read of a cell; a number has 15 digits, as all have in Excel."""
    if isinstance(value, float):
        return pytest.approx(value, rel=1e-14)
    return "" if value is None else value


class TestContent:
    @pytest.mark.parametrize("ending", FORMATS)
    @pytest.mark.parametrize("wanted", FILTERS, ids=lambda wanted: str(wanted))
    def test_a_file_holds_what_the_list_of_the_same_filter_holds(
        self, server: Server, ending: str, wanted: dict[str, object]
    ) -> None:
        expected = [row_of(node) for node in listed(server, wanted)]
        headings, rows = read(download(server, ending, filter=wanted, language="en"))
        said = as_in_csv if ending == "csv" else as_in_xlsx
        assert [dict(zip(headings, row, strict=True)) for row in rows] == [
            {name: said(value) for name, value in row.items()} for row in expected
        ]

    def test_the_filters_of_these_tests_choose_differently(self, server: Server) -> None:
        counts = [len(listed(server, wanted)) for wanted in FILTERS]
        assert counts[0] == COUNT
        assert counts[-1] == 0
        assert all(0 < count < COUNT for count in counts[2:-1])

    @pytest.mark.parametrize("ending", FORMATS)
    def test_a_file_is_in_chinese_unless_asked_otherwise(self, server: Server, ending: str) -> None:
        headings, rows = read(download(server, ending))
        assert headings[:3] == ["编号", "状态", "大类"]
        assert "收到时间（北京时间）" in headings
        for name in ("状态", "紧急程度", "来源", "层级", "承办类别", "是否超时"):
            place = headings.index(name)
            words = {str(row[place]) for row in rows}
            assert len(words - {""}) > 1
            assert not [word for word in words if re.search("[A-Z_]{2}|True|False", word)]

    @pytest.mark.parametrize("ending", FORMATS)
    def test_no_file_says_who_reported(self, server: Server, ending: str) -> None:
        content = download(server, ending).content
        if ending == "xlsx":
            with zipfile.ZipFile(io.BytesIO(content)) as book:
                content = b"".join(book.read(name) for name in book.namelist())
        assert "友谊社区".encode() in content
        assert REPORTER_NAME.encode() not in content
        assert REPORTER_PHONE.encode() not in content

    @pytest.mark.parametrize("ending", FORMATS)
    def test_a_file_is_named_after_the_day(self, server: Server, ending: str) -> None:
        answer = download(server, ending)
        day = datetime.datetime.now(SHANGHAI).date()
        said = answer.headers["content-disposition"]
        assert said.startswith(f'attachment; filename="reports-{day}.{ending}"; ')
        assert unquote(said).endswith(f"filename*=UTF-8''网格诉求-{day}.{ending}")
        assert answer.headers["cache-control"] == "no-store"


class TestFormulas:
    def test_no_cell_of_a_csv_begins_like_a_formula(self, server: Server) -> None:
        _, rows = read(download(server, "csv"))
        cells = [cell for row in rows for cell in row]
        assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r\n＝＋－＠")]
        for said in DANGEROUS:
            assert f"'{said}" in cells

    def test_all_text_in_an_xlsx_is_text_as_it_was_written(self, server: Server) -> None:
        answer = download(server, "xlsx")
        headings, rows = read(answer)
        place = headings.index("描述")
        assert {*DANGEROUS, *AWKWARD} <= {row[place] for row in rows}
        with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
            assert not [name for name in book.namelist() if "rels" in name and "sheet1" in name]
        assert "<f>" not in sheet
        assert "<hyperlink" not in sheet


class TestRefusals:
    @pytest.mark.parametrize(
        ("parameters", "said"),
        [
            ({"filter": "{"}, "not JSON"),
            ({"filter": "[]"}, "ReportFilter"),
            ({"filter": {"state": "CLOSED"}}, "unknown field 'state'"),
            ({"filter": {"states": ["LOST"]}}, "states.0: Value 'LOST'"),
            ({"filter": {"open": "yes"}}, "open: Boolean"),
            ({"filter": {"bounds": {"west": 1}}}, "bounds"),
            ({"filter": {"since": "yesterday"}}, "since: "),
            ({"filter": {"since": "2026-03-01T00:00:00"}}, "time zone"),
            ({"filter": {"region": "999999"}}, "no region '999999'"),
            ({"filter": {"category": "99"}}, "no category '99'"),
            ({"filter": {"text": " "}}, "text is empty"),
            ({"filter": {"handler": "a\0"}}, "filter.handler has a null character"),
            ({"filter": {"number": "x"}}, "no number"),
            ({"filters": "{}"}, "no parameter 'filters'"),
            ({"language": "fr"}, "'fr'"),
        ],
    )
    def test_what_makes_no_sense_is_refused_as_graphql_would(
        self, server: Server, parameters: dict[str, object], said: str
    ) -> None:
        for ending in FORMATS:
            answer = download(server, ending, **parameters)
            assert answer.status_code == (404 if "no region" in said else 400)
            [error] = answer.json()["errors"]
            assert said in error["message"]
            assert error["extensions"]["code"] in ("INVALID", "NOT_FOUND")

    def test_a_list_of_one_may_be_written_as_that_one(self, server: Server) -> None:
        one = read(download(server, "csv", filter={"states": "CLOSED"}))
        assert one == read(download(server, "csv", filter={"states": ["CLOSED"]}))
        assert one[1]

    @pytest.mark.parametrize("method", ["POST", "HEAD"])
    def test_files_are_got_and_nothing_else(self, server: Server, method: str) -> None:
        answer = httpx.request(method, f"{server.address}/reports.csv")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
