"""The audit log as files, for auditors who look at it elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, TextIO

import orjson

from gridmap.store.audit import Entry
from gridmap.store.report_sheets import FORMULA_BEGINS


def write_json_lines(sink: TextIO, entries: Iterable[Entry]) -> int:
    """An object a line, named as `Entry` is; how many were written."""
    count = 0
    for entry in entries:
        sink.write(orjson.dumps(entry._asdict()).decode() + "\n")
        count += 1
    return count


def write_csv(sink: TextIO, entries: Iterable[Entry]) -> int:
    """The same as CSV with a heading; ids with blanks between, details as JSON."""
    writer = csv.writer(sink)
    writer.writerow(Entry._fields)
    count = 0
    for entry in entries:
        writer.writerow(map(_cell, entry))
        count += 1
    return count


def _cell(value: Any) -> str:
    match value:
        case dict():
            return orjson.dumps(value).decode()
        case list():
            value = " ".join(value)
    said = str(value)
    return f"'{said}" if said[:1] in FORMULA_BEGINS else said
