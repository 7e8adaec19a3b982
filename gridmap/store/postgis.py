"""Finds the PostGIS server programs of this machine, or installs Debian's package where it may."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridmap.errors import Unavailable

_DEBIAN_PACKAGE = "postgresql-postgis"

# Debian starts a cluster of its own on port 5432 when the server is first installed. gridmap
# keeps a private one and must leave nothing else running, so it asks for none while it installs.
_NO_MAIN_CLUSTER = Path("/etc/postgresql-common/createcluster.d/gridmap.conf")

# The one command that installs the server, by the package manager that a system has.
_COMMANDS = {
    "apt-get": f"apt-get install --no-install-recommends {_DEBIAN_PACKAGE}",
    "dnf": "dnf install postgresql-server postgis",
    "zypper": "zypper install postgresql-server postgis",
    "pacman": "pacman -S postgresql postgis",
    "apk": "apk add postgresql postgis",
    "brew": "brew install postgis",
}


def server_programs(major: int | None = None, *, install: bool = True) -> Path:
    """The folder that holds `postgres`, `initdb` and `pg_ctl` of a server that has PostGIS.

    The newest is taken, or the one of version `major` where a data folder asks for it. Where
    there is none, Debian's package is installed, and said, if this process is root or may use
    sudo without a password.

    Raises Unavailable, with the one command that helps, when there is none and none can be
    installed.
    """
    found = _newest(major)
    if found is None and install and major is None and _may_install():
        _install()
        found = _newest(major)
    if found is None:
        wanted = f"PostgreSQL {major} with PostGIS" if major else "a PostgreSQL server with PostGIS"
        raise Unavailable(
            f"This machine has no {wanted}. Install it with: {_command()}\n"
            "or set DATABASE_URL to a PostGIS database that exists."
        )
    return found


def _newest(major: int | None) -> Path | None:
    candidates = [
        (version, folder)
        for folder in _candidate_folders()
        if (version := _server_version(folder)) and _has_postgis(folder)
    ]
    matching = [each for each in candidates if major is None or each[0] == major]
    return max(matching)[1] if matching else None


def _candidate_folders() -> Iterator[Path]:
    yield from Path("/usr/lib/postgresql").glob("*/bin")  # Debian, Ubuntu
    yield from Path("/usr").glob("pgsql-*/bin")  # PostgreSQL's own packages for Fedora and kin
    yield from Path("/opt/homebrew/opt").glob("postgresql@*/bin")
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _server_version(programs: Path) -> int | None:
    try:
        answer = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", answer)
    return int(version[1]) if version else None


def _has_postgis(programs: Path) -> bool:
    shares = [Path("/usr/share/postgresql") / programs.parent.name, programs.parent / "share"]
    if (pg_config := programs / "pg_config").exists():
        asked = subprocess.run([pg_config, "--sharedir"], capture_output=True, text=True)
        shares.append(Path(asked.stdout.strip()))
    return any((share / "extension" / "postgis.control").exists() for share in shares)


def _may_install() -> bool:
    return shutil.which("apt-get") is not None and _as_root() is not None


def _as_root() -> list[str] | None:
    """What to put before a command so that root runs it; None where that is not to be had."""
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def _command() -> str:
    for manager, command in _COMMANDS.items():
        if shutil.which(manager):
            return command if os.geteuid() == 0 or manager == "brew" else f"sudo {command}"
    return "your system's packages of PostgreSQL 15 or later and PostGIS 3.3 or later"


def _install() -> None:
    print(
        f"Installing the PostGIS server: Debian's package {_DEBIAN_PACKAGE} and what it needs …",
        file=sys.stderr,
        flush=True,
    )
    root = _as_root() or []
    environment = [*root, "env", "DEBIAN_FRONTEND=noninteractive"]
    apt = [*environment, "apt-get", "-qq"]
    with _no_main_cluster(root):
        for command in (
            [*apt, "update"],
            [*apt, "install", "-y", "--no-install-recommends", _DEBIAN_PACKAGE],
        ):
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            if done.returncode != 0:
                raise Unavailable(
                    f"{' '.join(command)} failed:\n{done.stdout.strip()[-2000:]}\n"
                    f"Mend that, or install it by hand with: {_command()}"
                )


@contextmanager
def _no_main_cluster(root: list[str]) -> Iterator[None]:
    if _NO_MAIN_CLUSTER.exists() or shutil.which("pg_createcluster"):
        yield  # PostgreSQL is managed here already; its rules stay as they are
        return
    subprocess.run([*root, "mkdir", "-p", str(_NO_MAIN_CLUSTER.parent)], check=True)
    subprocess.run(
        [*root, "tee", str(_NO_MAIN_CLUSTER)],
        input="create_main_cluster = false\n",
        stdout=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    try:
        yield
    finally:
        subprocess.run([*root, "rm", "-f", str(_NO_MAIN_CLUSTER)], check=True)
