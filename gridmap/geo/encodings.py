"""Which encoding a Chinese file's text is in: strictly UTF-8, or else GB18030 (so GBK, GB2312)."""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

from gridmap.errors import Invalid


def text_encoding(path: Path, given: str | None = None) -> str:
    """The codec that reads all of a text file, by `given` or by reading the file once.

    A byte-order mark decides; else UTF-8 if every byte agrees; else GB18030 if every byte agrees.
    The whole file is looked at, since a few Chinese words can be both. Memory stays constant.
    Raises Invalid when the file is neither, is not text, breaks off inside a character, or when
    `given` is not the name of an encoding.
    """
    if given is not None:
        return _known(given)
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start.startswith(_BINARY):
        raise Invalid(
            f"{path.name} is not a text file: it begins like another format's. "
            "Give it the ending of what it is."
        )
    for encoding in ("utf-8-sig", "gb18030"):
        if _reads(path, encoding):
            return encoding
    raise Invalid(
        f"{path.name} is neither UTF-8 nor GB18030 (GBK) text. "
        "Save it as UTF-8, or name its encoding."
    )


def dbf_encoding(path: Path) -> str:
    """The codec of a dBASE table's text, told by its headings and values as in `text_encoding`.

    A UTF-8 value may be cut inside a character where its field was too short.
    Raises Invalid when the table is neither UTF-8 nor GB18030, or breaks off.
    """
    for encoding in ("utf-8", "gb18030"):
        if all(_decodes(text, encoding) for text in _dbf_texts(path)):
            return encoding
    raise Invalid(
        f"The text in {path.name} is neither UTF-8 nor GB18030 (GBK). Name its encoding, or export "
        "the layer again with a .cpg file beside it."
    )


def whole_headings(headings: Sequence[bytes], encoding: str) -> list[bytes]:
    """Headings of a dBASE table without the part of a character in which one may end.

    What else cannot be read in one becomes a question mark: GDAL numbers headings that it has cut
    alike, and may put the number inside a character. Those that become alike by all that are
    numbered, since nothing tells them apart any more.
    """
    whole = [_legible(heading, encoding) for heading in headings]
    result = list(whole)
    numbers = count(1)
    for i, heading in enumerate(whole):
        if heading != headings[i] and whole.count(heading) > 1:
            number = b"_%d" % next(numbers)
            result[i] = _legible(heading[: _HEADING_BYTES - len(number)], encoding) + number
    return result


def open_as_utf8(path: Path, encoding: str) -> BinaryIO:
    """The file's text as UTF-8 bytes without a byte-order mark, converted while it is read.

    Reading raises UnicodeDecodeError where the text is not in `encoding`, unless that is UTF-8,
    which is handed on unchecked.
    """
    file = path.open("rb")
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        return file
    return cast(BinaryIO, codecs.EncodedFile(file, "utf-8", encoding))


# How archives, GeoPackage (SQLite), FlatGeobuf, Parquet and old Office files begin.
_BINARY = (b"PK\x03\x04", b"SQLi", b"fgb\x03", b"PAR1", b"\xd0\xcf\x11\xe0")
_CHUNK = 1 << 20
_HEADING_BYTES = 10
_NUMBER = re.compile(rb"_\d+$")


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "网格".encode(name)
    except (LookupError, UnicodeEncodeError):
        raise Invalid(
            f"{encoding!r} is not an encoding of Chinese text. Use utf-8 or gb18030."
        ) from None
    return "utf-8-sig" if name == "utf-8" else name


def _reads(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    is_ascii = True
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if b"\0" in chunk:
                raise Invalid(
                    f"{path.name} is not a text file: it holds null bytes. "
                    "Give it the ending of what it is, or export it again."
                )
            try:
                is_ascii &= decoder.decode(chunk).isascii()
            except UnicodeDecodeError:
                return False
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        # After good characters of this encoding, half a one means that the file was cut.
        if is_ascii:
            return False
        raise Invalid(
            f"{path.name} breaks off inside a character: it is not complete. Copy it again."
        ) from None
    return True


def _dbf_texts(path: Path) -> Iterator[bytes]:
    """Headings and text values of a dBASE table, without most of what is plain ASCII."""
    with path.open("rb") as file:
        try:
            count, header_length, record_length = struct.unpack("<4xIHH", file.read(12))
        except struct.error:
            raise Invalid(f"{path.name} is not a complete dBASE table. Copy it again.") from None
        header = file.read(header_length - 12)[20:]
        spans: list[slice] = []
        position = 1
        for start in range(0, len(header) - 31, 32):
            field = header[start : start + 32]
            # Without the number that GDAL may have put inside a character.
            yield _NUMBER.sub(b"", field[:11].split(b"\0")[0])
            if field[11:12] == b"C":
                spans.append(slice(position, position + field[16]))
            position += field[16]
        for _ in range(count if spans else 0):
            record = file.read(record_length)
            if not record.isascii():
                yield from (record[span].rstrip(b" \0") for span in spans)


def _legible(text: bytes, encoding: str) -> bytes:
    """The text up to its last whole character; with question marks where that does not help."""
    for end in range(len(text), max(len(text) - 4, -1), -1):
        try:
            text[:end].decode(encoding)
        except UnicodeDecodeError:
            continue
        return text[:end]
    return text.decode(encoding, "replace").replace("\ufffd", "?").encode(encoding)


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(text)
    except UnicodeDecodeError:
        return False
    return True
