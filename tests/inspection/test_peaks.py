"""Peaks do not depend on how the samples were cut, and survive being stored."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inspection.peaks import SAMPLES_PER_POINT, PeakBuilder, Peaks, PeaksInvalid


def built(samples: bytes, channels: int, piece: int | None = None) -> Peaks:
    builder = PeakBuilder(channels)
    for start in range(0, len(samples), piece or max(1, len(samples))):
        builder.feed(samples[start : start + (piece or len(samples))])
    return builder.finish()


def noise(frames: int, channels: int, seed: int = 7) -> bytes:
    rng = np.random.default_rng(seed)
    return rng.integers(-32768, 32768, frames * channels).astype(">i2").tobytes()


def test_a_point_holds_the_lowest_and_the_highest_sample() -> None:
    samples = np.zeros((SAMPLES_PER_POINT * 2, 2), dtype=">i2")
    samples[5, 0], samples[6, 0], samples[200, 1] = -32768, 32767, 256
    assert built(samples.tobytes(), 2).values.tolist() == [
        [[-128, 127], [0, 0]],
        [[0, 0], [0, 1]],
    ]


@given(frames=st.integers(0, 900), channels=st.integers(1, 8), piece=st.integers(1, 3000))
def test_pieces_of_any_size_give_the_same_peaks(frames: int, channels: int, piece: int) -> None:
    samples = noise(frames, channels)
    peaks = built(samples, channels, piece)
    assert peaks.length == -(-frames // SAMPLES_PER_POINT)
    assert np.array_equal(peaks.values, built(samples, channels).values)
    whole = np.frombuffer(samples, dtype=">i2").reshape(-1, channels)
    for point in range(peaks.length):
        part = whole[point * SAMPLES_PER_POINT : (point + 1) * SAMPLES_PER_POINT]
        assert np.array_equal(peaks.values[point, :, 0], part.min(axis=0) >> 8)
        assert np.array_equal(peaks.values[point, :, 1], part.max(axis=0) >> 8)


@given(frames=st.integers(0, 900), channels=st.integers(1, 8))
def test_stored_peaks_come_back(frames: int, channels: int) -> None:
    peaks = built(noise(frames, channels), channels)
    again = Peaks.from_bytes(peaks.to_bytes())
    assert again.to_waveform() == peaks.to_waveform()


@given(raw=st.binary(max_size=80), cut=st.integers(0, 60))
def test_other_bytes_are_no_peaks(raw: bytes, cut: int) -> None:
    stored = built(noise(400, 1), 1).to_bytes()
    with pytest.raises(PeaksInvalid):
        Peaks.from_bytes(raw)
    with pytest.raises(PeaksInvalid):
        Peaks.from_bytes(stored[: min(cut, len(stored) - 8)])


def test_resampling_keeps_the_extremes_and_the_number_of_points_asked_for() -> None:
    peaks = built(noise(SAMPLES_PER_POINT * 1001, 2), 2)
    small = peaks.resampled(100)
    assert small.length == 91
    assert small.samples_per_point == SAMPLES_PER_POINT * 11
    assert small.values.min() == peaks.values.min()
    assert small.values.max() == peaks.values.max()
    assert peaks.resampled(5000) is peaks


def test_the_waveform_is_plain_json_with_channels_side_by_side() -> None:
    waveform = built(noise(SAMPLES_PER_POINT * 3, 2), 2).to_waveform()
    assert json.loads(json.dumps(waveform, allow_nan=False)) == waveform
    assert waveform["length"] == 3
    data = waveform["data"]
    assert isinstance(data, list)
    assert len(data) == 3 * 2 * 2
    assert waveform["samples_per_pixel"] == 160


def test_an_empty_recording_has_an_empty_picture() -> None:
    peaks = built(b"", 1)
    assert peaks.length == 0
    assert peaks.resampled(10).to_waveform()["data"] == []


@given(frames=st.integers(1, 4000), bounds=st.tuples(st.integers(0, 600), st.integers(0, 600)))
def test_a_part_shows_no_sample_outside_of_it(frames: int, bounds: tuple[int, int]) -> None:
    from_ms, to_ms = sorted(bounds)
    samples = np.frombuffer(noise(frames, 1), dtype=">i2").copy()
    before, whole = samples.copy(), built(samples.tobytes(), 1)
    before[: from_ms * 8], before[to_ms * 8 :] = 0, 0
    part = whole.part(from_ms, to_ms)
    assert np.array_equal(part.values, built(before.tobytes(), 1).part(from_ms, to_ms).values)
    assert part.length <= whole.length
