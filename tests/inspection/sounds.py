"""Sounds for tests: tones, noise, and what ffmpeg decodes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 8_000
Samples = npt.NDArray[np.int16]


def sine(hz: float, *, seconds: float, peak_dbfs: float) -> Samples:
    moments = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = 32_768 * 10 ** (peak_dbfs / 20) * np.sin(2 * np.pi * hz * moments)
    return np.clip(np.rint(wave), -32_768, 32_767).astype(np.int16)


def noise(*, seconds: float, dbfs: float, seed: int = 0) -> Samples:
    drawn = np.random.default_rng(seed).normal(
        0, 32_768 * 10 ** (dbfs / 20), round(seconds * RATE_HZ)
    )
    return np.clip(np.rint(drawn), -32_768, 32_767).astype(np.int16)


def decoded(path: Path, channels: int) -> Samples:
    raw = subprocess.run(  # noqa: S603 - the test's own arguments.
        [
            *("ffmpeg", "-v", "error", "-nostdin", "-i", str(path)),
            *("-ar", str(RATE_HZ), "-ac", str(channels), "-f", "s16le", "pipe:1"),
        ],
        check=True,
        capture_output=True,
    ).stdout
    return np.frombuffer(raw, np.int16).reshape(-1, channels)
