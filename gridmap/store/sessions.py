"""Where somebody is signed in: refresh tokens, each of which is used once and followed by the next.

A token that comes again was copied by somebody, and ends its session. But answers get lost, above
all to phones: for a short while the token that was just used brings the same successor once more.
To have that, the successor is not drawn but derived from its predecessor with the server's secret,
and so neither the database nor an old token gives it away.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import secrets
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.store import audit
from gridmap.store.tables import sessions
from gridmap.store.users import User, user
from gridmap.store.viewers import ANONYMOUS

IDLE = datetime.timedelta(days=14)
"""Without a renewal, a session ends after this."""

LONGEST = datetime.timedelta(days=90)
"""Then one signs in anew."""

GRACE = datetime.timedelta(seconds=30)
"""How long the token that was used last brings its successor again."""

_ID_BYTES, _TOKEN_BYTES = 16, 48


class Renewed(NamedTuple):
    """A session that goes on. `ends_at`: when it does not, whatever is done."""

    user: User
    token: str
    ends_at: datetime.datetime


class Ended(NamedTuple):
    """A session that is over. `was_copied`: its token was used before, by somebody else."""

    user_name: str | None = None
    was_copied: bool = False


async def begin_session(connection: AsyncConnection, user: User, now: datetime.datetime) -> Renewed:
    """Signs a user in. Sessions that nobody came back to go, by sessions_renewed_at_idx."""
    id = uuid4()
    token = id.bytes + secrets.token_bytes(_TOKEN_BYTES - _ID_BYTES)
    await connection.execute(delete(sessions).where(sessions.c.renewed_at < now - IDLE))
    await connection.execute(
        sessions.insert().values(
            id=id, user_name=user.name, token=_digest(token), begun_at=now, renewed_at=now
        )
    )
    await _enter(connection, "BEGIN", id, user)
    return Renewed(user, _written(token), now + LONGEST)


async def renew_session(
    connection: AsyncConnection, written: str, secret: bytes, now: datetime.datetime
) -> Renewed | Ended:
    """Takes a token and gives the next. In a transaction; served by sessions_pkey.

    `secret`: with which the next is derived; all servers of a database have the same.
    """
    token = _read(written)
    if token is None:
        return Ended()
    id = UUID(bytes=token[:_ID_BYTES])
    kept = (
        await connection.execute(select(sessions).where(sessions.c.id == id).with_for_update())
    ).one_or_none()
    if kept is None:
        return Ended()
    digest = _digest(token)
    is_current = hmac.compare_digest(digest, kept.token)
    is_again = (
        kept.token_before is not None
        and hmac.compare_digest(digest, kept.token_before)
        and now - kept.renewed_at < GRACE
    )
    is_in_time = now - kept.renewed_at < IDLE and now - kept.begun_at < LONGEST
    owner = await user(connection, kept.user_name)
    if not (is_current or is_again) or not is_in_time or owner is None:
        was_copied = not (is_current or is_again)
        await connection.execute(delete(sessions).where(sessions.c.id == id))
        await _enter(connection, "REVOKE" if was_copied else "END", id, owner)
        return Ended(kept.user_name, was_copied)
    following = token[:_ID_BYTES] + _successor(token, secret)
    if is_current:
        await connection.execute(
            update(sessions)
            .where(sessions.c.id == id)
            .values(token=_digest(following), token_before=digest, renewed_at=now)
        )
    return Renewed(owner, _written(following), kept.begun_at + LONGEST)


async def end_session(connection: AsyncConnection, written: str) -> None:
    """Signs out where the token is from, be it the last one or one before."""
    token = _read(written)
    if token is not None:
        id = UUID(bytes=token[:_ID_BYTES])
        ended = delete(sessions).where(sessions.c.id == id).returning(sessions.c.user_name)
        name = await connection.scalar(ended)
        if name is not None:
            await _enter(connection, "END", id, await user(connection, name))


async def _enter(connection: AsyncConnection, action: str, id: UUID, owner: User | None) -> None:
    """Says in the audit log whose session began or ended; a renewal changes nothing of interest."""
    viewer, account = (owner.viewer, owner.name) if owner else (ANONYMOUS, "")
    await audit.enter(connection, viewer, action, "sessions", [("", id)], account)


def _successor(token: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, b"gridmap refresh token\0" + token, "sha256")


def _digest(token: bytes) -> bytes:
    # Plain, for a token is random: nobody guesses 256 bits.
    return hashlib.sha256(token).digest()


def _written(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).decode()


def _read(written: str) -> bytes | None:
    try:
        token = base64.b64decode(written.encode(), b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return token if len(token) == _TOKEN_BYTES else None
