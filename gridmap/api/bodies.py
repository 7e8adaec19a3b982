"""The body of a request, read only as far as it may go: so many bytes, within so long."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from gridmap.api.errors import Refused
from gridmap.errors import Invalid, TooLarge

SECONDS_TO_ARRIVE = 30.0
"""For what is text. 2 MB in that time is 0.5 Mbit/s; a photo is given longer."""


async def body_of(
    request: Request,
    most_bytes: int,
    *,
    what: str = "The body",
    seconds: float = SECONDS_TO_ARRIVE,
) -> bytearray:
    """The bytes of a request's body.

    Raises Refused: with 415 where they are compressed, since a few may then be very many; with 413
    where there are more, before they are read as far as Content-Length says so; with 408 where
    they do not arrive in time. Raises ClientDisconnect where the client leaves.
    """
    coding = request.headers.get("content-encoding", "identity")
    if coding.lower() != "identity":
        raise Refused(415, Invalid(f"{what} is sent as {coding!r}; send it as it is."))
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            # Fifteen digits are no size that was meant; Python reads no more than 4300 of them.
            if len(declared) < 15 and int(declared) <= most_bytes:
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most_bytes:
                        break
                else:
                    return body
    except TimeoutError as error:
        message = f"{what} did not arrive within {seconds:g} s; send it smaller."
        # The rest is not waited for.
        raise Refused(408, Invalid(message), {"connection": "close"}) from error
    raise Refused(413, TooLarge(f"{what} is larger than {most_bytes} bytes; send less at once."))
