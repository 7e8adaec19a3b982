"""Tables: what a person sees in the spreadsheet program is what comes out, row numbers included."""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import Invalid
from gridmap.geo.files import count_rows, read_batches

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def read(path: Path, **options: Any) -> tuple[list[int], dict[str, list[object]]]:
    """All of a table: row numbers and columns."""
    rows: list[int] = []
    columns: dict[str, list[object]] = {}
    for batch in read_batches(path, **options):
        assert batch.geometries is None
        rows += batch.rows
        for name, values in batch.columns.items():
            columns.setdefault(name, []).extend(values)
    return rows, columns


def sheet(path: Path, *rows: Sequence[object], name: str | None = None) -> Path:
    """A workbook of one sheet as xlsxwriter makes it; dates get a date's format."""
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet(name)
        formats = {
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
            datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            time: book.add_format({"num_format": "hh:mm:ss"}),
        }
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                if type(value) in formats:
                    page.write_datetime(i, j, value, formats[type(value)])
                elif isinstance(value, str):
                    page.write_string(i, j, value)
                elif value is not None:
                    page.write(i, j, value)
    return path


def recognised(headings: Sequence[str]) -> int:
    """As an import would that knows three columns."""
    return len({"编码", "名称", "户数"} & set(headings))


TITLES: list[list[list[object]]] = [
    [["向阳区楼栋台账"]],
    [["向阳区楼栋台账"], [], ["填报单位：向阳区", None, "2024年3月"]],
    [["编码"], ["名称", "日期"]],
    [["说明"], ["一"], ["二"], ["三"], ["四"], ["五"], ["六"], ["七"], ["八"]],
]


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("ending", [".xlsx", ".csv"])
def test_titles_above_the_headings_are_passed_over_and_rows_keep_their_numbers(
    tmp_path: Path, title: list[list[object]], ending: str
) -> None:
    table: list[list[object]] = [["编码", "名称", "户数"], ["007", "甲", "3"], ["008", "编码", "4"]]
    path = tmp_path / f"a{ending}"
    if ending == ".xlsx":
        sheet(path, *title, *table)
    else:
        with path.open("w", encoding="gb18030", newline="") as file:
            csv.writer(file).writerows([*title, *table])
    first = len(title) + 2
    assert read(path, recognised=recognised) == (
        [first, first + 1],
        {"编码": ["007", "008"], "名称": ["甲", "编码"], "户数": ["3", "4"]},
    )


@given(
    titles=st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])), max_size=9),
    delimiter=st.sampled_from(",;\t"),
)
def test_no_title_changes_what_a_table_says(
    tmp_path_factory: pytest.TempPathFactory, titles: list[str], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("titled") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([title] for title in titles)
        writer.writerows([["编码", "名称", "户数"], ["1", "2,5", "3;7"]])
    assert read(path, recognised=recognised) == (
        [len(titles) + 2],
        {"编码": ["1"], "名称": ["2,5"], "户数": ["3;7"]},
    )


def test_the_first_filled_row_is_the_heading_of_a_table_without_a_title(tmp_path: Path) -> None:
    # Also where a row of values repeats it.
    path = sheet(tmp_path / "a.xlsx", ["编码", "x"], ["编码", "y"])
    assert read(path, recognised=recognised) == ([2], {"编码": ["编码"], "x": ["y"]})


def test_where_nothing_is_recognised_the_fullest_of_the_first_rows_is_the_heading(
    tmp_path: Path,
) -> None:
    path = sheet(tmp_path / "a.xlsx", ["title"], ["a", "b"], ["1", "2"])
    assert read(path, recognised=lambda _: 0) == ([3], {"a": ["1"], "b": ["2"]})


class TestCSV:
    def test_codes_keep_their_zeros_and_empty_cells_are_none(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("code,name,households\n007,向阳区,\n,,12\n", encoding="utf-8")
        assert read(path) == (
            [2, 3],
            {"code": ["007", None], "name": ["向阳区", None], "households": [None, "12"]},
        )

    @given(
        heading=st.lists(st.sampled_from("甲乙丙丁abc"), min_size=2, max_size=4, unique=True),
        delimiter=st.sampled_from(",;\t"),
        # With line feeds alone, Python's writer leaves a carriage return without its quotes.
        style=st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL)]),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
        data=st.data(),
    )
    def test_any_text_comes_back_with_the_line_on_which_its_row_starts(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        heading: list[str],
        delimiter: str,
        style: tuple[str, Any],
        encoding: str,
        data: st.DataObject,
    ) -> None:
        width = len(heading)
        rows = data.draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=6))
        text, starts = io.StringIO(newline=""), []
        writer = csv.writer(text, delimiter=delimiter, lineterminator=style[0], quoting=style[1])
        writer.writerow(heading)
        for row in rows:
            # A line ends with a line feed, a carriage return, or both, within quotes too.
            so_far = text.getvalue().replace("\r\n", "\n").replace("\r", "\n")
            starts.append(so_far.count("\n") + 1)
            writer.writerow(row)
        path = tmp_path_factory.mktemp("any") / "a.csv"
        path.write_bytes(text.getvalue().encode(encoding))
        kept = [(start, row) for start, row in zip(starts, rows, strict=True) if any(row)]
        found_rows, columns = read(path, encoding=None if encoding != "gb18030" else encoding)
        assert found_rows == [start for start, _ in kept]
        for i, name in enumerate(heading):
            assert columns.get(name, []) == [row[i] or None for _, row in kept]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
    @pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt"])
    def test_the_encoding_is_found_out(self, tmp_path: Path, encoding: str, ending: str) -> None:
        path = tmp_path / f"a{ending}"
        path.write_text("编码\t名称\n001\t鹤岗市\n", encoding=encoding)
        assert read(path) == ([2], {"编码": ["001"], "名称": ["鹤岗市"]})

    def test_the_delimiter_is_told_by_the_heading_outside_its_quotes(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text('"a,b,c,d";e\n1,2,3;4\n')
        assert read(path)[1] == {"a,b,c,d": ["1,2,3"], "e": ["4"]}

    def test_one_column_needs_no_delimiter(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("code\n007\n008")
        assert read(tmp_path / "a.csv") == ([2, 3], {"code": ["007", "008"]})

    def test_empty_lines_are_passed_over_but_counted(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("\n\na,b\n1,2\n\n,\n3,4\n\n")
        assert read(tmp_path / "a.csv") == ([4, 7], {"a": ["1", "3"], "b": ["2", "4"]})

    def test_rows_keep_their_numbers_over_batches(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("n,t\n" + "".join(f'{i},"x\ny"\n' for i in range(25)))
        batches = list(read_batches(tmp_path / "a.csv", batch_size=10))
        assert [len(batch.rows) for batch in batches] == [10, 10, 5]
        assert [row for batch in batches for row in batch.rows] == list(range(2, 52, 2))

    def test_a_boundary_of_many_vertices_is_one_value(self, tmp_path: Path) -> None:
        long = "POLYGON ((" + ", ".join(["130.123456 47.123456"] * 50_000) + "))"
        (tmp_path / "a.csv").write_text(f'code,boundary\n1,"{long}"\n')
        assert read(tmp_path / "a.csv")[1]["boundary"] == [long]

    def test_a_column_without_a_heading_may_be_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("a,,b,\n1,,2,\n3,,4,\n")
        assert read(tmp_path / "a.csv")[1] == {"a": ["1", "3"], "b": ["2", "4"]}

    def test_headings_lose_their_blanks(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("\ufeff code ,\u3000名称\u3000\n 1 ,2\n", encoding="utf-8")
        assert read(tmp_path / "a.csv")[1] == {"code": [" 1 "], "名称": ["2"]}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a,b\n1,2\n3\n", r"Line 3 of a.csv has 1 values where the heading has 2"),
            ("a,b\n1,2\n3,4,5\n", r"Line 3 of a.csv has 3 values where the heading has 2"),
            ('a,b\n"1\n1",2\n3,4,5\n', r"Line 4 of a.csv has 3 values"),
            ("a,b,a\n1,2,3\n", r"two columns named 'a' \(line 1\)"),
            ("a,b, a \n1,2,3\n", r"two columns named 'a' \(line 1\)"),
            ("a,\n1,\n2,x\n", r"Line 3 of a.csv has 'x' in column 2, which has no heading"),
            ('a,b\n1,2\n"3,4\n5,6\n', r"begins on line 3 of a.csv cannot be read"),
            ('a,b\n1,"2"2\n', r"begins on line 2 of a.csv cannot be read"),
            ("\n\n", "a.csv is empty"),
        ],
    )
    def test_a_mistake_is_named_with_its_line(self, tmp_path: Path, text: str, said: str) -> None:
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(Invalid, match=said):
            read(tmp_path / "a.csv")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"a,b\n\xff\xff,1\n", "neither UTF-8 nor GB18030"),
            ("名称,编码\n鹤岗".encode()[:-1], "breaks off inside a character"),
            (b"a,b\n\x00,1\n", "not a text file"),
            (b"PK\x03\x04", "not a text file"),
        ],
    )
    def test_what_is_no_text_is_refused(self, tmp_path: Path, content: bytes, said: str) -> None:
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(Invalid, match=said):
            read(tmp_path / "a.csv")

    def test_a_wrong_given_encoding_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("名称\n鹤岗\n", encoding="gb18030")
        with pytest.raises(Invalid, match="not utf-8-sig text"):
            read(tmp_path / "a.csv", encoding="UTF8")


class TestXLSX:
    def test_values_keep_their_types_and_rows_the_numbers_of_the_sheet(
        self, tmp_path: Path
    ) -> None:
        path = sheet(
            tmp_path / "a.xlsx",
            ["code", "名称", "n", "f", "day", "moment", "clock", "yes"],
            ["007", "向阳区", 230402001001001, 0.1, date(2023, 6, 30),
             datetime(2024, 1, 2, 3, 4, 5), time(9, 30), True],
            [],
            [None, None, -3, -0.5, None, None, None, False],
        )  # fmt: skip
        rows, columns = read(path)
        assert rows == [2, 4]
        assert columns == {
            "code": ["007", None],
            "名称": ["向阳区", None],
            "n": [230402001001001, -3],
            "f": [0.1, -0.5],
            "day": [date(2023, 6, 30), None],
            "moment": [datetime(2024, 1, 2, 3, 4, 5), None],
            "clock": ["09:30:00", None],
            "yes": [True, False],
        }
        assert [type(value) for value in columns["n"]] == [int, int]
        assert [type(value) for value in columns["day"]] == [date, type(None)]

    def test_a_heading_below_and_right_of_empty_cells_is_found(self, tmp_path: Path) -> None:
        path = sheet(tmp_path / "a.xlsx", [], [None, "a", "b"], [None, 1, 2], [None, 3, None])
        assert read(path) == ([3, 4], {"a": [1, 3], "b": [2, None]})

    def test_a_cell_merged_over_rows_counts_for_each_of_them(self, tmp_path: Path) -> None:
        with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
            page = book.add_worksheet()
            day = book.add_format({"num_format": "yyyy-mm-dd"})
            page.merge_range("A1:E1", "楼栋一览")
            for column, heading in enumerate(["小区", "编码", "户数", "起", "注"]):
                page.merge_range(1, column, 2, column, heading)
            for row, code in enumerate("abcd", 3):
                page.write(row, 1, code)
            page.merge_range("A4:A6", "唐家巷小区")
            page.merge_range("C4:C6", 60)
            page.merge_range("D4:D5", "")
            page.write_datetime("D4", date(2024, 1, 2), day)
            page.merge_range("B8:B9", "e")
            page.merge_range("E5:E20", "备注")
        assert read(tmp_path / "a.xlsx", recognised=recognised) == (
            [4, 5, 6, 7, 8],
            {
                "小区": ["唐家巷小区"] * 3 + [None] * 2,
                "编码": ["a", "b", "c", "d", "e"],
                "户数": [60, None, None, None, None],
                "起": [date(2024, 1, 2)] * 2 + [None] * 3,
                "注": [None] + ["备注"] * 4,
            },
        )

    def test_the_first_sheet_is_read_unless_another_is_named(self, tmp_path: Path) -> None:
        with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
            for name in ("网格", "楼房"):
                page = book.add_worksheet(name)
                page.write_column(0, 0, ["名称", name])
        path = tmp_path / "a.xlsx"
        assert read(path)[1] == {"名称": ["网格"]}
        assert read(path, layer="楼房")[1] == {"名称": ["楼房"]}
        with pytest.raises(Invalid, match=r"no sheet '街道'; it has '网格', '楼房'"):
            read(path, layer="街道")

    def test_batches_are_of_the_size_asked_for(self, tmp_path: Path) -> None:
        path = sheet(tmp_path / "a.xlsx", ["n"], *([i] for i in range(25)))
        batches = list(read_batches(path, batch_size=10))
        assert [batch.rows for batch in batches] == [
            list(range(2, 12)), list(range(12, 22)), list(range(22, 27)),
        ]  # fmt: skip
        assert count_rows(path) is None

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([["a", "b", "a"], [1, 2, 3]], r"two columns named 'a' \(row 1\)"),
            ([["a", None], [1, None], [1, 5]], r"Row 3 of a.xlsx has 5 in column 2"),
            ([[], []], "a.xlsx is empty"),
        ],
    )
    def test_a_mistake_is_named_with_its_row(
        self, tmp_path: Path, rows: list[list[object]], said: str
    ) -> None:
        with pytest.raises(Invalid, match=said):
            read(sheet(tmp_path / "a.xlsx", *rows))

    def test_a_workbook_that_breaks_off_is_refused(self, tmp_path: Path) -> None:
        path = sheet(tmp_path / "a.xlsx", ["a"], [1])
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(Invalid, match=r"a.xlsx cannot be read as XLSX"):
            read(path)
