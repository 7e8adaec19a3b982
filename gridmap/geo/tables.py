"""Reading tables, CSV and XLSX, as columns of values with the row numbers that people see."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from python_calamine import CalamineError, CalamineWorkbook

from gridmap.errors import Invalid
from gridmap.geo.batches import Batch
from gridmap.geo.encodings import text_encoding

Recognised = Callable[[Sequence[str]], int]
"""How many of some headings mean something to whoever reads the table."""


def read_csv(
    path: Path, batch_size: int, encoding: str | None, recognised: Recognised | None = None
) -> Iterator[Batch]:
    """Rows of a text table whose first filled line is its heading.

    With `recognised`, the heading is the one of the first ten filled lines that has most to
    recognise; what stands above it, a title or a date, is passed over. Comma, semicolon or tab,
    whichever makes most of the heading recognised, or occurs most in it. Values are strings as they
    stand (a code keeps its zeros); an empty one is None. Rows with nothing in them are passed over.
    A row's number is the line on which it starts, so that quoted line breaks do no harm.
    Raises Invalid, naming the line, for a row of another length than the heading, a heading used
    twice, a value under an empty heading, and quotation marks that do not match.
    """
    codec = text_encoding(path, encoding)
    with path.open(encoding=codec, newline="") as file:
        try:
            records = _csv_records(path.name, file, recognised)
            yield from _in_batches(path.name, "line", records, batch_size, recognised)
        except UnicodeDecodeError as error:
            raise Invalid(f"{path.name} is not {codec} text: {error.reason}.") from error


def read_xlsx(
    path: Path, batch_size: int, sheet: str | None, recognised: Recognised | None = None
) -> Iterator[Batch]:
    """Rows of a worksheet, the first unless `sheet` names one; its heading is as in `read_csv`.

    Whole numbers come as int, dates without a time of day as date, empty cells as None, durations
    and times as text. Rows with nothing in them are passed over. A row's number is the sheet's.
    Text or a date in a cell that is merged over several rows counts for each that has something of
    its own; a number does not, for it may be what they come to together.
    The sheet is loaded whole. Raises Invalid as `read_csv` does, and for a sheet that is not there.
    """
    try:
        with CalamineWorkbook.from_path(str(path)) as book:
            names = book.sheet_names
            if not names:
                raise Invalid(f"{path.name} has no worksheets.")
            if sheet is not None and sheet not in names:
                raise Invalid(
                    f"{path.name} has no sheet {sheet!r}; it has "
                    f"{_listed(names)}. Name one of them."
                )
            found = book.get_sheet_by_name(sheet or names[0])
            # The heading's height and width matter: keep what is empty above and left of it.
            cells = found.to_python(skip_empty_area=False)
            merged = found.merged_cell_ranges or ()
    except (CalamineError, OSError) as error:
        raise Invalid(
            f"{path.name} cannot be read as XLSX: {error}. Open it in a spreadsheet program and "
            "save it as .xlsx."
        ) from error
    _fill_down(cells, merged)
    records = ((number, [_cell(value) for value in row]) for number, row in enumerate(cells, 1))
    yield from _in_batches(path.name, "row", records, batch_size, recognised)


# Filled rows, among them a title, a date, a unit.
_HEADING_WITHIN = 10

# A boundary of some 400,000 vertices as WKT; a missing quotation mark then stops the reading soon.
_LARGEST_VALUE = 1 << 24


def _fill_down(
    cells: list[list[Any]], merged: Iterable[tuple[tuple[int, int], tuple[int, int]]]
) -> None:
    """Gives each row what a cell merged over it shows; a row with nothing of its own stays so."""
    has_own = [any(value != "" for value in row) for row in cells]
    for (top, left), (bottom, _) in merged:
        # What is merged may reach beyond what is filled.
        value = cells[top][left] if top < len(cells) and left < len(cells[top]) else None
        if isinstance(value, str | date):
            for row in range(top + 1, min(bottom + 1, len(cells))):
                if has_own[row] and cells[row][left] == "":
                    cells[row][left] = value


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _in_batches(
    source: str,
    unit: str,
    records: Iterator[tuple[int, list[object]]],
    batch_size: int,
    recognised: Recognised | None,
) -> Iterator[Batch]:
    """Batches of (row number, values), from the heading on."""
    filled = ((n, record) for n, record in records if any(value is not None for value in record))
    first = list(islice(filled, 1 if recognised is None else _HEADING_WITHIN))
    if not first:
        raise Invalid(f"{source} is empty: its first {unit} must name the columns.")
    place = 0 if recognised is None else _place_of_heading(first, recognised)
    heading = _heading(source, unit, *first[place])
    rows: list[int] = []
    values: list[Sequence[object]] = []
    for number, record in chain(first[place + 1 :], filled):
        if len(record) != len(heading):
            raise Invalid(
                f"{unit.capitalize()} {number} of {source} has {len(record)} values where the "
                f"heading has {len(heading)}. Complete it, or put quotation marks around a value "
                "that holds the delimiter."
            )
        rows.append(number)
        values.append(record)
        if len(rows) == batch_size:
            yield _batch(source, unit, heading, rows, values)
            rows, values = [], []
    if rows:
        yield _batch(source, unit, heading, rows, values)


def _batch(
    source: str, unit: str, heading: list[str], rows: list[int], values: list[Sequence[object]]
) -> Batch:
    columns: dict[str, list[object]] = {}
    for position, (name, column) in enumerate(zip(heading, zip(*values, strict=True), strict=True)):
        if name:
            columns[name] = list(column)
            continue
        for number, value in zip(rows, column, strict=True):
            if value is not None:
                raise Invalid(
                    f"{unit.capitalize()} {number} of {source} has {value!r} in column "
                    f"{position + 1}, which has no heading. Give the column one, or delete it."
                )
    return Batch(rows, columns, None)


def _place_of_heading(records: list[tuple[int, list[object]]], recognised: Recognised) -> int:
    """The first that has most to recognise; where none has any, the first that is filled most."""

    def worth(record: list[object]) -> tuple[int, int]:
        names = [name for name in _names(record) if name]
        known = recognised(names)
        return known, 0 if known else len(names)

    worths = [worth(record) for _, record in records]
    return worths.index(max(worths))


def _names(record: Iterable[object]) -> list[str]:
    return ["" if value is None else str(value).strip("\ufeff \t\r\n\u3000") for value in record]


def _heading(source: str, unit: str, number: int, record: list[object]) -> list[str]:
    heading = _names(record)
    for name in heading:
        if name and heading.count(name) > 1:
            raise Invalid(
                f"{source} has two columns named {name!r} ({unit} {number}). Rename one of them."
            )
    return heading


def _csv_records(
    source: str, file: TextIO, recognised: Recognised | None
) -> Iterator[tuple[int, list[object]]]:
    csv.field_size_limit(_LARGEST_VALUE)
    lines = list(islice((line for line in file if line.strip()), _HEADING_WITHIN))
    delimiter = _delimiter(lines, recognised)
    file.seek(0)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    line = 0
    try:
        for record in reader:
            yield line + 1, [value or None for value in record]
            line = reader.line_num
    except csv.Error as error:
        raise Invalid(
            f"The row that begins on line {line + 1} of {source} cannot be read: {error}. "
            "Look for a quotation mark too many or too few."
        ) from error


def _delimiter(lines: list[str], recognised: Recognised | None) -> str:
    """Of comma, semicolon and tab the one that makes most of a line recognised, or occurs most."""
    divided = (line for line in map(_outside_quotes, lines) if any(each in line for each in ",;\t"))
    first = next(divided, "")

    def worth(delimiter: str) -> tuple[int, int]:
        if recognised is None:
            return 0, first.count(delimiter)
        records = csv.reader(lines, delimiter=delimiter)
        return max(map(recognised, map(_names, records)), default=0), first.count(delimiter)

    return max(",;\t", key=worth)


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _cell(value: object) -> object:
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime):
        return value.date() if value.time() == time() else value
    if isinstance(value, time | timedelta):
        return str(value)
    assert value is None or isinstance(value, float | int | date)
    return value
