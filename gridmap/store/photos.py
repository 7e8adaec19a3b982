"""Photos of reports: uploaded by themselves, kept once a report takes them, else purged.

The row is written after the bytes and deleted before them, and each upload has names of its own
for its bytes, which are never given again. So a row never points to bytes that are not there,
whatever is uploaded or purged at the same time; bytes without a row are harmless, and purged.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Conflict, NotFound, Unavailable
from gridmap.store import audit, tables
from gridmap.store.darkroom import Darkroom
from gridmap.store.database import Database
from gridmap.store.objects import Objects
from gridmap.store.viewers import ANONYMOUS, Viewer

# How long a photo waits for its report.
WAIT = datetime.timedelta(hours=24)

_PURGED_AT_ONCE = 500

_log = logging.getLogger("gridmap")
_table = tables.photos


class Photo(NamedTuple):
    """`width` and `height` are in pixels, `bytes` is the size of the photo as it is kept.

    `digest` is the SHA-256 of the bytes that were sent.
    """

    id: UUID
    digest: bytes
    width: int
    height: int
    bytes: int
    uploaded_at: datetime.datetime

    @property
    def names(self) -> tuple[str, str]:
        """Of the photo's bytes and of its thumbnail's."""
        # By the end of the id, which is random, while a UUIDv7 begins with the time.
        moment = self.uploaded_at.astimezone(datetime.UTC)
        name = f"{self.id.hex[-2:]}/{self.id}-{moment:%Y%m%dT%H%M%S%f}-{self.digest.hex()[:16]}"
        return f"{name}.jpg", f"{name}-thumbnail.jpg"


_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f-]{36})-(\d{8}T\d{12})-[0-9a-f]{16}(-thumbnail)?\.jpg")
_COLUMNS = tuple(_table.c[name] for name in Photo._fields)
_is_taken = exists().where(tables.report_photos.c.photo_id == _table.c.id)


class Purged(NamedTuple):
    """How many photos were removed, and how many files that belonged to none.

    `failure`: why files of these photos, and others that belong to none, are still there. The next
    time that it is done they go.
    """

    photos: int
    files: int
    failure: Unavailable | None = None


class Photos:
    """The photos of a database, and their bytes in `objects`."""

    def __init__(
        self, database: Database, objects: Objects, darkroom: Darkroom | None = None
    ) -> None:
        self._database = database
        self._objects = objects
        self._darkroom = darkroom or Darkroom()

    async def keep(self, id: UUID, data: bytes, viewer: Viewer = ANONYMOUS) -> tuple[Photo, bool]:
        """The photo that was made of the image, and whether it is new.

        The same bytes may be sent under their id again, also at the same time. Raises Conflict
        for other bytes under a known id, Invalid and TooLarge for an image that is not taken.
        """
        digest = sha256(data).digest()
        if kept := await self._kept(id, digest):
            return kept, False
        made = await self._darkroom.developed(data)
        now = datetime.datetime.now(datetime.UTC)
        photo = Photo(id, digest, made.width, made.height, len(made.photo), now)
        for name, file in zip(photo.names, (made.photo, made.thumbnail), strict=True):
            await self._objects.put(name, file)
        row = insert(_table).values(photo._asdict()).on_conflict_do_nothing()
        async with self._database.transaction() as connection:
            is_new = (await connection.execute(row.returning(_table.c.id))).first() is not None
            if is_new:
                await audit.enter(connection, viewer, "UPLOAD", "photos", [("", id)])
        if is_new:
            return photo, True
        # The same upload came first; or else it was purged since, and this one is to be kept.
        return await self.keep(id, data, viewer)

    async def photo(self, id: UUID) -> Photo:
        """Raises NotFound where there is none."""
        async with self._database.connection() as connection:
            [photo] = await photos_by_id(connection, [id])
        if photo is None:
            hours = WAIT // datetime.timedelta(hours=1)
            raise NotFound(
                f"There is no photo {id}. One that no report takes is removed after {hours} hours; "
                "upload it again."
            )
        return photo

    async def file(self, photo: Photo, *, is_thumbnail: bool) -> bytes:
        """The JPEG. Raises NotFound where the photo was purged meanwhile."""
        file = await self._objects.get(photo.names[is_thumbnail])
        if file is not None:
            return file
        now = await self.photo(photo.id)
        if now != photo:
            return await self.file(now, is_thumbnail=is_thumbnail)
        _log.error("The bytes of photo %s are not in %s.", photo.id, self._objects.address)
        raise Unavailable(f"The bytes of photo {photo.id} cannot be found now; tell who runs this.")

    async def purge(
        self, wait: datetime.timedelta = WAIT, longest_upload: datetime.timedelta = WAIT
    ) -> Purged:
        """Removes photos that no report took within `wait`, and bytes without a row.

        Younger bytes than `longest_upload` may have their row yet.
        """
        now = datetime.datetime.now(datetime.UTC)
        photos = 0
        while gone := await self._delete_rows(now - wait):
            photos += len(gone)
            try:
                await self._objects.delete([name for photo in gone for name in photo.names])
            except Unavailable as error:
                return Purged(photos, 0, error)
        return await self._without_orphans(photos, now - longest_upload)

    async def _kept(self, id: UUID, digest: bytes) -> Photo | None:
        async with self._database.connection() as connection:
            [photo] = await photos_by_id(connection, [id])
        if photo is not None and photo.digest != digest:
            raise Conflict(
                f"Another photo is kept under the id {id}; send this one under a new id."
            )
        return photo

    async def _delete_rows(self, before: datetime.datetime) -> list[Photo]:
        waits = select(_table.c.id).where(_table.c.uploaded_at < before, ~_is_taken)
        # Locked first, and asked again then: a report that took one of them meanwhile is seen by
        # the second statement, and one that is about to waits until the row is gone.
        candidates = (
            waits.order_by(_table.c.uploaded_at)
            .limit(_PURGED_AT_ONCE)
            .with_for_update(of=_table, skip_locked=True)
        )
        async with self._database.transaction() as connection:
            ids = (await connection.execute(candidates)).scalars().all()
            gone = await connection.execute(
                delete(_table).where(_table.c.id.in_(ids), ~_is_taken).returning(*_COLUMNS)
            )
            photos = [Photo(*row) for row in gone]
            await audit.enter(
                connection, None, "PURGE", "photos", [("", each.id) for each in photos]
            )
            return photos

    async def _without_orphans(self, photos: int, before: datetime.datetime) -> Purged:
        """What was done when the files without a row are removed, too."""
        files = 0
        try:
            async for count in self._delete_orphans(before):
                files += count
        except Unavailable as error:
            return Purged(photos, files, error)
        return Purged(photos, files)

    async def _delete_orphans(self, before: datetime.datetime) -> AsyncIterator[int]:
        latest = f"{before:%Y%m%dT%H%M%S%f}"
        async for names in self._objects.names():
            old = {
                name: UUID(found[1])
                for name in names
                if (found := _NAME.fullmatch(name)) and found[2] < latest
            }
            async with self._database.connection() as connection:
                photos = await photos_by_id(connection, list(set(old.values())))
            orphans = old.keys() - {name for photo in photos if photo for name in photo.names}
            await self._objects.delete(sorted(orphans))
            yield len(orphans)


async def photos_by_id(connection: AsyncConnection, ids: Sequence[UUID]) -> list[Photo | None]:
    """The photos of these ids, None where there is none. Served by photos_pkey."""
    rows = await connection.execute(select(*_COLUMNS).where(_table.c.id.in_(ids)))
    found = {photo.id: photo for photo in (Photo(*row) for row in rows)}
    return [found.get(id) for id in ids]
