"""How a picture says that it must be turned to be looked at. Pure.

Nothing is decoded and nothing else of the metadata is read: one number of 1 to 8, 1 where there is
none or it cannot be read. Sources: EXIF 2.32, 4.6.2; PNG 3, 11.3.3; RFC 9649, 2.7.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

UPRIGHT: Final = 1
_TAG: Final = 0x0112
_SHORT: Final = 3
_LAST: Final = 8
_MAX_PARTS: Final = 10_000
_SCAN: Final = 0xDA
_APP1: Final = 0xE1
_TIFF: Final = {b"II*\0": "<", b"MM\0*": ">"}


def orientation_of(body: bytes) -> int:
    """Return the orientation that the first EXIF block of a PNG, JPEG or WebP tells."""
    try:
        for block in _blocks(body):
            return _orientation(block)
    except (struct.error, IndexError):
        return UPRIGHT
    return UPRIGHT


def _blocks(body: bytes) -> Iterator[bytes]:
    if body.startswith(b"\xff\xd8"):
        return _of_jpeg(body)
    if body.startswith(b"\x89PNG"):
        return _of_chunks(body, begin=8, order=">", name=b"eXIf", size_first=True)
    return _of_chunks(body, begin=12, order="<", name=b"EXIF", size_first=False)


def _of_jpeg(body: bytes) -> Iterator[bytes]:
    place = 2
    for _ in range(_MAX_PARTS):
        if place + 4 > len(body) or body[place] != 0xFF or body[place + 1] == _SCAN:  # noqa: PLR2004 - every marker begins so.
            return
        (size_bytes,) = struct.unpack_from(">H", body, place + 2)
        block = body[place + 4 : place + 2 + size_bytes]
        if body[place + 1] == _APP1 and block.startswith(b"Exif\0\0"):
            yield block[6:]
        place += 2 + size_bytes


def _of_chunks(
    body: bytes, *, begin: int, order: str, name: bytes, size_first: bool
) -> Iterator[bytes]:
    place = begin
    for _ in range(_MAX_PARTS):
        if place + 8 > len(body):
            return
        size_at, name_at = (place, place + 4) if size_first else (place + 4, place)
        (size_bytes,) = struct.unpack_from(f"{order}I", body, size_at)
        if body[name_at : name_at + 4] == name:
            block = body[place + 8 : place + 8 + size_bytes]
            yield block.removeprefix(b"Exif\0\0")
        # A PNG's chunk ends with a checksum, a WebP's is filled up to an even size.
        place += 8 + size_bytes + (4 if size_first else size_bytes % 2)


def _orientation(tiff: bytes) -> int:
    order = _TIFF.get(tiff[:4])
    if order is None:
        return UPRIGHT
    (place,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, place)
    for number in range(count):
        tag, kind, values, found = struct.unpack_from(f"{order}HHIH", tiff, place + 2 + 12 * number)
        if (tag, kind, values) == (_TAG, _SHORT, 1):
            return found if UPRIGHT <= found <= _LAST else UPRIGHT
    return UPRIGHT
