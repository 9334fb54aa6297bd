"""What a telephone line does to speech: codecs, noise, drift, losses, jumps."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from notice_tool.voices import RATE_HZ, Sound, stretch

CODECS: Final = (
    "alaw",
    "mulaw",
    "gsm",
    "opus-8",
    "opus-12",
    "opus-16",
    "amr-0",
    "amr-4",
    "amr-7",
    "mp3-16",
    "mp3-32",
)
NOISES: Final = ("pink", "white", "babble")


def active_level(sound: Sound) -> float:
    """Return the root mean square of what is within 20 dB of the loudest 20 ms."""
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    if not len(power) or power.max() <= 0:
        return 1e-9
    return float(np.sqrt(power[power > power.max() * 1e-2].mean()))


def telephone_band(sound: Sound, *, low_hz: float = 300, high_hz: float = 3400) -> Sound:
    spectrum = np.fft.rfft(sound)
    at_hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    slope = 1 / (1 + (low_hz / np.maximum(at_hz, 1)) ** 8) / (1 + (at_hz / high_hz) ** 24)
    return np.fft.irfft(spectrum * np.sqrt(slope), len(sound)).astype(np.float32)


def exchange_filter(sound: Sound) -> Sound:
    """Return the band as an exchange's filters pass it, which delay low tones more than high."""
    at = 1j * np.maximum(np.fft.rfftfreq(len(sound), 1 / RATE_HZ), 1e-3)
    passed = np.ones(len(at), np.complex128)
    for damping in (0.7654, 1.8478):
        low, high = at / 300, at / 3400
        passed *= low**2 / (low**2 + damping * low + 1) / (high**2 + damping * high + 1)
    return np.fft.irfft(np.fft.rfft(sound) * passed, len(sound)).astype(np.float32)


def noise(kind: str, length: int, random: np.random.Generator, babble: Sound) -> Sound:
    """Return noise of level 1 (root mean square)."""
    if kind == "babble":
        start = int(random.integers(0, len(babble)))
        made = np.roll(np.resize(babble, max(length, len(babble))), -start)[:length]
    else:
        made = random.standard_normal(length).astype(np.float32)
        if kind == "pink":
            spectrum = np.fft.rfft(made)
            spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
            made = np.fft.irfft(spectrum, length).astype(np.float32)
    made = telephone_band(made)
    return (made / max(float(np.sqrt(np.mean(made**2))), 1e-9)).astype(np.float32)


def babble_of(lines: list[Sound], random: np.random.Generator) -> Sound:
    """Return ten seconds of seven people speaking at once."""
    length = 10 * RATE_HZ
    total = np.zeros(length, np.float32)
    for _ in range(7):
        said = np.concatenate([lines[i] for i in random.permutation(len(lines))])
        total += np.roll(np.resize(said, length), int(random.integers(0, length)))
    return total


def lose_packets(sound: Sound, share: float, random: np.random.Generator) -> Sound:
    """Lose 20 ms packets in bursts of one to three; half of the lines repeat the last one."""
    result = sound.copy()
    repeats = bool(random.integers(0, 2))
    at = 1
    packets = len(sound) // 160
    while at < packets:
        if random.random() < share / 2:
            for _ in range(int(random.integers(1, 4))):
                if at >= packets:
                    break
                before = result[(at - 1) * 160 : at * 160]
                result[at * 160 : (at + 1) * 160] = before * 0.6 if repeats else 0
                at += 1
        at += 1
    return result


def jump(sound: Sound, places: list[int], shifts: list[int]) -> Sound:
    """Insert silence (shift above 0) or drop samples (below 0) at the places, in samples."""
    pieces: list[Sound] = []
    at = 0
    for place, shift in sorted(zip(places, shifts, strict=True)):
        pieces.append(sound[at:place])
        if shift > 0:
            pieces.append(np.zeros(shift, np.float32))
        at = max(at, place - min(shift, 0))
    pieces.append(sound[at:])
    return np.concatenate(pieces)


def drift(sound: Sound, ppm: float) -> Sound:
    return stretch(sound, ppm)


def through(codec: str, sound: Sound) -> tuple[Sound, int]:
    """Return what comes out of coder and decoder, and its delay in samples."""
    if codec == "alaw":
        return _companded(sound, a_law=True), 0
    if codec == "mulaw":
        return _companded(sound, a_law=False), 0
    with tempfile.TemporaryDirectory(prefix="notice-bench-") as folder:
        raw = _run_codec(codec, sound, Path(folder))
    out: Sound = np.asarray(np.frombuffer(raw, np.int16) / 32767, np.float32)
    out = out[: len(sound)] if len(out) >= len(sound) else np.pad(out, (0, len(sound) - len(out)))
    return out, _delay(sound, out)


def _run_codec(codec: str, sound: Sound, folder: Path) -> bytes:
    name, _, rate = codec.partition("-")
    pcm = np.clip(np.rint(sound * 32767), -32768, 32767).astype("<i2").tobytes()
    raw_in = ["-f", "s16le", "-ar", "8000", "-ac", "1", "-i", "pipe:0"]
    ffmpeg = ["ffmpeg", "-v", "error", "-nostdin"]
    if name == "amr":
        coded = folder / "call.amr-nb"
        raw = ["-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"]
        _run(["sox", "-D", *raw, "-C", rate, str(coded)], pcm)
        return _run(["sox", str(coded), "-t", "raw", "-e", "signed", "-b", "16", "-"], b"")
    coder = {
        "gsm": ["-c:a", "libgsm"],
        "opus": ["-c:a", "libopus", "-b:a", f"{rate}k", "-application", "voip"],
        "mp3": ["-c:a", "libmp3lame", "-b:a", f"{rate}k"],
    }[name]
    coded = folder / f"call.{ {'gsm': 'gsm', 'opus': 'opus', 'mp3': 'mp3'}[name] }"
    _run([*ffmpeg[:-1], *raw_in, *coder, str(coded)], pcm)
    return _run([*ffmpeg, "-i", str(coded), "-ar", "8000", "-f", "s16le", "pipe:1"], b"")


def _run(command: list[str], given: bytes) -> bytes:
    return subprocess.run(  # noqa: S603 - fixed programs, no shell.
        command, input=given, check=True, capture_output=True
    ).stdout


def _companded(sound: Sound, *, a_law: bool) -> Sound:
    """Return G.711 as the continuous law with 8-bit rounding."""
    x = np.clip(sound, -1, 1)
    size = np.abs(x)
    if a_law:
        scale = 1 + np.log(87.6)
        small = size < 1 / 87.6
        packed = np.where(small, 87.6 * size, 1 + np.log(np.maximum(87.6 * size, 1))) / scale
        packed = np.rint(packed * 127) / 127
        opened = np.where(
            packed < 1 / scale, packed * scale / 87.6, np.exp(packed * scale - 1) / 87.6
        )
    else:
        packed = np.rint(np.log1p(255 * size) / np.log(256) * 127) / 127
        opened = np.expm1(packed * np.log(256)) / 255
    return np.asarray(np.sign(x) * opened, np.float32)


def _delay(before: Sound, after: Sound) -> int:
    """Return by how many samples `after` is late, found within 60 ms either way."""
    size = 1 << (len(before) * 2 - 1).bit_length()
    crossed = np.fft.irfft(np.conj(np.fft.rfft(before, size)) * np.fft.rfft(after, size), size)
    near = np.concatenate([crossed[-480:], crossed[:481]])
    return int(np.argmax(np.abs(near))) - 480
