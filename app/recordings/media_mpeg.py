"""MP3 and ADTS: streams without a header, recognised by frames that follow one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.recordings.audio_headers import parse_flac
from app.recordings.media_facts import Container, MediaFacts, NotAudio, audio_facts
from app.recordings.media_stream import MAX_TAKE_BYTES, Parser, Skip, Take

_FRAMES_IN_A_ROW = 4
_FRAMES_BEHIND_GARBAGE = 6
_MAX_GARBAGE_BYTES = 16 * 1024
_MAX_ID3_TAGS = 4
_ID3_HEAD_BYTES = 10
_ADTS_HEAD_BYTES = 7
_MPEG_HEAD_BYTES = 4

# Source: ISO 11172-3 and 13818-3, table of bit rates in kbit/s; index 0 ("free") is refused.
_KBITS_V1_LAYER2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_KBITS_V1_LAYER3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
# Source: ISO 14496-3, table 1.18.
ADTS_RATES_HZ = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
# Mask and value of the first two bytes; in ADTS the layer bits, set in MPEG audio, are clear.
_MPEG_SYNC, _ADTS_SYNC = (0xFFE0, 0xFFE0), (0xFFF6, 0xFFF0)
_V1 = 3
_LAYER2, _LAYER3 = 2, 1
_MONO = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame's header. Frames of one stream share `codec` and `sample_rate_hz`."""

    codec: str
    sample_rate_hz: int
    channels: int
    size_bytes: int


FrameReader = Callable[[bytes, int], "Frame | None"]


def _has(data: bytes, at: int, sync: tuple[int, int]) -> bool:
    mask, value = sync
    return int.from_bytes(data[at : at + 2], "big") & mask == value


def mpeg_frame(data: bytes, at: int) -> Frame | None:
    """Read an MPEG audio frame header of layer II or III; None where there is none."""
    if len(data) < at + _MPEG_HEAD_BYTES or not _has(data, at, _MPEG_SYNC):
        return None
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    kbit_index, rate_index = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or layer not in (_LAYER2, _LAYER3) or kbit_index in (0, 15) or rate_index == 3:  # noqa: PLR2004 - values that the standard reserves.
        return None
    if version != _V1:
        kbits = _KBITS_V2
    else:
        kbits = _KBITS_V1_LAYER2 if layer == _LAYER2 else _KBITS_V1_LAYER3
    rate_hz = _RATES_HZ[version][rate_index]
    samples = 1152 if version == _V1 or layer == _LAYER2 else 576
    return Frame(
        codec="mp2" if layer == _LAYER2 else "mp3",
        sample_rate_hz=rate_hz,
        channels=1 if data[at + 3] >> 6 == _MONO else 2,
        size_bytes=samples * kbits[kbit_index] * 125 // rate_hz + (data[at + 2] >> 1 & 1),
    )


def adts_frame(data: bytes, at: int) -> Frame | None:
    """Read an ADTS header; None where there is none."""
    if len(data) < at + _ADTS_HEAD_BYTES or not _has(data, at, _ADTS_SYNC):
        return None
    rate_index = data[at + 2] >> 2 & 15
    configuration = (data[at + 2] & 1) << 2 | data[at + 3] >> 6
    size_bytes = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if rate_index >= len(ADTS_RATES_HZ) or size_bytes <= _ADTS_HEAD_BYTES:
        return None
    return Frame(
        codec="aac",
        sample_rate_hz=ADTS_RATES_HZ[rate_index],
        channels=8 if configuration == 7 else configuration or 2,  # noqa: PLR2004 - 7 means 7.1.
        size_bytes=size_bytes,
    )


def chained(data: bytes, at: int, read: FrameReader, *, wanted: int) -> Frame | None:
    """Return the first of `wanted` frames that touch each other and agree, else None.

    Where the data ends first, two frames suffice: a voice mail may be that short.
    """
    first = read(data, at)
    frame, seen = first, 0
    while frame is not None and first is not None:
        if (frame.codec, frame.sample_rate_hz) != (first.codec, first.sample_rate_hz):
            return None
        seen += 1
        at += frame.size_bytes
        if seen == wanted or (at + _ADTS_HEAD_BYTES > len(data) and seen > 1):
            return first
        frame = read(data, at)
    return None


def _facts(frame: Frame) -> MediaFacts:
    adts = frame.codec == "aac"
    return audio_facts(
        "audio/aac" if adts else "audio/mpeg",
        Container.ADTS if adts else Container.MP3,
        frame.codec,
        channels=frame.channels,
        sample_rate_hz=frame.sample_rate_hz,
    )


def parse_frames(head: bytes, *, refusal: NotAudio, search: bool) -> Parser:
    """Look for frames at the start; with `search` behind up to 16 KiB of other bytes too.

    Raises:
        NotAudio: It is `refusal`, where no frames follow one another.
    """
    window = head + (yield Take(MAX_TAKE_BYTES - len(head), short_ok=True))
    for read in (mpeg_frame, adts_frame):
        frame = chained(window, 0, read, wanted=_FRAMES_IN_A_ROW)
        if frame:
            return _facts(frame)
    at = window.find(b"\xff", 0, _MAX_GARBAGE_BYTES) if search else -1
    while at >= 0:
        frame = chained(window, at, mpeg_frame, wanted=_FRAMES_BEHIND_GARBAGE)
        if frame:
            return _facts(frame)
        at = window.find(b"\xff", at + 1, _MAX_GARBAGE_BYTES)
    raise refusal


def parse_id3(head: bytes) -> Parser:
    """Pass over the tags before an MP3, an ADTS stream or, from some taggers, a FLAC."""
    refusal = NotAudio("The file has an ID3 tag but no MP3 frames behind it.")
    for _ in range(_MAX_ID3_TAGS):
        head += yield Take(_ID3_HEAD_BYTES - len(head)) if len(head) < _ID3_HEAD_BYTES else Skip(0)
        if head[:3] != b"ID3":
            break
        if any(byte & 0x80 for byte in head[6:10]):
            raise NotAudio("The ID3 tag claims a length that cannot be.")
        size_bytes = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        size_bytes += _ID3_HEAD_BYTES if head[5] & 0x10 else 0
        beyond = head[_ID3_HEAD_BYTES:]
        yield Skip(max(0, size_bytes - len(beyond)))
        head = beyond[size_bytes:]
    if head[:4] == b"fLaC":
        return (yield from parse_flac(head))
    return (yield from parse_frames(head, refusal=refusal, search=True))
