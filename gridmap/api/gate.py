"""What every request passes before it is answered, and every answer after: a number by which it is
found in the log, who asks, whether that is too often, and headers for browsers.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gridmap.api.errors import answer_of
from gridmap.api.logs import request_id
from gridmap.errors import TooOften

# For supervisors, who ask often and from one address.
_UNCOUNTED = frozenset({"/healthz", "/readyz"})

# Of what is shown as a page; pages that load something say themselves what.
_FRAMED_BY_NOBODY = "base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"


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
        id = secrets.token_hex(8)
        request_id.set(id)
        is_secure = scope["scheme"] in ("https", "wss")

        async def sent(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                _put_headers(MutableHeaders(scope=message), id, is_secure)
            await send(message)

        if scope["type"] == "http" and scope["path"] not in _UNCOUNTED:
            connection = HTTPConnection(scope)
            await self._prepare(connection)
            try:
                self._count(connection)
            except TooOften as error:
                await answer_of(error)(scope, receive, sent)
                return
        await self._app(scope, receive, sent)


def _put_headers(headers: MutableHeaders, id: str, is_secure: bool) -> None:
    headers["x-request-id"] = id
    headers["x-content-type-options"] = "nosniff"
    headers["x-frame-options"] = "DENY"
    headers.setdefault("referrer-policy", "same-origin")
    # An answer of the API is no page, whatever it holds. A 304 leaves a page what it was sent with.
    if kind := headers.get("content-type"):
        policy = _NO_PAGE if "json" in kind else _FRAMED_BY_NOBODY
        headers.setdefault("content-security-policy", policy)
    if is_secure:
        headers["strict-transport-security"] = "max-age=31536000"
