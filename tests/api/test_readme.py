"""What README and the manual say is so: queries, commands, headings, settings, tables and links."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
import unicodedata
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer.main
from packaging.requirements import Requirement
from typer.core import TyperGroup

from gridmap.api import accounts
from gridmap.api.cli import app
from gridmap.api.settings import Settings
from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind
from gridmap.schema.limits import EACH, WEIGHTS, Limits
from gridmap.store.imports import Noun
from gridmap.store.imports.columns import FIELDS, Columns
from gridmap.store.imports.values import (
    mode_of,
    region_level_of,
    sponsor_level_of,
    step_of,
    truth_of,
    unit_of,
    urgency_of,
    visit_kind_of,
)
from gridmap.store.tables import metadata
from tests.api.conftest import Server
from tests.command import run_in

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
MANUAL = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*READMES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *MANUAL]


def name_of(page: Path) -> str:
    return page.name


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def table(page: Path, first_heading: str) -> list[list[str]]:
    """The cells of the table that begins with this heading, without its head."""
    found = re.search(
        rf"^\| {first_heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE
    )
    assert found, f"{page.name} has no table that begins with {first_heading}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def quoted(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


class TestQueries:
    @pytest.mark.parametrize("page", READMES, ids=name_of)
    def test_the_first_query_gives_the_answer_that_is_shown(
        self, server: Server, page: Path
    ) -> None:
        [command] = [block for block in blocks(page, "sh") if block.startswith("curl ")]
        program, option, address, urlencode, parameter = shlex.split(command)
        assert (program, option, urlencode) == ("curl", "-sG", "--data-urlencode")
        name, _, value = parameter.partition("=")
        answer = httpx.get(
            address.replace("http://127.0.0.1:8000", server.address), params={name: value}
        )
        [shown] = blocks(page, "json")
        assert answer.json() == json.loads(shown)

    @pytest.mark.parametrize("name", ["api.md", "coverage.md"])
    def test_every_query_of_the_manual_gives_the_answer_that_is_shown(
        self, server: Server, name: str
    ) -> None:
        page = ROOT / "docs" / name
        queries, answers = blocks(page, "graphql"), blocks(page, "json")
        assert len(queries) == len(answers) >= 4
        for query, shown in zip(queries, answers, strict=True):
            answer = httpx.post(f"{server.address}/graphql", json={"query": query})
            expected = json.loads(shown, parse_float=Decimal)
            assert _as_precise_as(expected, answer.json()) == expected, query

    def test_the_limits_of_documents_are_those_that_are_shown(self) -> None:
        shown = {what: most for what, most, *_ in table(ROOT / "docs" / "api.md", "what")}
        limits = Limits()
        assert shown["fields within fields"].split(",")[0] == f"{limits.depth}"
        assert shown["aliases, fragments expanded"] == f"{limits.aliases}"
        assert shown["directives in one place"] == f"{limits.directives}"
        assert shown["the same field or fragment in one place"] == f"{limits.repeats}"
        assert _plain_number(shown["tokens of a document"]) == limits.tokens
        assert _plain_number(shown["characters of a document"]) == limits.characters
        assert _plain_number(shown["cost of an operation"]) == limits.cost
        text = (ROOT / "docs/api.md").read_text()
        [told] = re.findall(r"as many as it is worth: (.*?)\. `", text)
        weights = {
            name: _plain_number(weight)
            for weight, names in re.findall(r"(\d[\d ]*) for ((?:`\w+`(?:, | and )?)+)", told)
            for name in quoted(names)
        }
        assert weights == WEIGHTS
        [(field, each)] = re.findall(r"`(\w+)` costs ([\d.]+) for each", text)
        assert (field, float(each)) == ("locateMany", EACH["locateMany"][1])


class TestCommands:
    def test_both_readmes_give_the_same_commands(self) -> None:
        english, chinese = (
            [
                shlex.split(line, comments=True)
                for block in blocks(page, "sh")
                if not block.startswith("curl ")
                for line in block.splitlines()
            ]
            for page in READMES
        )
        assert len(english) > 5
        assert english == chinese

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_every_make_command_exists(self, page: Path) -> None:
        makefile = (ROOT / "Makefile").read_text()
        targets = set(re.findall(r"^(\w+):.*## ", makefile, re.MULTILINE))
        assert {"demo", "test"} <= targets
        named = {
            match[1]
            for code in _code(page)
            for match in re.finditer(r"(?:^|\s)make ([a-z]+)", code, re.MULTILINE)
        }
        assert named <= targets

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_every_command_and_option_of_gridmap_exists(self, page: Path) -> None:
        group = typer.main.get_group(app)
        for code in _code(page):
            for line in code.replace("\\\n", " ").splitlines():
                for called in _CALLS.findall(line):
                    name, *arguments = called.split()
                    assert name in group.commands, f"{page.name}: gridmap {called}"
                    command = group.commands[name]
                    if isinstance(command, TyperGroup) and arguments:
                        assert arguments[0] in command.commands, f"{page.name}: gridmap {called}"
                        command = command.commands[arguments[0]]
                    options = {option for each in command.params for option in each.opts}
                    given = {each for each in arguments if each.startswith("--")}
                    assert given <= options, f"{page.name}: gridmap {called}"

    def test_every_option_that_is_named_alone_exists(self) -> None:
        group = typer.main.get_group(app)
        options = {
            option
            for command in group.commands.values()
            for parameter in command.params
            for option in parameter.opts
        }
        for page in [*READMES, ROOT / "docs" / "import.md"]:
            named = {word.split()[0] for word in _inline(page) if word.startswith("--")}
            assert named
            assert named <= options

    def test_every_option_of_the_import_is_explained(self) -> None:
        text = (ROOT / "docs" / "import.md").read_text()
        command = typer.main.get_group(app).commands["import"]
        for parameter in command.params:
            option = parameter.opts[0]
            assert not option.startswith("--") or option in text, option

    def test_what_the_terminal_shows_is_what_it_says(self, demo_url: str, tmp_path: Path) -> None:
        page = ROOT / "docs" / "import.md"
        files = re.findall(
            r"^`([^`]+)`:\n\n```csv\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL
        )
        for name, content in files:
            (tmp_path / name).write_text(content, encoding="utf-8")
        steps = [step for block in blocks(page, "console") for step in block.split("$ ")[1:]]
        assert len(steps) >= 4
        for step in steps:
            command, _, shown = step.partition("\n")
            program, *arguments = shlex.split(command)
            assert program == "gridmap"
            done = run_in(tmp_path, *arguments, DATABASE_URL=demo_url)
            assert done.stdout + done.stderr == shown, command


class TestImportPage:
    page = ROOT / "docs" / "import.md"

    def test_every_field_stands_there_with_all_its_headings_in_their_order(self) -> None:
        shown = [
            (noun, *quoted(field), required == "yes", quoted(headings))
            for noun, field, required, headings, _ in table(self.page, "noun")
        ]
        assert shown == [
            (
                str(noun),
                field.name,
                field.required,
                [alias for alias in field.aliases if alias != field.name],
            )
            for noun, fields in FIELDS.items()
            for field in fields
        ]

    def test_every_heading_is_recognised(self) -> None:
        rows = table(self.page, "noun")
        needed = {
            noun: [quoted(field)[0] for named, field, required, *_ in rows if noun == named
                   and required]
            for noun, *_ in rows
        }  # fmt: skip
        for noun, cell, _, headings, _ in rows:
            [field] = quoted(cell)
            for heading in quoted(headings):
                for written in (
                    heading,
                    f" {heading}（必填）",
                    unicodedata.normalize("NFKC", heading),
                ):
                    others = [each for each in needed[noun] if each != field]
                    batch = Batch([1], {each: [None] for each in [*others, written]}, None)
                    columns = Columns(Noun(noun), {})
                    columns.read(batch)
                    assert columns.headings[field] == written, (noun, field)

    def test_every_word_for_a_value_is_understood(self) -> None:
        readers = {
            ("regions", "level"): region_level_of,
            ("sponsors", "level"): sponsor_level_of,
            ("buildings", "management_mode"): mode_of,
            ("visits", "kind"): visit_kind_of,
            ("deadlines", "urgency"): urgency_of,
            ("deadlines", "step"): step_of,
            ("deadlines", "unit"): unit_of,
            ("report-rules", "rated"): truth_of,
        }
        values = {"UNMANAGED": None, "TRUE": True, "FALSE": False}
        notes = {
            (noun, quoted(field)[0]): note for noun, field, *_, note in table(self.page, "noun")
        }
        for field, read in readers.items():
            meanings = [words for part in notes[field].split("; ") if (words := quoted(part))]
            assert len(meanings) >= 2
            for constant, *words in meanings:
                assert words
                expected = values.get(constant, constant)
                assert {read(word) for word in (constant, *words)} == {expected}

    def test_every_kind_of_problem_is_explained(self) -> None:
        assert [quoted(kind) for kind, *_ in table(self.page, "problem")] == [[k] for k in Kind]


class TestManual:
    def test_the_settings_are_those_of_the_program(self) -> None:
        shown = {quoted(name)[0]: default for name, default, _ in table(
            ROOT / "docs" / "deploy.md", "variable"
        )}  # fmt: skip
        fields = {str(field.alias): field for field in Settings.model_fields.values()}
        assert shown.keys() == fields.keys()
        for name, field in fields.items():
            if field.default_factory is None:
                default = "" if field.default is None else f"`{field.default}`"
                assert shown[name] == default, name

    def test_guesses_are_slowed_down_as_is_said(self) -> None:
        rows = table(ROOT / "docs" / "identity.md", "failures")
        assert [(burst, seconds) for _, burst, seconds in rows] == [
            (f"{rate.burst}", f"{rate.seconds} s")
            for rate in (accounts.BY_BOTH, accounts.BY_NAME, accounts.BY_ADDRESS)
        ]

    def test_the_tables_and_their_keys_are_those_of_the_database(self) -> None:
        shown = {
            quoted(name)[0]: quoted(key)
            for name, key, _ in table(ROOT / "docs" / "data.md", "table")
        }
        assert shown == {
            name: [column.name for column in each.primary_key]
            for name, each in metadata.tables.items()
        }

    def test_the_libraries_are_those_that_the_project_asks_for(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        asked = project["dependencies"] + [*chain(*project["optional-dependencies"].values())]
        rows = table(ROOT / "docs" / "libraries.md", "need")
        shown = {library for _, libraries, _ in rows for library in quoted(libraries)}
        wanted = {Requirement(each).name for each in asked}
        assert shown == {name for name in wanted if not name.startswith("types-")}

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_every_link_leads_to_a_page_and_to_a_heading_in_it(self, page: Path) -> None:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if re.match("https?:", target):
                continue
            path, _, heading = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), target
            if heading:
                assert heading in _anchors(linked), target


def _as_precise_as(shown: Any, answer: Any) -> Any:
    """The answer with each number rounded to the digits that are shown in its place."""
    if isinstance(shown, Decimal) and isinstance(answer, float):
        return Decimal(repr(answer)).quantize(shown)
    if isinstance(shown, dict) and isinstance(answer, dict):
        return {key: _as_precise_as(shown.get(key), value) for key, value in answer.items()}
    if isinstance(shown, list) and isinstance(answer, list) and len(shown) == len(answer):
        return [_as_precise_as(*pair) for pair in zip(shown, answer, strict=True)]
    return answer


def _plain_number(text: str) -> int:
    return int(text.replace(" ", ""))


# At the start of a line, or after what goes before a command.
_CALLS = re.compile(r"(?:^|\$ |&& |\.venv/bin/|server )gridmap ([a-z].*?)(?= && |$)")


def _code(page: Path) -> list[str]:
    """What a page shows as commands."""
    return [*blocks(page, "sh"), *blocks(page, "console"), *_inline(page)]


def _inline(page: Path) -> list[str]:
    """What stands in backquotes within the text."""
    without_blocks = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return quoted(without_blocks)


def _anchors(page: Path) -> set[str]:
    """The names that GitHub and its like give to headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
