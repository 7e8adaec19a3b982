"""What one operation may ask for."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    SelectionSetNode,
    build_schema,
    get_introspection_query,
    parse,
    separate_operations,
    validate,
)
from hypothesis import given
from hypothesis import strategies as st

from gridmap.schema.limits import EACH, WEIGHTS, Limits, costs, limit_rule, parse_within
from gridmap.schema.root import schema as real_schema

SCHEMA = build_schema("type Query { a: Query b: Query leaf: String }")

# How GraphiQL asks for the schema when all that it knows to ask for is turned on.
FULL_INTROSPECTION = get_introspection_query(
    descriptions=True,
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
    one_of=True,
)


def errors_in(text: str, **limits: int) -> list[GraphQLError]:
    within = Limits(**limits)
    return validate(SCHEMA, parse_within(within, text), [limit_rule(within)])


def nested(depth: int) -> str:
    return "{a" * (depth - 1) + "{leaf}" + "}" * (depth - 1)


def bomb(fragments: int) -> str:
    """Each fragment spreads the next one twice: the leaf stands there 2 ** fragments times."""
    doubling = " ".join(
        f"fragment F{i} on Query {{ x: a {{ ...F{i + 1} }} y: a {{ ...F{i + 1} }} }}"
        for i in range(fragments)
    )
    return f"{{ ...F0 }} {doubling} fragment F{fragments} on Query {{ leaf }}"


def test_introspection_is_within_the_limits() -> None:
    assert errors_in(FULL_INTROSPECTION) == []


def test_depth_is_counted_in_fields() -> None:
    assert errors_in(nested(15)) == []
    [error] = errors_in(nested(16))
    assert error.extensions == {"code": "TOO_LARGE"}
    assert "16 fields deep; at most 15" in error.message


def test_inline_fragments_add_no_depth() -> None:
    assert errors_in("{ ... { a { ... on Query { leaf } } } }", depth=2) == []


def test_depth_goes_through_fragments() -> None:
    text = "{ a { ...F } } fragment F on Query { a { ...G } } fragment G on Query { leaf }"
    assert errors_in(text, depth=3) == []
    assert len(errors_in(text, depth=2)) == 1


def test_introspection_beside_data_does_not_hide_its_depth() -> None:
    assert len(errors_in("{ __schema { types { name } } a { b { leaf } } }", depth=2)) == 1


def test_aliases_count_each_time_their_fragment_is_spread() -> None:
    text = "{ a { ...F } b { ...F } } fragment F on Query { x: leaf y: leaf }"
    assert errors_in(text, aliases=4) == []
    [error] = errors_in(text, aliases=3)
    assert error.extensions == {"code": "TOO_LARGE"}
    assert "more than 3 aliases" in error.message


def test_aliases_count_within_introspection() -> None:
    aliases = " ".join(f"x{i}: queryType {{ name }}" for i in range(51))
    assert len(errors_in(f"{{ __schema {{ {aliases} }} }}")) == 1


@pytest.mark.parametrize(
    "crowd",
    [
        f"{{ {'leaf ' * 21} }}",
        f"{{ a {{ ...F }} }} fragment F on Query {{ {'leaf ' * 21} }}",
        f"{{ {'...F ' * 21} }} fragment F on Query {{ leaf }}",
        f"{{ leaf {'@skip(if: true) ' * 6} }}",
        f"{{ leaf {'@unknown ' * 6} }}",
        f"{{ ...F {'@unknown ' * 6} }} fragment F on Query {{ leaf }}",
        f"query {'@unknown ' * 6} {{ leaf }}",
    ],
)
def test_the_same_again_and_again_is_refused_once(crowd: str) -> None:
    [error] = errors_in(crowd)
    assert error.extensions == {"code": "TOO_LARGE"}
    assert errors_in(crowd, repeats=21, directives=6) == []


def test_inline_fragments_may_be_many_and_fields_of_different_names_too() -> None:
    fields = " ".join(f"f{number}: leaf" for number in range(30))
    assert errors_in(f"{{ {'... { leaf } ' * 30} {fields} }}") == []


def test_each_operation_has_the_whole_allowance() -> None:
    aliases = " ".join(f"x{i}: leaf" for i in range(50))
    assert errors_in(f"query A {{ {aliases} }} query B {{ {aliases} }}") == []


def test_measuring_a_fragment_bomb_takes_no_more_steps_than_its_text() -> None:
    # Steps are counted in lines of Python, as time would depend on the machine. Expanding
    # would take 2 ** 40 of them.
    roomy = {"tokens": 10_000, "depth": 1_000}
    once, twice = (_lines_run(bomb(n), **roomy) for n in (20, 40))
    assert twice < 2.2 * once


def test_the_bomb_is_refused() -> None:
    codes = {(error.extensions or {})["code"] for error in errors_in(bomb(17))}
    assert codes == {"TOO_LARGE"}


@pytest.mark.parametrize(
    "text",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { a { ...B } } fragment B on Query { x: a { ...A } }",
    ],
)
def test_fragments_that_spread_each_other_are_refused(text: str) -> None:
    [error] = errors_in(text)
    assert error.message.startswith("Fragments spread each other: ")


def test_a_fragment_that_is_not_defined_is_left_to_the_standard_rules() -> None:
    assert errors_in("{ ...Nowhere }") == []


def test_a_document_longer_than_the_limit_is_not_parsed() -> None:
    with pytest.raises(GraphQLError) as caught:
        parse_within(Limits(characters=10), "#" * 11)
    assert caught.value.extensions == {"code": "TOO_LARGE"}


def test_a_document_with_too_many_tokens_is_not_parsed() -> None:
    assert parse_within(Limits(tokens=4), "{ a b }")
    with pytest.raises(GraphQLError) as caught:
        parse_within(Limits(tokens=4), "{ a b c }")
    assert caught.value.extensions == {"code": "TOO_LARGE"}


def test_a_syntax_error_stays_one() -> None:
    with pytest.raises(GraphQLError, match="Syntax Error") as caught:
        parse_within(Limits(), "{")
    assert not caught.value.extensions


def test_equal_limits_share_one_rule() -> None:
    assert limit_rule(Limits(depth=3)) is limit_rule(Limits(depth=3))


selections = st.recursive(
    st.sampled_from(["leaf", "x: leaf", "...F0", "...F1", "...F2"]),
    lambda inner: st.builds(
        "{}{{ {} }}".format,
        st.sampled_from(["a", "y: b", "... on Query"]),
        st.lists(inner, min_size=1, max_size=3).map(" ".join),
    ),
    max_leaves=8,
)


@given(st.tuples(selections, selections, selections, selections))
def test_counts_are_those_of_the_document_with_its_fragments_written_out(
    bodies: tuple[str, str, str, str],
) -> None:
    # A fragment spreads only those after it, so that none spreads itself.
    parts = [f"{{ {bodies[0]} }}"]
    for i in range(3):
        body = bodies[i + 1]
        for earlier in range(i + 1):
            body = body.replace(f"...F{earlier}", "leaf")
        parts.append(f"fragment F{i} on Query {{ {body} }}")
    text = " ".join(parts)
    depth, aliases = _written_out(text)
    assert errors_in(text, depth=depth, aliases=aliases) == []
    if depth > 1:
        assert len(errors_in(text, depth=depth - 1, aliases=aliases)) == 1
    if aliases:
        assert len(errors_in(text, depth=depth, aliases=aliases - 1)) == 1


def _written_out(text: str) -> tuple[int, int]:
    """Depth and aliases, by the plain way that takes as long as the expansion is."""
    [document] = separate_operations(parse(text)).values()
    operation, *fragments = sorted(document.definitions, key=lambda d: d.kind, reverse=True)
    bodies = {f.name.value: f.selection_set for f in fragments}  # type: ignore[attr-defined]

    def walk(selection_set: SelectionSetNode) -> tuple[int, int]:
        depth = aliases = 0
        for selection in selection_set.selections:
            here = isinstance(selection, FieldNode)
            if isinstance(selection, FragmentSpreadNode):
                inner = walk(bodies[selection.name.value])
            else:
                within: SelectionSetNode | None = selection.selection_set  # type: ignore[attr-defined]
                inner = walk(within) if within else (0, 0)
            depth = max(depth, here + inner[0])
            aliases += inner[1] + (isinstance(selection, FieldNode) and selection.alias is not None)
        return depth, aliases

    return walk(operation.selection_set)  # type: ignore[attr-defined]


def _lines_run(text: str, **limits: int) -> int:
    within = Limits(**limits)
    document, rule = parse_within(within, text), limit_rule(within)
    lines = 0

    def count(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        validate(SCHEMA, document, [rule])
    finally:
        sys.settrace(before)
    return lines


SMALL_PAGES = "{ a(first: 10) { nodes { b(first: 20) { nodes { leaf } } } } }"


def test_pages_within_pages_are_counted_as_if_they_were_full() -> None:
    assert errors_in(SMALL_PAGES, nodes=210) == []
    [error] = errors_in(SMALL_PAGES, nodes=209)
    assert error.extensions == {"code": "TOO_LARGE"}
    assert "may give 210 rows" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "query ($n: Int) { a(first: $n) { nodes { b { edges { leaf } } } } }",
        "{ a { ...P } } fragment P on Query { nodes { b { ...Q } } } fragment Q on Query { edges }",
        "{ a { ... { nodes { ...R } } } } fragment R on Query { b(first: 1000000) { nodes } }",
    ],
)
def test_a_page_that_does_not_say_its_size_counts_as_the_largest(text: str) -> None:
    assert any("may give 10100 rows" in error.message for error in errors_in(text, nodes=10_099))
    assert errors_in(text, nodes=10_100) == []


def test_the_query_that_kept_a_server_for_half_a_minute_is_refused() -> None:
    page = "reports(first: 100) { nodes { grid { %s } } }"
    assert errors_in("{" + page % (page % (page % "leaf")) + "}")


def test_counting_rows_takes_no_time_for_pages_that_multiply() -> None:
    text = "{" + "a { nodes {" * 14 + "leaf" + "} }" * 14 + "}"
    assert errors_in(text, depth=100)


SPOTS, CLUSTERS = WEIGHTS["hotspots"], WEIGHTS["reportClusters"]
PRICED = build_schema(
    """
    type Query { hotspots: [String] reportClusters: [String] list(first: Int): List }
    type List { nodes: [Query] }
    """
)


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ hotspots }", SPOTS),
        ("{ a: hotspots b: hotspots reportClusters }", 2 * SPOTS + CLUSTERS),
        ("{ list(first: 7) { nodes { reportClusters } } }", 7 + 7 * CLUSTERS),
        ("{ list { nodes { list(first: 2) { nodes { __typename } } } } }", 100 + 200),
        (
            "{ ...F list(first: 3) { nodes { ...F } } } fragment F on Query { hotspots }",
            3 + 4 * SPOTS,
        ),
        (
            "query A { ...F } fragment F on Query { list(first: 5) { nodes { hotspots } } }",
            5 + 5 * SPOTS,
        ),
    ],
)
def test_cost_is_rows_and_the_weights_of_fields_within_them(query: str, cost: int) -> None:
    document = parse(query)
    assert [each.of(None) for each in costs(Limits(), document).values()] == [cost]
    assert validate(PRICED, document, [limit_rule(Limits(cost=cost))]) == []
    [error] = validate(PRICED, document, [limit_rule(Limits(cost=cost - 1))])
    assert error.extensions == {"code": "TOO_LARGE", "cost": cost, "most": cost - 1}


@pytest.mark.parametrize(
    ("query", "more"),
    [
        ("query ($p: [P!]!) { locateMany(points: $p) { leaf } }", 1),
        (
            "query ($p: [P!]!) { ...F ... { x: locateMany(points: $p) } } "
            "fragment F on Query { ...G } fragment G on Query { locateMany(points: $p) }",
            2,
        ),
        ("query ($p: [P!]!) { list(first: 3) { nodes { locateMany(points: $p) } } }", 3),
    ],
)
def test_a_list_costs_by_its_values(query: str, more: int) -> None:
    [cost] = costs(Limits(), parse(query)).values()
    fixed = cost.of({"p": []})
    _, weight = EACH["locateMany"]
    assert cost.of({"p": [{}] * 4_000}) == fixed + more * 4_000 * weight
    assert cost.of({"p": {}}) == cost.of({}) == fixed + math.ceil(more * weight)


def test_values_in_the_text_cost_what_they_cost_as_variables() -> None:
    points = "{longitude: 1, latitude: 2, datum: WGS84} " * 60
    [cost] = costs(Limits(), parse(f"{{ locateMany(points: [{points}]) {{ outcome }} }}")).values()
    _, weight = EACH["locateMany"]
    assert cost.of(None) == math.ceil(60 * weight)


def test_every_weight_is_of_a_field_that_there_is() -> None:
    query = real_schema._schema.query_type
    assert query is not None
    assert WEIGHTS.keys() <= query.fields.keys()
    for field, (argument, _) in EACH.items():
        assert argument in query.fields[field].args
