"""Those who sign in here with a name and a password, and who they are as viewers."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Conflict, Invalid, NotFound
from gridmap.store import audit
from gridmap.store.dates import now
from gridmap.store.tables import sessions, users
from gridmap.store.viewers import Role, Viewer, check_account

_LONGEST_NAME = 64

# What fits into a token, which a header carries: some 220 codes of grids.
_MOST_OF_CODES = 4_000


class User(NamedTuple):
    """`valid_to`: the first day on which the user no longer signs in, None while that is open.

    `password` is its hash. `is_demo`: made by the demo, which alone signs the user in.
    """

    name: str
    password: str
    role: str
    subject: str
    codes: Sequence[str]
    valid_from: datetime.date
    valid_to: datetime.date | None
    is_disabled: bool
    is_demo: bool

    @property
    def viewer(self) -> Viewer:
        return Viewer(Role(self.role), self.subject, frozenset(self.codes))

    @property
    def audit_key(self) -> tuple[str, str]:
        """What the audit log calls the user, who is of no district."""
        return "", audit.named(self.role, self.name)

    def holds_on(self, day: datetime.date) -> bool:
        """Whether the user signs in on that day."""
        is_in_time = self.valid_from <= day and (self.valid_to is None or day < self.valid_to)
        return is_in_time and not self.is_disabled


_COLUMNS = tuple(users.c[name] for name in User._fields)


def sign_in_name(given: str) -> str:
    """A name in its one spelling: whichever way it is typed, in small letters.

    Raises Invalid for what is no name.
    """
    name = unicodedata.normalize("NFKC", given).casefold().strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or " " in name:
        raise Invalid(
            f"{given[:_LONGEST_NAME]!r} is no name to sign in with: give 1 to {_LONGEST_NAME} "
            "characters without blanks."
        )
    return name


async def add_user(
    connection: AsyncConnection,
    name: str,
    password: str,
    viewer: Viewer,
    valid_from: datetime.date,
    valid_to: datetime.date | None = None,
    *,
    is_demo: bool = False,
) -> User:
    """Adds somebody, whose password's hash is given. A user of the demo replaces the one before.

    Raises Conflict where the name is taken, and Invalid where it is none, where the viewer is
    ANONYMOUS or a receipt's, or where the dates or codes make no sense.
    """
    check_account(viewer)
    if valid_to is not None and valid_to <= valid_from:
        raise Invalid(f"The user would be valid from {valid_from} to {valid_to}, which is never.")
    if sum(len(code) + 3 for code in viewer.codes) > _MOST_OF_CODES:
        raise Invalid(f"{len(viewer.codes)} codes are more than a token can carry; give fewer.")
    user = User(
        sign_in_name(name),
        password,
        viewer.role,
        viewer.subject,
        sorted(viewer.codes),
        valid_from,
        valid_to,
        is_disabled=False,
        is_demo=is_demo,
    )
    statement = insert(users).values(user._asdict())
    added = await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={**user._asdict()},
            # Nobody's own user becomes the demo's.
            where=users.c.is_demo & statement.excluded.is_demo,
        ).returning(users.c.name)
    )
    if added.first() is None:
        raise Conflict(f"There is a user {user.name} already; choose another name.")
    await audit.enter(connection, None, "ADD", "users", [user.audit_key], role=user.role)
    return user


async def user(connection: AsyncConnection, name: str) -> User | None:
    """The one of that name, as `sign_in_name` writes it."""
    row = (await connection.execute(select(*_COLUMNS).where(users.c.name == name))).one_or_none()
    return User(*row) if row else None


async def all_users(connection: AsyncConnection) -> list[User]:
    """All, in the order of names."""
    return [User(*row) for row in await connection.execute(select(*_COLUMNS).order_by("name"))]


async def set_disabled(connection: AsyncConnection, name: str, is_disabled: bool) -> None:
    """Lets a user sign in no more, or again. Who is disabled is signed out everywhere.

    Raises NotFound where there is none.
    """
    action = "DISABLE" if is_disabled else "ENABLE"
    since = now() if is_disabled else None
    await _change(connection, name, action, is_disabled=is_disabled, disabled_at=since)
    if is_disabled:
        await _sign_out(connection, name)


async def set_password(connection: AsyncConnection, name: str, password: str) -> None:
    """Keeps the hash of another password, and signs the user out everywhere.

    Raises NotFound where there is none.
    """
    await _change(connection, name, "SET_PASSWORD", password=password)
    await _sign_out(connection, name)


async def change_password(connection: AsyncConnection, user: User, password: str) -> bool:
    """Keeps the hash of another password instead of the one that the user has, and signs the user
    out everywhere; False where it is not the one that is kept any more.
    """
    changed = await connection.execute(
        update(users)
        .where(users.c.name == user.name, users.c.password == user.password)
        .values(password=password)
    )
    if changed.rowcount:
        await _sign_out(connection, user.name)
    return bool(changed.rowcount)


async def keep_hash(connection: AsyncConnection, user: User, password: str) -> None:
    """Keeps the hash of the same password at the costs of today."""
    await connection.execute(
        update(users)
        .where(users.c.name == user.name, users.c.password == user.password)
        .values(password=password)
    )


async def _change(connection: AsyncConnection, name: str, action: str, **values: object) -> None:
    changed = await connection.execute(
        update(users).where(users.c.name == sign_in_name(name)).values(values).returning(*_COLUMNS)
    )
    row = changed.one_or_none()
    if row is None:
        raise NotFound(f"There is no user {name!r}; `gridmap user list` says who there are.")
    await audit.enter(connection, None, action, "users", [User(*row).audit_key])


async def _sign_out(connection: AsyncConnection, name: str) -> None:
    """Served by sessions_user_name_idx."""
    ended = await connection.scalars(
        delete(sessions).where(sessions.c.user_name == sign_in_name(name)).returning(sessions.c.id)
    )
    await audit.enter(connection, None, "REVOKE", "sessions", [("", id_) for id_ in ended])
