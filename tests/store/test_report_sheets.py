"""Workbooks of reports: as many sheets as it takes, and nothing in them but what was written."""

from __future__ import annotations

import datetime
import resource
import zipfile
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from gridmap.errors import Unavailable
from gridmap.store.report_exports import COLUMNS
from gridmap.store.report_sheets import Language, Workbook, csv_heading, csv_lines

PLACES = {column.name: place for place, column in enumerate(COLUMNS)}
MOMENT = datetime.datetime(2026, 3, 1, 8, 30, 15)


def row(**cells: object) -> list[Any]:
    return [cells.get(column.name) for column in COLUMNS]


def sheets(path: Path) -> dict[str, list[list[Any]]]:
    book = CalamineWorkbook.from_path(path)
    return {
        name: book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        for name in book.sheet_names
    }


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (3, [3]), (4, [3, 1]), (8, [3, 3, 2])])
def test_rows_that_have_no_room_go_on_in_another_sheet(
    tmp_path: Path, count: int, sizes: list[int]
) -> None:
    book = Workbook(tmp_path / "reports.xlsx", Language.ENGLISH, rows_of_a_sheet=3)
    for start in range(0, count, 2):
        numbers = range(start, min(start + 2, count))
        book.write([row(number=f"230402-{number}") for number in numbers])
    book.close()
    found = sheets(tmp_path / "reports.xlsx")
    assert list(found) == ["Reports", "Reports 2", "Reports 3"][: len(sizes)]
    assert [len(lines) - 1 for lines in found.values()] == sizes
    assert {tuple(lines[0]) for lines in found.values()} == {
        tuple(column.english for column in COLUMNS)
    }
    written = [line[0] for lines in found.values() for line in lines[1:]]
    assert written == [f"230402-{number}" for number in range(count)]


def test_a_workbook_has_dates_and_numbers_that_can_be_reckoned_with(tmp_path: Path) -> None:
    book = Workbook(tmp_path / "reports.xlsx", Language.CHINESE)
    book.write([row(received_at=MOMENT, accuracy=12.5, rating=4, is_overdue=True)])
    book.close()
    [lines] = sheets(tmp_path / "reports.xlsx").values()
    found = {name: lines[1][place] for name, place in PLACES.items()}
    assert (found["received_at"], found["accuracy"], found["rating"]) == (MOMENT, 12.5, 4)
    assert found["is_overdue"] == "是"


def test_a_sheet_has_its_heading_in_view_and_a_filter_over_all_rows(tmp_path: Path) -> None:
    book = Workbook(tmp_path / "reports.xlsx", Language.CHINESE)
    book.write([row(number="230402-1"), row(number="230402-2")])
    book.close()
    with zipfile.ZipFile(tmp_path / "reports.xlsx") as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
    assert 'state="frozen"' in sheet
    assert '<autoFilter ref="A1:AC3"/>' in sheet


def test_text_that_looks_like_parts_of_a_sheet_is_text(tmp_path: Path) -> None:
    said = "<r><t>1</t></r></is></c></row><row><c><f>1+1</f></c><r></r>"
    book = Workbook(tmp_path / "reports.xlsx", Language.CHINESE)
    book.write([row(description=said)])
    book.close()
    [lines] = sheets(tmp_path / "reports.xlsx").values()
    assert len(lines) == 2
    assert lines[1][PLACES["description"]].rstrip() == said


def test_a_workbook_that_is_abandoned_leaves_no_file(tmp_path: Path) -> None:
    book = Workbook(tmp_path / "reports.xlsx", Language.CHINESE)
    book.write([row(number="230402-1")])
    book.abandon()
    assert not (tmp_path / "reports.xlsx").exists()


def test_a_disk_that_is_full_is_told_of(tmp_path: Path) -> None:
    book = Workbook(tmp_path / "reports.xlsx", Language.CHINESE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(Unavailable, match="no room"):
            book.write([row(number="230402-1", description="长" * 500)] * 1000)
        book.abandon()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_csv_ends_its_lines_and_quotes_as_rfc_4180_says() -> None:
    lines = csv_lines(
        [row(number="230402-1", description='a"b,\nc', due_at=MOMENT)], Language("en")
    )
    assert lines.endswith(b"\r\n")
    assert b'"a""b,\nc"' in lines
    assert b",2026-03-01 08:30:15," in lines
    assert csv_heading(Language.CHINESE).startswith("\ufeff编号,状态,".encode())
