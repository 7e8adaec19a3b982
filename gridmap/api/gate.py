"""What every request passes before it is answered, and every answer after: a number by which it is
found in the log, who asks, whether that is too often, and headers for browsers.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gridmap.api.errors import answer_of
from gridmap.api.logs import request_id
from gridmap.errors import TooOften
from gridmap.store.audit import Origin, origin

Header: TypeAlias = tuple[bytes, bytes]

# For supervisors, who ask often and from one address.
_UNCOUNTED = frozenset({"/healthz", "/readyz"})

_EACH = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
]
_OVER_TLS = [(b"strict-transport-security", b"max-age=31536000")]

# An answer of the API is no page, whatever it holds; pages that load something say what.
_OF_DATA = [(b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")]
_OF_A_PAGE = [
    (
        b"content-security-policy",
        b"base-uri 'none'; object-src 'none'; frame-ancestors 'none'",
    )
]


class Gate:
    """Middleware. `prepare` has what is needed to know who asks, and `count` counts it, raising
    TooOften; a socket's operations are counted one by one elsewhere.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        prepare: Callable[[HTTPConnection], Awaitable[None]],
        count: Callable[[HTTPConnection], None],
    ) -> None:
        self._app = app
        self._prepare = prepare
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        # Nobody need be kept from guessing it, and the kernel's own take a way to it each.
        id = f"{random.getrandbits(64):016x}"
        request_id.set(id)
        origin.set(Origin(address=_address(scope), request=id))
        is_secure = scope["scheme"] in ("https", "wss")

        has_begun = False

        async def sent(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = _headers(message.get("headers", ()), id, is_secure)
                message = {**message, "headers": headers}
            await send(message)

        if scope["type"] == "http" and scope["path"] not in _UNCOUNTED:
            connection = HTTPConnection(scope)
            await self._prepare(connection)
            try:
                self._count(connection)
            except TooOften as error:
                await answer_of(error)(scope, receive, sent)
                return
        try:
            await self._app(scope, receive, sent)
        except Exception as error:
            # What is half sent cannot be taken back.
            if has_begun or scope["type"] != "http":
                raise
            await answer_of(error)(scope, receive, sent)


def _address(scope: Scope) -> str:
    """Whole, as the trusted proxies say it."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _headers(given: Iterable[Header], id: str, is_secure: bool) -> list[Header]:
    """What is sent: the headers given, and those of ours that are not there yet."""
    said = dict(given)
    ours = [*_EACH, *_OVER_TLS] if is_secure else _EACH
    # A 304 has no type, and leaves a page what it was sent with.
    if kind := said.get(b"content-type"):
        ours = [*ours, *(_OF_DATA if b"json" in kind else _OF_A_PAGE)]
    added = [each for each in ours if each[0] not in said]
    return [*given, *added, (b"x-request-id", id.encode())]
