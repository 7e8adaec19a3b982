"""Personal data goes when its time is over: out of every table, and out of the place of photos."""

from __future__ import annotations

import asyncio
import datetime
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from gridmap.store import users
from gridmap.store.actions import Handler, Move
from gridmap.store.darkroom import Darkroom
from gridmap.store.database import Database
from gridmap.store.dates import CHINA
from gridmap.store.images import Picture
from gridmap.store.loop import Action, Level
from gridmap.store.member_cards import post, remove
from gridmap.store.objects import Objects
from gridmap.store.photos import Photos
from gridmap.store.report_points import ReportPoints
from gridmap.store.reports import Report, Reporter, ReportFilter
from gridmap.store.retention import CELL_DEGREES, Gone, Retained, Terms, retain, to_go
from gridmap.store.scopes import EVERYTHING
from gridmap.store.sessions import begin_session
from gridmap.store.submissions import Placement
from gridmap.store.viewers import Role, Viewer
from gridmap.store.visits import NewVisit, log
from tests.command import run
from tests.districts import DISTRICT, SIDE, SOUTH, WEST, building_code, grid_code
from tests.reporting import MONDAY, OFFICE, SPONSOR, Desk, desk_of_a_district, middle_of

DAYS = 365
TERMS = Terms(DAYS, audit_days=1096)
LONG_AFTER = MONDAY + datetime.timedelta(days=DAYS + 30)

NAME, PHONE, ACCOUNT = "欧阳不可寻", "13777654321", "account-of-ouyang"
WORDS, NOTE, REMARK = "三单元漏水找欧阳", "已联系老李家", "李家老人独居"
MEMBER, CARD, USER = "端木小花", "皇甫大树", "user-of-long-ago"
PICTURE = "the pixels of a face"
PLACE = (WEST + 0.0011234567, SOUTH + SIDE + 0.0021234567)
MOVED = (WEST + 0.0012345678, SOUTH + SIDE + 0.0022345678)
PERSONAL = [
    *(NAME, PHONE, ACCOUNT, WORDS, NOTE, REMARK, MEMBER, CARD, USER, PICTURE),
    *(str(degrees)[:10] for degrees in (*PLACE, *MOVED)),
]

REPORTER = Viewer(Role.RESIDENT, ACCOUNT)
HANDLER = Viewer(Role.BUILDING_MEMBER, MEMBER, frozenset({building_code(1)}))


class Instant(Darkroom):
    async def developed(self, data: bytes) -> Picture:
        return Picture(4, 3, data, data)


@pytest.fixture(scope="module")
def district_desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        yield desk


@pytest.fixture
def desk(district_desk: Desk) -> Desk:
    """With nothing that the test before has left."""
    district_desk.sql(
        "SET session_replication_role = replica; TRUNCATE reports, report_events, report_photos, "
        "reporters, photos, visits, member_cards, users, sessions, counts, audit_entries, "
        "audit_seals"
    )
    return district_desk


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gridmap-test-") as folder:
        yield Path(folder) / "photos"


def photos_of(desk: Desk, folder: Path) -> Photos:
    return Photos(desk.database, Objects(folder.as_uri()), Instant())


def uploaded(desk: Desk, folder: Path, picture: str = PICTURE) -> UUID:
    id = uuid4()
    desk.run(photos_of(desk, folder).keep(id, f"{picture} {id}".encode(), REPORTER))
    return id


def lived_through(desk: Desk, folder: Path, **said: Any) -> Report:
    """A report in which everybody wrote what was personal, closed on MONDAY."""
    report = desk.submit(
        PLACE,
        REPORTER,
        **{
            "description": WORDS,
            "reporter": Reporter(NAME, PHONE),
            "photos": [uploaded(desk, folder)],
            **said,
        },
    )
    return desk.go(
        report,
        (Action.MOVE, REPORTER, {"move": moved_to(report, MOVED), "note": NOTE}),
        (Action.REGISTER, OFFICE, {"note": NOTE}),
        (Action.DISPATCH, OFFICE, {"handler": Handler("BUILDING_MEMBER", MEMBER), "note": NOTE}),
        (Action.RETURN, HANDLER, {"note": NOTE}),
        (Action.DISPATCH, OFFICE, {"handler": Handler("BUILDING_MEMBER", MEMBER)}),
        (Action.ACCEPT, HANDLER),
        (Action.START, HANDLER),
        (Action.DONE, HANDLER, {"note": NOTE, "photos": [uploaded(desk, folder)]}),
        (Action.VERIFY, OFFICE),
        (Action.CLOSE, OFFICE),
        (Action.RATE, REPORTER, {"rating": 4}),
    )


def moved_to(report: Report, to: tuple[float, float]) -> Move:
    here = grid_code(1), building_code(1)
    placement = Placement(DISTRICT, report.region_code, *here, "S1", False, Level.BUILDING)
    return Move(*to, "WGS84", *to, 7.0, placement)


async def put_the_rest(database: Database, desk: Desk) -> None:
    """A visit and a card, and users who may sign in no more."""
    async with database.transaction() as connection:
        visit = NewVisit(uuid4(), building_code(1), "VISIT", MONDAY, REMARK, "W1")
        await log(connection, visit, OFFICE, MONDAY)
        first = MONDAY.date()
        card = await post(connection, building_code(1), CARD, first, OFFICE, first)
        end = first + datetime.timedelta(days=2)
        await remove(connection, card.card_key, end, OFFICE, first)
        viewer = Viewer(Role.RESIDENT, ACCOUNT)
        gone = await users.add_user(connection, USER, "hash", viewer, first, end)
        await begin_session(connection, gone, MONDAY)
        staff = Viewer(Role.AUDITOR, "auditor")
        await users.add_user(connection, "still-here", "hash", staff, first)
    desk.sql("INSERT INTO counts VALUES ('old', '2026-03-02'), ('running', '2100-01-01')")


def everything(desk: Desk, folder: Path) -> str:
    """All that is in the database, however it is written, and in the place of photos."""
    said = []
    with psycopg.connect(desk.url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [name for (name,) in tables]
        assert len(names) > 25
        for name in names:
            with connection.cursor().copy(f'COPY "{name}" TO STDOUT') as copy:
                said += [bytes(row).decode() for row in copy]
    for file in folder.rglob("*"):
        said.append(str(file))
        said.append(file.read_text() if file.is_file() else "")
    return "\n".join(said)


def found(desk: Desk, folder: Path) -> list[str]:
    """What is personal and still there, as it is or in hexadecimal."""
    text = everything(desk, folder)
    positions = desk.sql("SELECT ST_X(location), ST_Y(location), ST_AsText(location) FROM reports")
    text += str(positions)
    return [each for each in PERSONAL if each in text or each.encode().hex() in text]


def retained(desk: Desk, folder: Path, now: datetime.datetime = LONG_AFTER) -> tuple[Gone, Gone]:
    """What was said that would go, and what went."""
    objects = Objects(folder.as_uri())
    planned = desk.run(to_go(desk.database, TERMS, now))
    return planned, desk.run(retain(desk.database, objects, TERMS, now)).gone


def shown(desk: Desk, points: ReportPoints) -> list[tuple[float, ...]]:
    """Where a map has reports."""
    return sorted(
        map(tuple, desk.run(points.positions(ReportFilter(LONG_AFTER, EVERYTHING))).tolist())
    )


def test_after_its_time_no_personal_data_is_anywhere(desk: Desk, folder: Path) -> None:
    report = lived_through(desk, folder)
    other = Viewer(Role.RESIDENT, "young")
    young = desk.submit(middle_of(2), other, description="新的", reporter=Reporter("young", None))
    young = desk.go(young, (Action.REJECT, OFFICE, {"note": "young"}))
    yesterday = LONG_AFTER - datetime.timedelta(days=DAYS - 1)
    desk.sql("UPDATE reports SET ended_at = %s WHERE id = %s", yesterday, young.id)
    desk.run(put_the_rest(desk.database, desk))
    points = ReportPoints(desk.database, desk.url)
    before = shown(desk, points)
    figures = "SELECT state, category_code, region_code, grid_code, sponsor_code, level, rating, "
    figures += "received_at, due_at, replied_at, closed_at, handler_kind FROM reports ORDER BY id"
    counted = desk.sql(figures)
    history = "SELECT report_id, version, action, state, at, actor_role FROM report_events "
    history += "ORDER BY report_id, version"
    happened = desk.sql(history)

    # 1. It is all there, and a day before its time nothing goes.
    assert found(desk, folder) == PERSONAL
    early = MONDAY + datetime.timedelta(days=DAYS - 1)
    assert retained(desk, folder, early)[1].reports == 0

    # 2. What is said to go goes, once.
    planned, gone = retained(desk, folder)
    assert gone == planned
    assert gone._replace(sessions=0, photos=0) == Gone(1, 0, 1, 1, 1, 0, 0)
    assert found(desk, folder) == []
    assert retained(desk, folder) == (Gone(), Gone())

    # 3. What counts is as it was, and the place is one of the neighbourhood, in the same grid.
    assert desk.sql(figures) == counted
    assert desk.sql(history) == happened
    kept = desk.kept(report.report_key)
    assert abs(kept.longitude - MOVED[0]) < CELL_DEGREES
    assert abs(kept.latitude - MOVED[1]) < CELL_DEGREES
    assert desk.sql(
        "SELECT ST_Covers(boundary, ST_SetSRID(ST_MakePoint(%s, %s), 4326)) "
        "FROM grids WHERE code = %s",
        kept.longitude,
        kept.latitude,
        grid_code(1),
    ) == [(True,)]
    # 4. Whoever keeps reports in memory shows it there too.
    after = shown(desk, points)
    assert len(after) == len(before)
    assert after != before
    anew = ReportPoints(desk.database, desk.url)
    assert after == shown(desk, anew)
    for each in (points, anew):
        desk.run(each.close())
    # 5. Another resident's, of yesterday, is whole; and so is what is to stay.
    assert desk.sql("SELECT name FROM reporters") == [("young",)]
    assert desk.kept(young.report_key).description == "新的"
    assert desk.sql("SELECT name FROM users") == [("still-here",)]
    assert desk.sql("SELECT key FROM counts") == [(b"running",)]
    # 6. And it is said who did that.
    said = "SELECT noun, ids FROM audit_entries WHERE role = 'OPERATOR' AND action = 'ANONYMISE'"
    entries = dict(desk.sql(said))
    assert entries["reports"] == [str(report.id)]
    assert entries.keys() == {"reports", "visits", "member_cards"}


def test_reports_of_one_cell_and_grid_come_to_one_place(desk: Desk, folder: Path) -> None:
    ids = []
    west, south = (int(each / CELL_DEGREES) * CELL_DEGREES for each in PLACE)
    for part in (0.1, 0.5, 0.9):
        at = west + part * CELL_DEGREES, south + (1 - part) * CELL_DEGREES
        report = desk.submit(at, REPORTER, reporter=None)
        ids.append(desk.go(report, (Action.REJECT, OFFICE)).report_key)
    retained(desk, folder)
    places = {(kept.longitude, kept.latitude) for kept in map(desk.kept, ids)}
    assert len(places) == 1


def test_what_was_merged_is_kept_while_the_other_is_open_and_taken_up_again_once_more(
    desk: Desk, folder: Path
) -> None:
    other = desk.submit(PLACE, REPORTER, description="open")
    one = desk.submit(PLACE, REPORTER, description="merged")
    one = desk.go(one, (Action.MERGE, OFFICE, {"into": other.id}))
    assert retained(desk, folder)[1].reports == 0
    steps = [
        (Action.REGISTER, OFFICE, {"note": NOTE}),
        (Action.DISPATCH, OFFICE, {"handler": Handler("SPONSOR", "S1")}),
        *((action, SPONSOR) for action in (Action.ACCEPT, Action.START, Action.DONE)),
        *((action, OFFICE) for action in (Action.VERIFY, Action.CLOSE)),
    ]
    other = desk.go(other, *steps)
    assert retained(desk, folder)[1].reports == 2
    again = desk.go(other, (Action.REOPEN, OFFICE, {"note": NOTE}), *steps[1:])
    # Its end is later than what was taken out.
    later = LONG_AFTER + datetime.timedelta(days=2 * DAYS)
    desk.sql("UPDATE reports SET ended_at = %s WHERE id = %s", later, again.id)
    after = later + datetime.timedelta(days=DAYS + 1)
    assert retained(desk, folder, after)[1].reports >= 1
    assert NOTE not in everything(desk, folder)


def test_what_is_final_is_not_changed_by_anybody_else_nor_in_another_way(desk: Desk) -> None:
    desk.submit(PLACE, REPORTER)
    desk.run(put_the_rest(desk.database, desk))
    for statement in (
        "UPDATE report_events SET note = ''",
        "SET gridmap.retention = 'on'; UPDATE report_events SET state = 'CLOSED'",
        "SET gridmap.retention = 'on'; DELETE FROM report_events",
        "SET gridmap.retention = 'on'; UPDATE visits SET kind = 'POLICY'",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            desk.sql(statement)


def test_two_at_once_do_it_once(desk: Desk, folder: Path) -> None:
    for _ in range(5):
        desk.go(desk.submit(PLACE, REPORTER), (Action.REJECT, OFFICE))
    objects, now = Objects(folder.as_uri()), LONG_AFTER.astimezone(CHINA)

    async def both() -> list[Retained]:
        return await asyncio.gather(*(retain(desk.database, objects, TERMS, now) for _ in range(2)))

    assert sum(each.gone.reports for each in desk.run(both())) == 5


def test_the_command_says_what_would_go_and_then_what_went(desk: Desk, folder: Path) -> None:
    report = desk.go(desk.submit(PLACE, REPORTER), (Action.REJECT, OFFICE))
    desk.sql("UPDATE reports SET ended_at = now() - interval '8 days' WHERE id = %s", report.id)
    settings = {"DATABASE_URL": desk.url, "GRIDMAP_PHOTOS": folder.as_uri()}
    planned = run("retention", "--plan", "--days", "7", **settings)
    assert "would be taken out, of what ended more than 7 days ago: 1 reports" in planned.stdout
    done = run("retention", GRIDMAP_RETENTION_DAYS="7", **settings)
    assert "was taken out, of what ended more than 7 days ago: 1 reports" in done.stdout


def test_without_the_place_of_photos_all_else_goes_and_the_photos_the_next_time(
    desk: Desk, folder: Path
) -> None:
    lived_through(desk, folder)
    # As they are called when they were sent in a year ago.
    for file in [*folder.rglob("*.jpg")]:
        file.rename(file.with_name(re.sub(r"-\d{8}T", "-20250101T", file.name)))
    settings = {"DATABASE_URL": desk.url, "GRIDMAP_RETENTION_DAYS": "1"}
    nowhere = {"GRIDMAP_PHOTOS": "s3://nowhere", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ALLOW_HTTP": "true"}

    first = run("retention", **settings, **nowhere, **keys)
    assert first.returncode == 1
    assert "1 reports, 2 photos, 0 visits" in first.stdout
    assert "Run `gridmap retention` again" in first.stderr
    assert desk.sql("SELECT count(*) FROM photos") == [(0,)]
    assert found(desk, folder) == [PICTURE]

    again = run("retention", **settings, GRIDMAP_PHOTOS=folder.as_uri())
    assert again.returncode == 0, again.stderr
    assert "0 reports, 0 photos" in again.stdout
    assert found(desk, folder) == []
