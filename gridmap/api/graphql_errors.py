"""How errors are told to a GraphQL client: each with a stable code, and none that leaks.

A GridmapError is told as it is. What nobody meant for the client is told to the log "gridmap"
with a number, and to the client as the number alone.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphql import GraphQLError, ValueNode, VariableNode
from strawberry.exceptions import StrawberryInputCoercionError

from gridmap.api.logs import request_id
from gridmap.errors import GridmapError, Invalid

_log = logging.getLogger("gridmap")

_STATUSES = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "TOO_LARGE": 413,
    "RATE_LIMITED": 429,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
}


def http_status(errors: Sequence[Mapping[str, Any]]) -> int:
    """The status of an answer that is nothing but these errors; the first one decides."""
    return _STATUSES.get(errors[0]["extensions"]["code"], 400)


def told(error: GridmapError) -> dict[str, object]:
    """An error outside of any field."""
    return _told(error.message, error.code, error.details)


def request_errors(errors: Iterable[GraphQLError], code: str) -> list[dict[str, object]]:
    """Errors of a request that did not run; `code` where one brings none of its own."""
    return [_located(error, error.message, _code(error) or code) for error in errors]


def field_errors(errors: Iterable[GraphQLError]) -> list[dict[str, object]]:
    """Errors of fields that ran."""
    numbers: dict[int, str] = {}
    formatted = []
    for error in errors:
        code = _code(error)
        if code is None:
            formatted.append({**_located(error, "", ""), **masked(_cause(error), numbers)})
        else:
            formatted.append(_located(error, error.message, code))
    return formatted


def masked(error: Exception, numbers: dict[int, str] | None = None) -> dict[str, object]:
    """Logs an error that is not for the client, and gives what the client is told.

    `numbers` are those given for this request before, as many fields may fail of one error.
    """
    numbers = {} if numbers is None else numbers
    number = numbers.get(id(error))
    if number is None:
        number = numbers[id(error)] = secrets.token_hex(6)
        _log.error("Error %s", number, exc_info=error)
    return _told(
        f"Something went wrong here. If it lasts, report it with this number: {number}",
        GridmapError.code,
        {"requestId": request} if (request := request_id.get()) else None,
    )


def _code(error: GraphQLError) -> str | None:
    """The code that an error brings; None for one that is nobody's to see."""
    cause = _cause(error)
    if isinstance(cause, GridmapError):
        return cause.code
    if error.extensions and "code" in error.extensions:
        return str(error.extensions["code"])
    # graphql-core points at the value where a scalar did not take it, and at the field otherwise.
    at = error.nodes[0] if error.nodes else None
    value_was_refused = isinstance(at, ValueNode) and not isinstance(at, VariableNode)
    if value_was_refused or isinstance(cause, StrawberryInputCoercionError):
        return Invalid.code
    return None


def _cause(error: GraphQLError) -> Exception:
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _located(error: GraphQLError, message: str, code: str) -> dict[str, object]:
    located: dict[str, object] = {"message": message}
    if error.locations:
        located["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        located["path"] = error.path
    cause = _cause(error)
    details = cause.details if isinstance(cause, GridmapError) else {}
    return {**located, "extensions": {**(error.extensions or {}), **details, "code": code}}


def _told(
    message: str, code: str, details: Mapping[str, object] | None = None
) -> dict[str, object]:
    return {"message": message, "extensions": {**(details or {}), "code": code}}
