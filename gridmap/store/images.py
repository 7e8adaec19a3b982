"""Which images are taken, and what becomes of one.

Without Pillow, which a server never loads: `gridmap.store.darkroom` has what is here done by
`gridmap.store.decoding`, in a process of its own.
"""

from __future__ import annotations

from typing import NamedTuple

from gridmap.errors import Invalid

MOST_BYTES = 10 * 1024 * 1024

# What a phone that takes 50 megapixels makes. It is known from a file's first bytes, and what is
# larger is not decoded.
MOST_PIXELS = 8192 * 6144

# Enough to read a house number, and to fill a screen.
LONGEST_SIDE = 2560
THUMBNAIL_LONGEST_SIDE = 320

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


class Picture(NamedTuple):
    """`width` and `height` are in pixels, of `photo`; `photo` and `thumbnail` are JPEG in sRGB."""

    width: int
    height: int
    photo: bytes
    thumbnail: bytes


def image_format(data: bytes) -> str:
    """JPEG, PNG, WEBP or HEIF, by the first bytes: what else is said of a file is hearsay.

    Raises Invalid for what is none of these.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "HEIF"
    what = f"They begin with {data[:12]!r}" if data else "There are none"
    raise Invalid(f"These bytes are no JPEG, PNG, WebP or HEIC image. {what}; send one of these.")
