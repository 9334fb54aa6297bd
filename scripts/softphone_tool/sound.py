"""What the microphones hear, and whether a recording is finished."""

from __future__ import annotations

import array
import math
import struct
import wave
from pathlib import Path

RATE_HZ = 8000
_SAMPLE_BYTES = 2
_TONE_PEAK = 3000  # A tenth of full scale: quiet.
_HEAD_BYTES = 44
_SIZE_AT = 40


class SoundWrong(Exception):
    """A WAV is not what a microphone of these phones can be."""


def tone(path: Path, *, hz: int, seconds: float) -> None:
    """Write a quiet tone that sounds every other half second."""
    half_second = RATE_HZ // 2
    samples = array.array(
        "h",
        (
            int(_TONE_PEAK * math.sin(2 * math.pi * hz * n / RATE_HZ))
            if n // half_second % 2
            else 0
            for n in range(int(RATE_HZ * seconds))
        ),
    )
    _write(path, samples.tobytes())


def padded(source: Path, target: Path, *, seconds: float) -> None:
    """Copy a WAV and let silence follow until `seconds`: a phone hangs up where its WAV ends.

    Raises:
        SoundWrong: the WAV is none, or not 8 kHz, mono, 16 bit.
    """
    try:
        with wave.open(str(source), "rb") as found:
            form = (found.getframerate(), found.getnchannels(), found.getsampwidth())
            frames = found.readframes(found.getnframes())
    except (OSError, EOFError, wave.Error) as exc:
        raise SoundWrong(f"{source} is no WAV that can be read: {exc}") from exc
    if form != (RATE_HZ, 1, _SAMPLE_BYTES):
        raise SoundWrong(f"{source} must be 8000 Hz, mono, 16 bit")
    _write(target, frames.ljust(int(seconds * RATE_HZ) * _SAMPLE_BYTES, b"\0"))


def is_finished(path: Path) -> bool:
    """Tell whether a recording was closed: until then its head says that there are no samples."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES:
        return False
    (told_bytes,) = struct.unpack_from("<I", head, _SIZE_AT)
    return bool(told_bytes) and told_bytes == path.stat().st_size - _HEAD_BYTES


def _write(path: Path, frames: bytes) -> None:
    with wave.open(str(path), "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(_SAMPLE_BYTES)
        made.setframerate(RATE_HZ)
        made.writeframes(frames)
