"""Files that are taken in parts and resumed: which part, and under which headers.

Source: RFC 9110, 13.1.5 (If-Range) and 14.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core import ranges
from app.core.ranges import ByteRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is given of a file, and how the answer says so."""

    wanted: ByteRange
    status: int
    headers: Mapping[str, str]


def told_as(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return the entry of a route's `responses` for a file of one of these kinds."""
    content = {
        name: {"schema": {} if name.endswith("json") else {"type": "string", "format": "binary"}}
        for name in media_types
    }
    return {200: {"description": "The file", "content": content}}


def etag(sha256: bytes) -> str:
    """Return the strong entity tag of a file that never changes."""
    return f'"{sha256.hex()}"'


def part_of(headers: Mapping[str, str], *, size_bytes: int, sha256: bytes, file_name: str) -> Part:
    """Return what the request's headers ask for of a file.

    Whoever resumes a file that is another by now gets the whole of it.

    Raises:
        RangeUnsatisfiable: the file has no such part.
    """
    tag = etag(sha256)
    is_resumable = headers.get("if-range", tag) == tag
    found = ranges.parse(headers.get("range") if is_resumable else None, size_bytes)
    wanted = found or ByteRange(start=0, end=size_bytes)
    answered = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "Content-Length": str(wanted.length),
        "ETag": tag,
    }
    if found is not None:
        answered["Content-Range"] = found.content_range(size_bytes)
    return Part(wanted=wanted, status=200 if found is None else 206, headers=answered)
