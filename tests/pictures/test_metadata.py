"""What metadata tell, and that broken ones tell nothing and cost nothing."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pictures.metadata import MOST_CHARACTERS, MOST_FACTS, Metadata, read
from tests.pictures.drawn import drawn, photo


def chunk(name: bytes, part: bytes) -> bytes:
    return struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))


def with_chunk(name: bytes, part: bytes) -> bytes:
    whole = drawn("x")
    return whole[:33] + chunk(name, part) + whole[33:]


def test_a_photo_tells_of_device_person_and_place_apart() -> None:
    found = read(photo())
    assert found.plain["Make"] == "Xiaomi"
    assert found.plain["Model"] == "Redmi 9"
    assert found.personal["GPSLatitude"] == "55.0 45.0 7.0"
    assert "GPSLongitude" in found.personal
    assert not {"Make", "Model"} & found.personal.keys()
    assert not any(name.startswith("GPS") for name in found.plain)


def test_texts_of_a_png_are_read_in_every_form() -> None:
    told = {"Software": "Снимок 2.1", "Author": "Иванов", "Description": "Ошибка в 1С"}
    found = read(drawn("x", told=told))
    assert found.plain == {"Software": "Снимок 2.1"}
    assert found.personal == {"Author": "Иванов", "Description": "Ошибка в 1С"}
    old = read(with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"told in brief")))
    assert old.personal == {"Comment": "told in brief"}


def test_a_text_that_unpacks_to_much_is_cut() -> None:
    bomb = zlib.compress(b"a" * 200_000_000, 9)
    found = read(with_chunk(b"zTXt", b"Comment\0\0" + bomb))
    assert len(found.personal["Comment"]) == MOST_CHARACTERS


def test_of_very_many_texts_some_are_kept() -> None:
    whole = drawn("x")
    many = b"".join(chunk(b"tEXt", f"k{one}\0v".encode()) for one in range(1000))
    assert len(read(whole[:33] + many + whole[33:]).personal) == MOST_FACTS


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xff", b"RIFF\0\0\0\0WEBPEXIF"]
)
def test_what_is_broken_tells_nothing(body: bytes) -> None:
    assert read(body) == Metadata()


@given(st.integers(0, 400), st.binary(min_size=1, max_size=40))
def test_no_bytes_break_the_reader(place: int, other: bytes) -> None:
    whole = photo()
    read(whole[:place] + other + whole[place + len(other) :])
