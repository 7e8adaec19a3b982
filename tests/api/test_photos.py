"""Photos, uploaded to a real server and had from it again, from a folder and from an S3 store."""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from gridmap.api.photo_addresses import SECONDS, PhotoAddresses
from gridmap.api.settings import settings_from_environment
from gridmap.errors import Invalid
from tests.api.conftest import Server, gridmap
from tests.api.s3 import BUCKET, s3_store
from tests.command import run
from tests.pictures import (
    QUARTERS,
    SECRET,
    bomb,
    colours_of_quarters,
    encoded,
    photograph,
    pixels_of,
    quarters,
    segments,
    swapping_profile,
    truncations,
    with_everything,
)
from tests.waiting import wait_until

SIGNING = SecretStr(secrets.token_hex(32))
TEN_MB = 10 * 1024 * 1024
SOME = UUID(int=0x19C31FC0A1B2_7ABC_8DEF_0123456789AB)


@pytest.fixture(scope="module", params=["folder", "s3"])
def environment(request: pytest.FixtureRequest, database_url: str) -> Iterator[dict[str, str]]:
    """Of a server and its tools, with a place for photos of its own."""
    if request.param == "folder":
        with tempfile.TemporaryDirectory(prefix="gridmap-test-") as folder:
            photos = f"file://{folder}/of%20people"
            yield {**signing(database_url), "GRIDMAP_PHOTOS": photos}
    else:
        with s3_store() as variables:
            photos = f"s3://{BUCKET}/of/people"
            yield {**signing(database_url), "GRIDMAP_PHOTOS": photos, **variables}


@pytest.fixture(scope="module")
def server(environment: dict[str, str]) -> Iterator[Server]:
    with gridmap("serve", **environment) as server:
        yield server


@pytest.fixture(scope="module")
def folder_server(database_url: str) -> Iterator[Server]:
    """A server for what does not depend on where photos are kept."""
    with (
        tempfile.TemporaryDirectory(prefix="gridmap-test-") as folder,
        gridmap("serve", **signing(database_url), GRIDMAP_DATA=folder) as server,
    ):
        yield server


def signing(database_url: str) -> dict[str, str]:
    """Of a server whose addresses of photos are known here."""
    return {"DATABASE_URL": database_url, "GRIDMAP_SECRET": SIGNING.get_secret_value()}


def address(id: object, is_thumbnail: bool = False, at: float | None = None) -> str:
    """What the server calls a photo now, or did at another time."""
    clock = time.time if at is None else (lambda: at)
    return PhotoAddresses(SIGNING, clock).address(UUID(str(id)), is_thumbnail)


def put(
    server: Server, id: object, data: bytes, content_type: str = "image/jpeg", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.put(
        f"{server.address}/photos/{id}",
        content=data,
        headers={"content-type": content_type, **named},
        timeout=60,
    )


def get(server: Server, path: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(server.address + path, headers=named, timeout=60)


def told(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an error in the shape of all others."""
    [error] = answer.json()["errors"]
    assert error["message"]
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, error["extensions"]["code"]


def rows(database_url: str, id: object) -> int:
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT count(*) FROM photos WHERE id = %s", [str(id)])
        [count] = found.fetchone() or [0]
        return int(count)


class TestUpload:
    @pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "HEIF"])
    def test_what_is_uploaded_is_had_again_without_what_was_beside_it(
        self, server: Server, form: str
    ) -> None:
        id = uuid4()
        sent = put(server, id, with_everything(form))
        assert sent.status_code == 201
        shown = sent.json()
        assert shown == {
            "id": str(id),
            "width": 240,
            "height": 160,
            "bytes": shown["bytes"],
            "url": address(id),
            "thumbnailUrl": address(id, True),
        }

        photo = get(server, shown["url"])
        assert photo.status_code == 200
        assert photo.headers["content-type"] == "image/jpeg"
        assert photo.headers["x-content-type-options"] == "nosniff"
        assert photo.headers["content-disposition"] == "inline"
        assert photo.headers["cache-control"].startswith("private, max-age=")
        assert len(photo.content) == shown["bytes"]
        assert {marker for marker, _ in segments(photo.content)} == {
            *(0xE0, 0xDB, 0xC0, 0xC4, 0xDA)  # JFIF, and what the pixels need
        }
        assert SECRET not in photo.content
        seen = colours_of_quarters(pixels_of(photo.content)).astype(int)
        assert abs(seen - QUARTERS).max() < 12

    def test_the_thumbnail_is_the_photo_made_small(self, server: Server) -> None:
        id = uuid4()
        assert put(server, id, photograph(1200, 900)).json()["width"] == 1200
        thumbnail = get(server, address(id, True))
        assert thumbnail.headers["content-type"] == "image/jpeg"
        pixels = pixels_of(thumbnail.content)
        assert pixels.shape == (240, 320, 3)
        assert abs(colours_of_quarters(pixels).astype(int) - QUARTERS).max() < 12

    def test_the_same_upload_again_is_the_same_photo(
        self, server: Server, database_url: str
    ) -> None:
        id, data = uuid4(), photograph()
        first = put(server, id, data)
        again = put(server, id, data, content_type="application/octet-stream")
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert rows(database_url, id) == 1

    def test_another_photo_under_a_known_id_is_a_conflict(self, server: Server) -> None:
        id = uuid4()
        put(server, id, photograph())
        before = get(server, address(id)).content
        assert told(put(server, id, photograph(100, 100))) == (409, "CONFLICT")
        assert get(server, address(id)).content == before

    def test_the_same_upload_at_the_same_moment_makes_one_photo(
        self, server: Server, database_url: str
    ) -> None:
        id, data = uuid4(), with_everything("JPEG", swapping_profile())
        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(lambda _: put(server, id, data), range(6)))
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
        assert len({answer.text for answer in answers}) == 1
        assert rows(database_url, id) == 1
        assert len(get(server, address(id)).content) == answers[0].json()["bytes"]

    def test_of_two_photos_under_one_id_at_one_moment_one_is_kept_whole(
        self, server: Server
    ) -> None:
        sent = {size: photograph(size, size) for size in (200, 220, 240, 260)}
        for _ in range(3):
            id = uuid4()
            with ThreadPoolExecutor(4) as threads:
                answers = list(threads.map(put, repeat(server), repeat(id), sent.values()))
            assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
            [kept] = [answer.json() for answer in answers if answer.status_code == 201]
            photo = get(server, address(id)).content
            assert pixels_of(photo).shape == (kept["height"], kept["width"], 3)

    def test_a_photo_may_come_in_pieces_of_no_declared_length(self, server: Server) -> None:
        data = photograph()
        pieces = (data[at : at + 500] for at in range(0, len(data), 500))
        answer = httpx.put(
            f"{server.address}/photos/{uuid4()}",
            content=pieces,
            headers={"content-type": "image/jpeg"},
            timeout=60,
        )
        assert answer.request.headers["transfer-encoding"] == "chunked"
        assert answer.status_code == 201


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "status", "code"),
        [
            (b"", 400, "INVALID"),
            (b"no image", 400, "INVALID"),
            (encoded(quarters(), "GIF"), 400, "INVALID"),
            (next(truncations(photograph())), 400, "INVALID"),
            (bomb(), 413, "TOO_LARGE"),
            (photograph() + bytes(TEN_MB), 413, "TOO_LARGE"),
        ],
        ids=["nothing", "text", "gif", "cut", "bomb", "over 10 MB"],
    )
    def test_what_is_no_photo_is_told_and_not_kept(
        self, folder_server: Server, database_url: str, data: bytes, status: int, code: str
    ) -> None:
        id = uuid4()
        assert told(put(folder_server, id, data)) == (status, code)
        assert rows(database_url, id) == 0
        assert told(get(folder_server, address(id))) == (404, "NOT_FOUND")

    def test_ten_megabytes_are_taken_and_a_byte_more_is_not(self, folder_server: Server) -> None:
        photo = photograph()
        largest = photo + bytes(TEN_MB - len(photo))
        assert put(folder_server, uuid4(), largest).status_code == 201
        assert told(put(folder_server, uuid4(), largest + b"\0")) == (413, "TOO_LARGE")

    def test_too_much_is_not_read_to_its_end(self, folder_server: Server) -> None:
        # 1. What declares too much is refused before any of it is sent.
        with _connection(folder_server) as wire:
            wire.sendall(_head(uuid4(), "Content-Length: 99999999999"))
            assert wire.recv(1000).startswith(b"HTTP/1.1 413 ")
        # 2. What declares nothing is refused once it is too much.
        with _connection(folder_server) as wire:
            wire.sendall(_head(uuid4(), "Transfer-Encoding: chunked"))
            piece = bytes(1024 * 1024)
            for _ in range(11):
                wire.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            assert wire.recv(1000).startswith(b"HTTP/1.1 413 ")

    def test_more_uploads_at_once_than_memory_is_for_are_asked_to_come_later(
        self, folder_server: Server
    ) -> None:
        with ExitStack() as stack:
            for _ in range(32):
                wire = stack.enter_context(_connection(folder_server))
                wire.sendall(_head(uuid4(), "Content-Length: 1000\r\nExpect: 100-continue"))
                assert wire.recv(1000).startswith(b"HTTP/1.1 100 ")
            refused = put(folder_server, uuid4(), photograph())
            assert told(refused) == (503, "UNAVAILABLE")
            assert refused.headers["retry-after"] == "5"
        wait_until(lambda: put(folder_server, uuid4(), photograph()).status_code == 201)

    def test_an_upload_that_breaks_off_leaves_nothing(
        self, folder_server: Server, database_url: str
    ) -> None:
        id, data = uuid4(), photograph()
        with _connection(folder_server) as wire:
            wire.sendall(_head(id, f"Content-Length: {len(data) + 1}") + data)
        assert told(get(folder_server, address(id))) == (404, "NOT_FOUND")
        assert rows(database_url, id) == 0
        # The whole of it may come later.
        assert put(folder_server, id, data).status_code == 201

    def test_who_sends_less_than_was_said_is_told(
        self, folder_server: Server, database_url: str
    ) -> None:
        id, data = uuid4(), photograph()
        with _connection(folder_server) as wire:
            wire.sendall(_head(id, f"Content-Length: {len(data) + 1}") + data)
            wire.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: wire.recv(10_000), b""))
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert f"{len(data)} bytes arrived where Content-Length says".encode() in answer
        # Where no length was said, it is not known how much is missing.
        with _connection(folder_server) as wire:
            wire.sendall(_head(id, "Transfer-Encoding: chunked"))
            wire.sendall(b"%x\r\n%b\r\n" % (len(data), data))
            wire.shutdown(socket.SHUT_WR)
            assert wire.recv(10_000) == b""
        assert rows(database_url, id) == 0

    @pytest.mark.parametrize("header", ["content_digest", "repr_digest"])
    def test_a_digest_that_is_sent_along_is_held_against_the_bytes(
        self, folder_server: Server, header: str
    ) -> None:
        data = photograph()
        right = base64.b64encode(hashlib.sha256(data).digest()).decode()
        wrong = base64.b64encode(hashlib.sha256(data + b"\0").digest()).decode()
        longer = base64.b64encode(hashlib.sha512(data).digest()).decode()
        for said, expected in [
            (f"sha-256=:{right}:", 201),
            (f"unixsum=:AAAA:, sha-512=:{longer}:, sha-256=:{right}:", 201),
            (f"sha-256=:{wrong}:", 400),
            (f"sha-512=:{right}:", 400),
            (f"sha-256={right}", 400),
            ("sha-256", 400),
        ]:
            assert put(folder_server, uuid4(), data, **{header: said}).status_code == expected

    @pytest.mark.parametrize("id", ["1", "x" * 36, f"{{{SOME}}}", SOME.hex, f"{SOME}0"])
    def test_an_id_that_is_no_uuid_is_told(self, folder_server: Server, id: str) -> None:
        assert told(put(folder_server, id, photograph())) == (400, "INVALID")
        assert told(get(folder_server, f"/photos/{id}")) == (400, "INVALID")
        assert told(get(folder_server, f"/photos/{id}/thumbnail")) == (400, "INVALID")

    def test_every_version_of_uuid_is_taken_and_letters_may_be_large(
        self, folder_server: Server
    ) -> None:
        seventh = UUID("01932c07-209c-7d2c-9c5a-3f6b8a1e4d70")
        assert put(folder_server, str(seventh).upper(), photograph()).json()["id"] == str(seventh)
        assert get(folder_server, address(seventh)).status_code == 200

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "multipart/form-data; boundary=x", "application/json", ""]
    )
    def test_what_another_sites_form_could_send_is_refused(
        self, folder_server: Server, content_type: str
    ) -> None:
        refused = put(folder_server, uuid4(), photograph(), content_type)
        assert told(refused) == (415, "INVALID")

    def test_a_wrong_name_for_the_kind_of_image_does_not_matter(
        self, folder_server: Server
    ) -> None:
        webp = encoded(quarters(), "WEBP")
        assert put(folder_server, uuid4(), webp, "image/png; charset=x").status_code == 201

    def test_another_method_is_told_which_there_are(self, folder_server: Server) -> None:
        for path, allowed in (("", {"GET", "HEAD", "PUT"}), ("/thumbnail", {"GET", "HEAD"})):
            answer = httpx.request("POST", f"{folder_server.address}/photos/{uuid4()}{path}")
            assert answer.status_code == 405
            assert set(answer.headers["allow"].split(", ")) == allowed

    def test_a_packed_body_is_refused(self, folder_server: Server) -> None:
        refused = put(folder_server, uuid4(), photograph(), content_encoding="gzip")
        assert told(refused) == (415, "INVALID")


class TestDownload:
    def test_a_photo_that_is_known_is_not_sent_again(self, server: Server) -> None:
        id = uuid4()
        put(server, id, photograph())
        tags = set()
        for path in (address(id), address(id, True)):
            first = get(server, path)
            tags.add(tag := first.headers["etag"])
            assert tag.startswith('"')
            again = get(server, path, if_none_match=f'"other", {tag}')
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
            assert get(server, path, if_none_match='"other"').content == first.content
        assert len(tags) == 2

    def test_the_head_of_a_photo_tells_its_size(self, server: Server) -> None:
        id = uuid4()
        size = put(server, id, photograph()).json()["bytes"]
        head = httpx.head(server.address + address(id))
        assert (head.status_code, head.headers["content-length"]) == (200, str(size))

    def test_a_photo_that_there_is_not_is_told(self, server: Server) -> None:
        assert told(get(server, address(uuid4()))) == (404, "NOT_FOUND")
        assert told(get(server, address(uuid4(), True))) == (404, "NOT_FOUND")


class TestAddresses:
    def test_the_photo_of_a_report_is_had_by_the_address_that_the_api_gives(
        self, folder_server: Server
    ) -> None:
        id = uuid4()
        said = put(folder_server, id, photograph()).json()
        photo = get(folder_server, said["url"])
        left = int(photo.headers["cache-control"].split("=")[1].split(",")[0])
        assert SECONDS - 60 < left <= 2 * SECONDS
        assert photo.headers["cache-control"] == f"private, max-age={left}, immutable"
        assert photo.headers["x-robots-tag"] == "noindex, noimageindex"

    def test_no_other_address_will_do(self, folder_server: Server) -> None:
        id, other = uuid4(), uuid4()
        for each in (id, other):
            put(folder_server, each, photograph())
        good = address(id)
        path, _, query = good.partition("?")
        expires, signature = (part.partition("=")[2] for part in query.split("&"))
        wrong = [
            path,
            f"{path}?expires={expires}",
            f"{path}?signature={signature}",
            f"{path}?expires={int(expires) + 3600}&signature={signature}",
            f"{path}?expires={expires}0&signature={signature}",
            f"{path}?expires=&signature={signature}",
            f"{path}?expires={expires}&signature={signature[:-1]}",
            f"{path}?expires={expires}&signature={signature.swapcase()}",
            f"{path}?expires={expires}&signature=%F0%9F%98%80",
            # Of another photo, and of its thumbnail.
            f"{path}?{address(other).partition('?')[2]}",
            f"{path}?{address(id, True).partition('?')[2]}",
            f"{path}/thumbnail?{query}",
            # Of another server.
            PhotoAddresses(None).address(id, False),
        ]
        for path in wrong:
            refused = get(folder_server, path)
            assert told(refused) == (403, "FORBIDDEN"), path
            assert refused.json()["errors"][0]["extensions"]["reason"] == "SIGNATURE"
            assert refused.headers["cache-control"] == "no-store"
            assert httpx.head(folder_server.address + path).status_code == 403
            assert get(folder_server, path, range="bytes=0-9").status_code == 403
            assert get(folder_server, path, if_none_match="*").status_code == 403
        assert get(folder_server, good, range="bytes=0-9").status_code == 200

    def test_an_address_ends_after_an_hour_or_two(self, folder_server: Server) -> None:
        id, now = uuid4(), time.time()
        put(folder_server, id, photograph())
        expired = get(folder_server, address(id, at=now - 2 * SECONDS))
        assert told(expired) == (403, "FORBIDDEN")
        assert expired.json()["errors"][0]["extensions"]["reason"] == "EXPIRED"
        assert get(folder_server, address(id, at=now - SECONDS + 60)).status_code == 200
        # Until there is another, all who ask have the same, so that it is had once.
        hour = now // SECONDS * SECONDS
        within = {address(id, at=hour + second) for second in range(0, SECONDS, 60)}
        assert len(within) == 1
        assert address(id, at=hour + SECONDS) not in within


class TestPurge:
    def test_what_no_report_took_within_a_day_is_removed(
        self, server: Server, environment: dict[str, str], database_url: str
    ) -> None:
        old, new = uuid4(), uuid4()
        assert put(server, new, photograph()).status_code == 201
        assert put(server, old, photograph()).status_code == 201
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "UPDATE photos SET uploaded_at = uploaded_at - interval '25 hours' WHERE id = %s",
                [str(old)],
            )
        done = run("photos", "purge", **environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "Photos removed: 1. Files of none removed: 0.\n"
        assert told(get(server, address(old))) == (404, "NOT_FOUND")
        assert get(server, address(new)).status_code == 200
        assert put(server, old, photograph()).status_code == 201
        assert get(server, address(old)).status_code == 200


class TestPlaces:
    def test_a_folder_is_its_owners_alone(self, database_url: str) -> None:
        with (
            tempfile.TemporaryDirectory(prefix="gridmap-test-") as data,
            gridmap("serve", DATABASE_URL=database_url, GRIDMAP_DATA=data) as server,
        ):
            assert put(server, uuid4(), photograph()).status_code == 201
            folder = Path(data) / "photos"
            kept = [folder, *folder.rglob("*")]
            assert len(kept) == 4
            for each in kept:
                assert each.stat().st_mode & 0o777 == (0o700 if each.is_dir() else 0o600)

    def test_a_place_that_is_away_is_told_and_keeps_nothing(self, database_url: str) -> None:
        id = uuid4()
        with gridmap(
            "serve",
            DATABASE_URL=database_url,
            GRIDMAP_PHOTOS="s3://nowhere",
            AWS_ENDPOINT_URL="http://127.0.0.1:9",
            AWS_ALLOW_HTTP="true",
            AWS_ACCESS_KEY_ID="x",
            AWS_SECRET_ACCESS_KEY="x",
        ) as server:
            refused = put(server, id, photograph())
            assert told(refused) == (503, "UNAVAILABLE")
            assert "retry-after" in refused.headers
            assert "127.0.0.1" not in refused.text
        assert rows(database_url, id) == 0

    @pytest.mark.parametrize("address", ["photos", "file://photos", "s3:/x", "gs://x", "s3://"])
    def test_an_address_that_is_none_is_told_at_the_start(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GRIDMAP_PHOTOS", address)
        with pytest.raises(Invalid, match="GRIDMAP_PHOTOS"):
            settings_from_environment()


def test_a_server_decodes_nothing_itself() -> None:
    """Pillow and its codecs are loaded by the process that decodes, obstore once it is needed."""
    rare = {"PIL", "pillow_heif", "obstore"}
    program = f"import sys, gridmap.api.cli; print({rare} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def _connection(server: Server) -> socket.socket:
    address = urlsplit(server.address)
    return socket.create_connection((address.hostname, address.port), timeout=30)


def _head(id: UUID, length: str) -> bytes:
    return (
        f"PUT /photos/{id} HTTP/1.1\r\nHost: here\r\nContent-Type: image/jpeg\r\n{length}\r\n\r\n"
    ).encode()
