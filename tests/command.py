"""`gridmap` run to its end, in a process forked from one that has loaded the program already.

To load it takes longer than most of what tests have it do. Servers are started as people do.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload(["pytest", "gridmap.api.cli", __name__])


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """`gridmap` with these arguments, in these variables beside those that there are."""
    return run_in(Path.cwd(), *arguments, **environment)


def run_in(
    folder: Path, *arguments: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The same in another folder than this."""
    given = [str(argument) for argument in arguments]
    variables = {**os.environ, "COLUMNS": "200", **environment}
    with TemporaryDirectory(prefix="gridmap-test-") as name:
        said = [Path(name) / stream for stream in ("stdout", "stderr")]
        process = _forked.Process(target=_main, args=(given, folder, variables, *said))
        process.start()
        process.join(timeout=120)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(given, 120)
        return subprocess.CompletedProcess(
            given, process.exitcode, *(file.read_text() for file in said)
        )


def _main(
    arguments: list[str], folder: Path, environment: dict[str, str], stdout: Path, stderr: Path
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for file, number in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = ["gridmap", *arguments]
    from gridmap.api import cli, terminal

    # They have looked up how wide the terminal is.
    terminal.console, terminal.complaints = (
        terminal.plain_console(stderr=stderr) for stderr in (False, True)
    )
    cli.main()
