"""The first quarter of the time against the last, and how much growth is too much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from soak_tool.samples import Sample

MIB = 1024 * 1024
LEAST_SAMPLES = 16


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
    """One row of the table."""

    name: str
    first: float
    last: float
    bound: Bound | None

    @property
    def is_grown(self) -> bool:
        if self.bound is None:
            return False
        if self.bound is NONE:
            return self.last > 0
        return self.last - self.first > self.bound.above(self.first)

    def text(self) -> tuple[str, str, str, str, str, str]:
        unit = MIB if self.name.startswith("memory") else 1
        allowed = "-" if self.bound is None else f"{self.bound.above(self.first) / unit:.1f}"
        verdict = "GROWN" if self.is_grown else "steady" if self.bound else "not judged"
        return (
            self.name + (", MiB" if unit == MIB else ""),
            f"{self.first / unit:.1f}",
            f"{self.last / unit:.1f}",
            f"{(self.last - self.first) / unit:+.1f}",
            allowed,
            verdict,
        )


def compare(samples: Sequence[Sample]) -> list[Line]:
    """Return what each thing measured on the median of the first quarter, and of the last.

    Raises:
        ValueError: there are too few samples to tell anything.
    """
    quarter = math.floor(len(samples) / 4)
    if len(samples) < LEAST_SAMPLES:
        raise ValueError(f"{len(samples)} samples are too few.")
    first, last = samples[:quarter], samples[-quarter:]
    return [
        Line(
            name=name,
            first=_middle(name, first),
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
    head = ("what", "first quarter", "last quarter", "growth", "allowed", "verdict")
    rows = [head, *(line.text() for line in lines)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    out = [
        "| " + " | ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    out.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return out
