"""Sizes of PNG, JPEG and WebP from their headers, before anything is decoded."""

from __future__ import annotations

import struct
from collections.abc import Generator

from app.recordings.media_facts import Container, EmptyFile, MediaFacts, NotAnImage, TooManyPixels
from app.recordings.media_stream import EndOfBody, Parser, Skip, Take

Size = Generator[Take | Skip, bytes, tuple[int, int]]

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
HEAD_BYTES = 16
_MAX_JPEG_SEGMENTS = 1_000
# Source: ITU T.81, table B.1: frames with a size, without DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9


def parse_image(max_pixels: int) -> Parser:
    """Recognise an image and read its size.

    Raises:
        TooManyPixels: The header declares more; a file of 74 bytes can ask for 16 GB.
        NotAnImage: It is none of the three kinds, or its size is missing or zero.
    """
    head = yield Take(HEAD_BYTES, short_ok=True)
    if not head:
        raise EmptyFile("The file is empty.")
    try:
        if head.startswith(PNG_MAGIC):
            container, size = Container.PNG, (yield from _png(head))
        elif head.startswith(b"\xff\xd8\xff"):
            container, size = Container.JPEG, (yield from _jpeg(head))
        elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            container, size = Container.WEBP, (yield from _webp(head))
        else:
            raise NotAnImage("The file is not a PNG, JPEG or WebP.")
    except EndOfBody:
        raise NotAnImage("The image ends before its size is given.") from None
    width, height = size
    if not width or not height:
        raise NotAnImage("The image declares a width or height of zero.")
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The image declares {width} by {height} pixels; {max_pixels} in all are allowed.",
            width=width,
            height=height,
            max_pixels=max_pixels,
        )
    return MediaFacts(
        media_type=f"image/{container.value}",
        container=container,
        codec=container.value,
        width=width,
        height=height,
    )


def _png(head: bytes) -> Size:
    if len(head) < HEAD_BYTES or head[8:] != b"\x00\x00\x00\x0dIHDR":
        raise NotAnImage("The PNG does not begin with its header.")
    width, height = struct.unpack(">II", (yield Take(8)))
    return width, height


def _jpeg(head: bytes) -> Size:
    """Walk the segments to the first frame header; what lies in between is passed over unread."""
    rest = head[2:]
    for _ in range(_MAX_JPEG_SEGMENTS):
        if len(rest) < 4:  # noqa: PLR2004 - marker and length of a segment.
            rest += yield Take(4 - len(rest))
        if rest[0] != 0xFF:  # noqa: PLR2004 - every marker begins so.
            break
        marker = rest[1]
        if marker in (0xFF, *_JPEG_BARE):
            rest = rest[1 if marker == 0xFF else 2 :]  # noqa: PLR2004 - a fill byte.
            continue
        if marker in (_JPEG_SCAN, _JPEG_END):
            break
        size_bytes = 2 + int.from_bytes(rest[2:4], "big")
        if marker in _JPEG_FRAMES:
            rest += yield Take(max(0, 9 - len(rest)))
            height, width = struct.unpack_from(">HH", rest, 5)
            return width, height
        if size_bytes > len(rest):
            yield Skip(size_bytes - len(rest))
        rest = rest[size_bytes:]
    raise NotAnImage("The JPEG has no frame header where one must be.")


def _webp(head: bytes) -> Size:
    """Read the first chunk. Source: RFC 9649, 2.5 to 2.7."""
    kind = head[12:16]
    body = yield Take(14)
    if kind == b"VP8X":
        width = int.from_bytes(body[8:11], "little") + 1
        return width, int.from_bytes(body[11:14], "little") + 1
    if kind == b"VP8L" and body[4] == 0x2F:  # noqa: PLR2004 - the signature of lossless data.
        packed = int.from_bytes(body[5:9], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and body[7:10] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 10)
        return width & 0x3FFF, height & 0x3FFF
    raise NotAnImage("The WebP does not begin with a picture.")
