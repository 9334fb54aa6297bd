"""Speech-like sound for the tests, made from a seed by nothing but arithmetic.

Syllables with gliding pitch and formants, hissing consonants and short closures: no language, but
it has of speech what the detector looks at.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE_HZ = 8_000
Pcm = npt.NDArray[np.int16]


def speech(seed: int, *, seconds: float, pitch_hz: float = 120.0, level: float = 0.3) -> Pcm:
    """Return babble of one voice: another seed says other words."""
    random = np.random.default_rng(seed)
    wanted = int(seconds * RATE_HZ)
    pieces: list[npt.NDArray[np.float64]] = []
    length = 0
    while length < wanted:
        piece = _hiss(random) if random.random() < 0.4 else np.zeros(0)
        closure = np.zeros(int(random.integers(80, 500)))
        piece = np.concatenate([piece, _vowel(random, pitch_hz), closure])
        pieces.append(piece)
        length += len(piece)
    made = np.concatenate(pieces)[:wanted]
    return np.asarray(made / np.abs(made).max() * level * 32767, np.int16)


def _vowel(random: np.random.Generator, pitch_hz: float) -> npt.NDArray[np.float64]:
    time_s = np.arange(int(random.uniform(0.09, 0.24) * RATE_HZ)) / RATE_HZ
    along = time_s / time_s[-1]
    pitch = pitch_hz * (random.uniform(0.85, 1.2) + random.uniform(-0.15, 0.15) * along)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    made = np.zeros(len(time_s))
    formants = [(random.uniform(300, 800), 90), (random.uniform(900, 2200), 140), (2600, 200)]
    glides = random.uniform(-0.25, 0.25, 3)
    for harmonic in range(1, int(3600 / pitch_hz)):
        at_hz = pitch * harmonic
        weight = sum(
            np.exp(-(((at_hz - centre * (1 + glide * along)) / width) ** 2))
            for (centre, width), glide in zip(formants, glides, strict=True)
        )
        made += (weight + 0.02) * np.sin(phase * harmonic) / harmonic**0.4
    return np.asarray(made * np.sin(np.pi * along) ** 0.5)


def _hiss(random: np.random.Generator) -> npt.NDArray[np.float64]:
    noise = random.standard_normal(int(random.uniform(0.05, 0.12) * RATE_HZ))
    return np.diff(noise, prepend=0.0) * 0.25


def noise(seed: int, *, seconds: float, level: float = 0.002) -> Pcm:
    random = np.random.default_rng(seed)
    return np.asarray(random.standard_normal(int(seconds * RATE_HZ)) * level * 32767, np.int16)


def call(*parts: Pcm) -> npt.NDArray[np.int16]:
    """Return the parts one after another, on a line with a little noise, as one channel."""
    made = np.concatenate(parts).astype(np.int32)
    made += noise(len(made), seconds=len(made) / RATE_HZ)[: len(made)]
    return np.asarray(np.clip(made, -32768, 32767), np.int16)[:, None]


def silence(seconds: float) -> Pcm:
    return np.zeros(int(seconds * RATE_HZ), np.int16)
