"""Lists of reports as files: the same filter as in GraphQL, for those who work in a spreadsheet.

A CSV goes out while it is read, as fast as the client takes it. An XLSX is made in a temporary
folder first. The work for a client that leaves ends at once.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import ParamSpec, TypeAlias, TypeVar, cast

import orjson
from graphql import GraphQLError, GraphQLInputType, coerce_input_value, validate_input_value
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from strawberry.types.arguments import convert_argument

from gridmap.api.sending import PATIENCE_SECONDS, Sending, answered, check_parameters, place_in
from gridmap.errors import Invalid
from gridmap.schema.context import Context
from gridmap.schema.null_characters import refuse_null_characters
from gridmap.schema.reports import ReportFilter, filter_of
from gridmap.schema.root import schema
from gridmap.store.report_exports import report_rows
from gridmap.store.report_sheets import TITLES, Language, Workbook, csv_heading, csv_lines
from gridmap.store.streaming import Rows

_PARAMETERS = ("filter", "language")
_CHUNK_BYTES = 1 << 18

Reading: TypeAlias = AbstractAsyncContextManager[AsyncIterator[Rows]]
"""The rows of a file, which are read from when the block begins."""

Terms = ParamSpec("Terms")
Value = TypeVar("Value")


def routes(context: Callable[[Request], Context], places: asyncio.Semaphore) -> list[Route]:
    """`/reports.csv` and `/reports.xlsx`; `context` is called once for each request."""
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
        write: Callable[[Reading, Language, Sending], Awaitable[None]],
        context: Callable[[Request], Context],
        places: asyncio.Semaphore,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._write = write
        self._context = context
        self._places = places
        self._patience_seconds = patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answered(scope, receive, Sending(send, self._patience_seconds), self._answer)

    async def _answer(self, request: Request, sending: Sending) -> None:
        check_parameters(request, _PARAMETERS)
        given = request.query_params
        language = language_of(given.get("language", Language.CHINESE))
        context = self._context(request)
        wanted = await filter_of(context, report_filter(given.get("filter", "null")))
        await context.enter_reads()
        async with place_in(self._places):
            sending.name = f"{TITLES[language]}-{context.today}"
            sending.plain_name = f"reports-{context.today}"
            sending.ends_at = context.ends_at
            reading = report_rows(context.database, wanted, context.viewer)
            await self._write(reading, language, sending)


def report_filter(text: str) -> ReportFilter | None:
    """The GraphQL input `ReportFilter` that a JSON text holds, by GraphQL's own rules.

    Raises Invalid, with all that is wrong with it.
    """
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The parameter 'filter' is not JSON: {error}.") from error
    refuse_null_characters({"filter": given})
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


async def send_csv(reading: Reading, language: Language, sending: Sending) -> None:
    """Reads and sends at the same time."""
    async with reading as batches:
        await sending.begin("text/csv; charset=utf-8", ".csv")
        await sending.bytes(csv_heading(language))
        async for rows in batches:
            await sending.bytes(csv_lines(rows, language))
    await sending.end()


async def send_xlsx(reading: Reading, language: Language, sending: Sending) -> None:
    """Makes the file, and then sends it."""
    with tempfile.TemporaryDirectory(prefix="gridmap-") as folder:
        path = Path(folder) / "reports.xlsx"
        book = Workbook(path, language)
        try:
            async with reading as batches:
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


def language_of(text: str) -> Language:
    """Raises Invalid where there is no such language."""
    try:
        return Language(text)
    except ValueError as error:
        known = " and ".join(Language)
        raise Invalid(f"There are no files in the language {text!r}; there are {known}.") from error
