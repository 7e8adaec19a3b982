"""Signing in with a name and a password that are kept here, and what slows down who guesses.

Sign-in gives an access token of 15 minutes, which requests bring, and a refresh token, which
brings the next of both. A page never sees its refresh token: it is in a cookie that scripts cannot
read, so that a fault in a page gives away 15 minutes and not months. An app has no such cookies and
asks for it in the answer, to keep it where its system keeps secrets.

Whoever is disabled gets no more tokens at once; the access token that is out may still be used for
the rest of its 15 minutes, which spares every request a look at the database.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, ParamSpec, TypeVar

from pydantic import SecretStr

from gridmap.api.identity import Tokens
from gridmap.errors import Forbidden, Invalid, Unauthenticated, Unavailable
from gridmap.store import users as store
from gridmap.store.counts import Counted, Rate, forget, spend
from gridmap.store.database import Database
from gridmap.store.dates import CHINA, now
from gridmap.store.passwords import LONGEST, check_password, hashed, is_outdated, is_password
from gridmap.store.sessions import Ended, Renewed, begin_session, end_session, renew_session
from gridmap.store.users import User, sign_in_name

ACCESS = datetime.timedelta(minutes=15)
"""How long an access token is valid."""

# A person who forgot; an office behind one address; and whoever guesses from many addresses, which
# must not lock out the one whose name it is for longer than half a minute.
BY_BOTH = Rate(5, 60)
BY_ADDRESS = Rate(30, 10)
BY_NAME = Rate(20, 30)

# Each takes 19 MiB while it is hashed, and some 30 ms of a core.
_HASHED_AT_ONCE = 2
_MOST_WAITING = 20

Terms = ParamSpec("Terms")
Value = TypeVar("Value")

_log = logging.getLogger("gridmap")

_WRONG = "The name or the password is wrong."
_SIGNED_OUT = "You are signed out; sign in again."


class SignedIn(NamedTuple):
    """What somebody gets who has signed in. `expires_in`: seconds of the access token."""

    user: User
    access_token: str
    expires_in: int
    refresh_token: str
    ends_at: datetime.datetime


class Accounts:
    """The users of a database, and where they are signed in.

    `secret` signs tokens; without one nobody signs in. `is_demo`: users of the demo may sign in.
    """

    def __init__(
        self, database: Database, tokens: Tokens, secret: SecretStr | None, *, is_demo: bool
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._secret = secret
        self._is_demo = is_demo
        self._hashing = ThreadPoolExecutor(_HASHED_AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0

    async def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Signs somebody in who knows the password.

        Raises Unauthenticated where name or password are wrong, Forbidden where they are right and
        the user does not sign in now, TooOften after failures, and Unavailable without a secret or
        where too many sign in at once.
        """
        user = await self._known(name, password, address)
        if is_outdated(user.password):
            again = await self._hashed(hashed, password)
            async with self._database.connection() as connection:
                await store.keep_hash(connection, user, again)
        async with self._database.transaction() as connection:
            return self._signed_in(await begin_session(connection, user, now()))

    async def change_password(
        self, name: str, password: str, new_password: str, address: str
    ) -> SignedIn:
        """Gives somebody another password who knows the one there is, ends all their sessions, and
        signs them in anew.

        Raises what `sign_in` does, and Invalid for a password that is guessed easily or no other.
        """
        user = await self._known(name, password, address)
        if new_password == password:
            raise Invalid("The new password is the one that there is; choose another.")
        if user.is_demo:
            raise Forbidden("The demo's passwords are for all who try it; they stay.")
        await self._hashed(check_password, new_password, user.name, user.subject)
        kept = await self._hashed(hashed, new_password)
        async with self._database.transaction() as connection:
            if not await store.change_password(connection, user, kept):
                raise Unauthenticated(_WRONG)  # it was changed meanwhile
            return self._signed_in(await begin_session(connection, user, now()))

    async def _known(self, name: str, password: str, address: str) -> User:
        """Who has this name and password, and signs in now."""
        self._key()
        try:
            name = sign_in_name(name)
        except Invalid as error:
            raise Unauthenticated(_WRONG) from error
        if len(password) > LONGEST:
            raise Unauthenticated(_WRONG)
        by_both = Counted("sign-ins", f"{name}\0{address}", BY_BOTH)
        by_address = Counted("sign-ins from here", address, BY_ADDRESS)
        by_name = Counted("sign-ins of this name", name, BY_NAME)
        # Counted as failed before it is looked at, so that no crowd gets in between.
        await spend(self._database, [by_both, by_address, by_name])
        async with self._database.connection() as connection:
            user = await store.user(connection, name)
        if not await self._hashed(is_password, password, user.password if user else None):
            raise Unauthenticated(_WRONG)
        assert user is not None
        await forget(self._database, wholly=[by_both, by_name], once=[by_address])
        self._check(user)
        return user

    async def renew(self, refresh_token: str) -> SignedIn:
        """The next tokens of a session; the user is as the table says now.

        Raises Unauthenticated where it has ended, Forbidden where the user does not sign in now.
        """
        key = self._key()
        async with self._database.transaction() as connection:
            renewed = await renew_session(connection, refresh_token, key, now())
        if isinstance(renewed, Ended):
            if renewed.was_copied:
                _log.warning("A refresh token was used twice; its session was ended.")
            raise Unauthenticated(_SIGNED_OUT)
        self._check(renewed.user)
        return self._signed_in(renewed)

    async def sign_out(self, refresh_token: str) -> None:
        """Ends the session of the token."""
        async with self._database.transaction() as connection:
            await end_session(connection, refresh_token)

    def close(self) -> None:
        self._hashing.shutdown(wait=False, cancel_futures=True)

    def _key(self) -> bytes:
        if self._secret is None:
            raise Unavailable("Nobody can sign in here, because GRIDMAP_SECRET is not set.")
        return self._secret.get_secret_value().encode()

    def _check(self, user: User) -> None:
        """Only whoever knows the password, or has a token, is told why it does not help."""
        if user.is_demo and not self._is_demo:
            raise Forbidden(f"{user.name} is a user of the demo, who signs in nowhere else.")
        if user.is_disabled:
            raise Forbidden(f"{user.name} is disabled; ask whoever runs this server.")
        day = now().date()
        if not user.holds_on(day):
            until = f" to {user.valid_to}" if user.valid_to else ""
            raise Forbidden(
                f"{user.name} signs in from {user.valid_from}{until}, and today is {day}; ask "
                "whoever runs this server."
            )

    def _signed_in(self, session: Renewed) -> SignedIn:
        moment, user = now(), session.user
        ends = [moment + ACCESS, session.ends_at]
        if user.valid_to is not None:
            ends.append(datetime.datetime.combine(user.valid_to, datetime.time(), CHINA))
        valid_for = max(min(ends) - moment, datetime.timedelta(seconds=1))
        return SignedIn(
            user,
            self._tokens.issue(user.viewer, valid_for, user.name),
            int(valid_for.total_seconds()),
            session.token,
            session.ends_at,
        )

    async def _hashed(
        self, work: Callable[Terms, Value], *terms: Terms.args, **named: Terms.kwargs
    ) -> Value:
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("Too many sign in at once; try again in a moment.")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._hashing, partial(work, *terms, **named))
        finally:
            self._waiting -= 1
