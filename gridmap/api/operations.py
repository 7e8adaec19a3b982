"""How an operation is prepared and run, whichever way it was asked for.

Documents are parsed, checked and planned once and then kept, so that an operation that was seen
before is executed straight away.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Literal, TypeAlias, TypeGuard, TypeVar, cast

import orjson
import strawberry
from graphql import (
    ASTValidationRule,
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    create_source_event_stream,
    execute_subscription_event,
    get_operation_ast,
    specified_rules,
    validate,
)
from graphql.execution import Executor
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from gridmap.api.graphql_errors import field_errors, http_status, masked, request_errors, told
from gridmap.api.plans import ListPlans, Plan, PlannedExecutor, plan
from gridmap.api.trusted_documents import TrustedDocuments
from gridmap.errors import GridmapError, Invalid, TooLarge, Unavailable
from gridmap.schema.limits import Cost, Limits, costs, limit_rule, parse_within, too_costly
from gridmap.schema.null_characters import NullCharacterRule, refuse_null_characters

Value = TypeVar("Value")

Answer: TypeAlias = dict[str, object]
"""What an operation, or one event of a subscription, gives: `data`, and `errors` if any."""


_MOST_ERRORS = 20
"""That are told of one request: nobody reads more, and a short request could make very many."""


class Failed(Exception):
    """The request was understood and has no data; the status is for those who read statuses."""

    def __init__(self, errors: list[dict[str, object]], status: int = 400) -> None:
        super().__init__(errors)
        self.status = status
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client sends to have an operation run."""

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None
    document_id: str | None = None
    """What names a document that the server keeps."""


def asked(given: object, what: str = "The body") -> Asked:
    """What was sent, from its JSON. Raises Invalid, with what is wrong with it."""
    if isinstance(given, list):
        raise Invalid("Batches are not taken; send each operation by itself.")
    if not isinstance(given, dict):
        raise Invalid(f"{what} is {json_name(given)}; send an object.")
    query, document_id = given.get("query"), _document_id(given)
    if not isinstance(query, str) and (query is not None or document_id is None):
        what = f"'query' is {json_name(query)}" if "query" in given else "There is no 'query'"
        raise Invalid(f"{what}; it is the text of an operation, as a string.")
    optional = (("variables", dict), ("operationName", str), ("extensions", dict))
    for name, kind in optional:
        value = given.get(name)
        if value is not None and not isinstance(value, kind):
            raise Invalid(f"'{name}' is {json_name(value)}; it is {_JSON_NAMES[kind]} or null.")
    variables, operation_name, extensions = (given.get(name) for name, _ in optional)
    return Asked(query, variables, operation_name, extensions, document_id)


def _document_id(given: dict[str, Any]) -> str | None:
    """The name of a document that is kept here, in the one way or the other."""
    name = given.get("documentId")
    if name is None:
        match given.get("extensions"):
            case {"persistedQuery": {"sha256Hash": str(name)}}:
                return name
            case _:
                return None
    if not isinstance(name, str):
        raise Invalid(f"'documentId' is {json_name(name)}; it is a string, as in sha256:HEX.")
    return name


def json_name(value: object) -> str:
    """What a value is in JSON, for people: "an object"."""
    return "null" if value is None else _JSON_NAMES.get(type(value), "a number")


class Operations:
    """The operations that clients ask of a schema."""

    def __init__(
        self,
        schema: strawberry.Schema,
        documents: Documents,
        time_limit_seconds: float,
        before_answer: Callable[[Any], Awaitable[None]] | None = None,
    ) -> None:
        self.schema = schema
        self.time_limit_seconds = time_limit_seconds
        self.before_answer = before_answer
        self._documents = documents
        self.limits = documents.limits
        self.tells_schema = documents.tells_schema

    def prepared(self, asked: Asked) -> Operation:
        """Raises Failed, with all that is wrong with the document."""
        document = self._documents.checked(asked.query, asked.document_id)
        return Operation(self, asked, document)


class Operation:
    """One that may run. Its document is without fault; its variables are still to be seen."""

    __slots__ = ("_asked", "_definition", "_document", "_operations", "kind")

    def __init__(self, operations: Operations, asked: Asked, document: Document) -> None:
        self._operations = operations
        self._asked = asked
        self._document = document
        self._definition = get_operation_ast(document.node, asked.operation_name)
        self.kind = self._definition.operation if self._definition else None
        """None where the document does not say which one is meant; running it tells the client."""

    async def answer(self, context: object) -> Answer:
        """Runs a query or a mutation. Raises Failed where it has no data by a fault of the request
        or by its time. Whoever asks for `cost` in the extensions is told it.
        """
        if self._definition is None:
            return await self._run(context)
        name, limits = self._definition.name, self._operations.limits
        cost = self._document.costs[name.value if name else ""].of(self._asked.variables)
        if cost > limits.cost:
            refused = TooLarge(too_costly(limits, cost), cost=cost, most=limits.cost)
            raise Failed([told(refused)])
        answer = await self._run(context)
        if self._operations.before_answer is not None:
            await self._operations.before_answer(context)
        if (self._asked.extensions or {}).get("cost") is True:
            answer["extensions"] = {"cost": {"cost": cost, "most": limits.cost}}
        return answer

    async def _run(self, context: object) -> Answer:
        executor = self._executor(context)
        planned = self._definition and self._document.plan(self._definition)
        if planned and (data := planned.data(executor)) is not None:
            return {"data": data}
        executor.lists = self._document.lists
        # Never in parts, which take directives that the schema does not have.
        result = cast("ExecutionResult | Awaitable[ExecutionResult]", executor.execute_operation())
        return _answer(await self._in_time(result) if isawaitable(result) else result)

    async def events(self, context: Callable[[], object]) -> AsyncGenerator[Answer, None]:
        """Subscribes. Gives an answer for each event, and closes their source when it is closed.

        `context` is called for the subscription and again for each event, so that what answers one
        event remembers nothing of those before it. Raises Failed where there is nothing to
        subscribe to; the events may raise it and whatever their source does.
        """
        executor = self._executor(context())
        source = create_source_event_stream(executor)
        if isawaitable(source):
            source = await self._in_time(source)
        if isinstance(source, ExecutionResult):
            errors = _errors(source)
            raise Failed(errors, http_status(errors))
        return self._each(executor, source, context)

    async def _each(
        self, executor: Executor[Any], source: AsyncIterable[Any], context: Callable[[], object]
    ) -> AsyncGenerator[Answer, None]:
        events = aiter(source)
        try:
            async for event in events:
                running = executor.build_per_event_executor(event)
                running.context_value = context()
                result = execute_subscription_event(running)
                answer = _answer(await self._in_time(result) if isawaitable(result) else result)
                if self._operations.before_answer is not None:
                    await self._operations.before_answer(running.context_value)
                yield answer
                # A source that has always one more would let nobody else run, nor be stopped.
                await asyncio.sleep(0)
        finally:
            closing = asyncio.create_task(_close(events))
            try:
                await asyncio.shield(closing)
            except asyncio.CancelledError:
                # As when a socket ends meanwhile, which must not cut this short.
                await asyncio.wait([closing])
                raise

    def _executor(self, context: object) -> PlannedExecutor:
        try:
            refuse_null_characters(self._asked.variables)
        except Invalid as error:
            raise Failed([told(error)]) from error
        # Strawberry's, so that resolvers see the `info` they would see anywhere.
        schema = self._operations.schema
        built = PlannedExecutor.build(
            schema._schema,
            self._document.node,
            context_value=context,
            raw_variable_values=self._asked.variables,
            operation_name=self._asked.operation_name,
            operation_extensions=self._asked.extensions,
            is_awaitable=_is_awaitable,
            max_coercion_errors=_MOST_ERRORS,
            hide_suggestions=not self._operations.tells_schema,
        )
        executor = cast("PlannedExecutor | list[GraphQLError]", built)
        if isinstance(executor, list):
            raise Failed(request_errors(executor, Invalid.code))
        return executor

    async def _in_time(self, result: Awaitable[Value]) -> Value:
        seconds = self._operations.time_limit_seconds
        try:
            async with asyncio.timeout(seconds) as deadline:
                return await result
        except TimeoutError as error:
            if not deadline.expired():
                raise
            stopped = Unavailable(
                f"This took longer than {seconds:g} seconds and was stopped. Ask for less, or "
                "again later."
            )
            raise Failed([told(stopped)], 503) from error


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent of a stream of answers: `next`, an answer, or `error`, the errors that end it;
    the names are those of graphql-transport-ws.
    """

    kind: Literal["next", "error"]
    payload: orjson.Fragment


async def messages(answers: AsyncGenerator[Answer, None]) -> AsyncGenerator[Message, None]:
    """The answers as they are sent. Raises nothing: what ends them is their last message."""
    try:
        async with aclosing(answers):
            async for answer in answers:
                yield Message("next", orjson.Fragment(orjson.dumps(answer)))
    except Exception as error:  # noqa: BLE001, logged as it is masked
        yield Message("error", orjson.Fragment(orjson.dumps(errors_of(error))))


def errors_of(error: Exception) -> list[dict[str, object]]:
    """What a client is told of what went wrong; what is not for it is logged."""
    if isinstance(error, Failed):
        return error.errors
    return [told(error) if isinstance(error, GridmapError) else masked(error)]


class Document:
    """A document without fault, and the plans of its operations."""

    def __init__(
        self, schema: strawberry.Schema, node: DocumentNode, costs: dict[str, Cost]
    ) -> None:
        self.node = node
        self.costs = costs
        self.lists = ListPlans(schema, node)
        self._schema = schema
        self._plans: dict[str, Plan | None] = {}

    def plan(self, operation: OperationDefinitionNode) -> Plan | None:
        """How to run one of its operations; None where graphql-core is to."""
        name = operation.name.value if operation.name else ""
        if name not in self._plans:
            self._plans[name] = plan(self._schema, self.node, operation)
        return self._plans[name]


class Documents:
    """Documents without fault, each parsed and validated once; the longest unused goes first."""

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: Limits,
        most: int,
        most_characters: int,
        introspection: bool = True,
        trusted: TrustedDocuments | None = None,
    ) -> None:
        self._schema = schema
        self._trusted = trusted
        self.limits = limits
        self._most = most
        self._characters_left = most_characters
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._rules = (
            *specified_rules,
            MaybeNullValidationRule,
            OneOfInputValidationRule,
            NullCharacterRule,
        )
        self._first_rules: list[type[ASTValidationRule]] = [limit_rule(limits)]
        if not introspection:
            self._first_rules.append(NoSchemaIntrospectionCustomRule)
        self.tells_schema = introspection
        """Whether an error may name what there is beside what was asked for."""

    def checked(self, query: str | None, document_id: str | None = None) -> Document:
        """The document, ready to run. Raises Failed, with all that is wrong with it."""
        if self._trusted is not None:
            text = self._trusted.text(document_id, query)
        elif query is not None:
            text = query
        else:
            raise Invalid("No documents are kept here; send the text as 'query'.")
        kept = self._kept.get(text)
        if kept is not None:
            self._kept.move_to_end(text)
            return kept
        try:
            document = parse_within(self.limits, text)
        except GraphQLError as error:
            raise Failed(request_errors([error], "PARSE_FAILED")) from error
        schema = self._schema._schema
        errors: list[GraphQLError] = []
        for rules in (self._first_rules, self._rules):
            errors = errors or validate(
                schema, document, rules, _MOST_ERRORS, hide_suggestions=not self.tells_schema
            )
        if errors:
            raise Failed(request_errors(errors, "VALIDATION_FAILED"))
        return self._keep(text, Document(self._schema, document, costs(self.limits, document)))

    def _keep(self, text: str, document: Document) -> Document:
        self._kept[text] = document
        self._characters_left -= len(text)
        while self._characters_left < 0 or len(self._kept) > self._most:
            oldest, _ = self._kept.popitem(last=False)
            self._characters_left += len(oldest)
        return document


async def _close(events: AsyncIterator[Any]) -> None:
    if close := getattr(events, "aclose", None):
        try:
            await close()
        except Exception as error:  # noqa: BLE001, nobody is left to be told
            masked(error)


def _answer(result: ExecutionResult) -> Answer:
    if not result.errors:
        return {"data": result.data}
    if result.data is None and all(error.path is None for error in result.errors):
        raise Failed(_errors(result))
    return {"errors": _errors(result), "data": result.data}


def _errors(result: ExecutionResult) -> list[dict[str, object]]:
    errors = result.errors or []
    if all(error.path is None for error in errors):
        return request_errors(errors, Invalid.code)
    return field_errors(errors)


# Strawberry does not say so, but it narrows.
_is_awaitable = cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable)

_JSON_NAMES = {dict: "an object", list: "an array", str: "a string", bool: "a truth value"}
