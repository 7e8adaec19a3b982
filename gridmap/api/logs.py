"""The server's log: to standard error, each line with the request that it is about.

Nothing in it is meant to hold a token, a password, or what somebody reported.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import datetime
from enum import StrEnum

import orjson

from gridmap.store.dates import CHINA

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered, empty between them."""


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def configure_logs(format: LogFormat) -> None:
    """Has what is logged written to standard error in this format."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if format is LogFormat.JSON else _Text())
    log = logging.getLogger("gridmap")
    log.handlers = [handler]
    log.propagate = False


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        id = request_id.get()
        return f"{record.levelname}{f' [{id}]' if id else ''}: {super().format(record)}"


class _Json(logging.Formatter):
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
