"""How errors are told over HTTP: the status of each, and the JSON that says what was wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gridmap.api.graphql_errors import http_status, masked, told
from gridmap.errors import GridmapError

Endpoint = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """An error whose status is another one than that of its code."""

    def __init__(
        self, status: int, error: GridmapError, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers or {}


def status_of(error: GridmapError) -> int:
    """The HTTP status that says the same as the error's code."""
    return http_status([told(error)])


def telling_errors(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with what it raises told to the client as GraphQL's errors are."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:  # noqa: BLE001, logged where it is masked
            return answer_of(error)

    return answer


def answer_of(error: Exception) -> Response:
    """What the client is told of an error, in the shape that GraphQL's errors have."""
    headers: Mapping[str, str] = {}
    if isinstance(error, Refused):
        status, headers, said = error.status, error.headers, told(error.error)
    elif isinstance(error, GridmapError):
        status, said = status_of(error), told(error)
        if status == 503:
            headers = {"retry-after": "5"}
        elif status == 429:
            headers = {"retry-after": f"{error.details['retryAfterSeconds']}"}
        elif status == 401:
            headers = {"www-authenticate": "Bearer"}
    else:
        status, said = 500, masked(error)
    return Response(
        orjson.dumps({"errors": [said]}),
        status,
        {"cache-control": "no-store", "x-content-type-options": "nosniff", **headers},
        "application/json",
    )
