"""Addresses of photos: signed, and good for an hour or two.

An image on a page is asked for without a token. So its address says by a signature that whoever may
see the report was given it, and until when. It is the same for all of an hour, so that a browser
has a photo once; then there is another, which the same question to the API brings.

Whoever has an address can pass it on, as they could the photo. It tells nothing of who was given
it.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections.abc import Callable
from urllib.parse import urlencode
from uuid import UUID

from pydantic import SecretStr
from starlette.datastructures import QueryParams

from gridmap.errors import Forbidden
from gridmap.schema.photos import photo_path

SECONDS = 3600
"""An address is good for as long at least, and for twice as long at most."""


class PhotoAddresses:
    """Signs with a key of its own, which follows from the secret.

    Without a secret the key is drawn: then addresses are good at this process alone, until it ends.
    """

    def __init__(self, secret: SecretStr | None, clock: Callable[[], float] = time.time) -> None:
        known = secret.get_secret_value().encode() if secret else secrets.token_bytes(32)
        self._key = hmac.digest(known, b"gridmap photo addresses", "sha256")
        self._clock = clock

    def address(self, id: UUID, is_thumbnail: bool) -> str:
        """Path and query, below the address of this server."""
        path = photo_path(id, is_thumbnail)
        expires = f"{(int(self._clock()) // SECONDS + 2) * SECONDS}"
        query = urlencode({"expires": expires, "signature": self._signature(path, expires)})
        return f"{path}?{query}"

    def seconds_left(self, id: UUID, is_thumbnail: bool, query: QueryParams) -> int:
        """How long the address of this query is good yet. Raises Forbidden where it is not."""
        path = photo_path(id, is_thumbnail)
        expires, signature = query.get("expires", ""), query.get("signature", "")
        right = self._signature(path, expires)
        # As bytes, for text that is no ASCII cannot be compared so.
        if not hmac.compare_digest(signature.encode(errors="surrogatepass"), right.encode()):
            raise Forbidden(
                "This is not the address of a photo as the API gave it. Ask the API for the "
                "report's photos, and take the address as it comes.",
                reason="SIGNATURE",
            )
        left = int(expires) - int(self._clock())
        if left <= 0:
            raise Forbidden(
                "This address has expired. Ask the API for the report's photos again.",
                reason="EXPIRED",
            )
        return left

    def _signature(self, path: str, expires: str) -> str:
        said = f"{path}\n{expires}".encode(errors="surrogatepass")
        made = hmac.digest(self._key, said, "sha256")
        return base64.urlsafe_b64encode(made).decode().rstrip("=")
