"""Loudness says what the standard says, of known tones and beside another meter."""

from __future__ import annotations

import math
import re
import subprocess
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.inspection import loudness
from app.inspection.loudness import FRAME_SAMPLES, Gate, KWeighting
from app.inspection.sound import SoundMeter
from tests.inspection.conftest import CORPUS, corpus_lines, needs_corpus
from tests.inspection.sounds import decoded, sine

# The standard's own coefficients at 48 kHz, ITU-R BS.1770-4, tables 1 and 2.
SHELF_48 = (
    [1.53512485958697, -2.69169618940638, 1.19839281085285],
    [1.0, -1.69065929318241, 0.73248077421585],
)
HIGH_PASS_48 = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])


def gain_db(
    filters: list[tuple[list[float], list[float]]], at_hz: npt.NDArray[np.float64], rate_hz: int
) -> npt.NDArray[np.float64]:
    turn = np.exp(-2j * np.pi * at_hz / rate_hz)
    gain = np.ones(len(at_hz), complex)
    for b, a in filters:
        gain *= np.polyval(b[::-1], turn) / np.polyval(a[::-1], turn)
    return np.asarray(20 * np.log10(np.abs(gain)))


def loudness_of(samples: npt.NDArray[np.int16]) -> float | None:
    meter = SoundMeter()
    meter.feed(samples)
    return meter.finish().loudness_lufs


def test_the_curve_is_that_of_the_standard() -> None:
    at_hz = np.geomspace(50, 3_990, 500)
    wanted = gain_db([SHELF_48, HIGH_PASS_48], at_hz, 48_000)
    ours = gain_db([loudness._shelf(), loudness._high_pass()], at_hz, 8_000)
    assert np.abs(ours - wanted).max() < 0.06


def test_frames_by_matrix_are_the_filter_sample_by_sample() -> None:
    samples = np.random.default_rng(1).normal(0, 3_000, 40 * FRAME_SAMPLES)
    slow = samples / 32_768
    for b, a in (loudness._shelf(), loudness._high_pass()):
        once = twice = 0.0
        out = []
        for value in slow:
            passed = b[0] * value + once
            once, twice = b[1] * value - a[1] * passed + twice, b[2] * value - a[2] * passed
            out.append(passed)
        slow = np.array(out)
    wanted = np.square(slow.reshape(-1, FRAME_SAMPLES)).mean(axis=1)
    frames = samples.reshape(-1, FRAME_SAMPLES).astype(np.float32)
    weighting = KWeighting()
    ours = np.concatenate([weighting.energies(frames[:7]), weighting.energies(frames[7:])])
    assert np.abs(ours / wanted - 1).max() < 1e-4


@pytest.mark.parametrize("dbfs", [-23.0, -33.0, -3.0])
def test_a_tone_of_997_hz_reads_its_level(dbfs: float) -> None:
    # A sine has 3.01 dB less than its peak; at 997 Hz the weighting and the offset cancel out.
    tone = sine(997, seconds=20, peak_dbfs=dbfs + 3.01)
    assert loudness_of(tone[:, None]) == pytest.approx(dbfs, abs=0.05)


def test_two_channels_are_three_decibels_louder_than_one() -> None:
    tone = sine(997, seconds=5, peak_dbfs=-20)
    one, two = loudness_of(tone[:, None]), loudness_of(np.stack((tone, tone), axis=1))
    assert one is not None
    assert two == pytest.approx(one + 3.01, abs=0.02)


def test_pauses_are_gated_out_and_quiet_parts_relatively() -> None:
    # The standard's own kind of case: 10 s at -36, 60 s at -23, 10 s at -36 LUFS reads -23.
    quiet, loud = (sine(997, seconds=s, peak_dbfs=p) for s, p in ((10, -32.99), (60, -19.99)))
    assert loudness_of(np.concatenate((quiet, loud, quiet))[:, None]) == pytest.approx(-23, abs=0.1)
    with_silence = np.concatenate((loud, np.zeros(600_000, np.int16)))
    assert loudness_of(with_silence[:, None]) == pytest.approx(-23, abs=0.1)


def test_nothing_louder_than_the_gate_has_no_loudness() -> None:
    assert loudness_of(np.zeros((80_000, 1), np.int16)) is None
    assert Gate().loudness_lufs() is None
    # A block takes 400 ms: what is shorter has none either.
    assert loudness_of(sine(997, seconds=0.39, peak_dbfs=-6)[:, None]) is None


@needs_corpus
@pytest.mark.parametrize(
    "line",
    [x for x in corpus_lines("manifest.jsonl") if not x["file"].endswith(".amr")],
    ids=lambda line: line["file"],
)
def test_calls_read_what_another_meter_reads(line: dict[str, Any]) -> None:
    """Both get the same samples; the other one at the rate that the standard is printed for."""
    samples = decoded(CORPUS / line["file"], line["channels"])
    shown = subprocess.run(  # noqa: S603 - the test's own arguments.
        [
            *("ffmpeg", "-hide_banner", "-nostats", "-f", "s16le", "-ar", "8000"),
            *("-ac", str(line["channels"]), "-i", "pipe:0"),
            *("-af", "aresample=48000,ebur128", "-f", "null", "-"),
        ],
        input=samples.tobytes(),
        capture_output=True,
        check=True,
    ).stderr.decode()
    theirs = float(re.findall(r"I:\s+(-?[\d.]+) LUFS", shown)[-1])
    ours = loudness_of(samples)
    assert ours is not None
    assert math.isclose(ours, theirs, abs_tol=0.15)
