"""How answers look in a terminal: progress, an import's summary, a location.

What files and the database say is printed as it stands: rich would take `[1]` in the name of a
file or a grid for markup, and `:house:` for a picture. So no string is markup here; what has a
colour is a `Text`.
"""

from __future__ import annotations

import datetime
import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from gridmap.geo.problems import Problem, Severity
from gridmap.store.imports import Progress, Report, Summary
from gridmap.store.users import User

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.REPAIRED: "cyan"}


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints strings as they stand."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


console = plain_console()
complaints = plain_console(stderr=True)


def print_complaint(console: Console, message: str) -> None:
    """What went wrong, in one line however long."""
    console.print(Text.assemble(("gridmap:", "red"), f" {_visible(message)}"), soft_wrap=True)


@contextmanager
def progress_bar(console: Console) -> Iterator[Report]:
    """A bar for each stage of long work; nothing where no person watches."""
    bar = ProgressBar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    tasks: dict[str, Any] = {}

    def report(progress: Progress) -> None:
        if progress.stage not in tasks:
            tasks[progress.stage] = bar.add_task(progress.stage, total=progress.total)
        bar.update(tasks[progress.stage], completed=progress.done, total=progress.total)

    with bar:
        yield report


def print_summary(console: Console, summary: Summary, *, dry_run: bool) -> None:
    """Every problem on a line of its own, then what was done in one."""
    for problem in summary.problems:
        _print_problem(console, problem)
    if summary.ignored_columns:
        ignored = _visible(", ".join(summary.ignored_columns))
        console.print(f"Ignored columns: {ignored}", soft_wrap=True)
    kinds = Counter(problem.severity for problem in summary.problems)
    counts = summary.counts
    if summary.errors:
        rows = {problem.row for problem in summary.errors}
        refused = "refused" if 0 in rows else f"{_rows(len(rows))} of {summary.read} refused"
        outcome = f"{refused}; nothing was written."
        console.print(Text(f"{summary.file}: {outcome}", "red"), soft_wrap=True)
    else:
        outcome = "would be" if dry_run else ""
        console.print(
            f"{summary.file}: {_rows(summary.read)} of {summary.noun} read; {outcome} "
            f"{counts.added} added, {counts.changed} changed, {counts.unchanged} unchanged"
            f"{f', {summary.repaired} repaired' if summary.repaired else ''}"
            f"{_warnings(kinds[Severity.WARNING])}."
            f"{' Nothing was written (--dry-run).' if dry_run else ''}".replace("  ", " "),
            soft_wrap=True,
        )


def print_location(console: Console, location: dict[str, Any]) -> None:
    """The answer of `gridmap locate`'s query, as two columns."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    point, grid = location["point"], location["grid"]
    table.add_row(
        "位置 position", f"{point['longitude']:.6f}, {point['latitude']:.6f} ({point['datum']})"
    )
    table.add_row("结果 outcome", location["outcome"])
    if grid:
        table.add_row("网格 grid", f"{grid['code']}  {grid['name']}")
        table.add_row("社区 community", f"{grid['community']['name']}, {grid['street']['name']}")
        table.add_row("网格员 workers", _names(grid["workers"]))
        table.add_row("距边界 to boundary", f"{location['distanceToBoundary']:.1f} m")
    building, sponsor = location["building"], location["sponsor"]
    table.add_row("楼栋 building", f"{building['code']}  {building['name']}" if building else "—")
    table.add_row("包保单位 sponsor", f"{sponsor['code']}  {sponsor['name']}" if sponsor else "—")
    for candidate in location["candidates"] if len(location["candidates"]) > 1 else []:
        table.add_row(
            "可能 candidate",
            f"{candidate['grid']['code']}  {candidate['share']:.1%}, {candidate['distance']:.1f} m",
        )
    console.print(table)


def print_coverage(
    console: Console, coverage: dict[str, Any], communities: list[dict[str, Any]]
) -> None:
    """The answer of `gridmap coverage`'s queries: the lists' counts, and a row a community."""
    region = coverage["region"]
    console.print(
        f"{region['code']} {_visible(region['name'])}, {coverage['on']}: "
        f"{_score(coverage['grade'])}",
        soft_wrap=True,
    )
    lists = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    lists.add_column()
    lists.add_column(justify="right")
    for name, words in _LISTS.items():
        count = coverage[name]["totalCount"]
        lists.add_row(words, Text(f"{count}", "red" if count else "green"))
    slivers = coverage["slivers"]["gaps"] + coverage["slivers"]["overlaps"]
    lists.add_row("碎片 slivers", f"{slivers}")
    console.print(lists)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("社区\ncommunity", no_wrap=True)
    table.add_column("评分\ngrade", justify="right", no_wrap=True)
    for words in _PARTS.values():
        table.add_column(words, justify="right")
    for each in [*communities, {"region": region, "grade": coverage["grade"]}]:
        values = {part["name"]: _percent(part["value"]) for part in each["grade"]["parts"]}
        table.add_row(
            f"{each['region']['code']} {_visible(each['region']['name'])}",
            _score(each["grade"]),
            *(values.get(part, "—") for part in _PARTS),
        )
    console.print(table)


_LISTS = {
    "gaps": "空白 gaps",
    "overlaps": "重叠 overlaps",
    "buildingsOutsideGrids": "网格外楼栋 buildings outside grids",
    "buildingsWithoutSponsor": "无包保单位楼栋 buildings without sponsor",
    "buildingsWithoutManagement": "无人管理楼栋 buildings without management",
    "buildingsNotVisited": "30 天未走访楼栋 buildings not visited for 30 days",
    "buildingsWithoutMemberCard": "无党员身份卡楼栋 buildings without member card",
    "gridsWithoutWorker": "无网格员网格 grids without worker",
    "gridsWithoutSponsor": "无包保单位网格 grids without sponsor",
    "gridsOverNorm": "超户数网格 grids over norm",
}
_PARTS = {
    "AREA_IN_ONE_GRID": "面积\narea",
    "BUILDINGS_IN_GRIDS": "在格\ngrid",
    "BUILDINGS_WITH_SPONSOR": "包保\nsponsor",
    "BUILDINGS_MANAGED": "管理\nmanaged",
    "BUILDINGS_VISITED": "走访\nvisited",
    "BUILDINGS_WITH_MEMBER_CARD": "党员\ncard",
    "GRIDS_WITH_WORKER": "网格员\nworker",
    "GRIDS_WITHIN_NORM": "户数\nnorm",
}


def _percent(share: float) -> str:
    """Rounded down, so that 100 % is all."""
    return f"{math.floor(round(100 * share, 9))}%"


def _score(grade: dict[str, Any]) -> str:
    return "—" if grade["score"] is None else f"{grade['score']:.1f} {grade['letter']}"


def print_users(console: Console, users: Sequence[User], on: datetime.date) -> None:
    """Who signs in, a row each."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "role", "subject", "codes", "from", "to", ""):
        table.add_column(heading, overflow="fold")
    for user in users:
        notes = [
            "disabled" if user.is_disabled else "" if user.holds_on(on) else "not now",
            "demo" if user.is_demo else "",
        ]
        cells = (
            user.name,
            user.role,
            user.subject,
            ", ".join(user.codes),
            f"{user.valid_from}",
            f"{user.valid_to or ''}",
            ", ".join(filter(None, notes)),
        )
        table.add_row(*map(_visible, cells))
    console.print(table)


def _print_problem(console: Console, problem: Problem) -> None:
    row = f" row {problem.row}" if problem.row else ""
    code = f" {problem.code}" if problem.code else ""
    console.print(
        Text.assemble(
            (problem.severity, _COLOURS[problem.severity]),
            f"{row}{_visible(code)} ",
            (problem.kind, "dim"),
            _visible(f": {_sentence(problem.message)} {problem.remedy}"),
        ),
        soft_wrap=True,
    )


def _visible(text: str) -> str:
    """The text with escapes for what cannot be seen, or would turn round what stands beside it."""
    return "".join(
        each.encode("unicode_escape").decode() if unicodedata.category(each) in _UNSEEN else each
        for each in text
    )


# Not private use and unassigned: rare Chinese characters are found there.
_UNSEEN = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."


def _warnings(count: int) -> str:
    return f", {count} {'warning' if count == 1 else 'warnings'}" if count else ""


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _names(people: list[dict[str, Any]]) -> str:
    return "、".join(each["name"] for each in people) or "—"
