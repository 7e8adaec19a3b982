"""Photos and their bytes: kept once a report takes them, and purged whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import TextClause, exc, text

from gridmap.errors import Conflict, Invalid, NotFound, TooLarge, Unavailable
from gridmap.store.darkroom import Darkroom
from gridmap.store.database import Database
from gridmap.store.images import Picture
from gridmap.store.objects import Objects
from gridmap.store.photos import Photos, Purged
from tests.pictures import photograph, pixels_of, with_everything

Result = TypeVar("Result")
NOW = datetime.timedelta(0)

# What a photo may be taken by: an event of a report.
TAKE = """
    INSERT INTO report_photos (district_code, report_id, version, place, photo_id)
    SELECT district_code, report_id, version, %(place)s, %(photo)s FROM report_events
"""


def taking(id: UUID, place: int) -> TextClause:
    """The statement by which the report takes a photo."""
    return text(TAKE.replace("%(place)s", f"{place}").replace("%(photo)s", f"'{id}'"))


class Instant(Darkroom):
    """Develops nothing, so that a test of what is kept need not wait for it."""

    async def developed(self, data: bytes) -> Picture:
        return Picture(4, 3, data, data[:1])


@pytest.fixture(scope="module")
def reported_url(database_url: str) -> str:
    """A database with one report."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """
            INSERT INTO regions (code, name, level) VALUES ('230402', '向阳区', 'DISTRICT');
            INSERT INTO reports (
                district_code, id, version, state, category_code, urgency, source, description,
                location, source_datum, source_longitude, source_latitude, captured_at,
                received_at, region_code, level, state_since, submission
            ) VALUES (
                '230402', gen_random_uuid(), 1, 'SUBMITTED', '0101', 'ROUTINE', 'PHONE', '',
                'SRID=4326;POINT(130.28 47.34)', 'WGS84', 130.28, 47.34, now(),
                now(), '230402', 'GRID', now(), ''
            );
            INSERT INTO report_events (
                district_code, report_id, version, action, state, at, actor_role, actor_subject,
                note, details
            ) SELECT district_code, id, 1, 'SUBMIT', state, now(), '', '', '', '{}' FROM reports
            """
        )
    return database_url


@pytest.fixture
def folder(tmp_path: Path, reported_url: str) -> Iterator[Path]:
    """Where bytes are kept, for a database without photos."""
    yield tmp_path / "photos"
    with psycopg.connect(reported_url) as connection:
        # What came with an event stays as it is, but for those who empty the database for a test.
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM report_photos")
        connection.execute("DELETE FROM photos")


def files(folder: Path) -> set[str]:
    """The ids of the photos whose bytes are there; each has two files."""
    names = [path.name[:36] for path in folder.rglob("*.jpg")]
    assert all(names.count(name) == 2 for name in names)
    return set(names)


def take(url: str, *ids: UUID) -> None:
    """Has the report take the photos."""
    with psycopg.connect(url) as connection:
        for id in ids:
            connection.execute(TAKE, {"photo": id, "place": id.int % 30_000})


def within(url: str, folder: Path, work: Callable[[Photos, Database], Awaitable[Result]]) -> Result:
    """Runs what a server would, on connections of its own."""

    async def run() -> Result:
        async with opened(url, folder) as (photos, database):
            return await work(photos, database)

    return asyncio.run(run())


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[tuple[Photos, Database]]:
    database = Database(url)
    try:
        yield Photos(database, Objects(folder.as_uri()), Instant()), database
    finally:
        await database.close()


class TestPurge:
    def test_what_a_report_took_stays_and_what_waits_for_one_too(
        self, reported_url: str, folder: Path
    ) -> None:
        taken, waiting = uuid4(), uuid4()

        async def work(photos: Photos, _: Database) -> tuple[Purged, Purged]:
            for id in (taken, waiting):
                await photos.keep(id, id.bytes)
            take(reported_url, taken)
            early = await photos.purge()
            assert files(folder) == {str(taken), str(waiting)}
            late = await photos.purge(NOW)
            with pytest.raises(NotFound, match=str(waiting)):
                await photos.photo(waiting)
            kept = await photos.photo(taken)
            assert await photos.file(kept, is_thumbnail=False) == taken.bytes
            assert await photos.file(kept, is_thumbnail=True) == taken.bytes[:1]
            return early, late

        early, late = within(reported_url, folder, work)
        assert (early, late) == (Purged(0, 0), Purged(1, 0))
        assert files(folder) == {str(taken)}

    def test_a_report_that_is_taking_a_photo_keeps_it(
        self, reported_url: str, folder: Path
    ) -> None:
        id = uuid4()

        async def work(photos: Photos, database: Database) -> None:
            await photos.keep(id, b"1")
            # 1. A report has taken the photo, and has not committed yet.
            async with database.transaction() as submission:
                await submission.execute(taking(id, 0))
                # 2. A purge at that moment passes the photo by, and does not wait.
                assert await photos.purge(NOW) == Purged(0, 0)
            # 3. Nor does a later one touch it.
            assert await photos.purge(NOW) == Purged(0, 0)

        within(reported_url, folder, work)
        assert files(folder) == {str(id)}

    def test_a_report_that_comes_too_late_is_refused(self, reported_url: str, folder: Path) -> None:
        id = uuid4()

        async def work(photos: Photos, database: Database) -> None:
            await photos.keep(id, b"1")
            # 1. A purge has deleted the row, and has not committed yet.
            async with database.transaction() as purge:
                await purge.execute(text("DELETE FROM photos"))

                async def take() -> None:
                    async with database.transaction() as submission:
                        await submission.execute(taking(id, 0))

                # 2. A report that takes the photo now waits for it.
                taken = asyncio.create_task(take())
                await asyncio.sleep(0.2)
                assert not taken.done()
            # 3. And is told the truth.
            with pytest.raises(exc.IntegrityError, match="photo_id_fkey"):
                await taken

        within(reported_url, folder, work)

    def test_whatever_is_uploaded_taken_and_purged_at_once_no_row_is_without_its_bytes(
        self, reported_url: str, folder: Path
    ) -> None:
        ids = [uuid4() for _ in range(8)]

        async def upload(photos: Photos, id: UUID) -> None:
            for _ in range(6):
                await photos.keep(id, id.bytes)

        async def purge(photos: Photos) -> None:
            for _ in range(12):
                await photos.purge(datetime.timedelta(milliseconds=20))

        async def report(database: Database) -> None:
            for place in range(12):
                with suppress(exc.IntegrityError):  # a photo that is purged, or not there yet
                    async with database.transaction() as submission:
                        for id in ids[place % 2 : 4]:
                            await submission.execute(taking(id, place * 10 + ids.index(id)))

        async def work(photos: Photos, database: Database) -> None:
            await asyncio.gather(
                *(upload(photos, id) for id in ids * 2), purge(photos), report(database)
            )
            for id in ids:
                await photos.keep(id, id.bytes)
                for is_thumbnail in (False, True):
                    assert await photos.file(await photos.photo(id), is_thumbnail=is_thumbnail)
            async with database.transaction() as submission:
                await submission.execute(taking(ids[-1], 1000))
            await photos.purge(NOW, NOW)

        within(reported_url, folder, work)
        with psycopg.connect(reported_url) as connection:
            kept = {str(id) for (id,) in connection.execute("SELECT id FROM photos")}
            taken = {str(id) for (id,) in connection.execute("SELECT photo_id FROM report_photos")}
        assert kept == taken == files(folder)
        assert str(ids[-1]) in kept

    def test_bytes_without_a_row_go_once_they_are_old_and_other_files_never(
        self, reported_url: str, folder: Path
    ) -> None:
        kept, lost = uuid4(), uuid4()

        async def work(photos: Photos, _: Database) -> None:
            for id in (kept, lost):
                await photos.keep(id, b"1")
            take(reported_url, kept)
            # What remains of an upload that was interrupted before it had its row.
            with psycopg.connect(reported_url) as connection:
                connection.execute("DELETE FROM photos WHERE id = %s", [lost])
            (folder / "others.jpg").write_bytes(b"not ours")
            assert await photos.purge(NOW) == Purged(0, 0)
            assert await photos.purge(NOW, NOW) == Purged(0, 2)

        within(reported_url, folder, work)
        (folder / "others.jpg").unlink()
        assert files(folder) == {str(kept)}

    def test_many_photos_go_too(self, reported_url: str, folder: Path) -> None:
        with psycopg.connect(reported_url) as connection:
            connection.execute(
                "INSERT INTO photos (id, digest, width, height, bytes) "
                "SELECT gen_random_uuid(), '\\x00', 1, 1, 1 FROM generate_series(1, 1200)"
            )
        purged = within(reported_url, folder, lambda photos, _: photos.purge(NOW))
        assert purged == Purged(1200, 0)


class TestKeep:
    def test_other_bytes_under_a_known_id_are_a_conflict(
        self, reported_url: str, folder: Path
    ) -> None:
        id = uuid4()

        async def work(photos: Photos, _: Database) -> None:
            first, is_new = await photos.keep(id, b"1")
            assert is_new
            assert await photos.keep(id, b"1") == (first, False)
            with pytest.raises(Conflict, match=str(id)):
                await photos.keep(id, b"2")

        within(reported_url, folder, work)

    def test_bytes_that_were_lost_are_told_apart_from_a_photo_that_never_was(
        self, reported_url: str, folder: Path
    ) -> None:
        async def work(photos: Photos, _: Database) -> None:
            photo, _new = await photos.keep(uuid4(), b"1")
            for file in folder.rglob("*.jpg"):
                file.unlink()
            with pytest.raises(Unavailable, match=str(photo.id)):
                await photos.file(photo, is_thumbnail=False)

        within(reported_url, folder, work)

    def test_a_photo_that_was_purged_and_sent_again_meanwhile_is_had(
        self, reported_url: str, folder: Path
    ) -> None:
        id = uuid4()

        async def work(photos: Photos, _: Database) -> None:
            before, _new = await photos.keep(id, b"1")
            assert await photos.purge(NOW) == Purged(1, 0)
            with pytest.raises(NotFound):
                await photos.file(before, is_thumbnail=False)
            await photos.keep(id, b"1")
            assert await photos.file(before, is_thumbnail=False) == b"1"

        within(reported_url, folder, work)


class TestDarkroom:
    def test_an_image_is_developed_in_a_process_of_its_own(self) -> None:
        made = asyncio.run(Darkroom().developed(with_everything("HEIF")))
        assert pixels_of(made.photo).shape == (made.height, made.width, 3) == (160, 240, 3)
        assert pixels_of(made.thumbnail).shape == (160, 240, 3)

    def test_what_is_wrong_with_an_image_comes_back_as_it_was_said(self) -> None:
        with pytest.raises(Invalid, match="broken or incomplete"):
            asyncio.run(Darkroom().developed(photograph()[:700]))

    def test_an_image_that_takes_too_long_is_given_up(self) -> None:
        with pytest.raises(TooLarge, match="too long"):
            asyncio.run(Darkroom(time_limit_seconds=0).developed(photograph()))


def test_a_place_that_does_not_answer_holds_up_nobody_who_needs_no_photo(tmp_path: Path) -> None:
    # A pipe that nobody writes to is opened for reading for as long as one likes.
    os.mkfifo(tmp_path / "pipe")
    objects = Objects(tmp_path.as_uri())

    async def tried() -> None:
        reading = [asyncio.ensure_future(objects.get("pipe")) for _ in range(40)]
        try:
            # As coverage and much else is reckoned, beside the event loop.
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 20) == "done"
            assert not any(each.done() for each in reading)
        finally:
            pipe = os.open(tmp_path / "pipe", os.O_RDWR)
            for each in reading:
                each.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            os.close(pipe)

    asyncio.run(tried())
