"""What stands in a file is what the terminal shows, square brackets and all."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from gridmap.api.terminal import plain_console, print_complaint, print_location, print_summary
from gridmap.geo.problems import Kind, Problem, Severity
from gridmap.store.imports import Counts, Noun, Summary

# Rich would take each of these for markup, or for a picture.
ODD = ["[1]号楼", "[bold]网格", "甲[/]", "[/x]", "a[red", "\\[1]", ":house:", "[link=x]y[/link]"]


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setenv("COLUMNS", "200")
    return plain_console()


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("severity", Severity)
def test_an_import_shows_names_and_messages_as_they_stand(
    console: Console, capsys: pytest.CaptureFixture[str], odd: str, severity: Severity
) -> None:
    problem = Problem(3, odd, Kind.BAD_VALUE, f"no {odd}", f"Mend {odd}.", severity)
    summary = Summary(Noun.GRIDS, f"{odd}.csv", 9, Counts(1, 2, 3), (problem,), (odd,), True)

    print_summary(console, summary, dry_run=False)

    first, ignored, last = capsys.readouterr().out.splitlines()
    assert first == f"{severity} row 3 {odd} bad-value: no {odd}. Mend {odd}."
    assert ignored == f"Ignored columns: {odd}"
    assert last.startswith(f"{odd}.csv: ")


def test_what_cannot_be_seen_is_shown_by_its_number(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = Problem(3, "12\u202e34", Kind.BAD_CODE, "no\x00 \x1b[31mred\n", "Mend it\ue000.")
    summary = Summary(Noun.GRIDS, "a.csv", 9, Counts(), (problem,), ("甲\u200b乙",), False)

    print_summary(console, summary, dry_run=False)

    first, ignored, _ = capsys.readouterr().out.splitlines()
    told = r"no\x00 \x1b[31mred\n."
    assert first == f"error row 3 12\\u202e34 bad-code: {told} Mend it\ue000."
    assert ignored == r"Ignored columns: 甲\u200b乙"


@pytest.mark.parametrize("odd", ODD)
def test_a_location_shows_names_as_they_stand(
    console: Console, capsys: pytest.CaptureFixture[str], odd: str
) -> None:
    named = {"code": "1", "name": odd}
    grid = {**named, "community": named, "street": named, "workers": [named]}
    candidate = {"share": 0.5, "distance": 1.0, "grid": {"code": odd}}
    location: dict[str, Any] = {
        "outcome": "UNCERTAIN",
        "point": {"longitude": 130.0, "latitude": 47.0, "datum": "WGS84"},
        "grid": grid,
        "candidates": [candidate, candidate],
        "distanceToBoundary": 1.0,
        "building": named,
        "sponsor": named,
    }

    print_location(console, location)

    # Grid, community and street, worker, building, sponsor, and two candidates.
    assert capsys.readouterr().out.count(odd) == 8


@pytest.mark.parametrize("odd", ODD)
def test_a_complaint_names_the_file_as_it_is_called(
    console: Console, capsys: pytest.CaptureFixture[str], odd: str
) -> None:
    print_complaint(console, f"There is no file {odd}. " + "x" * 300)

    shown = capsys.readouterr().out
    assert shown == f"gridmap: There is no file {odd}. {'x' * 300}\n"
