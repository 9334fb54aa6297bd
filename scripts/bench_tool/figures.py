"""The arithmetic of the table: runs become ratios, ratios become verdicts. Pure."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one variant: what the load saw and what its processes spent meanwhile."""

    requests: int
    wall_s: float
    cpu_s: float
    growth_bytes: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int
    first_error: str

    @property
    def is_valid(self) -> bool:
        return self.errors == 0 and self.requests > 0

    @property
    def rate(self) -> float:
        return self.requests / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of all processes of the variant per request."""
        return 1000 * self.cpu_s / self.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of some rounds with its range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median=statistics.median(values), low=min(values), high=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A line of the targets: `must` is the floor of the ratio, `stretch` is where it should be."""

    number: str
    against: str
    must: float
    stretch: float


class Verdict(StrEnum):
    """What the median says of a target."""

    STRETCH = "stretch met"
    MET = "must met"
    MISSED = "must missed"
    NONE = "no ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two variants of one cell, measured in the same rounds."""

    cell: str
    target: Target
    ours: tuple[Run, ...]
    other: tuple[Run, ...]

    @property
    def ratio(self) -> Spread | None:
        """Return our rate over the other's, round by round; None when either answered wrongly."""
        if not (are_valid(self.ours) and are_valid(self.other)):
            return None
        pairs = zip(self.ours, self.other, strict=True)
        return Spread.of([ours.rate / other.rate for ours, other in pairs])

    @property
    def verdict(self) -> Verdict:
        ratio = self.ratio
        if ratio is None:
            return Verdict.NONE
        if ratio.median >= self.target.stretch:
            return Verdict.STRETCH
        return Verdict.MET if ratio.median >= self.target.must else Verdict.MISSED


def are_valid(runs: Sequence[Run]) -> bool:
    """Tell whether a variant may be compared: it ran, and not one answer was wrong."""
    return bool(runs) and all(run.is_valid for run in runs)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table, its columns padded so that it reads well in a terminal too."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


HEADER = (
    "#",
    "path",
    "against",
    "ratio (range)",
    "must / stretch",
    "verdict",
    "uploads/s",
    "CPU ms each",
    "peak growth MiB",
    "our p50 / p95 / p99 ms",
)


def row(comparison: Comparison) -> list[str]:
    """Return the cells of one comparison under `HEADER`; pairs are ours / the other's."""
    target, ratio = comparison.target, comparison.ratio
    ours, other = comparison.ours, comparison.other
    shown = f"{ratio.median:.2f} ({ratio.low:.2f}–{ratio.high:.2f})" if ratio else "–"
    pairs = [
        _pair([run.rate for run in _valid(ours)], [run.rate for run in _valid(other)], 0),
        cpu_pair(comparison),
        growth_pair(comparison),
    ]
    latencies = [
        _median([run.p50_ms for run in _valid(ours)], 1),
        _median([run.p95_ms for run in _valid(ours)], 1),
        _median([run.p99_ms for run in _valid(ours)], 1),
    ]
    return [
        target.number,
        comparison.cell,
        target.against,
        shown,
        f"{target.must:.2f} / {target.stretch:.2f}",
        comparison.verdict.value,
        *pairs,
        " / ".join(latencies),
    ]


def cpu_pair(comparison: Comparison) -> str:
    """Return the CPU milliseconds of each request, ours / the other's."""
    ours, other = _valid(comparison.ours), _valid(comparison.other)
    return _pair([run.cpu_ms for run in ours], [run.cpu_ms for run in other], 2)


def growth_pair(comparison: Comparison) -> str:
    """Return by how many MiB the receiving process grew at most, ours / the other's."""
    return f"{_peak(_valid(comparison.ours))} / {_peak(_valid(comparison.other))}"


def as_json(comparison: Comparison) -> dict[str, object]:
    """Return the comparison as plain values, every round included."""
    ratio = comparison.ratio
    return {
        "target": comparison.target.number,
        "cell": comparison.cell,
        "against": comparison.target.against,
        "must": comparison.target.must,
        "stretch": comparison.target.stretch,
        "verdict": comparison.verdict.value,
        "ratio": None if ratio is None else dataclasses.asdict(ratio),
        "ours": [dataclasses.asdict(run) for run in comparison.ours],
        "other": [dataclasses.asdict(run) for run in comparison.other],
    }


def _valid(runs: Sequence[Run]) -> Sequence[Run]:
    return runs if are_valid(runs) else ()


def _median(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f}" if values else "–"


def _pair(ours: Sequence[float], other: Sequence[float], digits: int) -> str:
    return f"{_median(ours, digits)} / {_median(other, digits)}"


def _peak(runs: Sequence[Run]) -> str:
    return f"{max(run.growth_bytes for run in runs) / MIB:.0f}" if runs else "–"
