"""Vector tiles over HTTP, and what clients need to find and draw them: TileJSON and a style."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode

import orjson
from graphql import GraphQLInputObjectType, GraphQLList, get_nullable_type
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gridmap.api.errors import answer_of, telling_errors
from gridmap.api.etags import is_known
from gridmap.api.media_types import names
from gridmap.api.report_files import report_filter
from gridmap.api.tile_cache import Coding, KeptTile, TileCache
from gridmap.api.tile_readings import TileReadings
from gridmap.api.tile_style import style
from gridmap.errors import GridmapError, Invalid, NotFound, Unavailable
from gridmap.geo.bounds import Bounds
from gridmap.geo.tiles import Tile, tile
from gridmap.schema.context import Context
from gridmap.schema.regions import regions_below
from gridmap.schema.reports import ReportFilter, filter_of, map_filter_of, map_scope
from gridmap.schema.root import schema
from gridmap.store import tiles as store
from gridmap.store.dates import today
from gridmap.store.permissions import Permission, extent
from gridmap.store.report_changes import state_now
from gridmap.store.report_points import ReportPoints
from gridmap.store.scopes import NOTHING
from gridmap.store.tiles import LAYERS, Layer

_TILE_TYPE = b"application/vnd.mapbox-vector-tile"
# Smaller bodies are not worth what compressing them takes.
_SMALLEST_CODED_BYTES = 200
# Of what is kept with a tile. Clients may write the same as long as they like.
_LONGEST_QUERY = 100
# Clients ask each time whether their tile is still true, and are told in a millisecond.
_HEADERS = {
    "cache-control": "no-cache",
    "vary": "accept-encoding, authorization",
    "x-content-type-options": "nosniff",
}
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
# What the viewer may see is part of a tile's key: viewers of one scope share it. This is that of
# places, which are open to all.
_ALL_MAY_SEE = b""
_UNPLACED = {"center": [105.0, 35.0], "zoom": 4}  # China


def routes(context: Callable[[Request], Context], cache: TileCache) -> list[Route]:
    """All below `/tiles/`; `context` is called once for each request."""
    tiles = Tiles(context, cache)
    return [
        Route("/tiles/style.json", telling_errors(tiles.style)),
        Route("/tiles/{layer}.json", telling_errors(tiles.described)),
        Route("/tiles/{layer}/{z}/{x}/{y}.mvt", telling_errors(tiles.tile)),
    ]


class Tiles:
    """The endpoints. Of places they tell everybody the same; of reports, what one may see."""

    def __init__(self, context: Callable[[Request], Context], cache: TileCache) -> None:
        self._context = context
        self._cache = cache
        self._readings = TileReadings()

    async def tile(self, request: Request) -> Response:
        """A tile; 204 where nothing is in it."""
        given = request.path_params
        layer = _layer(given["layer"])
        place = tile(*(_number(name, given[name]) for name in "zxy"))
        if not layer.first_zoom <= place.zoom <= layer.last_zoom:
            raise Invalid(
                f"There are no {layer.name} at zoom {place.zoom}; ask for zooms "
                f"{layer.first_zoom} to {layer.last_zoom}."
            )
        context = self._context(request)
        asked = _asked(layer, context, request.query_params.multi_items())
        state, scope = "", _ALL_MAY_SEE
        if isinstance(asked, _Reports):
            scope = await asked.scope(context, layer)
            await self._readings.enter(context, asked.minute)
            state = await context.run(state_now)
        found = await self._cache.tile(
            (layer.name, place, asked.key, state, scope),
            layer.tables,
            lambda: asked.told(context, layer, place),
        )
        if isinstance(asked, _Territory) and len(request.scope["query_string"]) <= _LONGEST_QUERY:
            self._cache.name(found, _address(request.scope, context.today))
        return await _answer(self._cache, request, found)

    async def described(self, request: Request) -> Response:
        """TileJSON 3.0.0 of a layer, for tiles with the same parameters. Refused as these are."""
        layer = _layer(request.path_params["layer"])
        context = self._context(request)
        parameters = request.query_params.multi_items()
        await _asked(layer, context, parameters).check(context, layer)
        query = f"?{urlencode(parameters)}" if parameters else ""
        middle = await self._middle(context)
        said = {
            "tilejson": "3.0.0",
            "name": layer.name,
            "description": layer.description,
            "version": "1.0.0",
            "scheme": "xyz",
            "tiles": [f"{request.base_url}tiles/{layer.name}/{{z}}/{{x}}/{{y}}.mvt{query}"],
            "minzoom": layer.first_zoom,
            "maxzoom": layer.last_zoom,
            "center": [*middle["center"], min(middle["zoom"], layer.last_zoom)],
            "vector_layers": [
                {
                    "id": layer.name,
                    "description": layer.description,
                    "minzoom": layer.first_zoom,
                    "maxzoom": layer.last_zoom,
                    "fields": layer.fields,
                }
            ],
        }
        return _json(said)

    async def style(self, request: Request) -> Response:
        """A MapLibre style that shows all layers, or the one that is named."""
        context = self._context(request)
        given = request.query_params
        for name in given:
            if name != "layer":
                raise Invalid(f"There is no parameter {name!r} of the style; there is layer.")
        may_see = extent(context.viewer, Permission.SEE_REPORTS) is not None
        layers = [name for name in LAYERS if may_see or name != "reports"]
        if "layer" in given:
            layer = _layer(given["layer"])
            await _asked(layer, context, []).check(context, layer)
            layers = [layer.name]
        address, middle = f"{request.base_url}tiles", await self._middle(context)
        return _json(style(address, layers, **middle, has_ground="layer" not in given))

    async def _middle(self, context: Context) -> dict[str, Any]:
        """Where a map of all grids begins: a centre and a zoom."""

        async def told() -> bytes:
            async with context.database.connection() as connection:
                bounds = await store.extent(connection)
            return orjson.dumps(None if bounds is None else list(bounds))

        found = await self._cache.tile("extent", frozenset({"grids"}), told)
        bounds = orjson.loads(found.bodies[Coding.IDENTITY])
        return _UNPLACED if bounds is None else _middle_of(Bounds(*bounds))


class KeptTiles:
    """Middleware that tells tiles of places, which are everybody's, as they were told before.

    What is asked for is not read a second time, which takes three times as long as all else here.
    """

    def __init__(
        self, app: ASGIApp, *, cache: TileCache, recognised: Callable[[HTTPConnection], object]
    ) -> None:
        self._app = app
        self._cache = cache
        self._recognised = recognised

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_asked = scope["type"] == "http" and scope["method"] == "GET"
        found = self._cache.at(_address(scope, today())) if is_asked else None
        if found is None:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            self._recognised(connection)
        except GridmapError as error:
            response = answer_of(error)
        else:
            response = await _answer(self._cache, connection, found)
        await response(scope, receive, send)


def _address(scope: Scope, on: datetime.date) -> Hashable:
    """As what a tile is asked for; on another day it is another one, where none is named."""
    return scope["path"], scope["query_string"], on


async def _answer(cache: TileCache, asked: HTTPConnection, found: KeptTile) -> Response:
    """The tile, in the coding that the client likes; 304 where the client has it, 204 where nothing
    is in it."""
    body = found.bodies[Coding.IDENTITY]
    coding = Coding.IDENTITY
    if len(body) >= _SMALLEST_CODED_BYTES:
        coding = _coding(asked.headers.get("accept-encoding", ""))
    tag = f'"{found.tag}"' if coding is Coding.IDENTITY else f'"{found.tag}-{coding}"'
    headers = [*_RAW_HEADERS, (b"etag", tag.encode())]
    if is_known(tag, asked.headers.getlist("if-none-match")):
        return _Told(304, headers)
    if not body:
        return _Told(204, headers)
    if coding is not Coding.IDENTITY:
        headers.append((b"content-encoding", coding.encode()))
        body = await cache.body(found, coding)
    headers += [(b"content-type", _TILE_TYPE), (b"content-length", b"%d" % len(body))]
    return _Told(200, headers, body)


class _Told(Response):
    """A response whose headers are as they are sent, which Starlette would make them each time."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


@dataclass(frozen=True, slots=True)
class _Territory:
    """Which regions, grids or buildings: `on` is None for a layer without dates."""

    region: str | None
    on: datetime.date | None

    @property
    def key(self) -> Hashable:
        return _digest(orjson.dumps([self.region, self.on]))

    async def check(self, context: Context, _: Layer) -> None:
        """Raises what a tile would be refused with, wherever it is."""
        await regions_below(context, self.region)

    async def told(self, context: Context, layer: Layer, place: Tile) -> bytes:
        regions = await regions_below(context, self.region)
        async with context.database.connection() as connection:
            if self.on is None:
                return await store.regions_tile(connection, place, regions)
            if layer.name == "grids":
                return await store.grids_tile(connection, place, regions, self.on)
            return await store.buildings_tile(connection, place, regions, self.on)


@dataclass(frozen=True, slots=True)
class _Reports:
    """Which reports; what is overdue is as of the minute."""

    filter: ReportFilter | None
    written: bytes
    minute: datetime.datetime

    @property
    def key(self) -> Hashable:
        return _digest(self.written), self.minute

    async def scope(self, context: Context, layer: Layer) -> bytes:
        """What the viewer may see of the layer, in short. Raises Forbidden where that is nothing
        whatever there is, and for a filter that is not for the public. Notes whose reports these
        are, which also a tile that is kept tells."""
        if self.filter is not None and self.filter.handler is not None:
            of = map_filter_of if layer.name == "report_clusters" else filter_of
            await of(context, self.filter)
        if layer.name == "report_clusters":
            scope = await map_scope(context, self.filter)
            return b"public" if scope is None else _digest(repr(scope).encode())
        return _digest(repr(await context.scope_of_lists()).encode())

    async def check(self, context: Context, layer: Layer) -> None:
        """Raises what a tile would be refused with, wherever it is. Nothing is read of reports, so
        that there is nothing to enter in the audit log."""
        if layer.name == "reports":
            await filter_of(context, self.filter)
        else:
            _points(context)
            await map_filter_of(context, self.filter)

    async def told(self, context: Context, layer: Layer, place: Tile) -> bytes:
        if layer.name == "reports":
            wanted = replace(await filter_of(context, self.filter), now=self.minute)
            return await context.run(store.reports_tile, place, wanted)
        points = _points(context)
        wanted, is_public = await map_filter_of(context, self.filter)
        wanted = replace(wanted, now=self.minute)
        clusters = await store.report_clusters(points, place, wanted, is_public=is_public)
        scope = NOTHING if is_public else wanted.scope
        return await context.run(store.report_clusters_tile, clusters, scope)


def _points(context: Context) -> ReportPoints:
    if context.points is None:
        raise Unavailable("This server keeps no map of reports.")
    return context.points


def _asked(
    layer: Layer, context: Context, parameters: Iterable[tuple[str, str]]
) -> _Territory | _Reports:
    """What the parameters ask for. Raises Invalid for what there is not."""
    given: dict[str, str] = {}
    known = _KNOWN[layer.name]
    for name, value in parameters:
        if name not in known:
            raise Invalid(
                f"There is no parameter {name!r} of {layer.name}; there are {', '.join(known)}."
            )
        if name in given:
            raise Invalid(f"The parameter {name!r} is given twice; give it once.")
        given[name] = value
    if layer.name in _OF_REPORTS:
        said = _filter(given)
        minute = context.now.replace(second=0, microsecond=0)
        written = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        return _Reports(report_filter(written.decode()), written, minute)
    on = _day(given["on"]) if "on" in given else context.today
    return _Territory(given.get("region"), on if "on" in known else None)


def _filter(given: Mapping[str, str]) -> dict[str, Any]:
    """A `ReportFilter` as JSON has it, of `filter` and of words by themselves."""
    said: dict[str, Any] = {}
    if "filter" in given:
        try:
            said = orjson.loads(given["filter"])
        except orjson.JSONDecodeError as error:
            raise Invalid(f"The parameter 'filter' is not JSON: {error}.") from error
        if said is None:
            said = {}
        if not isinstance(said, dict):
            raise Invalid("The parameter 'filter' is no ReportFilter: it is no object.")
    truths = {"true": True, "false": False}
    for name, value in given.items():
        if name == "filter":
            continue
        if name in said:
            raise Invalid(f"{name!r} is given in 'filter' and by itself; give it once.")
        if name in _LISTS:
            said[name] = value.split(",")
        else:
            said[name] = truths.get(value, value) if name in _TRUTHS else value
    return said


def _filter_words() -> dict[str, Any]:
    type_ = schema._schema.get_type("ReportFilter")
    assert isinstance(type_, GraphQLInputObjectType)
    return {name: get_nullable_type(field.type) for name, field in type_.fields.items()}


_OF_REPORTS = ("reports", "report_clusters")
_WORDS = {name: type_ for name, type_ in _filter_words().items() if name != "bounds"}
_LISTS = {name for name, type_ in _WORDS.items() if isinstance(type_, GraphQLList)}
_TRUTHS = {name for name, type_ in _WORDS.items() if str(type_) == "Boolean"}
_KNOWN = {
    "regions": ("region",),
    "grids": ("region", "on"),
    "buildings": ("region", "on"),
    **dict.fromkeys(_OF_REPORTS, ("filter", *_WORDS)),
}


def _digest(said: bytes) -> bytes:
    """As long for whatever clients say, so that what is kept stays as small as it is counted."""
    return blake2b(said, digest_size=16).digest()


def _layer(name: str) -> Layer:
    if name not in LAYERS:
        raise NotFound(f"There is no layer {name!r}; there are {', '.join(LAYERS)}.")
    return LAYERS[name]


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(f"{text!r} is no number of a tile; {name} is 0 or more.")
    return int(text)


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"on is {text!r}, which is no day; write it as 2026-03-01.") from error


@lru_cache(maxsize=100)
def _coding(accepted: str) -> Coding:
    for coding in (Coding.ZSTD, Coding.GZIP):
        if names(accepted, coding):
            return coding
    return Coding.IDENTITY


def _middle_of(bounds: Bounds) -> dict[str, Any]:
    centre = [(bounds.west + bounds.east) / 2, (bounds.south + bounds.north) / 2]
    # The deepest zoom at which the longer side fits into a tile, which half a screen shows.
    side = max(bounds.east - bounds.west, 2 * (bounds.north - bounds.south), 360 / (1 << 16))
    zoom = 0
    while 360 / (2 << zoom) > side:
        zoom += 1
    return {"center": [round(degrees, 6) for degrees in centre], "zoom": zoom}


def _json(said: object) -> Response:
    headers = {**_HEADERS, "vary": "authorization"}
    return Response(orjson.dumps(said), headers=headers, media_type="application/json")
