"""Cut a part out of a recording, exactly by its decoded samples, in the sandbox.

The sender's file is decoded, never the playable copy: a lossy copy begins some milliseconds late,
and the last syllable before a notice ended would leave with it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np

from app.consent.rules import Segment
from app.inspection.sandbox import (
    SOURCE_PATH,
    Budget,
    DecodeFailed,
    DecodeLimit,
    LimitKind,
    Sandbox,
)
from app.recordings.models import Leg
from app.releases.refusals import RecordingNotReady, SegmentNotSupported

MEDIA_TYPE: Final = "audio/wav"
_SAMPLE_BYTES: Final = 2
_RATES_HZ: Final = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_COMMON_RATE_HZ: Final = 16_000
_COPY_BYTES: Final = 1 << 18
_MAX_BYTES: Final = (1 << 32) - 1024  # A WAV file counts its bytes in 32 bits.
_DEMUXERS: Final = {
    "wav": "wav",
    "au": "au",
    "mp3": "mp3",
    "adts": "aac",
    "ogg": "ogg",
    "matroska": "matroska",
    "mp4": "mov",
    "flac": "flac",
    "asf": "asf",
    "gsm": "gsm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How samples of 16 bits follow each other."""

    rate_hz: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        return _SAMPLE_BYTES * self.channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One leg: what is known of it, and its bytes in an unnamed file."""

    leg: Leg
    file: IO[bytes]


def cut(
    sources: Sequence[Source], segment: Segment, *, sandbox: Sandbox, spool: Path
) -> tuple[IO[bytes], int]:
    """Return a WAV of `segment` in an unnamed file, and its length in milliseconds.

    Two legs become the two channels: the sent one left, the received one right.

    Raises:
        SegmentNotSupported: there is no exact decoder for this kind of file.
        RecordingNotReady: nothing could be decoded of it, or it holds nothing there.
    """
    ordered = sorted(sources, key=lambda s: s.leg.leg != "sent")
    is_single = len(ordered) == 1
    shape = _own_shape(ordered[0].leg) if is_single else Shape(rate_hz=_COMMON_RATE_HZ, channels=1)
    final = shape if is_single else Shape(rate_hz=_COMMON_RATE_HZ, channels=len(ordered))
    with ExitStack() as files, ExitStack() as unless_whole:
        pcm = [files.enter_context(tempfile.TemporaryFile(dir=spool)) for _ in ordered]
        for source, out in zip(ordered, pcm, strict=True):
            _decode(source, segment, shape, sandbox=sandbox, out=out)
        size_bytes = max(_size(file) // shape.frame_bytes for file in pcm) * final.frame_bytes
        if not size_bytes:
            raise RecordingNotReady("The recording holds no sound there.")
        wav = unless_whole.enter_context(tempfile.TemporaryFile(dir=spool))
        wav.write(_header(final, size_bytes))
        for piece in _joined(pcm):
            wav.write(piece)
        wav.seek(0)
        unless_whole.pop_all()
    return wav, size_bytes * 1000 // (final.rate_hz * final.frame_bytes)


def _own_shape(leg: Leg) -> Shape:
    rate_hz = leg.sample_rate_hz if leg.sample_rate_hz in _RATES_HZ else _COMMON_RATE_HZ
    return Shape(rate_hz=rate_hz or _COMMON_RATE_HZ, channels=1 if leg.channels == 1 else 2)


def _decode(
    source: Source, segment: Segment, shape: Shape, *, sandbox: Sandbox, out: IO[bytes]
) -> None:
    """Write the raw samples of `segment` to `out`."""
    written = 0

    def keep(piece: bytes) -> None:
        nonlocal written
        written += len(piece)
        if written > _MAX_BYTES:
            raise DecodeLimit(LimitKind.OUTPUT)
        out.write(piece)

    try:
        outcome = sandbox.run(
            _steps(source.leg, segment, shape, sandbox),
            source=source.file.fileno(),
            to=[keep],
            budget=Budget(),
        )
    except (DecodeFailed, DecodeLimit) as exc:
        raise RecordingNotReady("The recording cannot be decoded.") from exc
    if not written and any(outcome.exit_codes):
        raise RecordingNotReady("The recording cannot be decoded.")


def _steps(leg: Leg, segment: Segment, shape: Shape, sandbox: Sandbox) -> list[list[str]]:
    if leg.container == "amr":
        return _amr_steps(leg, segment, shape, sandbox)
    demuxer = _DEMUXERS.get(leg.container)
    if demuxer is None or (leg.codec or "").startswith("amr_"):
        raise SegmentNotSupported(container=leg.container)
    source = ["-protocol_whitelist", "file", "-format_whitelist", demuxer, "-f", demuxer]
    return [_ffmpeg(sandbox, [*source, "-i", f"file:{SOURCE_PATH}"], segment, shape)]


def _amr_steps(leg: Leg, segment: Segment, shape: Shape, sandbox: Sandbox) -> list[list[str]]:
    """Return sox, then ffmpeg on its samples: ffmpeg's own AMR decoder drops silent frames."""
    if sandbox.tools.sox is None or not sandbox.decodes_amr:
        raise SegmentNotSupported(container=leg.container)
    kind, rate = ("amr-wb", "16000") if leg.codec == "amr_wb" else ("amr-nb", "8000")
    sox = [sandbox.tools.sox, "-t", kind, SOURCE_PATH]
    sox += ["-t", "raw", "-e", "signed", "-b", "16", "-L", "-c", "1", "-r", rate, "-"]
    source = ["-protocol_whitelist", "pipe", "-format_whitelist", "s16le"]
    source += ["-f", "s16le", "-ar", rate, "-ac", "1", "-i", "pipe:0"]
    return [sox, _ffmpeg(sandbox, source, segment, shape)]


def _ffmpeg(sandbox: Sandbox, source: list[str], segment: Segment, shape: Shape) -> list[str]:
    """Return one decoding. Time is counted in samples, whatever the file says of its own time."""
    trim = f"atrim=start={segment.from_ms / 1000:.3f}"
    if segment.to_ms is not None:
        trim += f":end={segment.to_ms / 1000:.3f}"
    command = [sandbox.tools.ffmpeg, "-v", "error", "-hide_banner", "-nostats", "-nostdin"]
    command += ["-filter_threads", "1", "-threads", "1", *source, "-map", "0:a:0", "-vn"]
    command += ["-map_metadata", "-1", "-af", f"asetpts=N/SR/TB,{trim},asetpts=PTS-STARTPTS"]
    command += ["-ar", str(shape.rate_hz), "-ac", str(shape.channels)]
    return [*command, "-c:a", "pcm_s16le", "-f", "s16le", "pipe:1"]


def _size(file: IO[bytes]) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _joined(pcm: Sequence[IO[bytes]]) -> Iterator[bytes]:
    """Yield one file as it is, or several side by side, the shorter ones filled with silence."""
    for file in pcm:
        file.seek(0)
    while pieces := [file.read(_COPY_BYTES) for file in pcm]:
        longest = max(map(len, pieces))
        if not longest:
            return
        if len(pieces) == 1:
            yield pieces[0]
        else:
            filled = [np.frombuffer(p.ljust(longest, b"\0"), dtype="<i2") for p in pieces]
            yield np.column_stack(filled).tobytes()


def _header(shape: Shape, size_bytes: int) -> bytes:
    """Return the head of a WAV file. Source: Microsoft RIFF, WAVE format chunk of PCM."""
    words = (
        b"RIFF",
        (36 + size_bytes).to_bytes(4, "little"),
        b"WAVEfmt ",
        (16).to_bytes(4, "little"),
        (1).to_bytes(2, "little"),
        shape.channels.to_bytes(2, "little"),
        shape.rate_hz.to_bytes(4, "little"),
        (shape.rate_hz * shape.frame_bytes).to_bytes(4, "little"),
        shape.frame_bytes.to_bytes(2, "little"),
        (8 * _SAMPLE_BYTES).to_bytes(2, "little"),
        b"data",
        size_bytes.to_bytes(4, "little"),
    )
    return b"".join(words)
