"""GraphQL over HTTP, to its specification, and subscriptions, on any Strawberry schema.

A view of our own, because the library's lacks the specification's media type and its status
codes, takes bodies of any size for any time, and costs several times what the execution does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from hashlib import blake2b
from typing import Any

import orjson
import strawberry
from graphql import OperationType
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from gridmap.api import graphiql
from gridmap.api.addresses import client_address
from gridmap.api.bodies import SECONDS_TO_ARRIVE, body_of
from gridmap.api.errors import Refused
from gridmap.api.etags import is_known
from gridmap.api.graphql_errors import http_status, told
from gridmap.api.graphql_sse import EVENTS, EventStream
from gridmap.api.graphql_ws import PROTOCOL, Socket
from gridmap.api.media_types import is_utf8, media_type, names, preferred
from gridmap.api.operations import (
    Answer,
    Asked,
    Documents,
    Failed,
    Operations,
    asked,
    errors_of,
)
from gridmap.api.streams import StreamLimits, Streams
from gridmap.api.trusted_documents import TrustedDocuments
from gridmap.errors import Invalid, TooOften
from gridmap.schema.limits import Limits

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"


class GraphQLEndpoint:
    """An ASGI application for one path, over HTTP and WebSocket.

    `context` is called once for each operation and again for each event of a subscription, and what
    it gives is `info.context`; a GridmapError that it raises refuses what was asked. Over a
    WebSocket it is called for `connection_init` too, whose `authorization` is a header of the
    connection from then on; before that `prepare` is awaited, once, and for each operation `count`
    is called, whose GridmapError refuses it. Pages of `origins` may open one beside those of this
    site. `page` answers browsers that come without a query; None leaves it out. Without
    `introspection` the schema tells nobody of itself. With `trusted`, no other documents are
    executed. `version` names the state of the data that a
    request was answered from, given its context; None where that has no name. `ends_at` says until
    when, in seconds of the epoch, whoever asks is who they are; then their subscriptions end.
    `before_answer` is awaited with the context of each answer and event before it is given, and
    what it raises is told in its place. `body_limit` is in bytes, beyond which a request's body, or
    a socket's message, is not read; a body has `body_seconds` to arrive. `kept_documents` and
    `kept_characters` bound the documents that are kept; a character takes about 250 bytes of memory
    once parsed and planned.

    `streams` are those that are open; a server that stops is to stop them first.

    Every error carries `extensions.code`: PARSE_FAILED, VALIDATION_FAILED, or a code of
    gridmap.errors.

    Raises ValueError for a schema with extensions or operation directives, which would be passed
    over here, and for one whose answers come in parts.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        context: Callable[[HTTPConnection], object],
        *,
        limits: Limits | None = None,
        stream_limits: StreamLimits | None = None,
        body_limit: int = 1_000_000,
        body_seconds: float = SECONDS_TO_ARRIVE,
        time_limit_seconds: float = 15.0,
        kept_documents: int = 1_000,
        kept_characters: int = 250_000,
        page: Callable[[Request], Response] | None = graphiql.page,
        version: Callable[[Any], str | None] = lambda _: None,
        ends_at: Callable[[Any], float | None] = lambda _: None,
        before_answer: Callable[[Any], Awaitable[None]] | None = None,
        prepare: Callable[[HTTPConnection], Awaitable[None]] | None = None,
        count: Callable[[HTTPConnection], None] = lambda _: None,
        introspection: bool = True,
        trusted: TrustedDocuments | None = None,
        origins: frozenset[str] = frozenset(),
    ) -> None:
        if schema.extensions or schema.directives:
            raise ValueError("This endpoint runs no Strawberry extensions and no directives.")
        if schema._schema.get_directive("defer") or schema._schema.get_directive("stream"):
            raise ValueError("This endpoint gives an answer at once, without @defer and @stream.")
        documents = Documents(
            schema, limits or Limits(), kept_documents, kept_characters, introspection, trusted
        )
        self.streams = Streams(stream_limits or StreamLimits())
        self._operations = Operations(schema, documents, time_limit_seconds, before_answer)
        self._context = context
        self._body_limit = body_limit
        self._body_seconds = body_seconds
        self._page = page
        self._version = version
        self._ends_at = ends_at
        self._prepare = prepare
        self._count = count
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            websocket = WebSocket(scope, receive, send)
            await Socket(
                websocket,
                self._operations,
                self._context,
                self._ends_at,
                self._prepare,
                self._count,
                self._origins,
                self.streams,
                self._body_limit,
            ).run()
            return
        try:
            response = await self._respond(Request(scope, receive))
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> ASGIApp:
        is_bare_get = request.method in ("GET", "HEAD") and not (
            request.query_params.keys() & {"query", "documentId", "extensions"}
        )
        offered = (JSON, HTML, GRAPHQL) if is_bare_get and self._page else (JSON, GRAPHQL)
        accept = ", ".join(request.headers.getlist("accept")) or "*/*"
        accepted = preferred(accept, offered)
        if accepted == HTML and self._page:
            return self._page(request)
        headers = {"vary": "accept, authorization"}
        try:
            if accepted is None:
                if not names(accept, EVENTS):
                    message = f"This answers with {GRAPHQL} or {JSON}; accept one."
                    raise Refused(406, Invalid(message))
                accepted = EVENTS
            operation = self._operations.prepared(await self._read(request))
            if operation.kind is OperationType.SUBSCRIPTION:
                _require_stream(request.method, accept)
                self.streams.check(client_address(request))
                accepted = EVENTS
                ends_at = self._ends_at(self._context(request))
                events = await operation.events(partial(self._context, request))
                return EventStream(events, self.streams, ends_at)
            if operation.kind is OperationType.MUTATION:
                _require_method(request.method, "mutation", ("POST",))
            context = self._context(request)
            content = await operation.answer(context)
            if accepted == EVENTS:
                return EventStream(_only(content), self.streams)
            status, answer = 200, orjson.dumps(content)
            if request.method != "POST" and "errors" not in content:
                headers |= {"cache-control": "private, no-cache"}
                headers["etag"] = etag = _etag(self._version(context), accepted, answer)
                if is_known(etag, request.headers.getlist("if-none-match")):
                    return Response(None, 304, headers)
        except Refused as refused:
            status, answer = refused.status, orjson.dumps({"errors": [told(refused.error)]})
            headers |= refused.headers
        except Failed as failed:
            # In plain JSON a status other than 200 may be a proxy's, so it says nothing.
            status = 200 if accepted == JSON else failed.status
            answer = orjson.dumps({"errors": failed.errors})
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001, logged as it is masked
            errors = errors_of(error)
            status, answer = http_status(errors), orjson.dumps({"errors": errors})
            if status == 401:
                headers["www-authenticate"] = "Bearer"
            if isinstance(error, TooOften):
                headers["retry-after"] = f"{error.details['retryAfterSeconds']}"
        sent_as = GRAPHQL if accepted == EVENTS else accepted or JSON
        return Response(answer, status, headers, f"{sent_as}; charset=utf-8")

    async def _read(self, request: Request) -> Asked:
        if request.method in ("GET", "HEAD"):
            given: dict[str, Any] = {
                name: text for name, text in request.query_params.items() if text
            }
            for name in given.keys() & {"variables", "extensions"}:
                given[name] = _json(given[name], f"The parameter '{name}'")
            return asked(given)
        if request.method != "POST":
            raise Refused(
                405,
                Invalid(f"{request.method} is not understood here; send GET or POST."),
                {"allow": "GET, HEAD, POST"},
            )
        sent, parameters = media_type(request.headers.get("content-type", ""))
        if sent != JSON or not is_utf8(parameters):
            raise Refused(
                415,
                Invalid(
                    f"The Content-Type is {request.headers.get('content-type')!r}; send {JSON} in "
                    "UTF-8."
                ),
            )
        body = await body_of(request, self._body_limit, seconds=self._body_seconds)
        return asked(_json(body, "The body"))


async def _only(answer: Answer) -> AsyncGenerator[Answer, None]:
    yield answer


def _require_stream(method: str, accept: str) -> None:
    if not names(accept, EVENTS):
        message = (
            f"A subscription is answered in events: accept {EVENTS}, or ask over a WebSocket of "
            f"the protocol {PROTOCOL}."
        )
        raise Refused(400, Invalid(message))
    _require_method(method, "subscription", ("GET", "POST"))


def _require_method(method: str, kind: str, allowed: tuple[str, ...]) -> None:
    if method not in allowed:
        message = f"A {kind} is not sent by {method}; send it by {' or '.join(allowed)}."
        raise Refused(405, Invalid(message), {"allow": ", ".join(allowed)})


def _etag(version: str | None, accepted: str, answer: bytes) -> str:
    """A strong one: answers that have it are the same byte for byte, and of the same type."""
    digest = blake2b(accepted.encode() + answer, digest_size=12).hexdigest()
    return f'"{version}-{digest}"' if version else f'"{digest}"'


def _json(text: str | bytearray, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"{what} is not JSON in UTF-8: {error}.") from error
