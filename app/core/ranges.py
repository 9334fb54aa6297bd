"""The part of a file that a player asks for. Pure. Source: RFC 9110, 14."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")


class RangeUnsatisfiable(Exception):
    """The file has no such part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """From `start` until before `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def content_range(self, size_bytes: int) -> str:
        return f"bytes {self.start}-{self.end - 1}/{size_bytes}"


def parse(header: str | None, size_bytes: int) -> ByteRange | None:
    """Return the part asked for, or None for the whole: several parts at once are not given.

    Raises:
        RangeUnsatisfiable: it begins after the end.
    """
    match = _ONE.fullmatch(header) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size_bytes)
        if not length:
            raise RangeUnsatisfiable
        return ByteRange(start=size_bytes - length, end=size_bytes)
    start = int(match[1])
    end = min(int(match[2]) + 1, size_bytes) if match[2] else size_bytes
    if match[2] and int(match[2]) < start:
        return None
    if start >= size_bytes:
        raise RangeUnsatisfiable
    return ByteRange(start=start, end=end)
