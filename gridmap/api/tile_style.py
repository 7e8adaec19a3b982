"""A light MapLibre style of the layers of tiles.

Colours are of Okabe and Ito's palette (Color Universal Design, 2008), which people see apart who do
not see all colours; what is urgent is larger too, so that no colour says anything alone. There are
no labels: they need glyphs, and those of Chinese are tens of megabytes that this server would have
to hold, or another host, which nobody is to depend on. Clients have fonts of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridmap.store.tiles import LAYERS

_BLACK, _ORANGE, _SKY, _GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
_YELLOW, _BLUE, _VERMILION, _PURPLE, _GREY = "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#8c8c8c"
_GROUND, _WHITE = "#f7f6f2", "#ffffff"

MANAGEMENT_COLOURS = {
    "COMMUNITY_LED": _BLUE,
    "PROFESSIONAL": _GREEN,
    "BASELINE_CLEANING": _ORANGE,
    "SELF_MANAGED": _PURPLE,
}
"""Of buildings; what nobody manages is grey."""

URGENCY_COLOURS = {"ROUTINE": _SKY, "URGENT": _ORANGE, "EMERGENCY": _VERMILION}


def style(address: str, layers: Sequence[str], center: list[float], zoom: int) -> dict[str, Any]:
    """The style of these layers, whose sources are below an address, and where a map begins: in
    degrees."""
    whole = _of_all(address, center, zoom)
    return {
        **whole,
        "sources": {name: whole["sources"][name] for name in layers},
        "layers": [each for each in whole["layers"] if each.get("source") in (None, *layers)],
    }


def _of_all(address: str, center: list[float], zoom: int) -> dict[str, Any]:
    return {
        "version": 8,
        "name": "gridmap light",
        "center": center,
        "zoom": zoom,
        "sources": {
            name: {"type": "vector", "url": f"{address}/{name}.json", "promoteId": _ID[name]}
            for name in LAYERS
        },
        "layers": [
            {"id": "ground", "type": "background", "paint": {"background-color": _GROUND}},
            _layer("regions", "fill", {"fill-color": _WHITE, "fill-opacity": 0.5}, "areas"),
            _layer(
                "grids",
                "fill",
                {
                    "fill-color": ["case", ["has", "sponsor"], _SKY, _YELLOW],
                    "fill-opacity": 0.25,
                },
                "areas",
            ),
            _layer(
                "grids",
                "line",
                {"line-color": _BLUE, "line-width": _by_zoom(8, 0.3, 16, 2.0)},
                "outlines",
            ),
            _layer(
                "regions",
                "line",
                {
                    "line-color": _BLACK,
                    "line-opacity": 0.6,
                    "line-width": [
                        "match",
                        ["get", "level"],
                        ["PROVINCE", "CITY"],
                        3.0,
                        "DISTRICT",
                        2.5,
                        "STREET",
                        2.0,
                        1.2,
                    ],
                },
                "outlines",
            ),
            _layer(
                "buildings",
                "fill",
                {
                    "fill-color": _matched("management", MANAGEMENT_COLOURS),
                    "fill-opacity": 0.7,
                    "fill-outline-color": _WHITE,
                },
                "footprints",
                filter=["==", ["geometry-type"], "Polygon"],
            ),
            _layer(
                "buildings",
                "circle",
                {
                    "circle-color": _matched("management", MANAGEMENT_COLOURS),
                    "circle-radius": _by_zoom(12, 1.5, 16, 5.0),
                    "circle-stroke-color": _WHITE,
                    "circle-stroke-width": 0.5,
                },
                "points",
                filter=["==", ["geometry-type"], "Point"],
            ),
            _layer(
                "report_clusters",
                "circle",
                {
                    "circle-color": _VERMILION,
                    "circle-opacity": 0.75,
                    "circle-radius": [
                        "interpolate",
                        ["linear"],
                        ["log10", ["get", "count"]],
                        0,
                        5,
                        5,
                        24,
                    ],
                    "circle-stroke-color": _WHITE,
                    "circle-stroke-width": 1.5,
                },
                "circles",
                maxzoom=15,
            ),
            _layer(
                "reports",
                "circle",
                {
                    "circle-color": _matched("urgency", URGENCY_COLOURS),
                    "circle-radius": ["match", ["get", "urgency"], "EMERGENCY", 8, "URGENT", 6, 5],
                    "circle-stroke-color": ["case", ["get", "overdue"], _BLACK, _WHITE],
                    "circle-stroke-width": ["case", ["get", "overdue"], 2.5, 1.5],
                },
                "circles",
                minzoom=15,
            ),
        ],
    }


# By which clients know a feature again.
_ID = {
    "regions": "code",
    "grids": "code",
    "buildings": "code",
    "reports": "number",
    "report_clusters": "key",
}


def _layer(
    source: str, kind: str, paint: dict[str, Any], what: str, **others: object
) -> dict[str, Any]:
    return {
        "id": f"{source}-{what}",
        "type": kind,
        "source": source,
        "source-layer": source,
        **others,
        "paint": paint,
    }


def _by_zoom(zoom: int, value: float, last_zoom: int, last: float) -> list[Any]:
    return ["interpolate", ["linear"], ["zoom"], zoom, value, last_zoom, last]


def _matched(field: str, colours: dict[str, str]) -> list[Any]:
    pairs = [each for pair in colours.items() for each in pair]
    return ["match", ["get", field], *pairs, _GREY]
