"""Whoever listens hears of every row that was changed, by whatever tool, and of nothing undone."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote, unquote

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import errors, sql
from sqlalchemy import Connection, text

from gridmap import migrations
from gridmap.store.changes import (
    CHANNEL,
    EVERYTHING,
    Change,
    ChangeFeed,
    Changes,
    merged,
)
from gridmap.store.cluster import private_cluster
from gridmap.store.database import tool_engine
from tests.conftest import migrate, new_database
from tests.store.importing import (
    REGIONS,
    bring_features,
    bring_rows,
    building,
    counts,
    grid,
)

TABLES = ("regions", "grids", "buildings", "sponsors", "sponsorships")
BOUNDARY = "ST_GeomFromText('MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))', 4326)"
LOCATION = "ST_GeomFromText('POINT(0 0)', 4326)"

Told = tuple[str, str, str | None]
"""Table, district and code, or None for all codes."""


class Ear:
    """A session that listens, and reads payloads by itself."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute(f"LISTEN {CHANNEL}")

    def payloads(self) -> list[str]:
        """All that was committed before this call, and was not heard before."""
        self._connection.execute(f"NOTIFY {CHANNEL}, 'that is all'")
        heard: list[str] = []
        while "that is all" not in heard:
            heard += [each.payload for each in self._connection.notifies(timeout=60, stop_after=1)]
        return heard[:-1]

    def told(self) -> set[Told]:
        told: set[Told] = set()
        for payload in self.payloads():
            said = json.loads(payload)
            codes = [None] if said["codes"] is None else said["codes"]
            told |= {(said["table"], said["district"], code) for code in codes}
        return told


class Hand:
    """A session that writes SQL by hand. Each statement is a transaction unless one was begun."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def write(self, statement: LiteralString, *values: object) -> None:
        self.connection.execute(statement, values)

    def put_grids(self, *places: tuple[str, str], begin: str = "2024-01-01") -> None:
        """One statement; `places` are districts and codes."""
        self.connection.execute(
            f"""
            INSERT INTO grids
            SELECT district, code, 'R', '网格', {BOUNDARY}, 'WGS84', %s
            FROM unnest(%s::text[], %s::text[]) AS place (district, code)
            """,
            [begin, *_columns(places)],
        )

    def put_buildings(self, *places: tuple[str, str]) -> None:
        self.connection.execute(
            f"""
            INSERT INTO buildings
            SELECT district, code, 'R', '楼', NULL, 1, {LOCATION}, NULL, 'WGS84', 0, 0
            FROM unnest(%s::text[], %s::text[]) AS place (district, code)
            """,
            _columns(places),
        )

    def put_sponsors(self, *codes: str) -> None:
        self.connection.execute(
            "INSERT INTO sponsors SELECT code, '局', 'CITY', 'R' FROM unnest(%s::text[]) AS code",
            [list(codes)],
        )


def _columns(places: tuple[tuple[str, str], ...]) -> list[list[str]]:
    return [[district for district, _ in places], [code for _, code in places]]


@contextmanager
def _session(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def hand(database_url: str) -> Iterator[Hand]:
    """Writes into a database that holds nothing but region R."""
    with _session(database_url) as connection:
        _empty(connection)
        yield Hand(connection)


@pytest.fixture
def ear(hand: Hand, database_url: str) -> Iterator[Ear]:  # noqa: ARG001
    """Hears what is written after `hand` was made."""
    with _session(database_url) as connection:
        yield Ear(connection)


def _empty(connection: psycopg.Connection) -> None:
    connection.execute("TRUNCATE regions CASCADE")
    connection.execute("INSERT INTO regions VALUES ('R', '社区', 'COMMUNITY')")


# What is written by hand.


def test_rows_that_are_added_changed_or_removed_are_told(hand: Hand, ear: Ear) -> None:
    hand.put_grids(("A", "1"), ("A", "2"), ("A", "3"))
    assert ear.told() == {("grids", "A", "1"), ("grids", "A", "2"), ("grids", "A", "3")}
    hand.write("UPDATE grids SET name = '新' WHERE code <> '1'")
    assert ear.told() == {("grids", "A", "2"), ("grids", "A", "3")}
    hand.write("DELETE FROM grids WHERE code = '3'")
    assert ear.told() == {("grids", "A", "3")}


def test_each_table_tells_the_key_under_which_its_rows_are_loaded(hand: Hand, ear: Ear) -> None:
    hand.write("INSERT INTO regions VALUES ('R2', '社区', 'COMMUNITY', 'R', 'A')")
    assert ear.told() == {("regions", "", "R2")}
    hand.put_sponsors("S")
    assert ear.told() == {("sponsors", "", "S")}
    hand.put_buildings(("A", "B1"))
    assert ear.told() == {("buildings", "A", "B1")}
    hand.write(
        """
        INSERT INTO sponsorships (district_code, sponsor_code, building_code, grid_code, valid_from)
        VALUES ('A', 'S', 'B1', NULL, '2024-01-01'), ('A', 'S', NULL, 'G1', '2024-01-01')
        """
    )
    assert ear.told() == {("sponsorships", "A", "B1"), ("sponsorships", "A", "G1")}


def test_one_statement_tells_of_several_districts(hand: Hand, ear: Ear) -> None:
    hand.put_buildings(("A", "1"), ("B", "1"), ("B", "2"))
    hand.write("UPDATE buildings SET households = 9")
    assert ear.told() == {("buildings", "A", "1"), ("buildings", "B", "1"), ("buildings", "B", "2")}


def test_a_row_whose_key_changes_is_told_under_both(hand: Hand, ear: Ear) -> None:
    hand.put_grids(("A", "1"))
    hand.put_buildings(("A", "B1"))
    hand.put_sponsors("S")
    hand.write(
        """
        INSERT INTO sponsorships (district_code, sponsor_code, building_code, valid_from)
        VALUES ('A', 'S', 'B1', '2024-01-01')
        """
    )
    ear.told()
    hand.write("UPDATE grids SET code = '2'")
    assert ear.told() == {("grids", "A", "1"), ("grids", "A", "2")}
    hand.write("UPDATE grids SET district_code = 'B'")
    assert ear.told() == {("grids", "A", "2"), ("grids", "B", "2")}
    hand.write("UPDATE sponsorships SET building_code = NULL, grid_code = '2'")
    assert ear.told() == {("sponsorships", "A", "B1"), ("sponsorships", "A", "2")}


def test_a_table_that_is_emptied_is_told_whole(hand: Hand, ear: Ear) -> None:
    hand.write("TRUNCATE sponsorships")
    assert ear.told() == {("sponsorships", "", None)}
    hand.write("TRUNCATE regions CASCADE")
    assert ear.told() == {(table, "", None) for table in (*TABLES, "report_rules")}


def test_copy_merge_and_upsert_are_told_too(hand: Hand, ear: Ear) -> None:
    copying: LiteralString = "COPY sponsors (code, name, level, region_code) FROM STDIN"
    with hand.connection.cursor() as cursor, cursor.copy(copying) as copy:
        copy.write("S1\t局\tCITY\tR\nS2\t局\tCITY\tR\n")
    assert ear.told() == {("sponsors", "", "S1"), ("sponsors", "", "S2")}
    hand.write(
        """
        INSERT INTO sponsors VALUES ('S2', '局', 'CITY', 'R'), ('S3', '局', 'CITY', 'R')
        ON CONFLICT (code) DO UPDATE SET name = '新'
        """
    )
    assert ear.told() == {("sponsors", "", "S2"), ("sponsors", "", "S3")}
    hand.write(
        """
        MERGE INTO sponsors USING (VALUES ('S1'), ('S2'), ('S4')) AS given (code)
        ON sponsors.code = given.code
        WHEN NOT MATCHED THEN INSERT VALUES (given.code, '局', 'CITY', 'R')
        WHEN MATCHED AND given.code = 'S1' THEN DELETE
        WHEN MATCHED THEN UPDATE SET name = '又'
        """
    )
    assert ear.told() == {("sponsors", "", "S1"), ("sponsors", "", "S2"), ("sponsors", "", "S4")}


def test_a_statement_that_finds_no_rows_tells_nothing(hand: Hand, ear: Ear) -> None:
    hand.write("UPDATE grids SET name = '新'")
    hand.write("DELETE FROM buildings")
    hand.write("INSERT INTO sponsors SELECT * FROM sponsors")
    assert ear.payloads() == []


def test_what_is_rolled_back_is_not_told(hand: Hand, ear: Ear) -> None:
    with hand.connection.transaction(force_rollback=True):
        hand.put_grids(("A", "1"))
    with pytest.raises(errors.ForeignKeyViolation):
        hand.write("INSERT INTO sponsors VALUES ('S', '局', 'CITY', 'nowhere')")
    with hand.connection.transaction():
        hand.put_grids(("A", "2"))
        with hand.connection.transaction(force_rollback=True):
            hand.put_grids(("A", "3"))
    assert ear.told() == {("grids", "A", "2")}


def test_it_is_told_whoever_writes_and_whatever_the_search_path(hand: Hand, ear: Ear) -> None:
    hand.write("CREATE ROLE clerk")
    try:
        hand.write("GRANT SELECT, INSERT, UPDATE ON sponsors, regions TO clerk")
        hand.write("CREATE POLICY clerk ON sponsors TO clerk USING (TRUE)")
        with hand.connection.transaction():
            hand.write("SET LOCAL ROLE clerk")
            hand.write("SET LOCAL search_path = ''")
            hand.write("INSERT INTO public.sponsors VALUES ('S', '局', 'CITY', 'R')")
            hand.write("UPDATE public.sponsors SET name = '新', code = 'S2'")
        assert ear.told() == {("sponsors", "", "S"), ("sponsors", "", "S2")}
    finally:
        hand.write("DROP OWNED BY clerk")
        hand.write("DROP ROLE clerk")


def test_the_migration_makes_the_triggers_and_its_downgrade_takes_them_away(
    cluster_url: str,
) -> None:
    engine = tool_engine(new_database(cluster_url, "feed_up_and_down"))
    with engine.connect() as connection:
        migrations.upgrade(connection)
        made = _triggers_and_functions(connection)
        assert {
            f"{table}_announce_{event}"
            for table in TABLES
            for event in ("insert", "update", "delete", "truncate")
        } < made
        migrations.downgrade(connection, "0003-1")
        assert _triggers_and_functions(connection) == set()
        migrations.upgrade(connection)
        assert _triggers_and_functions(connection) == made
    engine.dispose()


def _triggers_and_functions(connection: Connection) -> set[str]:
    rows = connection.exec_driver_sql(
        """
        SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE '%%announce%%'
        UNION ALL
        SELECT proname::text FROM pg_proc WHERE proname LIKE '%%announce%%'
        """
    )
    return {name for (name,) in rows}


# Payloads.


def test_twenty_thousand_rows_arrive_complete_in_few_payloads(hand: Hand, ear: Ear) -> None:
    places = [(f"D{i % 3}", f"{i:017}") for i in range(20_000)]
    hand.put_buildings(*places)
    payloads = ear.payloads()
    assert _codes(payloads) == {(district, code) for district, code in places}
    assert max(len(payload.encode()) for payload in payloads) < 8000
    assert len(payloads) < 60


@given(
    codes=st.sets(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=64),
        max_size=300,
    ),
    district=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
@settings(max_examples=50, deadline=None)
def test_any_codes_arrive_complete(database_url: str, codes: set[str], district: str) -> None:
    with _session(database_url) as listening:
        ear = Ear(listening)
        _announce(database_url, Change("grids", district, frozenset(codes)))
        payloads = ear.payloads()
    assert _codes(payloads) == {(district, code) for code in codes}
    assert all(len(payload.encode()) < 8000 for payload in payloads)


def test_longest_codes_of_four_bytes_a_letter_arrive_complete(hand: Hand, ear: Ear) -> None:
    places = [("向阳区", "𠀀" * 60 + f"{i:04}") for i in range(500)]
    hand.put_grids(*places)
    payloads = ear.payloads()
    assert _codes(payloads) == set(places)
    assert len(payloads) < 20


def test_a_code_too_long_for_a_payload_makes_the_whole_table_told(hand: Hand, ear: Ear) -> None:
    hand.put_sponsors("S" * 9000)
    assert ear.told() == {("sponsors", "", None)}
    hand.put_grids(("D" * 9000, "1"))
    assert ear.told() == {("grids", "", None)}


def _codes(payloads: list[str]) -> set[tuple[str, str]]:
    said = [json.loads(payload) for payload in payloads]
    return {(each["district"], code) for each in said for code in each["codes"]}


# What is announced without a trigger.


def _announce(url: str, *changes: Change) -> None:
    engine = tool_engine(url)
    with engine.begin() as connection:
        for change in changes:
            codes = None if change.codes is None else sorted(change.codes)
            connection.execute(
                text("SELECT gridmap_announce(:table, :district, CAST(:codes AS text[]))"),
                {"table": change.table, "district": change.district_code, "codes": codes},
            )
    engine.dispose()


def test_an_announcement_is_what_a_trigger_would_have_said(
    hand: Hand, ear: Ear, database_url: str
) -> None:
    hand.put_grids(("A", "1"), ("A", "2"))
    by_trigger = ear.payloads()
    _announce(database_url, Change("grids", "A", frozenset({"1", "2"})))
    assert ear.payloads() == by_trigger
    _announce(database_url, Change("grids", "A", frozenset()))
    assert ear.payloads() == []
    _announce(database_url, Change("grids", "A", None))
    assert ear.told() == {("grids", "A", None)}


@pytest.fixture(params=["triggers", "no triggers"])
def writer(request: Any, hand: Hand, database_url: str) -> Iterator[Connection]:
    """For imports that are committed; without triggers too, as on distributed tables."""
    hand.write("TRUNCATE regions CASCADE")
    switch: LiteralString = "ENABLE" if request.param == "triggers" else "DISABLE"
    for table in TABLES:
        hand.connection.execute(
            sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(sql.Identifier(table), sql.SQL(switch))
        )
    engine = tool_engine(database_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()
    for table in TABLES:
        hand.connection.execute(
            sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(table))
        )


def test_an_import_tells_what_it_writes_and_nothing_where_nothing_is_new(
    writer: Connection, ear: Ear, tmp_path: Path
) -> None:
    def told_by(noun: str, rows: list[Any]) -> set[Told]:
        bring_any = bring_features if isinstance(rows[0], dict) else bring_rows
        bring_any(writer, noun, tmp_path, rows, dry_run=True)
        assert ear.payloads() == []
        counts(bring_any(writer, noun, tmp_path, rows))
        told = ear.told()
        assert counts(bring_any(writer, noun, tmp_path, rows)) == (0, 0, len(told))
        assert ear.payloads() == []
        return told

    assert told_by("regions", [("code", "name"), *REGIONS]) == {
        ("regions", "", code) for code, _ in REGIONS
    }
    grids = [grid(1), grid(2)]
    assert told_by("grids", grids) == {
        ("grids", "230402", each["properties"]["code"]) for each in grids
    }
    buildings = [building(1), building(2)]
    assert told_by("buildings", buildings) == {
        ("buildings", "230402", each["properties"]["code"]) for each in buildings
    }
    assert told_by(
        "sponsors", [("code", "name", "level", "region"), ("S1", "局", "CITY", "2304")]
    ) == {("sponsors", "", "S1")}
    house, area = buildings[0]["properties"]["code"], grids[1]["properties"]["code"]
    assert told_by(
        "sponsorships", [("sponsor", "building", "grid"), ("S1", house, ""), ("S1", "", area)]
    ) == {("sponsorships", "230402", house), ("sponsorships", "230402", area)}
    told_nothing = [("code", "name", "grid"), ("W1", "示例", area)]
    bring_rows(writer, "workers", tmp_path, told_nothing)
    assert ear.payloads() == []


def test_where_there_are_triggers_an_import_tells_no_more_than_what_it_changed(
    hand: Hand, ear: Ear, database_url: str, tmp_path: Path
) -> None:
    hand.write("TRUNCATE regions CASCADE")
    engine = tool_engine(database_url)
    with engine.connect() as writer:
        bring_rows(writer, "regions", tmp_path, [("code", "name"), *REGIONS])
        bring_features(writer, "grids", tmp_path, [grid(i) for i in range(1, 9)])
        ear.payloads()
        changed = grid(3, name="新名")
        bring_features(writer, "grids", tmp_path, [grid(1), grid(2), changed, grid(9)])
    engine.dispose()
    new = grid(9)["properties"]["code"]
    assert ear.told() == {
        ("grids", "230402", changed["properties"]["code"]),
        ("grids", "230402", new),
    }


# The feed.


def test_changes_of_one_place_are_merged_and_a_whole_table_says_it_all() -> None:
    some = Change("grids", "A", frozenset("12"))
    assert merged([some, Change("grids", "A", frozenset("23")), Change("sponsors", "", None)]) == {
        Change("grids", "A", frozenset("123")),
        Change("sponsors", "", None),
    }
    assert merged([some, Change("grids", "A", None), Change("grids", "B", frozenset("4"))]) == {
        Change("grids", "A", None),
        Change("grids", "B", frozenset("4")),
    }
    assert merged([some, *EVERYTHING, some]) == EVERYTHING


async def _next(batches: AsyncGenerator[Changes]) -> Changes:
    return await asyncio.wait_for(anext(batches), 60)


async def _until(batches: AsyncGenerator[Changes], wanted: Changes) -> None:
    """Listens until all that is wanted was told, and nothing else was."""
    told: Changes = frozenset()
    while told != wanted:
        told = merged([*told, *await _next(batches)])
        assert merged([*told, *wanted]) == wanted


def test_a_feed_begins_with_everything_and_then_tells_all_changes(
    hand: Hand, database_url: str
) -> None:
    async def listen() -> None:
        feed = ChangeFeed(database_url)
        assert not feed.is_listening
        async with aclosing(feed.batches()) as batches:
            assert await _next(batches) == EVERYTHING
            assert feed.is_listening
            places = [(f"D{i % 2}", f"{i:05}") for i in range(20_000)]
            hand.put_grids(*places)
            hand.put_sponsors("S")
            await _until(
                batches,
                frozenset(
                    [
                        *(
                            Change("grids", place, frozenset(c for d, c in places if d == place))
                            for place in ("D0", "D1")
                        ),
                        Change("sponsors", "", frozenset("S")),
                    ]
                ),
            )
        assert not feed.is_listening

    asyncio.run(listen())


def test_the_changes_of_a_transaction_come_as_one_batch(hand: Hand, database_url: str) -> None:
    async def listen() -> None:
        async with aclosing(ChangeFeed(database_url).batches()) as batches:
            assert await _next(batches) == EVERYTHING
            with hand.connection.transaction():
                for code in "123456":
                    hand.put_grids(("A", code))
                hand.write("DELETE FROM grids WHERE code < '4'")
            assert await _next(batches) == {Change("grids", "A", frozenset("123456"))}

    asyncio.run(listen())


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "hello",
        "[]",
        '{"table":"grids","district":"A"}',
        '{"table":"grids","district":"A","codes":"12"}',
        '{"table":"grids","district":"A","codes":[1]}',
        '{"table":"grids","district":null,"codes":[]}',
        '{"table":"weather","district":"","codes":null}',
    ],
)
def test_a_notification_that_cannot_be_read_may_mean_anything(
    hand: Hand, database_url: str, payload: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def listen() -> None:
        async with aclosing(ChangeFeed(database_url).batches()) as batches:
            assert await _next(batches) == EVERYTHING
            hand.write("SELECT pg_notify('gridmap_changes', %s)", payload)
            assert await _next(batches) == EVERYTHING

    asyncio.run(listen())
    assert "who notified gridmap_changes" in caplog.text


def test_a_lost_connection_is_made_again_and_then_anything_may_have_changed(
    hand: Hand, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def listen() -> None:
        async with aclosing(ChangeFeed(database_url).batches()) as batches:
            assert await _next(batches) == EVERYTHING
            for code in "12":
                hand.write(_KILL_LISTENERS)
                hand.put_grids(("A", code))  # while nobody listens
                assert await _next(batches) == EVERYTHING
            hand.put_grids(("A", "3"))
            assert await _next(batches) == {Change("grids", "A", frozenset("3"))}

    asyncio.run(listen())
    assert caplog.text.count("Changes are not heard of") == 2


def test_a_feed_that_would_hear_nothing_says_so_and_does_not_begin(
    hand: Hand, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def listen() -> None:
        with tempfile.TemporaryDirectory(prefix="gridmap-test-") as folder:
            server = await asyncio.start_unix_server(
                partial(_relay_all_but_notifications, _socket(database_url)),
                f"{folder}/.s.PGSQL.5432",
            )
            feed = ChangeFeed(database_url.split("?")[0] + "?host=" + quote(folder, safe=""))
            async with server, aclosing(feed.batches()) as batches:
                waiting = asyncio.create_task(anext(batches))
                while "shares connections by transaction" not in caplog.text:
                    await asyncio.sleep(0.01)
                assert not waiting.done()
                assert not feed.is_listening
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                await _until_there_are(0, hand)

    asyncio.run(asyncio.wait_for(listen(), 60))


def _socket(url: str) -> str:
    return unquote(url.partition("?host=")[2]) + "/.s.PGSQL.5432"


async def _relay_all_but_notifications(
    path: str, client: asyncio.StreamReader, back: asyncio.StreamWriter
) -> None:
    """What a pooler does that gives the server's connection to others between statements."""
    server, forth = await asyncio.open_unix_connection(path)

    async def ask() -> None:
        while some := await client.read(65536):
            forth.write(some)
        forth.close()

    asking = asyncio.create_task(ask())
    with suppress(asyncio.IncompleteReadError):
        while True:
            head = await server.readexactly(5)
            body = await server.readexactly(int.from_bytes(head[1:]) - 4)
            if head[:1] != b"A":  # NotificationResponse, in PostgreSQL's protocol
                back.write(head + body)
    await asking
    back.close()


_LISTENERS: LiteralString = """
    FROM pg_stat_activity
    WHERE application_name = 'gridmap-changes' AND datname = current_database()
"""
_KILL_LISTENERS: LiteralString = "SELECT pg_terminate_backend(pid, 60000)" + _LISTENERS


def test_a_feed_that_is_cancelled_leaves_no_session(hand: Hand, database_url: str) -> None:
    async def listen() -> None:
        begun = asyncio.Event()

        async def follow() -> None:
            async with aclosing(ChangeFeed(database_url).batches()) as batches:
                async for _ in batches:
                    begun.set()

        task = asyncio.create_task(follow())
        await begun.wait()
        await _until_there_are(1, hand)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until_there_are(0, hand)

    asyncio.run(asyncio.wait_for(listen(), 60))


async def _until_there_are(sessions: int, hand: Hand) -> None:
    """A session that its client has closed is there for a moment longer."""
    while hand.connection.execute("SELECT count(*)" + _LISTENERS).fetchone() != (sessions,):
        await asyncio.sleep(0.01)


def test_a_feed_outlives_a_server_that_stops_and_starts() -> None:
    async def listen(folder: Path) -> None:
        with private_cluster(folder, durable=False) as url:
            migrate(url)
            feed = ChangeFeed(url)
            batches = feed.batches()
            assert await _next(batches) == EVERYTHING
        async with aclosing(batches):
            waiting = asyncio.create_task(_next(batches))
            while feed.is_listening:
                await asyncio.sleep(0.01)
            with private_cluster(folder, durable=False):
                assert await waiting == EVERYTHING
                with _session(url) as connection:
                    connection.execute("INSERT INTO regions VALUES ('R', '社区', 'COMMUNITY')")
                assert await _next(batches) == {Change("regions", "", frozenset("R"))}

    with tempfile.TemporaryDirectory(prefix="gridmap-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        asyncio.run(listen(folder))


# Anything that may be written.

_DISTRICTS = st.sampled_from("AB")
_CODES = st.sampled_from("123")
_PLACES = st.lists(st.tuples(_DISTRICTS, _CODES), min_size=1, max_size=4)

_GIVEN: LiteralString = """
    WITH given AS (
        SELECT DISTINCT district, code
        FROM unnest(%s::text[], %s::text[]) AS place (district, code)
    )
"""
_INSERTS: dict[str, LiteralString] = {
    "regions": """
        INSERT INTO regions (code, name, level)
        SELECT code, district, 'COMMUNITY' FROM given ON CONFLICT DO NOTHING
    """,
    "grids": f"""
        INSERT INTO grids
        SELECT district, code, 'R', '网格', {BOUNDARY}, 'WGS84', '2024-01-01' FROM given
        ON CONFLICT DO NOTHING
    """,
    "buildings": f"""
        INSERT INTO buildings
        SELECT district, code, 'R', '楼', NULL, 1, {LOCATION}, NULL, 'WGS84', 0, 0 FROM given
        ON CONFLICT DO NOTHING
    """,
    "sponsors": """
        INSERT INTO sponsors SELECT code, district, 'CITY', 'R' FROM given ON CONFLICT DO NOTHING
    """,
    "sponsorships": """
        INSERT INTO sponsorships (district_code, sponsor_code, building_code, grid_code, valid_from)
        SELECT
            district, min(sponsors.code), buildings.code,
            CASE WHEN buildings.code IS NULL THEN given.code END, '2024-01-01'
        FROM given
        CROSS JOIN sponsors
        LEFT JOIN buildings ON district_code = district AND buildings.code = given.code
        GROUP BY district, given.code, buildings.code
        ON CONFLICT DO NOTHING
    """,
}
_FIRST = (
    ("sponsors", ("A", "1"), ("A", "2")),
    ("grids", ("A", "1"), ("A", "2"), ("B", "1")),
    ("buildings", ("A", "1"), ("B", "1"), ("B", "2")),
    ("sponsorships", ("A", "1"), ("A", "2"), ("B", "2"), ("B", "3")),
)
_CHANGES: dict[str, tuple[LiteralString, ...]] = {
    "regions": ("name = name || '+'", "code = code || '+'", "parent_code = 'R'"),
    "grids": ("name = name || '+'", "code = code || '+'", "district_code = 'B'"),
    "buildings": ("households = households + 1", "code = code || '+'", "district_code = 'B'"),
    "sponsors": ("leader = '某'", "code = code || '+'"),
    "sponsorships": ("valid_to = '2025-01-01'", "building_code = NULL, grid_code = '9'"),
}
_KEYS: dict[str, LiteralString] = {
    "regions": "''::text, code",
    "grids": "district_code, code",
    "buildings": "district_code, code",
    "sponsors": "''::text, code",
    "sponsorships": "district_code, COALESCE(building_code, grid_code)",
}


@st.composite
def _writes(draw: st.DrawFn) -> tuple[LiteralString, Any]:
    """A statement, and the districts and codes that it names."""
    table = draw(st.sampled_from(TABLES))
    kind = draw(st.sampled_from(["update", "insert", "delete", "truncate"]))
    statement: LiteralString
    if kind == "insert":
        statement = _INSERTS[table]
    elif kind == "update":
        statement = "UPDATE " + table + " SET " + draw(st.sampled_from(_CHANGES[table]))
    elif kind == "delete" or table in ("regions", "sponsors"):
        statement = "DELETE FROM " + table
    else:
        return "TRUNCATE " + table + " CASCADE", None
    if kind != "insert":
        statement += {
            "regions": " WHERE code IN (SELECT code FROM given)",
            "sponsors": " WHERE code IN (SELECT code FROM given)",
            "sponsorships": " WHERE (district_code, COALESCE(building_code, grid_code)) IN"
            " (SELECT district, code FROM given)",
        }.get(table, " WHERE (district_code, code) IN (SELECT district, code FROM given)")
    return _GIVEN + statement, draw(_PLACES)


_TRANSACTIONS = st.lists(
    st.tuples(st.lists(_writes(), min_size=1, max_size=5), st.sampled_from([True, True, False])),
    min_size=1,
    max_size=4,
)


@given(transactions=_TRANSACTIONS)
@settings(max_examples=60, deadline=None)
def test_every_row_that_differs_afterwards_was_told(
    database_url: str, transactions: list[tuple[list[tuple[LiteralString, Any]], bool]]
) -> None:
    with _session(database_url) as writing, _session(database_url) as listening:
        _empty(writing)
        for table, *places in _FIRST:
            writing.execute(_GIVEN + _INSERTS[table], _columns(tuple(places)))
        ear = Ear(listening)
        before = _everything(writing)
        for writes, is_kept in transactions:
            with writing.transaction(force_rollback=not is_kept):
                for statement, places in writes:
                    _try(writing, statement, places)
            told = ear.told()
            after = _everything(writing)
            differing = {
                key for key in before.keys() | after.keys() if before.get(key) != after.get(key)
            }
            assert {key for key in differing if not _is_told(key, told)} == set()
            assert is_kept or not told
            before = after


def _try(connection: psycopg.Connection, statement: LiteralString, places: Any) -> None:
    try:
        with connection.transaction():
            connection.execute(statement, None if places is None else _columns(tuple(places)))
    except errors.IntegrityError:
        pass  # rolled back, and so not told


def _everything(connection: psycopg.Connection) -> dict[tuple[str, str, str], list[str]]:
    kept: dict[tuple[str, str, str], list[str]] = {}
    for table in TABLES:
        rows = connection.execute(
            "SELECT " + _KEYS[table] + ", t::text FROM " + table + " AS t ORDER BY 3"
        )
        for district, code, row in rows:
            kept.setdefault((table, district, code), []).append(row)
    return kept


def _is_told(key: tuple[str, str, str], told: set[Told]) -> bool:
    table, district, _ = key
    return bool(told & {key, (table, district, None), (table, "", None)})
