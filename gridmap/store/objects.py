"""Bytes by name, in a folder or in a store that speaks S3, behind one address."""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from gridmap.errors import Unavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_log = logging.getLogger("gridmap")

_MOST_AT_ONCE = 16
# With what waits for one of these; the library gives up sooner.
_LONGEST_SECONDS = 60.0

_Result = TypeVar("_Result")


class Objects:
    """What is at `address`: file:///folder or s3://bucket/prefix.

    An S3 store is further described by the usual variables of the environment, such as
    AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL. It is opened, and the folder made, when it is first
    needed. Every method raises Unavailable when that cannot be done.

    The library is called in threads of ours, not by its own coroutines: those end in threads of
    its own, and one that is late aborts a program that is about to leave. They are for this alone:
    a store that does not answer holds each for half a minute, and with those of the event loop
    all that it reckons beside would stand still.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._threads = ThreadPoolExecutor(_MOST_AT_ONCE, "objects")

    async def put(self, name: str, data: bytes) -> None:
        """Keeps the bytes under the name: all of them, for good, or none."""
        from obstore import put

        with self._explained():
            await self._beside(put, self._store, name, data, use_multipart=False)
            if self._folder is not None:
                await self._beside(_settle, self._folder / name)

    async def get(self, name: str) -> bytes | None:
        """The bytes, None where there are none of this name."""
        from obstore import get

        with self._explained():
            try:
                return await self._beside(lambda: bytes(get(self._store, name).bytes()))
            except FileNotFoundError:
                return None

    async def delete(self, names: Sequence[str]) -> None:
        """Removes what is there of these names."""
        from obstore import delete

        with self._explained():
            for name in names:
                try:
                    await self._beside(delete, self._store, name)
                except FileNotFoundError:
                    continue

    async def names(self) -> AsyncIterator[list[str]]:
        """All names there are, some hundreds at a time, in no order."""
        from obstore import list as list_objects

        with self._explained():
            pages = list_objects(self._store, chunk_size=500)
            while (some := await self._beside(next, pages, None)) is not None:
                yield [found["path"] for found in some]

    async def _beside(self, function: Callable[..., _Result], *terms: Any, **named: Any) -> _Result:
        """The function's result, of a thread. Raises TimeoutError where it takes too long."""
        call = partial(function, *terms, **named)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except TimeoutError as error:
            raise TimeoutError(str(error) or "it does not answer") from error

    @property
    def _folder(self) -> Path | None:
        parts = urlsplit(self.address)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @cached_property
    def _store(self) -> ObjectStore:
        from obstore.store import LocalStore, from_url

        if self._folder is not None:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            return LocalStore(self._folder)
        # No more options of its own here: with any, it does not heed AWS_ALLOW_HTTP.
        patience = datetime.timedelta(seconds=20)
        return from_url(self.address, retry_config={"max_retries": 2, "retry_timeout": patience})

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            # Whoever asked cannot mend it, and is not told where things are kept.
            _log.error("%s cannot be used: %s", self.address, str(error).partition("\n")[0])
            raise Unavailable("Photos cannot be had or kept now; ask again in a moment.") from error


def _settle(file: Path) -> None:
    """Makes the file, in its folder of the folder, its owner's alone and safe from a power cut."""
    file.chmod(0o600)
    file.parent.chmod(0o700)
    for each in (file, file.parent, file.parent.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
