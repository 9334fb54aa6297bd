"""S1 to S3 and S18: what inspecting and searching a call costs, beside one plain decode of it."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_tool import calls, figures
from bench_tool.figures import MIB, Spread
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section, told_when_cut
from bench_tool.playable import wait_s
from bench_tool.rounds import Options, say
from bench_tool.targets import Line, at_least, at_most

_HOUR_S = 3600
_LONG_CALL_HOURS = 10
_SHORT_LONG_CALL_HOURS = 1
_SHORT_ROUNDS = 1
_COPY_ROUNDS = 2
_OLD_CALL_S = 600
_OLD_GOALS = (0.5, 0.75)
_SHORT_CALL_S = 180
_REFERENCE = "Opus"
# Must and stretch of each coding, times the CPU of the reference.
_GOALS = {"Opus": (1.7, 1.3), "MP3": (0.9, 0.6), "A-law WAV": (0.7, 0.4)}
_MUST_BYTES, _STRETCH_BYTES = 200 * MIB, 120 * MIB
_WITHIN_S = 1800
_TITLE = "S1 to S3, S18: inspecting a call completely, beside one plain decode"
_HEADER = ("#", "path", "figure (range)", "must / stretch", "verdict", "ours", "reference")
_NONE = "–"
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
    rows: list[list[str]] = []
    values: list[dict[str, object]] = []
    with (
        told_when_cut(_TITLE, _HEADER, rows),
        tempfile.TemporaryDirectory(dir=options.directory, prefix="inspect-") as name,
    ):
        folder = Path(name)
        say("inspect: making calls")
        texts = calls.texts(folder)
        forms = [_REFERENCE] if options.is_short else list(calls.FORMS)
        hours = calls.make(folder, seconds=_HOUR_S, forms=forms)
        for one in _measured(folder, hours, texts, options):
            rows.append(one[0])
            values.append(one[1])
            say(figures.table(_HEADER, [one[0]]).splitlines()[-1])
    lines = [_line(row) for row in rows if row[0]]
    return Section(title=_TITLE, text=figures.table(_HEADER, rows), values=values, lines=lines)


def _line(row: Sequence[str]) -> Line:
    number, path, figure, wanted, verdict, ours, reference = row
    return Line(
        number=number,
        path=path,
        against="one decode by ffmpeg" if reference != _NONE else _NONE,
        figure=figure,
        wanted=wanted,
        verdict=verdict,
        cost=f"{ours} / {reference}",
    )


def _measured(
    folder: Path, hours: dict[str, Path], texts: Sequence[Path], options: Options
) -> Iterator[tuple[list[str], dict[str, object]]]:
    """Give the rows as they come; a short run leaves out the copies, which cost most."""
    rounds = min(options.rounds, _SHORT_ROUNDS) if options.is_short else options.rounds
    yield from _cost_rows(_costs(hours, texts, rounds, copy="none"))
    yield _old(folder, texts[0], rounds)
    yield _wait(folder, options)
    yield _memory(hours[_REFERENCE], texts, options)
    if not options.is_short:
        yield from _cost_rows(_costs(hours, texts, _COPY_ROUNDS, copy="copy"))


def _costs(
    hours: dict[str, Path], texts: Sequence[Path], rounds: int, *, copy: str
) -> dict[tuple[str, str], _Cost]:
    costs = {(form, copy): _Cost() for form in hours}
    before_s = _decode_cpu_s(hours[_REFERENCE])
    for number in range(rounds):
        found = {form: inspected(call, texts, what=copy) for form, call in hours.items()}
        after_s = _decode_cpu_s(hours[_REFERENCE])
        # A busy machine gets slower and faster: the decodes before and behind stand for it.
        reference_s, before_s = (before_s + after_s) / 2, after_s
        for form, told in found.items():
            _must_be_right(told, form)
            costs[form, copy].ours.append(told["cpu_s"])
            costs[form, copy].reference.append(reference_s)
            say(
                f"inspect, round {number + 1}: {form} {_COPY[copy]} "
                f"{told['cpu_s']:.2f} s, decode {reference_s:.2f} s"
            )
    return costs


def _must_be_right(found: dict[str, Any], form: str) -> None:
    """Refuse a figure of work that was not done."""
    is_whole = abs(found["duration_ms"] - _HOUR_S * 1000) < 100  # noqa: PLR2004 - a codec's delay.
    if not (is_whole and found["complete"] and found["talk_ms"]):
        raise BenchmarkFailed(f"The hour of {form} was not inspected rightly: {found}")


def inspected(call: Path, texts: Sequence[Path], *, what: str) -> dict[str, Any]:
    """Return what the inspection of a file took, done by a process of its own."""
    command = [sys.executable, "-P", "-m", "bench_tool.inspected", what, str(call)]
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
) -> Iterator[tuple[list[str], dict[str, object]]]:
    for (form, copy), cost in costs.items():
        ratio, (must, stretch) = cost.ratio, _GOALS[form]
        verdict = at_most(ratio.median, must, stretch) if copy == "none" else None
        yield (
            [
                "S1" if verdict else "",
                f"an hour of {form}, {_COPY[copy]}",
                f"{ratio.median:.2f} × R ({ratio.low:.2f}–{ratio.high:.2f})",
                f"{must:.1f} / {stretch:.1f}" if verdict else _NONE,
                verdict.value if verdict else _NONE,
                f"{statistics.median(cost.ours):.2f} s CPU",
                f"{statistics.median(cost.reference):.2f} s CPU",
            ],
            {
                "target": "S1",
                "form": form,
                "copy": copy,
                "ours_cpu_s": cost.ours,
                "reference_cpu_s": cost.reference,
                "verdict": verdict.value if verdict else None,
            },
        )


def _memory(
    hour: Path, texts: Sequence[Path], options: Options
) -> tuple[list[str], dict[str, object]]:
    times = _SHORT_LONG_CALL_HOURS if options.is_short else _LONG_CALL_HOURS
    say(f"inspect: memory over {times} hours")
    found = inspected(
        calls.repeated(hour, times), texts, what="none" if options.is_short else "copy"
    )
    peak = found["peak_bytes"]
    verdict = at_most(peak, _MUST_BYTES, _STRETCH_BYTES)
    copy = _COPY["none" if options.is_short else "copy"]
    what = f"memory, {found['duration_ms'] / 3_600_000:.1f} h of {_REFERENCE}, {copy}"
    row = ["S2", what, f"{peak / MIB:.0f} MiB", "200 / 120 MiB", verdict.value]
    return [*row, f"{found['cpu_s']:.0f} s CPU", _NONE], {
        "target": "S2",
        "peak_bytes": peak,
        "verdict": verdict.value,
        **found,
    }


def _old(folder: Path, text: Path, rounds: int) -> tuple[list[str], dict[str, object]]:
    """Return how fast one text is searched through whole old recordings, of the codings mixed."""
    old = calls.old(folder, seconds=_OLD_CALL_S)
    cost = _Cost()
    for number in range(rounds):
        cost.reference.append(sum(_decode_cpu_s(call) for call in old.values()))
        found = [inspected(call, [text], what="search") for call in old.values()]
        if not all(each["complete"] for each in found):
            raise BenchmarkFailed(f"The notice was not found in an old recording: {found}")
        cost.ours.append(sum(each["cpu_s"] for each in found))
        say(
            f"inspect, round {number + 1}: old recordings searched in {cost.ours[-1]:.2f} s, "
            f"decoded in {cost.reference[-1]:.2f} s"
        )
    pairs = zip(cost.reference, cost.ours, strict=True)
    rate = Spread.of([reference / ours for reference, ours in pairs])
    must, stretch = _OLD_GOALS
    verdict = at_least(rate.median, must, stretch)
    row = ["S18", f"one text through whole old recordings, {_OLD_CALL_S // 60} min each of"]
    row[1] += f" {', '.join(old)}"
    row += [f"{rate.median:.2f} of the decode's rate ({rate.low:.2f}–{rate.high:.2f})"]
    row += [f"{must} / {stretch}", verdict.value]
    row += [f"{statistics.median(cost.ours):.2f} s CPU"]
    return [*row, f"{statistics.median(cost.reference):.2f} s CPU"], {
        "target": "S18",
        "ours_cpu_s": cost.ours,
        "reference_cpu_s": cost.reference,
        "verdict": verdict.value,
    }


def _wait(folder: Path, options: Options) -> tuple[list[str], dict[str, object]]:
    """Return how long a call of three minutes takes from its upload until it can be played."""
    call = calls.make(folder, seconds=_SHORT_CALL_S, forms=[_REFERENCE])[_REFERENCE]
    decodes = []
    for _ in range(options.rounds):
        before = time.monotonic()
        _decode_cpu_s(call)
        decodes.append(time.monotonic() - before)
    say(f"inspect: {options.rounds} calls of three minutes through the archive")
    waits = wait_s(options.directory, call, calls.texts(folder)[0], count=options.rounds)
    decode, wait = Spread.of(decodes), Spread.of(waits)
    must, stretch = 3 * decode.median + 0.5, 2 * decode.median + 0.2
    verdict = at_most(wait.median, must, stretch)
    row = ["S3", "upload until playable and flagged, 3 minutes of Opus"]
    row += [
        f"{wait.median:.2f} s ({wait.low:.2f}–{wait.high:.2f})",
        f"{must:.2f} / {stretch:.2f} s",
    ]
    return [*row, verdict.value, _NONE, f"{decode.median:.2f} s"], {
        "target": "S3",
        "waits_s": waits,
        "decodes_s": decodes,
        "verdict": verdict.value,
    }
