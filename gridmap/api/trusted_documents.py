"""The documents that are asked for by pages and programs that are known; where a setting says so,
no other is executed.

A document is named by the SHA-256 of its text, as in the draft of persisted documents for GraphQL
over HTTP (`documentId`), and as Apollo's clients name theirs (`extensions.persistedQuery`). Whoever
sends the text itself is answered too, if it asks for the same as one of these, in whatever order
and with whatever blanks: graphql-codegen keeps a text sorted that its clients send unsorted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from gridmap.errors import Invalid, Untrusted
from gridmap.schema.limits import Limits, parse_within

AnyNode = TypeVar("AnyNode", bound=Node)

_PREFIX = "sha256:"
_MOST_KEPT = 256

_ONLY = (
    "Only documents that are kept here are executed: name one by its documentId, "
    "sha256:HEX of its text."
)


class TrustedDocuments:
    """These documents. Raises Invalid where one of them is no GraphQL."""

    def __init__(self, texts: Iterable[str], limits: Limits) -> None:
        self._limits = limits
        self._by_hash: dict[str, str] = {}
        self._by_meaning: dict[str, str] = {}
        for text in texts:
            try:
                meaning = _meaning(parse(text))
            except GraphQLError as error:
                start = text[:60].strip()
                raise Invalid(f"A trusted document is no GraphQL: {start} … {error}") from error
            self._by_hash[_hash(text)] = self._by_meaning[meaning] = text
        self._of_text = lru_cache(_MOST_KEPT)(self._meant_by)

    def __len__(self) -> int:
        return len(self._by_hash)

    def text(self, document_id: str | None, query: str | None) -> str:
        """The text of the document that is meant; that of `query` itself is never given.

        Raises Untrusted where it is none of these.
        """
        if document_id is not None:
            found = self._by_hash.get(document_id.removeprefix(_PREFIX))
            if found is None and query is None:
                raise Untrusted(f"There is no document {document_id!r} here. {_ONLY}")
            if found is not None:
                return found
        return self._of_text(query or "")

    def _meant_by(self, query: str) -> str:
        try:
            meaning = _meaning(parse_within(self._limits, query))
        except GraphQLError as error:
            raise Untrusted(_ONLY) from error
        if meaning not in self._by_meaning:
            raise Untrusted(_ONLY)
        return self._by_meaning[meaning]


def read_documents(place: Path) -> Iterator[str]:
    """The texts in a file, or in all files of a folder: `.json` as graphql-codegen writes
    persisted documents, an object of texts by their hashes, and `.graphql`, one text.

    Raises Invalid, with the file, where there is none, or a hash is not that of its text.
    """
    if not place.exists():
        raise Invalid(f"There is no file or folder of trusted documents at {place}.")
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    for file in files:
        if file.suffix == ".graphql":
            yield file.read_text("utf-8")
        elif file.suffix == ".json":
            yield from _listed(file)


def _listed(file: Path) -> Iterator[str]:
    try:
        given = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise Invalid(f"{file} is not JSON: {error}.") from error
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise Invalid(f"{file} is no object that gives the text of each document by its hash.")
    for name, text in given.items():
        if name.removeprefix(_PREFIX) != _hash(text):
            raise Invalid(f"In {file}, {name} is not the SHA-256 of its text; write it anew.")
        yield text


def _meaning(document: DocumentNode) -> str:
    """A text that is the same for documents that ask for the same."""
    sorted_ = visit(document, _Sorter())
    return "\n".join(sorted(map(print_ast, sorted_.definitions)))


class _Sorter(Visitor):
    """Puts what may stand in any order into one."""

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode:
        return replace(node, selections=_sorted(node.selections))

    def leave_field(self, node: FieldNode, *_: Any) -> FieldNode:
        return replace(node, arguments=_sorted(node.arguments))

    def leave_operation_definition(
        self, node: OperationDefinitionNode, *_: Any
    ) -> OperationDefinitionNode:
        return replace(node, variable_definitions=_sorted(node.variable_definitions))


def _sorted(nodes: Iterable[AnyNode] | None) -> tuple[AnyNode, ...]:
    return tuple(sorted(nodes or (), key=print_ast))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
