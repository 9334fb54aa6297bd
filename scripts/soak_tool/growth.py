"""The quarters of the time against each other, and how much growth is too much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from soak_tool.samples import Sample

MIB = 1024 * 1024
LEAST_SAMPLES = 16
# What grows in a straight line adds in each quarter a third of what lies between first and last.
_QUARTERS_BETWEEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much more the last quarter may hold than the first."""

    absolute: float
    share: float
    why: str

    def above(self, first: float) -> float:
        return max(self.absolute, self.share * first)


# What is kept of each request shows as a straight line, and over an hour of this load one KiB of
# each would be tens of MiB. What is no leak does not: an allocator that has given back less, a
# cache that has met one more page or statement.
MEMORY = Bound(
    absolute=8 * MIB, share=0.08, why="allocators and bounded caches; a leak is a straight line"
)
POOLED = Bound(
    absolute=10, share=0.25, why="pools of connections and threads breathe; a leak does not return"
)
TEMPORARY = Bound(absolute=10, share=0, why="what is under way at a moment: senders and decoders")
NONE = Bound(absolute=0, share=0, why="there is never to be one")


def bound_of(name: str) -> Bound | None:
    """Return how much growth is allowed; None where growth tells of the machine alone."""
    if name.startswith("memory of "):
        return MEMORY
    if name == "temporary files":
        return TEMPORARY
    if name.startswith(("transactions idle", "ended processes")):
        return NONE
    if name == "jobs that are due":
        return None
    return POOLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of the table: the first quarter, the third, and the last."""

    name: str
    first: float
    third: float
    last: float
    bound: Bound | None

    @property
    def is_more(self) -> bool:
        """Tell whether the last quarter holds more than the first may lead to."""
        if self.bound is None:
            return False
        if self.bound is NONE:
            return self.last > 0
        return self.last - self.first > self.bound.above(self.first)

    @property
    def is_grown(self) -> bool:
        """Tell whether it is more and goes on: a cache that was filled is no leak."""
        if self.bound is None or self.bound is NONE:
            return self.is_more
        still = (self.last - self.third) * _QUARTERS_BETWEEN
        return self.is_more and still > self.bound.above(self.first)

    @property
    def _verdict(self) -> str:
        if self.bound is None:
            return "not judged"
        if self.is_grown:
            return "GROWN"
        return "levelled off" if self.is_more else "steady"

    def text(self) -> tuple[str, ...]:
        unit = MIB if self.name.startswith("memory") else 1
        allowed = "-" if self.bound is None else f"{self.bound.above(self.first) / unit:.1f}"
        return (
            self.name + (", MiB" if unit == MIB else ""),
            f"{self.first / unit:.1f}",
            f"{self.third / unit:.1f}",
            f"{self.last / unit:.1f}",
            f"{(self.last - self.first) / unit:+.1f}",
            allowed,
            self._verdict,
        )


def compare(samples: Sequence[Sample]) -> list[Line]:
    """Return what each thing measured on the median of the first quarter, the third and the last.

    Raises:
        ValueError: there are too few samples to tell anything.
    """
    quarter = math.floor(len(samples) / 4)
    if len(samples) < LEAST_SAMPLES:
        raise ValueError(f"{len(samples)} samples are too few.")
    first, last = samples[:quarter], samples[-quarter:]
    third = samples[-2 * quarter : -quarter]
    return [
        Line(
            name=name,
            first=_middle(name, first),
            third=_middle(name, third),
            last=_middle(name, last),
            bound=bound_of(name),
        )
        for name in samples[0].values
    ]


def course(name: str, samples: Sequence[Sample]) -> list[float]:
    """Return the medians of eight parts in turn: a leak is a straight line, a cache flattens."""
    size = len(samples) // 8
    return [_middle(name, samples[n * size : (n + 1) * size]) for n in range(8)]


def _middle(name: str, samples: Sequence[Sample]) -> float:
    values = [sample.values[name] for sample in samples]
    if bound_of(name) is NONE:
        # One that comes and goes is none; one that stays is in every sample.
        return min(values)
    return float(median(values))


def table(lines: Sequence[Line]) -> list[str]:
    """Return the table as lines of Markdown."""
    head = ("what", "first quarter", "third", "last", "growth", "allowed", "verdict")
    rows = [head, *(line.text() for line in lines)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    out = [
        "| " + " | ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    out.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return out
