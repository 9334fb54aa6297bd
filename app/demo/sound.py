"""The sound of demo calls: the announcement that comes with the product, then tones in turns.

Nobody's voice is in it but the announcement's, which a speech synthesiser has spoken. The tones
rise and fall as syllables do, so that the pictures of talk and loudness have something to show.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.consent import shipped
from app.inspection.references import decoded, spooled
from app.inspection.sandbox import Sandbox
from app.recordings.media import AudioRecogniser

RATE_HZ: Final = 8000
_PAUSE_S: Final = 0.6
_TURN_S: Final = (2.5, 1.8, 4.0, 2.2, 3.1)
_PITCH_HZ: Final = (118.0, 205.0)  # Of who is called, and of who calls.
_SYLLABLES_HZ: Final = 3.7
_LOUDNESS: Final = 5200

Pcm = npt.NDArray[np.int16]


def announcement(key: str, sandbox: Sandbox, folder: Path) -> Pcm:
    """Return an announcement that comes with the product, as samples."""
    body = shipped.sound(shipped.template(key))
    recogniser = AudioRecogniser()
    recogniser.feed(body)
    with spooled(iter([body]), folder) as descriptor:
        return decoded(descriptor, recogniser.finish(), sandbox)


def of_call(seconds: int, announced: Pcm | None) -> tuple[Pcm, Pcm]:
    """Return what we sent, with the announcement first, and what came back."""
    talk = seconds * RATE_HZ
    before = np.zeros(0, np.int16) if announced is None else announced
    sent = np.zeros(len(before) + talk, np.int16)
    came = np.zeros_like(sent)
    sent[: len(before)] = before
    for place, (first, last) in enumerate(_turns(talk)):
        whose = sent if place % 2 == 0 else came
        whose[len(before) + first : len(before) + last] = _tone(_PITCH_HZ[place % 2], last - first)
    return sent, came


def as_wav(pcm: Pcm) -> bytes:
    """Return samples as a file of WAVE."""
    kept = io.BytesIO()
    with wave.open(kept, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.astype("<i2").tobytes())
    return kept.getvalue()


def mixed(sent: Pcm, came: Pcm) -> Pcm:
    """Return both directions in one."""
    return np.asarray(np.clip(sent.astype(np.int32) + came, -32768, 32767), np.int16)


def _turns(samples: int) -> Iterator[tuple[int, int]]:
    at, place = round(_PAUSE_S * RATE_HZ), 0
    while at < samples - RATE_HZ:
        last = min(at + round(_TURN_S[place % len(_TURN_S)] * RATE_HZ), samples - RATE_HZ // 2)
        yield at, last
        at, place = last + round(_PAUSE_S * RATE_HZ), place + 1


def _tone(pitch_hz: float, samples: int) -> Pcm:
    at = np.arange(samples) / RATE_HZ
    glide = 2 * np.pi * pitch_hz * (at + 0.004 * np.sin(2 * np.pi * 0.9 * at))
    voiced = sum(np.sin(order * glide) / order for order in range(1, 9))
    swell = np.abs(np.sin(np.pi * _SYLLABLES_HZ * at)) ** 0.7
    edge = np.minimum(1, np.minimum(at, at[::-1]) / 0.05)
    return np.asarray(_LOUDNESS * voiced * swell * edge / 1.6, np.int16)
