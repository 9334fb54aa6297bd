"""The voices, at 8 kHz: espeak-ng's, and the people of asterisk's prompts where installed."""

from __future__ import annotations

import io
import subprocess
import wave
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

RATE_HZ: Final = 8_000
Sound = npt.NDArray[np.float32]

# Announcers and callers of the two sets share no voice.
TUNING_VARIANTS: Final = ("f1", "f3", "m1", "m3", "m5", "klatt2", "Alicia", "Andrea")
FINAL_VARIANTS: Final = ("f2", "f4", "f5", "m2", "m4", "m6", "m7", "m8", "klatt4", "Andy", "Diogo")
HUMAN_PROMPTS: Final = {
    "ru-human": Path("/usr/share/asterisk/sounds/ru_RU_f_IvrvoiceRU"),
    "en-human": Path("/usr/share/asterisk/sounds/en_US_f_Allison"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One speaker of espeak-ng; `speed` is in words a minute, `pitch` from 0 to 99."""

    variant: str
    speed: int = 155
    pitch: int = 50


@lru_cache(maxsize=4096)
def say(voice: Voice, language: str, text: str) -> Sound:
    """Return the sentence at 8 kHz, its loudest sample at half of full scale."""
    spoken = subprocess.run(  # noqa: S603 - a fixed program; no shell reads the sentence.
        [  # noqa: S607 - found on the path, as every tool of the bench.
            "espeak-ng",
            "-v",
            f"{language}+{voice.variant}",
            "-s",
            str(voice.speed),
            "-p",
            str(voice.pitch),
            "--stdout",
            text,
        ],
        check=True,
        capture_output=True,
    ).stdout
    # espeak-ng writes its header before it knows the length.
    rate_hz = int.from_bytes(spoken[24:28], "little")
    samples = np.frombuffer(spoken[44 : 44 + (len(spoken) - 44) // 2 * 2], np.int16)
    return levelled(resample(samples.astype(np.float32), RATE_HZ / rate_hz))


def resample(sound: Sound, ratio: float) -> Sound:
    """Return the sound with `ratio` times as many samples, band-limited."""
    wanted = round(len(sound) * ratio)
    spectrum = np.fft.rfft(sound)
    kept = min(len(spectrum), wanted // 2 + 1)
    full = np.zeros(wanted // 2 + 1, spectrum.dtype)
    full[:kept] = spectrum[:kept]
    return (np.fft.irfft(full, wanted) * (wanted / len(sound))).astype(np.float32)


def stretch(sound: Sound, ppm: float) -> Sound:
    """Return the sound as a clock that is `ppm` slow would play it: longer by that share."""
    length = round(len(sound) * (1 + ppm * 1e-6))
    places = np.arange(length) / (1 + ppm * 1e-6)
    # Linear interpolation at four times the rate keeps its error below what any codec adds.
    fine = resample(sound, 4.0)
    return np.interp(places * 4, np.arange(len(fine)), fine).astype(np.float32)


def levelled(sound: Sound) -> Sound:
    peak = float(np.abs(sound).max(initial=1e-9))
    return (sound * (0.5 / peak)).astype(np.float32)


@lru_cache(maxsize=8)
def human_prompts(directory: Path, *, shortest_s: float = 3.0) -> tuple[Sound, ...]:
    """Return the human announcements of asterisk's sound package; none where it is missing."""
    found: list[Sound] = []
    for path in sorted(directory.rglob("*.wav")) if directory.is_dir() else []:
        if "silence" in path.parts or path.stat().st_size < shortest_s * 2 * RATE_HZ:
            continue
        with wave.open(io.BytesIO(path.read_bytes())) as opened:
            samples = np.frombuffer(opened.readframes(opened.getnframes()), np.int16)
        if len(samples) <= 45 * RATE_HZ:
            found.append(levelled(samples.astype(np.float32)))
    return tuple(found)
