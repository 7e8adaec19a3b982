"""The audit log: append-only, whole under concurrency, and every tampering with it shows."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, exc, text

from gridmap.store import audit, audit_chain, users
from gridmap.store.audit_chain import Head, Verdict
from gridmap.store.database import Database, tool_engine
from gridmap.store.sessions import begin_session, end_session
from gridmap.store.viewers import Role, Viewer
from tests.store.importing import REGIONS, bring_rows
from tests.waiting import PATIENCE_SECONDS

OFFICE = Viewer(Role.DISTRICT, "刘某", frozenset({"230402"}))
RESIDENT = Viewer(Role.RESIDENT, "王某")
SEALS, ENTRIES_IN_EACH = 4, 3


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    engine = tool_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def empty(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("TRUNCATE audit_entries, audit_seals"))
    return engine


@pytest.fixture
def chain(empty: Engine) -> Engine:
    """A log of some seals of some entries each, and one entry more that is not sealed yet."""
    for number in range(SEALS):
        for place in range(ENTRIES_IN_EACH):
            put(empty, f"{number}/{place}", "" if place == 1 else "230402")
        assert sealed(empty) == ENTRIES_IN_EACH
    put(empty, "last")
    return empty


def put(engine: Engine, id_: str, district: str = "230402", viewer: Viewer = OFFICE) -> None:
    with engine.begin() as connection:
        audit.enter_now(connection, viewer, "REGISTER", "reports", [(district, id_)], version=2)


def sealed(engine: Engine) -> int:
    with engine.begin() as connection:
        return audit_chain.seal(connection)


def verdict(connection: Connection, *anchors: Head) -> Verdict:
    return audit_chain.verify(connection, [(each.number, each.hash.hex()) for each in anchors])


def test_an_entry_says_who_did_what_and_names_no_resident(empty: Engine) -> None:
    origin = audit.origin.set(audit.Origin("zhang", "203.0.113.7", "0123"))
    try:
        put(empty, "one")
        put(empty, "two", viewer=RESIDENT)
    finally:
        audit.origin.reset(origin)
    with empty.connect() as connection:
        one, two = audit.entries(connection, audit.EntryFilter())
        said = (one.role, one.subject, one.account, one.address, one.request)
        assert said == ("DISTRICT", "刘某", "zhang", "203.0.113.7", "0123")
        assert (one.action, one.noun, one.ids) == ("REGISTER", "reports", ["one"])
        assert one.details == {"version": 2}
        [clock] = connection.execute(text("SELECT now()")).scalars()
        assert abs(clock - one.at) < datetime.timedelta(minutes=1)
        # Who knows the name of a resident finds what they did.
        assert (two.role, two.address) == ("RESIDENT", "203.0.113.7")
        assert "王某" not in str(two)
        for who in ("王某", "zhang"):
            found = audit.entries(connection, audit.EntryFilter(who=who))
            assert two.ids in [entry.ids for entry in found]


def test_what_an_operator_imports_is_entered_with_its_counts(
    connection: Connection, tmp_path: Path
) -> None:
    origin = audit.origin.set(audit.Origin("root"))
    try:
        bring_rows(connection, "regions", tmp_path, [("code", "name"), *REGIONS])
    finally:
        audit.origin.reset(origin)
    *_, entry = audit.entries(connection, audit.EntryFilter())
    assert (entry.role, entry.account, entry.action) == ("OPERATOR", "root", "IMPORT")
    assert (entry.noun, entry.ids) == ("regions", ["regions.csv"])
    assert entry.details["added"] == len(REGIONS)
    assert entry.details.keys() == {"added", "changed", "unchanged", "sha256"}


def test_accounts_and_sessions_are_entered_and_residents_not_named(empty: Engine) -> None:
    now = datetime.datetime.now(datetime.UTC)

    async def live() -> None:
        database = Database(empty.url.render_as_string(hide_password=False))
        async with database.transaction() as connection:
            for name, viewer in (("liu", OFFICE), ("wang", RESIDENT)):
                user = await users.add_user(connection, name, "hash", viewer, now.date())
                begun = await begin_session(connection, user, now)
                await end_session(connection, begun.token)
                await begin_session(connection, user, now)
                await users.set_password(connection, name, "another")
                await users.set_disabled(connection, name, True)
        await database.close()

    asyncio.run(live())
    with empty.connect() as connection:
        entries = list(audit.entries(connection, audit.EntryFilter()))
    said = [(each.noun, each.action, each.role) for each in entries]
    assert said == [
        each
        for role in ("DISTRICT", "RESIDENT")
        for each in [
            ("users", "ADD", "OPERATOR"),
            ("sessions", "BEGIN", role),
            ("sessions", "END", role),
            ("sessions", "BEGIN", role),
            ("users", "SET_PASSWORD", "OPERATOR"),
            ("sessions", "REVOKE", "OPERATOR"),
            ("users", "DISABLE", "OPERATOR"),
        ]
    ]
    assert {each.account for each in entries if each.role == "DISTRICT"} == {"liu"}
    assert entries[0].ids == ["liu"]
    assert "wang" not in str(entries)


@pytest.mark.parametrize("table", ["audit_entries", "audit_seals"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = now()", "DELETE FROM {}", "TRUNCATE {}"])
def test_nothing_in_it_is_changed_or_deleted(chain: Engine, table: str, statement: str) -> None:
    with (
        psycopg.connect(chain.url.render_as_string(False).replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match="never changed"),
    ):
        connection.execute(statement.format(table))


def test_what_is_undone_leaves_no_entry(empty: Engine) -> None:
    with empty.connect() as connection:
        audit.enter_now(connection, OFFICE, "REGISTER", "reports", [("230402", "undone")])
        connection.rollback()
        assert not list(audit.entries(connection, audit.EntryFilter()))


def test_hashes_are_what_the_manual_says(chain: Engine) -> None:
    def line(*said: Any) -> bytes:
        return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def microseconds(moment: datetime.datetime) -> int:
        return round(moment.timestamp() * 1_000_000)

    with chain.connect() as connection:
        entries = {}
        for row in connection.execute(text("SELECT * FROM audit_entries")):
            district, id_, at, *said, _ = row
            written = line(district, id_, microseconds(at), *said)
            entries[district, id_] = hashlib.sha256(written).digest()
        before = "00" * 32
        for row in connection.execute(text("SELECT * FROM audit_seals ORDER BY number")):
            head = line(
                before,
                row.number,
                microseconds(row.at),
                row.as_of,
                row.district_codes,
                row.entry_ids,
            )
            keys = zip(row.district_codes, row.entry_ids, strict=True)
            digests = b"".join(entries[key] for key in keys)
            assert row.hash == hashlib.sha256(head + digests).digest()
            before = row.hash.hex()


ENTRY_COLUMNS = {
    "at": "at + interval '1 microsecond'",
    "role": "'AUDITOR'",
    "subject": "subject || '.'",
    "account": "'somebody'",
    "address": "'::1'",
    "request": "'f'",
    "action": "'READ'",
    "noun": "'users'",
    "ids": "ids || '{7}'",
    "details": """details || '{"version": 3}'""",
    "district_code": "'230406'",
}
SEAL_COLUMNS = {
    "at": "at + interval '1 microsecond'",
    "as_of": "'1:2:'",
    "district_codes": "district_codes[2:]",
    "entry_ids": "entry_ids[2:]",
    "digests": "substr(digests, 33)",
    "hash": "sha256(hash)",
    "number": "number + 10",
}
IDS = [f"{{{number}/{place}}}" for number in range(SEALS) for place in range(ENTRIES_IN_EACH)]


@st.composite
def tamperings(draw: st.DrawFn) -> list[str]:
    """Statements, each of which changes something that is sealed."""
    one, other = draw(st.lists(st.sampled_from(IDS), min_size=2, max_size=2, unique=True))
    column, of_seals = draw(st.sampled_from(sorted(ENTRY_COLUMNS))), sorted(SEAL_COLUMNS)
    seal_column, number = draw(st.sampled_from(of_seals)), draw(st.integers(1, SEALS - 1))
    ways = {
        "an entry is changed": [
            f"UPDATE audit_entries SET {column} = {ENTRY_COLUMNS[column]} WHERE ids = '{one}'"
        ],
        "an entry is gone": [f"DELETE FROM audit_entries WHERE ids = '{one}'"],
        "two are exchanged": [
            f"""
            UPDATE audit_entries AS entry SET ids = other.ids FROM audit_entries AS other
            WHERE entry.ids IN ('{one}', '{other}') AND other.ids IN ('{one}', '{other}')
                AND entry.ids <> other.ids
            """
        ],
        "one is put in where it was long sealed": [
            f"""
            INSERT INTO audit_entries OVERRIDING SYSTEM VALUE
            SELECT (jsonb_populate_record(entry, jsonb_build_object('id', id + 500))).*
            FROM audit_entries AS entry WHERE ids = '{one}'
            """
        ],
        "a seal is changed": [
            f"UPDATE audit_seals SET {seal_column} = {SEAL_COLUMNS[seal_column]} "
            f"WHERE number = {number}"
        ],
        "a seal is gone": [f"DELETE FROM audit_seals WHERE number = {number}"],
        "a seal is gone with its entries, and those after it take its place": [
            "DELETE FROM audit_entries USING audit_seals "
            f"WHERE number = {number} AND id = ANY(entry_ids)",
            f"DELETE FROM audit_seals WHERE number = {number}",
            f"UPDATE audit_seals SET number = 1 - number WHERE number > {number}",
            "UPDATE audit_seals SET number = -number WHERE number < 0",
        ],
    }
    return ways[draw(st.sampled_from(sorted(ways)))]


class TestTampering:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tamperings())
    def test_whatever_is_done_to_what_is_sealed_shows(
        self, chain: Engine, statements: list[str]
    ) -> None:
        with chain.connect() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            before = verdict(connection)
            assert (before.sealed, before.unsealed) == (SEALS * ENTRIES_IN_EACH, 1)
            assert before.faults == []
            for statement in statements:
                assert connection.exec_driver_sql(statement).rowcount > 0
            assert verdict(connection).faults
            connection.rollback()

    def test_an_entry_is_made_when_it_is_put_in_whatever_it_says(self, chain: Engine) -> None:
        """By a trigger; and where somebody has gone around that, the seals tell."""
        forged = text(
            """
            INSERT INTO audit_entries
                (district_code, at, role, subject, account, address, request, action, noun, ids)
            VALUES ('230402', :at, 'DISTRICT', 'x', '', '', '', 'ASSIGN', 'sponsorships', '{1}')
            RETURNING at
            """
        )
        now = datetime.datetime.now(datetime.UTC)
        for days in (-300, -2, 2, 30_000):
            given = {"at": now + datetime.timedelta(days=days)}
            with chain.connect() as connection:
                [at] = connection.execute(forged, given).scalars()
                assert abs(at - now) < datetime.timedelta(hours=1)
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                connection.execute(forged, given)
                for seal in (audit_chain.seal, lambda _: 0):  # before it is sealed, and after
                    [fault] = verdict(connection).faults
                    assert "says that it was made at another time" in fault
                    seal(connection)
                connection.rollback()

    def test_a_tail_that_was_cut_shows_by_an_anchor(self, chain: Engine) -> None:
        with chain.connect() as connection:
            anchor = audit_chain.head(connection)
            assert anchor
            [read] = audit_chain.anchors_in(f"{anchor}\n")
            assert read == (SEALS, anchor.hash.hex())
            assert not verdict(connection, anchor).faults
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(
                text(
                    "DELETE FROM audit_entries USING audit_seals "
                    "WHERE number = 4 AND id = ANY(entry_ids)"
                )
            )
            connection.execute(text("DELETE FROM audit_seals WHERE number = 4"))
            assert not verdict(connection).faults
            assert "the log was cut" in verdict(connection, anchor).faults[0]
            # Neither is it hidden by another seal that takes the place of the one that was.
            assert audit_chain.seal(connection) == 1
            assert "another than its anchor" in verdict(connection, anchor).faults[0]
            connection.rollback()


def test_the_chain_is_whole_whoever_writes_and_seals_at_the_same_time(empty: Engine) -> None:
    writers, each, done = 6, 25, threading.Event()

    def write(writer: int) -> None:
        for number in range(each):
            with empty.connect() as connection:
                audit.enter_now(connection, OFFICE, "READ", "reporters", [("", f"{writer}")])
                if number % 5 == 4:
                    connection.rollback()
                elif number % 5 == 3:
                    # It takes its number now, and is committed after others that take theirs later.
                    put(empty, "within")
                    connection.commit()
                else:
                    connection.commit()

    def keep_sealing() -> int:
        count = 0
        while not done.is_set():
            count += sealed(empty)
        return count

    with ThreadPoolExecutor(writers + 2) as pool:
        sealing = [pool.submit(keep_sealing) for _ in range(2)]
        for writing in [pool.submit(write, number) for number in range(writers)]:
            writing.result()
        done.set()
        count = sum(each.result() for each in sealing) + sealed(empty)
    assert count == writers * each
    with empty.connect() as connection:
        found = verdict(connection)
        assert (found.faults, found.sealed, found.unsealed) == ([], count, 0)
        times = connection.execute(text("SELECT unnest(entry_ids) FROM audit_seals")).scalars()
        assert len(set(times)) == count


def test_more_than_one_seal_takes_is_sealed_by_the_next(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_chain, "_MOST_SEALED", 4)
    for number in range(6):
        put(empty, f"{number}")
    with empty.begin() as connection:
        keys = [(f"{district}", district) for district in range(7)]
        audit.enter_now(connection, OFFICE, "ASSIGN", "sponsorships", keys)
    counts = []
    while count := sealed(empty):
        counts.append(count)
    assert counts == [4, 2, 7]
    with empty.connect() as connection:
        assert verdict(connection)[1:] == (13, 0, 0, 0, [])


def test_a_server_seals_by_itself_what_was_entered(empty: Engine) -> None:
    put(empty, "one")

    async def serve() -> None:
        database = Database(empty.url.render_as_string(hide_password=False))
        sealing = asyncio.create_task(audit_chain.Sealer(database).run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await asyncio.to_thread(seals, empty) == 0:
                await asyncio.sleep(0.01)
        sealing.cancel()
        await asyncio.wait([sealing])
        await database.close()

    asyncio.run(serve())
    with empty.connect() as connection:
        assert verdict(connection)[1:] == (1, 0, 0, 0, [])


def seals(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM audit_seals")).scalar_one())


def test_a_log_that_was_restored_on_another_server_goes_on(empty: Engine) -> None:
    far = 2**40
    put(empty, "sealed")
    put(empty, "unsealed")
    with empty.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.exec_driver_sql(
            "UPDATE audit_entries SET transaction = CAST(CAST("
            f"{far} + (ids = '{{unsealed}}')::int AS text) AS xid8)"
        )
        first, _ = audit.entries(connection, audit.EntryFilter())
        audit_chain._put(connection, None, f"{far + 1}:{far + 1}:", [first])
    put(empty, "written before anybody looked")
    for _ in range(2):
        with empty.begin() as connection:
            audit_chain.bring_back(connection)
    put(empty, "new")
    assert sealed(empty) == 1
    with empty.connect() as connection:
        assert verdict(connection)[1:] == (4, 0, 0, 0, [])


class TestTrimming:
    def test_entries_go_after_years_and_the_chain_stays_whole(self, chain: Engine) -> None:
        now = datetime.datetime.now(datetime.UTC)
        with chain.connect() as connection:
            # As if all had been written and sealed a year ago.
            make_older(connection)
            connection.execute(text("SET LOCAL gridmap.retention = 'on'"))
            assert audit_chain.trim(connection, now - datetime.timedelta(days=400)) == 0
            gone = audit_chain.trim(connection, now - datetime.timedelta(days=300))
            assert gone == SEALS * ENTRIES_IN_EACH
            assert audit_chain.trim(connection, now - datetime.timedelta(days=300)) == 0
            found = verdict(connection)
            assert found[1:] == (0, 2, gone, SEALS, [])
            *_, trimmed = audit.entries(connection, audit.EntryFilter())
            assert (trimmed.role, trimmed.action, trimmed.ids) == ("OPERATOR", "TRIM", [f"{SEALS}"])
            # It goes on, and what is younger than that is held to it.
            assert audit_chain.seal(connection) == 2
            assert verdict(connection)[1:] == (2, 0, gone, SEALS, [])
            connection.rollback()

    def test_nobody_trims_what_is_of_this_year(self, chain: Engine) -> None:
        with chain.connect() as connection:
            connection.execute(text("SET LOCAL gridmap.retention = 'on'"))
            with pytest.raises(exc.IntegrityError, match="never changed"):
                audit_chain.trim(connection, datetime.datetime.now(datetime.UTC))
            connection.rollback()
            # Nor whoever says it is done, where no trigger refuses.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            audit_chain.trim(connection, datetime.datetime.now(datetime.UTC))
            assert "sooner than is allowed" in verdict(connection).faults[0]
            connection.rollback()

    def test_whoever_says_that_it_was_done_in_times_to_come_is_not_believed(
        self, chain: Engine
    ) -> None:
        with chain.connect() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(
                text("UPDATE audit_entries SET subject = 'other' WHERE ids = '{0/0}'")
            )
            audit.enter_now(connection, None, "TRIM", "audit_seals", [("", SEALS)])
            connection.execute(
                text("UPDATE audit_entries SET at = '2099-01-01' WHERE action = 'TRIM'")
            )
            for _ in range(2):
                faults = " ".join(verdict(connection).faults)
                assert "sooner than is allowed" in faults
                # What is there all the same is looked at.
                assert "has been changed since seal 1" in faults
                audit_chain.seal(connection)
            connection.rollback()


def make_older(connection: Connection) -> None:
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    connection.execute(text("UPDATE audit_entries SET at = at - interval '365 days'"))
    before = bytes(32)
    for row in connection.execute(text("SELECT * FROM audit_seals ORDER BY number")).all():
        entries = {
            (entry.district_code, entry.id): audit_chain.digest(entry)
            for entry in audit.entries(connection, audit.EntryFilter())
        }
        values = row._asdict()
        del values["hash"]
        values["at"] = row.at - datetime.timedelta(days=365)
        keys = zip(row.district_codes, row.entry_ids, strict=True)
        values["digests"] = b"".join(entries[key] for key in keys)
        before = audit_chain._hash(before, **values)
        connection.execute(
            text(
                "UPDATE audit_seals SET at = :at, digests = :digests, hash = :hash "
                "WHERE number = :number"
            ),
            {**values, "hash": before},
        )
    connection.execute(text("SET LOCAL session_replication_role = origin"))
