"""Lists of reports as files: the same filter as in GraphQL, for those who work in a spreadsheet.

A CSV goes out while it is read, as fast as the client takes it. An XLSX is made in a temporary
folder first. The work for a client that leaves ends at once.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast
from urllib.parse import quote

import orjson
from graphql import GraphQLError, GraphQLInputType, coerce_input_value, validate_input_value
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from strawberry.types.arguments import convert_argument

from gridmap.api.errors import Refused, answer_of
from gridmap.errors import Invalid, Unavailable
from gridmap.schema.context import Context
from gridmap.schema.reports import ReportFilter, filter_of
from gridmap.schema.root import schema
from gridmap.store import reports as store
from gridmap.store.database import Database
from gridmap.store.report_exports import report_rows
from gridmap.store.report_sheets import TITLES, Language, Workbook, csv_heading, csv_lines

MOST_AT_ONCE = 2
"""Files that one process sends at the same time: each may hold a connection of the pool."""

PATIENCE_SECONDS = 60.0
"""How long a client may take nothing of a file. Until the file is sent it keeps others waiting, and
a CSV keeps PostgreSQL from cleaning up what has changed meanwhile."""

_RETRY_AFTER_SECONDS = 30
_PARAMETERS = ("filter", "language")
_CHUNK_BYTES = 1 << 18

Terms = ParamSpec("Terms")
Value = TypeVar("Value")


def routes(context: Callable[[Request], Context]) -> list[Route]:
    """`/reports.csv` and `/reports.xlsx`; `context` is called once for each request."""
    places = asyncio.Semaphore(MOST_AT_ONCE)
    return [
        Route("/reports.csv", ReportFile(send_csv, context, places)),
        Route("/reports.xlsx", ReportFile(send_xlsx, context, places)),
    ]


class ReportFile:
    """An ASGI application that sends one kind of file.

    `write` reads and sends it. `places` are shared by all files of a process.
    """

    def __init__(
        self,
        write: Callable[[Database, store.ReportFilter, Language, Sending], Awaitable[None]],
        context: Callable[[Request], Context],
        places: asyncio.Semaphore,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._write = write
        self._context = context
        self._places = places
        self._patience_seconds = patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = Sending(send, self._patience_seconds)
        try:
            await _while_connected(receive, self._answer(Request(scope), sending))
        except Exception as error:
            # What is half sent cannot be taken back: the server closes the connection before the
            # end of the answer, by which the client knows.
            if sending.is_begun:
                raise
            await answer_of(error)(scope, receive, send)

    async def _answer(self, request: Request, sending: Sending) -> None:
        if request.method != "GET":
            message = f"{request.method} is not understood here; send GET."
            raise Refused(405, Invalid(message), {"allow": "GET"})
        given = request.query_params
        for name in given:
            if name not in _PARAMETERS:
                known = " and ".join(_PARAMETERS)
                raise Invalid(f"There is no parameter {name!r}; there are {known}.")
        language = _language(given.get("language", Language.CHINESE))
        context = self._context(request)
        wanted = await filter_of(context, report_filter(given.get("filter", "null")))
        if self._places.locked():
            message = (
                f"{MOST_AT_ONCE} files are being sent, and no more at once; ask again in "
                f"{_RETRY_AFTER_SECONDS} seconds."
            )
            raise Refused(503, Unavailable(message), {"retry-after": f"{_RETRY_AFTER_SECONDS}"})
        async with self._places:
            sending.name = f"{TITLES[language]}-{context.today}"
            await self._write(context.database, wanted, language, sending)


def report_filter(text: str) -> ReportFilter | None:
    """The GraphQL input `ReportFilter` that a JSON text holds, by GraphQL's own rules.

    Raises Invalid, with all that is wrong with it.
    """
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The parameter 'filter' is not JSON: {error}.") from error
    type_ = cast("GraphQLInputType", schema._schema.get_type("ReportFilter"))
    wrong: list[str] = []

    def note(error: GraphQLError, path: list[str | int]) -> None:
        place = ".".join(map(str, path))
        wrong.append(f"{place}: {error.message}" if place else error.message)

    validate_input_value(given, type_, note)
    if wrong:
        raise Invalid(f"The parameter 'filter' is no ReportFilter. {' '.join(wrong)}")
    converted = convert_argument(
        coerce_input_value(given, type_),
        ReportFilter,
        schema.schema_converter.scalar_registry,
        schema.config,
    )
    return cast("ReportFilter | None", converted)


class Sending:
    """An answer on its way. `name` is that of the file, without its ending."""

    def __init__(self, send: Send, patience_seconds: float) -> None:
        self._send = send
        self._patience_seconds = patience_seconds
        self.name = ""
        self.is_begun = False

    async def begin(self, type_: str, ending: str, length: int | None = None) -> None:
        """Sends the status and the headers; `length` is in bytes, None where nobody knows it."""
        headers = {
            "content-type": type_,
            # The one name for all, the other for those who read RFC 6266.
            "content-disposition": f'attachment; filename="reports{self.name[-11:]}{ending}"; '
            f"filename*=UTF-8''{quote(self.name + ending)}",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        if length is not None:
            headers["content-length"] = str(length)
        self.is_begun = True
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": raw})

    async def bytes(self, body: bytes) -> None:
        """Sends some bytes, as soon as the client has taken those before.

        Raises Unavailable when it takes too long for that.
        """
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError as error:
            raise Unavailable(
                f"The client took nothing of a file for {self._patience_seconds:g} seconds."
            ) from error

    async def end(self) -> None:
        """Says that this was all."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_csv(
    database: Database, wanted: store.ReportFilter, language: Language, sending: Sending
) -> None:
    """Reads and sends at the same time."""
    async with report_rows(database, wanted) as batches:
        await sending.begin("text/csv; charset=utf-8", ".csv")
        await sending.bytes(csv_heading(language))
        async for rows in batches:
            await sending.bytes(csv_lines(rows, language))
    await sending.end()


async def send_xlsx(
    database: Database, wanted: store.ReportFilter, language: Language, sending: Sending
) -> None:
    """Makes the file, and then sends it."""
    with tempfile.TemporaryDirectory(prefix="gridmap-") as folder:
        path = Path(folder) / "reports.xlsx"
        book = Workbook(path, language)
        try:
            async with report_rows(database, wanted) as batches:
                async for rows in batches:
                    await _in_thread(book.write, rows)
            await _in_thread(book.close)
        finally:
            book.abandon()
        await sending.begin(
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            ".xlsx",
            path.stat().st_size,
        )
        with path.open("rb") as file:
            while chunk := await _in_thread(file.read, _CHUNK_BYTES):
                await sending.bytes(chunk)
    await sending.end()


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


async def _in_thread(
    function: Callable[Terms, Value], *terms: Terms.args, **named: Terms.kwargs
) -> Value:
    """What the function gives; it is waited for even by who is cancelled, so that nothing of it
    goes on behind."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *terms, **named))
    try:
        return await asyncio.shield(running)
    finally:
        if not running.done():
            await asyncio.wait((running,))


def _language(text: str) -> Language:
    try:
        return Language(text)
    except ValueError as error:
        known = " and ".join(Language)
        raise Invalid(f"There are no files in the language {text!r}; there are {known}.") from error
