"""Categories, deadlines and what regions say of their reports, as districts hand them in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from gridmap.errors import Invalid
from gridmap.store.imports import Summary
from tests.store.importing import COMMUNITY, bring_rows, counts, found, said

CATEGORIES = "SELECT code, name, parent_code FROM report_categories ORDER BY code"
DEADLINES = (
    "SELECT district_code, category_code, urgency, step, amount, unit FROM deadlines ORDER BY 1, 2"
)
RULES = "SELECT region_code, default_sponsor_code, is_rated FROM report_rules ORDER BY 1"
LIMIT = ("district", "category", "urgency", "step", "amount", "unit")

Row = Sequence[object]


@pytest.fixture
def settled(district: Connection, tmp_path: Path) -> Connection:
    """The district with a sponsor A, categories 01 and 0101, and no rule at all."""
    district.execute(text("TRUNCATE report_categories, deadlines, report_rules CASCADE"))
    sponsors = [("code", "name", "level", "region"), ("A", "市审计局", "市", "2304")]
    assert bring_rows(district, "sponsors", tmp_path, sponsors).written
    categories = [("code", "name", "parent"), ("0101", "暴露垃圾", "01"), ("01", "市容环境", "")]
    assert counts(bring_rows(district, "categories", tmp_path, categories)) == (2, 0, 0)
    return district


def bring(connection: Connection, noun: str, folder: Path, *rows: Row) -> Summary:
    return bring_rows(connection, noun, folder, rows, datum=None)


class TestCategories:
    def test_they_are_updated_and_a_missing_column_changes_no_parent(
        self, settled: Connection, tmp_path: Path
    ) -> None:
        heading = ("类别编码", "类别名称", "大类编码")
        more = [heading, ("01", "市容", ""), ("0101", "暴露垃圾", "01"), ("02", "广告", "")]
        renamed = [heading[:2], ("0101", "垃圾"), ("03", "施工管理")]

        assert counts(bring(settled, "categories", tmp_path, *more)) == (1, 1, 1)
        assert counts(bring(settled, "categories", tmp_path, *more)) == (0, 0, 3)
        assert counts(bring(settled, "categories", tmp_path, *renamed)) == (1, 1, 0)
        assert found(settled, CATEGORIES) == [
            ("01", "市容", None),
            ("0101", "垃圾", "01"),
            ("02", "广告", None),
            ("03", "施工管理", None),
        ]

    def test_one_may_move_below_another_and_two_may_change_places(
        self, settled: Connection, tmp_path: Path
    ) -> None:
        turned = [("code", "name", "parent"), ("01", "市容环境", "0101"), ("0101", "暴露垃圾", "")]
        new = [("code", "name", "parent"), ("0101", "暴露垃圾", "02"), ("02", "广告", "")]

        assert counts(bring(settled, "categories", tmp_path, *turned)) == (0, 2, 0)
        assert found(settled, CATEGORIES) == [
            ("01", "市容环境", "0101"),
            ("0101", "暴露垃圾", None),
        ]
        back = [("code", "name", "parent"), ("01", "市容环境", ""), ("0101", "暴露垃圾", "01")]
        assert counts(bring(settled, "categories", tmp_path, *back)) == (0, 2, 0)
        assert counts(bring(settled, "categories", tmp_path, *new)) == (1, 1, 0)

    def test_there_are_two_levels_whatever_way_a_third_would_come(
        self, settled: Connection, tmp_path: Path
    ) -> None:
        summary = bring(
            settled,
            "categories",
            tmp_path,
            ("code", "name", "parent"),
            ("010101", "below a kept child", "0101"),
            ("02", "main", ""),
            ("0201", "child", "02"),
            ("020101", "below a child of the file", "0201"),
            ("01", "has a child that is kept", "02"),
            ("03", "its own parent", "03"),
            ("04", "nobody's child", "99"),
            ("02", "again", ""),
            ("0 5", "a blank", ""),
            ("06", "", ""),
        )

        assert said(summary) == [
            (2, "unknown-parent"),
            (5, "unknown-parent"),
            (6, "unknown-parent"),
            (7, "unknown-parent"),
            (8, "unknown-parent"),
            (9, "duplicate-code"),
            (10, "bad-code"),
            (11, "missing-value"),
        ]
        messages = {problem.row: problem.message for problem in summary.problems}
        assert messages[2] == (
            "the category lies below 0101, which lies below 01; there are two levels"
        )
        assert "0101 lie below 01" in messages[6]
        assert "itself" in messages[7]
        assert "99" in messages[8]
        assert all(problem.remedy for problem in summary.problems)
        assert len(found(settled, CATEGORIES)) == 2


class TestDeadlines:
    def test_they_are_written_in_chinese_and_empty_is_any(
        self, settled: Connection, tmp_path: Path
    ) -> None:
        rows = [
            ("区县代码", "类别编码", "紧急程度", "环节", "时限", "时限单位"),
            ("", "", "", "全程", 7, "工作日"),
            ("230402", "01", "紧急", "处置", "2", "天"),
            ("230402", "0101", "突发", "派遣", 4, "小时"),
            ("230402", "0102", "一般", "受理", 1, "工作小时"),
        ]
        bring(settled, "categories", tmp_path, ("code", "name"), ("0102", "渣土"))

        assert counts(bring(settled, "deadlines", tmp_path, *rows)) == (4, 0, 0)
        assert counts(bring(settled, "deadlines", tmp_path, *rows)) == (0, 0, 4)
        assert found(settled, DEADLINES) == [
            ("", "", "", "WHOLE", 7, "WORKING_DAYS"),
            ("230402", "01", "URGENT", "HANDLE", 2, "DAYS"),
            ("230402", "0101", "EMERGENCY", "DISPATCH", 4, "HOURS"),
            ("230402", "0102", "ROUTINE", "REGISTER", 1, "WORKING_HOURS"),
        ]

    def test_a_row_without_an_amount_takes_its_rule_away_and_no_other(
        self, settled: Connection, tmp_path: Path
    ) -> None:
        kept = ("", "01", "", "HANDLE", 2, "DAYS")
        gone = ("", "", "", "HANDLE", 5, "DAYS")
        assert counts(bring(settled, "deadlines", tmp_path, LIMIT, kept, gone)) == (2, 0, 0)
        removal = (*gone[:4], "", "")

        assert counts(bring(settled, "deadlines", tmp_path, LIMIT, removal)) == (0, 1, 0)
        assert counts(bring(settled, "deadlines", tmp_path, LIMIT, removal)) == (0, 0, 1)
        assert found(settled, DEADLINES) == [kept]
        longer = (*kept[:4], 3, "DAYS")
        assert counts(bring(settled, "deadlines", tmp_path, LIMIT, longer, gone)) == (1, 1, 0)

    def test_a_file_without_amounts_is_refused_and_takes_nothing_away(
        self, settled: Connection, tmp_path: Path
    ) -> None:
        with pytest.raises(Invalid, match="no columns amount and unit"):
            bring(settled, "deadlines", tmp_path, ("category", "step"), ("01", "HANDLE"))

    def test_faulty_ones_are_named(self, settled: Connection, tmp_path: Path) -> None:
        summary = bring(
            settled,
            "deadlines",
            tmp_path,
            LIMIT,
            ("", "", "急", "HANDLE", 1, "DAYS"),
            ("", "", "", "做完", 1, "DAYS"),
            ("", "", "", "HANDLE", 0, "DAYS"),
            ("", "", "", "ACCEPT", 10_001, "DAYS"),
            ("", "", "", "VERIFY", 1, "周"),
            ("", "", "", "CLOSE", 1, ""),
            ("", "", "", "", 1, "DAYS"),
            ("", "09", "", "HANDLE", 1, "DAYS"),
            ("230499", "", "", "HANDLE", 1, "DAYS"),
            (COMMUNITY, "", "", "HANDLE", 1, "DAYS"),
            ("230402", "01", "", "WHOLE", 1, "DAYS"),
            ("230402", "01", "", "WHOLE", 2, "DAYS"),
        )

        assert said(summary) == [
            (2, "bad-value"),
            (3, "bad-value"),
            (4, "bad-value"),
            (5, "bad-value"),
            (6, "bad-value"),
            (7, "missing-value"),
            (8, "missing-value"),
            (9, "unknown-code"),
            (10, "unknown-parent"),
            (11, "unknown-parent"),
            (13, "duplicate-code"),
        ]
        messages = {problem.row: problem.message for problem in summary.problems}
        assert messages[2] == (
            "urgency “急” is no urgency; write ROUTINE, URGENT or EMERGENCY, "
            "or in Chinese 一般、紧急、突发"
        )
        assert "whole number from 1 to 10000" in messages[4]
        assert messages[11] == f"region {COMMUNITY} is a COMMUNITY, and deadlines are a district's"
        assert messages[13] == "row 12 has the same step and category and urgency"
        assert found(settled, DEADLINES) == []


class TestReportRules:
    def test_an_empty_cell_leaves_it_to_the_region_above(
        self, settled: Connection, tmp_path: Path
    ) -> None:
        heading = ("区划代码", "兜底单位", "是否评价")
        first = [heading, ("230402", "A", "是"), (COMMUNITY, "", "否")]
        later = [heading, ("230402", "", "true"), (COMMUNITY, "", "")]

        assert counts(bring(settled, "report-rules", tmp_path, *first)) == (2, 0, 0)
        assert counts(bring(settled, "report-rules", tmp_path, *first)) == (0, 0, 2)
        assert found(settled, RULES) == [("230402", "A", True), (COMMUNITY, None, False)]
        assert counts(bring(settled, "report-rules", tmp_path, *later)) == (0, 2, 0)
        assert found(settled, RULES) == [("230402", None, True)]
        assert counts(bring(settled, "report-rules", tmp_path, *later)) == (0, 0, 2)

    def test_a_column_that_is_missing_leaves_what_is_kept(
        self, settled: Connection, tmp_path: Path
    ) -> None:
        both = [("region", "default_sponsor", "rated"), ("230402", "A", False)]
        bring(settled, "report-rules", tmp_path, *both)

        rated = [("region", "rated"), ("230402", "yes")]
        assert counts(bring(settled, "report-rules", tmp_path, *rated)) == (0, 1, 0)
        assert found(settled, RULES) == [("230402", "A", True)]
        nobody = [("region", "default_sponsor"), ("230402", "")]
        assert counts(bring(settled, "report-rules", tmp_path, *nobody)) == (0, 1, 0)
        assert found(settled, RULES) == [("230402", None, True)]

    def test_faulty_ones_are_named(self, settled: Connection, tmp_path: Path) -> None:
        summary = bring(
            settled,
            "report-rules",
            tmp_path,
            ("region", "default_sponsor", "rated"),
            ("230402", "B", ""),
            ("230499", "A", ""),
            (COMMUNITY, "", "也许"),
            ("2304", "A", ""),
            ("2304", "", "否"),
            ("", "A", ""),
        )

        assert said(summary) == [
            (2, "unknown-code"),
            (3, "unknown-parent"),
            (4, "bad-value"),
            (6, "duplicate-code"),
            (7, "missing-value"),
        ]
        assert summary.problems[2].message.endswith("write TRUE or FALSE, or in Chinese 是、否")
        assert found(settled, RULES) == []


@pytest.mark.parametrize(
    ("noun", "rows"),
    [
        ("categories", [("code", "name"), ("09", "其他")]),
        ("deadlines", [LIMIT, ("", "", "", "CLOSE", 9, "DAYS")]),
        ("report-rules", [("region", "rated"), ("230402", "否")]),
    ],
)
def test_a_dry_run_counts_and_writes_nothing(
    settled: Connection, tmp_path: Path, noun: str, rows: list[Row]
) -> None:
    before = [found(settled, each) for each in (CATEGORIES, DEADLINES, RULES)]

    summary = bring_rows(settled, noun, tmp_path, rows, dry_run=True)

    assert (summary.counts.added, summary.written) == (1, False)
    assert [found(settled, each) for each in (CATEGORIES, DEADLINES, RULES)] == before
