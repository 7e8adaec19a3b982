"""The audit log: who wrote what, and who read personal data, when and from where.

An entry is written in the transaction of the deed itself, so that there is neither without the
other. It stands by itself: were it chained to the entry before it, that one's row would be a lock
for which all who write wait until each has its answer from the disk, one after the other.
`audit_chain` chains entries a few seconds later, many at once.

An entry holds keys and nothing of what was written or read. Those who act in an office are named,
for that is what the log is for; residents and buildings' members, who act for themselves, by a
digest of their name: whoever knows it finds them again, and nobody reads it there.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, insert, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Invalid
from gridmap.store import tables
from gridmap.store.database import protected
from gridmap.store.paging import Key, Slice
from gridmap.store.permissions import Permission, require
from gridmap.store.viewers import Role, Viewer

_table = tables.audit_entries

OPERATOR = "OPERATOR"
"""The role of whoever runs a command of this program on its machine."""

READ = "READ"
"""The action of an entry that personal data was told; all others write."""

_PRIVATE = (Role.RESIDENT, Role.BUILDING_MEMBER)


class Origin(NamedTuple):
    """From where somebody acts: what they signed in with, an address, the request's number."""

    account: str = ""
    address: str = ""
    request: str = ""


_NOWHERE = Origin()

origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)
"""Of the request that is being answered, or the command that runs. Whoever listens sets it."""


class Entry(NamedTuple):
    """That somebody did something. `ids` are those of the noun, in the district where it has one.

    `details`: more of the deed, by action; no personal data.
    """

    district_code: str
    id: int
    at: datetime.datetime
    role: str
    subject: str
    account: str
    address: str
    request: str
    action: str
    noun: str
    ids: Sequence[str]
    details: dict[str, Any]

    @property
    def key(self) -> Key:
        """Its place in a list, newest first."""
        return Key(f"{self.at.astimezone(datetime.UTC).isoformat()} {self.id}", self.district_code)


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries; None is any. `who`: a subject or an account. `until` itself is not meant."""

    district: str | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    who: str | None = None


COLUMNS = tuple(_table.c[name] for name in Entry._fields)
_ENTER = insert(_table).inline()


async def enter(
    connection: AsyncConnection,
    viewer: Viewer | None,
    action: str,
    noun: str,
    keys: Iterable[tuple[str, object]],
    account: str | None = None,
    **details: object,
) -> None:
    """Says that the viewer did something, where `None` is who runs a command.

    `keys`: district and id of each thing that it was done to; one entry for each district.
    `account`: where it is another than that of the request.
    """
    rows = _rows(viewer, action, noun, keys, account, details)
    if rows:
        await connection.execute(_ENTER, rows)


def enter_now(
    connection: Connection,
    viewer: Viewer | None,
    action: str,
    noun: str,
    keys: Iterable[tuple[str, object]],
    account: str | None = None,
    **details: object,
) -> None:
    """The same for a tool's connection."""
    rows = _rows(viewer, action, noun, keys, account, details)
    if rows:
        connection.execute(_ENTER, rows)


def actor(viewer: Viewer | None, account: str | None = None) -> dict[str, str]:
    """Who acts and from where, as columns of an entry."""
    from_ = origin.get()
    account = from_.account if account is None else account
    if viewer is None:
        role, subject = OPERATOR, ""
    else:
        role, subject = viewer.role.value, viewer.subject
        if viewer.role in _PRIVATE and viewer.report is None:
            subject, account = named(viewer.role, subject), named(viewer.role, account)
    return {
        "role": role,
        "subject": subject,
        "account": account,
        "address": from_.address,
        "request": from_.request,
    }


def named(role: Role | str, name: str) -> str:
    """What the log calls somebody of a role: by name, or by a digest of it."""
    if not name or role not in _PRIVATE:
        return name
    return f"sha256:{sha256(name.encode()).hexdigest()[:32]}"


def _rows(
    viewer: Viewer | None,
    action: str,
    noun: str,
    keys: Iterable[tuple[str, object]],
    account: str | None,
    details: dict[str, object],
) -> list[dict[str, object]]:
    by_district: dict[str, dict[str, None]] = {}
    for district_code, id_ in keys:
        by_district.setdefault(district_code, {})[str(id_)] = None
    who = actor(viewer, account)
    return [
        {
            **who,
            "district_code": district_code,
            "action": action,
            "noun": noun,
            "ids": list(ids),
            "details": details,
        }
        for district_code, ids in by_district.items()
    ]


@protected
async def page_of_entries(
    connection: AsyncConnection, wanted: EntryFilter, viewer: Viewer, cut: Slice
) -> list[Entry]:
    """A page of the log, newest first. Served by audit_entries_at_idx, read backwards.

    Raises Forbidden for whoever may not see it, and Invalid where the page goes on after no entry.
    """
    require(viewer, Permission.SEE_AUDIT)
    statement = _matching(select(*COLUMNS), wanted)
    if cut.after is not None:
        at, id_ = _place(cut.after)
        statement = statement.where(
            tuple_(_table.c.at, _table.c.id) < tuple_(literal(at), literal(id_))
        )
    rows = await connection.execute(
        statement.order_by(_table.c.at.desc(), _table.c.id.desc()).limit(cut.limit)
    )
    return [Entry(*row) for row in rows]


@protected
async def count_entries(connection: AsyncConnection, wanted: EntryFilter, viewer: Viewer) -> int:
    """How many entries match. Raises Forbidden for whoever may not see them."""
    require(viewer, Permission.SEE_AUDIT)
    statement = _matching(select(func.count()).select_from(_table), wanted)
    count: int = (await connection.execute(statement)).scalar_one()
    return count


def entries(connection: Connection, wanted: EntryFilter) -> Iterator[Entry]:
    """All that match, the oldest first, read a few at a time. Served by audit_entries_at_idx."""
    statement = _matching(select(*COLUMNS), wanted).order_by(_table.c.at, _table.c.id)
    for row in connection.execute(statement, execution_options={"yield_per": 1_000}):
        yield Entry(*row)


def _matching(statement: Select[Any], wanted: EntryFilter) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.district is not None:
        conditions.append(_table.c.district_code == wanted.district)
    if wanted.since is not None:
        conditions.append(_table.c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(_table.c.at < wanted.until)
    if wanted.who is not None:
        names = [wanted.who, named(Role.RESIDENT, wanted.who)]
        conditions.append(or_(_table.c.subject.in_(names), _table.c.account.in_(names)))
    return statement.where(*conditions)


def _place(after: Key) -> tuple[datetime.datetime, int]:
    moment, _, id_ = after.code.partition(" ")
    try:
        at = datetime.datetime.fromisoformat(moment)
        if at.tzinfo is not None and id_.isascii() and id_.isdigit() and len(id_) < 19:
            return at, int(id_)
    except ValueError:
        pass
    raise Invalid("This cursor is of another list; give one back as it came.")
