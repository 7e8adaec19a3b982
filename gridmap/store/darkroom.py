"""Develops images, each in a process of its own.

What a hostile file does to a decoder ends with that process: it is bounded in memory and time,
sees no setting and no password of the server, and gives all its memory back.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress

from gridmap.errors import Invalid, TooLarge, Unavailable
from gridmap.store.images import Picture, image_format

_PROGRAM = (sys.executable, "-I", "-m", "gridmap.store.decoding")
_REFUSALS = {refusal.code: refusal for refusal in (Invalid, TooLarge)}


class Darkroom:
    """`at_once`: how many images are decoded at the same time; others wait for their turn."""

    def __init__(self, at_once: int = 2, time_limit_seconds: float = 60) -> None:
        self._turn = asyncio.Semaphore(at_once)
        self._time_limit_seconds = time_limit_seconds

    async def developed(self, data: bytes) -> Picture:
        """What `gridmap.store.decoding.picture` makes of it.

        Raises Invalid and TooLarge as that does, and Unavailable when the system had no memory.
        """
        image_format(data)
        async with self._turn:
            status, output, complaint = await self._run(data)
        if status in (-signal.SIGXCPU, None):
            raise TooLarge("The image takes too long to decode; send it smaller.")
        if status == -signal.SIGKILL:
            raise Unavailable("There is no memory to decode the image now; send it again later.")
        if status < 0:
            raise Invalid("The image is broken: no decoder survives it. Take another.")
        if status > 0:
            raise RuntimeError(f"{_PROGRAM} failed:\n{complaint.decode(errors='replace')}")
        line, _, files = output.partition(b"\n")
        said = json.loads(line)
        if "code" in said:
            raise _REFUSALS[said["code"]](said["message"])
        cut = said["bytes"]
        return Picture(said["width"], said["height"], files[:cut], files[cut:])

    async def _run(self, data: bytes) -> tuple[int | None, bytes, bytes]:
        """The process's exit status, None where its time ran out, and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            *_PROGRAM,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
            start_new_session=True,  # the terminal's Ctrl-C is the server's to answer
        )
        try:
            async with asyncio.timeout(self._time_limit_seconds):
                output, complaint = await process.communicate(data)
        except TimeoutError:
            return None, b"", b""
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode, output, complaint
