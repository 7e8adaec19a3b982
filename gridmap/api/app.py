"""What is served: GraphQL, files, photos, tiles, sign-in, the pages, answers for supervisors."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import exc
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from gridmap import migrations
from gridmap.api import coverage_files, graphiql, packs, report_files, sign_in, tiles, web
from gridmap.api.accounts import Accounts
from gridmap.api.gate import Gate
from gridmap.api.graphql import GraphQLEndpoint
from gridmap.api.identity import Tokens
from gridmap.api.photo_addresses import PhotoAddresses
from gridmap.api.photos import photo_routes
from gridmap.api.rates import Rates
from gridmap.api.sending import MOST_AT_ONCE
from gridmap.api.settings import Settings
from gridmap.api.streams import StreamLimits
from gridmap.api.tile_cache import TileCache
from gridmap.api.trusted_documents import TrustedDocuments, read_documents
from gridmap.errors import GridmapError
from gridmap.migrations import whole
from gridmap.schema.context import Context
from gridmap.schema.limits import Limits
from gridmap.schema.root import schema
from gridmap.store.audit import origin
from gridmap.store.audit_chain import Sealer
from gridmap.store.database import Database, Rights
from gridmap.store.follower import Follower
from gridmap.store.objects import Objects
from gridmap.store.photos import Photos
from gridmap.store.report_changes import ReportNews
from gridmap.store.report_points import ReportPoints
from gridmap.store.report_rules import KeptRules
from gridmap.store.tile_shapes import TileShapes


def application(settings: Settings, database_url: str, *, is_demo: bool = False) -> Starlette:
    """The server's application on a database that is migrated.

    `is_demo`: users of the demo may sign in. Its `state.streams` are for the server to stop.
    """
    server_url, keeper_url = (settings.serving_url(database_url, each) for each in Rights)
    # Each has a pool of its own, so that no mistake on one connection has the rights of the other.
    database, keeper = (
        Database(
            url,
            pool_size=settings.pool_size,
            statement_timeout_seconds=settings.statement_timeout_seconds,
        )
        for url in (server_url, keeper_url)
    )

    follower = Follower(server_url, settings.building_reach_metres)

    issuer = settings.issuer()
    tokens = Tokens(settings.secret, issuer)
    addresses = PhotoAddresses(settings.secret)
    rates = Rates(settings, tokens, keeper)
    accounts = Accounts(keeper, tokens, settings.secret, is_demo=is_demo)
    rules, news, sealer = KeptRules(database), ReportNews(keeper), Sealer(keeper)
    points = ReportPoints(keeper, keeper_url)
    shapes = TileShapes(keeper)
    # Most connections are left to those who ask for something else than a map.
    cache = TileCache(
        settings.tile_cache_bytes,
        most_made=max(settings.pool_size // 2, 1),
        is_heard=lambda: follower.feed.is_listening,
    )
    follower.feed.listeners += [rules.hear, news.hear, shapes.hear, cache.hear]

    def context(connection: HTTPConnection) -> Context:
        viewer, ends_at, account = rates.recognised(connection)
        origin.set(origin.get()._replace(account=account))
        return Context(
            database,
            settings.building_reach_metres,
            follower,
            viewer,
            kept_rules=rules,
            news=news,
            points=points,
            receipt=tokens.receipt if tokens.can_sign else None,
            ends_at=ends_at,
            photo_address=addresses.address,
            count=partial(rates.count, connection),
            keeper=keeper,
        )

    async def prepare(connection: HTTPConnection) -> None:
        await tokens.prepare(connection.headers.get("authorization"))

    async def readyz(_: Request) -> Response:
        try:
            async with database.connection() as connection:
                current = await connection.run_sync(migrations.is_current)
                if current:
                    await connection.run_sync(whole.check)
        except exc.ProgrammingError:  # there is nothing yet that the server may look at
            current = False
        except (GridmapError, exc.SQLAlchemyError) as error:
            return _not_ready(str(error))
        if not current:
            return _not_ready("The database is not migrated; run `gridmap migrate`.")
        if issuer is not None and issuer.complaint is not None:
            # What is public is served all the same. Why stands in the log, and not for everybody.
            warning = "The keys of who issues tokens (GRIDMAP_OIDC_ISSUER) cannot be had."
            return JSONResponse({"status": "ready", "warning": warning})
        return JSONResponse({"status": "ready"})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # What is loaded by now stays. The garbage collector need not look at it again and again,
        # for which every hundredth map or so waited 90 ms.
        gc.collect()
        gc.freeze()
        running = (follower, news, shapes, sealer, *((issuer,) if issuer is not None else ()))
        tasks = [asyncio.create_task(each.run()) for each in running]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await points.close()
        accounts.close()
        await database.close()
        await keeper.close()

    def version(context: Context) -> str | None:
        return context.remembered.version if context.remembered else None

    def ends_at(context: Context) -> float | None:
        return context.ends_at

    async def enter_reads(context: Context) -> None:
        await context.enter_reads()

    endpoint = GraphQLEndpoint(
        schema,
        context,
        stream_limits=StreamLimits(per_address=settings.streams_per_address),
        body_limit=settings.body_limit_bytes,
        version=version,
        ends_at=ends_at,
        before_answer=enter_reads,
        prepare=prepare,
        count=rates.count_request,
        introspection=settings.introspection,
        trusted=_trusted(settings.trusted_documents),
        page=graphiql.page if settings.introspection and not settings.trusted_documents else None,
        origins=frozenset(settings.origins),
    )
    places = asyncio.Semaphore(MOST_AT_ONCE)
    app = Starlette(
        routes=[
            # What is asked for most comes first.
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", endpoint),
            *tiles.routes(context, cache),
            Route("/healthz", lambda _: JSONResponse({"status": "alive"})),
            Route("/readyz", readyz),
            *report_files.routes(context, places),
            *coverage_files.routes(context, places),
            *graphiql.routes,
            *packs.routes(context),
            *web.routes(settings.basemap_addresses, settings.basemap_attribution),
            *(
                sign_in.routes_elsewhere(settings.oidc_issuer)
                if settings.oidc_issuer is not None
                else sign_in.routes(accounts)
            ),
            *photo_routes(
                Photos(keeper, Objects(settings.photos_address)),
                addresses,
                lambda request: rates.count(request, "photos"),
                lambda request: rates.recognised(request).viewer,
            ),
        ],
        lifespan=lifespan,
        middleware=[
            Middleware(Gate, prepare=prepare, count=rates.count_request),
            *_for_other_sites(settings.origins),
            Middleware(tiles.KeptTiles, cache=cache, recognised=rates.recognised),
        ],
    )
    app.state.streams = endpoint.streams
    return app


def _trusted(place: str | None) -> TrustedDocuments | None:
    """Raises Invalid where the documents cannot be read."""
    if place is None:
        return None
    texts = list(read_documents(web.DOCUMENTS)) if web.DOCUMENTS.exists() else []
    if place != "pages":
        texts += read_documents(Path(place))
    return TrustedDocuments(texts, Limits())


def _for_other_sites(origins: list[str]) -> list[Middleware]:
    """What lets pages of other sites ask here; nothing where there are none."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT"],
            allow_headers=["authorization", "content-type", "content-digest", "if-none-match"],
            expose_headers=["etag", "retry-after", "x-request-id"],
        )
    ]


def _not_ready(reason: str) -> Response:
    return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)
