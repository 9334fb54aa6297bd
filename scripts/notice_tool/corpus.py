"""The detector over the corpus of test recordings, file by file."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.checks import Verdict
from app.inspection.notice.detector import Detector
from app.inspection.notice.reference import Reference

_ROOT: Final = Path(__file__).resolve().parents[2]
_STARTS_WITHIN_MS: Final = 20.0
# The references of the corpus begin with a tenth of a second of silence; the manifest's times are
# those of the speech, good to 20 ms.
_LEAD_MS: Final = 100.0


def folder() -> Path | None:
    """Return where the corpus lies, if it is here."""
    place = Path(os.environ.get("AUDIATUR_CORPUS", _ROOT.parent / "shared" / "corpus"))
    return place if (place / "manifest.jsonl").is_file() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file: what the manifest says and what was found."""

    file: str
    expected: str
    expected_text: str | None
    found: str
    found_text: str | None
    share: float
    start_error_ms: float | None

    @property
    def is_right(self) -> bool:
        wanted = {"ivr": "full", "truncated": "partial"}.get(self.expected)
        if wanted is None:
            # Another announcement in the notice's own words may be heard in part, never whole.
            return self.found == "none" or (
                self.expected == "near_miss" and self.found == "partial"
            )
        near = self.start_error_ms is not None and self.start_error_ms <= _STARTS_WITHIN_MS
        return self.found == wanted and self.found_text == self.expected_text and near


def corpus_references(place: Path) -> list[Reference]:
    made = []
    for path in sorted((place / "reference").glob("*.wav")):
        with wave.open(str(path)) as opened:
            samples = np.frombuffer(opened.readframes(opened.getnframes()), np.int16)
        made.append(
            Reference.register(
                samples, text_id=f"reference/{path.name}", version=1, sha256="0" * 64
            )
        )
    return made


def decoded(path: Path, channels: int) -> npt.NDArray[np.int16]:
    """Decode to 8 kHz; AMR by sox, as ffmpeg's own decoder loses its pauses."""
    with tempfile.TemporaryDirectory(prefix="notice-bench-") as scratch:
        source = path
        if path.suffix == ".amr":
            source = Path(scratch) / "call.wav"
            _run(["sox", "-t", "amr-nb", str(path), str(source)])
        raw = _run(
            [
                "ffmpeg",
                "-v",
                "error",
                "-nostdin",
                "-i",
                str(source),
                "-ar",
                "8000",
                "-ac",
                str(channels),
                "-f",
                "s16le",
                "pipe:1",
            ]
        )
    return np.frombuffer(raw, np.int16).reshape(-1, channels)


def _run(command: list[str]) -> bytes:
    return subprocess.run(  # noqa: S603 - fixed programs, no shell.
        command, check=True, capture_output=True
    ).stdout


def rows(place: Path) -> Iterator[Row]:
    """Search every file of the manifest for both references."""
    searched = corpus_references(place)
    for line in (place / "manifest.jsonl").read_text().splitlines():
        facts = json.loads(line)
        detector = Detector(searched)
        detector.feed(decoded(place / facts["file"], facts["channels"]))
        hits = [hit for hit in detector.finish() if hit.verdict is not Verdict.REJECTED]
        best = max(hits, key=lambda hit: (hit.complete, hit.share), default=None)
        truth = facts["notice_start_s"]
        off = (
            None if best is None or truth is None else abs(best.origin_ms + _LEAD_MS - truth * 1000)
        )
        yield Row(
            file=facts["file"],
            expected=facts["notice"],
            expected_text=facts["notice_ref"],
            found="none" if best is None else str(best.verdict),
            found_text=None if best is None else best.text_id,
            share=0.0 if best is None else best.share,
            start_error_ms=off,
        )


def table() -> None:
    """Print the corpus, or that it is missing."""
    place = folder()
    if place is None:
        print("\nTHE CORPUS IS MISSING: set AUDIATUR_CORPUS; nothing was tried on it.")
        return
    print(f"\n{'corpus file':50} {'expected':10} {'found':8} {'share':>6} {'start off ms':>13}")
    right = count = 0
    for row in rows(place):
        count += 1
        right += row.is_right
        off = "" if row.start_error_ms is None else f"{row.start_error_ms:.0f}"
        print(
            f"{row.file:50} {row.expected:10} {row.found:8} {row.share:6.2f} {off:>13}"
            f"{'' if row.is_right else '   WRONG'}"
        )
    print(f"{right} of {count} right")
