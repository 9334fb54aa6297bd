"""Every recording of the corpus; skipped, and said so, where the corpus is not here."""

import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inspection.notice.checks import Verdict
from app.inspection.notice.detector import Detector
from app.inspection.notice.hits import Hit
from app.inspection.notice.reference import Reference
from tests.inspection.conftest import CORPUS, corpus_lines, needs_corpus

# The references begin with a tenth of a second of silence; the manifest gives the speech's times.
_LEAD_MS = 100

pytestmark = needs_corpus


@pytest.fixture(scope="module")
def references() -> list[Reference]:
    made = []
    for path in sorted((CORPUS / "reference").glob("*.wav")):
        with wave.open(str(path)) as opened:
            pcm = np.frombuffer(opened.readframes(opened.getnframes()), np.int16)
        text_id = f"reference/{path.name}"
        made.append(Reference.register(pcm, text_id=text_id, version=1, sha256="0" * 64))
    assert len(made) == 2
    return made


def _decoded(path: Path, channels: int, scratch: Path) -> np.ndarray[Any, np.dtype[np.int16]]:
    if path.suffix == ".amr":
        _run("sox", "-t", "amr-nb", path, scratch / "call.wav")
        path = scratch / "call.wav"
    raw = _run(
        *("ffmpeg", "-v", "error", "-nostdin", "-i", path, "-ar", "8000"),
        *("-ac", str(channels), "-f", "s16le", "pipe:1"),
    )
    return np.frombuffer(raw, np.int16).reshape(-1, channels)


def _run(*command: str | Path) -> bytes:
    return subprocess.run(  # noqa: S603 - fixed programs, no shell.
        command, check=True, capture_output=True
    ).stdout


@pytest.mark.parametrize("facts", corpus_lines("manifest.jsonl"), ids=lambda facts: facts["file"])
def test_what_the_manifest_says_is_found(
    facts: dict[str, Any], references: list[Reference], tmp_path: Path
) -> None:
    detector = Detector(references)
    detector.feed(_decoded(CORPUS / facts["file"], facts["channels"], tmp_path))
    hits = [hit for hit in detector.finish() if hit.verdict is not Verdict.REJECTED]
    if facts["notice"] in {"ivr", "truncated"}:
        _is_as_said(hits, facts)
    elif facts["notice"] == "near_miss":
        # It may begin with the very sound of the notice; then that part is told as a part.
        assert not any(hit.complete or hit.share > 0.6 for hit in hits)
    else:
        assert hits == []


def _is_as_said(hits: list[Hit], facts: dict[str, Any]) -> None:
    (hit,) = hits
    assert hit.text_id == facts["notice_ref"]
    assert hit.complete == (facts["notice"] == "ivr")
    assert hit.share == pytest.approx(facts["notice_fraction"], abs=0.06)
    assert hit.origin_ms + _LEAD_MS == pytest.approx(facts["notice_start_s"] * 1000, abs=20)
