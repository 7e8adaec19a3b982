"""Requests that mean no good: every field of the schema, asked for with values that make no sense.

They are drawn from the schema itself, so that a new field or argument is asked for too. Some of the
values do make sense, or nothing behind the first check would ever be reached.
"""

from __future__ import annotations

import copy
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    is_leaf_type,
)
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from gridmap.schema.limits import WEIGHTS

Variables = dict[str, GraphQLInputType]

_MOST_FIELDS = 40
"""Of one document, so that it stays below the limit of tokens."""


def operation(kind: str, name: str, field: GraphQLField) -> tuple[str, Variables]:
    """A document that asks for one field of the root, and for as much below it as there is room;
    every argument on the way is one of its variables."""
    variables: Variables = {}
    room = iter(range(_MOST_FIELDS))
    asked = _field(name, field, variables, room, depth=3, within_page=False)
    declared = ", ".join(f"${name}: {type_}" for name, type_ in variables.items())
    return f"{kind} Hostile{f'({declared})' if declared else ''} {{ {asked} }}", variables


def _field(
    name: str,
    field: GraphQLField,
    variables: Variables,
    room: Iterator[int],
    depth: int,
    within_page: bool,
) -> str:
    given = ", ".join(
        f"{argument}: ${_variable(argument, described, variables)}"
        for argument, described in field.args.items()
    )
    asked = f"{name}({given})" if given else name
    if is_leaf_type(get_named_type(field.type)):
        return asked
    return f"{asked} {{ __typename {_below(field.type, variables, room, depth, within_page)} }}"


def _below(
    type_: GraphQLOutputType,
    variables: Variables,
    room: Iterator[int],
    depth: int,
    within_page: bool,
) -> str:
    named = get_named_type(type_)
    if not isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
        return ""
    asked = []
    leaves_first = sorted(
        named.fields.items(), key=lambda each: not is_leaf_type(get_named_type(each[1].type))
    )
    for name, field in leaves_first:
        is_leaf = is_leaf_type(get_named_type(field.type))
        is_page = "first" in field.args
        if not is_leaf and (depth == 0 or (is_page and within_page) or name in WEIGHTS):
            continue
        if name == "edges" or next(room, None) is None:
            continue
        inside = within_page or name == "nodes"
        asked.append(_field(name, field, variables, room, depth - 1, inside))
    return " ".join(asked)


def _variable(name: str, argument: GraphQLArgument, variables: Variables) -> str:
    """The variable for the argument: arguments of one name and type have one together, or with so
    many values one of them would always be refused.
    """
    called = name
    while variables.setdefault(called, argument.type) != argument.type:
        called += "_"
    return called


@dataclass
class _Place:
    """Where a value stands: in an object under a name, or in a list at a number."""

    holder: Any
    key: Any
    type_: GraphQLInputType


@st.composite
def values(draw: DrawFn, variables: Variables, sane: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """What the variables are given: what makes sense, but for a few values.

    `sane` has what there is, by the names of arguments, and else of scalars. If all were hostile,
    no request would come far.
    """
    given: dict[str, Any] = {}
    places: list[_Place] = []
    for name, type_ in variables.items():
        _put(draw, _Place(given, name, type_), name.rstrip("_"), sane, places)
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 2, 3])) if places else 0):
        place = draw(st.sampled_from(places))
        place.holder[place.key] = draw(_hostile(place.type_))
    return given


def _put(
    draw: DrawFn,
    place: _Place,
    name: str,
    sane: Mapping[str, Sequence[Any]],
    places: list[_Place],
) -> None:
    """Puts something that makes sense there, and notes where each part of it is."""
    type_ = place.type_
    is_needed = isinstance(type_, GraphQLNonNull)
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    places.append(place)
    if not is_needed and (name not in sane or draw(st.booleans())):
        place.holder[place.key] = None
    elif name in sane:
        place.holder[place.key] = copy.deepcopy(draw(st.sampled_from(sane[name])))
    elif isinstance(type_, GraphQLList):
        listed: list[Any] = [None]
        place.holder[place.key] = listed
        _put(draw, _Place(listed, 0, type_.of_type), name, sane, places)
    elif isinstance(type_, GraphQLInputObjectType):
        held: dict[str, Any] = {}
        place.holder[place.key] = held
        for inner, field in type_.fields.items():
            _put(draw, _Place(held, inner, field.type), inner, sane, places)
    elif isinstance(type_, GraphQLEnumType):
        place.holder[place.key] = draw(st.sampled_from(list(type_.values)))
    elif type_.name in sane:
        place.holder[place.key] = draw(st.sampled_from(sane[type_.name]))
    else:
        place.holder[place.key] = draw(_hostile(type_))


def _hostile(type_: GraphQLInputType) -> SearchStrategy[Any]:
    if isinstance(type_, GraphQLNonNull):
        return _hostile(type_.of_type)
    if isinstance(type_, GraphQLList):
        return st.lists(_hostile(type_.of_type), max_size=3) | _hostile(type_.of_type)
    if isinstance(type_, GraphQLEnumType):
        return st.sampled_from([*type_.values, "", "nothing", 1])
    return st.one_of(*[_HOSTILE.get(type_.name, _ANYTHING)] * 3, _ANYTHING)


def _encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


texts = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "230402\0",
        "\ud800",
        "230402" * 2_000,
        "２３０４０２",
        "٢٣٠٤٠٢",
        "230402\n",
        "2304020010010011",
        "99",
        "-1",
        "' OR 1=1 --",
        '"; DROP TABLE reports; --',
        "%_\\",
        "$1",
        ":name",
        "{{7*7}}",
        "${jndi:ldap://x.invalid}",
        "\u202e\u0301\ufeff",
        "🏠" * 50,
        "(((((",
        "& | !",
    ]
) | st.text(max_size=30)

_NUMBERS = st.sampled_from(
    [0, -0.0, 5e-324, 1e308, -1e308, 180, 180.0000001, -180, 90, -90, 0.1, 1e15, -1]
) | st.floats(allow_nan=False, allow_infinity=False)
_INTEGERS = st.sampled_from(
    [0, -1, 1, 2, 100, 101, 2**31 - 1, -(2**31), 2**31, 2**63, 10**40, 1.0, 1.5]
) | st.integers(-5, 2_000)
_DAYS = st.sampled_from(
    [
        "0001-01-01",
        "9999-12-31",
        "10000-01-01",
        "-0001-01-01",
        "2025-02-30",
        "2025-W01-1",
        "20250101",
        "infinity",
        "today",
        "2025-1-1",
        "4713-01-01 BC",
    ]
) | st.dates().map(str)
_MOMENTS = st.sampled_from(
    [
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00-12:00",
        "9999-12-31T23:59:59-12:00",
        "9999-12-31T23:59:59+14:00",
        "2025-01-01T24:00:00Z",
        "2025-06-30T23:59:60Z",
        "2025-01-01T00:00:00",
        "2025-01-01T00:00:00+23:59",
        "2025-01-01T00:00:00.123456789123Z",
        "infinity",
        "now",
    ]
) | st.datetimes().map(lambda moment: f"{moment.isoformat()}+08:00")
_UUIDS = st.uuids().map(str) | st.sampled_from(
    ["00000000-0000-0000-0000-000000000000", "{7d0f}", "urn:uuid:7d0f", "7d0f" * 8, "x" * 36]
)
_KEYS = st.lists(texts | st.integers() | st.none(), max_size=4)
_CURSORS = st.one_of(
    texts.filter(lambda text: "\ud800" not in text).map(
        lambda text: _encoded(text) if text.isprintable() else text
    ),
    _KEYS.map(lambda key: _encoded(json.dumps(key))),
    st.binary(max_size=20).map(lambda bytes_: urlsafe_b64encode(bytes_).decode()),
    st.sampled_from(["====", "a", "WyIy", "[]", "bnVsbA==", "e30="]),
)
_NODES = ("Region", "Grid", "Building", "Sponsor", "Report", "Sponsorship", "Visit", "Photo", "x")
_IDS = st.one_of(
    _CURSORS,
    st.tuples(
        st.sampled_from(_NODES),
        st.sampled_from(["", "230402", "23", "x"]),
        texts.filter(lambda text: "\ud800" not in text) | _UUIDS | _DAYS,
        st.sampled_from(["", "2025-01-01", "0001-01-01", "x"]),
    ).map(lambda parts: _encoded("\n".join(part for part in parts))),
)
_POSITIONS = st.one_of(
    st.tuples(st.floats(130.2, 130.4), st.floats(47.3, 47.4)).map(list),
    st.lists(_NUMBERS, max_size=4),
    st.sampled_from([[], [None, None], ["130", "47"], [[130, 47]], [True, False], 130]),
)
_RINGS = st.one_of(
    st.lists(_POSITIONS, max_size=6).map(lambda ring: [*ring, *ring[:1]]),
    st.lists(_POSITIONS, max_size=6),
    _POSITIONS,
)


def _geometries() -> SearchStrategy[Any]:
    kinds = [
        "Point",
        "LineString",
        "Polygon",
        "MultiPoint",
        "MultiLineString",
        "MultiPolygon",
        "GeometryCollection",
        "Feature",
        "FeatureCollection",
        "Circle",
        "",
        None,
    ]
    coordinates = st.one_of(
        _POSITIONS,
        _RINGS,
        st.lists(_RINGS, max_size=3),
        st.lists(st.lists(_RINGS, max_size=2), max_size=2),
        st.none(),
        _ANYTHING,
    )
    plain = st.fixed_dictionaries(
        {"type": st.sampled_from(["Polygon", "MultiPolygon", *kinds]), "coordinates": coordinates},
        optional={"crs": _ANYTHING, "bbox": st.lists(_NUMBERS, max_size=5)},
    )
    holding = st.fixed_dictionaries(
        {"type": st.sampled_from(["GeometryCollection", "Feature", "FeatureCollection"])},
        optional={
            "geometries": st.lists(plain, max_size=2),
            "geometry": plain | st.none(),
            "features": st.lists(plain, max_size=2),
        },
    )
    return plain | holding


def _nested(levels: int) -> Any:
    inner: Any = 1
    for _ in range(levels):
        inner = [inner]
    return inner


_ANYTHING: SearchStrategy[Any] = st.one_of(
    texts,
    _NUMBERS,
    _INTEGERS,
    st.sampled_from([None, True, [], {}, [[]], {"type": "Point"}, _nested(200)]),
)

_HOSTILE: dict[str, SearchStrategy[Any]] = {
    "String": texts,
    "Float": _NUMBERS,
    "Int": _INTEGERS,
    "Boolean": st.booleans(),
    "ID": _IDS,
    "Cursor": _CURSORS,
    "Date": _DAYS,
    "DateTime": _MOMENTS,
    "UUID": _UUIDS,
    "GeoJSON": _geometries(),
}
