"""GraphQL over HTTP, to its specification, on any Strawberry schema.

A view of our own, because the library's lacks the specification's media type and its status
codes, takes bodies of any size for any time, and costs several times what the execution does.
Documents are parsed, checked and planned once and then kept, so that a request that was seen
before is executed straight away.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from inspect import isawaitable
from typing import Any, TypeGuard, cast

import orjson
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    specified_rules,
    validate,
)
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from gridmap.api import graphiql
from gridmap.api.graphql_errors import field_errors, masked, request_errors, told
from gridmap.api.media_types import is_utf8, media_type, preferred
from gridmap.api.plans import Plan, plan
from gridmap.errors import GridmapError, Invalid, TooLarge, Unavailable
from gridmap.schema.limits import Limits, limit_rule, parse_within

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"


class GraphQLEndpoint:
    """An ASGI application for one path.

    `context` is called once for each request, and what it gives is `info.context`; a GridmapError
    that it raises refuses the request. `page` answers browsers that come without a query; None
    leaves it out. `version` names the state of the data that a request was answered from, given
    its context; None where that has no name. `body_limit` is in bytes, before which a request's
    body is not read further. `kept_documents` and `kept_characters` bound the documents that are
    kept; a character takes about 250 bytes of memory once parsed and planned.

    Every error carries `extensions.code`: PARSE_FAILED, VALIDATION_FAILED, or a code of
    gridmap.errors.

    Raises ValueError for a schema with extensions or operation directives, which would be passed
    over here, and for one whose answers come in parts.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        context: Callable[[Request], object],
        *,
        limits: Limits | None = None,
        body_limit: int = 1_000_000,
        time_limit_seconds: float = 15.0,
        kept_documents: int = 1_000,
        kept_characters: int = 250_000,
        page: Callable[[Request], Response] | None = graphiql.page,
        version: Callable[[Any], str | None] = lambda _: None,
    ) -> None:
        if schema.extensions or schema.directives:
            raise ValueError("This endpoint runs no Strawberry extensions and no directives.")
        if schema._schema.get_directive("defer") or schema._schema.get_directive("stream"):
            raise ValueError("This endpoint gives an answer at once, without @defer and @stream.")
        self._schema = schema
        self._context = context
        self._body_limit = body_limit
        self._time_limit_seconds = time_limit_seconds
        self._documents = Documents(schema, limits or Limits(), kept_documents, kept_characters)
        self._page = page
        self._version = version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(Request(scope, receive))
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        is_bare_get = request.method in ("GET", "HEAD") and "query" not in request.query_params
        offered = (JSON, HTML, GRAPHQL) if is_bare_get and self._page else (JSON, GRAPHQL)
        accepted = preferred(", ".join(request.headers.getlist("accept")) or "*/*", offered)
        if accepted == HTML and self._page:
            return self._page(request)
        headers = {"vary": "accept, authorization"}
        try:
            if accepted is None:
                raise _Refused(406, Invalid(f"This answers with {GRAPHQL} or {JSON}; accept one."))
            context, content = await self._answer(request)
            status, answer = 200, orjson.dumps(content)
            if request.method != "POST" and "errors" not in content:
                headers |= {"cache-control": "private, no-cache"}
                headers["etag"] = etag = _etag(self._version(context), accepted, answer)
                if _is_known(etag, request.headers.getlist("if-none-match")):
                    return Response(None, 304, headers)
        except _Refused as refused:
            status, answer = refused.status, orjson.dumps({"errors": [refused.error]})
            headers |= refused.headers
        except Failed as failed:
            # In plain JSON a status other than 200 may be a proxy's, so it says nothing.
            status = 200 if accepted == JSON else failed.status
            answer = orjson.dumps({"errors": failed.errors})
        except ClientDisconnect:
            raise
        except GridmapError as error:
            status = _STATUSES.get(error.code, 400)
            answer = orjson.dumps({"errors": [told(error)]})
            if status == 401:
                headers["www-authenticate"] = "Bearer"
        except Exception as error:  # noqa: BLE001, logged as it is masked
            status, answer = 500, orjson.dumps({"errors": [masked(error)]})
        return Response(answer, status, headers, f"{accepted or JSON}; charset=utf-8")

    async def _answer(self, request: Request) -> tuple[object, dict[str, object]]:
        """The context that was answered with, and the answer."""
        asked = await self._read(request)
        document = self._documents.checked(asked.query)
        operation = get_operation_ast(document.node, asked.operation_name)
        if operation is not None and operation.operation is not OperationType.QUERY:
            kind = operation.operation.value
            if request.method != "POST":
                message = f"A {kind} is not sent by {request.method}; send it by POST."
                raise _Refused(405, Invalid(message), {"allow": "POST"})
            if operation.operation is OperationType.SUBSCRIPTION:
                raise _Refused(400, Invalid("A subscription needs a WebSocket."))
        context = self._context(request)
        result = await self._execute(asked, document, operation, context)
        if result.data is None and all(e.path is None for e in result.errors or ()):
            raise Failed(request_errors(result.errors or (), Invalid.code))
        if not result.errors:
            return context, {"data": result.data}
        return context, {"errors": field_errors(result.errors), "data": result.data}

    async def _execute(
        self,
        asked: _Asked,
        document: Document,
        operation: OperationDefinitionNode | None,
        context: object,
    ) -> ExecutionResult:
        # Strawberry's, so that resolvers see the `info` they would see anywhere.
        executor = self._schema.execution_context_class.build(
            self._schema._schema,
            document.node,
            context_value=context,
            raw_variable_values=asked.variables,
            operation_name=asked.operation_name,
            operation_extensions=asked.extensions,
            is_awaitable=_is_awaitable,
        )
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        planned = operation and document.plan(operation)
        if planned and (data := planned.data(executor)) is not None:
            return ExecutionResult(data, None)
        # Never in parts, which take directives that the schema does not have.
        result = cast("ExecutionResult | Awaitable[ExecutionResult]", executor.execute_operation())
        if not isawaitable(result):
            return result
        try:
            async with asyncio.timeout(self._time_limit_seconds) as deadline:
                return await result
        except TimeoutError as error:
            if not deadline.expired():
                raise
            stopped = Unavailable(
                f"This took longer than {self._time_limit_seconds:g} seconds and was stopped. Ask "
                "for less, or again later."
            )
            raise Failed([told(stopped)], 503) from error

    async def _read(self, request: Request) -> _Asked:
        if request.method in ("GET", "HEAD"):
            given: dict[str, Any] = {
                name: text for name, text in request.query_params.items() if text
            }
            for name in given.keys() & {"variables", "extensions"}:
                given[name] = _json(given[name], f"The parameter '{name}'")
            return _asked(given)
        if request.method != "POST":
            raise _Refused(
                405,
                Invalid(f"{request.method} is not understood here; send GET or POST."),
                {"allow": "GET, HEAD, POST"},
            )
        sent, parameters = media_type(request.headers.get("content-type", ""))
        if sent != JSON or not is_utf8(parameters):
            raise _Refused(
                415,
                Invalid(
                    f"The Content-Type is {request.headers.get('content-type')!r}; send {JSON} in "
                    "UTF-8."
                ),
            )
        coding = request.headers.get("content-encoding", "identity")
        if coding.lower() != "identity":
            raise _Refused(415, Invalid(f"The body is sent as {coding!r}; send it as it is."))
        return _asked(_json(await self._body(request), "The body"))

    async def _body(self, request: Request) -> bytearray:
        declared = request.headers.get("content-length", "0")
        body = bytearray()
        # Fifteen digits are no size that was meant; Python reads no more than 4300 of them.
        if len(declared) < 15 and int(declared) <= self._body_limit:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self._body_limit:
                    break
            else:
                return body
        raise _Refused(
            413, TooLarge(f"The body is larger than {self._body_limit} bytes; send less at once.")
        )


class Document:
    """A document without fault, and the plans of its operations."""

    def __init__(self, schema: strawberry.Schema, node: DocumentNode) -> None:
        self.node = node
        self._schema = schema
        self._plans: dict[str, Plan | None] = {}

    def plan(self, operation: OperationDefinitionNode) -> Plan | None:
        """How to run one of its operations; None where graphql-core is to."""
        name = operation.name.value if operation.name else ""
        if name not in self._plans:
            self._plans[name] = plan(self._schema, self.node, operation)
        return self._plans[name]


class Documents:
    """Documents without fault, each parsed and validated once; the longest unused goes first."""

    def __init__(
        self, schema: strawberry.Schema, limits: Limits, most: int, most_characters: int
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._most = most
        self._characters_left = most_characters
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._rules = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)

    def checked(self, text: str) -> Document:
        """The document, ready to run. Raises Failed, with all that is wrong with it."""
        kept = self._kept.get(text)
        if kept is not None:
            self._kept.move_to_end(text)
            return kept
        try:
            document = parse_within(self._limits, text)
        except GraphQLError as error:
            raise Failed(request_errors([error], "PARSE_FAILED")) from error
        schema = self._schema._schema
        errors = validate(schema, document, [limit_rule(self._limits)]) or validate(
            schema, document, self._rules
        )
        if errors:
            raise Failed(request_errors(errors, "VALIDATION_FAILED"))
        return self._keep(text, Document(self._schema, document))

    def _keep(self, text: str, document: Document) -> Document:
        self._kept[text] = document
        self._characters_left -= len(text)
        while self._characters_left < 0 or len(self._kept) > self._most:
            oldest, _ = self._kept.popitem(last=False)
            self._characters_left += len(oldest)
        return document


class _Refused(Exception):
    """The request is not one that GraphQL over HTTP knows; its status says so to anybody."""

    def __init__(self, status: int, error: GridmapError, headers: dict[str, str] | None = None):
        super().__init__(error.message)
        self.status = status
        self.error = told(error)
        self.headers = headers or {}


class Failed(Exception):
    """The request was understood and has no data; the status is for those who read statuses."""

    def __init__(self, errors: list[dict[str, object]], status: int = 400) -> None:
        super().__init__(errors)
        self.status = status
        self.errors = errors


@dataclass(frozen=True, slots=True)
class _Asked:
    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None


# Strawberry does not say so, but it narrows.
_is_awaitable = cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable)

_ENTITY_TAGS = re.compile(r'(?:W/)?("[^"]*")')
_STATUSES = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "UNAVAILABLE": 503,
}
_JSON_NAMES = {dict: "an object", list: "an array", str: "a string", bool: "a truth value"}


def _etag(version: str | None, accepted: str, answer: bytes) -> str:
    """A strong one: answers that have it are the same byte for byte, and of the same type."""
    digest = blake2b(accepted.encode() + answer, digest_size=12).hexdigest()
    return f'"{version}-{digest}"' if version else f'"{digest}"'


def _is_known(etag: str, if_none_match: list[str]) -> bool:
    """Whether the client has this answer, by RFC 9110, 13.1.2; comparison is weak there."""
    said = ",".join(if_none_match).strip()
    return said == "*" or etag in _ENTITY_TAGS.findall(said)


def _asked(given: object) -> _Asked:
    if isinstance(given, list):
        raise _Refused(400, Invalid("Batches are not taken; send each operation by itself."))
    if not isinstance(given, dict):
        raise _Refused(400, Invalid(f"The body is {_json_name(given)}; send an object."))
    query = given.get("query")
    if not isinstance(query, str):
        what = f"'query' is {_json_name(query)}" if "query" in given else "There is no 'query'"
        raise _Refused(400, Invalid(f"{what}; it is the text of an operation, as a string."))
    optional = (("variables", dict), ("operationName", str), ("extensions", dict))
    for name, kind in optional:
        value = given.get(name)
        if value is not None and not isinstance(value, kind):
            message = f"'{name}' is {_json_name(value)}; it is {_JSON_NAMES[kind]} or null."
            raise _Refused(400, Invalid(message))
    return _Asked(query, *(given.get(name) for name, _ in optional))


def _json(text: str | bytearray, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _Refused(400, Invalid(f"{what} is not JSON in UTF-8: {error}.")) from error


def _json_name(value: object) -> str:
    return "null" if value is None else _JSON_NAMES.get(type(value), "a number")
