"""What every request passes before it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send


class Gate:
    """Middleware. `prepare` has what is needed to know who asks; a socket says that later."""

    def __init__(
        self, app: ASGIApp, *, prepare: Callable[[HTTPConnection], Awaitable[None]]
    ) -> None:
        self._app = app
        self._prepare = prepare

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._prepare(HTTPConnection(scope))
        await self._app(scope, receive, send)
