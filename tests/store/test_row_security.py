"""Row-level security: who may do what with the rows of each table, in PostgreSQL itself.

`TABLES` says it of every table; a new one without a line fails. Which reports a viewer sees is held
against a reckoning in Python, on reports and viewers at random.
"""

from __future__ import annotations

import asyncio
import datetime
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from sqlalchemy import Row, exc, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import GridmapError
from gridmap.store import tables
from gridmap.store.database import Database, Rights, with_rights
from gridmap.store.permissions import PERMISSIONS, Extent, Permission
from gridmap.store.viewers import ANONYMOUS, OFFICES, Role, Viewer, holder_of_receipt

# What each may do with the rows of each table: read, insert, update, delete. `server` is what is
# public, `viewer` and `auditor` are who asks, within a transaction; `keeper` is the server's own
# work. A viewer with "o" reads of it what is their own.
TABLES = {
    #                         server viewer auditor keeper
    "regions":               ("r", "r", "r", "r"),
    "grids":                 ("r", "r", "r", "riu"),
    "workers":               ("r", "r", "r", "r"),
    "worker_assignments":    ("r", "r", "r", "rud"),
    "buildings":             ("r", "r", "r", "ru"),
    "building_managements":  ("r", "r", "r", "r"),
    "sponsors":              ("r", "r", "r", "r"),
    "sponsorships":          ("r", "r", "r", "riud"),
    "visits":                ("r", "r", "r", "ri"),
    "member_cards":          ("r", "r", "r", "riud"),
    "boundary_plans":        ("r", "r", "r", "ri"),
    "boundary_changes":      ("r", "r", "r", "ri"),
    "boundary_change_grids": ("r", "r", "r", "ri"),
    "report_categories":     ("r", "r", "r", "r"),
    "deadlines":             ("r", "r", "r", "r"),
    "report_rules":          ("r", "r", "r", "r"),
    "reports":               ("", "o", "r", "riu"),
    "reporters":             ("", "o", "r", "ri"),
    "report_events":         ("", "o", "r", "ri"),
    "photos":                ("", "o", "r", "riud"),
    "report_photos":         ("", "o", "r", "ri"),
    # But for the password, which the keeper sets.
    "users":                 ("", "", "r", "r"),
    "sessions":              ("", "", "", "riud"),
    "counts":                ("", "", "", "riud"),
    "tile_shapes":           ("r", "r", "r", "riud"),
    "audit_entries":         ("", "", "r", "ri"),
    "audit_seals":           ("", "", "r", "ri"),
    "imports":               ("", "", "r", ""),
}  # fmt: skip
SERVER, VIEWER, AUDITOR, KEEPER = range(4)

# Columns that the right to read does not reach.
KEPT_BACK = {
    #                before anybody             auditor
    "workers":      ({"phone"},                 set[str]()),
    "sponsors":     ({"leader"},                set[str]()),
    "member_cards": ({"name"},                  set[str]()),
    "visits":       ({"note", "worker_code"},   set[str]()),
    "users":        (set[str](),                {"password"}),
}  # fmt: skip

# A city with two districts, one of which has a region with a code of its own.
REGIONS = {
    "23": ("PROVINCE", None),
    "2304": ("CITY", "23"),
    "230402": ("DISTRICT", "2304"),
    "230402001": ("STREET", "230402"),
    "230402001001": ("COMMUNITY", "230402001"),
    "230402001002": ("COMMUNITY", "230402001"),
    "230402002": ("STREET", "230402"),
    "230402002001": ("COMMUNITY", "230402002"),
    "230403": ("DISTRICT", "2304"),
    "230403001": ("STREET", "230403"),
    "230403001001": ("COMMUNITY", "230403001"),
    "foreign": ("COMMUNITY", "230403001"),
}
COMMUNITIES = [code for code, (level, _) in REGIONS.items() if level == "COMMUNITY"]
LEVELS = ("BUILDING", "GRID", "COMMUNITY", "STREET", "DISTRICT")


def above(code: str | None) -> list[str]:
    """A region and all that it lies in."""
    return [] if code is None else [code, *above(REGIONS[code][1])]


def district_of(region: str) -> str:
    return next(code for code in above(region) if REGIONS[code][0] == "DISTRICT")


# Code, district and community. Districts number grids and buildings as they like.
GRIDS = [(f"{code}001", district_of(code), code) for code in COMMUNITIES]
GRIDS += [("G9", "230402", "230402001001"), ("G9", "230403", "foreign")]
BUILDINGS = [(f"{code}00001", district_of(code), code) for code in COMMUNITIES]
BUILDINGS += [("B9", "230402", "230402001001"), ("B9", "230403", "foreign")]
SPONSORS = ("S1", "S2")
SUBJECTS = ("W1", "W2", "somebody")


@dataclass(frozen=True)
class Kept:
    """A report, as far as it says who may see it."""

    id: UUID
    district: str
    region: str
    grid: str | None
    building: str | None
    sponsor: str | None
    level: str
    handler: tuple[str, str] | None
    sender: str | None
    codes: tuple[str, ...]


def some_codes(draw: random.Random, role: Role) -> tuple[str, ...]:
    known: list[str] = {
        Role.GRID_WORKER: [code for code, _, _ in GRIDS],
        Role.BUILDING_MEMBER: [code for code, _, _ in BUILDINGS],
        Role.SPONSOR: list(SPONSORS),
        Role.COMMUNITY: COMMUNITIES,
        Role.STREET: ["230402001", "230402002", "230403001", "foreign"],
        Role.DISTRICT: ["230402", "230403", "foreign"],
    }.get(role, [])
    most = 1 if role is Role.SPONSOR else 3
    return tuple(sorted(set(draw.choices(known, k=draw.randint(1, most))))) if known else ()


def some_reports(draw: random.Random, count: int) -> list[Kept]:
    made = []
    for _ in range(count):
        region = draw.choice([code for code in REGIONS if len(above(code)) > 2])
        district = district_of(region)
        kind = draw.choice([None, "SPONSOR", "GRID_WORKER", "BUILDING_MEMBER", "REGION"])
        codes = {"SPONSOR": SPONSORS, "REGION": tuple(REGIONS)}.get(kind or "", SUBJECTS)
        sender = draw.choice([None, *(role for role in Role if role is not Role.ANONYMOUS)])
        made.append(
            Kept(
                uuid4(),
                district,
                region,
                draw.choice([None, *(code for code, of, _ in GRIDS if of == district)]),
                draw.choice([None, *(code for code, of, _ in BUILDINGS if of == district)]),
                draw.choice([None, *SPONSORS]),
                draw.choice(LEVELS),
                (kind, draw.choice(codes)) if kind else None,
                f"{sender}/{draw.choice(SUBJECTS)}" if sender else None,
                some_codes(draw, sender) if sender else (),
            )
        )
    return made


def sees(viewer: Viewer, report: Kept) -> bool:
    """Whether the viewer may see the report."""
    if PERMISSIONS[viewer.role].get(Permission.SEE_REPORTS) is not Extent.OWN:
        return Permission.SEE_REPORTS in PERMISSIONS[viewer.role]
    codes = viewer.codes
    lives_there = any(
        code in codes and district == report.district for code, district, _ in BUILDINGS
    )
    return (
        acts(viewer, report)
        or (viewer.role is Role.SPONSOR and report.sponsor in codes)
        or (viewer.role is Role.BUILDING_MEMBER and report.building in codes and lives_there)
        or (viewer.role in OFFICES and not codes.isdisjoint(above(report.region)))
    )


def acts(viewer: Viewer, report: Kept) -> bool:
    """Whether the viewer has to do with the report, and so is told who sent it."""
    role, codes = viewer.role, viewer.codes
    if role is Role.ANONYMOUS:
        return False
    if role in (Role.AUDITOR, Role.ADMINISTRATOR):
        return True
    if viewer.report == (report.district, report.id):
        return True
    if report.sender == f"{role}/{viewer.subject}" and (
        codes == set(report.codes) or codes & set(report.codes)
    ):
        return True
    kind, handler = report.handler or (None, None)
    if role is Role.GRID_WORKER:
        walks = any(code in codes and of == report.district for code, of, _ in GRIDS)
        is_theirs = kind == "GRID_WORKER" and handler == viewer.subject
        return walks and (report.grid in codes or is_theirs)
    if role is Role.BUILDING_MEMBER:
        return (kind, handler) == ("BUILDING_MEMBER", viewer.subject) and any(
            code in codes and (of, community) == (report.district, report.region)
            for code, of, community in BUILDINGS
        )
    if role is Role.SPONSOR:
        return kind == "SPONSOR" and handler in codes
    if role in OFFICES:
        rung = LEVELS.index(report.level) <= LEVELS.index(role)
        is_there = not codes.isdisjoint(above(report.region))
        return (kind == "REGION" and handler in codes) or (rung and is_there)
    return False


@dataclass(frozen=True)
class World:
    url: str
    reports: Sequence[Kept]

    @asynccontextmanager
    async def database(self, rights: Rights = Rights.SERVER) -> AsyncIterator[Database]:
        database = Database(with_rights(self.url, rights), pool_size=3)
        try:
            yield database
        finally:
            await database.close()


@pytest.fixture(scope="module")
def world(database_url: str) -> World:
    """Every table has a row, and each report one in all that are of reports."""
    reports = some_reports(random.Random(11), 300)
    with psycopg.connect(database_url) as connection:
        # What is not there is not missed: other districts' sponsors, workers, events of versions.
        connection.execute("SET session_replication_role = replica")
        put_places(connection)
        for report in reports:
            put_report(connection, report)
    return World(database_url, reports)


def put(connection: psycopg.Connection, table: str, **values: object) -> None:
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() for _ in values),
        ),
        list(values.values()),
    )


def put_places(connection: psycopg.Connection) -> None:
    day, point = datetime.date(2025, 1, 1), "SRID=4326;POINT(130.28 47.33)"
    square = "SRID=4326;MULTIPOLYGON(((130.28 47.33,130.29 47.33,130.29 47.34,130.28 47.33)))"
    for code, (level, parent) in REGIONS.items():
        district = district_of(code) if len(above(code)) > 2 else None
        put(
            connection,
            "regions",
            code=code,
            name=code,
            level=level,
            parent_code=parent,
            district_code=district,
        )
    for code, district, community in GRIDS:
        of = {"district_code": district, "code": code, "community_code": community, "name": code}
        put(connection, "grids", **of, boundary=square, source_datum="WGS84", valid_from=day)
    for code, district, community in BUILDINGS:
        put(
            connection,
            "buildings",
            district_code=district,
            code=code,
            community_code=community,
            name=code,
            households=1,
            location=point,
            source_datum="WGS84",
            source_longitude=130.28,
            source_latitude=47.33,
        )
    put(connection, "sponsors", code="S1", name="示例", level="CITY", region_code="2304")
    of = {"district_code": "230402"}
    put(connection, "workers", **of, code="W1", name="示例")
    put(connection, "worker_assignments", **of, worker_code="W1", grid_code="G9", valid_from=day)
    put(
        connection,
        "building_managements",
        **of,
        building_code="B9",
        mode="COMMUNITY_LED",
        valid_from=day,
    )
    put(connection, "sponsorships", **of, sponsor_code="S1", building_code="B9", valid_from=day)
    put(connection, "member_cards", **of, building_code="B9", name="示例", valid_from=day)
    put(
        connection,
        "visits",
        **of,
        id=uuid4(),
        building_code="B9",
        worker_code="W1",
        kind="VISIT",
        at=day,
        note="",
    )
    put(connection, "report_rules", region_code="2304")
    for district in ("230402", "230403"):
        made, plan = {"author_role": "DISTRICT", "author_subject": "示例"}, uuid4()
        put(
            connection,
            "boundary_plans",
            district_code=district,
            id=plan,
            made_at=day,
            valid_from=day,
            draft="{}",
            content="{}",
            digest=b"",
            **made,
        )
        put(
            connection,
            "boundary_changes",
            district_code=district,
            plan_id=plan,
            applied_at=day,
            reason="示例",
            **made,
        )
        put(
            connection,
            "boundary_change_grids",
            district_code=district,
            grid_code="G9",
            plan_id=plan,
            valid_from=day,
            taken_from=[],
            given_to=[],
        )
    user = {"role": "RESIDENT", "subject": "示例", "codes": [], "valid_from": day}
    put(connection, "users", name="somebody", password="", **user)
    put(
        connection,
        "sessions",
        id=uuid4(),
        user_name="somebody",
        token=b"",
        begun_at=day,
        renewed_at=day,
    )
    put(connection, "counts", key=b"1", ends_at=day)
    put(
        connection,
        "tile_shapes",
        **of,
        noun="grids",
        code="G9",
        valid_from=day,
        row_version="0",
        shapes=[],
    )
    put(
        connection,
        "imports",
        noun="grids",
        file="示例",
        sha256="",
        added=0,
        changed=0,
        unchanged=0,
    )
    put(
        connection,
        "audit_entries",
        **of,
        role="OPERATOR",
        subject="",
        account="",
        address="",
        request="",
        action="IMPORT",
        noun="grids",
        ids=[],
    )
    put(
        connection,
        "audit_seals",
        number=1,
        at=day,
        as_of="1:1:",
        district_codes=[],
        entry_ids=[],
        digests=b"",
        hash=b"",
    )


def put_report(connection: psycopg.Connection, report: Kept) -> None:
    at = datetime.date(2025, 1, 1)
    kind, handler = report.handler or (None, None)
    put(
        connection,
        "reports",
        district_code=report.district,
        id=report.id,
        version=1,
        state="SUBMITTED",
        category_code="0101",
        urgency="ROUTINE",
        source="PHONE",
        description="示例",
        location="SRID=4326;POINT(130.28 47.33)",
        source_datum="WGS84",
        source_longitude=130.28,
        source_latitude=47.33,
        captured_at=at,
        received_at=at,
        state_since=at,
        region_code=report.region,
        grid_code=report.grid,
        building_code=report.building,
        sponsor_code=report.sponsor,
        level=report.level,
        handler_kind=kind,
        handler_code=handler,
        submission=b"",
    )
    of = {"district_code": report.district, "report_id": report.id}
    put(connection, "reporters", **of, subject=report.sender, codes=list(report.codes))
    put(
        connection,
        "report_events",
        **of,
        version=1,
        action="SUBMIT",
        state="SUBMITTED",
        at=at,
        actor_role="RESIDENT",
        actor_subject="",
        note="",
        details="{}",
    )
    put(connection, "report_photos", **of, version=1, place=1, photo_id=report.id)
    put(connection, "photos", id=report.id, digest=b"", width=1, height=1, bytes=1)


def viewer_of(role: Role) -> Viewer:
    """One with codes that nothing has."""
    nothing = {Role.DISTRICT: "990402", Role.STREET: "990402001", Role.COMMUNITY: "990402001001"}
    if role is Role.ANONYMOUS:
        return ANONYMOUS
    has_codes = role not in (Role.RESIDENT, Role.AUDITOR, Role.ADMINISTRATOR)
    codes = frozenset([nothing.get(role, "nothing")] if has_codes else [])
    return Viewer(role, "nobody that anybody knows", codes)


OPERATIONS = {
    "r": "SELECT count(*) FROM {table}",
    "i": "INSERT INTO {table} DEFAULT VALUES",
    # Of nothing: what is refused is refused before that is found.
    "u": "UPDATE {table} SET {column} = {column} WHERE FALSE",
    "d": "DELETE FROM {table} WHERE FALSE",
}


async def done(connection: AsyncConnection, table: str) -> tuple[str, int]:
    """Which operations are let through, and how many rows are read."""
    let, rows = "", 0
    *_, column = tables.metadata.tables[table].c.keys()
    for letter, operation in OPERATIONS.items():
        statement = text(operation.format(table=table, column=column))
        try:
            async with connection.begin_nested():
                found = await connection.execute(statement)
                rows = found.scalar_one() if letter == "r" else rows
            let += letter
        except exc.IntegrityError:
            let += letter  # it would be written, but for what it lacks
        except exc.ProgrammingError as error:
            # By what is granted on the table, and not for a row that does not pass a policy.
            if "permission denied for table" not in str(error.orig):
                raise
    return let, rows


def test_every_table_is_under_row_level_security_that_its_owner_is_under_too(
    world: World,
) -> None:
    with psycopg.connect(world.url) as connection:
        rows = connection.execute(
            """
            SELECT relname, relrowsecurity, relforcerowsecurity
            FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
            """
        ).fetchall()
    # The one has no rows of anybody's, the others are PostGIS's.
    others = {"alembic_version", "spatial_ref_sys", "geometry_columns", "geography_columns"}
    others.add("visit_words")  # is a view, and says itself of which rows
    secured = {name for name, enabled, forced in rows if enabled and forced}
    assert secured == {name for name, _, _ in rows} - others
    assert secured == set(tables.metadata.tables) == set(TABLES)


@pytest.mark.parametrize("who", [*Rights, *Role])
def test_a_role_may_do_with_each_table_what_is_written_here_and_nothing_else(
    world: World, who: Rights | Role
) -> None:
    async def walked() -> dict[str, tuple[str, int]]:
        rights = Rights.KEEPER if who is Rights.KEEPER else Rights.SERVER
        async with world.database(rights) as database:
            opened = (
                database.as_viewer(viewer_of(who))
                if isinstance(who, Role)
                else database.transaction()
            )
            async with opened as connection:
                return {table: await done(connection, table) for table in TABLES}

    with psycopg.connect(world.url) as connection:
        counted = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            for table in TABLES
        }
    assert all(counted.values()), "A table has no row to try with; put one in."
    match who:
        case Rights.SERVER:
            place = SERVER
        case Rights.KEEPER:
            place = KEEPER
        case Role.AUDITOR | Role.ADMINISTRATOR:
            place = AUDITOR
        case _:
            place = VIEWER
    found = asyncio.run(walked())
    for table, columns in TABLES.items():
        may, all_rows = columns[place], counted[table]
        let, rows = found[table]
        assert let == may.replace("o", "r"), table
        assert rows == (all_rows if may.startswith("r") else 0), table


@pytest.mark.parametrize(
    "who", ["gridmap_server", "gridmap_viewer", "gridmap_auditor", "gridmap_keeper"]
)
def test_a_role_reads_all_columns_of_a_table_but_those_that_are_written_here(
    world: World, who: str
) -> None:
    place = ("gridmap_server", "gridmap_viewer", "gridmap_auditor", "gridmap_keeper").index(who)
    with psycopg.connect(world.url) as connection:
        rows = connection.execute(
            """
            SELECT relname, attname, has_column_privilege(%s, pg_class.oid, attnum, 'SELECT')
            FROM pg_class
            JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
            WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%s)
            """,
            [who, list(TABLES)],
        ).fetchall()
    assert {table for table, _, _ in rows} == set(TABLES)
    for table, column, may_read in rows:
        kept_back, from_auditor = KEPT_BACK.get(table, (set(), set()))
        hidden = {SERVER: kept_back, VIEWER: kept_back, AUDITOR: from_auditor}.get(place, set())
        assert may_read == (TABLES[table][place] != "" and column not in hidden), (table, column)


def test_what_was_seen_at_a_visit_is_shown_to_who_looks_after_the_building(world: World) -> None:
    """The one at B9 of district 230402, of which B9 of the other is not a matter."""

    async def told(viewer: Viewer) -> list[Any]:
        async with world.database() as database, database.as_viewer(viewer) as connection:
            rows = await connection.execute(text("SELECT worker_code, note FROM visit_words"))
            return [tuple(row) for row in rows]

    def of(role: Role, *codes: str) -> list[Any]:
        return asyncio.run(told(Viewer(role, "W1", frozenset(codes))))

    seen = [("W1", "")]
    assert of(Role.COMMUNITY, "230402001001") == of(Role.STREET, "230402001") == seen
    assert of(Role.DISTRICT, "230402") == of(Role.AUDITOR) == of(Role.ADMINISTRATOR) == seen
    assert of(Role.GRID_WORKER, "G9") == seen  # its grid is there, on the building's corner
    assert of(Role.GRID_WORKER, "nothing") == of(Role.BUILDING_MEMBER, "B9") == []
    assert of(Role.COMMUNITY, "230402001002") == of(Role.STREET, "230402002") == []
    assert of(Role.DISTRICT, "230403") == of(Role.SPONSOR, "S1") == of(Role.RESIDENT) == []
    assert asyncio.run(told(ANONYMOUS)) == []


def test_an_auditor_sees_who_signs_in_and_not_by_which_password(world: World) -> None:
    async def asked(column: str) -> object:
        async with (
            world.database() as database,
            database.as_viewer(viewer_of(Role.AUDITOR)) as connection,
        ):
            return await connection.scalar(text(f"SELECT {column} FROM users"))

    assert asyncio.run(asked("name")) == "somebody"
    with pytest.raises(exc.ProgrammingError, match="permission denied"):
        asyncio.run(asked("password"))


def viewers(reports: Sequence[Kept]) -> st.SearchStrategy[Viewer]:
    """Any that has perhaps to do with the reports."""

    def made(role: Role, seed: int, subject: str) -> Viewer:
        draw = random.Random(seed)
        if role is Role.ANONYMOUS:
            return ANONYMOUS
        if role is Role.RESIDENT and draw.random() < 0.3:
            report = draw.choice(reports)
            return holder_of_receipt(report.district, report.id)
        return Viewer(role, subject, frozenset(some_codes(draw, role)))

    return st.builds(made, st.sampled_from(Role), st.integers(0, 10_000), st.sampled_from(SUBJECTS))


SEEN = ("reports", "report_events", "report_photos", "photos")


async def read(connection: AsyncConnection) -> dict[str, set[UUID]]:
    """The ids of the reports of which each table shows something."""
    found = {}
    for table in (*SEEN, "reporters"):
        column = "id" if table in ("reports", "photos") else "report_id"
        rows = await connection.execute(text(f"SELECT {column} FROM {table}"))
        found[table] = set(rows.scalars())
    return found


def test_a_viewer_sees_their_own_and_is_told_of_persons_where_they_act(world: World) -> None:
    runner, most = asyncio.Runner(), 0

    @given(viewers(world.reports))
    @settings(
        max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def hold(viewer: Viewer) -> None:
        nonlocal most

        async def asked() -> dict[str, set[UUID]]:
            async with database.as_viewer(viewer) as connection:
                return await read(connection)

        found = runner.run(asked())
        own = {report.id for report in world.reports if sees(viewer, report)}
        assert {table: found[table] for table in SEEN} == dict.fromkeys(SEEN, own)
        told = {report.id for report in world.reports if acts(viewer, report)}
        assert found["reporters"] == told
        if viewer.role not in (Role.AUDITOR, Role.ADMINISTRATOR):
            most = max(most, len(own))

    with runner:
        database = Database(with_rights(world.url, Rights.SERVER))
        hold()
        runner.run(database.close())
    assert most > 20


def test_no_viewer_is_left_behind_on_a_connection_whatever_became_of_the_work(
    world: World,
) -> None:
    draw = random.Random(5)

    async def look(database: Database, viewer: Viewer) -> None:
        async with database.as_viewer(viewer) as connection:
            ids = set((await connection.execute(text("SELECT id FROM reports"))).scalars())
            assert ids == {report.id for report in world.reports if sees(viewer, report)}

    async def fail(database: Database, viewer: Viewer) -> None:
        with suppress(ZeroDivisionError, exc.DBAPIError, GridmapError):
            async with database.as_viewer(viewer) as connection:
                await connection.execute(text(draw.choice(["SELECT 1", "SELECT 1 / 0", "no SQL"])))
                raise ZeroDivisionError

    async def leave(database: Database, viewer: Viewer) -> None:
        async def wait() -> None:
            async with database.as_viewer(viewer) as connection:
                await connection.execute(text("SELECT pg_sleep(10)"))

        with suppress(TimeoutError):
            async with asyncio.timeout(draw.random() * 0.02):
                await wait()

    async def ask_without_viewer(database: Database, _: Viewer) -> None:
        async with database.connection() as connection:
            await connection.execute(text("SELECT count(*) FROM regions"))
        with pytest.raises(exc.ProgrammingError, match="permission denied"):
            async with database.connection() as connection:
                await connection.execute(text("SELECT count(*) FROM reports"))

    async def all_at_once() -> list[Row[Any]]:
        async with world.database() as database:
            works = draw.choices([look, fail, leave, ask_without_viewer], k=200)
            known = [made(draw) for _ in works]
            await asyncio.gather(
                *(work(database, viewer) for work, viewer in zip(works, known, strict=True))
            )
            async with database.connection() as one, database.connection() as other:
                return [(await each.execute(WHO)).one() for each in (one, other)]

    def made(draw: random.Random) -> Viewer:
        role = draw.choice(list(Role))
        if role is Role.ANONYMOUS:
            return ANONYMOUS
        return Viewer(role, draw.choice(SUBJECTS), frozenset(some_codes(draw, role)))

    assert asyncio.run(all_at_once()) == [("gridmap_server", "")] * 2


WHO = text("SELECT current_user, coalesce(current_setting('gridmap.role', TRUE), '')")


def test_indexes_of_places_and_words_serve_a_viewer_too(world: World) -> None:
    """As PostgreSQL lets nothing but a policy look at a row first, unless it knows that it may."""

    async def planned() -> str:
        async with (
            world.database() as database,
            database.as_viewer(viewer_of(Role.DISTRICT)) as connection,
        ):
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            await connection.execute(text("SET LOCAL enable_bitmapscan = off"))
            rows = await connection.execute(
                text("EXPLAIN SELECT FROM reports WHERE location && ST_MakePoint(130.28, 47.33)")
            )
            return "\n".join(rows.scalars())

    assert "Index Scan using reports_location_idx" in asyncio.run(planned())
    with psycopg.connect(world.url) as connection:
        kept_back = connection.execute(
            "SELECT proname FROM pg_proc WHERE NOT proleakproof AND proname IN "
            "('geometry_overlaps', 'arraycontains', 'gridmap_words') AND prorettype <> 0"
        ).fetchall()
    assert kept_back == []


def test_a_viewer_writes_nothing(world: World) -> None:
    """Not even their own: what they may write is written by the keeper, after the code's check."""

    async def write() -> None:
        async with (
            world.database() as database,
            database.as_viewer(viewer_of(Role.ADMINISTRATOR)) as connection,
        ):
            await connection.execute(text("UPDATE reports SET state = state"))

    with pytest.raises(exc.ProgrammingError, match="permission denied"):
        asyncio.run(write())
