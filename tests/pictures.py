"""Images as people send them, made for tests, and an eye of its own for what comes back."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

pillow_heif.register_heif_opener()

# Stands in everything that is to be gone.
SECRET = b"SECRET-47.3400-130.2866"

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><secret>' + SECRET + b"</secret></x:xmpmeta>"

# Quarters of the picture: top left, top right, bottom left, bottom right.
RED, GREEN, BLUE, WHITE = (250, 10, 10), (10, 200, 10), (10, 10, 250), (250, 250, 250)
QUARTERS = (RED, GREEN, BLUE, WHITE)

Pixels = NDArray[np.uint8]


def quarters(width: int = 240, height: int = 160) -> Pixels:
    """Four colours, by which one sees how a picture is turned; uint8 (height, width, 3)."""
    pixels = np.empty((height, width, 3), np.uint8)
    middle = height // 2
    pixels[:middle, : width // 2], pixels[:middle, width // 2 :] = RED, GREEN
    pixels[middle:, : width // 2], pixels[middle:, width // 2 :] = BLUE, WHITE
    return pixels


def encoded(pixels: Pixels | Image.Image, form: str, **options: Any) -> bytes:
    """The image as a file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def photograph(width: int = 240, height: int = 160) -> bytes:
    """A JPEG without anything else in it."""
    return encoded(quarters(width, height), "JPEG", quality=92)


def exif(orientation: int = 1) -> bytes:
    """EXIF with a position, a note and a thumbnail, as cameras write it."""
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010F] = SECRET.decode()  # the maker
    gps = found.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (47.0, 20.0, 24.0), "E", (130.0, 17.0, 11.8)
    gps[29] = "2026:05:01"
    return found.tobytes()


def with_everything(form: str, profile: bytes | None = None, orientation: int = 1) -> bytes:
    """A file of the format that holds all that such a file may hold beside its pixels."""
    options: dict[str, Any] = {"exif": exif(orientation), "icc_profile": profile}
    if form == "PNG":
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Comment", SECRET.decode())
        notes.add_itxt("XML:com.adobe.xmp", XMP.decode())
        notes.add_text("Zipped", SECRET.decode(), zip=True)
        options["pnginfo"] = notes
    else:
        options["xmp"] = XMP
    if form == "JPEG":
        options["comment"] = SECRET
        iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + struct.pack(">I", len(SECRET)) + SECRET
        options["extra"] = b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc
    if form == "HEIF":
        options["quality"] = 90
    return encoded(quarters(), form, **options) + SECRET


def upright_by(orientation: int, shown: Pixels) -> Pixels:
    """The pixels that a camera stores so that they are shown thus, by the words of EXIF 2.3:
    on which side of what is seen the stored first row and the stored first column are.
    """
    row, column = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    seen = shown if row in ("top", "bottom") else shown.swapaxes(0, 1)
    if row in ("bottom", "right"):
        seen = seen[::-1]
    return np.ascontiguousarray(seen[:, ::-1] if column in ("bottom", "right") else seen)


def pixels_of(file: bytes) -> Pixels:
    """What a viewer shows of a JPEG in sRGB."""
    return np.asarray(Image.open(io.BytesIO(file), formats=["JPEG"]).convert("RGB"))


def colours_of_quarters(pixels: Pixels) -> Pixels:
    """The colours in the middle of the four quarters."""
    height, width = pixels.shape[:2]
    return np.array(
        [pixels[height * y // 4, width * x // 4] for y in (1, 3) for x in (1, 3)], np.uint8
    )


def segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """The marker and the payload of each segment, read by hand; nothing may stand between them,
    and nothing after the end of the image.
    """
    assert jpeg[:2] == b"\xff\xd8"
    found, at = [], 2
    while True:
        assert jpeg[at] == 0xFF
        marker = jpeg[at + 1]
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        found.append((marker, jpeg[at + 4 : at + 2 + length]))
        at += 2 + length
        if marker == 0xDA:
            break
    # Within the scan a 255 is followed by 0, until the end of the image.
    end = next(i for i in range(at, len(jpeg)) if jpeg[i] == 0xFF and jpeg[i + 1] != 0)
    assert jpeg[end:] == b"\xff\xd9"
    return found


def png(width: int, height: int, depth: int, colour: int, rows: Iterable[bytes]) -> bytes:
    """A PNG, written by hand: its depth in bits, its colour type, and its rows as they are."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    packer = zlib.compressobj(1)
    packed = b"".join([packer.compress(b"\0" + row) for row in rows]) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", packed),
            chunk(b"IEND", b""),
        )
    )


def bomb(side: int = 50_000) -> bytes:
    """A PNG of some hundred kilobytes with 2.5 milliard pixels, whole and without fault."""
    return png(side, side, 1, 0, (bytes(side // 8) for _ in range(side)))


def swapping_profile() -> bytes:
    """An ICC profile, written by hand, of a screen whose red and blue are exchanged."""

    def xyz(x: float, y: float, z: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(v * 65536) for v in (x, y, z)))

    # The primaries of sRGB, adapted to D50, as its own profile has them.
    red, green, blue = (
        xyz(0.43607, 0.22249, 0.01392),
        xyz(0.38515, 0.71687, 0.09708),
        xyz(0.14307, 0.06061, 0.7141),
    )
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    text = SECRET
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + bytes(80)
    description += bytes(-len(description) % 4)
    tags = {
        b"desc": description,
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": blue,
        b"gXYZ": green,
        b"bXYZ": red,
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += name + struct.pack(">II", start + len(data), len(tag))
        data += tag
    size = start + len(data)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">iii", round(0.9642 * 65536), 65536, round(0.8249 * 65536))
    return header.ljust(128, b"\0") + table + data


def truncations(file: bytes) -> Iterator[bytes]:
    """The file's beginnings."""
    for part in (0.1, 0.5, 0.9):
        yield file[: int(len(file) * part)]
