"""Cutting by samples, from one leg and from two."""

from __future__ import annotations

import io
import tempfile
import wave
from pathlib import Path

import pytest

from app.consent.rules import Segment
from app.inspection.sandbox import Sandbox
from app.releases import cutting
from app.releases.cutting import Source
from app.releases.recipes import Original
from app.releases.refusals import RecordingNotReady, SegmentNotSupported
from tests.factories import wav


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox.detect()


def _source(
    body: bytes, *, leg: str = "mixed", container: str = "wav", rate_hz: int = 8000
) -> Source:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the test's end closes it.
    file.write(body)
    file.flush()
    original = Original(
        recording="r",
        leg=leg,
        sha256="",
        size_bytes=len(body),
        container=container,
        codec="pcm_s16le",
        sample_rate_hz=rate_hz,
        channels=1,
    )
    return Source(original=original, file=file)


def _cut(
    sources: list[Source], segment: Segment, sandbox: Sandbox, spool: Path
) -> tuple[bytes, int]:
    try:
        made = cutting.cut(sources, segment, sandbox=sandbox, spool=spool)
    finally:
        for source in sources:
            source.file.close()
    with made.file as file:
        return file.read(), made.duration_ms


def test_two_legs_become_two_channels(sandbox: Sandbox, tmp_path: Path) -> None:
    received = _source(wav(2.0, rate_hz=16_000), leg="received", rate_hz=16_000)
    sent = _source(wav(1.0), leg="sent")
    cut, duration_ms = _cut([received, sent], Segment(0, None), sandbox, tmp_path)
    with wave.open(io.BytesIO(cut)) as joined:
        assert (joined.getnchannels(), joined.getframerate()) == (2, 16_000)
        samples = joined.readframes(99_999)
    left = samples[4 * 30_000 : 4 * 30_000 + 2]
    assert left == b"\0\0"  # The sent leg is the shorter one; silence fills it up.
    assert any(samples[4 * 30_000 + 2 : 4 * 30_100 : 4])
    assert duration_ms == 2000


def test_legs_of_one_rate_are_joined_sample_by_sample(sandbox: Sandbox, tmp_path: Path) -> None:
    received, sent = _source(wav(0.5), leg="received"), _source(wav(0.5)[:-2000], leg="sent")
    cut, _ = _cut([received, sent], Segment(100, 400), sandbox, tmp_path)
    with wave.open(io.BytesIO(cut)) as joined:
        assert (joined.getnchannels(), joined.getframerate()) == (2, 8_000)
        samples = joined.readframes(99_999)
    assert b"".join(samples[n : n + 2] for n in range(2, len(samples), 4)) == wav(0.5)[1644:6444]


@pytest.mark.parametrize(("from_ms", "to_ms"), [(0, 1), (125, 250), (999, None)])
def test_a_cut_is_exact(sandbox: Sandbox, tmp_path: Path, from_ms: int, to_ms: int | None) -> None:
    body = wav(1.0)
    cut, _ = _cut([_source(body)], Segment(from_ms, to_ms), sandbox, tmp_path)
    end = 8000 if to_ms is None else to_ms * 8
    assert cut[44:] == body[44 + from_ms * 16 : 44 + end * 2]


def test_a_cut_after_the_end_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(RecordingNotReady):
        _cut([_source(wav(1.0))], Segment(5000, 6000), sandbox, tmp_path)


def test_what_is_no_sound_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(RecordingNotReady):
        _cut([_source(b"no sound at all")], Segment(0, None), sandbox, tmp_path)


def test_an_unknown_kind_of_file_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(SegmentNotSupported):
        _cut([_source(wav(), container="png")], Segment(0, 500), sandbox, tmp_path)
