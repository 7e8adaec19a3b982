"""What a stranger may rely on when taking up this repository: its locks, commands and pages."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent

LOCKS = ("runtime", "dev")

# How the lines begin that scripts/environment says.
STEPS = MAKING, REMAKING, INSTALLING, STOPPED = (
    "Making the Python environment .venv",
    "Making .venv anew",
    "Installing the packages locked in",
    "Stopped before .venv was finished",
)

# The text of the Apache License 2.0 as its authors publish it.
APACHE_LICENSE_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"

# Hosts of package registries, in two halves so that this file does not name them itself.
REGISTRIES = [
    ".".join(halves)
    for halves in [
        ("pypi", "org"),
        ("files.pythonhosted", "org"),
        ("registry.npmjs", "org"),
        ("registry.yarnpkg", "com"),
        ("registry.npmmirror", "com"),
        ("mirrors.aliyun", "com"),
        ("mirrors.tuna.tsinghua.edu", "cn"),
        ("deb.debian", "org"),
        ("archive.ubuntu", "com"),
    ]
]


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """The files of the repository, without those that git ignores; git itself may be missing."""
    ignored = GitIgnoreSpec.from_lines([".git", *(ROOT / ".gitignore").read_text().splitlines()])
    found = []
    for folder, folders, names in os.walk(ROOT):
        below = Path(folder).relative_to(ROOT)
        folders[:] = [name for name in folders if not ignored.match_file(f"{below / name}/")]
        found += [ROOT / below / name for name in names if not ignored.match_file(below / name)]
    assert Path(__file__) in found
    return found


@pytest.fixture(scope="module")
def pages(files: list[Path]) -> dict[Path, str]:
    return {file: file.read_text() for file in files if file.suffix == ".md"}


@pytest.fixture(scope="module")
def habits() -> dict[str, str]:
    """The commands that `make help` lists, with what it says of them."""
    listed = re.findall(r"^ *make (\w+) +(\S.*)$", _make("help"), re.MULTILINE)
    assert listed
    return dict(listed)


def test_no_file_names_the_host_of_a_package_registry(files: list[Path]) -> None:
    named = {
        f"{file.relative_to(ROOT)}: {host}"
        for file in files
        for host in REGISTRIES
        if host.encode() in file.read_bytes()
    }
    assert named == set()


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_one_version_and_its_hashes(name: str) -> None:
    for requirement, hashes in _locked(name):
        (pin,) = requirement.specifier
        assert pin.operator == "==", requirement
        assert requirement.url is None
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes)


@pytest.mark.parametrize(
    ("name", "extras"), [("runtime", ["build"]), ("dev", ["build", "dev"])], ids=LOCKS
)
def test_the_locks_hold_what_pyproject_asks_for(name: str, extras: list[str]) -> None:
    project = _pyproject()["project"]
    wanted = [*project["dependencies"]]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    locked = {
        requirement.name: next(iter(requirement.specifier)).version
        for requirement, _ in _locked(name)
        if requirement.marker is None or requirement.marker.evaluate()
    }
    for each in map(Requirement, wanted):
        assert each.name in locked, f"{each} is not in requirements/{name}.txt: make lock"
        assert locked[each.name] in each.specifier, f"{each} is locked otherwise: make lock"


def test_what_is_tested_is_what_runs() -> None:
    running, tested = ({str(each): hashes for each, hashes in _locked(name)} for name in LOCKS)
    assert running.items() <= tested.items()


def test_the_licence_is_apache_2() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_LICENSE_SHA256
    assert _pyproject()["project"]["license"] == "Apache-2.0"


def test_help_lists_every_command_for_people(habits: dict[str, str]) -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    # Making the environment is nobody's wish in itself; every command that needs it does so.
    assert set(phony.split()) - {"runtime", "dev"} == habits.keys()
    assert {"demo", "test", "check", "bench"} <= habits.keys()


def test_make_alone_shows_the_help() -> None:
    assert _make() == _make("help")


def test_every_command_runs_programs_that_are_there(habits: dict[str, str]) -> None:
    for habit in habits:
        recipe = _make("--dry-run", habit)
        assert recipe.strip()
        for program in re.findall(r"\.venv/bin/([\w-]+)", recipe):
            assert (PROGRAMS / program).exists(), f"make {habit} runs {program}"
        for script in re.findall(r"scripts/\w+", recipe):
            assert os.access(ROOT / script, os.X_OK), f"make {habit} runs {script}"
        for module in re.findall(r"python -m (\w+)", recipe):
            assert importlib.util.find_spec(f"{module}.__main__"), f"make {habit} runs {module}"


def test_ci_runs_what_people_run() -> None:
    commands = [
        line
        for line in (ROOT / ".ci" / "run").read_text().splitlines()
        if line and not line.startswith(("#", "set ", "CDPATH= cd "))
    ]
    assert commands == ["export CI=true", "exec make test"]


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").iterdir()), ids=lambda path: path.name)
def test_every_script_can_be_run_and_read_by_any_posix_shell(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", script], check=True)


def test_an_old_python_is_refused_with_what_to_do(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path / "checkout")
    old = tmp_path / "programs" / "python3"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    for program in ("cat", "cmp", "dirname"):
        (old.parent / program).symlink_to(_found(program))

    asked = subprocess.run(
        [_found("sh"), checkout / "scripts" / "environment", "runtime"],
        env={"PATH": str(old.parent)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert asked.returncode == 1
    assert asked.stderr == (
        "gridmap needs Python 3.11 or later; python3 here is Python 3.9.2. "
        "Install a newer one and start again.\n"
    )
    assert not (checkout / ".venv").exists()


def test_an_environment_is_made_once_and_again_when_it_was_moved_or_interrupted(
    tmp_path: Path,
) -> None:
    # A project of its own with nothing to download: the ways of the script are the real ones.
    checkout = _checkout(tmp_path / "first place")

    # 1. It is made, and the next start finds nothing to do.
    assert _environment(checkout) == (0, [MAKING, INSTALLING])
    assert _answer(checkout) == "42"
    assert _environment(checkout) == (0, [])

    # 2. Where the checkout was moved, nothing in it may point to its old place.
    checkout = checkout.rename(tmp_path / "second place")
    stopped = 128 + signal.SIGTERM
    assert _environment(checkout, until=INSTALLING) == (stopped, [REMAKING, INSTALLING, STOPPED])

    # 3. That start was stopped half-way; the next one does not take what it left for whole.
    assert _environment(checkout, until=REMAKING) == (stopped, [REMAKING, STOPPED])


def test_every_link_between_pages_leads_somewhere(pages: dict[Path, str]) -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page, text in pages.items()
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text)
        if not re.match(r"https?:|mailto:", target) and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_make_command_that_pages_name_exists(
    pages: dict[Path, str], habits: dict[str, str]
) -> None:
    named = {
        command
        for text in pages.values()
        for command in re.findall(r"^make (\w+)|`make (\w+)", text, re.MULTILINE)
        for command in command
        if command
    }
    assert {"demo", "test"} <= named
    assert named <= habits.keys()


def test_the_hooks_before_a_commit_are_those_of_the_environment() -> None:
    config = ROOT / ".pre-commit-config.yaml"
    subprocess.run([PROGRAMS / "pre-commit", "validate-config", config], check=True)
    entries = re.findall(r"^ *entry: (.*)$", config.read_text(), re.MULTILINE)
    assert entries
    for entry in entries:
        program = Path(entry.split()[0])
        assert program.parent == Path(".venv/bin")
        assert (PROGRAMS / program.name).exists()


def _make(*arguments: str) -> str:
    # Not as a part of the `make` that may be running these tests.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    asked = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return asked.stdout


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _locked(name: str) -> list[tuple[Requirement, list[str]]]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    entries = [line.split(" --hash=") for line in text.splitlines() if not line.startswith("#")]
    assert entries
    return [
        (Requirement(requirement.strip()), [each.strip() for each in hashes])
        for requirement, *hashes in entries
    ]


def _checkout(folder: Path) -> Path:
    """A checkout that holds scripts/environment and a project that needs no other package."""
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "environment", folder / "scripts")
    (folder / "requirements").mkdir()
    for name in LOCKS:
        (folder / "requirements" / f"{name}.txt").write_text("# nothing\n")
    (folder / "pyproject.toml").write_text(
        """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "answer"
version = "1"
"""
    )
    (folder / "backend.py").write_text(
        """\
import os, pathlib, time, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    if "UNTIL_STOPPED" in os.environ:
        time.sleep(60)
    name = "answer-1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        wheel.writestr("answer.pth", str(pathlib.Path(__file__).parent / "source"))
        info = "answer-1.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: answer\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name

def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise NotImplementedError("only the editable one is asked for")
"""
    )
    (folder / "source").mkdir()
    (folder / "source" / "answer.py").write_text("print(6 * 7)\n")
    return folder


def _environment(checkout: Path, until: str | None = None) -> tuple[int, list[str]]:
    """The status that the script ends with, and how each line begins that it says.

    `until`: the line after which it gets a SIGTERM. Installing takes long enough for it then.
    """
    said = []
    waiting = {"UNTIL_STOPPED": "1"} if until else {}
    with subprocess.Popen(
        [checkout / "scripts" / "environment", "runtime"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | waiting,
    ) as started:
        assert started.stderr
        for line in started.stderr:
            said.append(next((each for each in STEPS if line.startswith(each)), line))
            if said[-1] == until:
                started.terminate()
    return started.returncode, said


def _answer(checkout: Path) -> str:
    """What the installed project prints, run by the environment's own Python."""
    python = checkout / ".venv" / "bin" / "python"
    asked = subprocess.run([python, "-m", "answer"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def _found(program: str) -> str:
    path = shutil.which(program)
    assert path
    return path
