"""Length and form of a recording from its header, where that can be had without decoding.

Only what follows from the bytes that are there is exact: PCM, G.711, GSM and AMR have a fixed size
per moment. FLAC and Ogg write their length down, and what is written down can be forged: a hint.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.recordings.media import AudioRecogniser, Container, MediaFacts

Read = Callable[[int, int], bytes]

_BLOCK_BYTES: Final = 64 * 1024
_MAX_HEADER_BYTES: Final = 32 * 1024 * 1024
_MAX_CHUNKS: Final = 10_000
# Writers to a pipe leave 0xFFFFFFFF, or subtract a header from it.
_STREAMED_SIZE: Final = 0xFFFF_0000
# Janus counts the 44 bytes of the header as data; a last odd block may be missing.
_SLACK_BYTES: Final = 44
_GSM_FRAME_BYTES: Final = 33
_GSM_MS_BLOCK: Final = (65, 320)
_BITS: Final = {
    "pcm_u8": 8,
    "pcm_s8": 8,
    "pcm_alaw": 8,
    "pcm_mulaw": 8,
    "pcm_s16le": 16,
    "pcm_s16be": 16,
    "pcm_s24le": 24,
    "pcm_s24be": 24,
    "pcm_s32le": 32,
    "pcm_s32be": 32,
    "pcm_f32le": 32,
    "pcm_f32be": 32,
    "pcm_f64le": 64,
    "pcm_f64be": 64,
}
# Source: RFC 4867, 5.3: bytes of a frame with its head, by frame type.
_AMR_BYTES: Final = {**dict(enumerate((13, 14, 16, 18, 20, 21, 27, 32, 6))), 15: 1}
_AMR_WB_BYTES: Final = {
    **dict(enumerate((18, 24, 33, 37, 41, 47, 51, 59, 61, 6))),
    14: 1,
    15: 1,
}
_AMR_HEADS: Final = {"amr_nb": (b"#!AMR\n", _AMR_BYTES), "amr_wb": (b"#!AMR-WB\n", _AMR_WB_BYTES)}


class Oddity(StrEnum):
    """What is wrong with a recording that could be decoded all the same."""

    LENGTH_NOT_WRITTEN = "length_not_written"
    LENGTH_DIFFERS = "length_differs"
    DECODER_ERRORS = "decoder_errors"
    DECODER_STOPPED = "decoder_stopped"
    NO_SOUND = "no_sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFacts:
    """What the header and the size tell; `duration_ms` may be believed where `exact`."""

    codec: str
    channels: int
    sample_rate_hz: int
    duration_ms: int | None
    exact: bool
    oddity: Oddity | None = None


def read_headers(read: Read, size_bytes: int, media_type: str) -> HeaderFacts | None:
    """Read what can be known of a recording without decoding it.

    `read(offset, count)` gives the bytes there, fewer at the end. The media type says whether it
    is raw GSM, which has no signature. None where only decoding can tell.

    Raises:
        UnsupportedMedia: The bytes are no recording that is kept; the upload refuses such.
    """
    recogniser = AudioRecogniser(media_type)
    for offset in range(0, min(size_bytes, _MAX_HEADER_BYTES), _BLOCK_BYTES):
        recogniser.feed(read(offset, _BLOCK_BYTES))
    facts = recogniser.finish()
    return header_facts(read, size_bytes, facts)


def header_facts(read: Read, size_bytes: int, facts: MediaFacts) -> HeaderFacts | None:
    """Do the same for a recording that was recognised before."""
    if facts.channels is None or facts.sample_rate_hz is None:
        return None
    reader = _READERS.get(facts.container)
    return reader(read, size_bytes, facts) if reader else None


def _facts(
    facts: MediaFacts, duration_ms: int | None, *, exact: bool, oddity: Oddity | None = None
) -> HeaderFacts:
    return HeaderFacts(
        codec=facts.codec,
        channels=facts.channels or 0,
        sample_rate_hz=facts.sample_rate_hz or 0,
        duration_ms=duration_ms,
        exact=exact,
        oddity=oddity,
    )


def _from_samples(facts: MediaFacts, present_bytes: int, declared_bytes: int) -> HeaderFacts | None:
    """Judge a declared size of sound by the bytes that are there, and count samples in those."""
    present_bytes = max(0, present_bytes)
    oddity, used_bytes = None, min(present_bytes, declared_bytes)
    if declared_bytes >= _STREAMED_SIZE:
        used_bytes = present_bytes
    elif declared_bytes == 0 and present_bytes:
        oddity, used_bytes = Oddity.LENGTH_NOT_WRITTEN, present_bytes
    elif declared_bytes > present_bytes + _SLACK_BYTES:
        oddity = Oddity.LENGTH_DIFFERS
    channels, rate_hz = facts.channels or 1, facts.sample_rate_hz or 1
    if facts.codec == "gsm_ms":
        block_bytes, block_samples = _GSM_MS_BLOCK
        samples = used_bytes // block_bytes * block_samples
    elif facts.codec in _BITS:
        samples = used_bytes // (_BITS[facts.codec] // 8 * channels)
    else:
        return _facts(facts, None, exact=False, oddity=oddity)
    return _facts(facts, _ms(samples, rate_hz), exact=True, oddity=oddity)


def _from_au(read: Read, size_bytes: int, facts: MediaFacts) -> HeaderFacts | None:
    head = read(4, 8)
    if len(head) < 8:  # noqa: PLR2004 - where the sound begins, and its size.
        return None
    offset, declared_bytes = struct.unpack(">II", head)
    return _from_samples(facts, size_bytes - offset, declared_bytes)


def _from_gsm(_: Read, size_bytes: int, facts: MediaFacts) -> HeaderFacts | None:
    return _facts(facts, size_bytes // _GSM_FRAME_BYTES * 20, exact=True)


def _from_wav(read: Read, size_bytes: int, facts: MediaFacts) -> HeaderFacts | None:
    """Walk to the data. An RF64 has its true size in the `ds64` chunk."""
    at, long_size = 12, None
    for _ in range(_MAX_CHUNKS):
        head = read(at, 8)
        if len(head) < 8:  # noqa: PLR2004 - name and size of a chunk.
            return _facts(facts, 0, exact=True)
        name, chunk_bytes = struct.unpack("<4sI", head)
        if name == b"ds64":
            long_size = int.from_bytes(read(at + 16, 8), "little")
        if name == b"data":
            declared = chunk_bytes if chunk_bytes != 0xFFFF_FFFF else long_size or chunk_bytes  # noqa: PLR2004 - "see ds64".
            return _from_samples(facts, size_bytes - at - 8, declared)
        at += 8 + chunk_bytes + chunk_bytes % 2
    return None


def _from_amr(read: Read, size_bytes: int, facts: MediaFacts) -> HeaderFacts | None:
    """Count the frames; each lasts 20 ms, silent and lost ones too."""
    if facts.codec not in _AMR_HEADS:
        return None
    magic, sizes = _AMR_HEADS[facts.codec]
    at, frames = len(magic), 0
    while at < size_bytes:
        block = read(at, _BLOCK_BYTES)
        start, inside = at, 0
        while inside < len(block):
            frame_bytes = sizes.get(block[inside] >> 3 & 15)
            if frame_bytes is None:
                return _facts(facts, frames * 20, exact=False, oddity=Oddity.LENGTH_DIFFERS)
            inside += frame_bytes
            frames += start + inside <= size_bytes
        if not block:
            break
        at = start + inside
    return _facts(facts, frames * 20, exact=True)


def _from_flac(read: Read, _: int, facts: MediaFacts) -> HeaderFacts | None:
    head = read(0, 26)
    if not head.startswith(b"fLaC"):
        return None
    samples = int.from_bytes(head[18:26], "big") & (1 << 36) - 1
    return _facts(facts, _ms(samples, facts.sample_rate_hz or 1) if samples else None, exact=False)


def _from_ogg(read: Read, size_bytes: int, facts: MediaFacts) -> HeaderFacts | None:
    """Read the position of the last page, counted in samples since the beginning."""
    tail = read(max(0, size_bytes - _BLOCK_BYTES), _BLOCK_BYTES)
    at = tail.rfind(b"OggS")
    position = int.from_bytes(tail[at + 6 : at + 14], "little", signed=True) if at >= 0 else -1
    if position < 0:
        return _facts(facts, None, exact=False)
    return _facts(facts, _ms(position, facts.sample_rate_hz or 1), exact=False)


def _ms(samples: int, rate_hz: int) -> int:
    return (samples * 1000 + rate_hz // 2) // rate_hz


_READERS: Final[dict[Container, Callable[[Read, int, MediaFacts], HeaderFacts | None]]] = {
    Container.WAV: _from_wav,
    Container.AU: _from_au,
    Container.AMR: _from_amr,
    Container.GSM: _from_gsm,
    Container.FLAC: _from_flac,
    Container.OGG: _from_ogg,
}
