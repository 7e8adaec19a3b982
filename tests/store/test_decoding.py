"""What becomes of an image, held against its bytes read by hand and pixels drawn by hand."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gridmap.errors import GridmapError, Invalid, TooLarge
from gridmap.store.decoding import picture
from gridmap.store.images import MOST_PIXELS, Picture
from tests.pictures import (
    BLUE,
    QUARTERS,
    RED,
    SECRET,
    bomb,
    colours_of_quarters,
    encoded,
    exif,
    photograph,
    pixels_of,
    png,
    quarters,
    segments,
    swapping_profile,
    truncations,
    upright_by,
    with_everything,
)

FORMATS = ["JPEG", "PNG", "WEBP", "HEIF"]

# In what is not compressed: the camera's maker, XMP, the note, the profile, after the end; a JPEG
# has IPTC as well.
_SECRETS = {"JPEG": 6, "PNG": 4, "WEBP": 4, "HEIF": 4}

# Quantisation, frame header, Huffman tables, the scan.
_OF_PIXELS = {0xDB, 0xC0, 0xC4, 0xDA}

# JFIF 1.1 without a unit and without a thumbnail.
_JFIF = (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def assert_holds_pixels_alone(file: bytes) -> None:
    first, *others = segments(file)
    assert first == _JFIF
    assert {marker for marker, _ in others} == _OF_PIXELS
    assert SECRET not in file


def assert_shows(made: Picture, colours: object, tolerance: int = 12) -> None:
    for file in (made.photo, made.thumbnail):
        seen = colours_of_quarters(pixels_of(file)).astype(int)
        assert np.abs(seen - np.array(colours)).max() <= tolerance, seen


class TestMetadata:
    @pytest.mark.parametrize("form", FORMATS)
    def test_nothing_but_pixels_is_left(self, form: str) -> None:
        sent = with_everything(form, swapping_profile())
        # It was there: the position, in whole and tenths of seconds, and the secret.
        opened = Image.open(io.BytesIO(sent))
        assert opened.getexif().get_ifd(0x8825)[4] == pytest.approx((130, 17, 11.8))
        assert opened.info["icc_profile"] == swapping_profile()
        assert sent.count(SECRET) == _SECRETS[form]

        made = picture(sent)

        assert_holds_pixels_alone(made.photo)
        assert_holds_pixels_alone(made.thumbnail)

    def test_what_is_hidden_after_the_image_is_left_behind(self) -> None:
        hidden = b"PK\x03\x04<script>" + SECRET
        assert picture(photograph() + hidden) == picture(photograph())

    def test_a_profile_is_applied_before_it_is_dropped(self) -> None:
        made = picture(encoded(quarters(), "PNG", icc_profile=swapping_profile()))
        swapped = [(blue, green, red) for red, green, blue in QUARTERS]
        assert_shows(made, swapped)

    @pytest.mark.parametrize("profile", [b"\0" * 200, swapping_profile()[:150]])
    def test_a_broken_profile_is_passed_over(self, profile: bytes) -> None:
        assert_shows(picture(encoded(quarters(), "PNG", icc_profile=profile)), QUARTERS)

    def test_a_profile_of_another_kind_of_image_is_passed_over(self) -> None:
        grey = Image.new("L", (40, 40), 100)
        made = picture(encoded(grey, "PNG", icc_profile=swapping_profile()))
        assert_shows(made, [(100, 100, 100)] * 4)

    def test_a_broken_exif_does_not_matter(self) -> None:
        made = picture(encoded(quarters(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
        assert_shows(made, QUARTERS)


class TestOrientation:
    @pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_photo_is_upright(self, form: str, orientation: int) -> None:
        stored = upright_by(orientation, quarters())
        made = picture(encoded(stored, form, exif=exif(orientation)))
        assert (made.width, made.height) == (240, 160)
        assert_shows(made, QUARTERS)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_heic_is_upright_once(self, orientation: int) -> None:
        """It says so twice: in its own boxes, which decoders heed, and in EXIF."""
        stored = upright_by(orientation, quarters())
        made = picture(encoded(stored, "HEIF", exif=exif(orientation), quality=90))
        assert (made.width, made.height) == (240, 160)
        assert_shows(made, QUARTERS)


class TestPixels:
    @pytest.mark.parametrize("form", FORMATS)
    def test_every_format_keeps_its_colours(self, form: str) -> None:
        made = picture(encoded(quarters(), form, quality=90))
        assert (made.width, made.height) == (240, 160)
        assert_shows(made, QUARTERS)

    @pytest.mark.parametrize("is_progressive", [False, True])
    def test_cmyk_becomes_rgb(self, is_progressive: bool) -> None:
        cmyk = Image.fromarray(quarters()).convert("CMYK")
        made = picture(encoded(cmyk, "JPEG", quality=95, progressive=is_progressive))
        assert_shows(made, QUARTERS)

    def test_sixteen_bits_become_eight(self) -> None:
        grey = np.repeat(np.array([[0x2000, 0xE0FF]], ">u2"), 40, axis=1)
        made = picture(png(80, 40, 16, 0, [grey.tobytes()] * 40))
        assert_shows(made, [(0x20,) * 3, (0xE0,) * 3] * 2)
        colour = (quarters(80, 40).astype(np.uint16) * 257).astype(">u2")
        made = picture(png(80, 40, 16, 2, [row.tobytes() for row in colour]))
        assert_shows(made, QUARTERS)

    def test_few_colours_become_as_many_as_they_were(self) -> None:
        palette = Image.fromarray(quarters()).quantize(4)
        assert_shows(picture(encoded(palette, "PNG")), QUARTERS)
        # One bit a pixel, eight a byte: the left half black, the right half white.
        made = picture(png(80, 40, 1, 0, [b"\0" * 5 + b"\xff" * 5] * 40))
        assert_shows(made, [(0,) * 3, (255,) * 3] * 2)

    @pytest.mark.parametrize("form", ["PNG", "WEBP"])
    def test_what_is_transparent_is_white(self, form: str) -> None:
        clear = np.dstack([quarters(), np.full((160, 240), 255, np.uint8)])
        clear[:80, :120] = (0, 0, 0, 0)
        clear[80:, :120] = (0, 0, 0, 128)
        made = picture(encoded(clear, form, lossless=True))
        assert_shows(made, [(255,) * 3, QUARTERS[1], (127,) * 3, QUARTERS[3]])

    def test_a_transparent_palette_and_a_transparent_grey_are_white(self) -> None:
        palette = Image.fromarray(quarters()).quantize(4)
        black = palette.getpixel((0, 0))
        made = picture(encoded(palette, "PNG", transparency=black))
        assert_shows(made, [(255,) * 3, *QUARTERS[1:]])
        made = picture(encoded(Image.new("LA", (40, 40), (0, 0)), "PNG"))
        assert_shows(made, [(255,) * 3] * 4)

    @pytest.mark.parametrize("form", ["WEBP", "PNG", "MPO"])
    def test_of_an_animation_the_first_frame_is_kept(self, form: str) -> None:
        frames = [Image.new("RGB", (60, 40), colour) for colour in (RED, BLUE, BLUE)]
        options = {"save_all": True, "append_images": frames[1:], "duration": 100}
        made = picture(encoded(frames[0], form, **options))
        assert_shows(made, [RED] * 4)

    def test_a_large_photo_is_made_smaller_and_a_small_one_is_left(self) -> None:
        made = picture(photograph(4000, 3000))
        assert (made.width, made.height) == (2560, 1920)
        assert pixels_of(made.photo).shape == (1920, 2560, 3)
        assert pixels_of(made.thumbnail).shape == (240, 320, 3)
        assert_shows(made, QUARTERS)
        made = picture(photograph(100, 300))
        assert pixels_of(made.photo).shape == (300, 100, 3)
        assert pixels_of(made.thumbnail).shape == (300, 100, 3)

    @settings(max_examples=40, deadline=None)
    @given(st.integers(1, 3000), st.integers(1, 60), st.booleans(), st.integers(1, 8))
    def test_every_shape_keeps_its_proportion(
        self, longer: int, shorter: int, is_high: bool, orientation: int
    ) -> None:
        width, height = (shorter, longer) if is_high else (longer, shorter)
        stored = upright_by(orientation, quarters(width, height))
        made = picture(encoded(stored, "JPEG", exif=exif(orientation)))
        scale = min(1, 2560 / max(width, height))
        assert abs(made.width - width * scale) <= 1
        assert abs(made.height - height * scale) <= 1
        seen = pixels_of(made.photo).shape
        assert seen == (made.height, made.width, 3)
        small = pixels_of(made.thumbnail).shape
        assert max(small) <= 320
        assert max(small[:2]) == min(320, made.width if made.width > made.height else made.height)

    def test_the_largest_photo_of_a_phone_is_taken(self) -> None:
        grey = Image.new("L", (8192, 6144), 90)
        made = picture(encoded(grey, "JPEG"))
        assert (made.width, made.height) == (2560, 1920)


class TestRefusals:
    @pytest.mark.parametrize(
        "sent",
        [
            b"",
            b"\0",
            b"hello, this is not an image at all",
            b"%PDF-1.7\n",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            encoded(quarters(), "GIF"),
            encoded(quarters(), "BMP"),
            encoded(quarters(), "TIFF"),
            encoded(quarters(), "AVIF"),
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\x10\0\0\0WEBPVP8X",
            b"\0\0\0\x18ftypheic",
        ],
        ids=lambda sent: repr(sent[:12]),
    )
    def test_what_is_no_image_that_is_taken_is_refused(self, sent: bytes) -> None:
        with pytest.raises(Invalid, match=r"JPEG, PNG, WebP or HEIC|broken or incomplete"):
            picture(sent)

    @pytest.mark.parametrize("form", FORMATS)
    def test_a_file_that_ends_early_is_refused(self, form: str) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (160, 240, 3), np.uint8)
        for part in truncations(encoded(noise, form)):
            with pytest.raises(Invalid, match="broken or incomplete"):
                picture(part)

    def test_a_bomb_is_refused_by_its_first_bytes(self) -> None:
        sent = bomb()
        assert len(sent) < 2_000_000
        with pytest.raises(TooLarge, match=str(MOST_PIXELS)):
            picture(sent)

    def test_a_webp_or_jpeg_that_only_claims_to_be_large_is_refused(self) -> None:
        webp = bytearray(encoded(Image.new("RGBA", (40, 40)), "WEBP", exif=exif()))
        assert webp[12:16] == b"VP8X"
        webp[24:30] = (16_382).to_bytes(3, "little") * 2
        jpeg = photograph()
        frame = jpeg.index(b"\xff\xc0")
        jpeg = jpeg[: frame + 5] + b"\xff\xdc\xff\xdc" + jpeg[frame + 9 :]
        for sent in (bytes(webp), jpeg):
            with pytest.raises(TooLarge):
                picture(sent)

    def test_a_jpeg_that_is_written_over_and_over_is_refused(self) -> None:
        jpeg = encoded(quarters(), "JPEG", progressive=True)
        scan, end = jpeg.rindex(b"\xff\xda"), jpeg.rindex(b"\xff\xd9")
        assert jpeg.count(b"\xff\xda") == 10
        for times, is_taken in ((41, True), (42, False), (30_000, False)):
            sent = jpeg[:scan] + jpeg[scan:end] * times + jpeg[end:]
            if is_taken:
                assert_shows(picture(sent), QUARTERS)
            else:
                with pytest.raises(TooLarge, match="more than 50 scans"):
                    picture(sent)

    def test_what_only_looks_like_scans_is_none(self) -> None:
        """As in a phone's film after the photo, or in a camera's notes."""
        scans = b"\xff\xda\0\2" * 1_000
        sent = encoded(quarters(), "JPEG", comment=scans, progressive=True) + scans
        assert sent.count(b"\xff\xda") > 2_000
        assert_shows(picture(sent), QUARTERS)

    @pytest.mark.parametrize("form", FORMATS)
    def test_a_damaged_file_is_an_image_or_refused_but_never_an_accident(self, form: str) -> None:
        whole = with_everything(form, swapping_profile())
        chance = random.Random(7)
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(chance.randrange(1, 20)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                made = picture(bytes(damaged))
            except GridmapError:
                continue
            assert_holds_pixels_alone(made.photo)
