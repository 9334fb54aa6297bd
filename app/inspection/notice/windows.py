"""Which parts of a call are searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.inspection.notice.features import SAMPLE_RATE_HZ

DEFAULT_WINDOW_S: Final = 180
# The PBX and the recorder do not agree on the time to the second.
_BEFORE_S: Final = 5
# Windows closer than the longest announcement and its margins are one.
_APART_S: Final = 70
_END_OF_TIME: Final = 1 << 62


def whole() -> list[tuple[int, int]]:
    """Return the window of a search through everything."""
    return [(0, _END_OF_TIME)]


def after_joins(
    joins_ms: Sequence[int], *, window_s: int = DEFAULT_WINDOW_S
) -> list[tuple[int, int]]:
    """Return the windows, in samples: the beginning of the call, and after each join or transfer.

    A notice that begins within a window is found; windows that touch are one.
    """
    length = window_s * SAMPLE_RATE_HZ
    merged: list[tuple[int, int]] = []
    for at_ms in sorted({0, *(max(at, 0) for at in joins_ms)}):
        at = at_ms * SAMPLE_RATE_HZ // 1000
        start = max(at - _BEFORE_S * SAMPLE_RATE_HZ, 0)
        if merged and start <= merged[-1][1] + _APART_S * SAMPLE_RATE_HZ:
            merged[-1] = (merged[-1][0], at + length)
        else:
            merged.append((start, at + length))
    return merged
