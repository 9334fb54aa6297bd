"""Ogg, WebM and Matroska, and WMA: containers that say at their beginning what they hold."""

from __future__ import annotations

import struct
from collections.abc import Generator

from app.recordings.audio_headers import flac_facts, wave_codec
from app.recordings.media_facts import (
    AudioCodingUnknown,
    AudioHeaderInvalid,
    Container,
    MediaFacts,
    NotAudio,
    audio_facts,
)
from app.recordings.media_stream import MAX_TAKE_BYTES, EndOfBody, Parser, Skip, Take

_MAX_OGG_STREAMS = 8
_OGG_PAGE_BYTES = 27
_OGG_FIRST_PAGE = 0x02
_OGG_VIDEO = (b"\x80theora", b"BBCD", b"\x80daala", b"OVP80")

_EBML_SEGMENT, _EBML_TRACKS, _EBML_CLUSTER = 0x18538067, 0x1654AE6B, 0x1F43B675
_DOC_TYPE, _TRACK_ENTRY, _TRACK_TYPE, _CODEC_ID = 0x4282, 0xAE, 0x83, 0x86
_AUDIO, _SAMPLING_HZ, _CHANNELS = 0xE1, 0xB5, 0x9F
_MATROSKA_VIDEO, _MATROSKA_AUDIO = 1, 2
_MAX_ELEMENTS = 1_000
_MATROSKA_CODECS = {
    b"A_OPUS": "opus",
    b"A_VORBIS": "vorbis",
    b"A_AAC": "aac",
    b"A_FLAC": "flac",
    b"A_MPEG/L3": "mp3",
    b"A_PCM/INT/LIT": "pcm_s16le",
}

_ASF_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_ASF_SOUND = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_ASF_OBJECT_HEAD_BYTES = 24
_ASF_FORMAT_AT = 54


def _ogg_facts(packet: bytes) -> MediaFacts | None:
    """Read the first packet of a stream; None where it is no sound."""
    if any(packet.startswith(magic) for magic in _OGG_VIDEO):
        raise NotAudio("The file is a video (Ogg).")
    if packet.startswith(b"OpusHead") and len(packet) >= 19:  # noqa: PLR2004 - RFC 7845, 5.1.
        codec, channels, rate_hz = "opus", packet[9], 48_000
    elif packet.startswith(b"\x01vorbis") and len(packet) >= 16:  # noqa: PLR2004 - its fields end.
        codec, channels, rate_hz = "vorbis", packet[11], int.from_bytes(packet[12:16], "little")
    elif packet.startswith(b"Speex   ") and len(packet) >= 52:  # noqa: PLR2004 - its fields end.
        rate_hz, channels = struct.unpack_from("<I8xI", packet, 36)
        codec = "speex"
    elif packet.startswith(b"\x7fFLAC") and len(packet) >= 51:  # noqa: PLR2004 - its fields end.
        return flac_facts(packet[17:51], "audio/ogg", Container.OGG)
    else:
        return None
    return audio_facts("audio/ogg", Container.OGG, codec, channels=channels, sample_rate_hz=rate_hz)


def parse_ogg(head: bytes) -> Parser:
    """Read the first pages: each stream begins with one before any goes on (RFC 3533, 6)."""
    page = head + (yield Take(_OGG_PAGE_BYTES - len(head)))
    if page[4] or not page[5] & _OGG_FIRST_PAGE:
        raise AudioHeaderInvalid("The Ogg file does not begin with the first page of a stream.")
    found: MediaFacts | None = None
    for _ in range(_MAX_OGG_STREAMS):
        body_bytes = sum((yield Take(page[26])))
        found = _ogg_facts((yield Take(body_bytes))) or found
        try:
            page = yield Take(_OGG_PAGE_BYTES)
        except EndOfBody:
            break
        if page[:4] != b"OggS" or not page[5] & _OGG_FIRST_PAGE:
            break
    if found is None:
        raise AudioCodingUnknown("The Ogg file holds no Opus, Vorbis, Speex or FLAC.")
    return found


def _ebml_length(first: int) -> int:
    """Return how many bytes an element's id or size has, by its first byte."""
    length = 9 - first.bit_length()
    if length > 8:  # noqa: PLR2004 - RFC 8794, 4.
        raise AudioHeaderInvalid("The Matroska file breaks off in something that is no element.")
    return length


def _ebml_number(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """Return a variable-length number and where it ends."""
    if at >= len(data):
        raise AudioHeaderInvalid("A Matroska element is cut off.")
    length = _ebml_length(data[at])
    value = int.from_bytes(data[at : at + length], "big")
    return (value if keep_marker else value & (1 << 7 * length) - 1), at + length


def _ebml_children(data: bytes) -> list[tuple[int, bytes]]:
    children, at = [], 0
    while at < len(data):
        name, at = _ebml_number(data, at, keep_marker=True)
        size_bytes, at = _ebml_number(data, at, keep_marker=False)
        children.append((name, data[at : at + size_bytes]))
        at += size_bytes
    return children


def _pull_element() -> Generator[Take | Skip, bytes, tuple[int, int | None]]:
    """Pull an element's id and size; None where its size is not known."""
    first = yield Take(1)
    name = first + (yield Take(_ebml_length(first[0]) - 1))
    first = yield Take(1)
    length = _ebml_length(first[0])
    size = int.from_bytes(first + (yield Take(length - 1)), "big") & (1 << 7 * length) - 1
    unknown = size == (1 << 7 * length) - 1
    return int.from_bytes(name, "big"), None if unknown else size


def _matroska_rate_hz(raw: bytes) -> int:
    if len(raw) not in (4, 8):
        return 0
    rate_hz: float = struct.unpack(">f" if len(raw) == 4 else ">d", raw)[0]  # noqa: PLR2004
    return round(rate_hz) if 0 <= rate_hz < 1e9 else 0  # noqa: PLR2004 - no NaN, no infinity.


def _matroska_tracks(data: bytes, media_type: str) -> MediaFacts:
    """Read the track list: one picture and it is a video; else the first sound."""
    sounds = []
    for _, raw in filter(lambda child: child[0] == _TRACK_ENTRY, _ebml_children(data)):
        track = dict(_ebml_children(raw))
        kind = int.from_bytes(track.get(_TRACK_TYPE, b""), "big")
        if kind == _MATROSKA_VIDEO:
            raise NotAudio("The file is a video (Matroska or WebM).")
        if kind == _MATROSKA_AUDIO:
            sounds.append(track)
    if not sounds:
        raise NotAudio("The file has no sound track.")
    name = sounds[0].get(_CODEC_ID, b"").rstrip(b"\0")
    codec = next((mine for id_, mine in _MATROSKA_CODECS.items() if name.startswith(id_)), None)
    if codec is None:
        coding = name.decode("latin-1")
        raise AudioCodingUnknown(f"The sound is in Matroska coding {coding!r}.", coding=coding)
    audio = dict(_ebml_children(sounds[0].get(_AUDIO, b"")))
    rate_hz = _matroska_rate_hz(audio[_SAMPLING_HZ]) if _SAMPLING_HZ in audio else 8_000
    channels = int.from_bytes(audio[_CHANNELS], "big") if _CHANNELS in audio else 1
    return audio_facts(
        media_type, Container.MATROSKA, codec, channels=channels, sample_rate_hz=rate_hz
    )


def parse_matroska(head: bytes) -> Parser:
    """Read the head and walk the segment to its track list (RFC 9559)."""
    size_bytes, at = _ebml_number(head, 4, keep_marker=False)
    if not 0 <= len(head) - at <= size_bytes <= MAX_TAKE_BYTES:
        raise AudioHeaderInvalid("The Matroska head claims a length that cannot be.")
    about = dict(_ebml_children(head[at:] + (yield Take(size_bytes - (len(head) - at)))))
    media_type = "audio/webm" if about.get(_DOC_TYPE) == b"webm" else "audio/x-matroska"
    name, _ = yield from _pull_element()
    if name != _EBML_SEGMENT:
        raise AudioHeaderInvalid("The Matroska file has no segment.")
    for _ in range(_MAX_ELEMENTS):
        name, size = yield from _pull_element()
        if name == _EBML_CLUSTER or size is None:
            break
        if name == _EBML_TRACKS:
            if size > MAX_TAKE_BYTES:
                break
            return _matroska_tracks((yield Take(size)), media_type)
        yield Skip(size)
    raise AudioHeaderInvalid("The Matroska file has no track list before its sound.")


def parse_asf(head: bytes) -> Parser:
    """Walk the objects of the header: every stream is described there (ASF, 3.3)."""
    rest = (head + (yield Take(30 - len(head))))[16:]
    room_bytes, objects = struct.unpack_from("<QI", rest)
    found: MediaFacts | None = None
    room_bytes -= 30
    for _ in range(min(objects, _MAX_ELEMENTS)):
        if room_bytes < _ASF_OBJECT_HEAD_BYTES:
            break
        name, size_bytes = struct.unpack("<16sQ", (yield Take(_ASF_OBJECT_HEAD_BYTES)))
        if not _ASF_OBJECT_HEAD_BYTES <= size_bytes <= room_bytes:
            raise AudioHeaderInvalid("An object of the WMA header claims a length that cannot be.")
        room_bytes -= size_bytes
        inner_bytes = size_bytes - _ASF_OBJECT_HEAD_BYTES
        if name == _ASF_STREAM and inner_bytes <= MAX_TAKE_BYTES:
            found = _asf_stream((yield Take(inner_bytes))) or found
        else:
            yield Skip(inner_bytes)
    if found is None:
        raise NotAudio("The file has no sound track.")
    return found


def _asf_stream(body: bytes) -> MediaFacts | None:
    kind, fmt = body[:16], body[_ASF_FORMAT_AT:]
    if kind == _ASF_VIDEO:
        raise NotAudio("The file is a video (Windows Media).")
    if kind != _ASF_SOUND:
        return None
    if len(fmt) < 16:  # noqa: PLR2004 - a WAVEFORMATEX without its optional tail.
        raise AudioHeaderInvalid("The description of the sound is cut off.")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    facts = audio_facts(
        "audio/x-ms-wma", Container.ASF, "unknown", channels=channels, sample_rate_hz=rate_hz
    )
    return audio_facts(
        facts.media_type,
        Container.ASF,
        wave_codec(tag, bits),
        channels=channels,
        sample_rate_hz=rate_hz,
    )
