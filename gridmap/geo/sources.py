"""What GDAL is to open: a file as it is, or a copy of it unpacked and in an encoding it takes.

GDAL could look into archives itself, but it does not know the names that Chinese Windows gives to
files in them, nor any encoding of KML but UTF-8, nor Chinese names of KML's untyped data, and it
reads the missing end of a Shapefile as empty rows.
"""

from __future__ import annotations

import codecs
import re
import shutil
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from html import unescape
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

import pyarrow as pa
import pyogrio

from gridmap.errors import Invalid, TooLarge
from gridmap.geo.encodings import dbf_encoding, open_as_utf8, text_encoding, whole_headings

DRIVERS = {
    ".gpkg": "GPKG",
    ".fgb": "FlatGeobuf",
    ".shp": "ESRI Shapefile",
    ".zip": "ESRI Shapefile",
    ".kml": "LIBKML",
    ".kmz": "LIBKML",
}
_FORMAT_NAMES = {"GPKG": "GeoPackage", "ESRI Shapefile": "Shapefile", "LIBKML": "KML"}


class Source(NamedTuple):
    """What GDAL is to open, and the name by which its owner knows it.

    `headings`: what columns are called in truth that go by stand-ins in `path`.
    """

    path: Path
    name: str
    driver: str
    layer: str | None
    encoding: str | None
    headings: Mapping[str, str] = MappingProxyType({})


def source_of(
    path: Path, ending: str, layer: str | None, encoding: str | None, stack: ExitStack
) -> Source:
    """What to open for `path`: itself, or a copy that lasts as long as the stack.

    Raises Invalid when it lacks a part, breaks off, or is in no encoding that can be told.
    """
    driver = DRIVERS[ending]
    name = path.name
    if ending == ".zip":
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gridmap-")))
        path = _unzipped_shapefile(path, layer, folder)
        layer = None
    if driver == "ESRI Shapefile":
        parts = _shapefile_parts(path, name)
        encoding = encoding or (None if ".cpg" in parts else dbf_encoding(parts[".dbf"]))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gridmap-")))
        path = _with_whole_headings(path, parts, folder, encoding)
        return Source(path, name, driver, layer, encoding)
    if driver == "LIBKML":
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gridmap-")))
        path, headings = _with_plain_names(_utf8_kml(path, ending, folder, encoding), folder)
        return Source(path, name, driver, layer, None, headings)
    return Source(path, name, driver, layer, None)


def count_zipped(path: Path, layer: str | None) -> int:
    """The number of rows of a Shapefile in an archive, as its table's heading has it."""
    with reading(path.name, "a zipped Shapefile"), zipfile.ZipFile(path) as archive:
        members = _shapefile_in(path.name, archive, layer)
        with archive.open(members[".dbf"]) as table:
            return int(struct.unpack("<4xI", table.read(8))[0])


def chosen_layer(source: Source) -> str:
    """The name of the layer to read; raises Invalid, naming them all, where that is not clear."""
    with reading(source.name, source.driver):
        listed = pyogrio.list_layers(source.path)
    with_geometry = [str(name) for name, kind in listed if kind is not None]
    names = [str(name) for name, _ in listed]
    candidates = [source.layer] if source.layer is not None else with_geometry or names
    if len(candidates) != 1 or candidates[0] not in names:
        raise _unknown_layer(source.name, source.layer, names)
    return candidates[0]


@contextmanager
def reading(name: str, driver: str) -> Iterator[None]:
    """Turns what the libraries raise into Invalid, and keeps their warnings from the console."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    except (RuntimeError, OSError, pa.ArrowException, UnicodeDecodeError, struct.error,
            zipfile.BadZipFile) as error:  # fmt: skip
        reason = str(error).split("; It might help")[0].rstrip(".")
        hint = "Name its encoding." if isinstance(error, UnicodeDecodeError) else (
            "Export it or copy it again, and see that its ending is that of its format."
        )  # fmt: skip
        raise Invalid(
            f"{name} cannot be read as {_FORMAT_NAMES.get(driver, driver)}: {reason}. {hint}"
        ) from error


# A Shapefile's parts cannot be longer by their own format, nor has a KML reason to be.
_LARGEST_MEMBER = 1 << 32

_SHAPEFILE_PARTS = (".shp", ".shx", ".dbf")
_SHAPEFILE_EXTRAS = (".prj", ".cpg")
_XML_ENCODING = re.compile(r"""(<\?xml[^>]*?encoding\s*=\s*["'])([^"']*)""")

_DATA_NAME = re.compile(rb"""(<(?:\w+:)?Data\s(?:[^<>]*?\s)?name\s*=\s*)("[^"]*"|'[^']*')""")
_PLAIN_NAME = re.compile("[A-Za-z0-9_]*")


def _shapefile_parts(path: Path, name: str) -> dict[str, Path]:
    """The files of a Shapefile by their endings, once it is certain that it is whole."""
    parts = {
        sibling.suffix.lower(): sibling
        for sibling in path.parent.iterdir()
        if sibling.stem == path.stem
    }
    if missing := [part for part in _SHAPEFILE_PARTS if part not in parts]:
        raise Invalid(
            f"{name} lacks its {' and '.join(missing)} file. A Shapefile is several files of "
            "one name; put them into one folder, or into one .zip."
        )
    for part in _SHAPEFILE_PARTS:
        _check_whole(parts[part], name)
    return parts


def _with_whole_headings(
    path: Path, parts: dict[str, Path], folder: Path, encoding: str | None
) -> Path:
    """The Shapefile itself, or one beside in whose table every heading can be read.

    A heading has ten bytes there, which is three Chinese characters in UTF-8 and a third of one
    that GDAL would not read.
    """
    codec = _codec_of(encoding or parts[".cpg"].read_text(errors="replace"))
    with parts[".dbf"].open("rb") as table:
        head = table.read(struct.unpack("<8xH", table.read(10))[0] - 10)[22:]
    raw = [head[i : i + 11].split(b"\0")[0] for i in range(0, len(head) - 31, 32)]
    whole = whole_headings(raw, codec) if codec else raw
    if whole == raw:
        return path
    for ending in (*_SHAPEFILE_PARTS, *_SHAPEFILE_EXTRAS):
        if ending in parts and ending != ".dbf":
            (folder / f"{path.stem}{ending}").symlink_to(parts[ending].resolve())
    copy = folder / f"{path.stem}.dbf"
    shutil.copyfile(parts[".dbf"], copy)
    with copy.open("r+b") as table:
        for i, heading in enumerate(whole):
            table.seek(32 * (i + 1))
            table.write(heading.ljust(11, b"\0"))
    return folder / f"{path.stem}.shp"


def _codec_of(said: str) -> str | None:
    """Python's name for what a person or a .cpg file calls UTF-8 or 936; None if it has none."""
    said = said.strip().lower().removeprefix("ansi ")
    for name in (said, f"cp{said}"):
        with suppress(LookupError, ValueError):
            return codecs.lookup(name).name
    return None


def _check_whole(part: Path, name: str) -> None:
    """Refuse a part shorter than its heading says: GDAL would read what is missing as empty."""
    with part.open("rb") as file:
        head = file.read(32)
    if part.suffix.lower() == ".dbf":
        count, head_length, record_length = struct.unpack_from("<4xIHH", head.ljust(32, b"\0"))
        length = head_length + count * record_length
    else:
        (words,) = struct.unpack_from(">24xI", head.ljust(32, b"\0"))
        length = 2 * words
    if part.stat().st_size < max(length, len(head), 32):
        raise Invalid(
            f"{name} is not complete: its {part.suffix.lower()} file should be {length} bytes long "
            f"and is {part.stat().st_size}. Export it or copy it again."
        )


def _shapefile_in(
    name: str, archive: zipfile.ZipFile, layer: str | None
) -> dict[str, zipfile.ZipInfo]:
    """The members, by their endings, of the chosen Shapefile in an archive."""
    found: dict[PurePosixPath, dict[str, zipfile.ZipInfo]] = {}
    for member in archive.infolist():
        inside = PurePosixPath(_member_name(member))
        # macOS adds a shadow of each file.
        if "__MACOSX" in inside.parts or inside.name.startswith("._"):
            continue
        found.setdefault(inside.with_suffix(""), {})[inside.suffix.lower()] = member
    layers = {str(stem): members for stem, members in found.items() if ".shp" in members}
    if not layers:
        inside_names = [_member_name(member) for member in archive.infolist()[:5]]
        raise Invalid(
            f"{name} has no Shapefile (.shp) in it, but {', '.join(inside_names) or 'nothing'}. "
            "Take out the file to be read."
        )
    named = {PurePosixPath(stem).name: stem for stem in layers}
    if layer is None and len(layers) == 1:
        (layer,) = layers
    chosen = layer if layer in layers else named.get(layer or "", "")
    if not chosen:
        raise _unknown_layer(name, layer, layers)
    members = layers[chosen]
    if missing := [part for part in _SHAPEFILE_PARTS if part not in members]:
        raise Invalid(
            f"The Shapefile {chosen} in {name} lacks its {' and '.join(missing)} file. "
            "Put all files of that name into the archive."
        )
    return members


def _member_name(member: zipfile.ZipInfo) -> str:
    """A name in an archive: UTF-8 where it says so, else as Chinese Windows writes it."""
    if member.flag_bits & 0x800:
        return member.filename
    raw = member.filename.encode("cp437", "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding).replace("\\", "/")
        except UnicodeDecodeError:
            continue
    return member.filename


def _unzipped_shapefile(path: Path, layer: str | None, folder: Path) -> Path:
    with reading(path.name, "a zipped Shapefile"), zipfile.ZipFile(path) as archive:
        members = _shapefile_in(path.name, archive, layer)
        for ending in _SHAPEFILE_PARTS + _SHAPEFILE_EXTRAS:
            if ending not in members:
                continue
            _unpack(archive, members[ending], folder / f"layer{ending}")
    return folder / "layer.shp"


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    if member.file_size > _LARGEST_MEMBER:
        raise TooLarge(
            f"{_member_name(member)} would be {member.file_size >> 30} GiB long when unpacked. "
            "Send a GeoPackage instead."
        )
    with archive.open(member) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file)


def _utf8_kml(path: Path, ending: str, folder: Path, encoding: str | None) -> Path:
    """The KML text in UTF-8, which is all that GDAL takes: the file itself, or a copy."""
    if ending == ".kmz":
        with reading(path.name, "KMZ"), zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.lower().endswith(".kml")]
            if not members:
                raise Invalid(f"{path.name} has no .kml file in it. Export it again.")
            _unpack(archive, members[0], folder / "packed.kml")
        path = folder / "packed.kml"
    codec = text_encoding(path, encoding)
    with open_as_utf8(path, codec) as text:
        try:
            head = text.read(4096)
            declared = _XML_ENCODING.search(head.decode(errors="replace"))
            if codec == "utf-8-sig" and (not declared or declared[2].lower() == "utf-8"):
                return path
            with (folder / "utf8.kml").open("wb") as copy:
                copy.write(re.sub(_XML_ENCODING.pattern.encode(), rb"\1UTF-8", head, count=1))
                shutil.copyfileobj(text, copy)
        except UnicodeDecodeError as error:
            raise Invalid(f"{path.name} is not {codec} text: {error.reason}.") from error
    return folder / "utf8.kml"


def _with_plain_names(path: Path, folder: Path) -> tuple[Path, dict[str, str]]:
    """The KML, or a copy in which untyped data go by stand-ins, and what those stand for.

    GDAL makes an underscore of each byte of such a name that is no ASCII letter or digit, so that
    网格编码 and 网格名称 become one column, with the values of the latter.
    """
    stand_ins: dict[str, str] = {}

    def plain(match: re.Match[bytes]) -> bytes:
        name = unescape(match[2][1:-1].decode(errors="replace")).strip()
        if _PLAIN_NAME.fullmatch(name):
            return match[0]
        stand_in = stand_ins.setdefault(name, f"gridmap_data_{len(stand_ins) + 1}")
        return b'%b"%b"' % (match[1], stand_in.encode())

    changed = _DATA_NAME.sub(plain, path.read_bytes())
    if not stand_ins:
        return path, {}
    copy = folder / "named.kml"
    copy.write_bytes(changed)
    return copy, {stand_in: name for name, stand_in in stand_ins.items()}


def _unknown_layer(source: str, layer: str | None, names: Iterable[str]) -> Invalid:
    listed = ", ".join(repr(name) for name in names)
    if not listed:
        return Invalid(f"{source} has no layers: there is nothing to read in it.")
    if layer is None:
        return Invalid(f"{source} has several layers: {listed}. Name the one to read.")
    return Invalid(f"{source} has no layer {layer!r}; it has {listed}. Name one of these.")
