"""What the metadata of a PNG, JPEG or WebP tell. Pure; nothing is decoded but texts, and in bounds.

Sources: EXIF 2.32, 4.6; PNG 3, 11.3.3 and 11.3.4; RFC 9649, 2.7.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import Image
from PIL.ExifTags import GPSTAGS, IFD, TAGS

MOST_FACTS: Final = 60
MOST_CHARACTERS: Final = 500
_MOST_PARTS: Final = 10_000
_MOST_PACKED_BYTES: Final = 64 * 1024
_MOST_EXIF_BYTES: Final = 256 * 1024
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SCAN: Final = 0xDA
_APP1: Final = 0xE1
_COMMENT: Final = 0xFE
_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
# What tells of a program or a device; all else may tell of a person, and so do free words.
_PLAIN: Final = frozenset(
    {"Software", "Make", "Model", "DateTime", "DateTimeOriginal", "DateTimeDigitized"}
    | {"OffsetTime", "OffsetTimeOriginal", "Orientation", "XResolution", "YResolution"}
    | {"ResolutionUnit", "ColorSpace", "ExifImageWidth", "ExifImageHeight", "LensModel"}
    | {"Creation Time", "Source", "pHYs", "tIME"}
)
_SKIPPED: Final = frozenset({"MakerNote", "ExifOffset", "GPSInfo", "PrintImageMatching"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Facts of the program and the device; and those of people and places."""

    plain: Mapping[str, str] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)


def read(body: bytes) -> Metadata:
    """Return what the metadata of a picture tell; of what is broken, what comes before."""
    told: dict[str, str] = {}
    try:
        for name, value in _facts(body):
            if len(told) >= MOST_FACTS:
                break
            kept = _as_text(value)
            if kept:
                told.setdefault(name, kept)
    except (struct.error, IndexError, zlib.error):
        pass
    return Metadata(
        plain={name: value for name, value in told.items() if name in _PLAIN},
        personal={name: value for name, value in told.items() if name not in _PLAIN},
    )


def _facts(body: bytes) -> Iterator[tuple[str, object]]:
    if body.startswith(_PNG):
        for name, part in _chunks(body, begin=8, order=">", size_first=True):
            yield from _of_png(name, part)
    elif body.startswith(b"\xff\xd8"):
        yield from _of_jpeg(body)
    elif body[:4] == b"RIFF":
        for name, part in _chunks(body, begin=12, order="<", size_first=False):
            if name == b"EXIF":
                yield from _of_exif(part.removeprefix(_EXIF))
            elif name == b"XMP ":
                yield "XMP", part


def _chunks(
    body: bytes, *, begin: int, order: str, size_first: bool
) -> Iterator[tuple[bytes, bytes]]:
    place = begin
    for _ in range(_MOST_PARTS):
        if place + 8 > len(body):
            return
        size_at, name_at = (place, place + 4) if size_first else (place + 4, place)
        (size_bytes,) = struct.unpack_from(f"{order}I", body, size_at)
        yield body[name_at : name_at + 4], body[place + 8 : place + 8 + size_bytes]
        # A PNG's chunk ends with a checksum, a WebP's is filled up to an even size.
        place += 8 + size_bytes + (4 if size_first else size_bytes % 2)


def _of_png(name: bytes, part: bytes) -> Iterator[tuple[str, object]]:
    key, _, rest = part.partition(b"\0")
    match name:
        case b"tEXt":
            yield key.decode("latin-1"), rest.decode("latin-1")
        case b"zTXt":
            yield key.decode("latin-1"), _unpacked(rest[1:]).decode("latin-1")
        case b"iTXt":
            is_packed, (_, _, value) = rest[:1] == b"\1", rest[2:].partition(b"\0")
            value = value.partition(b"\0")[2]
            yield key.decode("latin-1"), _unpacked(value) if is_packed else value
        case b"tIME" if len(part) == 7:  # noqa: PLR2004 - year and five numbers.
            year, *rest_of = struct.unpack(">H5B", part)
            month, day, hour, minute, second = rest_of
            yield "tIME", f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        case b"eXIf":
            yield from _of_exif(part.removeprefix(_EXIF))


def _of_jpeg(body: bytes) -> Iterator[tuple[str, object]]:
    place = 2
    for _ in range(_MOST_PARTS):
        if place + 4 > len(body) or body[place] != 0xFF or body[place + 1] == _SCAN:  # noqa: PLR2004 - every marker begins so.
            return
        kind = body[place + 1]
        (size_bytes,) = struct.unpack_from(">H", body, place + 2)
        part = body[place + 4 : place + 2 + size_bytes]
        if kind == _APP1 and part.startswith(_EXIF):
            yield from _of_exif(part.removeprefix(_EXIF))
        elif kind == _APP1 and part.startswith(_XMP):
            yield "XMP", part.removeprefix(_XMP)
        elif kind == _COMMENT:
            yield "Comment", part
        place += 2 + size_bytes


def _of_exif(block: bytes) -> Iterator[tuple[str, object]]:
    """Read a block of EXIF; the reader is of Python alone, and is given few bytes."""
    exif = Image.Exif()
    found: list[tuple[str, object]] = []
    with suppress(Exception):  # Whatever a broken block does to its reader, it tells nothing more.
        exif.load(block[:_MOST_EXIF_BYTES])
        for tables, names in (
            (exif, TAGS),
            (exif.get_ifd(IFD.Exif), TAGS),
            (exif.get_ifd(IFD.GPSInfo), GPSTAGS),
        ):
            found += [(names.get(tag, f"0x{tag:04x}"), value) for tag, value in tables.items()]
    yield from ((name, value) for name, value in found if name not in _SKIPPED)


def _unpacked(packed: bytes) -> bytes:
    return zlib.decompressobj().decompress(packed, _MOST_PACKED_BYTES)


def _as_text(value: Any) -> str:  # noqa: ANN401 - whatever a tag holds.
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    elif isinstance(value, tuple):
        value = " ".join(str(one) for one in value[:16])
    written = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return " ".join(written.split())[:MOST_CHARACTERS]
