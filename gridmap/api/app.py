"""What is served: GraphQL, its page, the clients, photos, and two answers for supervisors."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import exc
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from gridmap import migrations
from gridmap.api import graphiql, packs, report_files, web
from gridmap.api.graphql import GraphQLEndpoint
from gridmap.api.identity import Tokens
from gridmap.api.photos import photo_routes
from gridmap.api.settings import Settings
from gridmap.errors import GridmapError
from gridmap.schema.context import Context
from gridmap.schema.root import schema
from gridmap.store.database import Database
from gridmap.store.follower import Follower
from gridmap.store.objects import Objects
from gridmap.store.photos import Photos
from gridmap.store.report_changes import ReportNews
from gridmap.store.report_points import ReportPoints
from gridmap.store.report_rules import KeptRules


def application(settings: Settings, database_url: str) -> Starlette:
    """The server's application on a database that is migrated.

    Its `state.streams` are for the server to stop.
    """
    database = Database(
        database_url,
        pool_size=settings.pool_size,
        statement_timeout_seconds=settings.statement_timeout_seconds,
    )

    follower = Follower(database_url, settings.building_reach_metres)

    tokens = Tokens(settings.secret)
    rules, news = KeptRules(database), ReportNews(database)
    points = ReportPoints(database, database_url)
    follower.feed.listeners += [rules.hear, news.hear]

    def context(connection: HTTPConnection) -> Context:
        viewer = tokens.viewer(connection.headers.get("authorization"))
        return Context(
            database,
            settings.building_reach_metres,
            follower,
            viewer,
            kept_rules=rules,
            news=news,
            points=points,
            receipt=tokens.receipt if tokens.can_sign else None,
        )

    async def readyz(_: Request) -> Response:
        try:
            async with database.connection() as connection:
                current = await connection.run_sync(migrations.is_current)
        except (GridmapError, exc.SQLAlchemyError) as error:
            return _not_ready(str(error))
        return (
            JSONResponse({"status": "ready"})
            if current
            else _not_ready("The database is not migrated; run `gridmap migrate`.")
        )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # What is loaded by now stays. The garbage collector need not look at it again and again,
        # for which every hundredth map or so waited 90 ms.
        gc.collect()
        gc.freeze()
        tasks = [asyncio.create_task(each.run()) for each in (follower, news)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await points.close()
        await database.close()

    def version(context: Context) -> str | None:
        return context.remembered.version if context.remembered else None

    endpoint = GraphQLEndpoint(
        schema, context, body_limit=settings.body_limit_bytes, version=version
    )
    app = Starlette(
        routes=[
            Route("/", lambda _: RedirectResponse("graphql")),
            Route("/healthz", lambda _: JSONResponse({"status": "alive"})),
            Route("/readyz", readyz),
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", endpoint),
            *report_files.routes(context),
            *graphiql.routes,
            *packs.routes(context),
            *web.routes,
            *photo_routes(Photos(database, Objects(settings.photos_address))),
        ],
        lifespan=lifespan,
    )
    app.state.streams = endpoint.streams
    return app


def _not_ready(reason: str) -> Response:
    return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)
