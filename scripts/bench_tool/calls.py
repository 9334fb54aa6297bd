"""Calls of any length, made of the demonstration's speech, in the codings that are inspected."""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench_tool.native import BenchmarkFailed

RATE_HZ = 8_000
FORMS = {
    "Opus": ("opus", ["-c:a", "libopus", "-b:a", "32k"]),
    "MP3": ("mp3", ["-c:a", "libmp3lame", "-b:a", "32k"]),
    "A-law WAV": ("wav", ["-c:a", "pcm_alaw"]),
}
OLD_FORMS = {
    "MP3": FORMS["MP3"],
    "Opus": FORMS["Opus"],
    "GSM": ("gsm", ["-c:a", "libgsm"]),
}
_SPEECH = Path(__file__).parents[1] / "demo_company"
_NOTICE = _SPEECH / "notice" / "notice_ru.wav"
# Seconds of the conversation that serve as four more announcements: where somebody speaks.
_CUTS_S = ((16.0, 22.0), (24.0, 30.0), (32.0, 38.0), (42.0, 48.0))
_WITHIN_S = 600


def make(folder: Path, *, seconds: int, forms: Sequence[str] = tuple(FORMS)) -> dict[str, Path]:
    """Return a file of that length in each coding: a notice and one talk, over and over."""
    samples = _samples(_NOTICE) + _samples(_SPEECH / "calls" / "d23.wav")
    return _coded(
        folder / f"call-{seconds}", samples, seconds, {name: FORMS[name] for name in forms}
    )


def old(folder: Path, *, seconds: int) -> dict[str, Path]:
    """Return a file of that length in each coding of old archives: a notice once, then talk."""
    notice, talk = _samples(_NOTICE), _samples(_SPEECH / "calls" / "d23.wav")
    # The talk begins with the notice too.
    talk = talk[round(_CUTS_S[0][0] * RATE_HZ) * 2 :]
    times = -(-seconds * RATE_HZ * 2 // len(talk))
    return _coded(folder / f"old-{seconds}", notice + talk * times, seconds, OLD_FORMS)


def _coded(
    stem: Path, samples: bytes, seconds: int, forms: Mapping[str, tuple[str, list[str]]]
) -> dict[str, Path]:
    raw = stem.with_suffix(".s16")
    raw.write_bytes(samples)
    made = {}
    for name, (ending, coder) in forms.items():
        made[name] = stem.with_suffix(f".{ending}")
        _ffmpeg("-stream_loop", "-1", *_raw(raw), "-t", str(seconds), *coder, str(made[name]))
    return made


def repeated(call: Path, times: int) -> Path:
    """Return a call that is `times` as long, its packets copied."""
    made = call.with_stem(f"{call.stem}-x{times}")
    _ffmpeg("-stream_loop", str(times - 1), "-i", str(call), "-c", "copy", str(made))
    return made


def texts(folder: Path) -> list[Path]:
    """Return five announcements as files of samples."""
    talk = _samples(_SPEECH / "calls" / "d23.wav")
    sounds = [_samples(_NOTICE)]
    sounds += [talk[round(a * RATE_HZ) * 2 : round(b * RATE_HZ) * 2] for a, b in _CUTS_S]
    made = []
    for number, sound in enumerate(sounds):
        path = folder / f"text-{number}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(sound)
        made.append(path)
    return made


def decode_command(call: Path) -> list[str]:
    """Return the decode that everything is compared with."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", str(call)]
    return [*command, "-ac", "1", "-ar", str(RATE_HZ), "-f", "s16le", "pipe:1"]


def _samples(path: Path) -> bytes:
    return subprocess.run(  # noqa: S603 - the benchmark's own arguments.
        decode_command(path), check=True, capture_output=True, timeout=_WITHIN_S
    ).stdout


def _raw(path: Path) -> list[str]:
    return ["-f", "s16le", "-ar", str(RATE_HZ), "-ac", "1", "-i", str(path)]


def _ffmpeg(*arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - the benchmark's own arguments.
        ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments],  # noqa: S607 - as installed.
        capture_output=True,
        text=True,
        check=False,
        timeout=_WITHIN_S,
    )
    if done.returncode:
        raise BenchmarkFailed(f"ffmpeg: {done.stderr.strip()}")
