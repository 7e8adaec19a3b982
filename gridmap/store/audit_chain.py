"""The chain of the audit log: seals, each of which holds the entries that came since the last.

Entries are chained after they are committed, by one at a time who looks every few seconds: to chain
them as they are written would have all who write wait for each other. What came since the last seal
is told exactly by the states of the data (see `states`), in whatever order transactions commit. So
nothing is sealed twice or passed over, and what is changed before it is sealed, within some
seconds, is what the chain cannot show.

A seal's hash is the SHA-256 of a line of JSON and the digests of its entries, one behind the other:

    [hash of the seal before, number, at, as_of, [district of each entry], [id of each entry]]

and the digest of an entry is that of a line of JSON

    [district, id, at, role, subject, account, address, request, action, noun, ids, details]

Hashes are in hexadecimal, times in microseconds since 1970, JSON is UTF-8 without blanks and with
the keys of objects in order. Whoever may write the tables can make a whole new chain; and a chain
that was cut short is whole. Against both helps the head that was written down elsewhere before: an
anchor.

Entries go after some years, by `trim`, which says so in an entry of its own; their digests stay.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, func, insert, select, text

from gridmap.errors import GridmapError, Invalid
from gridmap.store import tables
from gridmap.store.audit import Entry, enter_now
from gridmap.store.database import Database
from gridmap.store.dates import CHINA
from gridmap.store.states import end_of, state_until

PAUSE_SECONDS = 5.0
"""How long entries wait to be sealed, while a server runs."""

SHORTEST_KEPT = datetime.timedelta(days=180)
"""An entry is kept for as long at least, as the law on network security asks; a trigger sees to it.
"""

LONGEST_WRITTEN = datetime.timedelta(days=1)
"""From when an entry says that it was made until it is committed, an import's at most, and what
clocks may be off. An entry that is older than the seal before its own by more was put in."""

_MOST_SEALED = 10_000
_MOST_TRIMMED = 1_000
_SEALS_AT_ONCE = 200
_DIGEST_BYTES = 32
_FIRST = bytes(_DIGEST_BYTES)
_BEFORE_ALL = "1:1:"

_log = logging.getLogger("gridmap")
_entries, _seals = tables.audit_entries, tables.audit_seals


class Head(NamedTuple):
    """The last seal. Written down elsewhere it is an anchor: the log goes as far, and says so."""

    number: int
    hash: bytes
    at: datetime.datetime

    def __str__(self) -> str:
        moment = self.at.astimezone(CHINA).isoformat(timespec="seconds")
        return f"{self.number} {self.hash.hex()} {moment}"


class Verdict(NamedTuple):
    """What a look at the whole log has found. `faults`: in words; none where all is well.

    `unsealed`: entries that came since the last seal, and are in no chain yet. `trimmed`: entries
    that are kept no more, up to the seal `until`.
    """

    head: Head | None
    sealed: int
    unsealed: int
    trimmed: int
    until: int
    faults: list[str]


def digest(entry: Entry) -> bytes:
    """By which an entry is known to be as it was."""
    _, _, at, *said = entry
    line = [entry.district_code, entry.id, _microseconds(at), *said]
    return sha256(orjson.dumps(line, option=orjson.OPT_SORT_KEYS)).digest()


def head(connection: Connection) -> Head | None:
    """The last seal; None where there is none yet."""
    row = connection.execute(_LAST).first()
    return Head(row.number, row.hash, row.at) if row else None


def seal(connection: Connection) -> int:
    """Seals what was committed since the last seal; how many entries that were.

    `connection` is in a transaction of its own. Where somebody else seals, or nothing came, it is
    none.
    """
    if not connection.execute(_TURN).scalar_one():
        return 0
    last = connection.execute(_LAST).first()
    after = last.as_of if last else _BEFORE_ALL
    rows = connection.execute(_CAME, {"after": after, "most": _MOST_SEALED + 1}).all()
    state = rows[0].state
    came = [row for row in rows if row.id is not None]
    if len(came) > _MOST_SEALED:
        # As far as the last transaction that is here whole, which are all but the last.
        until = int(came[-1].transaction)
        came = [row for row in came if int(row.transaction) < until]
        state = _cut(state, until)
        if not came:
            rows = connection.execute(_CAME, {"after": after, "most": None}).all()
            state, came = rows[0].state, list(rows)
    if came:
        _put(connection, last, state, [Entry(*row[2:]) for row in came])
    return len(came)


def verify(connection: Connection, anchors: Sequence[tuple[int, str]] = ()) -> Verdict:
    """Looks at every entry and every seal. `anchors`: number and hash, in hexadecimal, of seals.

    `connection` is in a transaction, in which it sees one state of the data, and reads alone.
    """
    faults: list[str] = []
    wanted: dict[int, set[str]] = {}
    for number, said in anchors:
        wanted.setdefault(number, set()).add(said.lower())
    found: Head | None = None
    sealed = trimmed = 0
    until, trimmed_at = _trimmed(connection)
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    for some in _read_seals(connection):
        kept = _entries_of(connection, some)
        for row in some:
            faults += _faults_before(found, row)
            faults += _faults_of_times(found, row, kept)
            if row.at > now:
                faults.append(f"Seal {row.number} says that it was made at a time to come.")
            if row.number <= until:
                # What is there all the same is to be as it was.
                faults += _faults_of(row, kept, are_some_gone=True)
                trimmed += len(row.entry_ids)
                if row.at > trimmed_at - SHORTEST_KEPT:
                    faults.append(f"Seal {row.number} was trimmed sooner than is allowed.")
            else:
                faults += _faults_of(row, kept)
                sealed += len(row.entry_ids)
            if any(said != row.hash.hex() for said in wanted.pop(row.number, ())):
                faults.append(f"Seal {row.number} is another than its anchor says.")
            found = Head(row.number, row.hash, row.at)
    faults += [
        f"There was a seal {number}, as its anchor says, and there is none: the log was cut."
        for number in sorted(wanted)
    ]
    unsealed = 0
    for entry in connection.execute(_UNSEALED):
        unsealed += not entry.is_past
        if not entry.is_past:
            faults += _faults_of_time(found, now, (entry.district_code, entry.id), entry.at)
        else:
            faults.append(
                f"{_name(entry.district_code, entry.id)} is in no seal, though one was made since."
            )
    return Verdict(found, sealed, unsealed, trimmed, until, faults)


def trim(connection: Connection, before: datetime.datetime) -> int:
    """Removes entries of seals that were made before; how many. Digests and seals stay.

    `connection` is in a transaction that says what it is for: see `gridmap.store.retention`. Of
    very many some are removed; call it until there are none.
    """
    until, _ = _trimmed(connection)
    last = connection.scalar(
        select(func.max(_seals.c.number)).where(
            _seals.c.at < before,
            _seals.c.number > until,
            _seals.c.number <= until + _MOST_TRIMMED,
        )
    )
    if last is None:
        return 0
    gone = connection.execute(_TRIM, {"after": until, "until": last}).rowcount
    enter_now(connection, None, "TRIM", "audit_seals", [("", last)])
    return gone


def anchors_in(lines: str) -> list[tuple[int, str]]:
    """What lines say that are heads as they were printed. Raises Invalid for any other line."""
    found = []
    for line in filter(None, map(str.strip, lines.splitlines())):
        match line.split():
            case [number, hash_, *_] if number.isdecimal() and len(hash_) == 2 * _DIGEST_BYTES:
                found.append((int(number), hash_))
            case _:
                raise Invalid(
                    f"{line[:100]!r} is no anchor; give lines as `gridmap audit head` prints them."
                )
    return found


def bring_back(connection: Connection) -> None:
    """Has all entries belong to the past, where they were restored from another server's dump.

    Their transactions may have numbers that this server has yet to give. What was not sealed there
    is sealed first. Before anything else is written here.
    """
    last = connection.execute(_LAST).first()
    after = last.as_of if last else _BEFORE_ALL
    if not connection.execute(_IS_FOREIGN, {"after": after}).scalar_one():
        return
    rows = connection.execute(_ALL_UNSEALED).all()
    _put(connection, last, _BEFORE_ALL, [Entry(*row) for row in rows])
    connection.execute(_BRING_BACK)


class Sealer:
    """One for a process; `run` is to be a task of it for as long as it serves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Seals for ever; says in the log what keeps it from doing so."""
        is_silent = False
        while True:
            try:
                await self.seal()
                is_silent = False
            except GridmapError as error:
                if not is_silent:
                    _log.warning("The audit log is not sealed for now: %s", error)
                is_silent = True
            except Exception:  # noqa: BLE001 - whatever it was, it is tried again
                if not is_silent:
                    _log.exception("The audit log is not sealed for now.")
                is_silent = True
            await asyncio.sleep(PAUSE_SECONDS)

    async def seal(self) -> None:
        """Seals all that has come."""
        count = _MOST_SEALED
        while count >= _MOST_SEALED:
            async with self._database.transaction() as connection:
                count = await connection.run_sync(seal)


def _put(
    connection: Connection, last: Row[Any] | None, state: str, entries: Sequence[Entry]
) -> None:
    values = {
        "number": last.number + 1 if last else 1,
        "at": connection.execute(text("SELECT clock_timestamp()")).scalar_one(),
        "as_of": state,
        "district_codes": [entry.district_code for entry in entries],
        "entry_ids": [entry.id for entry in entries],
        "digests": b"".join(map(digest, entries)),
    }
    values["hash"] = _hash(last.hash if last else _FIRST, **values)
    connection.execute(insert(_seals).values(values))


def _hash(
    before: bytes,
    number: int,
    at: datetime.datetime,
    as_of: str,
    district_codes: Sequence[str],
    entry_ids: Sequence[int],
    digests: bytes,
) -> bytes:
    line = [before.hex(), number, _microseconds(at), as_of, district_codes, entry_ids]
    return sha256(orjson.dumps(line) + digests).digest()


def _microseconds(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def _cut(state: str, until: int) -> str:
    """The state as far as the transaction `until`, without it."""
    first, _, running = state.split(":")
    within = [number for number in running.split(",") if number and int(number) < until]
    return f"{min(int(first), until)}:{until}:{','.join(within)}"


def _read_seals(connection: Connection) -> Iterator[Sequence[Row[Any]]]:
    """All seals in their order, some at a time."""
    statement = select(_seals).order_by(_seals.c.number).limit(_SEALS_AT_ONCE)
    rows = connection.execute(statement).all()
    while rows:
        yield rows
        rows = connection.execute(statement.where(_seals.c.number > rows[-1].number)).all()


class _Kept(NamedTuple):
    """Of an entry that is there."""

    digest: bytes
    at: datetime.datetime


def _entries_of(connection: Connection, seals: Sequence[Row[Any]]) -> dict[tuple[str, int], _Kept]:
    """The entries that these seals hold, as far as they are there."""
    keys = {
        "districts": [code for row in seals for code in row.district_codes],
        "ids": [id_ for row in seals for id_ in row.entry_ids],
    }
    rows = (Entry(*row) for row in connection.execute(_OF_SEALS, keys))
    return {(entry.district_code, entry.id): _Kept(digest(entry), entry.at) for entry in rows}


def _trimmed(connection: Connection) -> tuple[int, datetime.datetime]:
    """The last seal whose entries were removed, 0 for none, and when they were."""
    row = connection.execute(_TRIMMED).first()
    return (int(row.number), row.at) if row else (0, _EPOCH)


def _faults_before(found: Head | None, row: Row[Any]) -> Iterator[str]:
    number = found.number if found else 0
    if row.number != number + 1:
        yield f"After seal {number} comes seal {row.number}: what was between was cut out."
    try:
        right = _hash(found.hash if found else _FIRST, *tuple(row)[:-1])
    except (TypeError, ValueError):
        right = None
    if row.hash != right:
        yield f"Seal {row.number} is not what it was, or does not follow the one before."


def _faults_of_times(
    found: Head | None, row: Row[Any], kept: dict[tuple[str, int], _Kept]
) -> Iterator[str]:
    if found is not None and row.at < found.at - LONGEST_WRITTEN:
        yield f"Seal {row.number} says that it was made before the one before it."
    for key in zip(row.district_codes, row.entry_ids, strict=False):
        if key in kept:
            yield from _faults_of_time(found, row.at, key, kept[key].at)


def _faults_of_time(
    found: Head | None, sealed_at: datetime.datetime, key: tuple[str, int], at: datetime.datetime
) -> Iterator[str]:
    """`found`: the seal before the entry's own, which it is not older than."""
    if at > sealed_at + LONGEST_WRITTEN or (found and at < found.at - LONGEST_WRITTEN):
        yield f"{_name(*key)} says that it was made at another time than it was put in."


def _faults_of(
    row: Row[Any], kept: dict[tuple[str, int], _Kept], *, are_some_gone: bool = False
) -> Iterator[str]:
    cuts = range(0, len(row.digests) + 1, _DIGEST_BYTES)
    digests = [row.digests[begin:end] for begin, end in pairwise(cuts)]
    keys = list(zip(row.district_codes, row.entry_ids, strict=False))
    if not len(keys) == len(digests) == len(row.entry_ids) == len(row.district_codes):
        yield f"Seal {row.number} does not say as many entries as it has digests."
    for key, right in zip(keys, digests, strict=False):
        if key not in kept:
            if are_some_gone:
                continue
            yield f"{_name(*key)}, which seal {row.number} holds, is gone."
        elif kept[key].digest != right:
            yield f"{_name(*key)} has been changed since seal {row.number} was made."


def _name(district_code: str, id_: int) -> str:
    return f"Entry {id_} of {district_code or 'no district'}"


_LAST = select(_seals).order_by(_seals.c.number.desc()).limit(1)

_SAID = ", ".join(f"entry.{name}" for name in Entry._fields)

# One at a time, over all servers. The number is of no meaning.
_TURN = text("SELECT pg_try_advisory_xact_lock(7045610032517)")

# Served by audit_entries_transaction_idx, as in `report_changes`.
_CAME = text(
    f"""
    WITH state AS MATERIALIZED (
        SELECT CAST(:after AS pg_snapshot) AS after, {state_until(end_of("audit_entries"))} AS now
    )
    SELECT state.now AS state, CAST(came.transaction AS text) AS transaction, {
        _SAID.replace("entry.", "came.")
    }
    FROM state
    LEFT JOIN LATERAL (
        SELECT *
        FROM audit_entries AS entry
        WHERE entry.transaction >= pg_snapshot_xmin(state.after)
            AND NOT pg_visible_in_snapshot(entry.transaction, state.after)
        ORDER BY entry.transaction, entry.id
        LIMIT :most
    ) AS came
        ON TRUE
    ORDER BY came.transaction, came.id
    """
)

# An entry says itself when it was made, as whoever writes one chooses. Seals stand in a row, and no
# entry is younger than the one that holds it, nor than this moment.
_TRIMMED = text(
    """
    SELECT
        CAST(entry.ids[1] AS bigint) AS number,
        least(entry.at, coalesce(seal.at, clock_timestamp())) AS at
    FROM audit_entries AS entry
    LEFT JOIN LATERAL (
        SELECT min(audit_seals.at) AS at
        FROM audit_seals
        WHERE entry.id = ANY (entry_ids)
            AND district_codes[array_position(entry_ids, entry.id)] = entry.district_code
    ) AS seal
        ON TRUE
    WHERE entry.noun = 'audit_seals' AND entry.action = 'TRIM'
    ORDER BY CAST(entry.ids[1] AS bigint) DESC
    LIMIT 1
    """
)

# Served by audit_entries_pkey.
_TRIM = text(
    """
    DELETE FROM audit_entries AS entry
    USING (
        SELECT held.district_code, held.id
        FROM audit_seals
        CROSS JOIN LATERAL unnest(district_codes, entry_ids) AS held (district_code, id)
        WHERE number > :after AND number <= :until
    ) AS held
    WHERE entry.district_code = held.district_code AND entry.id = held.id
    """
)

# Served by audit_entries_pkey.
_OF_SEALS = text(
    f"""
    SELECT {_SAID}
    FROM unnest(CAST(:districts AS text[]), CAST(:ids AS bigint[])) AS named (district_code, id)
    JOIN audit_entries AS entry
        ON entry.district_code = named.district_code AND entry.id = named.id
    """
)

_IS_UNSEALED = """
    NOT EXISTS (
        SELECT
        FROM audit_seals
        CROSS JOIN LATERAL unnest(district_codes, entry_ids) AS held (district_code, id)
        WHERE held.district_code = entry.district_code AND held.id = entry.id
    )
"""

_UNSEALED = text(
    f"""
    SELECT
        entry.district_code,
        entry.id,
        entry.at,
        pg_visible_in_snapshot(
            entry.transaction,
            CAST(
                coalesce(
                    (SELECT as_of FROM audit_seals ORDER BY number DESC LIMIT 1), '{_BEFORE_ALL}'
                ) AS pg_snapshot
            )
        ) AS is_past
    FROM audit_entries AS entry
    WHERE {_IS_UNSEALED}
    ORDER BY entry.id
    """
)

_ALL_UNSEALED = text(
    f"SELECT {_SAID} FROM audit_entries AS entry WHERE {_IS_UNSEALED} ORDER BY entry.id"
)

_IS_FOREIGN = text(
    """
    SELECT
        pg_snapshot_xmax(CAST(:after AS pg_snapshot)) > pg_snapshot_xmax(pg_current_snapshot())
        OR EXISTS (
            SELECT FROM audit_entries
            WHERE transaction >= pg_snapshot_xmax(pg_current_snapshot())
        )
    """
)

# Transaction 0, which there never was, is in every state.
_BRING_BACK = text(
    """
    DO $$
    BEGIN
        ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_are_final_by_row;
        UPDATE audit_entries SET transaction = '0' WHERE transaction <> '0';
        ALTER TABLE audit_entries ENABLE TRIGGER audit_entries_are_final_by_row;
    END
    $$
    """
)
