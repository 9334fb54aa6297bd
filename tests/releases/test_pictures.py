"""Screenshots: black where it must be, nothing of the metadata left, hostile files refused."""

from __future__ import annotations

import hashlib
import io
import struct
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from app.disputes.redactions import Area, Why
from app.disputes.service import AreaOutside
from app.inspection.sandbox import Sandbox
from app.releases import derive, pictures, recipes
from app.releases.orientation import orientation_of
from app.releases.pictures import Drawn, Picture
from app.releases.refusals import PictureUnreadable
from tests.inspection.conftest import CORPUS, needs_corpus

SIZE = (48, 32)
FORMATS = ("PNG", "JPEG", "WEBP")


def _area(x: int, y: int, w: int, h: int) -> Area:
    return Area(x=x, y=y, w=w, h=h, reason=Why.PERSONAL_DATA)


def _image() -> Image.Image:
    """Return a white picture whose upper left corner is red."""
    image = Image.new("RGB", SIZE, (255, 255, 255))
    image.paste((255, 0, 0), (0, 0, 16, 16))
    return image


def _draw(
    body: bytes,
    sandbox: Sandbox,
    areas: Sequence[Area] = (),
    *,
    media_type: str = "image/png",
    size: tuple[int, int] = SIZE,
) -> Drawn:
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        picture = Picture(
            screenshot="s",
            sha256=hashlib.sha256(body).hexdigest(),
            size_bytes=len(body),
            media_type=media_type,
            width=size[0],
            height=size[1],
        )
        return pictures.draw(picture, file, areas, sandbox=sandbox)


def _saved(image: Image.Image, form: str, **more: object) -> bytes:
    written = io.BytesIO()
    image.save(written, form, **more)
    return written.getvalue()


def _chunks(png: bytes) -> list[bytes]:
    names, place = [], 8
    while place < len(png):
        (size,) = struct.unpack_from(">I", png, place)
        names.append(png[place + 4 : place + 8])
        place += 12 + size
    return names


def test_an_area_is_black_to_the_pixel(sandbox: Sandbox) -> None:
    drawn = _draw(_saved(_image(), "PNG"), sandbox, [_area(10, 5, 20, 7), _area(47, 31, 1, 1)])
    shown = Image.open(io.BytesIO(drawn.body))
    for x in range(SIZE[0]):
        for y in range(SIZE[1]):
            hidden = (10 <= x < 30 and 5 <= y < 12) or (x, y) == (47, 31)
            expected = (0, 0, 0) if hidden else _image().getpixel((x, y))
            assert shown.getpixel((x, y)) == expected, (x, y)


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_of_the_metadata_is_left(sandbox: Sandbox, form: str) -> None:
    marks = Image.Exif()
    marks[0x010E] = "secret place"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "secret place")
    body = _saved(_image(), form, exif=marks, pnginfo=texts) + b"secret place after the end"
    assert b"secret place" in body
    drawn = _draw(body, sandbox, media_type=f"image/{form.lower()}")
    assert b"secret" not in drawn.body
    assert set(_chunks(drawn.body)) == {b"IHDR", b"IDAT", b"IEND"}
    assert Image.open(io.BytesIO(drawn.body)).info == {}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_as_everybody_shows_it(sandbox: Sandbox, form: str, orientation: int) -> None:
    marks = Image.Exif()
    marks[0x0112] = orientation
    body = _saved(_image(), form, exif=marks, quality=95)
    assert orientation_of(body) == orientation
    width, height = SIZE if orientation < 5 else SIZE[::-1]
    corner = {1: 0, 5: 0, 2: 1, 6: 1, 3: 2, 7: 2, 4: 3, 8: 3}[orientation]
    left = 2 if corner in (0, 3) else width - 12
    top = 2 if corner in (0, 1) else height - 12
    drawn = _draw(body, sandbox, [_area(left, top, 10, 10)], media_type=f"image/{form.lower()}")
    shown = Image.open(io.BytesIO(drawn.body))
    assert shown.size == (drawn.width, drawn.height) == (width, height)
    assert shown.getpixel((left, top)) == shown.getpixel((left + 9, top + 9)) == (0, 0, 0)
    red = shown.getpixel((left - 1 if corner in (0, 3) else left + 10, top + 5))
    assert isinstance(red, tuple)
    assert red[0] > 200
    assert red[1] < 100


def test_what_is_transparent_hides_nothing(sandbox: Sandbox) -> None:
    """The colour of a pixel that nobody sees does not leave."""
    image = Image.new("RGBA", SIZE, (1, 2, 3, 0))
    shown = Image.open(io.BytesIO(_draw(_saved(image, "PNG"), sandbox).body))
    assert shown.mode == "RGB"
    assert shown.getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("area", [(0, 0, 49, 1), (0, 0, 1, 33), (48, 0, 1, 1), (30, 0, 32, 1)])
def test_an_area_outside_is_refused_and_not_forgotten(
    sandbox: Sandbox, area: tuple[int, int, int, int]
) -> None:
    with pytest.raises(AreaOutside):
        _draw(_saved(_image(), "PNG"), sandbox, [_area(*area)])


def _bomb(width: int, height: int) -> bytes:
    """Return a PNG that declares many pixels and holds few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"", "image/png"),
        (b"\x89PNG\r\n\x1a\n" + b"\xff" * 100, "image/png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png"),
        (b"#EXTM3U\nfile:///etc/passwd", "image/jpeg"),
        (_saved(_image(), "PNG"), "image/webp"),
        (_saved(_image(), "GIF"), "image/png"),
        (_saved(_image(), "PNG"), "image/svg+xml"),
        (_bomb(30_000, 30_000), "image/png"),
        (_saved(_image().resize((480, 320)), "PNG"), "image/png"),
    ],
)
def test_a_hostile_file_is_refused(sandbox: Sandbox, body: bytes, media_type: str) -> None:
    """Whatever it declares, no more pixels come than were told of when it was received."""
    with pytest.raises(PictureUnreadable):
        _draw(body, sandbox, media_type=media_type)


@given(st.binary(max_size=200))
def test_no_metadata_breaks_the_reader(rest: bytes) -> None:
    for head in (b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"):
        assert 1 <= orientation_of(head + rest) <= 8
    exif = b"\xff\xd8\xff\xe1\x01\x00Exif\0\0II*\0" + rest
    assert 1 <= orientation_of(exif) <= 8


@needs_corpus
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("screenshot_1c.png", (1024, 640)),
        ("screenshot_network.jpg", (1280, 720)),
        ("screenshot_vat.webp", (960, 600)),
    ],
)
def test_a_recipe_draws_the_same_bytes_again(
    sandbox: Sandbox, tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    path = CORPUS / "screenshots" / name
    kind = {"png": "png", "jpg": "jpeg", "webp": "webp"}[path.suffix[1:]]
    areas = [_area(100, 50, 200, 30), _area(0, 0, 5, 5)]
    drawn = _draw(path.read_bytes(), sandbox, areas[::-1], media_type=f"image/{kind}", size=size)
    recipe, out = tmp_path / "derivation.json", tmp_path / "out.png"
    recipe.write_bytes(recipes.canonical(drawn.told(operator=None)))
    again = derive.rederive(recipe, [path], sandbox, out=out)
    assert (again.is_same, again.differences) == (True, ())
    assert out.read_bytes() == drawn.body
    assert again.sha256 == hashlib.sha256(drawn.body).hexdigest()
