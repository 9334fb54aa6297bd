"""Places in a recording as people write them: `1:02`, `1:02.5`, `62,5`."""

from __future__ import annotations

import re
from typing import Final

from app.core.errors import Invalid

_PLACE: Final = re.compile(
    r"(?:(?:(?P<h>[0-9]{1,2}):)?(?P<m>[0-9]{1,3}):)?(?P<s>[0-9]{1,5})(?:[.,](?P<f>[0-9]{1,3}))?"
)


class PlaceInvalid(Invalid):
    """A place in a recording is written as 1:02.5, in minutes and seconds."""


def read(written: str) -> int:
    """Return the milliseconds from the first sample.

    Raises:
        PlaceInvalid: it is no place.
    """
    found = _PLACE.fullmatch(written.strip())
    if found is None:
        raise PlaceInvalid(entered=written[:20])
    hours, minutes, seconds = (int(found[part] or 0) for part in ("h", "m", "s"))
    fraction = int((found["f"] or "0").ljust(3, "0"))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction


def read_or_none(written: str) -> int | None:
    """Return the milliseconds, none where nothing is written.

    Raises:
        PlaceInvalid: it is no place.
    """
    return read(written) if written.strip() else None


def write(milliseconds: int) -> str:
    """Return a place with tenths of a second, for a field that is read again."""
    seconds, rest = divmod(milliseconds, 1000)
    hours, minutes = divmod(seconds // 60, 60)
    tail = f"{seconds % 60:02}" + (f".{rest:03}".rstrip("0") if rest else "")
    return f"{hours}:{minutes:02}:{tail}" if hours else f"{minutes}:{tail}"
