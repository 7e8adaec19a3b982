"""The server's log: to standard error, each line with the request that it is about.

Nothing in it holds a token, a password, or what somebody sent: of an error its kind and place are
told, and its words only where they cannot quote a value.
"""

from __future__ import annotations

import logging
import traceback
from contextvars import ContextVar
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
import psycopg
from sqlalchemy import exc

from gridmap.errors import GridmapError
from gridmap.store.dates import CHINA

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered, empty between them."""


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def configure_logs(format: LogFormat) -> None:
    """Has all that is logged, by whatever library, written to standard error in this format."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if format is LogFormat.JSON else _Text())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)


class _Discreet(logging.Formatter):
    """Tells where and what an error was, and nothing of the values that it was about."""

    def formatException(self, ei: Any) -> str:  # noqa: N802, its name in logging
        _, error, _ = ei
        told: list[str] = []
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            trace = "".join(traceback.format_tb(error.__traceback__))
            told.append(f"{trace}{type(error).__qualname__}: {_said(error)}".rstrip(": "))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\nWhile answering, by:\n".join(told)


# Of errors of these kinds, Python's words are of types and names. A ValueError quotes the value.
_WITHOUT_VALUES = (
    GridmapError,
    OSError,
    RuntimeError,
    TypeError,
    AttributeError,
    NameError,
    ImportError,
    MemoryError,
)

# Classes of SQLSTATE whose words are of connections, tables and columns: not 22, which quotes what
# it could not read, nor 23, whose detail is the row, nor what a trigger says.
_OF_SCHEMA = ("08", "0A", "25", "28", "40", "42", "53", "55", "57", "58")


def _said(error: BaseException) -> str:
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, psycopg.Error) and error.sqlstate:
        told = error.diag
        names = (told.constraint_name, told.table_name, told.column_name)
        words = told.message_primary if error.sqlstate.startswith(_OF_SCHEMA) else None
        return " ".join([error.sqlstate, *filter(None, (words, *names))])
    # Without a state, it is the connection that failed.
    is_told = isinstance(error, (*_WITHOUT_VALUES, psycopg.Error))
    return str(error).strip() if is_told else "(its words could hold what somebody sent)"


class _Text(_Discreet):
    def format(self, record: logging.LogRecord) -> str:
        id = request_id.get()
        return f"{record.levelname}{f' [{id}]' if id else ''}: {super().format(record)}"


class _Json(_Discreet):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": datetime.fromtimestamp(record.created, CHINA).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "request": request_id.get() or None,
            "message": record.getMessage(),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return orjson.dumps({name: value for name, value in said.items() if value}).decode()
