"""Operations that were compiled once into the calls that answer them.

graphql-core finds out again for every value how its field is resolved and completed. A plan has
found that out before, so that many small values cost several times less. It knows the common case
only: queries of plain fields and of resolvers that are no coroutines, all of which goes well.
Whatever else turns up, an error, a null that must be none, something to be awaited, ends it, and
graphql-core does the whole operation as if there had been no plan. So errors are found and told in
one place, and a plan changes no answer, only its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import iscoroutine
from operator import attrgetter
from typing import Any, TypeAlias

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution import Executor
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_argument
from strawberry.types.field import StrawberryField

Running: TypeAlias = Executor[Any]
Step: TypeAlias = Callable[[Running, Any, Path | None], Any]
"""Gives what a field of the source, or a value at the path, is in the answer."""


class Plan:
    """Answers one query of a document that is valid for the schema."""

    def __init__(self, select: Step) -> None:
        self._select = select

    def data(self, executor: Running) -> dict[str, Any] | None:
        """The data of the answer, which has no errors; None where graphql-core is to find it.

        `executor` was built for this operation, its variables and its context.
        """
        try:
            found: dict[str, Any] = self._select(executor, executor.root_value, None)
        except Exception:  # noqa: BLE001, graphql-core meets it again and tells of it
            return None
        return found


def plan(
    schema: strawberry.Schema, document: DocumentNode, operation: OperationDefinitionNode
) -> Plan | None:
    """None where the operation is of another kind than plans know."""
    if operation.operation is not OperationType.QUERY or operation.directives:
        return None
    query = schema._schema.query_type
    assert query is not None
    if schema.schema_converter.exception_handlers:
        return None
    try:
        planner = _Planner(schema, document)
        return Plan(planner.selection(query, [operation.selection_set]))
    except _Unplanned:
        return None


class _Unplanned(Exception):
    """Not a common case."""


class _Planner:
    def __init__(self, schema: strawberry.Schema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        # A fragment that is spread again is planned again, so that the text alone bounds no plan.
        self._steps_left = document.loc.end // 2 if document.loc else 0

    def selection(self, parent: GraphQLObjectType, sets: Iterable[SelectionSetNode]) -> Step:
        """Gives the fields that are selected of an object."""
        grouped: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for selected in sets:
            self._collect(parent, selected, grouped, seen)
        steps = [(key, self._field(key, parent, nodes)) for key, nodes in grouped.items()]

        def select(executor: Running, source: Any, path: Path | None) -> dict[str, Any]:
            return {key: step(executor, source, path) for key, step in steps}

        return select

    def _collect(
        self,
        parent: GraphQLObjectType,
        selected: SelectionSetNode,
        grouped: dict[str, list[FieldNode]],
        seen: set[str],
    ) -> None:
        for node in selected.selections:
            if node.directives:
                raise _Unplanned
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                grouped.setdefault(key, []).append(node)
                continue
            if isinstance(node, FragmentSpreadNode):
                if node.name.value in seen:
                    continue
                seen.add(node.name.value)
                fragment: Any = self._fragments[node.name.value]
            else:
                fragment = node
            if fragment.directives:
                raise _Unplanned
            if self._applies(fragment.type_condition, parent):
                self._collect(parent, fragment.selection_set, grouped, seen)

    def _applies(self, condition: Any, parent: GraphQLObjectType) -> bool:
        if condition is None or condition.name.value == parent.name:
            return True
        schema = self._schema._schema
        wanted = schema.get_type(condition.name.value)
        return is_abstract_type(wanted) and schema.is_sub_type(wanted, parent)

    def _field(self, key: str, parent: GraphQLObjectType, nodes: list[FieldNode]) -> Step:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise _Unplanned
        name = nodes[0].name.value
        if name == "__typename":
            return lambda _executor, _source, _path: parent.name
        definition = parent.fields.get(name)
        field = definition and definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if definition is None or not isinstance(field, StrawberryField):
            raise _Unplanned
        complete = self._completion(definition.type, nodes)
        if field.base_resolver is None and not field.extensions:
            if self._schema.config.default_resolver is not getattr:
                raise _Unplanned
            get = attrgetter(field.python_name)
            if is_leaf_type(_named(definition.type)):
                return lambda executor, source, path: complete(executor, get(source), path)
            type_name = parent.name
            return lambda executor, source, path: complete(
                executor, get(source), Path(path, key, type_name)
            )
        return self._call(key, parent, nodes, definition, field, complete)

    def _call(
        self,
        key: str,
        parent: GraphQLObjectType,
        nodes: list[FieldNode],
        definition: GraphQLField,
        field: StrawberryField,
        complete: Step,
    ) -> Step:
        """A field that has a resolver."""
        resolver = field.base_resolver
        if resolver is None or field.extensions or field.is_async or field.is_subscription:
            raise _Unplanned
        if resolver.parent_parameter or resolver.root_parameter:
            raise _Unplanned
        takes_source = resolver.self_parameter is not None
        info_name = resolver.info_parameter.name if resolver.info_parameter else None
        type_name, config = parent.name, self._schema.config
        scalars = self._schema.schema_converter.scalar_registry
        wanted = [
            (config.name_converter.from_argument(argument), argument.python_name, argument.type)
            for argument in field.arguments
        ]

        def call(executor: Running, source: Any, path: Path | None) -> Any:
            here = Path(path, key, type_name)
            arguments: list[Any] = [source] if takes_source else []
            named: dict[str, Any] = {}
            if info_name or wanted:
                raw = executor.build_resolve_info(definition, nodes, parent, here)
                info = config.info_class(_raw_info=raw, _field=field)
                if wanted:
                    given = get_argument_values(definition, nodes[0], executor.variable_values)
                    for name, python_name, type_ in wanted:
                        if name in given:
                            named[python_name] = convert_argument(
                                given[name], type_, scalars, config, info, path=(name,)
                            )
                if info_name:
                    named[info_name] = info
            return complete(executor, _settled(resolver(*arguments, **named)), here)

        return call

    def _completion(self, type_: GraphQLOutputType, nodes: list[FieldNode]) -> Step:
        if is_non_null_type(type_):
            return _never_null(self._completion(type_.of_type, nodes))
        if is_list_type(type_):
            return _each(self._completion(type_.of_type, nodes))
        if is_leaf_type(type_):
            return _leaf(type_.coerce_output_value)
        if not is_object_type(type_):
            raise _Unplanned
        told = type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if told is None or told.is_type_of or told.concrete_of:
            raise _Unplanned
        sets = [node.selection_set for node in nodes if node.selection_set]
        return _object(told.origin, self.selection(type_, sets))


class _UnexpectedError(Exception):
    """Something for graphql-core to make sense of."""


def _settled(value: Any) -> Any:
    if optimized_is_awaitable(value):
        if iscoroutine(value):
            value.close()
        raise _UnexpectedError
    return value


def _never_null(complete: Step) -> Step:
    def completed(executor: Running, value: Any, path: Path | None) -> Any:
        result = complete(executor, value, path)
        if result is None:
            raise _UnexpectedError
        return result

    return completed


def _each(complete: Step) -> Step:
    def completed(executor: Running, value: Any, path: Path | None) -> Any:
        if value is None:
            return None
        if type(value) is not list:
            raise _UnexpectedError
        return [complete(executor, item, Path(path, i, None)) for i, item in enumerate(value)]

    return completed


def _leaf(coerce: Callable[[Any], Any]) -> Step:
    def completed(_executor: Running, value: Any, _path: Path | None) -> Any:
        if value is None:
            return None
        if isinstance(value, Exception):
            raise _UnexpectedError
        result = coerce(_settled(value))
        if result is None or result is Undefined:
            raise _UnexpectedError
        return result

    return completed


def _object(origin: type, select: Step) -> Step:
    def completed(executor: Running, value: Any, path: Path | None) -> Any:
        if value is None:
            return None
        # Of exactly this class it is one of this type, whatever interfaces that has.
        if type(value) is not origin:
            raise _UnexpectedError
        return select(executor, value, path)

    return completed


def _named(type_: Any) -> Any:
    while is_non_null_type(type_) or is_list_type(type_):
        type_ = type_.of_type
    return type_
