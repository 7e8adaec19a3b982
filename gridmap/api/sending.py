"""Answers that are files: sent while they are made, as fast as the client takes them.

The work for a client that leaves ends at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gridmap.api.errors import Refused, answer_of
from gridmap.errors import Invalid, Unauthenticated, Unavailable
from gridmap.schema.null_characters import refuse_null_characters

MOST_AT_ONCE = 2
"""Files that one process sends at the same time: each may hold a connection of the pool."""

PATIENCE_SECONDS = 60.0
"""How long a client may take nothing of a file. Until the file is sent it keeps others waiting, and
what is read meanwhile keeps PostgreSQL from cleaning up what has changed since."""

_RETRY_AFTER_SECONDS = 30


class Sending:
    """An answer on its way. `name` is that of the file, without its ending; `plain_name` the same
    in ASCII. `ends_at`: when whoever asked is nobody any more, in seconds of the epoch; None where
    that is never."""

    def __init__(self, send: Send, patience_seconds: float) -> None:
        self.send = send
        self._patience_seconds = patience_seconds
        self.name = self.plain_name = ""
        self.ends_at: float | None = None
        self.is_begun = False

    async def begin(self, type_: str, ending: str, length: int | None = None) -> None:
        """Sends the status and the headers; `length` is in bytes, None where nobody knows it.

        Raises Unauthenticated where the token has ended by now.
        """
        self._check_token()
        headers = {
            "content-type": type_,
            # The one name for all, the other for those who read RFC 6266.
            "content-disposition": f'attachment; filename="{self.plain_name}{ending}"; '
            f"filename*=UTF-8''{quote(self.name + ending)}",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        if length is not None:
            headers["content-length"] = str(length)
        self.is_begun = True
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": 200, "headers": raw})

    async def bytes(self, body: bytes) -> None:
        """Sends some bytes, as soon as the client has taken those before.

        Raises Unavailable when it takes too long for that, and Unauthenticated where the token has
        ended by now.
        """
        self._check_token()
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self.send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError as error:
            raise Unavailable(
                f"The client took nothing of a file for {self._patience_seconds:g} seconds."
            ) from error

    def _check_token(self) -> None:
        if self.ends_at is not None and time.time() >= self.ends_at:
            raise Unauthenticated("The token has expired; get a new one and ask again.")

    async def end(self) -> None:
        """Says that this was all."""
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})


async def answered(
    scope: Scope,
    receive: Receive,
    sending: Sending,
    answer: Callable[[Request, Sending], Coroutine[Any, Any, None]],
) -> None:
    """Has the request answered with a file, or with what was wrong."""
    try:
        await _while_connected(receive, answer(Request(scope), sending))
    except Exception as error:
        # What is half sent cannot be taken back: the server closes the connection before the
        # end of the answer, by which the client knows.
        if sending.is_begun:
            raise
        await answer_of(error)(scope, receive, sending.send)


def check_parameters(request: Request, known: Sequence[str]) -> None:
    """Raises what a request is told that does not get a file, or says what nobody understands."""
    if request.method != "GET":
        message = f"{request.method} is not understood here; send GET."
        raise Refused(405, Invalid(message), {"allow": "GET"})
    for name in request.query_params:
        if name not in known:
            listed = " and ".join((", ".join(known[:-1]), known[-1]) if known[1:] else known)
            raise Invalid(f"There is no parameter {name!r}; there are {listed}.")
    refuse_null_characters(dict(request.query_params))


@asynccontextmanager
async def place_in(places: asyncio.Semaphore) -> AsyncIterator[None]:
    """One of the places of a process for the block. Told to come again where there is none."""
    if places.locked():
        message = (
            f"{MOST_AT_ONCE} files are being sent, and no more at once; ask again in "
            f"{_RETRY_AFTER_SECONDS} seconds."
        )
        raise Refused(503, Unavailable(message), {"retry-after": f"{_RETRY_AFTER_SECONDS}"})
    async with places:
        yield


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Does the work, or as much of it as is done when the client leaves."""

    async def leaving() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, left = asyncio.create_task(work), asyncio.create_task(leaving())
    try:
        await asyncio.wait((working, left), return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        left.cancel()
        await asyncio.wait((working, left))
    if not working.cancelled():
        working.result()
