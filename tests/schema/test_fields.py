"""Every field of the schema, and what of it comes to whom: public, of reports, or of persons.

Each field stands in one table here: one that is new stands in none, and fails. What is public is
the same for all and says nothing of a report. What is of reports is asked as a whole by people who
may see some of them, and by nobody; each report says a few things that nothing else says, and
these come to whoever may see it and to no other. Who may is written out, and not reckoned.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import mapbox_vector_tile
import orjson
import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)
from sqlalchemy import insert, text
from starlette.applications import Starlette
from starlette.requests import Request

from gridmap.api import report_files, tiles
from gridmap.api.tile_cache import TileCache
from gridmap.geo.tiles import tile
from gridmap.schema.context import Context
from gridmap.schema.nodes import GlobalId
from gridmap.schema.root import schema
from gridmap.store import tables
from gridmap.store.database import tool_engine
from gridmap.store.dates import CHINA
from gridmap.store.report_points import ReportPoints
from gridmap.store.viewers import ANONYMOUS, Role, Viewer, holder_of_receipt
from tests.districts import COMMUNITY, DISTRICT, SIDE, SOUTH, STREET, WEST, building_code, grid_code
from tests.reporting import ADMINISTRATOR, DISTRICT_OFFICE, WORKER, Desk, desk_of_a_district
from tests.reports import put_reports
from tests.schema.test_boundary_changes import MOVED, TOMORROW

PUBLIC = {
    "BoundaryChange": "appliedAt author authorRole reason",
    "BoundaryDifference": "region from to area areas grids",
    "BoundaryMove": "gridBefore gridAfter area buildings households sponsorships",
    "BoundaryPlan": "id from madeAt author authorRole tolerance groundMayChange warnings warned "
    "obstacles district change grids snapped gaps taken overlaps moves buildings sponsorships "
    "endingSponsorships endingAssignments",
    "BoundaryWarning": "code message grid community building worker workerName sponsor area "
    "buildings",
    "Building": "id code name compound households managementMode location grid sponsor "
    "sponsorships visits lastVisit memberCards",
    "ChangedArea": "area outline gridBefore gridAfter",
    "ChangedGrid": "before after",
    "Coverage": "region on gridCount buildingCount grade regions areaCovered gaps overlaps slivers "
    "buildingsOutsideGrids buildingsWithoutSponsor buildingsWithoutManagement buildingsNotVisited "
    "buildingsWithoutMemberCard gridsWithoutWorker gridsWithoutSponsor gridsOverNorm sponsorLevels",
    "CoverageGap": "outline area neighbours buildings",
    "CoverageGrade": "score letter parts",
    "CoverageGradePart": "name value weight points",
    "CoverageOverlap": "outline area grids buildings",
    "CoverageSlivers": "gaps gapsArea overlaps overlapsArea",
    "EndingAssignment": "grid worker",
    "Grid": "id code name validFrom validTo community street district boundary area neighbours "
    "buildings workers sponsor sponsors sponsorships",
    "GridCandidate": "grid share distance",
    "GridLoad": "grid households workers householdsPerWorker",
    "GridVersion": "name validFrom validTo author authorRole appliedAt reason plan endAuthor "
    "endReason endPlan grid outline area splitFrom mergedInto",
    "GridWork": "buildings households workers buildingsPerWorker householdsPerWorker",
    "GridWorker": "id code name",
    "Location": "snapshotVersion point outcome grid candidates distanceToBoundary building sponsor",
    "MemberCard": "id validFrom validTo building",
    "MovedBuilding": "gridBefore gridAfter households building",
    "MovedSponsorship": "gridBefore gridAfter sponsorship",
    "PageInfo": "hasNextPage hasPreviousPage startCursor endCursor",
    "PlannedGrid": "code name fate areaBefore areaAfter workBefore workAfter community before "
    "outlineBefore outlineAfter",
    "PlannedLoad": "sponsor buildingsBefore buildingsAfter householdsBefore householdsAfter",
    "PlannedOverlap": "area grids outline isNew",
    "PlannedPiece": "area grids outline",
    "Point": "longitude latitude datum",
    "Query": "locate locateMany region grid grids building buildings sponsor sponsors coverage "
    "suggestSponsorships gridHistory boundaryDifference boundaryPlan reportCategories "
    "regions search",
    "Region": "id code name level parent children boundary grids",
    "RegionGrade": "region grade",
    "ReportCategory": "code name parent children",
    "SnappedPlace": "grid metres drawn moved",
    "Sponsor": "id code name level leaderRole region buildings buildingCount householdCount "
    "gridCount hull",
    "SponsorHull": "outline area",
    "SponsorLevelLoad": "level sponsors buildings households",
    "SponsorShare": "sponsor buildings households",
    "Sponsorship": "id validFrom validTo sponsor building grid",
    "SponsorshipPlan": "region on proposals loads",
    "SponsorshipProposal": "sponsor metres building",
    "Visit": "id kind at building",
}
"""Told to anybody alike."""

OF_REPORTS = {
    "BoundaryMove": "openReports",
    "BoundaryPlan": "reports",
    "Grid": "reports",
    "Query": "node report reports reportClusters hotspots reportFigures reportTrends",
    "Sponsor": "openReportCount overdueReportCount",
    "Subscription": "reportChanged",
}
"""Where reports are come by: of those that the viewer may see, and on maps the public's."""

OF_A_REPORT = {
    "Handler": "kind code name",
    "GridTrend": "grid reports before expected probability unusual",
    "Hotspot": "count outline centre grids reportsPerHundredHouseholds",
    "LevelFigures": "level closed share",
    "MovedReport": "gridBefore gridAfter report",
    "Photo": "id width height url thumbnailUrl",
    "Report": "id number version state urgency source description accuracy capturedAt receivedAt "
    "level deadline stepDeadline stateSince repliedAt closedAt rating category point location "
    "isOverdue region grid capturedGrid building sponsor handler mergedInto merged photos events "
    "actions reporter",
    "ReportChange": "id report event cursor",
    "ReportCluster": "count location bounds key report",
    "ReportDuplicate": "id number state receivedOn report",
    "ReportEvent": "version action state at actorRole note details photos",
    "ReportFigures": "source month received due closed closedInTime closedRate inTimeRate open "
    "overdue replied repliedRate meanFirstReplyMinutes rated meanRating closedByLevel "
    "medianFirstReplyMinutes grid sponsor category region",
    "Reporter": "name phone",
}
"""What is told of reports that one has come by."""

TO_SOME = {
    "AuditEntry": "at district role subject account address request action noun ids details",
    "Query": "auditLog boundaryPlans viewer",
    "Permission": "name extent words",
    "Viewer": "role subject codes expiresAt permissions",
    "Visit": "note worker",
}
"""To who asks of themselves, to planners, auditors, and those who look after the building."""

OTHER = Viewer(Role.DISTRICT, "other", frozenset({"230406"}))
PEOPLE: dict[str, tuple[Viewer, str]] = {
    "nobody": (ANONYMOUS, ""),
    "resident": (Viewer(Role.RESIDENT, "resident 7"), "A"),
    "another resident": (Viewer(Role.RESIDENT, "resident 8"), ""),
    "receipt": (holder_of_receipt(DISTRICT, UUID(int=3)), "C"),
    "worker": (WORKER, "AB"),
    "worker elsewhere": (Viewer(Role.GRID_WORKER, "W1", frozenset({"230406004002001"})), "D"),
    "member": (Viewer(Role.BUILDING_MEMBER, "李", frozenset({building_code(1)})), "AE"),
    "sponsor": (Viewer(Role.SPONSOR, "clerk", frozenset({"S1"})), "AC"),
    "community": (Viewer(Role.COMMUNITY, "secretary", frozenset({COMMUNITY})), "ABE"),
    "other community": (Viewer(Role.COMMUNITY, "s", frozenset({"230402002006"})), "CDH"),
    "street": (Viewer(Role.STREET, "street", frozenset({STREET})), "ABCEH"),
    "district": (DISTRICT_OFFICE, "ABCEH"),
    "other district": (OTHER, "D"),
    "auditor": (Viewer(Role.AUDITOR, "eye"), "ABCDEH"),
    "administrator": (ADMINISTRATOR, "ABCDEH"),
}
"""Who asks, and the reports that they may see."""

NAMES = "ABCDEH"
SENT_ON = datetime.datetime.now(CHINA).replace(microsecond=0) - datetime.timedelta(days=2)


def place_of(name: str) -> tuple[float, float]:
    """Longitude and latitude, which nothing else has; all in one square of the public's map."""
    offset = dict(zip(NAMES, (1.13, 2.97, 4.31, 7.73, 11.39, 13.97), strict=True))[name]
    return round(WEST + SIDE / 2 + offset * 1e-5, 7), round(SOUTH + 1.5 * SIDE, 7)


def said_of(name: str) -> dict[str, Any]:
    """The columns of a report."""
    longitude, latitude = place_of(name)
    of_all: dict[str, Any] = {
        **dict.fromkeys(("building_code", "handler_kind", "handler_code")),
        **dict.fromkeys(("grid_code", "sponsor_code")),
        "id": UUID(int=NAMES.index(name) + 1),
        "state": "REGISTERED",
        "description": f"canary-words-{name}",
        "location": f"SRID=4326;POINT({longitude} {latitude})",
        "source_longitude": longitude,
        "source_latitude": latitude,
        "captured_at": SENT_ON,
        "received_at": SENT_ON + datetime.timedelta(minutes=NAMES.index(name)),
    }
    return of_all | OWN[name]


MEMBERS = {"handler_kind": "BUILDING_MEMBER", "handler_code": "李"}
OWN: dict[str, dict[str, Any]] = {
    "A": {"grid_code": grid_code(1), "building_code": building_code(1), "sponsor_code": "S1"},
    "B": {"grid_code": grid_code(2), "handler_kind": "GRID_WORKER", "handler_code": "W1"},
    "C": {
        "region_code": "230402002006",
        "sponsor_code": "S2",
        "handler_kind": "SPONSOR",
        "handler_code": "S1",
    },
    "D": {
        "district_code": "230406",
        "region_code": "230406004002",
        "grid_code": "230406004002001",
        "sponsor_code": "S2",
        **MEMBERS,
    },
    "E": MEMBERS,
    "H": {
        "region_code": "230402002006",
        "state": "MERGED",
        "ended_at": SENT_ON,
        "merged_into": UUID(int=1),
    },
}
"""What is particular to each."""


def canaries(name: str, serial: int) -> list[str]:
    """What the report says and nothing else does."""
    said = said_of(name)
    district = said.get("district_code", DISTRICT)
    longitude, _ = place_of(name)
    return [
        said["description"],
        f"canary-note-{name}",
        f"canary-person-{name}",
        f"canary-phone-{name}",
        f"{longitude}",
        f'"{district}-{serial}"',
        GlobalId("Report", district, str(said["id"])).encoded(),
    ]


class World:
    """Two districts with a few reports, and what comes of asking for them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.points = ReportPoints(desk.database, desk.url)
        engine = tool_engine(desk.url)
        with engine.begin() as connection:
            self._put(connection)
        engine.dispose()
        serials = dict(desk.sql("SELECT right(description, 1), serial FROM reports"))
        self.canaries = {name: canaries(name, serials[name]) for name in NAMES}
        self.plan = desk.ask(
            """mutation ($input: PlanBoundaryChangeInput!) {
                planBoundaryChange(input: $input) { id } }""",
            DISTRICT_OFFICE,
            input={"from": TOMORROW.isoformat(), "grids": MOVED},
        ).data["planBoundaryChange"]["id"]

    def _put(self, connection: Any) -> None:
        names = ("code", "name", "level", "parent_code", "district_code")
        for row in (
            ("230406", "东山区", "DISTRICT", "2304", "230406"),
            ("230406004", "新一街道", "STREET", "230406", "230406"),
            ("230406004002", "沿河南社区", "COMMUNITY", "230406004", "230406"),
        ):
            connection.execute(insert(tables.regions).values(dict(zip(names, row, strict=True))))
        connection.execute(
            text(
                """
                INSERT INTO grids (district_code, code, community_code, name, boundary,
                    source_datum, valid_from)
                SELECT '230406', '230406004002001', '230406004002', '第1网格',
                    ST_Translate(boundary, 1, 0), source_datum, valid_from
                FROM grids WHERE code = :like
                """
            ),
            {"like": grid_code(1)},
        )
        # A merged one comes after the one that it was merged into.
        for name in NAMES:
            put_reports(connection, [said_of(name)])
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text(
                "UPDATE report_events SET note = 'canary-note-' || right(description, 1) "
                "FROM reports WHERE id = report_id"
            )
        )
        connection.execute(
            text(
                """
                INSERT INTO reporters (district_code, report_id, name, phone, subject, codes)
                SELECT district_code, id, 'canary-person-' || right(description, 1),
                    'canary-phone-' || right(description, 1),
                    CASE right(description, 1)
                        WHEN 'A' THEN 'RESIDENT/resident 7' WHEN 'D' THEN 'COMMUNITY/s' END,
                    CASE right(description, 1) WHEN 'D' THEN ARRAY['230402002006'] ELSE '{}' END
                FROM reports
                """
            )
        )
        connection.execute(
            text(
                """
                INSERT INTO visits (district_code, id, building_code, worker_code, kind, at, note)
                SELECT district_code, gen_random_uuid(), code, 'W1', 'VISIT', now(), 'visit-note'
                FROM buildings WHERE code = :at
                """
            ),
            {"at": building_code(1)},
        )

    def ask(self, query: str, viewer: Viewer, **variables: Any) -> tuple[str, Any, list[str]]:
        """The answer as a text, its data, and the codes of its errors."""

        async def answer() -> Any:
            context = Context(
                self.desk.server,
                30,
                viewer=viewer,
                points=self.points,
                keeper=self.desk.keeper,
            )
            return await schema.execute(query, variables, context_value=context)

        result = self.desk.run(answer())
        codes = [getattr(e.original_error, "code", repr(e)) for e in result.errors or []]
        said = [result.data, [error.message for error in result.errors or []]]
        return orjson.dumps(said, default=str).decode(), result.data, codes

    def check(self, said: str, seen: str) -> None:
        """That nothing is said of reports that are not to be seen."""
        for name in set(NAMES) - set(seen):
            for canary in self.canaries[name]:
                assert canary not in said


@pytest.fixture(scope="module")
def world(database_url: str) -> Iterator[World]:
    with desk_of_a_district(database_url) as desk:
        world = World(desk)
        yield world
        desk.run(world.points.close())


TYPES = {
    name: type_
    for name, type_ in schema._schema.type_map.items()
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not name.startswith("__")
}
CONNECTION = {"edges", "pageInfo", "nodes", "totalCount"}
# Payloads of mutations: what an action has made, of a report that one may see.
PAYLOADS = {name: type_ for name, type_ in TYPES.items() if name.endswith("Payload")}

EXAMPLES = {
    "locate": f"point: {{longitude: {WEST + SIDE}, latitude: {SOUTH + SIDE}, datum: WGS84}}",
    "locateMany": f"points: [{{longitude: {WEST}, latitude: {SOUTH}, datum: WGS84}}]",
    "region": f'code: "{STREET}"',
    "grid": f'code: "{grid_code(1)}"',
    "building": f'code: "{building_code(1)}"',
    "sponsor": 'code: "S1"',
    "coverage": f'region: "{DISTRICT}"',
    "suggestSponsorships": f'region: "{DISTRICT}"',
    "gridHistory": f'code: "{grid_code(6)}"',
    "boundaryDifference": f'region: "{DISTRICT}", from: "2024-06-01", to: "2026-01-01"',
    "boundaryPlan": "id: $plan",
    "search": f'text: "{STREET}"',
}


def selection(type_: GraphQLNamedType, table: dict[str, str], depth: int) -> str:
    """All fields of a type that a table has, so deep; those of connections are their nodes'."""
    if is_leaf_type(type_):
        return ""
    if isinstance(type_, GraphQLUnionType):
        # What they have in common, for fields of one name may differ in type.
        parts = (f"... on {each.name} {{ id code name }}" for each in type_.types)
        return f"{{ {' '.join(parts)} }}"
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
    found = []
    for name, field in type_.fields.items():
        of = get_named_type(field.type)
        is_connection = type_.name.endswith("Connection")
        if is_connection and name not in ("nodes", "totalCount"):
            continue
        is_told = is_connection or name in table.get(type_.name, "").split()
        if not is_told or any(is_required_argument(each) for each in field.args.values()):
            continue
        if is_leaf_type(of):
            found.append(name)
        elif depth and (inner := selection(of, table, depth - (not is_connection))):
            found.append(f"{name} {inner}")
    return f"{{ {' '.join(found)} }}" if found else ""


def test_every_field_stands_in_one_table_of_who_is_told_it() -> None:
    known: dict[str, list[str]] = {}
    for table in (PUBLIC, OF_REPORTS, OF_A_REPORT, TO_SOME):
        for name, fields in table.items():
            known.setdefault(name, []).extend(fields.split())
    for name, type_ in TYPES.items():
        if name.endswith("Connection"):
            assert set(type_.fields) - {"asOf"} == CONNECTION
        elif name.endswith("Edge"):
            assert set(type_.fields) == {"cursor", "node"}
        elif name not in ("Node", "Mutation", *PAYLOADS):
            assert sorted(known.pop(name)) == sorted(type_.fields), name
    assert not known


@pytest.mark.parametrize("root", PUBLIC["Query"].split())
def test_what_is_public_is_the_same_for_all_and_says_nothing_of_reports(
    world: World, root: str
) -> None:
    field = schema._schema.query_type.fields[root]  # type: ignore[union-attr]
    given = f"({EXAMPLES[root]})" if root in EXAMPLES else ""
    variables = {"plan": world.plan} if root == "boundaryPlan" else {}
    head = "query ($plan: ID!)" if variables else "query"
    inner = selection(get_named_type(field.type), PUBLIC, 2)
    answers = {
        name: world.ask(f"{head} {{ {root}{given} {inner} }}", PEOPLE[name][0], **variables)
        for name in ("nobody", "other district", "administrator")
    }
    said, data, errors = answers["nobody"]
    assert (errors, data[root] is None) == ([], False)
    world.check(said, "")
    assert "visit-note" not in said
    assert {each[0] for each in answers.values()} == {said}


CODES = dict.fromkeys(("Building", "Grid", "Region", "ReportCategory", "Sponsor"), "code")
REPORT = selection(TYPES["Report"], OF_A_REPORT | CODES | {"Point": PUBLIC["Point"]}, 2)


@pytest.mark.parametrize("who", PEOPLE)
def test_reports_come_to_those_who_may_see_them_and_to_nobody_else(world: World, who: str) -> None:
    viewer, seen = PEOPLE[who]
    forbidden = ["FORBIDDEN"] if viewer is ANONYMOUS else []

    # 1. In lists, with all that there is of them.
    query = f"{{ reports {{ totalCount nodes {REPORT} }} }}"
    said, data, errors = world.ask(query, viewer)
    world.check(said, seen)
    assert errors == forbidden
    if not forbidden:
        assert data["reports"]["totalCount"] == len(seen)
        for name in seen:
            assert all(each in said for each in world.canaries[name][:2])
    query = "{ grids { nodes { reports { totalCount nodes { number description } } } } }"
    said, data, errors = world.ask(query, viewer)
    world.check(said, seen)
    assert set(errors) == set(forbidden)
    if not forbidden:
        listed = sum(each["reports"]["totalCount"] for each in data["grids"]["nodes"])
        assert listed == len({*"ABD"} & {*seen})

    # 2. By an id that somebody told; one that is not to be seen is not there.
    for name in NAMES:
        id_ = world.canaries[name][-1]
        query = "query ($id: ID!) { report(id: $id) { number description } node(id: $id) { id } }"
        said, data, errors = world.ask(query, viewer, id=id_)
        world.check(said, seen)
        assert errors == []
        assert (data["report"] is not None, data["node"] is not None) == (name in seen,) * 2
        if name in seen:
            assert world.canaries[name][0] in said

    # 3. Counted.
    said, data, errors = world.ask("{ reportFigures { received open } }", viewer)
    assert errors == forbidden
    if not forbidden:
        still_open = len(set(seen) - {"H"})
        assert data["reportFigures"] == [{"received": len(seen), "open": still_open}]
    query = f'{{ reportTrends(region: "{DISTRICT}", days: 7, periods: 1) {{ reports }} }}'
    said, data, errors = world.ask(query, viewer)
    assert errors == forbidden
    if not forbidden:
        assert sum(each["reports"] for each in data["reportTrends"]) == len({*"AB"} & {*seen})
    for code, whose in (("S1", "A"), ("S2", "CD")):
        query = f'{{ sponsor(code: "{code}") {{ openReportCount }} }}'
        said, data, errors = world.ask(query, viewer)
        assert errors == forbidden
        if not forbidden:
            assert data["sponsor"]["openReportCount"] == len({*whose} & {*seen})
    query = '{ sponsor(code: "S1") { overdueReportCount } }'
    assert world.ask(query, viewer)[2] == forbidden


@pytest.mark.parametrize("who", PEOPLE)
def test_maps_files_and_plans_tell_no_more(world: World, who: str) -> None:
    viewer, seen = PEOPLE[who]
    is_of_places = viewer.role not in (Role.ANONYMOUS, Role.RESIDENT)
    # What somebody sent is on no map by that alone.
    on_map = set(seen) - ({"D"} if who == "other community" else set())

    # 1. Maps: exactly, or of all reports and coarse.
    clusters = """{ reportClusters(bounds: {west: 130, south: 47, east: 131, north: 48}, zoom: 22)
        { count location bounds key report { number } } }"""
    said, data, errors = world.ask(clusters, viewer)
    world.check(said, seen)
    assert errors == []
    counts = [each["count"] for each in data["reportClusters"]]
    # Of the public's six in a square five are told.
    assert sum(counts) == (len(on_map) if is_of_places else 5)
    assert is_of_places or counts == [5]
    query = f'{{ hotspots(region: "{DISTRICT}", minReports: 1) {{ count outline centre }} }}'
    said, data, errors = world.ask(query, viewer)
    world.check(said, seen)
    # All of the public's five of the district are told together; D is of another.
    expected = on_map - {"D"} if is_of_places else {*NAMES} - {"D"}
    assert sum(each["count"] for each in data["hotspots"]) == len(expected)
    query = f'{{ hotspots(region: "{COMMUNITY}", minReports: 1) {{ count }} }}'
    assert is_of_places or world.ask(query, viewer)[1]["hotspots"] == []
    by_text = clusters.replace("zoom: 22", 'zoom: 22, filter: {text: "canary"}')
    assert world.ask(by_text, viewer)[2] == ([] if is_of_places else ["FORBIDDEN"])

    # 2. Plans of boundaries: their reports are for planners.
    plan = "query ($plan: ID!) { boundaryPlan(id: $plan) { %s } }"
    moves = plan % "moves { nodes { openReports } }"
    said, data, _ = world.ask(moves, viewer, plan=world.plan)
    may_read = who in ("district", "auditor", "administrator")
    told = [each["openReports"] for each in data["boundaryPlan"]["moves"]["nodes"]]
    assert all(told) if may_read else told == [None]
    inner = plan % "reports { totalCount nodes { gridBefore report { description } } }"
    said, data, errors = world.ask(inner, viewer, plan=world.plan)
    world.check(said, seen)
    assert errors == ([] if may_read else ["FORBIDDEN"])

    # 3. Files and tiles.
    answers = world.desk.run(_files_and_tiles(world, viewer))
    statuses = {name: answer.status_code for name, answer in answers.items()}
    refused = 403 if viewer is ANONYMOUS else 200
    assert statuses.pop("csv") == refused
    assert statuses["reports"] == (403 if viewer is ANONYMOUS else 200 if seen else 204)
    if viewer is not ANONYMOUS:
        text_ = answers["csv"].text
        world.check(f"{json.dumps(text_.splitlines(), ensure_ascii=False)}", seen)
        assert text_.count("canary-words-") == len(seen)
        assert "canary-person" not in text_
        found = {each["number"] for each in _features(answers["reports"], "reports")}
        numbers = {world.canaries[name][5].strip('"') for name in seen}
        assert found == numbers
    circles = _features(answers["report_clusters"], "report_clusters")
    assert sum(each["count"] for each in circles) == (len(on_map) if is_of_places else 5)
    assert is_of_places or all("number" not in each for each in circles)


async def _files_and_tiles(world: World, viewer: Viewer) -> dict[str, httpx.Response]:
    def context(_: Request) -> Context:
        desk = world.desk
        return Context(desk.server, 30, viewer=viewer, points=world.points, keeper=desk.keeper)

    # One for all, as in a process.
    cache = world.__dict__.setdefault("cache", TileCache(10**6, 4, lambda: True))
    app = Starlette(
        routes=[
            *tiles.routes(context, cache),
            *report_files.routes(context, asyncio.Semaphore(2)),
        ]
    )
    longitude, latitude = place_of("A")
    x, y = _tile_of(longitude, latitude, 14)
    tile(14, x, y)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return {
            "csv": await client.get("/reports.csv"),
            **{
                layer: await client.get(
                    f"/tiles/{layer}/14/{x}/{y}.mvt", headers={"accept-encoding": "identity"}
                )
                for layer in ("reports", "report_clusters")
            },
        }


def _tile_of(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    from tests.geo.test_clusters import tile_cell

    column, row = tile_cell(longitude, latitude, zoom)
    return column // 8, row // 8


def _features(answer: httpx.Response, layer: str) -> list[dict[str, Any]]:
    if not answer.content:
        return []
    decoded = mapbox_vector_tile.decode(answer.content)
    return [each["properties"] for each in decoded[layer]["features"]]


@pytest.mark.parametrize("who", PEOPLE)
def test_persons_are_told_to_those_who_handle_the_report_or_look_after_the_building(
    world: World, who: str
) -> None:
    viewer, seen = PEOPLE[who]
    said, _, _ = world.ask("{ reports { nodes { number reporter { name phone } } } }", viewer)
    # Whoever may see a report for its sponsor alone, or for its building, handles nothing of it.
    told = {"member": "E", "sponsor": "C"}.get(who, seen)
    for name in NAMES:
        assert (f"canary-person-{name}" in said) is (name in told)
    query = "query ($code: String!) { building(code: $code) { visits { nodes { %s } } } }"
    said, _, _ = world.ask(query % "note worker { code }", viewer, code=building_code(1))
    cares = ("worker", "community", "street", "district", "auditor", "administrator")
    assert ("visit-note" in said and "W1" in said) is (who in cares)
