"""What every import promises, whatever the noun: its columns, its one transaction, its log."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy import Connection, create_engine, event, text

from gridmap.errors import Conflict, Forbidden, Invalid, Unavailable
from gridmap.geo.batches import Batch
from gridmap.geo.datums import Datum
from gridmap.store.database import database_url as parsed_url
from gridmap.store.database import tool_engine
from gridmap.store.imports import ImportOptions, Noun, Progress, import_file
from gridmap.store.imports.columns import Columns
from gridmap.store.imports.values import (
    code_of,
    count_of,
    date_of,
    latitude_of,
    longitude_of,
    mode_of,
    text_of,
)
from tests.store.importing import (
    COMMUNITY,
    FIRST_DAY,
    REGIONS,
    bring,
    bring_features,
    bring_rows,
    counts,
    found,
    grid,
    said,
    write_csv,
    write_geojson,
)

SPONSOR = ("code", "name", "level", "region")


@pytest.mark.parametrize(
    "cell",
    [
        "2024-01-31",
        "2024/1/31",
        "2024.01.31",
        " 2024年1月31日 ",
        "20240131",
        20240131,
        20240131.0,
        "2024-01-31T00:00:00",
        datetime.date(2024, 1, 31),
        datetime.datetime(2024, 1, 31, 12, 30),
    ],
)
def test_a_date_may_be_written_in_the_usual_ways(cell: object) -> None:
    assert date_of(cell) == datetime.date(2024, 1, 31)


@pytest.mark.parametrize("cell", ["31.1.2024", "2024-02-30", "2024-1", "去年", 45322, True])
def test_what_is_no_date_is_not_taken_for_one(cell: object) -> None:
    with pytest.raises(ValueError, match="is no d"):
        date_of(cell)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (230402001001.0, "230402001001"),
        (230402001001, "230402001001"),
        ("230402001001.0", "230402001001"),
        (" ２３０４０２ ", "230402"),
        ("01", "01"),
        ("", None),
        (None, None),
    ],
)
def test_a_code_that_a_spreadsheet_made_a_number_is_its_digits(
    cell: object, code: str | None
) -> None:
    assert code_of(cell) == code


@pytest.mark.parametrize("cell", [23040200100100001.0, 2.5, -1, True, float("inf")])
def test_a_number_that_is_no_code_is_refused(cell: object) -> None:
    with pytest.raises(ValueError, match="is "):
        code_of(cell)


def test_cells_are_read_for_what_they_mean() -> None:
    assert [count_of(cell) for cell in (24, 24.0, "24", " 24 ", "")] == [24, 24, 24, 24, None]
    assert [mode_of(cell) for cell in ("社区领办", "Community_Led", "无", "UNMANAGED", None)] == [
        "COMMUNITY_LED",
        "COMMUNITY_LED",
        None,
        None,
        None,
    ]
    assert [text_of(cell) for cell in ("  a b ", 3.0, 3, "   ")] == ["a b", "3", "3", None]
    for wrong in ("-1", 2.5, "viele", float("nan"), 3e9):
        with pytest.raises(ValueError, match="is no"):
            count_of(wrong)


@pytest.mark.parametrize(
    "cell",
    [
        130.287,
        "130.287",
        " 130.287\u3000",
        "+130.287",
        "１３０．２８７",
        "130.287°",
        "130.287º E",
        "130.287e",
        "Ｅ130.287",
        "东经130.287°",
        "东经 130.287 度",
    ],
)
def test_a_longitude_may_be_written_in_the_usual_ways(cell: object) -> None:
    assert longitude_of(cell) == 130.287


def test_the_other_half_of_the_earth_is_negative() -> None:
    assert [longitude_of(cell) for cell in (-77.17, "-77.17", "77.17W", "西经77.17度")] == [
        -77.17
    ] * 4
    assert [latitude_of(cell) for cell in ("33.9S", "南纬33.9°", "33.9°N")] == [-33.9, -33.9, 33.9]
    assert [latitude_of(cell) for cell in (None, "", "  ")] == [None] * 3


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("130°17′13″", "in minutes"),
        ("130°17'", "in minutes"),
        ("130度17分", "in minutes"),
        ("130,287", "no longitude such as 130.287"),
        ("130.287,47.36", "no longitude"),
        ("1_30.287", "no longitude"),
        ("E130.287E", "no longitude"),
        ("-77.17W", "no longitude"),
        ("nan", "no longitude"),
        ("约130", "no longitude"),
        (True, "no longitude"),
        ("47.36°N", "not what is wanted here, a longitude"),
        ("北纬47.36", "not what is wanted here, a longitude"),
    ],
)
def test_what_is_no_plain_longitude_is_refused_with_a_reason(cell: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        longitude_of(cell)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_headings_are_recognised_in_either_encoding(
    district: Connection, tmp_path: Path, encoding: str
) -> None:
    rows = [("单位编码", "单位名称", "级别", "所属区划"), ("A", "市审计局", "市直", "2304")]
    path = write_csv(tmp_path / "sponsors.csv", rows, encoding)

    assert counts(bring(district, "sponsors", path)) == (1, 0, 0)
    assert found(district, "SELECT name, level FROM sponsors") == [("市审计局", "CITY")]


def test_a_workbook_comes_in_with_numbers_for_codes_and_dates(
    district: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "buildings.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(
            0, 0, ["代码", "名称", "社区编码", "户数", "管理模式", "生效日期", "经度", "纬度"]
        )
        sheet.write_row(1, 0, [f"{COMMUNITY}00001", "1号楼", 230402001001, 24, "业主自治"])
        sheet.write_datetime(1, 5, datetime.datetime(2024, 3, 1), day)
        sheet.write_row(1, 6, [130.2575, 47.332])
        sheet.write_row(2, 0, [23040200100100002, "2号楼", 230402001001, 24, "业主自治"])
        sheet.write_row(2, 6, [130.2575, 47.332])

    summary = bring(district, "buildings", path)

    # A spreadsheet keeps 15 digits of a number; the code of row 3 has lost its last.
    assert [(p.row, str(p.kind)) for p in summary.errors] == [(3, "bad-code")]
    assert "format the column as text" in summary.errors[0].message
    # Row 2 was understood: it lies outside the grids, of which there are none.
    assert said(summary)[0] == (2, "outside-grids")


@pytest.mark.parametrize(
    ("noun", "headings", "found_fields"),
    [
        (Noun.GRIDS, ["网格编", "网格名", "所属社"], ["code", "name", "community"]),
        (Noun.GRIDS, ["网格编码", "名称", "所属社区编"], ["code", "name", "community"]),
        (Noun.REGIONS, ["统计用区划", "区划名"], ["code", "name"]),
        (Noun.BUILDINGS, ["building_c", "building_n", "户数", "物业管理方"],
         ["code", "name", "households", "management_mode"]),
        # What it may be is taken before what it may have been.
        (Noun.BUILDINGS, ["id", "name", "户数", "management"],
         ["code", "name", "households", "management_mode"]),
    ],
)  # fmt: skip
def test_a_heading_that_a_shapefile_has_cut_is_recognised(
    noun: Noun, headings: list[str], found_fields: list[str]
) -> None:
    columns = Columns(noun, {})

    columns.read(Batch([1], {heading: [None] for heading in headings}, None))

    assert columns.headings == dict(zip(found_fields, headings, strict=True))


def test_a_heading_that_may_have_been_cut_from_several_is_not_guessed() -> None:
    # 包保单位编码 or 包保单位名称:
    columns = Columns(Noun.SPONSORS, {})
    headings: dict[str, list[object]] = {
        each: [None] for each in ("包保单", "name", "级别", "region")
    }
    with pytest.raises(Invalid, match="no column code"):
        columns.read(Batch([1], headings, None))
    # Nor is one that is merely shorter.
    with pytest.raises(Invalid, match="no columns code"):
        Columns(Noun.GRIDS, {}).read(Batch([1], {"网格编码全": [None]}, None))


def test_a_heading_may_be_mapped_whole_though_the_shapefile_has_cut_it() -> None:
    columns = Columns(Noun.GRIDS, {"code": "网格编码全称", "name": "网格的名字"})

    columns.read(Batch([1], {"网格编码全": [None], "网格的": [None]}, None))

    assert columns.headings == {"code": "网格编码全", "name": "网格的"}


@pytest.mark.parametrize("columns", [{}, {"code": "Nr", "name": "Wer"}])
def test_a_title_above_the_headings_does_no_harm(
    district: Connection, tmp_path: Path, columns: dict[str, str]
) -> None:
    path = tmp_path / "包保单位.xlsx"
    headings = [*(columns.values() or ("单位编码", "单位名称")), "级别", "所属区划"]
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.merge_range("A1:D1", "向阳区包保单位台账", book.add_format())
        sheet.write("D2", "单位：个")
        sheet.write_row("A3", headings)
        sheet.write_row("A4", ["A", "市审计局", "市直", "2304"])
        sheet.write_row("A5", ["B", "市财政局", "市直", "9999"])

    summary = bring(district, "sponsors", path, columns=columns)

    assert [problem.row for problem in summary.problems] == [5]
    assert summary.read == 2


def test_headings_may_be_mapped_and_others_are_ignored_and_said(
    district: Connection, tmp_path: Path
) -> None:
    rows = [
        ("编码", "Sponsor No.", "name", "level", "region", "note"),
        ("1", "A", "市审计局", "CITY", "2304", "x"),
    ]

    summary = bring_rows(district, "sponsors", tmp_path, rows, columns={"code": "Sponsor No."})

    assert counts(summary) == (1, 0, 0)
    assert found(district, "SELECT code FROM sponsors") == [("A",)]
    assert summary.ignored_columns == ("编码", "note")


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("户 数", "households"),
        ("户　数（户）", "households"),
        ("户数/户", "households"),
        ("户数[户]", "households"),
        ("户数【单位：户】", "households"),
        ("*户\n数：", "households"),
        ("户数 *", "households"),
        ("经度(WGS84)", "longitude"),
        ("经 度 （°）", "longitude"),
        ("小区 名称", "compound"),
        ("Management  Mode", "management_mode"),
        ("MANAGEMENT_MODE", "management_mode"),
    ],
)
def test_a_heading_is_recognised_with_a_unit_a_remark_or_blanks_in_it(
    heading: str, field: str
) -> None:
    needed: dict[str, list[object]] = {"code": [None], "name": [None], "households": [None]}
    needed.pop(field, None)
    columns = Columns(Noun.BUILDINGS, {})

    columns.read(Batch([1], {**needed, heading: [None]}, None))

    assert columns.headings[field] == heading


def test_a_column_that_is_missing_is_named_with_those_there_are(
    district: Connection, tmp_path: Path
) -> None:
    rows = [("Nummer", "name", "level", "region"), ("A", "市审计局", "CITY", "2304")]

    with pytest.raises(Invalid, match=r"no column code.*Nummer, name, level, region.*--map code="):
        bring_rows(district, "sponsors", tmp_path, rows)
    with pytest.raises(Invalid, match=r"no column No\. for code.*Nummer"):
        bring_rows(district, "sponsors", tmp_path, rows, columns={"code": "No."})
    with pytest.raises(Invalid, match=r"no column colour.*code, name"):
        bring_rows(district, "sponsors", tmp_path, rows, columns={"colour": "Nummer"})


def test_the_id_of_a_feature_is_its_code_only_where_nothing_better_is(
    district: Connection, tmp_path: Path
) -> None:
    features = [{**grid(1), "id": f"{COMMUNITY}009"}, {**grid(2), "id": f"{COMMUNITY}008"}]
    bring_features(district, "grids", tmp_path, features)
    assert found(district, "SELECT code FROM grids ORDER BY code") == [
        (f"{COMMUNITY}001",),
        (f"{COMMUNITY}002",),
    ]

    feature = {**grid(3), "id": f"{COMMUNITY}003", "properties": {"name": "第3网格"}}
    assert counts(bring_features(district, "grids", tmp_path, [feature])) == (1, 0, 0)


def test_every_import_that_wrote_is_logged_and_no_other(
    district: Connection, tmp_path: Path
) -> None:
    log = (
        "SELECT noun, file, sha256, datum, added, changed, unchanged FROM imports "
        "WHERE noun = 'grids'"
    )
    path = write_geojson(tmp_path / "网格.geojson", [grid(1)])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    bring(district, "grids", path, dry_run=True)
    bring_features(district, "grids", tmp_path, [grid(1, name=None)])
    assert found(district, log) == []
    bring(district, "grids", path)
    bring(district, "grids", path, datum=Datum.CGCS2000)

    assert found(district, log) == [
        ("grids", "网格.geojson", digest, "WGS84", 1, 0, 0),
        ("grids", "网格.geojson", digest, "CGCS2000", 0, 0, 1),
    ]


def test_an_import_commits_on_an_engine_and_leaves_nothing_when_refused(
    database_url: str, tmp_path: Path
) -> None:
    engine = tool_engine(database_url)
    path = write_csv(tmp_path / "regions.csv", [("code", "name"), ("23", "黑龙江省")])
    bad = write_csv(tmp_path / "bad.csv", [("code", "name"), ("22", "吉林省"), ("2", "?")])
    try:
        assert import_file(engine, Noun.REGIONS, path).written
        assert not import_file(engine, Noun.REGIONS, bad).written
        with engine.connect() as other:
            assert found(other, "SELECT code FROM regions") == [("23",)]
    finally:
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE regions CASCADE"))
            connection.execute(text("TRUNCATE imports"))
        engine.dispose()


def test_a_caller_may_undo_an_import_made_in_its_transaction(
    connection: Connection, tmp_path: Path
) -> None:
    with connection.begin() as transaction:
        assert bring_rows(connection, "regions", tmp_path, [("code", "name"), *REGIONS]).written
        transaction.rollback()

    assert found(connection, "SELECT * FROM regions") == []


def test_the_number_of_statements_does_not_grow_with_rows(
    district: Connection, tmp_path: Path
) -> None:
    statements: list[str] = []
    event.listen(
        district, "before_cursor_execute", lambda *execution: statements.append(execution[2])
    )

    def statements_for(size: int) -> int:
        statements.clear()
        rows = [SPONSOR, *((f"{size}-{i}", "单位", "CITY", "2304") for i in range(size))]
        assert counts(bring_rows(district, "sponsors", tmp_path, rows)) == (size, 0, 0)
        return len(statements)

    assert statements_for(4) == statements_for(4000)


def test_progress_tells_rows_and_stages(district: Connection, tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "grids.geojson", [grid(number) for number in range(1, 8)])
    told: list[Progress] = []

    options = ImportOptions(datum=Datum.WGS84, valid_from=FIRST_DAY)
    import_file(district, Noun.GRIDS, path, options, told.append)

    assert max(progress.done for progress in told if progress.stage == "reading") == 7
    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert stages == ["reading", "checking", "writing", "finishing the checks", "committing"]


def test_what_the_database_alone_refuses_is_a_clear_conflict(
    district: Connection, tmp_path: Path
) -> None:
    district.execute(text("ALTER TABLE sponsors ADD CONSTRAINT short CHECK (length(name) < 5)"))
    rows = [SPONSOR, ("A", "名字太长的单位", "CITY", "2304")]

    with pytest.raises(Conflict, match=r"sponsors\.csv.*名字太长的单位"):
        bring_rows(district, "sponsors", tmp_path, rows)

    assert found(district, "SELECT * FROM sponsors") == []


def test_a_zero_byte_is_a_fault_of_its_row(district: Connection, tmp_path: Path) -> None:
    features = [grid(1, name="a\0b"), grid(2, code="a\0b")]

    summary = bring_features(district, "grids", tmp_path, features)

    assert said(summary) == [(1, "bad-value"), (2, "bad-code")]
    assert all(problem.message.isprintable() for problem in summary.problems)


def test_a_file_that_is_not_there_and_a_database_that_is_not_there(
    district: Connection, tmp_path: Path
) -> None:
    with pytest.raises(Invalid, match=r"no file.*nowhere\.csv"):
        bring(district, "sponsors", tmp_path / "nowhere.csv")

    path = write_csv(tmp_path / "sponsors.csv", [SPONSOR])
    nowhere = create_engine(parsed_url(f"postgresql://nobody@/none?host={tmp_path}"))
    with pytest.raises(Unavailable):
        import_file(nowhere, Noun.SPONSORS, path)


@pytest.mark.parametrize("noun", list(Noun))
def test_a_file_without_rows_changes_nothing(
    district: Connection, tmp_path: Path, noun: str
) -> None:
    headings: dict[str, tuple[Any, ...]] = {
        "regions": ("code", "name"),
        "grids": ("code", "name", "boundary"),
        "buildings": ("code", "name", "households", "longitude", "latitude"),
        "sponsors": SPONSOR,
        "sponsorships": ("sponsor", "building"),
        "workers": ("code", "name"),
        "categories": ("code", "name"),
        "deadlines": ("step", "amount", "unit"),
        "report-rules": ("region",),
        "visits": ("worker", "building", "kind", "at"),
        "member-cards": ("building", "name"),
    }

    summary = bring_rows(district, noun, tmp_path, [headings[noun]])

    assert (summary.read, counts(summary)) == (0, (0, 0, 0))


def test_a_user_who_may_only_read_is_told_so(district: Connection, tmp_path: Path) -> None:
    for statement in (
        "CREATE ROLE import_reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO import_reader",
        "SET LOCAL ROLE import_reader",
    ):
        district.execute(text(statement))

    with pytest.raises(Forbidden, match="permission denied"):
        bring_features(district, "grids", tmp_path, [grid(1)])
