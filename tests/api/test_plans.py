"""A plan gives what graphql-core gives, or leaves it to graphql-core."""

from __future__ import annotations

import asyncio
import enum
import gc
import json
from collections.abc import AsyncGenerator, Awaitable
from inspect import isawaitable
from typing import Any, Optional

import pytest
import strawberry
from graphql import DocumentNode, ExecutionResult, execute, get_operation_ast, parse, validate
from graphql.pyutils import AwaitableOrValue
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.api.plans import ListPlans, PlannedExecutor, plan

Info = strawberry.Info[dict[str, Any], None]


@strawberry.enum
class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@strawberry.input
class Shift:
    by: int
    times: list[int] | None = None
    colour: Colour = Colour.RED


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Box(Named):
    number: int
    colour: Colour
    tags: list[str | None]
    label: str | None

    @strawberry.field
    def inner(self) -> Box | None:
        return box(self.number // 2) if self.number else None

    @strawberry.field
    def required(self) -> Box:
        return box(self.number - 1) if self.number % 3 else None  # type: ignore[return-value]

    @strawberry.field
    def boxes(self, count: int = 2) -> list[Box]:
        return [box(self.number + i) for i in range(count)]

    @strawberry.field
    def shifted(self, shift: Shift) -> str:
        return f"{self.number} {shift.by} {shift.times} {shift.colour}"

    @strawberry.field
    def place(self, info: Info) -> str:
        path, step = [], info.path
        while step is not None:
            path.append(str(step.key))
            step = step.prev  # type: ignore[assignment]
        return f"{path} {info.field_name} {info.variable_values} {info.context}"

    @strawberry.field
    def failing(self) -> int | None:
        if self.number % 2:
            raise ValueError("odd")
        return self.number

    @strawberry.field
    def odd_one(self) -> Named | None:
        return self

    @strawberry.field(graphql_type=int)  # type: ignore[untyped-decorator]
    def sometimes_later(self) -> AwaitableOrValue[int]:
        return later(self.number) if self.number % 2 else self.number

    @strawberry.field
    async def always_later(self) -> int:
        return self.number

    @strawberry.field(graphql_type=int | None)  # type: ignore[untyped-decorator]
    def perhaps_later(self) -> AwaitableOrValue[int | None]:
        if self.number % 4 == 0:
            return None
        return failing_later(self.number) if self.number % 2 else self.number

    @strawberry.field(graphql_type=Optional["Box"])  # type: ignore[untyped-decorator]
    def inner_later(self) -> AwaitableOrValue[Any]:
        return box_later(self.number // 2) if self.number % 3 else None


@strawberry.type
class Query:
    @strawberry.field
    def box(self, number: int) -> Box:
        return box(number)

    @strawberry.field
    async def boxes(self, count: int) -> list[Box]:
        return [await box_later(number) for number in range(count)]

    @strawberry.field
    async def rows(self, count: int) -> list[list[Box] | None] | None:
        return [[box(number)] if number % 3 else None for number in range(count)]

    @strawberry.field
    def version() -> int:
        return 1


async def later(number: int) -> int:
    return number


async def failing_later(number: int) -> int:
    if number % 5 == 0:
        raise ValueError("by five")
    return number


async def box_later(number: int) -> Box:
    return box(number)


def box(number: int) -> Box:
    return Box(
        name=f"box {number}",
        number=number,
        colour=Colour.BLUE if number % 2 else Colour.RED,
        tags=["a", None, "b"][: number % 4],
        label=None if number % 5 else "label",
    )


schema = strawberry.Schema(query=Query)

_PLAIN = [
    "name",
    "number",
    "colour",
    "tags",
    "label",
    "__typename",
    "place",
    "shifted(shift: {by: 3, times: [1, 2], colour: BLUE})",
    "shifted(shift: $shift)",
    "again: shifted(shift: {by: $by})",
    "...F",
    "... { number label }",
    "... on Named { name }",
    "... on Box { tags }",
]
_RARE = [
    "failing",
    "required { number }",
    "sometimesLater",
    "alwaysLater",
    "perhapsLater",
    "innerLater { name perhapsLater boxes { number perhapsLater } }",
    "oddOne { name }",
    "name @skip(if: true)",
    "... @include(if: true) { number }",
]


def selections(fields: list[str]) -> st.SearchStrategy[str]:
    def within(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        objects = st.sampled_from(
            ["inner", "inner", "boxes", "boxes(count: $by)", "boxes(count: 2)", "x: inner"]
        )
        nested = st.tuples(objects, inner).map(lambda pair: f"{pair[0]} {pair[1]}")
        return st.lists(st.one_of(st.sampled_from(fields), nested), min_size=1, max_size=6).map(
            lambda chosen: "{ " + " ".join(chosen) + " }"
        )

    return st.recursive(within(st.just("{ number }")), within, max_leaves=5)


def document(selected: str) -> str:
    return (
        "query ($number: Int!, $by: Int!, $shift: Shift!) {\n"
        f"  __typename version box(number: $number) {selected}\n"
        "  unused: box(number: $by) { shifted(shift: $shift) ...F }\n}\n"
        "fragment F on Box { name inner { number colour } }"
    )


def planned(text: str, variables: dict[str, object]) -> tuple[Any, bool]:
    """What the plan gives, and whether there is one."""
    node = parse(text)
    operation = get_operation_ast(node)
    assert operation is not None
    executor = schema.execution_context_class.build(
        schema._schema, node, context_value={"who": "me"}, raw_variable_values=variables
    )
    assert not isinstance(executor, list)
    made = plan(schema, node, operation)
    return (made.data(executor), True) if made else (None, False)


def executed(text: str, variables: dict[str, object]) -> ExecutionResult | Awaitable[Any]:
    return execute(
        schema._schema,
        parse(text),
        context_value={"who": "me"},
        variable_values=variables,
        executor_class=schema.execution_context_class,
    )


@given(selections(_PLAIN + _RARE), st.integers(0, 12), st.integers(0, 3))
def test_what_a_plan_gives_is_what_graphql_core_gives(selected: str, number: int, by: int) -> None:
    text = document(selected)
    variables: dict[str, object] = {"number": number, "by": by, "shift": {"by": by}}
    if validate(schema._schema, parse(text)):
        return  # the same name for two things
    found, _ = planned(text, variables)
    if found is not None:
        expected = executed(text, variables)
        assert isinstance(expected, ExecutionResult)
        assert expected.errors is None
        assert json.dumps(found) == json.dumps(expected.data)


@given(selections(_PLAIN), st.integers(0, 12), st.integers(0, 3))
def test_what_goes_well_at_once_is_planned(selected: str, number: int, by: int) -> None:
    text = document(selected)
    if not validate(schema._schema, parse(text)):
        found, _ = planned(text, {"number": number, "by": by, "shift": {"by": by}})
        assert found is not None


def document_of_lists(selected: str) -> str:
    return (
        "query ($number: Int!, $by: Int!, $shift: Shift!) {\n"
        f"  boxes(count: $number) {selected} rows(count: $number) {selected}\n"
        f"  again: boxes(count: $number) {{ ...F }} again: boxes(count: $number) {selected}\n"
        "  unused: box(number: $by) { shifted(shift: $shift) ...F }\n}\n"
        "fragment F on Box { name inner { number colour } }"
    )


def run(
    node: DocumentNode, variables: dict[str, object], lists: ListPlans | None
) -> ExecutionResult:
    executor = PlannedExecutor.build(
        schema._schema, node, context_value={"who": "me"}, raw_variable_values=variables
    )
    assert isinstance(executor, PlannedExecutor)
    executor.lists = lists

    async def executed() -> Any:
        result: Any = executor.execute_operation()
        answer = await result if isawaitable(result) else result
        await asyncio.gather(*executor.background_futures, return_exceptions=True)
        return answer

    result = asyncio.run(executed())
    assert isinstance(result, ExecutionResult)
    return result


# None that is null and must not be: graphql-core then leaves alone what has not begun beside it.
@settings(deadline=None, max_examples=40)
@given(
    selections([each for each in _PLAIN + _RARE if not each.startswith("required")]),
    st.integers(0, 12),
    st.integers(0, 3),
)
def test_lists_with_plans_in_any_operation_are_what_graphql_core_gives(
    selected: str, number: int, by: int
) -> None:
    node = parse(document_of_lists(selected))
    variables: dict[str, object] = {"number": number, "by": by, "shift": {"by": by}}
    if validate(schema._schema, node):
        return
    expected = run(node, variables, None)
    lists = ListPlans(schema, node)
    for _ in range(2):
        found = run(node, variables, lists)
        assert json.dumps(found.data) == json.dumps(expected.data)
        assert said(found) == said(expected)
    gc.collect()


def said(result: ExecutionResult) -> set[str]:
    """The places that errors have made null, with what was wrong where it was wrong there.

    Where an error makes null what is around it, others in there are told if they came before it.
    """
    found = set()
    for error in result.errors or []:
        value: Any = result.data
        path = list(error.path or [])
        depth = 0
        while value is not None and depth < len(path):
            value, depth = value[path[depth]], depth + 1
        found.add(f"{path[:depth]} {error.message if depth == len(path) else ''}")
    return found


@pytest.mark.parametrize(
    ("selected", "is_known"),
    [
        ("{ name inner { boxes { number } } }", True),
        ("{ perhapsLater innerLater { name } }", True),
        ("{ alwaysLater }", False),
        ("{ oddOne { name } }", False),
        ("{ name @skip(if: false) }", False),
    ],
)
def test_a_list_whose_items_take_no_coroutines_has_a_plan(selected: str, is_known: bool) -> None:
    node = parse(f"{{ boxes(count: 3) {selected} }}")
    lists = ListPlans(schema, node)
    run(node, {}, lists)
    assert [step is not None for step in lists._steps.values()][:1] == [is_known]


@pytest.mark.parametrize(
    ("selected", "is_known"),
    [
        ("{ required { name } }", True),
        ("{ inner { boxes { failing } } }", True),
        ("{ sometimesLater }", True),
        ("{ alwaysLater }", False),
        ("{ oddOne { name } }", False),
        ("{ name @skip(if: false) }", False),
        ("{ ...F @include(if: true) }", False),
    ],
)
def test_what_goes_otherwise_is_left_to_graphql_core(selected: str, is_known: bool) -> None:
    variables: dict[str, object] = {"number": 3, "by": 1, "shift": {"by": 1}}
    assert planned(document(selected), variables) == (None, is_known)
    gc.collect()  # a coroutine that was neither awaited nor closed would be told of here


def test_a_plan_is_no_longer_than_its_text() -> None:
    fragments = "fragment F0 on Box { name }" + "".join(
        f" fragment F{i + 1} on Box {{ inner {{ ...F{i} }} boxes {{ ...F{i} }} }}"
        for i in range(14)
    )
    text = f"{{ box(number: 1) {{ ...F14 }} }} {fragments}"
    assert validate(schema._schema, parse(text)) == []
    assert planned(text, {}) == (None, False)


@pytest.mark.parametrize("text", ["mutation { touch }", "subscription { touches }"])
def test_only_queries_have_plans(text: str) -> None:
    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def touch(self) -> int:
            raise AssertionError

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def touches(self) -> AsyncGenerator[int, None]:
            yield 1

    writing = strawberry.Schema(query=Query, mutation=Mutation, subscription=Subscription)
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    assert validate(writing._schema, document) == []
    assert plan(writing, document, operation) is None
