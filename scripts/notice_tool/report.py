"""The tables that the command prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.inspection.notice.checks import METHOD_VERSION
from notice_tool.calls import Family
from notice_tool.cost import Spent
from notice_tool.evaluate import Outcome
from notice_tool.prompts import speech_set


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One figure: what was measured, and what must and should be."""

    number: str
    what: str
    value: float
    must: float
    stretch: float
    form: str
    at_least: bool

    @property
    def is_met(self) -> bool:
        """Tell whether the must is reached; no value at all reaches nothing."""
        return self.value >= self.must if self.at_least else self.value <= self.must

    @property
    def is_stretch_met(self) -> bool:
        """Tell whether the stretch is reached."""
        return self.value >= self.stretch if self.at_least else self.value <= self.stretch

    def line(self) -> str:
        sign = ">=" if self.at_least else "<="
        said = "stretch" if self.is_stretch_met else "must" if self.is_met else "MISSED"
        if said == "MISSED":
            said += f" by {self.form.format(abs(self.value - self.must))}"
        return (
            f"{self.number:3} {self.what:52} {self.form.format(self.value):>10}  "
            f"{sign} {self.form.format(self.must):>9} {self.form.format(self.stretch):>9}  {said}"
        )


def _of(outcomes: Sequence[Outcome], *families: Family) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.family in families]


def _rate(outcomes: Sequence[Outcome], hit: Callable[[Outcome], bool]) -> float:
    return sum(map(hit, outcomes)) / len(outcomes) if outcomes else float("nan")


def _part(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else float("nan")


def _errors(outcomes: Sequence[Outcome]) -> list[float]:
    return [o.start_error_ms for o in outcomes if o.start_error_ms is not None]


def cases(outcomes: Sequence[Outcome], *, texts: int, held_out: bool) -> None:
    """Print what was found in each family, and each case that is not as it should be."""
    which = "held-out" if held_out else "TUNING"
    print(f"\nMethod {METHOD_VERSION}; {len(outcomes)} generated calls, {which} prompts and voices")
    print(
        f"{texts} texts searched in every call; talk of {len(speech_set(final=held_out).lines)} "
        "sentences\n"
    )
    head = ("calls", "found", "called complete", "false complete", "start ms p50/p95", "share err")
    print(
        f"{'family':10} {head[0]:>6} {head[1]:>6} {head[2]:>16} {head[3]:>15} {head[4]:>18} "
        f"{head[5]:>10}"
    )
    for family in Family:
        mine = _of(outcomes, family)
        starts = _errors(mine)
        shares = [abs(o.found_share - o.share) for o in mine if o.found]
        print(
            f"{family:10} {len(mine):6} {sum(o.found for o in mine):6} "
            f"{sum(o.complete for o in mine):16} {sum(bool(o.false_complete) for o in mine):15} "
            f"{_part(starts, 50):9.1f}/{_part(starts, 95):8.1f} "
            f"{float(np.mean(shares)) if shares else float('nan'):10.3f}"
        )
    _kinds(_of(outcomes, Family.SINGLE))
    _odd(outcomes)


def _kinds(singles: Sequence[Outcome]) -> None:
    """Print the single degradations by their first word."""
    print("\none degradation at a time:")
    for kind in sorted({o.kind.split()[0].split("-")[0] for o in singles}):
        mine = [o for o in singles if o.kind.split()[0].split("-")[0] == kind]
        print(
            f"  {kind:10} {len(mine):4} found {_rate(mine, lambda o: o.found):7.1%}, "
            f"called complete {_rate(mine, lambda o: o.complete):7.1%}"
        )


def _odd(outcomes: Sequence[Outcome]) -> None:
    print("\nnot as it should be (seed, kind, text, share true and found, why):")
    none = True
    for outcome in outcomes:
        whole = outcome.family in {Family.SINGLE, Family.COMPOUND}
        lost = (whole or outcome.family is Family.PARTIAL) and not outcome.found
        if not (lost or outcome.false_complete):
            continue
        none = False
        said = "FALSE COMPLETE " + ",".join(outcome.false_complete) if not lost else "missed"
        print(
            f"  {said}: {outcome.seed} {outcome.family} {outcome.kind} {outcome.played} "
            f"{outcome.share:.2f} {outcome.found_share:.2f} {' '.join(outcome.rejected_because)}"
        )
    if none:
        print("  nothing")


def figures(
    outcomes: Sequence[Outcome], *, peak_mib: float | None, memory_hours: float
) -> list[Target]:
    """Return the figures N1 to N7; N7, the memory over some hours, only if it was measured."""
    single, compound = _of(outcomes, Family.SINGLE), _of(outcomes, Family.COMPOUND)
    partial = _of(outcomes, Family.PARTIAL)
    shares = [abs(o.found_share - o.share) for o in partial if o.found]
    hours = sum(o.prompt_hours for o in outcomes)
    false = [o for o in outcomes if o.false_complete]
    broken = [o for o in false if o.family in {Family.PARTIAL, Family.BROKEN}]
    rows = [
        (
            "N1",
            "complete notices found, one degradation",
            _rate(single, lambda o: o.found),
            0.995,
            0.9995,
            "{:.2%}",
            True,
        ),
        (
            "N2",
            "the same, several degradations",
            _rate(compound, lambda o: o.found),
            0.97,
            0.99,
            "{:.2%}",
            True,
        ),
        (
            "N2",
            "called complete, several degradations",
            _rate(compound, lambda o: o.complete),
            0.92,
            0.96,
            "{:.2%}",
            True,
        ),
        ("N3", "false complete (calls)", float(len(false)), 0, 0, "{:.0f}", False),
        ("N3", "prompt-hours searched for that", hours, 500, 5000, "{:.0f}", True),
        (
            "N4",
            "start error p95, one degradation, ms",
            _part(_errors(single), 95),
            40,
            15,
            "{:.1f}",
            False,
        ),
        (
            "N4",
            "start error p95, several, ms",
            _part(_errors(compound), 95),
            40,
            30,
            "{:.1f}",
            False,
        ),
        ("N5", "partial found", _rate(partial, lambda o: o.found), 0.90, 0.95, "{:.2%}", True),
        (
            "N5",
            "error of the share, mean",
            float(np.mean(shares)) if shares else float("nan"),
            0.04,
            0.02,
            "{:.3f}",
            False,
        ),
        ("N5", "error of the share, p95", _part(shares, 95), 0.12, 0.06, "{:.3f}", False),
        (
            "N6",
            "truncated, interrupted or gapped called complete",
            float(len(broken)),
            0,
            0,
            "{:.0f}",
            False,
        ),
    ]
    if peak_mib is not None:
        rows.append(
            ("N7", f"memory at {memory_hours:g} h, MiB", peak_mib, 150, 120, "{:.0f}", False)
        )
    return [
        Target(
            number=number,
            what=what,
            value=value,
            must=must,
            stretch=stretch,
            form=form,
            at_least=at_least,
        )
        for number, what, value, must, stretch, form, at_least in rows
    ]


def targets(outcomes: Sequence[Outcome], spent: Spent | None) -> None:
    """Print the figures N1 to N7 with must and stretch."""
    print(f"\n{'':3} {'figure':52} {'measured':>10}     {'must':>9} {'stretch':>9}  reached")
    peak_mib, hours = (spent.peak_mib, spent.hours) if spent is not None else (None, 0)
    for target in figures(outcomes, peak_mib=peak_mib, memory_hours=hours):
        print(target.line())


def costs(spent: Spent) -> None:
    """Print the cost of the detection as a ratio to one decode of the same audio."""
    print(
        f"\ncost: CPU of the detection to CPU of one ffmpeg decode, {spent.minutes} minutes, "
        f"{spent.rounds} rounds in turn, median (range)"
    )
    for row in spent.rows:
        low, high = min(row.ratios), max(row.ratios)
        print(
            f"  {row.what:46} {float(np.median(row.ratios)):6.2f} ({low:.2f} to {high:.2f})   "
            f"{row.cpu_s_per_hour:5.2f} s per hour of audio, decode {row.decode_s_per_hour:.2f} s"
        )
