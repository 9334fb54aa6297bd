"""What the detection costs: CPU against one decode of the same audio, and memory at any length."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.detector import Detector
from app.inspection.notice.reference import Reference
from notice_tool.evaluate import references
from notice_tool.prompts import prompt_set, speech_set
from notice_tool.voices import RATE_HZ

_BLOCK: Final = RATE_HZ * 4
_USUAL_MS: Final = (3_000, 10_000)
_FORMATS: Final = {
    "opus": ["-c:a", "libopus", "-b:a", "32k"],
    "mp3": ["-c:a", "libmp3lame", "-b:a", "32k"],
    "gsm": ["-c:a", "libgsm"],
    "wav": ["-c:a", "pcm_alaw"],
}


@dataclass(slots=True, kw_only=True)
class Row:
    """One measurement in all its rounds."""

    what: str
    ratios: list[float] = field(default_factory=list)
    cpu_s_per_hour: float = 0.0
    decode_s_per_hour: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The cost of a run."""

    rows: list[Row]
    peak_mib: float
    hours: float
    minutes: int
    rounds: int


def measure(*, minutes: int, hours: float, rounds: int) -> Spent:
    """Measure, variants in turn, and the memory in a process of its own."""
    talk = _talk(minutes)
    with tempfile.TemporaryDirectory(prefix="notice-bench-") as folder:
        files = _encoded(talk, Path(folder))
        five = _five()
        plans = [
            ("5 texts, default windows, to opus (S1's R)", "opus", five, False),
            ("1 text, default windows, to opus", "opus", five[:1], False),
            *(
                (
                    f"{count} text{'s' * (count > 1)}, the whole call, to {form}",
                    form,
                    five[:count],
                    True,
                )
                for count in (1, 5)
                for form in _FORMATS
            ),
        ]
        rows = {what: Row(what=what) for what, *_ in plans}
        for _ in range(rounds):
            decodes = {form: _decode_s(files[form]) for form in _FORMATS}
            searched: dict[tuple[int, bool], float] = {}
            for what, form, texts, whole in plans:
                key = (len(texts), whole)
                if key not in searched:
                    searched[key] = _search_s(talk, texts, whole=whole)
                row = rows[what]
                row.ratios.append(searched[key] / decodes[form])
                row.cpu_s_per_hour = searched[key] * 60 / minutes
                row.decode_s_per_hour = decodes[form] * 60 / minutes
        mixed = Row(what="S18: decode alone to decode + 1 text, mp3/opus/gsm")
        for index in range(rounds):
            one = [rows[f"1 text, the whole call, to {f}"] for f in ("mp3", "opus", "gsm")]
            total = sum(r.decode_s_per_hour for r in one)
            extra = sum(r.ratios[index] * r.decode_s_per_hour for r in one)
            mixed.ratios.append(total / (total + extra))
            mixed.cpu_s_per_hour = extra / 3
            mixed.decode_s_per_hour = total / 3
    return Spent(
        rows=[*rows.values(), mixed],
        peak_mib=peak_mib(hours),
        hours=hours,
        minutes=minutes,
        rounds=rounds,
    )


def _five() -> list[Reference]:
    """Return five references of usual length."""
    return [r for r in references(final=True) if _USUAL_MS[0] < r.length_ms < _USUAL_MS[1]][:5]


def _talk(minutes: int) -> npt.NDArray[np.int16]:
    """Return a conversation that begins with a notice."""
    near, far = speech_set(final=True).dialogue(np.random.default_rng(5), minutes * 60.0)
    first = prompt_set(final=True).prompts[0].sound
    near[: len(first)] += first
    return np.asarray(np.clip(np.rint((near + far) * 20_000), -32768, 32767), np.int16)


def _encoded(talk: npt.NDArray[np.int16], folder: Path) -> dict[str, Path]:
    files = {}
    for form, coder in _FORMATS.items():
        files[form] = folder / f"call.{form}"
        subprocess.run(  # noqa: S603 - a fixed program, no shell.
            [  # noqa: S607 - found on the path, as every tool of the bench.
                "ffmpeg",
                "-v",
                "error",
                "-f",
                "s16le",
                "-ar",
                "8000",
                "-ac",
                "1",
                "-i",
                "pipe:0",
                *coder,
                str(files[form]),
            ],
            input=talk.tobytes(),
            check=True,
        )
    return files


def _decode_s(path: Path) -> float:
    """Return the CPU of one decode to 8 kHz samples, by ffmpeg and its pipe."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 - a fixed program, no shell.
        [  # noqa: S607 - found on the path, as every tool of the bench.
            "ffmpeg",
            "-v",
            "error",
            "-nostdin",
            "-threads",
            "1",
            "-i",
            str(path),
            "-ac",
            "1",
            "-ar",
            "8000",
            "-f",
            "s16le",
            "pipe:1",
        ],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _search_s(talk: npt.NDArray[np.int16], texts: Sequence[Reference], *, whole: bool) -> float:
    """Return the CPU of the detection, the references made anew as a worker has to."""
    fresh = [
        Reference.from_bytes(r.to_bytes(), text_id=r.text_id, version=1, sha256="") for r in texts
    ]
    before = time.process_time()
    detector = Detector(fresh, whole=whole)
    for at in range(0, len(talk), _BLOCK):
        detector.feed(talk[at : at + _BLOCK, None])
    detector.finish()
    return time.process_time() - before


def peak_mib(hours: float) -> float:
    """Return the peak memory of a process that searches that much sound for five texts."""
    with tempfile.TemporaryDirectory(prefix="notice-bench-") as folder:
        kept = [Path(folder) / f"{number}.nref" for number in range(5)]
        for path, reference in zip(kept, _five(), strict=True):
            path.write_bytes(reference.to_bytes())
        minute = Path(folder) / "minute.s16"
        minute.write_bytes(_talk(1).tobytes())
        printed = subprocess.run(  # noqa: S603 - this very Python, no shell.
            [sys.executable, "-m", "notice_tool.memory", str(hours), str(minute), *map(str, kept)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return float(printed) / 1024
