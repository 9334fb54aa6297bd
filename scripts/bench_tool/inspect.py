"""S1 to S3: what the inspection of a call costs, beside one plain decode of it."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_tool import calls, figures
from bench_tool.figures import MIB, Spread, Verdict
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.playable import wait_s
from bench_tool.rounds import Options, say

_HOUR_S = 3600
_LONG_CALL_HOURS = 10
_SHORT_CALL_S = 180
_REFERENCE = "Opus"
# Must and stretch of each coding, times the CPU of the reference.
_GOALS = {"Opus": (1.7, 1.3), "MP3": (0.9, 0.6), "A-law WAV": (0.7, 0.4)}
_MUST_BYTES, _STRETCH_BYTES = 200 * MIB, 120 * MIB
_WITHIN_S = 1800
_HEADER = ("#", "path", "figure (range)", "must / stretch", "verdict", "ours", "reference")
_COPY = {"copy": "with the playable copy", "none": "without the playable copy"}


@dataclass(slots=True, kw_only=True)
class _Cost:
    """CPU seconds of each round, ours and the reference's."""

    ours: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> Spread:
        pairs = zip(self.ours, self.reference, strict=True)
        return Spread.of([ours / reference for ours, reference in pairs])


def run(options: Options) -> Section:
    """Inspect hours of sound in processes of their own, and a call through a whole archive."""
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="inspect-") as name:
        folder = Path(name)
        say("inspect: making calls")
        texts = calls.texts(folder)
        hours = calls.make(folder, seconds=_HOUR_S)
        costs = _costs(hours, texts, options.rounds)
        rows, values = _cost_rows(costs)
        for one in _memory(hours[_REFERENCE], texts), _wait(folder, options):
            rows.append(one[0])
            values.append(one[1])
    title = "S1 to S3: inspecting a call completely, beside one plain decode"
    return Section(title=title, text=figures.table(_HEADER, rows), values=values)


def _costs(
    hours: dict[str, Path], texts: Sequence[Path], rounds: int
) -> dict[tuple[str, str], _Cost]:
    costs = {(form, copy): _Cost() for copy in ("none", "copy") for form in hours}
    for number in range(rounds):
        reference_s = _decode_cpu_s(hours[_REFERENCE])
        for (form, copy), cost in costs.items():
            found = inspected(hours[form], texts, copy=copy)
            _must_be_right(found, form)
            cost.ours.append(found["cpu_s"])
            cost.reference.append(reference_s)
            say(
                f"inspect, round {number + 1}: {form} {_COPY[copy]} "
                f"{found['cpu_s']:.2f} s, decode {reference_s:.2f} s"
            )
    return costs


def _must_be_right(found: dict[str, Any], form: str) -> None:
    """Refuse a figure of work that was not done."""
    is_whole = abs(found["duration_ms"] - _HOUR_S * 1000) < 100  # noqa: PLR2004 - a codec's delay.
    if not (is_whole and found["complete"] and found["talk_ms"]):
        raise BenchmarkFailed(f"The hour of {form} was not inspected rightly: {found}")


def inspected(call: Path, texts: Sequence[Path], *, copy: str) -> dict[str, Any]:
    """Return what the inspection of a file took, done by a process of its own."""
    command = [sys.executable, "-P", "-m", "bench_tool.inspected", copy, str(call)]
    # What the archive sets by itself must not come from whoever measures it.
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(  # noqa: S603 - this very Python.
        [*command, *map(str, texts)],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=_WITHIN_S,
    )
    if done.returncode:
        raise BenchmarkFailed(f"The inspection failed: {done.stderr.strip()}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _decode_cpu_s(call: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 - the benchmark's own arguments.
        calls.decode_command(call), stdout=subprocess.DEVNULL, check=True, timeout=_WITHIN_S
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _cost_rows(
    costs: dict[tuple[str, str], _Cost],
) -> tuple[list[list[str]], list[dict[str, object]]]:
    rows, values = [], []
    for (form, copy), cost in costs.items():
        ratio, (must, stretch) = cost.ratio, _GOALS[form]
        verdict = _verdict(ratio.median, must, stretch) if copy == "none" else None
        rows.append(
            [
                "S1",
                f"an hour of {form}, {_COPY[copy]}",
                f"{ratio.median:.2f} × R ({ratio.low:.2f}–{ratio.high:.2f})",
                f"{must:.1f} / {stretch:.1f}" if verdict else "–",
                verdict.value if verdict else "–",
                f"{statistics.median(cost.ours):.2f} s CPU",
                f"{statistics.median(cost.reference):.2f} s CPU",
            ]
        )
        values.append(
            {
                "target": "S1",
                "form": form,
                "copy": copy,
                "ours_cpu_s": cost.ours,
                "reference_cpu_s": cost.reference,
                "verdict": verdict.value if verdict else None,
            }
        )
    return rows, values


def _memory(hour: Path, texts: Sequence[Path]) -> tuple[list[str], dict[str, object]]:
    say(f"inspect: memory over {_LONG_CALL_HOURS} hours")
    long_call = calls.repeated(hour, _LONG_CALL_HOURS)
    found = inspected(long_call, texts, copy="copy")
    peak = found["peak_bytes"]
    verdict = _verdict(peak, _MUST_BYTES, _STRETCH_BYTES)
    what = f"memory, {found['duration_ms'] / 3_600_000:.1f} h of {_REFERENCE}, with the copy"
    row = ["S2", what, f"{peak / MIB:.0f} MiB", "200 / 120 MiB", verdict.value]
    return [*row, f"{found['cpu_s']:.0f} s CPU", "–"], {
        "target": "S2",
        "peak_bytes": peak,
        "verdict": verdict.value,
        **found,
    }


def _wait(folder: Path, options: Options) -> tuple[list[str], dict[str, object]]:
    """Return how long a call of three minutes takes from its upload until it can be played."""
    call = calls.make(folder, seconds=_SHORT_CALL_S)[_REFERENCE]
    decodes = []
    for _ in range(options.rounds):
        before = time.monotonic()
        _decode_cpu_s(call)
        decodes.append(time.monotonic() - before)
    say(f"inspect: {options.rounds} calls of three minutes through the archive")
    waits = wait_s(options.directory, call, calls.texts(folder)[0], count=options.rounds)
    decode, wait = Spread.of(decodes), Spread.of(waits)
    must, stretch = 3 * decode.median + 0.5, 2 * decode.median + 0.2
    verdict = _verdict(wait.median, must, stretch)
    row = ["S3", "upload until playable and flagged, 3 minutes of Opus"]
    row += [
        f"{wait.median:.2f} s ({wait.low:.2f}–{wait.high:.2f})",
        f"{must:.2f} / {stretch:.2f} s",
    ]
    return [*row, verdict.value, "–", f"{decode.median:.2f} s"], {
        "target": "S3",
        "waits_s": waits,
        "decodes_s": decodes,
        "verdict": verdict.value,
    }


def _verdict(value: float, must: float, stretch: float) -> Verdict:
    if value <= stretch:
        return Verdict.STRETCH
    return Verdict.MET if value <= must else Verdict.MISSED
