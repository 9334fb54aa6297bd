"""Sound of a telephone line that is no speech."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from notice_tool.voices import RATE_HZ, Sound

_KEYS_SHARE: Final = 0.3
_KEY_S: Final = 0.12
_RING_S: Final = 0.8


def music(seconds: float, random: np.random.Generator) -> Sound:
    """Return music on hold: broken chords with harmonics, or tones of a telephone."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    if random.random() < _KEYS_SHARE:
        tones = (697, 770, 852, 941, 1209, 1336, 1477)
        low, high = random.choice(tones[:4]), random.choice(tones[4:])
        gate = (time_s % 0.25) < _KEY_S
        both = np.sin(2 * np.pi * low * time_s) + np.sin(2 * np.pi * high * time_s)
        return np.asarray(0.2 * gate * both, np.float32)
    made = np.zeros(len(time_s))
    for index in range(int(seconds / 0.2)):
        note_hz = 220 * 2 ** (int(random.integers(0, 25)) / 12)
        since = time_s - index * 0.2
        envelope = np.where(since >= 0, np.exp(-4 * np.maximum(since, 0)), 0)
        for harmonic in (1, 2, 3):
            made += envelope * np.sin(2 * np.pi * note_hz * harmonic * time_s) / harmonic
    return np.asarray(0.3 * made / max(float(np.abs(made).max()), 1e-9), np.float32)


@lru_cache(maxsize=1)
def ringing() -> Sound:
    time_s = np.arange(4 * RATE_HZ) / RATE_HZ
    return (0.15 * np.sin(2 * np.pi * 425 * time_s) * (time_s < _RING_S)).astype(np.float32)


def beep(length: int, random: np.random.Generator) -> np.ndarray:
    """Return a tone of level 1 (root mean square), as recorders put over words."""
    time_s = np.arange(length) / RATE_HZ
    at_hz = float(random.choice((440, 800, 1000, 1400)))
    return np.asarray(np.sqrt(2) * np.sin(2 * np.pi * at_hz * time_s), np.float32)
