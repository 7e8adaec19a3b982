"""Makes a picture anew from the pixels of an image, so that nothing else in it is left.

What people send may be broken on purpose, and libraries that decode have had their faults. So
this is a program too, which `gridmap.store.darkroom` runs for each image.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import sys
import warnings
from contextlib import suppress

# The plugins, so that Pillow need not load all it has to find the one that is asked for.
from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401

from gridmap.errors import GridmapError, Invalid, TooLarge
from gridmap.store.images import (
    LONGEST_SIDE,
    MOST_PIXELS,
    THUMBNAIL_LONGEST_SIDE,
    Picture,
    image_format,
)

# Of the process. An image of MOST_PIXELS takes up to 900 MB and 3 s (WebP with transparency), a
# photo of a phone 120 MB and 0.4 s.
_MOST_MEMORY_BYTES = 1_500_000_000
_MOST_CPU_SECONDS = 10

# A picture is written in some ten. Each goes over all of it again, however little it says: 50 of
# MOST_PIXELS take 2 s.
_MOST_SCANS = 50

# A marker of a JPEG: neither a byte of 255 in what is coded, nor one that only restarts the coding.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_START_OF_SCAN, _END_OF_IMAGE = b"\xda", b"\xd9"

# What turns the pixels upright, by the EXIF orientation.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # of EXIF


def picture(data: bytes) -> Picture:
    """The image upright, on white, in sRGB, no side longer than LONGEST_SIDE, and its thumbnail.

    Of an animation, the first frame. Raises Invalid for what is no image that is taken or is
    broken, TooLarge for one of more than MOST_PIXELS, or a JPEG of very many scans.
    """
    name = image_format(data)
    if name == "JPEG" and _scans(data) > _MOST_SCANS:
        raise TooLarge(
            f"The JPEG builds its picture up in more than {_MOST_SCANS} scans, which takes too "
            "long to decode; save it as an ordinary JPEG and send that."
        )
    if name == "HEIF":
        _learn_heif()
    try:
        with warnings.catch_warnings():
            # Pillow warns of what has more pixels than this, and refuses what has twice as many.
            warnings.simplefilter("ignore")
            Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2
            with Image.open(io.BytesIO(data), formats=[name]) as image:
                photo = _upright_in_srgb(image)
    except (Image.DecompressionBombError, MemoryError) as error:
        raise TooLarge(
            f"The image has more than {MOST_PIXELS} pixels, or takes too much memory; send it "
            "smaller."
        ) from error
    except Exception as error:  # decoders raise what they like
        raise Invalid(
            f"The image begins as {name} and cannot be read to its end: it is broken or "
            "incomplete. Send the whole file."
        ) from error
    thumbnail = photo.resize(
        _within(photo.size, THUMBNAIL_LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0
    )
    return Picture(*photo.size, _jpeg(photo), _jpeg(thumbnail))


def _scans(jpeg: bytes) -> int:
    """In how many scans its first image is written; no more are counted than one too many.

    Read marker by marker, since what stands beside the image, a film or a profile, may hold any
    bytes.
    """
    count, at = 0, 2
    while count <= _MOST_SCANS and (marker := _MARKER.search(jpeg, at)):
        if marker[1] == _END_OF_IMAGE:
            break
        count += marker[1] == _START_OF_SCAN
        end = marker.end()
        at = end + max(2, int.from_bytes(jpeg[end : end + 2], "big"))
    return count


def _learn_heif() -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise Invalid("HEIC is not taken by this server; send JPEG, PNG or WebP.") from error
    pillow_heif.register_heif_opener()


def _upright_in_srgb(image: Image.Image) -> Image.Image:
    """Its pixels alone. It is made small before anything else, for the sake of memory."""
    orientation = _orientation(image)
    profile = image.info.get("icc_profile")
    size = _within(image.size, LONGEST_SIDE)
    # Not for HEIC, where this would take the thumbnail in the file for the image.
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, size)
    image.load()
    small = _resizable(image)
    if small.size != size:
        small = small.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    small = _in_srgb(_on_white(small), profile)
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    small.info = {}  # what Pillow would write again, such as a comment
    return small


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # a broken EXIF does not make the pixels worse
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """The size in the same proportion, no side longer than `longest`."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _resizable(image: Image.Image) -> Image.Image:
    """The image in a mode of which pixels can be mixed: L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):
        # 16 bits of grey, of which a screen shows the upper eight.
        return image.convert("F").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    white = Image.new(image.mode[:-1], image.size, "white")
    white.paste(image.convert(white.mode), mask=image.getchannel("A"))
    return white


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        # A profile that is broken, or of another kind of image, is passed over.
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
            if converted is not None:
                return converted
    return image.convert("RGB")


def _jpeg(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=85, optimize=True)
    return written.getvalue()


def main() -> None:
    """Reads an image from standard input; writes a line of JSON, and then what became of it.

    The line holds `width`, `height` and `bytes` of the photo, which follows, and the thumbnail
    after it; or a `code` and a `message`, when the image is refused.
    """
    # What answers and looks up goes before.
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_SECONDS, _MOST_CPU_SECONDS + 1))
    said: dict[str, object]
    try:
        made = picture(sys.stdin.buffer.read())
    except GridmapError as error:
        said, files = {"code": error.code, "message": error.message}, b""
    else:
        said = {"width": made.width, "height": made.height, "bytes": len(made.photo)}
        files = made.photo + made.thumbnail
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + files)


if __name__ == "__main__":
    main()
