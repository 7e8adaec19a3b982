"""No text may have a null character: PostgreSQL keeps none and looks for none.

So it is refused where questions come in, in whatever they give as values, and by its name there.
"""

from __future__ import annotations

from typing import Any

from graphql import (
    ArgumentNode,
    ASTValidationRule,
    GraphQLError,
    Node,
    ObjectFieldNode,
    StringValueNode,
    VariableDefinitionNode,
)

from gridmap.errors import Invalid


def refuse_null_characters(given: dict[str, Any] | None) -> None:
    """Raises Invalid with the place of the first text, in values from JSON, that has one."""
    place = _place(given)
    if place is not None:
        raise Invalid(_said(".".join(reversed(place))))


class NullCharacterRule(ASTValidationRule):
    """Refuses them where they are written in a document."""

    def enter_string_value(
        self, node: StringValueNode, _: Any, parent: Node, __: Any, ancestors: list[Any]
    ) -> None:
        if "\0" in node.value:
            named = filter(None, map(_name, [*ancestors, parent]))
            error = GraphQLError(_said(".".join(named)), node, extensions={"code": Invalid.code})
            self.report_error(error)


def _name(around: object) -> str | None:
    """The name of what a value is written for."""
    if isinstance(around, ArgumentNode | ObjectFieldNode):
        return around.name.value
    if isinstance(around, VariableDefinitionNode):
        return around.variable.name.value
    return None


def _place(given: object) -> list[str] | None:
    """Names and numbers that lead there, the innermost first."""
    if isinstance(given, str):
        return [] if "\0" in given else None
    if isinstance(given, dict):
        for name, value in given.items():
            if (place := _place(value)) is not None:
                return [*place, name]
    elif isinstance(given, list):
        for number, value in enumerate(given):
            if (place := _place(value)) is not None:
                return [*place, str(number)]
    return None


def _said(place: str) -> str:
    return f"{place} has a null character, which no text has here; leave it out."
