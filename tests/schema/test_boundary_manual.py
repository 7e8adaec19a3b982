"""The worked example of the manual: its mutations and queries, one after the other, on the demo."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.reporting import DISTRICT_OFFICE, Desk

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def as_precise_as(shown: Any, found: Any) -> Any:
    """What was found, rounded to the digits that are shown."""
    match shown, found:
        case dict(), dict():
            return {key: as_precise_as(shown.get(key), value) for key, value in found.items()}
        case list(), list() if len(shown) == len(found):
            return [as_precise_as(*each) for each in zip(shown, found, strict=True)]
        case float(), float():
            return round(found, 1)
        case "…", str():
            return "…"
    return found


def test_the_worked_example_gives_the_answers_that_are_shown(demo_url: str) -> None:
    asked, shown = blocks("gql"), blocks("js")
    assert len(asked) == len(shown) == 4
    plan = "…"
    with Desk(demo_url) as desk:
        for query, answer in zip(asked, shown, strict=True):
            found = desk.ask(query.replace("…", plan), DISTRICT_OFFICE)
            assert found.errors == []
            plan = found.data.get("planBoundaryChange", {"id": plan})["id"]
            expected = json.loads(answer)["data"]
            assert as_precise_as(expected, found.data) == expected
