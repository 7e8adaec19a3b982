"""Encodings: Chinese text is read as it was meant, or refused."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import Invalid
from gridmap.geo.encodings import whole_headings
from tests.geo.gisfiles import (
    SQUARE,
    cut_headings,
    feature,
    kml,
    placemark,
    polygon,
    read,
    write,
    write_geojson,
)


@given(
    headings=st.lists(st.text("网格编码所属社区aB1", min_size=1, max_size=8), max_size=6),
    encoding=st.sampled_from(["utf-8", "gb18030", "gbk"]),
)
def test_headings_cut_at_ten_bytes_are_whole_characters_and_told_apart(
    headings: list[str], encoding: str
) -> None:
    cut = [heading.encode(encoding)[:10] for heading in headings]

    whole = whole_headings(cut, encoding)

    for heading, before, after in zip(headings, cut, whole, strict=True):
        assert len(after) <= 10
        text = after.decode(encoding)
        assert heading.startswith(text) or re.search(r"_\d$", text)
        if heading.encode(encoding) == before:
            assert after == before
    # None is told from another by less than before.
    assert len(set(whole)) >= len(set(cut))


@given(
    headings=st.lists(st.binary(max_size=10), max_size=6),
    encoding=st.sampled_from(["utf-8", "gb18030", "gbk", "big5"]),
)
def test_whatever_the_bytes_headings_can_be_read(headings: list[bytes], encoding: str) -> None:
    for before, after in zip(headings, whole_headings(headings, encoding), strict=True):
        assert len(after) <= 10
        after.decode(encoding)
        with suppress(UnicodeDecodeError):
            before.decode(encoding)
            assert after == before


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
    def test_chinese_geojson_is_read_in_any_usual_encoding(
        self, tmp_path: Path, encoding: str
    ) -> None:
        document = {
            "type": "FeatureCollection",
            "features": [feature(None, 名称="鹤岗市向阳区")] * 9,
        }
        path = tmp_path / "a.geojson"
        path.write_text(json.dumps(document, ensure_ascii=False), encoding=encoding)
        assert read(path).columns == {"名称": ["鹤岗市向阳区"] * 9}

    @pytest.mark.parametrize("declared", ["UTF-8", "GB2312", "gbk", None])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
    def test_chinese_kml_is_read_whatever_it_declares(
        self, tmp_path: Path, encoding: str, declared: str | None
    ) -> None:
        text = kml(placemark(SQUARE, name="鹤岗市", code="向阳区"), declared=declared)
        (tmp_path / "a.kml").write_text(text, encoding=encoding)
        found = read(tmp_path / "a.kml")
        assert (found.columns["Name"], found.columns["code"]) == (["鹤岗市"], ["向阳区"])

    @pytest.mark.parametrize("has_cpg", [True, False])
    @pytest.mark.parametrize("encoding", ["UTF-8", "GB18030", "GBK"])
    def test_a_chinese_shapefile_is_read_with_or_without_its_cpg(
        self, tmp_path: Path, encoding: str, has_cpg: bool
    ) -> None:
        columns: dict[str, list[Any]] = {"名称": ["鹤岗市向阳区", "plain"], "n": [1, 2]}
        path = write(tmp_path / "a.shp", columns, [polygon(SQUARE)] * 2, encoding=encoding)
        if not has_cpg:
            path.with_suffix(".cpg").unlink()
        assert read(path).columns == columns

    @pytest.mark.parametrize("encoding", [None, "utf-8"])
    @pytest.mark.parametrize("has_cpg", [True, False])
    def test_a_heading_that_gdal_damaged_does_not_stop_the_file(
        self, tmp_path: Path, has_cpg: bool, encoding: str | None
    ) -> None:
        columns: dict[str, list[Any]] = {"a": ["1", "2"], "b": ["3", "4"], "c": ["红旗", "向阳"]}
        path = write(tmp_path / "a.shp", columns, [polygon(SQUARE)] * 2, encoding="UTF-8")
        cut_headings(path, ["网格编码", "所属社区编码", "所属社区名称"], "utf-8", "UTF-8")
        # Two are alike when cut to ten bytes, so GDAL numbers the second, inside a character.
        content = path.with_suffix(".dbf").read_bytes()
        place = content.rindex(b"\xe7\xa4\xbe\xe5")
        numbered = content[:place] + b"\xe7\xa4_1" + content[place + 4 :]
        path.with_suffix(".dbf").write_bytes(numbered)
        if not has_cpg:
            path.with_suffix(".cpg").unlink()
        assert read(path, encoding=encoding).columns == {
            "网格编": ["1", "2"],
            "所属社": ["3", "4"],
            "所属?_1": ["红旗", "向阳"],
        }

    def test_a_utf8_value_cut_by_its_field_is_still_utf8(self, tmp_path: Path) -> None:
        columns = {"n": ["向阳区" * 27, "红旗"]}
        path = write(tmp_path / "a.shp", columns, [polygon(SQUARE)] * 2, encoding="UTF-8")
        path.with_suffix(".cpg").unlink()
        table = path.with_suffix(".dbf")
        content = table.read_bytes()
        whole = ("向阳区" * 27).encode()
        assert whole in content
        table.write_bytes(content.replace(whole, whole[:-1] + b" "))
        assert read(path).columns["n"] == ["向阳区" * 26 + "向阳", "红旗"]

    def test_a_given_encoding_is_obeyed(self, tmp_path: Path) -> None:
        # These bytes are two characters in UTF-8 and three in GB18030.
        document = json.dumps({"type": "Feature", "properties": {"a": "?"}, "geometry": None})
        both = "鎴戜".encode("gb18030")
        (tmp_path / "a.geojson").write_bytes(document.encode().replace(b"?", both))
        found = read(tmp_path / "a.geojson", encoding="gb18030")
        assert found.columns["a"] == ["鎴戜"]

    def test_a_shapefile_obeys_it_too(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.shp", {"n": ["東"]}, [polygon(SQUARE)], encoding="BIG5")
        path.with_suffix(".cpg").unlink()
        assert read(path, encoding="big5").columns["n"] == ["東"]

    @pytest.mark.parametrize("encoding", ["klingon", "ascii"])
    def test_an_encoding_that_cannot_be_is_refused(self, tmp_path: Path, encoding: str) -> None:
        path = write_geojson(tmp_path / "a.geojson", [])
        with pytest.raises(Invalid, match="not an encoding of Chinese"):
            read(path, encoding=encoding)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b'{"a": "\xff\xff\xff"}', "neither UTF-8 nor GB18030"),
            ('{"a": "网格员'.encode()[:-1], "breaks off inside a character"),
            (b'{"a": "\x00\x01"}', "not a text file"),
            (b"PK\x03\x04 and so on", "not a text file"),
        ],
    )
    def test_text_that_cannot_be_is_refused(
        self, tmp_path: Path, content: bytes, said: str
    ) -> None:
        (tmp_path / "a.geojson").write_bytes(content)
        with pytest.raises(Invalid, match=said):
            read(tmp_path / "a.geojson")

    def test_a_wrong_given_encoding_is_reported(self, tmp_path: Path) -> None:
        path = tmp_path / "a.geojson"
        path.write_text('{"type":"Feature","properties":{"a":"网格"}}', encoding="gb18030")
        with pytest.raises(Invalid, match="is not utf-8 text"):
            read(path, encoding="utf-8")
