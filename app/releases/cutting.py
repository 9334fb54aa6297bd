"""Cut a part out of a recording, exactly by its decoded samples, in the sandbox.

The sender's file is decoded, never the playable copy: a lossy copy begins some milliseconds late,
and the last syllable before a notice ended would leave with it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path, PurePath
from typing import IO, Final

import numpy as np

from app.consent.rules import Segment
from app.disputes.redactions import Redaction
from app.disputes.service import ChannelMissing
from app.inspection.sandbox import (
    SOURCE_PATH,
    Budget,
    DecodeFailed,
    DecodeLimit,
    LimitKind,
    Sandbox,
)
from app.releases import recipes
from app.releases.recipes import SAMPLE_BYTES, Derivation, Original, Output, Samples, Shape, Step
from app.releases.redacting import redacted
from app.releases.refusals import RecordingNotReady, SegmentNotSupported

MEDIA_TYPE: Final = "audio/wav"
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
class Source:
    """One leg: what is known of it, and its bytes in an unnamed file."""

    original: Original
    file: IO[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A cut in an unnamed file, which its user closes, and how it was made."""

    file: IO[bytes]
    duration_ms: int
    derivation: Derivation


def cut(
    sources: Sequence[Source],
    segment: Segment,
    *,
    redactions: Sequence[Redaction] = (),
    sandbox: Sandbox,
    spool: Path,
) -> Cut:
    """Return a WAV of `segment` in which nothing of `redactions` is heard.

    Two legs become the two channels: the sent one left, the received one right.

    Raises:
        SegmentNotSupported: there is no exact decoder for this kind of file.
        ChannelMissing: a redaction is of a channel that there is not.
        RecordingNotReady: nothing could be decoded of it, or it holds nothing there.
    """
    ordered = sorted(sources, key=lambda s: s.original.leg != "sent")
    originals = tuple(source.original for source in ordered)
    shape = recipes.shape_of(originals)
    one = shape if len(ordered) == 1 else Shape(rate_hz=shape.rate_hz, channels=1)
    if any(r.channel is not None and r.channel >= shape.channels for r in redactions):
        raise ChannelMissing(channels=shape.channels)
    wanted = recipes.samples_of(segment.from_ms, segment.to_ms, shape.rate_hz)
    stretches = recipes.stretches_of(redactions, shape.rate_hz)
    with ExitStack() as files, ExitStack() as unless_whole:
        pcm = [files.enter_context(tempfile.TemporaryFile(dir=spool)) for _ in ordered]
        steps = _decoded(ordered, wanted, one, sandbox=sandbox, into=pcm)
        frames = max(_size(file) // one.frame_bytes for file in pcm)
        if not frames:
            raise RecordingNotReady("The recording holds no sound there.")
        wav = unless_whole.enter_context(tempfile.TemporaryFile(dir=spool))
        sound = redacted(_joined(pcm), stretches, shape, first_sample=wanted.first)
        output = _written(wav, shape, sound, frames * shape.frame_bytes)
        unless_whole.pop_all()
    steps += recipes.own_steps(
        joined=len(ordered) > 1, stretches=stretches, version=version("audiatur")
    )
    derivation = Derivation(
        originals=originals,
        shape=shape,
        from_ms=segment.from_ms,
        to_ms=segment.to_ms,
        first_sample=wanted.first,
        end_sample=wanted.first + frames,
        stretches=stretches,
        steps=tuple(steps),
        output=output,
    )
    return Cut(file=wav, duration_ms=frames * 1000 // shape.rate_hz, derivation=derivation)


def _decoded(
    sources: Sequence[Source],
    wanted: Samples,
    shape: Shape,
    *,
    sandbox: Sandbox,
    into: Sequence[IO[bytes]],
) -> list[Step]:
    """Write the raw samples of each source to a file of its own, and return what was run."""
    steps: list[Step] = []
    for number, (source, out) in enumerate(zip(sources, into, strict=True)):
        run = _steps(source.original, wanted, shape, sandbox)
        _decode(source, run, sandbox=sandbox, out=out)
        steps += [_told(words, sandbox, number) for words in run]
    return steps


def _written(wav: IO[bytes], shape: Shape, sound: Iterator[bytes], size_bytes: int) -> Output:
    digest = hashlib.sha256()
    written = 0
    for piece in chain([_header(shape, size_bytes)], sound):
        digest.update(piece)
        written += wav.write(piece)
    wav.seek(0)
    return Output(sha256=digest.hexdigest(), size_bytes=written, media_type=MEDIA_TYPE)


def _told(words: Sequence[str], sandbox: Sandbox, number: int) -> Step:
    tool = PurePath(words[0]).name
    is_sox = words[0] == sandbox.tools.sox
    found = (sandbox.sox_version or "") if is_sox else sandbox.ffmpeg_version
    return Step(tool=tool, version=found, arguments=tuple(words[1:]), source=number)


def _decode(
    source: Source, steps: Sequence[Sequence[str]], *, sandbox: Sandbox, out: IO[bytes]
) -> None:
    """Write the raw samples to `out`."""
    written = 0

    def keep(piece: bytes) -> None:
        nonlocal written
        written += len(piece)
        if written > _MAX_BYTES:
            raise DecodeLimit(LimitKind.OUTPUT)
        out.write(piece)

    try:
        outcome = sandbox.run(
            steps,
            source=source.file.fileno(),
            to=[keep],
            budget=Budget(),
        )
    except (DecodeFailed, DecodeLimit) as exc:
        raise RecordingNotReady("The recording cannot be decoded.") from exc
    if not written and any(outcome.exit_codes):
        raise RecordingNotReady("The recording cannot be decoded.")


def _steps(original: Original, wanted: Samples, shape: Shape, sandbox: Sandbox) -> list[list[str]]:
    if original.container == "amr":
        return _amr_steps(original, wanted, shape, sandbox)
    demuxer = _DEMUXERS.get(original.container)
    if demuxer is None or (original.codec or "").startswith("amr_"):
        raise SegmentNotSupported(container=original.container)
    source = ["-protocol_whitelist", "file", "-format_whitelist", demuxer, "-f", demuxer]
    return [_ffmpeg(sandbox, [*source, "-i", f"file:{SOURCE_PATH}"], wanted, shape)]


def _amr_steps(
    original: Original, wanted: Samples, shape: Shape, sandbox: Sandbox
) -> list[list[str]]:
    """Return sox, then ffmpeg on its samples: ffmpeg's own AMR decoder drops silent frames."""
    if sandbox.tools.sox is None or not sandbox.decodes_amr:
        raise SegmentNotSupported(container=original.container)
    kind, rate = ("amr-wb", "16000") if original.codec == "amr_wb" else ("amr-nb", "8000")
    sox = [sandbox.tools.sox, "-t", kind, SOURCE_PATH]
    sox += ["-t", "raw", "-e", "signed", "-b", "16", "-L", "-c", "1", "-r", rate, "-"]
    source = ["-protocol_whitelist", "pipe", "-format_whitelist", "s16le"]
    source += ["-f", "s16le", "-ar", rate, "-ac", "1", "-i", "pipe:0"]
    return [sox, _ffmpeg(sandbox, source, wanted, shape)]


def _ffmpeg(sandbox: Sandbox, source: list[str], wanted: Samples, shape: Shape) -> list[str]:
    """Return one decoding. Time is counted in samples, whatever the file says of its own time.

    A leg of another rate is resampled as a whole before it is cut, so that a cut holds the same
    samples as the whole does.
    """
    trim = f"atrim=start_sample={wanted.first}"
    if wanted.end is not None:
        trim += f":end_sample={wanted.end}"
    command = [sandbox.tools.ffmpeg, "-v", "error", "-hide_banner", "-nostats", "-nostdin"]
    command += ["-filter_threads", "1", "-threads", "1", "-flags:a", "bitexact"]
    command += [*source, "-map", "0:a:0", "-vn", "-map_metadata", "-1"]
    command += ["-af", f"asetpts=N/SR/TB,aresample={shape.rate_hz},asetpts=N/SR/TB,{trim}"]
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
        (8 * SAMPLE_BYTES).to_bytes(2, "little"),
        b"data",
        size_bytes.to_bytes(4, "little"),
    )
    return b"".join(words)
