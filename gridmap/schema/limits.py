"""How much one operation may ask for, decided from its text before anything runs.

Rules of our own, because the library's expand a fragment again each time it is spread: a document
of one kilobyte could keep them busy for seconds. Here each fragment is measured once, so that the
cost grows with the text and with nothing else.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

from graphql import (
    BREAK,
    ASTValidationRule,
    DefinitionNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    Node,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    VisitorAction,
    parse,
)

from gridmap.errors import TooLarge

LARGEST_PAGE = 100

WEIGHTS = {
    "reportClusters": 100,
    "coverage": 600,
    "reportFigures": 1_500,
    "reportTrends": 400,
    "hotspots": 10_000,
    "suggestSponsorships": 1_500,
}
"""What a field costs that takes longer than it looks, in rows of a list, each some 50 µs of a core.
Measured by `make bench ARGS=costs` in a district of 92 grids, 370 buildings and 50,000 reports, in
the server and in PostgreSQL together, and rounded. Hotspots took 14,000 where all reports lie
within some 300 m of two hundred places, and 2,000 as in a city (`docs/speed.md`)."""

EACH = {"locateMany": ("points", 0.75)}
"""The same for each value of a list that is an argument: which one, and what each costs."""

_MANY = 10**12


@dataclass(frozen=True)
class Limits:
    """What a document may hold. None of them grows with the data that is asked for."""

    depth: int = 15
    """Fields within fields. A page takes three levels (connection, edges, node): four pages within
    each other, with room for what is read of the innermost. Introspection is not counted: types of
    types go deep, and graphql-core has a rule of its own for them."""

    aliases: int = 50
    """After fragments are expanded. An alias asks for the same field once more, so this bounds how
    often one resolver runs beside itself. A busy screen needs some twenty."""

    nodes: int = 20_000
    """Rows of pages within pages, each page taken for full: what `first` says, or 100 where it is
    left out or a variable. Two full pages within each other are 10 100. A page within that would be
    a million rows, and nobody else would be answered meanwhile."""

    cost: int = 20_000
    """These rows, the WEIGHTS of fields and what EACH costs of a list: a second or so of a core,
    and up to five where all of it is rows of reports, which take five times as long as others."""

    directives: int = 5
    """Of one field, fragment or operation. There are two kinds that make sense there."""

    repeats: int = 20
    """Of one field or fragment in one place, which is answered once however often it is asked for.
    Checking whether they agree compares each with each."""

    tokens: int = 1_000
    """Words and signs of the document. The standard introspection query has about 180. Checking
    takes at most some 90 ms at this limit, and grows with its square."""

    characters: int = 20_000
    """Of the document, comments and literals included. Long values belong in variables."""


def parse_within(limits: Limits, text: str) -> DocumentNode:
    """The document. Raises GraphQLError where it is none, or where it is too long to read."""
    if len(text) > limits.characters:
        raise _too_large(
            f"The document has {len(text)} characters; at most {limits.characters} are read. "
            "Send long values as variables."
        )
    try:
        return parse(text, max_lexical_tokens=limits.tokens)
    except GraphQLError as error:
        if not error.message.endswith("tokens. Parsing aborted."):
            raise
        raise _too_large(
            f"The document has more than {limits.tokens} tokens. Send values as variables, or ask "
            "in several operations."
        ) from error


@cache
def limit_rule(limits: Limits) -> type[ASTValidationRule]:
    """A validation rule for all but the length of the document; the same class for the same limits.

    Run it before the standard rules: what it refuses would cost them most.
    """

    class LimitRule(ASTValidationRule):
        def enter_document(self, document: DocumentNode, *_: Any) -> VisitorAction:
            for error in _exceeded(limits, document):
                self.report_error(error)
            return BREAK

    return LimitRule


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operation costs: `fixed` by its text, and so much for each value of the lists that
    its variables give.
    """

    fixed: int
    each: Mapping[str, float]

    def of(self, variables: Mapping[str, Any] | None) -> int:
        """With these values, as they were sent; what is no list counts as one value."""
        given = variables or {}
        lists = ((given.get(name), each) for name, each in self.each.items())
        more = sum(each * (len(value) if isinstance(value, list) else 1) for value, each in lists)
        return self.fixed + math.ceil(more)


def costs(limits: Limits, document: DocumentNode) -> dict[str, Cost]:
    """What each operation of a document without fault costs, by its name or by ""."""
    fragments = _fragment_sizes(limits, document)
    return {
        operation.name.value if operation.name else "": Cost(size.cost, size.each)
        for operation, size in _operation_sizes(limits, document, fragments)
    }


def too_costly(limits: Limits, cost: int) -> str:
    """What to tell whoever asks for an operation of this cost."""
    return (
        f"The operation costs {cost}, of rows and of fields that take long; at most {limits.cost} "
        "is answered. Ask in several operations, one after the other."
    )


@dataclass(frozen=True, slots=True)
class _Size:
    depth: int = 0
    aliases: int = 0
    nodes: int = 0
    cost: int = 0
    each: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Spread:
    """A fragment that is spread. `level`: of the field around it, None within introspection, where
    depth is not counted. `rows`: how many of what is around it there may be."""

    name: str
    level: int | None
    rows: int


@dataclass(frozen=True, slots=True)
class _Selections:
    """What a definition selects itself, and the fragments it spreads."""

    own: _Size
    spreads: list[_Spread]


def _exceeded(limits: Limits, document: DocumentNode) -> Iterable[GraphQLError]:
    for definition in document.definitions:
        if (crowd := _crowd(limits, definition)) is not None:
            yield crowd
            return
    try:
        sizes = _fragment_sizes(limits, document)
    except CycleError as error:
        yield GraphQLError(f"Fragments spread each other: {' in '.join(error.args[1])}.")
        return
    for operation, size in _operation_sizes(limits, document, sizes):
        if size.depth > limits.depth:
            yield _too_large(
                f"The operation is {size.depth} fields deep; at most {limits.depth} are answered. "
                "Ask for the inner part in an operation of its own.",
                operation,
            )
        if size.nodes > limits.nodes:
            yield _too_large(
                f"The operation may give {size.nodes} rows, pages within pages taken for full; at "
                f"most {limits.nodes} are answered. Ask for smaller pages with first, or for the "
                "inner ones in an operation of their own.",
                operation,
            )
        elif size.cost > limits.cost:
            yield _too_large(
                too_costly(limits, size.cost),
                operation,
                cost=size.cost,
                most=limits.cost,
            )
        if size.aliases > limits.aliases:
            yield _too_large(
                f"The operation has more than {limits.aliases} aliases, counting those of "
                "fragments each time they are spread. Ask in several operations.",
                operation,
            )


def _crowd(limits: Limits, definition: DefinitionNode) -> GraphQLError | None:
    """What is wrong where the same stands in one place again and again."""
    within: list[Node] = [definition]
    while within:
        node = within.pop()
        if len(getattr(node, "directives", None) or ()) > limits.directives:
            return _too_large(
                f"There are more than {limits.directives} directives in one place; leave out those "
                "that say the same.",
                node,
            )
        selections = getattr(getattr(node, "selection_set", None), "selections", ())
        named = Counter(map(_asked_as, selections))
        # Inline fragments have no name, and may be many.
        if any(count > limits.repeats for name, count in named.items() if name):
            return _too_large(
                f"A field or fragment is asked for more than {limits.repeats} times in one place; "
                "once is enough.",
                node,
            )
        within += selections
    return None


def _asked_as(selection: SelectionNode) -> str:
    if isinstance(selection, FieldNode):
        return (selection.alias or selection.name).value
    return f"...{selection.name.value}" if isinstance(selection, FragmentSpreadNode) else ""


def _fragment_sizes(limits: Limits, document: DocumentNode) -> dict[str, _Size]:
    """Raises CycleError where fragments spread each other."""
    fragments = {
        definition.name.value: _selections(definition.selection_set)
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    inner_first = TopologicalSorter(
        {name: {spread.name for spread in held.spreads} for name, held in fragments.items()}
    )
    sizes: dict[str, _Size] = {}
    for name in inner_first.static_order():
        # A fragment that is spread and not defined is another rule's to report.
        if name in fragments:
            sizes[name] = _expanded(fragments[name], sizes, limits)
    return sizes


def _operation_sizes(
    limits: Limits, document: DocumentNode, fragments: dict[str, _Size]
) -> Iterator[tuple[OperationDefinitionNode, _Size]]:
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            selections = _selections(operation.selection_set)
            yield operation, _expanded(selections, fragments, limits)


def _selections(of: SelectionSetNode) -> _Selections:
    deepest = aliases = nodes = cost = 0
    spreads: list[_Spread] = []
    each: defaultdict[str, float] = defaultdict(float)
    # With each the level of the field around it, how many of it there may be, and how many rows it
    # has where it is a page.
    within: list[tuple[SelectionSetNode, int | None, int, int]] = [(of, 0, 1, LARGEST_PAGE)]
    while within:
        selection_set, above, rows, page = within.pop()
        for selection in selection_set.selections:
            level, inside, inner_page = above, rows, page
            if isinstance(selection, FragmentSpreadNode):
                spreads.append(_Spread(selection.name.value, level, rows))
                continue
            if isinstance(selection, FieldNode):
                aliases += selection.alias is not None
                cost += min(rows * WEIGHTS.get(selection.name.value, 0), _MANY)
                values, weight = _listed(selection)
                if isinstance(values, VariableNode):
                    each[values.name.value] += min(rows * weight, _MANY)
                elif isinstance(values, ListValueNode):
                    cost += min(math.ceil(rows * weight * len(values.values)), _MANY)
                if selection.name.value in ("__schema", "__type"):
                    level = None
                if level is not None:
                    level += 1
                    deepest = max(deepest, level)
                inner_page = _page(selection)
                if selection.name.value in ("nodes", "edges"):
                    inside = min(rows * page, _MANY)
                    nodes += inside
            inner = getattr(selection, "selection_set", None)
            if inner is not None:
                within.append((inner, level, inside, inner_page))
    return _Selections(_Size(deepest, aliases, nodes, nodes + cost, each), spreads)


def _listed(field: FieldNode) -> tuple[ValueNode | None, float]:
    """The list whose values cost something each, where the field takes one."""
    name, weight = EACH.get(field.name.value, ("", 0))
    for argument in field.arguments or ():
        if argument.name.value == name:
            return argument.value, weight
    return None, 0


def _page(field: FieldNode) -> int:
    """How many rows the field has at most, if it is a page of a list."""
    for argument in field.arguments or ():
        if argument.name.value == "first" and isinstance(argument.value, IntValueNode):
            return min(int(argument.value.value[:9]), LARGEST_PAGE)
    return LARGEST_PAGE


def _expanded(selections: _Selections, sizes: dict[str, _Size], limits: Limits) -> _Size:
    own = selections.own
    depth, aliases, nodes, cost = own.depth, own.aliases, own.nodes, own.cost
    each = defaultdict(float, own.each)
    for spread in selections.spreads:
        size = sizes.get(spread.name, _Size())
        aliases += size.aliases
        nodes += spread.rows * size.nodes
        cost += spread.rows * size.cost
        for name, weight in size.each.items():
            each[name] += min(spread.rows * weight, _MANY)
        if spread.level is not None:
            depth = max(depth, spread.level + size.depth)
    # The counts double with each fragment of a bomb; beyond the limit they say nothing more.
    aliases, nodes, cost = min(aliases, limits.aliases + 1), min(nodes, _MANY), min(cost, _MANY)
    return _Size(depth, aliases, nodes, cost, each)


def _too_large(message: str, node: Node | None = None, **details: int) -> GraphQLError:
    return GraphQLError(message, node, extensions={**details, "code": TooLarge.code})
