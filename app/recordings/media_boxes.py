"""MP4 and its kin: walk the boxes to the index, wherever in the body it lies."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.recordings.media_facts import (
    AudioCodingUnknown,
    AudioHeaderInvalid,
    Container,
    IndexMissing,
    MediaFacts,
    NotAudio,
    audio_facts,
)
from app.recordings.media_mpeg import ADTS_RATES_HZ
from app.recordings.media_stream import MAX_TAKE_BYTES, EndOfBody, Parser, Part, Skip, Take

_MAX_BOXES = 4_096
_MAX_DEPTH = 6
_DESCENDED = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_CODEC_BY_ENTRY = {
    b"mp4a": "aac",
    b"alac": "alac",
    b"Opus": "opus",
    b"fLaC": "flac",
    b"samr": "amr_nb",
    b"sawb": "amr_wb",
    b".mp3": "mp3",
    b"ulaw": "pcm_mulaw",
    b"alaw": "pcm_alaw",
    b"sowt": "pcm_s16le",
    b"twos": "pcm_s16be",
}
_ENTRY_BYTES = 36
_ESCAPED_RATE_INDEX = 15


@dataclass(slots=True)
class _Index:
    """What the walk has come upon."""

    facts: MediaFacts | None = None
    handler: bytes = b""
    boxes: int = 0
    seen: bool = False
    handlers: set[bytes] = field(default_factory=set)


def _descriptor(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start and length of an MPEG-4 descriptor. Source: ISO 14496-1, 8.3.3."""
    tag, length = data[at], 0
    for used in range(1, 5):
        length = length << 7 | data[at + used] & 0x7F
        if not data[at + used] & 0x80:
            return tag, at + used + 1, length
    return tag, at + 5, length


def _aac_configuration(entry: bytes) -> tuple[int, int] | None:
    """Return channels and rate of the AudioSpecificConfig, which rules over the entry's fields."""
    at = entry.find(b"esds", _ENTRY_BYTES)
    if at < 0:
        return None
    try:
        at += 8
        tag, at, _ = _descriptor(entry, at)
        if tag != 3:  # noqa: PLR2004 - an ES descriptor, whose flags add fields nobody writes.
            return None
        tag, at, _ = _descriptor(entry, at + 3)
        tag, at, length = _descriptor(entry, at + 13)
        config = int.from_bytes(entry[at : at + 2].ljust(2, b"\0"), "big")
    except IndexError:
        return None
    rate_index, channels = config >> 7 & 15, config >> 3 & 15
    if tag != 5 or length < 2 or rate_index >= len(ADTS_RATES_HZ) or not 1 <= channels <= 7:  # noqa: PLR2004 - a short config of the common kind; others are left to the decoder.
        return None
    return (8 if channels == 7 else channels), ADTS_RATES_HZ[rate_index]  # noqa: PLR2004 - 7 means 7.1.


def _sound_entry(table: bytes) -> MediaFacts:
    """Read the first entry of a sample description table (`stsd`) of a sound track."""
    entry = table[8:]
    if len(entry) < _ENTRY_BYTES:
        raise AudioHeaderInvalid("The sample description of the sound track is cut off.")
    name = entry[4:8]
    codec = _CODEC_BY_ENTRY.get(name)
    if codec is None:
        coding = name.decode("latin-1")
        raise AudioCodingUnknown(f"The sound is in MP4 coding {coding!r}.", coding=coding)
    channels = int.from_bytes(entry[24:26], "big")
    rate_hz = int.from_bytes(entry[32:34], "big")
    if codec == "aac":
        channels, rate_hz = _aac_configuration(entry) or (channels, rate_hz)
    elif codec == "opus":
        rate_hz = 48_000
    elif codec.startswith("amr_"):
        channels, rate_hz = 1, 16_000 if codec == "amr_wb" else 8_000
    return audio_facts("audio/mp4", Container.MP4, codec, channels=channels, sample_rate_hz=rate_hz)


def _leaf(name: bytes, size_bytes: int, index: _Index) -> Part:
    """Take the two boxes that matter whole, pass over all others."""
    if name not in (b"hdlr", b"stsd"):
        yield Skip(size_bytes)
        return
    taken = min(size_bytes, MAX_TAKE_BYTES)
    body = yield Take(taken)
    yield Skip(size_bytes - taken)
    if name == b"hdlr":
        index.handler = body[8:12]
        index.handlers.add(index.handler)
    elif index.handler == b"soun" and index.facts is None:
        index.facts = _sound_entry(body)


def _walk(room_bytes: int | None, index: _Index, depth: int) -> Part:
    """Walk the boxes in `room_bytes` (None: to the end of the body), the index and its tracks."""
    while room_bytes is None or room_bytes >= 8:  # noqa: PLR2004 - a box's header.
        index.boxes += 1
        if index.boxes > _MAX_BOXES:
            raise AudioHeaderInvalid("The file consists of more boxes than a recording has.")
        start = yield Take(8)
        size_bytes, name, head_bytes = int.from_bytes(start[:4], "big"), start[4:], 8
        if size_bytes == 1:
            size_bytes, head_bytes = int.from_bytes((yield Take(8)), "big"), 16
        if size_bytes == 0 and room_bytes is None:
            raise EndOfBody
        if size_bytes < head_bytes or (room_bytes is not None and size_bytes > room_bytes):
            raise AudioHeaderInvalid("A box claims a length that cannot be.")
        inner_bytes = size_bytes - head_bytes
        if name in _DESCENDED and depth < _MAX_DEPTH:
            yield from _walk(inner_bytes, index, depth + 1)
        else:
            yield from _leaf(name, inner_bytes, index)
        if room_bytes is not None:
            room_bytes -= size_bytes
        elif name == b"moov":
            index.seen = True
            return
    yield Skip(room_bytes)


def parse_mp4(head: bytes) -> Parser:
    """Find the index (`moov`), which recorders write last and a killed one never.

    Raises:
        IndexMissing: The body ended before it, known only then.
        NotAudio: There is a moving picture, or no sound.
    """
    index = _Index()
    first_box_bytes = int.from_bytes(head[:4], "big")
    if not len(head) <= first_box_bytes <= MAX_TAKE_BYTES:
        raise AudioHeaderInvalid("The file type box claims a length that cannot be.")
    yield Skip(first_box_bytes - len(head))
    try:
        yield from _walk(None, index, 0)
    except EndOfBody:
        raise IndexMissing(
            "The file ends before its index (the moov box): the recorder was stopped too early."
        ) from None
    if b"vide" in index.handlers:
        raise NotAudio("The file is a video.")
    if index.facts is None:
        raise NotAudio("The file has no sound track.")
    return index.facts
