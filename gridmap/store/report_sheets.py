"""Rows as CSV, and those of reports as XLSX, for people who work in a spreadsheet.

A spreadsheet takes text that begins like a formula for one, and what residents write may be meant
to. In a sheet every text is a cell of text and nothing else. CSV knows no types, so that there an
apostrophe stands before such a text.
"""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from gridmap.errors import Unavailable
from gridmap.store.report_exports import COLUMNS, Column, Kind
from gridmap.store.streaming import Rows

ROWS_OF_A_SHEET = 1_048_575
"""As many as Excel has, but for the heading."""


class Language(StrEnum):
    """Of the headings and of what is not text. ENGLISH has the words of the API."""

    CHINESE = "zh"
    ENGLISH = "en"


TITLES = {Language.CHINESE: "网格诉求", Language.ENGLISH: "Reports"}
"""What a file and its sheets are called."""


def csv_heading(language: Language, columns: Sequence[Column] = COLUMNS) -> bytes:
    """The beginning of a CSV: a byte-order mark, by which Excel knows UTF-8, and the heading."""
    return "\ufeff".encode() + _csv([_headings(language, columns)])


def csv_lines(rows: Rows, language: Language, columns: Sequence[Column] = COLUMNS) -> bytes:
    """Rows as CSV by RFC 4180, in UTF-8. Times are as in 2026-03-01 08:30:00."""
    return _csv(_cells(rows, _AS_CSV, _words(language), columns))


class Workbook:
    """An XLSX that grows row by row; memory holds one row, and `path`'s folder the rest.

    Rows that no sheet has room for go on in another. Whoever does not `close` it has no file, only
    the unfinished ones in the folder. Raises Unavailable where the folder's disk is full.
    """

    def __init__(
        self, path: Path, language: Language, *, rows_of_a_sheet: int = ROWS_OF_A_SHEET
    ) -> None:
        self._language = language
        self._words = _words(language)
        self._rows_of_a_sheet = rows_of_a_sheet
        self._book = xlsxwriter.Workbook(
            path,
            {
                "constant_memory": True,
                "tmpdir": str(path.parent),
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self._book.use_zip64()
        self._bold = self._book.add_format({"bold": True})
        self._formats = {
            Kind.TIME: self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            Kind.DEGREES: self._book.add_format({"num_format": "0.000000"}),
        }
        self._add_sheet()

    def write(self, rows: Rows) -> None:
        """Adds rows."""
        with _room():
            for cells in _cells(rows, _AS_XLSX, self._words, COLUMNS):
                if self._row == self._rows_of_a_sheet:
                    self._end_sheet()
                    self._add_sheet()
                self._row += 1
                for place, cell in enumerate(cells):
                    if cell is not None:
                        self._writers[place](self._row, place, cell)

    def close(self) -> None:
        """Makes the file."""
        self._end_sheet()
        with _room():
            self._book.close()

    def abandon(self) -> None:
        """Lets go of the unfinished files; after `close` of none."""
        for sheet in self._book.worksheets():
            with suppress(OSError):  # what is not written yet need not be
                sheet._opt_close()

    def _add_sheet(self) -> None:
        number = len(self._book.worksheets()) + 1
        title = TITLES[self._language]
        self._sheet = self._book.add_worksheet(title if number == 1 else f"{title} {number}")
        self._row = 0
        self._sheet.freeze_panes(1, 1)
        for place, column in enumerate(COLUMNS):
            # The format is the column's, so that the cells need not have it each.
            self._sheet.set_column(place, place, column.width, self._formats.get(column.kind))
        for place, heading in enumerate(_headings(self._language, COLUMNS)):
            self._sheet.write_string(0, place, heading, self._bold)
        self._writers = [
            self._sheet.write_string
            if column.kind in (Kind.TEXT, Kind.WORD)
            else self._sheet.write_number
            for column in COLUMNS
        ]

    def _end_sheet(self) -> None:
        self._sheet.autofilter(0, 0, self._row, len(COLUMNS) - 1)


_CHINESE: dict[object, str] = {
    "SUBMITTED": "已提交",
    "REGISTERED": "已受理",
    "REJECTED": "不予受理",
    "MERGED": "已并单",
    "DISPATCHED": "已派单",
    "RETURNED": "已退单",
    "ACCEPTED": "已接单",
    "IN_PROGRESS": "处置中",
    "SUSPENDED": "已挂账",
    "DONE": "已处置",
    "VERIFIED": "已核查",
    "REWORK": "返工",
    "CLOSED": "已结案",
    "RATED": "已评价",
    "ROUTINE": "一般",
    "URGENT": "紧急",
    "EMERGENCY": "突发",
    "PHONE": "随手拍",
    "CHAT_GROUP": "网格群",
    "HOTLINE_12345": "12345 热线",
    "WALK": "走访",
    "BUILDING": "楼栋",
    "GRID": "网格",
    "COMMUNITY": "社区",
    "STREET": "街道",
    "DISTRICT": "区",
    "SPONSOR": "包保单位",
    "GRID_WORKER": "网格员",
    "BUILDING_MEMBER": "楼栋党员",
    "REGION": "社区、街道、区",
    "COMMUNITY_LED": "社区领办",
    "PROFESSIONAL": "专业引进",
    "BASELINE_CLEANING": "底线保洁",
    "SELF_MANAGED": "业主自治",
    "UNMANAGED": "无人管理",
    True: "是",
    False: "否",
}

FORMULA_BEGINS = frozenset("=+-@\t\r\n＝＋－＠")
"""What spreadsheets take for the beginning of a formula, the wide ones where Chinese is typed."""

_EXCEL_DAY_0 = datetime.datetime(1899, 12, 30)
_DAY = datetime.timedelta(days=1)

_Cells = Callable[[Sequence[Any]], Sequence[Any]]


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except (OSError, FileCreateError) as error:
        raise Unavailable(
            "There is no room for this XLSX where the server keeps temporary files. Ask for less, "
            "or for a CSV, which needs none."
        ) from error


def _headings(language: Language, columns: Sequence[Column]) -> list[str]:
    is_english = language is Language.ENGLISH
    return [column.english if is_english else column.chinese for column in columns]


def _words(language: Language) -> dict[object, str]:
    return {True: "yes", False: "no"} if language is Language.ENGLISH else _CHINESE


def _cells(
    rows: Rows, kinds: dict[Kind, _Cells], words: dict[object, str], columns: Sequence[Column]
) -> zip[tuple[Any, ...]]:
    """The rows with their cells as they are written; column by column, which is faster."""

    def written(column: Column, values: Sequence[Any]) -> Sequence[Any]:
        if column.kind is Kind.WORD:
            return [words.get(value, value) for value in values]
        as_written = kinds.get(column.kind)
        return as_written(values) if as_written else values

    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    return zip(*map(written, columns, cells), strict=True)


def _csv(rows: Any) -> bytes:
    lines = io.StringIO(newline="")
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return lines.getvalue().encode()


def _no_formulas(values: Sequence[str | None]) -> Sequence[str | None]:
    return [f"'{text}" if text and text[0] in FORMULA_BEGINS else text for text in values]


def _no_markup(values: Sequence[str | None]) -> Sequence[str | None]:
    # The library writes what looks like this as it is, as parts of a text with fonts of their own.
    return [
        f"{text} " if text and text.startswith("<r>") and text.endswith("</r>") else text
        for text in values
    ]


_AS_CSV: dict[Kind, _Cells] = {
    Kind.TEXT: _no_formulas,
    Kind.TIME: lambda values: [moment and moment.isoformat(" ") for moment in values],
}
_AS_XLSX: dict[Kind, _Cells] = {
    Kind.TEXT: _no_markup,
    Kind.TIME: lambda values: [moment and (moment - _EXCEL_DAY_0) / _DAY for moment in values],
}
