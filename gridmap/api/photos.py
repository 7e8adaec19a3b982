"""Photos over HTTP: uploaded by PUT under an id of the client's, and had by GET."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Awaitable, Callable
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gridmap.api.bodies import body_of
from gridmap.api.errors import Refused, telling_errors
from gridmap.api.etags import is_known
from gridmap.api.media_types import media_type
from gridmap.api.photo_addresses import PhotoAddresses
from gridmap.errors import Invalid, Unavailable
from gridmap.store.images import MOST_BYTES
from gridmap.store.photos import Photos
from gridmap.store.viewers import Viewer

# Each may hold MOST_BYTES of memory for as long as its client takes to send them.
_MOST_UPLOADS = 32
_SECONDS_TO_ARRIVE = 180

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DIGEST = re.compile(r"(sha-256|sha-512)=:([A-Za-z0-9+/=]*):(?:;.*)?")


def photo_routes(
    photos: Photos,
    addresses: PhotoAddresses,
    count: Callable[[Request], Awaitable[None]],
    viewer: Callable[[Request], Viewer],
) -> list[Route]:
    """`/photos/{id}` and `/photos/{id}/thumbnail`. `addresses` says which of them are good,
    `count` may refuse an upload, and `viewer` says who asks."""
    uploads = asyncio.Semaphore(_MOST_UPLOADS)

    async def upload(request: Request) -> Response:
        id = _id(request)
        _check_type(request)
        await count(request)
        if uploads.locked():
            raise Unavailable("Too many photos are being uploaded; send it again in a moment.")
        async with uploads:
            photo, is_new = await photos.keep(id, await _body(request), viewer(request))
        return JSONResponse(
            {
                "id": str(photo.id),
                "width": photo.width,
                "height": photo.height,
                "bytes": photo.bytes,
                "url": addresses.address(photo.id, False),
                "thumbnailUrl": addresses.address(photo.id, True),
            },
            201 if is_new else 200,
        )

    async def download(request: Request) -> Response:
        is_thumbnail = request.url.path.endswith("/thumbnail")
        id = _id(request)
        seconds = addresses.seconds_left(id, is_thumbnail, request.query_params)
        photo = await photos.photo(id)
        # The size is in it too, for the day that another version makes other bytes of the same.
        kind = "thumbnail" if is_thumbnail else "photo"
        etag = f'"{photo.digest.hex()[:32]}-{photo.bytes}-{kind}"'
        headers = {
            "etag": etag,
            "cache-control": f"private, max-age={seconds}, immutable",
            "content-disposition": "inline",
            "x-content-type-options": "nosniff",
            "x-robots-tag": "noindex, noimageindex",
        }
        if is_known(etag, request.headers.getlist("if-none-match")):
            return Response(None, 304, headers)
        file = await photos.file(photo, is_thumbnail=is_thumbnail)
        return Response(file, 200, headers, "image/jpeg")

    async def photo(request: Request) -> Response:
        return await (upload if request.method == "PUT" else download)(request)

    return [
        # One route for all methods, by which a 405 says what is allowed.
        Route("/photos/{id}", telling_errors(photo), methods=["GET", "HEAD", "PUT"]),
        Route("/photos/{id}/thumbnail", telling_errors(download), methods=["GET"]),
    ]


def _id(request: Request) -> UUID:
    text = request.path_params["id"]
    if not _UUID.fullmatch(text):
        raise Invalid(
            f"{text!r} is no UUID; name a photo like 01932c07-209c-7d2c-9c5a-3f6b8a1e4d70."
        )
    return UUID(text)


def _check_type(request: Request) -> None:
    """An image is sent as one, which no form of another site's page does.

    Of which kind it is, its bytes say.
    """
    said = request.headers.get("content-type", "")
    kind, _ = media_type(said)
    if not (kind.startswith("image/") or kind == "application/octet-stream"):
        message = f"The Content-Type is {said!r}; send the image's bytes as image/jpeg or the like."
        raise Refused(415, Invalid(message))


async def _body(request: Request) -> bytes:
    """The body whole, as long as its headers say and with their digest."""
    declared = request.headers.get("content-length")
    try:
        body = await body_of(request, MOST_BYTES, what="The photo", seconds=_SECONDS_TO_ARRIVE)
    except ClientDisconnect as error:
        raise Invalid("The connection ended before the photo did; nothing was kept.") from error
    if declared is not None and int(declared) != len(body):
        raise Invalid(f"{len(body)} bytes arrived where Content-Length says {declared}.")
    if not body:
        raise Invalid("The body is empty; send the bytes of an image.")
    for name in ("content-digest", "repr-digest"):
        _check_digest(name, ",".join(request.headers.getlist(name)), body)
    return bytes(body)


def _check_digest(name: str, said: str, body: bytearray) -> None:
    """Holds the body against the digests of RFC 9530 that are known here; others are ignored."""
    for member in filter(None, map(str.strip, said.split(","))):
        algorithm = member.partition("=")[0]
        if algorithm not in ("sha-256", "sha-512"):
            continue
        found = _DIGEST.fullmatch(member)
        try:
            wanted = base64.b64decode(found[2] if found else "?", validate=True)
        except binascii.Error as error:
            raise Invalid(
                f"{name} is {said!r}, which is no digest; write {algorithm}=:BASE64:."
            ) from error
        if hashlib.new(algorithm.replace("-", ""), body).digest() != wanted:
            raise Invalid(
                f"The {len(body)} bytes that arrived have another {algorithm} than {name} says; "
                "send them again."
            )
