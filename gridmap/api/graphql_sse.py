"""GraphQL over server-sent events, in the "distinct connections mode" of graphql-sse.

Each answer is an event `next`, and `complete` follows the last. A stream that ends without it was
cut short, by the server's stop or because its client did not read: ask again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import orjson
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from gridmap.api.addresses import client_address
from gridmap.api.graphql_errors import masked, told
from gridmap.api.operations import Answer, messages
from gridmap.api.streams import TOKEN_ENDED, Streams, until
from gridmap.errors import Unauthenticated

EVENTS = "text/event-stream"

_HEADERS = [
    (b"content-type", EVENTS.encode() + b"; charset=utf-8"),
    (b"cache-control", b"private, no-store"),
    (b"vary", b"accept"),
    # nginx would keep events until its buffer is full.
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """The response that sends these answers, as they come, and closes them in the end.

    At `ends_at`, in seconds of the epoch, the client is nobody any more, and is told so.
    """

    def __init__(
        self,
        answers: AsyncGenerator[Answer, None],
        streams: Streams,
        ends_at: float | None = None,
    ) -> None:
        self._answers = answers
        self._streams = streams
        self._ends_at = ends_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ended = asyncio.Event()
        with self._streams.open(client_address(HTTPConnection(scope)), ended.set):
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            working = [
                asyncio.create_task(self._tell(send)),
                asyncio.create_task(self._show_life(send)),
            ]
            waiting = [
                asyncio.create_task(_is_left(receive)),
                asyncio.create_task(ended.wait()),
            ]
            token_ends = asyncio.create_task(_end(self._ends_at))
            tasks = [*working, *waiting, token_ends]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                has_ended = token_ends.done() and not any(task.done() for task in tasks[:-1])
                for task in tasks:
                    task.cancel()
                for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                    # Those who do not read, and those who left, are no fault of ours.
                    if isinstance(outcome, Exception) and not isinstance(outcome, OSError):
                        masked(outcome)
            with suppress(OSError, TimeoutError):
                if has_ended:
                    error = told(Unauthenticated(TOKEN_ENDED))
                    await self._put(send, _event("next", orjson.dumps({"errors": [error]})))
                    await self._put(send, _event("complete", b""))
                await send({"type": "http.response.body"})

    async def _tell(self, send: Send) -> None:
        async with aclosing(messages(self._answers)) as told:
            async for message in told:
                content = (
                    {"errors": message.payload} if message.kind == "error" else message.payload
                )
                await self._put(send, _event("next", orjson.dumps(content)))
        await self._put(send, _event("complete", b""))

    async def _show_life(self, send: Send) -> None:
        while True:
            await asyncio.sleep(self._streams.limits.keep_alive_seconds)
            await self._put(send, b":\n\n")

    async def _put(self, send: Send, text: bytes) -> None:
        async with asyncio.timeout(self._streams.limits.send_seconds):
            await send({"type": "http.response.body", "body": text, "more_body": True})


def _event(name: str, data: bytes) -> bytes:
    # JSON that was written elsewhere may go over several lines.
    lines = data.splitlines() or [b""]
    return b"".join([f"event: {name}\n".encode(), *(b"data: %b\n" % line for line in lines), b"\n"])


async def _end(at: float | None) -> None:
    await (until(at) if at is not None else asyncio.Event().wait())


async def _is_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
