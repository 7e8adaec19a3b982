"""Asks the schema as a client would, and counts what the database was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import event

from gridmap.schema.context import Context
from gridmap.schema.root import schema
from gridmap.store.database import Database, Rights, with_rights
from gridmap.store.viewers import Role, Viewer


@dataclass
class Answer:
    """`data` as a client reads it; `errors` as (code or type, message); `statements` as sent."""

    data: Any
    errors: list[tuple[str, str]] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)


@contextmanager
def noted(*databases: Database) -> Iterator[list[str]]:
    """The statements that are sent meanwhile, but for those that say who the viewer is."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "set_config('role'" not in statement:
            statements.append(statement)

    for database in databases:
        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        for database in databases:
            event.remove(database.engine.sync_engine, "before_cursor_execute", note)


AUDITOR = Viewer(Role.AUDITOR, "auditor")
"""Who sees all that there is."""


def ask(database_url: str, query: str, viewer: Viewer = AUDITOR, /, **variables: object) -> Answer:
    """The answer to one query, on connections of its own."""
    return asyncio.run(_ask(database_url, query, viewer, variables))


async def _ask(
    database_url: str, query: str, viewer: Viewer, variables: dict[str, object]
) -> Answer:
    database, keeper = (Database(with_rights(database_url, rights)) for rights in Rights)
    context = Context(database, 30, viewer=viewer, keeper=keeper)
    try:
        with noted(database, keeper) as statements:
            result = await schema.execute(query, variable_values=variables, context_value=context)
    finally:
        await database.close()
        await keeper.close()
    errors = [
        (getattr(error.original_error, "code", type(error.original_error).__name__), error.message)
        for error in result.errors or []
    ]
    data = orjson.loads(orjson.dumps(result.data))
    return Answer(data, errors, statements)
