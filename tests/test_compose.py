"""What docker-compose.yml and the Dockerfile promise, read from the files, for want of an engine.

The Compose file is held against the Compose Specification's own schema.
"""

from __future__ import annotations

import copy
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pathspec import GitIgnoreSpec

from gridmap.api.settings import Settings
from tests.command import run

ROOT = Path(__file__).parent.parent

Service = dict[str, Any]
Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def compose(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    schema = json.loads((Path(__file__).parent / "data" / "compose-spec.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture(scope="module")
def stages() -> list[list[Instruction]]:
    """The Dockerfile's instructions, stage by stage; the last stage is the image."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    instructions = [
        (word.upper(), " ".join(rest.split()))
        for line in lines
        if line.strip() and not line.startswith("#")
        for word, _, rest in [line.strip().partition(" ")]
    ]
    starts = [at for at, (word, _) in enumerate(instructions) if word == "FROM"]
    assert starts[0] == 0
    ends = [*starts[1:], len(instructions)]
    return [instructions[start:end] for start, end in zip(starts, ends, strict=True)]


@pytest.fixture(scope="module")
def image(stages: list[list[Instruction]]) -> list[Instruction]:
    return stages[-1]


def test_the_compose_file_keeps_to_the_specification(
    compose: dict[str, Any], schema: Draft202012Validator
) -> None:
    problems = [f"{error.json_path}: {error.message}" for error in schema.iter_errors(compose)]
    assert problems == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("services", "database", "healthchek"), {"test": "pg_isready"}),
        (("services", "server", "depends_on", "migrate", "condition"), "service_finished"),
        (("services", "server", "ports"), "8000:8000"),
    ],
)
def test_the_specification_is_able_to_object(
    compose: dict[str, Any], schema: Draft202012Validator, path: tuple[str, ...], wrong: object
) -> None:
    spoilt = copy.deepcopy(compose)
    place = spoilt
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    assert not schema.is_valid(spoilt)


def test_the_database_keeps_its_rows_in_a_named_volume(compose: dict[str, Any]) -> None:
    (mount,) = compose["services"]["database"]["volumes"]
    volume, folder = mount.split(":")
    assert volume in compose["volumes"]
    assert folder == "/var/lib/postgresql/data"


def test_the_database_is_postgis_and_says_when_it_is_ready(compose: dict[str, Any]) -> None:
    database = compose["services"]["database"]
    assert database["image"].startswith("postgis/postgis:")
    assert database["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


def test_the_database_is_reached_from_its_own_network_only(compose: dict[str, Any]) -> None:
    assert "ports" not in compose["services"]["database"]
    assert "network_mode" not in compose["services"]["database"]


def test_nothing_starts_without_a_password_of_ones_own(text: str, compose: dict[str, Any]) -> None:
    statements = [line for line in text.splitlines() if not line.startswith("#")]
    uses = re.findall(r"\$\{?\w*_PASSWORD(\S*)", "\n".join(statements))
    assert uses
    assert all(use.startswith(":?") for use in uses)
    settings = {
        (service, name): value.partition(":?")[0]
        for service, said in compose["services"].items()
        for name, value in said["environment"].items()
        if "PASSWORD" in name
    }
    # The server does not know the owner's, whom no policy of the database holds.
    owner, server = "${POSTGRES_PASSWORD", "${GRIDMAP_SERVER_PASSWORD"
    assert settings == {
        ("database", "POSTGRES_PASSWORD"): owner,
        ("migrate", "PGPASSWORD"): owner,
        ("migrate", "GRIDMAP_SERVER_PASSWORD"): server,
        ("server", "PGPASSWORD"): server,
    }


def test_the_secret_that_signs_tokens_is_ones_own_or_none(compose: dict[str, Any]) -> None:
    given = {
        name: service["environment"]["GRIDMAP_SECRET"]
        for name, service in compose["services"].items()
        if "GRIDMAP_SECRET" in service["environment"]
    }
    assert given == {"server": None}  # which Compose takes for what the shell or .env has


def test_every_setting_is_as_the_env_file_has_it_or_made_here(compose: dict[str, Any]) -> None:
    taken = {name: each["environment"] for name, each in compose["services"].items()}
    settings = {str(field.alias) for field in Settings.model_fields.values()}
    # What leads to the database is Compose's, and HOST and PORT are the image's.
    made = {"DATABASE_URL", "GRIDMAP_DATA", "GRIDMAP_SERVER_PASSWORD", "HOST", "PORT"}
    owners = {"GRIDMAP_RETENTION_DAYS", "GRIDMAP_AUDIT_DAYS"}
    assert settings - made - owners <= taken["server"].keys()
    assert owners <= taken["migrate"].keys()
    # No name is misspelt: it would be passed on, and do nothing.
    named = {name for each in taken.values() for name in each if name.startswith("GRIDMAP_")}
    assert named <= settings


def test_both_who_remove_photos_know_where_they_are(compose: dict[str, Any]) -> None:
    where = [
        {
            variable: value
            for variable, value in compose["services"][name]["environment"].items()
            if variable == "GRIDMAP_PHOTOS" or variable.startswith("AWS_")
        }
        for name in ("server", "migrate")
    ]
    assert where[0] == where[1]
    assert where[0]["GRIDMAP_PHOTOS"] == "${GRIDMAP_PHOTOS:-file:///photos}"


def test_the_database_quotes_no_row_in_its_log(compose: dict[str, Any]) -> None:
    said = compose["services"]["database"]["command"]
    assert said[0] == "postgres"
    assert {"log_error_verbosity=terse", "log_min_error_statement=panic"} <= set(said)


@pytest.mark.parametrize("name", [".gitignore", ".dockerignore"])
def test_the_file_with_the_password_is_neither_committed_nor_sent(name: str) -> None:
    ignored = GitIgnoreSpec.from_lines((ROOT / name).read_text().splitlines())
    assert ignored.match_file(".env")


def test_no_password_stands_in_the_address(compose: dict[str, Any]) -> None:
    for name, user in (("migrate", "gridmap"), ("server", "gridmap_server")):
        address = compose["services"][name]["environment"]["DATABASE_URL"]
        assert address == f"postgresql://{user}@database/gridmap"


def test_the_database_is_migrated_once_before_the_server_starts(compose: dict[str, Any]) -> None:
    migrate, server = compose["services"]["migrate"], compose["services"]["server"]
    assert migrate["command"] == ["gridmap", "migrate"]
    assert migrate["restart"] == "no"
    assert migrate["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert server["command"] == ["gridmap", "serve"]
    assert server["depends_on"] == {
        "database": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


@pytest.mark.parametrize("name", ["migrate", "server"])
def test_what_runs_gridmap_may_do_nothing_else(compose: dict[str, Any], name: str) -> None:
    service: Service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "user", "network_mode"}
    # Retention is a command of the owner's, and takes photos away.
    assert service["volumes"] == ["photos:/photos"]


def test_photos_are_kept_in_a_named_volume_that_the_server_may_write_to(
    compose: dict[str, Any], image: list[Instruction]
) -> None:
    assert "photos" in compose["volumes"]
    assert _environment(image)["GRIDMAP_PHOTOS"] == "file:///photos"
    # A new volume is given to whom the folder in the image belongs to.
    user = [rest for word, rest in image if word == "USER"][-1]
    [made] = [rest for word, rest in image if word == "RUN" and "install" in rest]
    assert f"install --directory --owner={user} --group={user} --mode=0700 /photos" in made


def test_the_server_is_published_to_this_machine_only(
    compose: dict[str, Any], image: list[Instruction]
) -> None:
    (port,) = compose["services"]["server"]["ports"]
    assert re.fullmatch(r"127\.0\.0\.1:\$\{PORT:-8000\}:8000", port)
    assert {"HOST": "0.0.0.0", "PORT": "8000"}.items() <= _environment(image).items()


def test_the_image_runs_as_a_user_without_rights(image: list[Instruction]) -> None:
    user = [rest for word, rest in image if word == "USER"][-1]
    assert int(user) >= 1000
    assert any(word == "RUN" and "useradd" in rest and user in rest for word, rest in image)


def test_the_image_is_made_from_the_lock_to_the_hash(stages: list[list[Instruction]]) -> None:
    installs = [
        shlex.split(rest)
        for stage in stages
        for word, rest in stage
        if word == "RUN" and "pip install" in rest
    ]
    packages, project = installs
    assert {"--require-hashes", "requirements/runtime.txt"} <= set(packages)
    assert {"--no-index", "--no-deps", "--no-build-isolation", "."} <= set(project)


def test_the_image_holds_no_tools_for_building(stages: list[list[Instruction]]) -> None:
    *builds, image = stages
    ending = ("-slim-bookworm", "-bookworm-slim")
    assert all(rest.split()[0].endswith(ending) for (_, rest), *_ in stages)
    names = {rest.split(" AS ")[1] for (_, rest), *_ in builds}
    copied = [rest for word, rest in image if word == "COPY"]
    assert all(each.split()[0].removeprefix("--from=") in names for each in copied)
    assert not [rest for word, rest in image if word == "RUN" and re.search("apt|pip", rest)]


def test_every_file_that_the_image_copies_is_there_and_sent(
    stages: list[list[Instruction]],
) -> None:
    # A Docker ignore file reads like git's, for plain names as these are.
    ignored = GitIgnoreSpec.from_lines((ROOT / ".dockerignore").read_text().splitlines())
    sources = [
        source
        for stage in stages
        for word, rest in stage
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert "gridmap" in sources
    for source in sources:
        assert (ROOT / source).exists()
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    assert patterns.index("*") < min(patterns.index(f"!{source}") for source in sources)
    assert ignored.match_file("tests/test_compose.py")
    assert ignored.match_file("gridmap/__pycache__/errors.pyc")


def test_every_command_that_containers_run_is_one_of_gridmaps(
    compose: dict[str, Any], image: list[Instruction]
) -> None:
    default = json.loads([rest for word, rest in image if word == "CMD"][-1])
    commands = {tuple(default)} | {
        tuple(service["command"])
        for service in compose["services"].values()
        if service["image"] == "gridmap"
    }
    assert commands
    for program, *arguments in commands:
        assert program == "gridmap"
        asked = run(*arguments, "--help")
        assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize(("answer", "healthy"), [(200, True), (503, False)])
def test_the_image_is_healthy_when_readyz_says_so(
    image: list[Instruction], answer: int, healthy: bool
) -> None:
    (check,) = [rest for word, rest in image if word == "HEALTHCHECK"]
    program, *arguments = json.loads(check.partition(" CMD ")[2])
    assert program == "python"
    with _listening(answer) as (port, asked):
        done = subprocess.run(
            [sys.executable, *arguments], env={"PORT": str(port)}, capture_output=True, check=False
        )
    assert asked == ["/readyz"]
    assert (done.returncode == 0) is healthy


@contextmanager
def _listening(answer: int) -> Iterator[tuple[int, list[str]]]:
    """A server that gives `answer` to everything: its port, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def _environment(stage: list[Instruction]) -> dict[str, str]:
    return dict(
        setting.split("=", 1)
        for word, rest in stage
        if word == "ENV"
        for setting in shlex.split(rest)
    )
