"""The command line, as a person in a district office uses it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gridmap.schema.root import schema
from gridmap.store import tables
from gridmap.store.database import tool_engine
from gridmap.store.imports.columns import FIELDS
from tests.command import run


def count(url: str, table: str) -> int:
    engine = tool_engine(url)
    with engine.connect() as connection:
        found = connection.execute(select(func.count()).select_from(tables.metadata.tables[table]))
        number: int = found.scalar_one()
    engine.dispose()
    return number


BUILDINGS = """编码,名称,经度,纬度,户数,管理方式
23040200100100001,矿工路1号楼,130.2841,47.3399,40,社区领办
{second}
"""


INTERRUPTED = """
import os, signal, sys

# Whoever runs the tests in the background may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from gridmap.__main__ import main
main()
"""


def test_ctrl_c_while_the_program_is_loaded_is_quiet() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


class TestCoverage:
    def test_what_nobody_covers_and_how_communities_compare_is_told(self, demo_url: str) -> None:
        answer = run("coverage", "230402", DATABASE_URL=demo_url)
        assert answer.returncode == 0, answer.stderr
        lines = answer.stdout.splitlines()
        assert re.fullmatch(r"230402 向阳区, \d{4}-\d\d-\d\d: \d+\.\d [A-E]", lines[0])
        assert re.search(r"buildings not visited for 30 days +39 *$", answer.stdout, re.MULTILINE)
        assert re.search(r"grids over norm +2 *$", answer.stdout, re.MULTILINE)
        communities = [line for line in lines if re.match(r"\d{12} \S+社区 +\d+\.\d [A-E] ", line)]
        assert len(communities) > 1
        # Nothing is missing but visits, cards and the norm; the last row is the whole.
        assert re.match(r"230402 向阳区 .* 100% +100% +100% +100% +89% ", lines[-1])

    def test_a_day_is_named_and_bad_coverage_is_no_failure(self, demo_url: str) -> None:
        answer = run("coverage", "230406004002", "--on", "2020-01-01", DATABASE_URL=demo_url)
        assert answer.returncode == 0, answer.stderr
        assert "2020-01-01: 0.0 E" in answer.stdout

    def test_an_unknown_region_is_said(self, demo_url: str) -> None:
        answer = run("coverage", "999999", DATABASE_URL=demo_url)
        assert answer.returncode == 1
        assert answer.stderr == "gridmap: There is no region '999999'.\n"


class TestLocate:
    def test_a_point_is_answered_in_the_terminal(self, demo_url: str) -> None:
        answer = run("locate", 130.287, 47.36, "--datum", "WGS84", DATABASE_URL=demo_url)
        assert answer.returncode == 0, answer.stderr
        assert "INSIDE" in answer.stdout
        assert "梧桐社区" in answer.stdout
        assert "市审计局" in answer.stdout

    def test_an_uncertain_point_names_its_candidates(self, demo_url: str) -> None:
        answer = run(
            "locate", 130.287, 47.36, "--datum", "WGS84", "--accuracy", 300, DATABASE_URL=demo_url
        )
        assert "UNCERTAIN" in answer.stdout
        assert answer.stdout.count("candidate") > 1

    def test_a_western_longitude_is_no_option(self, demo_url: str) -> None:
        answer = run("locate", -77.17, 38.89, "--datum", "WGS84", DATABASE_URL=demo_url)
        assert answer.returncode == 0, answer.stderr
        assert "OUTSIDE" in answer.stdout

    def test_a_point_without_its_datum_is_refused(self, demo_url: str) -> None:
        answer = run("locate", 130.287, 47.36, DATABASE_URL=demo_url)
        assert answer.returncode == 2
        assert "--datum" in answer.stderr

    def test_a_point_that_is_none_is_refused_with_a_reason(self, demo_url: str) -> None:
        answer = run("locate", 47.36, 130.287, "--datum", "WGS84", DATABASE_URL=demo_url)
        assert answer.returncode == 2
        assert "exchanged" in answer.stderr
        assert "Traceback" not in answer.stderr

    @pytest.mark.parametrize(
        "asked", [("nan", 31), (120, "inf"), (120, 31, "--accuracy", "nan")], ids=str
    )
    def test_what_is_no_number_is_refused_with_a_reason(
        self, demo_url: str, asked: tuple[object, ...]
    ) -> None:
        answer = run("locate", *asked, "--datum", "WGS84", DATABASE_URL=demo_url)
        assert answer.returncode == 2
        assert re.match(r"gridmap: (longitude .* must be finite|accuracy is nan)", answer.stderr)
        assert len(answer.stderr.splitlines()) == 1


class TestImport:
    def test_a_good_file_is_taken_in_and_counted(self, demo_url: str, tmp_path: Path) -> None:
        file = tmp_path / "楼栋.csv"
        file.write_text(BUILDINGS.format(second=""), encoding="gb18030")
        before = count(demo_url, "buildings")
        answer = run("import", "buildings", file, "--datum", "GCJ02", DATABASE_URL=demo_url)
        assert answer.returncode == 0, answer.stderr
        assert "1 changed" in answer.stdout
        assert count(demo_url, "buildings") == before

    def test_a_file_with_an_error_writes_nothing_and_names_the_row(
        self, demo_url: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "buildings.csv"
        file.write_text(BUILDINGS.format(second="2304020010010000,二号楼,130.28,47.34,x,社区领办"))
        before = count(demo_url, "buildings")
        answer = run("import", "buildings", file, "--datum", "WGS84", DATABASE_URL=demo_url)
        assert answer.returncode == 1
        assert "row 3" in answer.stdout
        assert "bad-code" in answer.stdout
        assert "nothing was written" in answer.stdout
        assert count(demo_url, "buildings") == before

    def test_coordinates_without_their_datum_are_a_wrong_command(
        self, demo_url: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "buildings.csv"
        file.write_text(BUILDINGS.format(second=""))
        answer = run("import", "buildings", file, DATABASE_URL=demo_url)
        assert answer.returncode == 2
        assert "--datum" in answer.stderr

    def test_a_file_that_is_not_there_is_said_before_what_else_is_missing(
        self, demo_url: str, tmp_path: Path
    ) -> None:
        missing = tmp_path / "grids.geojson"
        answer = run("import", "grids", missing, "--map", "no=no", DATABASE_URL=demo_url)
        assert answer.returncode == 2
        assert answer.stderr.startswith(f"gridmap: There is no file {missing}.")

    def test_a_file_may_have_square_brackets_in_its_name(
        self, demo_url: str, tmp_path: Path
    ) -> None:
        missing = tmp_path / "[bold]网格[1].csv"
        answer = run("import", "grids", missing, "--datum", "WGS84", DATABASE_URL=demo_url)
        assert answer.returncode == 2
        assert f"There is no file {missing}." in answer.stderr

    @pytest.mark.parametrize("arguments", [["nonsense", "x.csv"], ["grids", "/nowhere/x.geojson"]])
    def test_what_cannot_be_understood_is_no_traceback(
        self, demo_url: str, arguments: list[str]
    ) -> None:
        answer = run("import", *arguments, "--datum", "WGS84", DATABASE_URL=demo_url)
        assert answer.returncode in (1, 2)
        assert "Traceback" not in answer.stderr
        assert answer.stderr

    def test_the_help_names_every_field_in_eighty_columns(self) -> None:
        shown = run("import", "--help", COLUMNS="80").stdout
        assert max(map(len, shown.splitlines())) <= 80
        _, _, listed = shown.partition("FIELD is one of these")
        for noun, fields in FIELDS.items():
            names = re.search(rf"^ *{noun} +((?:\S+,\s+)*\S+)", listed, re.MULTILINE)
            assert names
            told = [name.strip(",") for name in names[1].split()]
            assert told == [f"{field.name}{'*' if field.required else ''}" for field in fields]

    def test_an_export_imports_again_without_a_change(self, demo_url: str, tmp_path: Path) -> None:
        file = tmp_path / "grids.gpkg"
        written = run("export", "grids", file, "--region", "230402", DATABASE_URL=demo_url)
        assert "92 rows of grids written" in written.stdout, written.stderr
        answer = run("import", "grids", file, "--datum", "WGS84", DATABASE_URL=demo_url)
        assert "0 added, 0 changed, 92 unchanged" in answer.stdout, answer.stdout


class TestSchema:
    def test_the_schema_that_is_printed_is_the_one_that_is_kept(self) -> None:
        kept = Path(__file__).parents[2] / "schema.graphql"
        assert run("schema").stdout == kept.read_text()
        assert schema.as_str() + "\n" == kept.read_text()


class TestDatabase:
    def test_a_database_that_cannot_be_reached_is_said(self) -> None:
        answer = run(
            "locate", 130, 47, "--datum", "WGS84", DATABASE_URL="postgresql:///x?host=/nowhere"
        )
        assert answer.returncode == 1
        assert "Traceback" not in answer.stderr
        assert "database" in answer.stderr

    def test_a_database_that_is_not_migrated_is_said(self, cluster_url: str) -> None:
        bare = cluster_url.replace("/gridmap?", "/template1?")
        answer = run("locate", 130, 47, "--datum", "WGS84", DATABASE_URL=bare)
        assert answer.returncode == 1
        assert "gridmap migrate" in answer.stderr

    def test_a_setting_that_makes_no_sense_is_named(self) -> None:
        answer = run("serve", PORT="many")
        assert answer.returncode == 2
        assert "PORT" in answer.stderr
