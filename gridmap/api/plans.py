"""Operations that were compiled once into the calls that answer them.

graphql-core finds out again for every value how its field is resolved and completed. A plan has
found that out before, so that many small values cost several times less. It knows the common case
only: queries of plain fields and of resolvers that are no coroutines, all of which goes well.
Whatever else turns up, an error, a null that must be none, something to be awaited, ends it, and
graphql-core does the whole operation as if there had been no plan. So errors are found and told in
one place, and a plan changes no answer, only its time.

In operations that are not of this kind, each list whose items are has a plan of its own, which
graphql-core has complete it. There, what is to be awaited within is handed back to graphql-core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
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
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
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
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
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


class ListPlans:
    """The plans of a document's lists, each made when it is first needed."""

    def __init__(self, schema: strawberry.Schema, document: DocumentNode) -> None:
        self._planner = _Planner(schema, document)
        self._is_planned = not schema.schema_converter.exception_handlers
        self._steps: dict[tuple[object, ...], Step | None] = {}

    def step(self, type_: GraphQLList[Any], nodes: list[FieldNode]) -> Step | None:
        """How to complete a list of this type that these nodes select; None: graphql-core is to."""
        key = (type_, *map(id, nodes))  # the document holds them
        if key not in self._steps:
            try:
                self._steps[key] = self._planner.list_of(type_, nodes) if self._is_planned else None
            except _Unplanned:
                self._steps[key] = None
        return self._steps[key]


class PlannedExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, which completes lists by `lists` where these have a plan."""

    lists: ListPlans | None = None
    later: list[_Later] | None = None

    def complete_list_value(
        self,
        return_type: GraphQLList[Any],
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        step = self.lists and self.lists.step(return_type, info.field_nodes)
        if step:
            later: list[_Later] = []
            self.later = later
            try:
                found = step(self, result, path)
            except Exception:  # noqa: BLE001, graphql-core meets it again and tells of it
                for each in later:
                    _close(each.value)
            else:
                return self._with(later, found) if later else found
            finally:
                self.later = None
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )

    async def _with(self, later: list[_Later], found: Any) -> Any:
        """What was found, when all that is to be awaited in it is there."""
        await asyncio.gather(*(each.complete(self) for each in later))
        return found


@dataclass(eq=False, slots=True)
class _Later:
    """What a field has given to be awaited, which may be null; and the object that waits for it."""

    value: Awaitable[Any]
    type: GraphQLOutputType
    info: GraphQLResolveInfo[Any]
    into: dict[str, Any] | None = None

    async def complete(self, executor: Running) -> None:
        details = [FieldDetails(node, None) for node in self.info.field_nodes]
        path = self.info.path
        assert self.into is not None
        self.into[str(path.key)] = await executor.complete_awaitable_value(
            self.type, details, self.info, path, self.value, None
        )


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

        if not any(self._may_wait(parent, nodes) for nodes in grouped.values()):
            return select

        def select_and_wait(executor: Running, source: Any, path: Path | None) -> dict[str, Any]:
            found = select(executor, source, path)
            for value in found.values():
                if type(value) is _Later:
                    value.into = found
            return found

        return select_and_wait

    def _may_wait(self, parent: GraphQLObjectType, nodes: list[FieldNode]) -> bool:
        definition = parent.fields.get(nodes[0].name.value)
        if definition is None or is_non_null_type(definition.type):
            return False
        known = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        return isinstance(known, StrawberryField) and known.base_resolver is not None

    def list_of(self, type_: GraphQLList[Any], nodes: list[FieldNode]) -> Step:
        """Completes a list that these nodes select."""
        if not is_object_type(_named(type_)):
            raise _Unplanned
        return self._completion(type_, nodes)

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
        may_wait = self._may_wait(parent, nodes)
        info_name = resolver.info_parameter.name if resolver.info_parameter else None
        type_name, config = parent.name, self._schema.config
        scalars = self._schema.schema_converter.scalar_registry
        wanted = [
            (config.name_converter.from_argument(argument), argument.python_name, argument.type)
            for argument in field.arguments
        ]

        def call(executor: Running, source: Any, path: Path | None) -> Any:
            here = Path(path, key, type_name)
            raw: GraphQLResolveInfo[Any] | None = None
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
            value = resolver(*arguments, **named)
            if may_wait and optimized_is_awaitable(value):
                waiting: list[_Later] | None = getattr(executor, "later", None)
                if waiting is not None:
                    raw = raw or executor.build_resolve_info(definition, nodes, parent, here)
                    later = _Later(value, definition.type, raw)
                    waiting.append(later)
                    return later
            return complete(executor, _settled(value), here)

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
        _close(value)
        raise _UnexpectedError
    return value


def _close(value: Any) -> None:
    if iscoroutine(value):
        value.close()


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
