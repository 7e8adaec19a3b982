"""wrk, by which a server is driven: a program in C, so that it takes little of what is measured."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# What wrk sends: the bodies of a file, one a line, again and again.
_SCRIPT = """
local requests, next_one = {}, 0

function init(arguments)
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] =
      wrk.format("POST", "/graphql", {["Content-Type"] = "application/json"}, body)
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
"""

_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class Driven(NamedTuple):
    """Requests in a second and in all; and how many milliseconds an answer took."""

    rate: float
    requests: int
    p50: float
    p99: float


def needs_wrk() -> None:
    """Ends the benchmark where there is none."""
    if not shutil.which("wrk"):
        sys.exit("This drives the server with wrk: apt-get install wrk")


def posts(folder: Path, name: str, address: str, bodies: Sequence[bytes]) -> tuple[str, ...]:
    """Arguments for `driven` that post the bodies, one after the other."""
    (folder / "bodies.lua").write_text(_SCRIPT)
    (folder / name).write_bytes(b"\n".join(bodies))
    return "-s", f"{folder / 'bodies.lua'}", f"{address}/graphql", "--", f"{folder / name}"


def driven(seconds: float, connections: int, *arguments: str) -> Driven:
    """Requests for so long on so many connections; a status that is no 2xx ends the benchmark."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise AssertionError(done.stdout)
    rate = re.search(r"Requests/sec: *([\d.]+)", done.stdout)
    count = re.search(r"(\d+) requests in", done.stdout)
    p50, p99 = (re.search(rf"{part}% *([\d.]+)(us|ms|s)", done.stdout) for part in (50, 99))
    assert rate, done.stdout
    assert count, done.stdout
    assert p50, done.stdout
    assert p99, done.stdout
    times = (float(each[1]) * _MILLISECONDS[each[2]] for each in (p50, p99))
    return Driven(float(rate[1]), int(count[1]), *times)
