"""The audit log of a server: every write, every reading of personal data, and nothing else."""

from __future__ import annotations

import datetime
import json
import secrets
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import shapely
from graphql import get_named_type
from pydantic import SecretStr
from shapely import box

from gridmap.api.app import application
from gridmap.api.identity import Tokens
from gridmap.api.settings import Settings
from gridmap.schema.root import schema
from gridmap.store.dates import today
from gridmap.store.viewers import ANONYMOUS, Role, Viewer, holder_of_receipt
from tests.api.serving import served
from tests.command import run
from tests.districts import DISTRICT, SIDE, SOUTH, WEST, building_code, grid_code
from tests.pictures import photograph
from tests.reporting import ADMINISTRATOR, OFFICE, SPONSOR, desk_of_a_district, middle_of

SECRET = SecretStr(secrets.token_hex(32))
AUDITOR = Viewer(Role.AUDITOR, "auditor")
PHONE = "13900001234"
TODAY = today()
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """What was answered, and the number of the request."""

    answer: dict[str, Any]
    request: str

    @property
    def data(self) -> Any:
        assert "errors" not in self.answer, self.answer
        [found] = self.answer["data"].values()
        return found


@dataclass(frozen=True)
class Client:
    """Somebody behind a proxy, at an address of their own."""

    address: str
    url: str

    def ask(self, query: str, viewer: Viewer = ADMINISTRATOR, **variables: Any) -> Asked:
        answer = httpx.post(
            f"{self.address}/graphql",
            json={"query": query, "variables": variables},
            headers={"x-forwarded-for": "203.0.113.7", **authorization(viewer)},
            timeout=30,
        )
        return Asked(answer.json(), answer.headers["x-request-id"])

    def do(self, mutation: str, input: dict[str, Any], shown: str = "__typename") -> Asked:
        type_ = f"{mutation[0].upper()}{mutation[1:]}Input!"
        return self.ask(
            f"mutation ($input: {type_}) {{ {mutation}(input: $input) {{ {shown} }} }}",
            input=input,
        )

    def entries(self, request: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(
                "SELECT action, noun, role, subject, account, address, district_code, ids "
                "FROM audit_entries WHERE request = %s ORDER BY id",
                [request],
            ).fetchall()

    def sql(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement)


def authorization(viewer: Viewer) -> dict[str, str]:
    if viewer is ANONYMOUS:
        return {}
    token = Tokens(SECRET).issue(viewer, datetime.timedelta(hours=1), "zhang")
    return {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def client(database_url: str) -> Iterator[Client]:
    with (
        tempfile.TemporaryDirectory(prefix="gridmap-test-") as folder,
        desk_of_a_district(database_url),
    ):
        settings = Settings(secret=SECRET, data=Path(folder), reports_per_minute=0)
        app = application(settings, database_url)
        with served(app, app.state.streams, lifespan="on", trusted_proxies="127.0.0.1") as address:
            yield Client(address, database_url)


def submission(at: tuple[float, float], **said: Any) -> dict[str, Any]:
    longitude, latitude = at
    point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84", **said}
    return {
        "id": str(uuid4()),
        "point": point,
        "capturedAt": datetime.datetime.now(datetime.UTC).isoformat(),
        "category": "0101",
        "description": "楼道口有垃圾",
        "reporter": {"name": "王某", "phone": PHONE},
    }


def submitted(client: Client, at: tuple[float, float] | None = None, **said: Any) -> Asked:
    return client.do(
        "submitReport", submission(at or middle_of(1), **said), "report { id version }"
    )


def square(number: int, east: float = 0.0, west: float = 0.0) -> dict[str, Any]:
    row, column = divmod(number - 1, 3)
    left, bottom = WEST + column * SIDE, SOUTH + (1 - row) * SIDE
    outline = box(left + west * SIDE, bottom, left + SIDE + east * SIDE, bottom + SIDE)
    return {"code": grid_code(number), "outline": json.loads(shapely.to_geojson(outline))}


def every_mutation(client: Client) -> Iterator[tuple[str, Asked]]:
    """Each mutation of the schema, done once at least."""

    def act(asked: Asked, mutation: str, **said: Any) -> tuple[str, Asked]:
        report = asked.data["report"]
        given = {"id": report["id"], "version": report["version"], "note": "因故", **said}
        return mutation, client.do(mutation, given, "report { id version }")

    border = WEST + SIDE, SOUTH + 1.5 * SIDE
    name, last = "submitReport", submitted(client, border, accuracy=30.0)
    yield name, last
    longitude, latitude = middle_of(1)
    point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84"}
    handler = {"kind": "SPONSOR", "code": "S1"}
    soon = datetime.datetime.combine(TODAY + 30 * DAY, datetime.time(), datetime.UTC).isoformat()
    steps: list[tuple[str, dict[str, Any]]] = [
        ("chooseReportGrid", {"grid": grid_code(1)}),
        ("moveReport", {"point": point}),
        ("registerReport", {}),
        ("dispatchReport", {"to": handler}),
        ("returnReport", {}),
        ("dispatchReport", {"to": handler}),
        ("acceptReport", {}),
        ("escalateReport", {}),
        ("dispatchReport", {"to": handler}),
        ("acceptReport", {}),
        ("extendReport", {"deadline": soon}),
        ("suspendReport", {"until": (TODAY + DAY).isoformat()}),
        ("startReport", {}),
        ("doneReport", {}),
        ("reworkReport", {}),
        ("startReport", {}),
        ("doneReport", {}),
        ("verifyReport", {}),
        ("closeReport", {}),
        ("rateReport", {"rating": 5}),
        ("reopenReport", {}),
        ("rejectReport", {}),
    ]
    for mutation, said in steps:
        name, last = act(last, mutation, **said)
        yield name, last
    yield act(submitted(client), "mergeReport", into=submitted(client).data["report"]["id"])

    begin = {"sponsor": "S1", "from": TODAY.isoformat()}
    asked = client.do(
        "assignSponsor", {"building": building_code(2), **begin}, "sponsorship { id }"
    )
    yield "assignSponsor", asked
    end = {"id": asked.data["sponsorship"]["id"], "to": (TODAY + DAY).isoformat()}
    yield "endSponsorship", client.do("endSponsorship", end)
    chosen = [{"building": building_code(4), "sponsor": "S2"}]
    given = {"from": TODAY.isoformat(), "chosen": chosen}
    yield "acceptSponsorships", client.do("acceptSponsorships", given)
    moment = datetime.datetime.now(datetime.UTC).isoformat()
    visit = {"id": str(uuid4()), "building": building_code(1), "kind": "VISIT", "at": moment}
    yield "logVisit", client.do("logVisit", {**visit, "worker": "W1"})
    card = {"building": building_code(1), "name": "示例党员", "from": TODAY.isoformat()}
    asked = client.do("postMemberCard", card, "memberCard { id }")
    yield "postMemberCard", asked
    gone = {"id": asked.data["memberCard"]["id"], "to": (TODAY + DAY).isoformat()}
    yield "removeMemberCard", client.do("removeMemberCard", gone)
    grids = [square(4, east=-0.3), square(5, west=-0.3)]
    given = {"from": (TODAY + DAY).isoformat(), "grids": grids}
    asked = client.do("planBoundaryChange", given, "id")
    yield "planBoundaryChange", asked
    given = {"plan": asked.data["id"], "reason": "业主大会"}
    yield "applyBoundaryChange", client.do("applyBoundaryChange", given)


def test_every_mutation_says_who_did_it_and_from_where(client: Client) -> None:
    done = set()
    for name, asked in every_mutation(client):
        assert asked.data, name
        found = client.entries(asked.request)
        assert found, f"{name} leaves no entry in the audit log"
        for action, _, *who, district, ids in found:
            assert action != "READ"
            assert who == ["ADMINISTRATOR", "root", "zhang", "203.0.113.7"]
            assert district == DISTRICT
            assert ids
        done.add(name)
    mutations = get_named_type(schema._schema.mutation_type)
    assert done == set(mutations.fields)  # type: ignore[union-attr]


def test_what_was_sent_again_and_what_is_refused_leaves_none(client: Client) -> None:
    given = submission(middle_of(1))
    first, again = (client.do("submitReport", given, "number") for _ in range(2))
    assert first.data == again.data
    assert len(client.entries(first.request)) == 1
    assert client.entries(again.request) == []
    refused = client.do("submitReport", {**given, "description": "另一件"})
    assert "errors" in refused.answer
    assert client.entries(refused.request) == []


def test_an_upload_leaves_one(client: Client) -> None:
    id = uuid4()
    headers = {"content-type": "image/jpeg", "x-forwarded-for": "203.0.113.8"}
    answer = httpx.put(f"{client.address}/photos/{id}", content=photograph(), headers=headers)
    [entry] = client.entries(answer.headers["x-request-id"])
    assert entry == ("UPLOAD", "photos", "ANONYMOUS", "", "", "203.0.113.8", "", [str(id)])


READ_HANDLERS = ("READ", "handlers")
REPORTS = "{ reports(first: 3) { nodes { id reporter { phone } } } }"
NODE = "query ($id: ID!) { report(id: $id) { reporter { phone } } }"


class TestReading:
    def test_whose_personal_data_was_told_is_said_once_for_a_request(self, client: Client) -> None:
        sent = [submitted(client).data["report"]["id"] for _ in range(3)]
        asked = client.ask(REPORTS, AUDITOR)
        assert [each["reporter"]["phone"] for each in asked.data["nodes"]] == [PHONE] * 3
        [(action, noun, role, subject, account, address, district, ids)] = client.entries(
            asked.request
        )
        assert (action, noun, role, subject) == ("READ", "reporters", "AUDITOR", "auditor")
        assert (account, address, district) == ("zhang", "203.0.113.7", DISTRICT)
        with psycopg.connect(client.url) as connection:
            latest = connection.execute(
                "SELECT id::text FROM reports ORDER BY received_at DESC LIMIT 3"
            ).fetchall()
        assert sorted(ids) == sorted(id for (id,) in latest)
        assert len(sent) == 3

    def test_who_reads_what_they_sent_is_named_by_their_receipt(self, client: Client) -> None:
        id = submitted(client).data["report"]["id"]
        with psycopg.connect(client.url) as connection:
            [(key,)] = connection.execute(
                "SELECT id FROM reports ORDER BY received_at DESC LIMIT 1"
            ).fetchall()
        asked = client.ask(NODE, holder_of_receipt(DISTRICT, key), id=id)
        assert asked.data["reporter"]["phone"] == PHONE
        [(action, noun, role, subject, *_, ids)] = client.entries(asked.request)
        assert (action, noun, role, ids) == ("READ", "reporters", "RESIDENT", [str(key)])
        assert subject == f"report:{DISTRICT}/{key}"

    def test_which_resident_handles_a_report_is_told_as_a_reading(self, client: Client) -> None:
        report = submitted(client).data["report"]
        report = client.do("registerReport", report, "report { id version }").data["report"]
        to = {"kind": "BUILDING_MEMBER", "code": "李某"}
        client.do("dispatchReport", {**report, "to": to})
        query = "query ($id: ID!) { report(id: $id) { handler { kind code } } }"
        seen = client.ask(query, OFFICE, id=report["id"])
        assert seen.data["handler"] == {"kind": "BUILDING_MEMBER", "code": "李某"}
        assert [entry[:2] for entry in client.entries(seen.request)] == [("READ", "handlers")]
        # So is to find by a member's name what they handle, in a list or in a file.
        query = 'query { reports(filter: {handler: "李某"}) { nodes { number } } }'
        listed = client.ask(query, OFFICE)
        assert len(listed.data["nodes"]) == 1
        [(action, noun, *_, ids)] = client.entries(listed.request)
        assert (action, noun, ids) == (*READ_HANDLERS, client.entries(seen.request)[0][-1])
        file = httpx.get(
            f"{client.address}/reports.csv",
            params={"filter": '{"handler": "李某"}'},
            headers=authorization(OFFICE),
        )
        assert len(file.text.splitlines()) == 2
        [(action, noun, *_, ids)] = client.entries(file.headers["x-request-id"])
        assert (action, noun) == READ_HANDLERS
        assert "李某" not in str(ids)

    def test_a_member_is_found_by_name_in_no_way_that_leaves_no_entry(self, client: Client) -> None:
        report = submitted(client).data["report"]
        report = client.do("registerReport", report, "report { id version }").data["report"]
        to = {"kind": "BUILDING_MEMBER", "code": "赵某"}
        client.do("dispatchReport", {**report, "to": to})
        box_ = "bounds: {west: 130, south: 47, east: 131, north: 48}"
        ways = [
            "reportFigures(by: [GRID], %s) { received }",
            f'reportTrends(region: "{DISTRICT}", %s) {{ probability }}',
            f"reportClusters({box_}, zoom: 12, %s) {{ count }}",
            f'hotspots(region: "{DISTRICT}", %s) {{ count }}',
            "reports(%s, first: 1) { totalCount }",
        ]

        def said(way: str, name: str) -> list[Any]:
            terms = f'filter: {{handler: "{name}"}}'
            asked = client.ask(f"{{ {way % terms} }}", OFFICE)
            assert asked.data is not None
            return [entry[:2] for entry in client.entries(asked.request)]

        for way in ways:
            assert said(way, "赵某") == [READ_HANDLERS], way
            # Who handles nothing is nobody whom that tells of.
            assert said(way, "孙某") == [], way

        # A map asks for many tiles at once; one entry a minute says the same of all of them. The
        # minute may end meanwhile.
        def tiles(viewer: Viewer, name: str) -> list[Any]:
            requests = []
            with ThreadPoolExecutor(4) as pool:
                for tile in pool.map(
                    lambda path: httpx.get(
                        f"{client.address}/tiles/{path}.mvt",
                        params={"handler": name},
                        headers=authorization(viewer),
                    ),
                    ("report_clusters/0/0/0", "reports/14/14120/5747") * 4,
                ):
                    assert tile.status_code in (200, 204)
                    requests.append(tile.headers["x-request-id"])
            return [entry for request in requests for entry in client.entries(request)]

        for viewer in (OFFICE, ADMINISTRATOR):
            found = tiles(viewer, "赵某")
            assert 1 <= len(found) <= 2
            assert {entry[:4] for entry in found} == {
                (*READ_HANDLERS, str(viewer.role), viewer.subject)
            }
            assert "赵某" not in str(found)
            assert tiles(viewer, "孙某") == []

    def test_what_a_subscription_tells_is_a_reading_too(self, client: Client) -> None:
        report = submitted(client).data["report"]
        query = "subscription { reportChanged { report { reporter { phone } } } }"
        with httpx.stream(
            "POST",
            f"{client.address}/graphql",
            json={"query": query},
            headers={"accept": "text/event-stream", **authorization(AUDITOR)},
            timeout=30,
        ) as stream:
            client.do("registerReport", report)
            for line in stream.iter_lines():
                if PHONE in line:
                    break
            # It was written before it was told.
            found = client.entries(stream.headers["x-request-id"])
        assert [entry[:2] for entry in found] == [("READ", "reporters")]

    @pytest.mark.parametrize(
        ("query", "viewer"),
        [
            ("{ reports(first: 3) { nodes { id description } } }", AUDITOR),
            ("{ reports(first: 3) { totalCount } }", AUDITOR),
            (REPORTS, SPONSOR),
            ("{ viewer { role } }", ANONYMOUS),
        ],
    )
    def test_where_no_person_is_told_there_is_none(
        self, client: Client, query: str, viewer: Viewer
    ) -> None:
        asked = client.ask(query, viewer)
        assert client.entries(asked.request) == []
        assert PHONE not in str(asked.answer)

    def test_what_cannot_be_entered_is_not_told(self, client: Client) -> None:
        submitted(client)
        client.sql(
            "ALTER TABLE audit_entries ADD CONSTRAINT none CHECK (action <> 'READ') NOT VALID"
        )
        try:
            asked = client.ask(REPORTS, AUDITOR)
        finally:
            client.sql("ALTER TABLE audit_entries DROP CONSTRAINT none")
        [error] = asked.answer["errors"]
        assert error["extensions"]["code"] == "INTERNAL"
        assert not asked.answer.get("data")
        assert PHONE not in str(asked.answer)


LOG = """
query ($who: String, $from: DateTime, $first: Int, $after: Cursor) {
  auditLog(district: "230402", who: $who, from: $from, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes { at district role subject account address request action noun ids details } } }
"""


class TestLookingAtIt:
    def test_auditors_and_administrators_see_it_page_by_page(self, client: Client) -> None:
        before = datetime.datetime.now(datetime.UTC).isoformat()
        sent = [submitted(client).request for _ in range(3)]
        seen, after = [], None
        while True:
            page = client.ask(
                LOG, AUDITOR, who="root", first=2, after=after, **{"from": before}
            ).data
            assert page["totalCount"] == 3
            seen += page["nodes"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert [entry["request"] for entry in seen] == sent[::-1]
        assert {(entry["action"], entry["account"]) for entry in seen} == {("SUBMIT", "zhang")}
        assert client.ask(LOG, ADMINISTRATOR, first=1).data["nodes"]

    @pytest.mark.parametrize("viewer", [ANONYMOUS, OFFICE, SPONSOR], ids=lambda each: each.role)
    def test_nobody_else_sees_it(self, client: Client, viewer: Viewer) -> None:
        [error] = client.ask(LOG, viewer).answer["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"

    def test_the_command_line_seals_verifies_and_writes_it(
        self, client: Client, tmp_path: Path
    ) -> None:
        def gridmap(*arguments: object) -> tuple[int, str]:
            done = run("audit", *arguments, DATABASE_URL=client.url)
            return done.returncode, done.stdout + done.stderr

        submitted(client)
        status, head = gridmap("seal")
        assert (status, gridmap("head")) == (0, (0, head))
        anchors = tmp_path / "anchors"
        anchors.write_text(head)
        status, said = gridmap("verify", "--anchors", anchors)
        assert (status, said.partition(":")[0]) == (0, "The chain is whole")

        status, lines = gridmap("list", "--who", "root", "--from", TODAY)
        last = json.loads(lines.splitlines()[-1])
        assert (last["action"], last["noun"]) == ("SUBMIT", "reports")
        for name, begin in (("log.jsonl", "{"), ("log.csv", "district_code,id,at,role")):
            file = tmp_path / name
            file.touch(0o644)  # of an earlier time
            assert gridmap("export", file, "--district", DISTRICT)[0] == 0
            assert file.read_text().startswith(begin)
            assert len(file.read_text().splitlines()) >= len(lines.splitlines())
            assert file.stat().st_mode & 0o077 == 0

        # Whoever changes something where no trigger refuses.
        client.sql(
            "SET session_replication_role = replica; UPDATE audit_entries SET subject = 'nobody' "
            f"WHERE id = {last['id']}"
        )
        status, said = gridmap("verify")
        assert status == 1
        assert f"Entry {last['id']} of {DISTRICT} has been changed" in said
        assert "The chain is broken" in said
        # And a tail that is gone.
        anchors.write_text(head.replace(head.split()[0], "999999", 1))
        assert "the log was cut" in gridmap("verify", "--anchors", anchors)[1]
