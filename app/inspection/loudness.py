"""Loudness as people hear it: K-weighted and gated, in LUFS. Source: ITU-R BS.1770-4.

The standard prints its two filters for 48 kHz alone. Here they are made for 8 kHz by the bilinear
transform. It bends the scale of frequencies towards the upper end: with the corner of the
standard's shelf the curve would be 0.5 dB off at 2.6 kHz. Corner, quality and gain below are those
that stay nearest to the standard's curve, within 0.05 dB from 50 Hz to 4 kHz.

numpy has no recursive filter, so half a frame, 80 samples, is one product with a matrix: what comes
in and the filter's state before it give what goes out and the state after it. The state fades to
nothing within a few frames, so that of those frames it is a plain sum, and no loop is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.peaks import SAMPLE_RATE_HZ, SAMPLES_PER_POINT

FRAME_SAMPLES: Final = SAMPLES_PER_POINT
_FULL_SCALE: Final = 32_768.0
_SHELF_HZ: Final = 1_619.8
_SHELF_Q: Final = 0.6368
_SHELF_DB: Final = 3.9195
_PASS_HZ: Final = 38.13547087602444
_PASS_Q: Final = 0.5003270373238773
_STATES: Final = 4
# A matrix of the whole frame would be twice the work, and half of it for samples to come.
_PART_SAMPLES: Final = FRAME_SAMPLES // 2
# The slowest part of the state keeps 9 % of itself over half a frame: after sixteen, 1e-16.
_REMEMBERED: Final = 16
_OFFSET_DB: Final = -0.691
_FRAMES_PER_STEP: Final = 5
_STEPS_PER_BLOCK: Final = 4
_LOWEST_LUFS: Final = -70.0
_HIGHEST_LUFS: Final = 12.0
_BINS_PER_LU: Final = 100
_BINS: Final = round((_HIGHEST_LUFS - _LOWEST_LUFS) * _BINS_PER_LU)
_RELATIVE_LU: Final = 10.0

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(slots=True)
class KWeighting:
    """The weighting of one channel, frame after frame."""

    _drive: Doubles = field(default_factory=lambda: np.zeros((_REMEMBERED, _STATES)))

    def energies(self, frames: Floats) -> Doubles:
        """Return the mean square of each weighted frame; a row of `frames` is one frame.

        Full scale is 1.
        """
        system = _system()
        parts = frames.reshape(-1, _PART_SAMPLES)
        drive = np.concatenate((self._drive, parts @ system.drive))
        self._drive = drive[-_REMEMBERED:]
        before = np.lib.stride_tricks.sliding_window_view(drive[:-1], _REMEMBERED, axis=0)
        states = before.transpose(0, 2, 1).reshape(len(parts), -1) @ system.fading
        weighted = parts @ system.response
        weighted += states.astype(np.float32) @ system.ringing
        weighted = weighted.reshape(frames.shape)
        squares = np.einsum("fs,fs->f", weighted, weighted)
        return np.asarray(squares, np.float64) / (FRAME_SAMPLES * _FULL_SCALE**2)


@dataclass(slots=True)
class Gate:
    """Integrated loudness of blocks of 400 ms, each 100 ms after the one before.

    Blocks are counted by loudness in steps of 0.01 LU, with their energy, so that a gate that is
    known only at the end needs no list of them; it cuts 0.01 LU beside its place at most.
    """

    _left: Doubles = field(default_factory=lambda: np.zeros(0))
    _steps: Doubles = field(default_factory=lambda: np.zeros(0))
    _counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    _energies: Doubles = field(default_factory=lambda: np.zeros(_BINS))

    def feed(self, frames: Doubles) -> None:
        """Take the energies of the next frames."""
        joined = np.concatenate((self._left, frames))
        whole = len(joined) - len(joined) % _FRAMES_PER_STEP
        self._left = joined[whole:]
        steps = joined[:whole].reshape(-1, _FRAMES_PER_STEP).mean(axis=1)
        steps = np.concatenate((self._steps, steps))
        self._steps = steps[max(len(steps) - _STEPS_PER_BLOCK + 1, 0) :]
        if len(steps) >= _STEPS_PER_BLOCK:
            self._count(
                np.lib.stride_tricks.sliding_window_view(steps, _STEPS_PER_BLOCK).mean(axis=1)
            )

    def loudness_lufs(self) -> float | None:
        """Return the integrated loudness, None where nothing was louder than -70 LUFS."""
        count = int(self._counts.sum())
        if not count:
            return None
        relative = _lufs(float(self._energies.sum()) / count) - _RELATIVE_LU
        first = max(math.ceil((relative - _LOWEST_LUFS) * _BINS_PER_LU), 0)
        return _lufs(float(self._energies[first:].sum()) / int(self._counts[first:].sum()))

    def _count(self, blocks: Doubles) -> None:
        loud = blocks[blocks > 10 ** ((_LOWEST_LUFS - _OFFSET_DB) / 10)]
        lufs = _OFFSET_DB + 10 * np.log10(loud)
        bins = np.clip(((lufs - _LOWEST_LUFS) * _BINS_PER_LU).astype(np.int64), 0, _BINS - 1)
        self._counts += np.bincount(bins, minlength=_BINS)
        self._energies += np.bincount(bins, weights=loud, minlength=_BINS)


def _lufs(energy: float) -> float:
    return _OFFSET_DB + 10 * math.log10(energy)


@dataclass(frozen=True, slots=True, kw_only=True)
class _System:
    """The filter over half a frame, as matrices from what comes in and was there."""

    response: Floats
    ringing: Floats
    drive: Floats
    fading: Doubles


@lru_cache(maxsize=1)
def _system() -> _System:
    """Try the filter on each possible unit of input and of state, all side by side."""
    size = _PART_SAMPLES
    state = np.zeros((_STATES, size + _STATES))
    state[:, size:] = np.eye(_STATES)
    out = np.zeros((size, size + _STATES))
    for sample in range(size):
        signal = np.zeros(size + _STATES)
        signal[sample] = 1.0
        for row, (b, a) in zip((0, 2), (_shelf(), _high_pass()), strict=True):
            passed = b[0] * signal + state[row]
            state[row] = b[1] * signal - a[1] * passed + state[row + 1]
            state[row + 1] = b[2] * signal - a[2] * passed
            signal = passed
        out[sample] = signal
    kept = state[:, size:].T
    return _System(
        response=np.ascontiguousarray(out[:, :size].T, np.float32),
        ringing=np.ascontiguousarray(out[:, size:].T, np.float32),
        drive=np.ascontiguousarray(state[:, :size].T, np.float32),
        fading=np.concatenate(
            [np.linalg.matrix_power(kept, age) for age in reversed(range(_REMEMBERED))]
        ),
    )


def _shelf() -> tuple[list[float], list[float]]:
    k = math.tan(math.pi * _SHELF_HZ / SAMPLE_RATE_HZ)
    high = 10 ** (_SHELF_DB / 20)
    middle = math.sqrt(high)
    scale = 1 + k / _SHELF_Q + k * k
    b = [high + middle * k / _SHELF_Q + k * k, 2 * (k * k - high)]
    b.append(high - middle * k / _SHELF_Q + k * k)
    return [each / scale for each in b], _poles(k, _SHELF_Q)


def _high_pass() -> tuple[list[float], list[float]]:
    k = math.tan(math.pi * _PASS_HZ / SAMPLE_RATE_HZ)
    scale = 1 + k / _PASS_Q + k * k
    return [1 / scale, -2 / scale, 1 / scale], _poles(k, _PASS_Q)


def _poles(k: float, quality: float) -> list[float]:
    scale = 1 + k / quality + k * k
    return [1.0, 2 * (k * k - 1) / scale, (1 - k / quality + k * k) / scale]
