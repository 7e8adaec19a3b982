"""Which media type to answer in, by the Accept header of RFC 9110."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=100)
def preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """The one of `offered` that is asked for most; None where none is allowed.

    Of equals, the one that is named wins over one that a wildcard covers. Where several are named
    the last of `offered` wins, and where a wildcard covers them, the first.
    """
    ranges = _ranges(accept)
    best, rank = None, (0.0, 0, 0)
    for place, name in enumerate(offered):
        family = name.partition("/")[0]
        for precision, covering in ((2, name), (1, f"{family}/*"), (0, "*/*")):
            if covering in ranges:
                here = (ranges[covering], precision, place if precision == 2 else -place)
                if ranges[covering] > 0 and (best is None or here > rank):
                    best, rank = name, here
                break
    return best


def names(accept: str, name: str) -> bool:
    """Whether one is asked for by its name; a wildcard covers none that a client must know."""
    return _ranges(accept).get(name, 0.0) > 0


def media_type(text: str) -> tuple[str, dict[str, str]]:
    """A media type or range and its parameters, in lower case."""
    name, *parameters = text.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return name.strip().lower(), {
        key.strip().lower(): value.strip().strip('"').lower() for key, _, value in pairs
    }


def is_utf8(parameters: dict[str, str]) -> bool:
    """Whether the parameters name UTF-8, or no charset, which means it here."""
    return parameters.get("charset", "utf-8") in ("utf-8", "utf8")


def _ranges(accept: str) -> dict[str, float]:
    ranges: dict[str, float] = {}
    for part in accept.split(","):
        media_range, parameters = media_type(part)
        if is_utf8(parameters):
            ranges[media_range] = _quality(parameters.get("q", "1"))
    return ranges


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
