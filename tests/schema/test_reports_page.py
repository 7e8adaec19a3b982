"""What the manual says of reporting is so: its example, and the numbers that it names."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

from gridmap.schema.report_mutations import LONGEST_DESCRIPTION, MOST_PHOTOS
from gridmap.store import submissions
from gridmap.store.actions import LONGEST_DELAY
from gridmap.store.dates import now
from gridmap.store.loop import Step
from gridmap.store.working_time import CLOSING, OPENING
from tests.reporting import Desk

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
REPORTING = PAGE.partition("## Reporting")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", REPORTING, re.MULTILINE | re.DOTALL)


def test_the_example_gives_the_answer_that_is_shown(demo_url: str) -> None:
    [query] = blocks("graphql")
    [variables, shown] = map(json.loads, blocks("json"))
    # It is of some Monday; what was seen more than a year ago would be refused.
    variables["input"]["capturedAt"] = now().isoformat()
    with Desk(demo_url) as desk:
        answer = desk.ask(query, **variables)
        again = desk.ask(query, **variables)
    assert answer.errors == []
    assert again.data == answer.data
    expected = shown["data"]["submitReport"]
    assert answer.data["submitReport"].keys() == expected.keys()
    assert datetime.datetime.fromisoformat(answer.data["submitReport"]["deadline"]) > now()
    del answer.data["submitReport"]["deadline"], expected["deadline"]
    assert answer.data["submitReport"] == expected


def test_the_deadline_that_is_shown_is_that_of_the_rules_to_begin_with(demo_url: str) -> None:
    variables, shown = map(json.loads, blocks("json"))
    with Desk(demo_url) as desk:
        seen = datetime.datetime.fromisoformat(variables["input"]["capturedAt"])
        due = desk.rules.due(seen, "230402", "0101", "ROUTINE", Step.WHOLE)
    assert due == datetime.datetime.fromisoformat(shown["data"]["submitReport"]["deadline"])


def test_the_numbers_are_those_of_the_program() -> None:
    for words in (
        f"{submissions.CERTAIN_SHARE:.0%} of its accuracy circle".replace("%", " %"),
        f"within {submissions.DUPLICATE_METRES:g} m and {submissions.DUPLICATE_DAYS} days",
        {3: "up to three reports"}[submissions.MOST_DUPLICATES],
        {6: "up to six"}[MOST_PHOTOS],
        f"up to {LONGEST_DESCRIPTION:,} characters".replace(",", " "),
        f"from {OPENING:%H:%M} to {CLOSING:%H:%M}",
        {3: "further than three years"}[LONGEST_DELAY.days // 366],
    ):
        assert words in PAGE
