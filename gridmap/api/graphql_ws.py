"""GraphQL over one WebSocket, to the protocol graphql-transport-ws of graphql-ws."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, ParamSpec, TypeAlias
from urllib.parse import urlsplit

import orjson
from graphql import OperationType
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from gridmap.api.addresses import client_address
from gridmap.api.graphql_errors import masked, told
from gridmap.api.operations import Answer, Asked, Operations, asked, json_name, messages
from gridmap.api.streams import TOKEN_ENDED, Streams, until
from gridmap.errors import Forbidden, GridmapError, Invalid, TooLarge, TooOften, Unavailable

PROTOCOL = "graphql-transport-ws"

Terms = ParamSpec("Terms")
Message: TypeAlias = dict[str, Any]


class Socket:
    """One socket, from its opening to its end.

    What a client does wrong closes it with the code that the protocol has for that, and says what
    it was. Whatever ends it, every subscription is closed before.
    """

    def __init__(
        self,
        socket: WebSocket,
        operations: Operations,
        context: Callable[[HTTPConnection], object],
        ends_at: Callable[[Any], float | None],
        prepare: Callable[[HTTPConnection], Awaitable[None]] | None,
        count: Callable[[HTTPConnection], None],
        origins: frozenset[str],
        streams: Streams,
        message_limit: int,
    ) -> None:
        self._socket = socket
        self._operations = operations
        self._context = context
        self._ends_at = ends_at
        self._prepare = prepare
        self._count = count
        self._origins = origins
        self._streams = streams
        self._limits = streams.limits
        self._message_limit = message_limit
        self._viewer: HTTPConnection | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[_Close] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Returns when the socket is closed."""
        is_invited = self._socket.headers.get("origin") in self._origins
        if not is_invited and not _is_of_this_site(self._socket):
            # Before it was accepted, which is a 403. A body would be shown to nobody by a browser,
            # and uvicorn would write an error to the log.
            await self._socket.close()
            return
        if PROTOCOL not in self._socket.scope["subprotocols"]:
            await self._socket.accept()
            await self._close(_Close(4406, f"Only the protocol {PROTOCOL} is spoken here."))
            return
        await self._socket.accept(PROTOCOL)
        address = client_address(self._socket)
        try:
            self._streams.check(address)
        except TooOften as error:
            await self._close(_Close(1013, error.message))
            return
        stops = _Close(1001, "The server stops; come again.")
        with self._streams.open(address, lambda: self._end(stops)):
            late = asyncio.get_running_loop().call_later(
                self._limits.init_seconds, self._end_without_init
            )
            self._start(self._listen)
            self._start(self._show_life)
            try:
                close = await self._ended
            finally:
                late.cancel()
                for task in self._tasks:
                    # Once is enough: what closes already may take its time.
                    if not task.cancelling():
                        task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._close(close)

    # What the client says

    async def _listen(self) -> None:
        while True:
            message = self._read(await self._socket.receive())
            match message["type"]:
                case "connection_init":
                    await self._init(message.get("payload") or {})
                case "ping":
                    await self._send({"type": "pong"})
                case "pong":
                    pass
                case "subscribe":
                    await self._subscribe(_id(message), message.get("payload"))
                case "complete":
                    await self._complete(_id(message))
                case other:
                    raise _Close(4400, f"{other!r} is not a type of message that is known here.")

    def _read(self, received: Any) -> Message:
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received["code"])
        text = received.get("text")
        if text is None:
            raise _Close(4400, "Messages are text, not binary.")
        if len(text.encode()) > self._message_limit:
            raise _Close(1009, f"A message has at most {self._message_limit} bytes.")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise _Close(4400, f"The message is not JSON: {error}.") from error
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise _Close(4400, "A message is an object that has a 'type', a string.")
        payload = message.get("payload")
        if not isinstance(payload, dict | None):
            raise _Close(4400, f"The 'payload' is {json_name(payload)}; it is an object.")
        return message

    async def _init(self, payload: dict[str, Any]) -> None:
        if self._viewer is not None:
            raise _Close(4429, "Too many initialisation requests: one is enough.")
        viewer = _viewer(self._socket, payload)
        if self._prepare is not None:
            await self._prepare(viewer)
        try:
            ends_at = self._ends_at(self._context(viewer))
        except Forbidden as error:
            raise _Close(4403, error.message) from error
        except Unavailable as error:
            raise _Close(1013, error.message) from error
        except GridmapError as error:
            raise _Close(4401, error.message) from error
        self._viewer = viewer
        if ends_at is not None:
            self._start(self._end_with_the_token, ends_at)
        await self._send({"type": "connection_ack"})

    async def _subscribe(self, id_: str, payload: object) -> None:
        if self._viewer is None:
            raise _Close(4401, "Unauthorized: send 'connection_init' and wait for its answer.")
        if id_ in self._running:
            raise _Close(4409, f"Subscriber for {id_} already exists.")
        try:
            wanted = asked(payload, "The 'payload'")
        except Invalid as error:
            raise _Close(4400, error.message) from error
        try:
            self._count(self._viewer)
        except GridmapError as error:
            await self._send({"type": "error", "id": id_, "payload": [told(error)]})
            return
        if len(self._running) < self._limits.operations:
            answers = self._answers(wanted, self._viewer)
            self._running[id_] = self._start(self._tell, id_, answers)
        else:
            full = TooLarge(
                f"{self._limits.operations} operations run on this socket already; complete one, "
                "or open another socket."
            )
            await self._send({"type": "error", "id": id_, "payload": [told(full)]})

    async def _complete(self, id_: str) -> None:
        # One that has ended meanwhile is none of the client's faults.
        if task := self._running.pop(id_, None):
            task.cancel()
            await asyncio.wait([task])

    # What it is told

    async def _tell(self, id_: str, answers: AsyncGenerator[Answer, None]) -> None:
        last: Message = {"type": "complete", "id": id_}
        async with aclosing(messages(answers)) as told:
            async for message in told:
                said: Message = {"type": message.kind, "id": id_, "payload": message.payload}
                if message.kind == "error":
                    last = said
                else:
                    await self._send(said)
        # The client may use the id again as soon as it reads that this one has ended.
        if self._running.pop(id_, None):
            await self._send(last)

    async def _answers(self, wanted: Asked, viewer: HTTPConnection) -> AsyncGenerator[Answer, None]:
        operation = self._operations.prepared(wanted)
        if operation.kind is OperationType.SUBSCRIPTION:
            async with aclosing(await operation.events(lambda: self._context(viewer))) as events:
                async for answer in events:
                    yield answer
        else:
            yield await operation.answer(self._context(viewer))

    async def _show_life(self) -> None:
        while True:
            await asyncio.sleep(self._limits.keep_alive_seconds)
            await self._send({"type": "ping"})

    async def _send(self, message: Message) -> None:
        text = orjson.dumps(message).decode()
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await self._socket.send_text(text)
        except TimeoutError as error:
            raise _Close(1013, "Messages were not read in time; come again.") from error

    # How it ends

    def _start(
        self, work: Callable[Terms, Awaitable[None]], *terms: Terms.args, **named: Terms.kwargs
    ) -> asyncio.Task[None]:
        async def guarded() -> None:
            try:
                await work(*terms, **named)
            except _Close as close:
                self._end(close)
            except WebSocketDisconnect:
                self._end(_Close(1000, ""))
            except Exception as error:  # noqa: BLE001, logged as it is masked
                self._end(_Close(4500, str(masked(error)["message"])))

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _end_with_the_token(self, ends_at: float) -> None:
        await until(ends_at)
        raise _Close(4401, TOKEN_ENDED)

    def _end_without_init(self) -> None:
        if self._viewer is None:
            self._end(_Close(4408, "Connection initialisation timeout."))

    def _end(self, close: _Close) -> None:
        """The first reason is the one that the client is told."""
        if not self._ended.done():
            self._ended.set_result(close)

    async def _close(self, close: _Close) -> None:
        # Who does not read is not waited for without end, and who has left needs no word.
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(self._limits.send_seconds):
                await self._socket.close(close.code, close.reason)


class _Close(Exception):
    """Ends the socket; the reason is cut to what a frame of WebSocket can hold."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason.encode()[:123].decode(errors="ignore")


def _id(message: Message) -> str:
    id_ = message.get("id")
    if not isinstance(id_, str) or not id_:
        raise _Close(4400, f"A '{message['type']}' has an 'id', a string that is not empty.")
    return id_


def _viewer(socket: WebSocket, payload: dict[str, Any]) -> HTTPConnection:
    """The connection as it would be if its client could set headers, which browsers cannot."""
    given = payload.get("authorization", payload.get("Authorization"))
    if given is None:
        return socket
    if not isinstance(given, str):
        raise _Close(4400, f"'authorization' is {json_name(given)}; it is a string.")
    others = [header for header in socket.scope["headers"] if header[0] != b"authorization"]
    headers = [*others, (b"authorization", given.encode())]
    return HTTPConnection({**socket.scope, "headers": headers})


def _is_of_this_site(socket: WebSocket) -> bool:
    """A browser lets any page open a WebSocket anywhere, with the cookies of there; over HTTP it
    would ask first. Only the host is compared, as proxies hide the port.
    """
    origin = socket.headers.get("origin")
    try:
        host = urlsplit(f"//{socket.headers.get('host', '')}").hostname
        return origin is None or urlsplit(origin).hostname == host
    except ValueError:
        return False
