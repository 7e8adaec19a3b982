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
        except Refused as refused:
            return _response(refused.status, told(refused.error), refused.headers)
        except GridmapError as error:
            status = status_of(error)
            return _response(status, told(error), {"retry-after": "5"} if status == 503 else {})
        except Exception as error:  # noqa: BLE001, logged as it is masked
            return _response(500, masked(error), {})

    return answer


def _response(status: int, error: dict[str, object], headers: Mapping[str, str]) -> Response:
    return Response(
        orjson.dumps({"errors": [error]}),
        status,
        {"cache-control": "no-store", "x-content-type-options": "nosniff", **headers},
        "application/json",
    )
