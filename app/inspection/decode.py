"""Decode a recording once, in the sandbox: its true length, its picture, a copy that plays.

One ffmpeg reads the file and writes two streams, 8 kHz samples for the picture and an MP3 for
players; both are consumed as they come, so memory does not grow with the length. The demuxer is
forced from what was recognised; nothing else is allowed, so that no playlist is ever followed.

AMR goes through sox first: ffmpeg's own AMR decoder drops the frames of silence that every AMR
recorder writes, and every later moment of the call would be wrong.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.headers import HeaderFacts, Oddity, header_facts
from app.inspection.peaks import MAX_CHANNELS, SAMPLE_RATE_HZ, PeakBuilder, Peaks
from app.inspection.sandbox import (
    SECOND_OUTPUT,
    SOURCE_PATH,
    Budget,
    DecodeFailed,
    DecodeLimit,
    LimitKind,
    Outcome,
    Sandbox,
    Sink,
)
from app.recordings.media import Container, MediaFacts

PLAYABLE_MEDIA_TYPE: Final = "audio/mpeg"

MP3: Final = [
    *("-c:a", "libmp3lame", "-compression_level", "7"),
    *("-write_xing", "0", "-id3v2_version", "0"),
]
_DEMUXERS: Final = {
    Container.WAV: "wav",
    Container.AU: "au",
    Container.MP3: "mp3",
    Container.ADTS: "aac",
    Container.OGG: "ogg",
    Container.MATROSKA: "matroska",
    Container.MP4: "mov",
    Container.FLAC: "flac",
    Container.ASF: "asf",
    Container.GSM: "gsm",
}
_DECODERS: Final = (
    "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,"
    "pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,g726,"
    "gsm,gsm_ms,mp3float,mp3,mp2float,mp2,aac,alac,flac,opus,libopus,vorbis,libvorbis,speex,"
    "libspeex,wmav1,wmav2,wmapro,wmalossless,wmavoice"
)
_MAX_ALLOC_BYTES: Final = 128 * 1024 * 1024
_AU_HEAD_BYTES: Final = 24
_MAX_AU_HEAD_BYTES: Final = 4096
_LENGTH_TOLERANCE_MS: Final = 50
_HINT_TOLERANCE_MS: Final = 1_000
_STREAM: Final = re.compile(
    r"^\[info\]\s+Stream #0:\d+[^\n]*?: Audio: (\w+)[^\n]*?, (\d+) Hz", re.MULTILINE
)
_ERROR: Final = re.compile(r"^(?:\[[^\]]*\] )?\[(?:error|fatal|panic)\] (.*)$", re.MULTILINE)
_SOX_ERROR: Final = re.compile(r"^\S*sox (?:FAIL|WARN) (.*)$", re.MULTILINE)
_LISTENED_BYTES: Final = 256 * 1024
_NOT_DAMAGE: Final = "not on whitelist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a recording may be, and what decoding it may use."""

    max_duration_s: int = 12 * 3600
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was heard when the whole recording was decoded."""

    duration_ms: int
    channels: int
    sample_rate_hz: int
    codec: str
    peaks: Peaks
    playable_bytes: int
    damaged: bool
    oddities: tuple[Oddity, ...]
    decoder_errors: int
    decoder: str


Listener = Callable[[npt.NDArray[np.int16]], None]
"""Is given the samples as they are decoded: 8 kHz, a row for each moment, a column per channel."""


@dataclass(slots=True)
class _Listened:
    """Hands whole rows of samples on, in pieces that are worth a call."""

    channels: int
    listener: Listener
    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        self._rest += data
        if len(self._rest) >= _LISTENED_BYTES:
            self.finish()

    def finish(self) -> None:
        whole = len(self._rest) - len(self._rest) % (2 * self.channels)
        if whole:
            samples = np.frombuffer(bytes(self._rest[:whole]), dtype=">i2").astype(np.int16)
            self.listener(samples.reshape(-1, self.channels))
            del self._rest[:whole]


@dataclass(slots=True)
class _Samples:
    """Takes the samples as a Sun audio stream, whose head tells the true number of channels."""

    max_duration_s: int
    listener: Listener | None = None
    builder: PeakBuilder | None = None
    listened: _Listened | None = None
    _head: bytes = b""

    def feed(self, data: bytes) -> None:
        if self.builder is None:
            self._head += data
            if len(self._head) < _AU_HEAD_BYTES:
                return
            offset = int.from_bytes(self._head[4:8], "big")
            channels = int.from_bytes(self._head[20:24], "big")
            if not 1 <= channels <= MAX_CHANNELS or offset > _MAX_AU_HEAD_BYTES:
                raise DecodeFailed(f"The sound has {channels} channels.")
            if len(self._head) < offset:
                return
            self.builder, data, self._head = PeakBuilder(channels), self._head[offset:], b""
            if self.listener is not None:
                self.listened = _Listened(channels, self.listener)
        self.builder.feed(data)
        if self.listened is not None:
            self.listened.feed(data)
        if self.builder.frames > self.max_duration_s * SAMPLE_RATE_HZ:
            raise DecodeLimit(LimitKind.DURATION)


@dataclass(slots=True)
class _Playable:
    """Hands the MP3 on, up to what the longest recording can need."""

    sink: Sink
    max_bytes: int
    size_bytes: int = 0

    def feed(self, data: bytes) -> None:
        self.size_bytes += len(data)
        if self.size_bytes > self.max_bytes:
            raise DecodeLimit(LimitKind.OUTPUT)
        self.sink(data)


def inspect_audio(
    descriptor: int,
    facts: MediaFacts,
    sandbox: Sandbox,
    *,
    playable: Sink | None,
    limits: Limits | None = None,
    listener: Listener | None = None,
) -> Inspection:
    """Decode the file behind `descriptor` and hand the MP3 to `playable` as it is made.

    `listener` hears the same samples that the peaks are made of, so that nothing is decoded twice.
    Without `playable` no MP3 is made, which is most of the cost.

    The descriptor is a regular file's or a memfd's, opened for reading; its offset is not used.
    The MP3 is whole only when this returns: after a raise, throw away what `playable` was given.

    Raises:
        DecodeFailed: Nothing could be made of the file.
        DecodeLimit: It is longer, or takes more time or memory, than allowed.
    """
    limits = limits or Limits()
    header = header_facts(
        lambda offset, count: os.pread(descriptor, count, offset),
        os.fstat(descriptor).st_size,
        facts,
    )
    kbits = 32 if facts.channels == 1 else 48
    samples = _Samples(limits.max_duration_s, listener)
    copy = None
    if playable is not None:
        copy = _Playable(playable, max_bytes=(limits.max_duration_s + 60) * kbits * 125)
    outcome = sandbox.run(
        steps_of(
            facts,
            sandbox,
            outputs=_outputs(facts, kbits if copy else None),
            max_duration_s=limits.max_duration_s,
        ),
        source=descriptor,
        to=[samples.feed, copy.feed] if copy else [samples.feed],
        budget=limits.budget,
    )
    if samples.listened is not None:
        samples.listened.finish()
    errors = [line for line in _ERROR.findall(outcome.complaints) if _NOT_DAMAGE not in line]
    errors += _SOX_ERROR.findall(outcome.complaints)
    picture, frames = _picture(samples, facts, header, errors)
    duration_ms = (frames * 1000 + SAMPLE_RATE_HZ // 2) // SAMPLE_RATE_HZ
    oddities = _oddities(outcome, header, duration_ms, errors)
    codec, rate_hz = _decoded_form(outcome, facts)
    return Inspection(
        duration_ms=duration_ms,
        channels=picture.channels,
        sample_rate_hz=rate_hz,
        codec=codec,
        peaks=picture,
        playable_bytes=copy.size_bytes if copy else 0,
        damaged=bool(set(oddities) - {Oddity.NO_SOUND}),
        oddities=oddities,
        decoder_errors=len(errors),
        decoder=decoder_name(facts, sandbox),
    )


def steps_of(
    facts: MediaFacts, sandbox: Sandbox, *, outputs: list[str], max_duration_s: int
) -> list[list[str]]:
    """Return the commands: ffmpeg on the file, or for AMR sox and then ffmpeg on its samples.

    Raises:
        DecodeFailed: there is no faithful decoder for it here.
    """
    if facts.container is Container.AMR:
        if sandbox.tools.sox is None or not sandbox.decodes_amr:
            raise DecodeFailed("AMR cannot be decoded here: sox with its AMR format is missing.")
        kind, rate = ("amr-wb", "16000") if facts.codec == "amr_wb" else ("amr-nb", "8000")
        sox = [sandbox.tools.sox, "-t", kind, SOURCE_PATH]
        sox += ["-t", "raw", "-e", "signed", "-b", "16", "-L", "-c", "1", "-r", rate, "-"]
        source = ["-protocol_whitelist", "pipe", "-format_whitelist", "s16le"]
        source += ["-codec_whitelist", "pcm_s16le", "-f", "s16le", "-ar", rate, "-ac", "1"]
        return [sox, _ffmpeg(facts, sandbox, [*source, "-t", str(max_duration_s + 1)], outputs)]
    if facts.codec.startswith("amr_"):
        raise DecodeFailed("AMR inside another container cannot be decoded faithfully.")
    demuxer = _DEMUXERS[facts.container]
    source = ["-protocol_whitelist", "file", "-format_whitelist", demuxer]
    source += ["-codec_whitelist", _DECODERS, "-f", demuxer, "-t", str(max_duration_s + 1)]
    return [_ffmpeg(facts, sandbox, source, outputs)]


def _ffmpeg(
    facts: MediaFacts, sandbox: Sandbox, source: list[str], outputs: list[str]
) -> list[str]:
    path = "pipe:0" if facts.container is Container.AMR else f"file:{SOURCE_PATH}"
    command = [sandbox.tools.ffmpeg, "-v", "level+info", "-hide_banner", "-nostats", "-nostdin"]
    command += ["-max_alloc", str(_MAX_ALLOC_BYTES), "-filter_threads", "1", "-max_error_rate", "1"]
    return [*command, "-threads", "1", *source, "-i", path, *outputs]


def _outputs(facts: MediaFacts, kbits: int | None) -> list[str]:
    """Return the two outputs of one decoding, or one where no MP3 is wanted.

    The MP3 has at least 16 kHz: 8 kHz would be MPEG 2.5, which not every telephone plays. Its
    encoder leaves out the shaping of noise, two fifths of its cost: at the bits that speech gets
    here, the copy is as near to the original without it.
    """
    one = ["-map", "0:a:0", "-map_metadata", "-1", "-threads", "1", "-flush_packets", "0"]
    rate = "16000" if (facts.sample_rate_hz or 0) <= 16_000 else "24000"  # noqa: PLR2004
    samples = [*one, "-ar", str(SAMPLE_RATE_HZ), "-c:a", "pcm_s16be", "-f", "au", "pipe:1"]
    if kbits is None:
        return samples
    copy = [*one, "-ar", rate, "-ac", "1" if facts.channels == 1 else "2"]
    copy += [*MP3, "-b:a", f"{kbits}k", "-f", "mp3", f"pipe:{SECOND_OUTPUT}"]
    return [*samples, *copy]


def _picture(
    samples: _Samples, facts: MediaFacts, header: HeaderFacts | None, errors: list[str]
) -> tuple[Peaks, int]:
    """Return the peaks and the number of samples.

    Raises:
        DecodeFailed: No sample came, and the size of the file does not say that there is none.
    """
    builder = samples.builder
    if builder is not None and builder.frames:
        return builder.finish(), builder.frames
    if header is not None and header.exact and header.duration_ms == 0:
        return PeakBuilder(facts.channels or 1).finish(), 0
    first = "".join(char for char in errors[0] if char.isprintable())[:200] if errors else ""
    raise DecodeFailed("No sound could be decoded" + (f": {first}" if first else "."))


def _oddities(
    outcome: Outcome, header: HeaderFacts | None, duration_ms: int, errors: list[str]
) -> tuple[Oddity, ...]:
    found: list[Oddity] = []
    if header is not None and header.oddity is not None:
        found.append(header.oddity)
    elif header is not None and header.duration_ms is not None:
        tolerance_ms = _LENGTH_TOLERANCE_MS if header.exact else _HINT_TOLERANCE_MS
        if abs(header.duration_ms - duration_ms) > tolerance_ms:
            found.append(Oddity.LENGTH_DIFFERS)
    if errors:
        found.append(Oddity.DECODER_ERRORS)
    if any(outcome.exit_codes):
        found.append(Oddity.DECODER_STOPPED)
    if not duration_ms:
        found.append(Oddity.NO_SOUND)
    return tuple(found)


def _decoded_form(outcome: Outcome, facts: MediaFacts) -> tuple[str, int]:
    """Return codec and rate as the decoder found them: AAC's header can name half the rate."""
    stream = _STREAM.search(outcome.complaints)
    if stream is None or facts.container is Container.AMR:
        return facts.codec, facts.sample_rate_hz or SAMPLE_RATE_HZ
    return stream[1], int(stream[2])


def decoder_name(facts: MediaFacts, sandbox: Sandbox) -> str:
    ffmpeg = f"ffmpeg {sandbox.ffmpeg_version}"
    if facts.container is Container.AMR:
        return f"sox {sandbox.sox_version}, {ffmpeg}"
    return ffmpeg
