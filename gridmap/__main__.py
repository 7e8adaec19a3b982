"""`gridmap`, and `python -m gridmap`: loads the program and runs it."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """The program, which Ctrl-C ends quietly also while it is being loaded."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from gridmap.api import cli

    signal.signal(signal.SIGINT, interrupt)
    cli.main()


def _leave(_: int, __: FrameType | None) -> NoReturn:
    """Ends at once: an interrupt in the middle of an import comes out as any error at all."""
    os._exit(130)


if __name__ == "__main__":
    main()
