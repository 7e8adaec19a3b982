"""A schema whose subscriptions can be watched from outside."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import ClassVar

import orjson
import strawberry
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Route, WebSocketRoute
from strawberry.dataloader import DataLoader

from gridmap.api.graphql import GraphQLEndpoint
from gridmap.api.streams import StreamLimits
from gridmap.errors import Forbidden, Invalid, NotFound, Unavailable

MESSAGE_LIMIT = 10_000

LIFETIMES = (0.3, 1, 3, 10, 30)
"""Seconds that a token may last whose end is waited for: where a machine is so busy that it is over
before the first event, a longer one is tried."""


class Watched:
    """What resolvers did; the server runs in a thread beside the tests."""

    open: ClassVar[Counter[str]] = Counter()  # of subscriptions, by the name they were given
    pulled: ClassVar[Counter[str]] = Counter()  # events, by the same
    notes: ClassVar[list[str]] = []
    denied: ClassVar[threading.Event] = threading.Event()  # whether contexts are refused


class Context:
    """Says who asks, and loads squares."""

    def __init__(self, viewer: str) -> None:
        self.viewer = viewer
        _, is_limited, moment = viewer.partition("until ")
        self.ends_at = float(moment) if is_limited else None
        self.batches: list[list[int]] = []
        self.squares = DataLoader(self._load)

    async def _load(self, keys: list[int]) -> list[int]:
        self.batches.append(keys)
        return [key * key for key in keys]


Info = strawberry.Info[Context, None]


@strawberry.type
class Number:
    value: int

    @strawberry.field
    async def square(self, info: Info) -> int:
        return await info.context.squares.load(self.value)

    @strawberry.field
    async def batches(self, info: Info) -> str:
        await info.context.squares.load(7)
        return json.dumps(info.context.batches)

    @strawberry.field
    def odd_only(self) -> int | None:
        if self.value % 2 == 0:
            raise NotFound(f"{self.value} is even.")
        return self.value

    @strawberry.field
    async def slow_if_two(self) -> int:
        if self.value == 2:
            await asyncio.sleep(60)
        return self.value


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello, {name}!"

    @strawberry.field
    def viewer(self, info: Info) -> str:
        return info.context.viewer

    @strawberry.field
    def missing(self) -> str | None:
        raise NotFound("There is no grid 'x'.")

    @strawberry.field
    def bug(self) -> str | None:
        raise RuntimeError("password=hunter2")

    @strawberry.field
    async def slow(self) -> str | None:
        await asyncio.sleep(60)
        return None


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def note(self, text: str, seconds: float = 0) -> list[str]:
        await asyncio.sleep(seconds)
        Watched.notes.append(text)
        return Watched.notes


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def numbers(
        self, to: int = 3, name: str = "", pause: float = 0, last: str = ""
    ) -> AsyncGenerator[Number, None]:
        """Counts; `last` is how it ends."""
        Watched.open[name] += 1
        try:
            for value in range(1, to + 1):
                Watched.pulled[name] += 1
                yield Number(value=value)
                await asyncio.sleep(pause)
            if last == "wait":
                await asyncio.Event().wait()
            if last == "bug":
                raise RuntimeError("password=hunter2")
            if last == "gone":
                raise Unavailable("The database is away.")
        finally:
            await asyncio.sleep(0)  # as closing may take a statement
            Watched.open[name] -= 1
            if last == "bad close":
                raise RuntimeError("password=hunter2")

    @strawberry.subscription
    async def flood(self, name: str, size: int = 100_000) -> AsyncGenerator[str, None]:
        Watched.open[name] += 1
        try:
            while True:
                Watched.pulled[name] += 1
                yield "x" * size
        finally:
            Watched.open[name] -= 1

    @strawberry.subscription
    async def viewers(self, info: Info, times: int = 2) -> AsyncGenerator[str, None]:
        for _ in range(times):
            yield info.context.viewer

    @strawberry.subscription
    async def closed(self) -> AsyncGenerator[int, None]:
        raise Forbidden("That is not for you.")

    @strawberry.subscription
    async def broken(self) -> AsyncGenerator[int, None]:
        raise RuntimeError("password=hunter2")

    @strawberry.subscription
    def iterated(self, name: str) -> AsyncIterator[int]:
        """By an iterator that is no generator."""
        return _Iterated(name)

    @strawberry.subscription
    async def shapes(self) -> AsyncGenerator[strawberry.scalars.JSON, None]:
        yield orjson.Fragment(  # type: ignore[misc]
            b'{"type":"Point",\r\n"coordinates":\n[130.2866,47.34]}'
        )

    @strawberry.subscription
    async def unwritable(self) -> AsyncGenerator[strawberry.scalars.JSON, None]:
        yield {1, 2}  # type: ignore[misc]


class _Iterated:
    def __init__(self, name: str) -> None:
        self._name = name
        Watched.open[name] += 1

    def __aiter__(self) -> _Iterated:
        return self

    async def __anext__(self) -> int:
        Watched.pulled[self._name] += 1
        if Watched.pulled[self._name] > 1:
            await asyncio.Event().wait()
        return 1

    async def aclose(self) -> None:
        Watched.open[self._name] -= 1


schema = strawberry.Schema(query=Query, mutation=Mutation, subscription=Subscription)


def context(connection: HTTPConnection) -> Context:
    if Watched.denied.is_set():
        raise Forbidden("Not any more.")
    viewer = connection.headers.get("authorization", "nobody")
    match viewer:
        case "Bearer stranger":
            raise Forbidden("Strangers may not ask here: " + "é" * 100)
        case "Bearer forged":
            raise Invalid("The token is not ours.")
        case "Bearer early":
            raise Unavailable("Not yet.")
        case "Bearer bug":
            raise RuntimeError("password=hunter2")
    return Context(viewer)


def endpoint(limits: StreamLimits | None = None, time_limit_seconds: float = 30) -> GraphQLEndpoint:
    return GraphQLEndpoint(
        schema,
        context,
        body_limit=MESSAGE_LIMIT,
        stream_limits=limits,
        time_limit_seconds=time_limit_seconds,
        page=None,
        ends_at=lambda context: context.ends_at,
    )


def application(endpoint: GraphQLEndpoint) -> Starlette:
    return Starlette(routes=[Route("/graphql", endpoint), WebSocketRoute("/graphql", endpoint)])
