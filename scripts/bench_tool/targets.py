"""The table of S1 to S18: a row for each figure that was taken, and one for each that was not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from bench_tool import figures
from bench_tool.figures import Comparison, Spread, Verdict

NOT_MEASURED: Final = "not measured"
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
_HEADER = ("#", "path", "against", "figure (range)", "must / stretch", "verdict", "CPU, memory")
_NONE = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A line of the targets: what is to be measured, and the part that does it."""

    what: str
    part: str


TARGETS: Final[Mapping[str, Wanted]] = {
    "S1": Wanted(what="inspect one hour completely", part="inspect"),
    "S2": Wanted(what="memory while inspecting a long recording", part="inspect"),
    "S3": Wanted(what="upload until playable and flagged", part="inspect"),
    "S4": Wanted(what="ingest 1 MiB", part="ingest"),
    "S5": Wanted(what="ingest 10 and 100 MiB", part="ingest"),
    "S6": Wanted(what="the same against naive FastAPI", part="ingest"),
    "S7": Wanted(what="the same against published tus servers", part="peers"),
    "S8": Wanted(what="memory growth, 64 uploads in flight", part="memory"),
    "S9": Wanted(what="100 slow uploads open: what fast clients keep", part="slow"),
    "S10": Wanted(what="ingest transaction, c = 16", part="tx"),
    "S11": Wanted(what="list pages at 10 M recordings", part="search"),
    "S12": Wanted(what="text search at 10 M recordings", part="search"),
    "S13": Wanted(what="ledger append, sequencer on", part="audit"),
    "S14": Wanted(what="ledger verification", part="audit"),
    "S15": Wanted(what="playback of a 64 KiB range, decrypted", part="playback"),
    "S16": Wanted(what="giving a bundle of 400 × 1 MiB", part="bundle"),
    "S17": Wanted(what="fixity scan", part="fixity"),
    "S18": Wanted(what="one text through whole old recordings", part="inspect"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A figure of the targets as it was taken: words and a verdict, and what it cost beside."""

    number: str
    path: str
    against: str
    figure: str
    wanted: str
    verdict: str
    cost: str = _NONE

    def cells(self) -> list[str]:
        """Return the row under the table's header."""
        return [
            self.number,
            self.path,
            self.against,
            self.figure,
            self.wanted,
            self.verdict,
            self.cost,
        ]

    def as_json(self) -> dict[str, str]:
        """Return the line as plain values."""
        return asdict(self)


def missing(number: str, why: str) -> Line:
    """Return the line of a target without a figure, and why it has none."""
    wanted = TARGETS[number]
    verdict = f"{NOT_MEASURED}: {why}"
    return Line(
        number=number, path=wanted.what, against=_NONE, figure=_NONE, wanted=_NONE, verdict=verdict
    )


def about(line: Line, *, against: str) -> Line:
    """Return the line with the name of what it would have been measured against."""
    return replace(line, against=against)


def whole(lines: Iterable[Line], reasons: Mapping[str, str]) -> list[Line]:
    """Return the lines of all targets in their order; `reasons` tells why a part has none."""
    taken: dict[str, list[Line]] = {number: [] for number in TARGETS}
    for line in lines:
        taken[line.number].append(line)
    whole_table: list[Line] = []
    for number, wanted in TARGETS.items():
        why = reasons.get(wanted.part, "its part gave no figure")
        whole_table += taken[number] or [missing(number, why)]
    return whole_table


def shown(lines: Sequence[Line]) -> str:
    """Return the table."""
    return figures.table(_HEADER, [line.cells() for line in lines])


def written_into(document: str, table: str) -> str:
    """Return `document` with `table` between its marks.

    Raises:
        ValueError: it has no marks, or not one pair of them.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in after:
        raise ValueError(f"The document needs one {BEGIN} and one {END} behind it.")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def of_comparison(comparison: Comparison) -> Line:
    """Return the line of two variants that were measured in turn."""
    ratio, target = comparison.ratio, comparison.target
    cpu, memory = figures.cpu_pair(comparison), figures.growth_pair(comparison)
    return Line(
        number=target.number,
        path=comparison.cell,
        against=target.against,
        figure=spread(ratio) if ratio else _NONE,
        wanted=f"{target.must:g} / {target.stretch:g}",
        verdict=comparison.verdict.value,
        cost=f"{cpu} ms each, {memory} MiB more" if ratio else _NONE,
    )


def spread(ratio: Spread, unit: str = "") -> str:
    """Return a median with its range."""
    return f"{ratio.median:.2f}{unit} ({ratio.low:.2f}–{ratio.high:.2f})"


def at_least(value: float, must: float, stretch: float) -> Verdict:
    """Tell whether a figure that should be high is high enough."""
    if value >= stretch:
        return Verdict.STRETCH
    return Verdict.MET if value >= must else Verdict.MISSED


def at_most(value: float, must: float, stretch: float) -> Verdict:
    """Tell whether a figure that should be low is low enough."""
    if value <= stretch:
        return Verdict.STRETCH
    return Verdict.MET if value <= must else Verdict.MISSED
