"""N1 to N7, in short: what the notice detector finds and misses in generated calls."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import asdict

from notice_tool import cost, main, report
from notice_tool.report import Target

from bench_tool import figures
from bench_tool.figures import Verdict
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.rounds import Options, say

_CALLS, _SHORT_CALLS, _FULL_CALLS = 100, 20, 1_200
_HOURS, _SHORT_HOURS, _FULL_HOURS = 2, 0.25, 10
_SEED = 1
_TOOLS = ("espeak-ng", "ffmpeg", "sox")
_TOO_FEW = "missed, of too few calls to tell"
_HEADER = ("#", "figure", "measured", "must / stretch", "verdict")


def run(options: Options) -> Section:
    """Search generated calls for all texts, as `scripts/notice-bench` does with many more.

    A short run searches each call for its own text alone, which says nothing of N3.
    """
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise BenchmarkFailed(f"{missing[0]} is missing; scripts/setup --with-tests installs it")
    calls = _SHORT_CALLS if options.is_short else _CALLS
    calls = _FULL_CALLS if options.is_full else calls
    hours = _SHORT_HOURS if options.is_short else _HOURS
    hours = _FULL_HOURS if options.is_full else hours
    say(f"notice: {calls} calls")
    outcomes = main.generated(
        calls, seed=_SEED, final=True, jobs=os.cpu_count() or 1, own_text=options.is_short
    )
    say(f"notice: memory over {hours:g} hours")
    found = report.figures(outcomes, peak_mib=cost.peak_mib(hours), memory_hours=hours)
    return Section(
        title=f"N1 to N7 of {calls} generated calls; the figures that count are of many more",
        text=figures.table(_HEADER, [_row(target, is_full=options.is_full) for target in found]),
        values=[{**asdict(target), "verdict": _verdict(target).value} for target in found],
    )


def _row(target: Target, *, is_full: bool) -> list[str]:
    verdict = _verdict(target)
    sign = "at least" if target.at_least else "at most"
    wanted = " / ".join(target.form.format(one) for one in (target.must, target.stretch))
    return [
        target.number,
        target.what,
        target.form.format(target.value),
        f"{sign} {wanted}",
        _TOO_FEW if verdict is Verdict.MISSED and not is_full else verdict.value,
    ]


def _verdict(target: Target) -> Verdict:
    if math.isnan(target.value):  # No call was of the kind.
        return Verdict.NONE
    if target.is_stretch_met:
        return Verdict.STRETCH
    return Verdict.MET if target.is_met else Verdict.MISSED
