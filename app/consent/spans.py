"""Stretches of a recording in milliseconds from its first sample, half-open. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from app.core.errors import Invalid

FOREVER_MS = 1 << 53
"""Stands for "until the end" in comparisons; the largest whole number JSON keeps exactly."""


class SegmentInvalid(Invalid):
    """A segment begins at 0 ms or later and ends after its beginning."""


@dataclass(frozen=True, slots=True)
class Segment:
    """From `from_ms` until before `to_ms`; null is the end of the recording."""

    from_ms: int
    to_ms: int | None

    def __post_init__(self) -> None:
        if not 0 <= self.from_ms < self.end_ms <= FOREVER_MS:
            raise SegmentInvalid(from_ms=self.from_ms, to_ms=self.to_ms)

    @property
    def end_ms(self) -> int:
        return FOREVER_MS if self.to_ms is None else self.to_ms

    def overlap(self, other: Segment) -> Segment | None:
        """Return the part that both have, if any."""
        return between(max(self.from_ms, other.from_ms), min(self.end_ms, other.end_ms))

    def __str__(self) -> str:
        return f"{self.from_ms}-{'end' if self.to_ms is None else self.to_ms}"


WHOLE = Segment(0, None)


def between(from_ms: int, end_ms: int) -> Segment | None:
    """Return the segment with these ends, or none where it would be empty."""
    if from_ms >= end_ms:
        return None
    return Segment(from_ms, None if end_ms == FOREVER_MS else end_ms)


def covered(needed: Segment, by: Iterable[Segment]) -> bool:
    """Say whether the segments in `by` together leave nothing of `needed` uncovered."""
    reached = needed.from_ms
    for part in sorted(by, key=lambda s: s.from_ms):
        if part.from_ms > reached:
            break
        reached = max(reached, part.end_ms)
    return reached >= needed.end_ms


def cut(whole: Segment, at: Iterable[int]) -> list[Segment]:
    """Return `whole` cut at those of the moments `at` that lie inside it."""
    inside = {ms for ms in at if whole.from_ms < ms < whole.end_ms}
    edges = sorted({whole.from_ms, whole.end_ms} | inside)
    parts = (between(a, b) for a, b in pairwise(edges))
    return [part for part in parts if part is not None]
