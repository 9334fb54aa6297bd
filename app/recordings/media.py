"""Recognising recordings and screenshots by their bytes while they stream in.

Pure: no file, no network, no framework. What a sender says of a file is a hint and decides in two
cases only: raw GSM has no signature, and an MP3 may have other bytes before its first frame.
"""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath

from app.recordings.audio_headers import parse_amr, parse_au, parse_flac, parse_gsm, parse_wav
from app.recordings.media_boxes import parse_mp4
from app.recordings.media_containers import parse_asf, parse_matroska, parse_ogg
from app.recordings.media_facts import (
    AudioCodingUnknown,
    AudioHeaderInvalid,
    Container,
    EmptyFile,
    IndexMissing,
    MediaFacts,
    NotAnImage,
    NotAudio,
    PlaylistRefused,
    TooManyPixels,
)
from app.recordings.media_images import parse_image
from app.recordings.media_mpeg import parse_frames, parse_id3
from app.recordings.media_stream import EndOfBody, Parser, PulledParser, Take

__all__ = [
    "AudioCodingUnknown",
    "AudioHeaderInvalid",
    "AudioRecogniser",
    "Container",
    "EmptyFile",
    "ImageRecogniser",
    "IndexMissing",
    "MediaFacts",
    "NotAnImage",
    "NotAudio",
    "PlaylistRefused",
    "TooManyPixels",
]

DEFAULT_MAX_PIXELS = 50_000_000
_HEAD_BYTES = 12
_GSM_TYPES = frozenset({"audio/gsm", "audio/x-gsm"})
_MP3_TYPES = frozenset({"audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/mpeg3"})
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"[Reference]", b"concat:")
OTHER_KINDS = (
    (b"\x89PNG", "The file is an image (PNG)."),
    (b"GIF8", "The file is an image (GIF)."),
    (b"\xff\xd8\xff", "The file is an image (JPEG)."),
    (b"PK\x03\x04", "The file is an archive (ZIP)."),
    (b"\x1f\x8b", "The file is an archive (gzip)."),
    (b"%PDF", "The file is a document (PDF)."),
    (b"\x7fELF", "The file is a program."),
    (b"MZ", "The file is a program."),
    (b"\xd4\xc3\xb2\xa1", "The file is a network capture (pcap)."),
    (b"\xa1\xb2\xc3\xd4", "The file is a network capture (pcap)."),
    (b"\x4d\x3c\xb2\xa1", "The file is a network capture (pcap)."),
    (b"\x0a\x0d\x0d\x0a", "The file is a network capture (pcapng)."),
    (b"FORM", "The file is an AIFF, which is not kept."),
)
OTHER_RIFFS = {
    b"AVI ": "The file is a video (AVI).",
    b"WEBP": "The file is an image (WebP).",
}
OTHER_RIFF = "The file is a RIFF of another kind than WAVE."
_BY_MAGIC = (
    (b"RIFX", parse_wav),
    (b".snd", parse_au),
    (b"OggS", parse_ogg),
    (b"fLaC", parse_flac),
    (b"ID3", parse_id3),
    (b"#!AMR", parse_amr),
    (b"\x1aE\xdf\xa3", parse_matroska),
    (bytes.fromhex("3026b2758e66cf11a6d900aa"), parse_asf),
)
_CONTROLS = frozenset({*range(0x20), 0x7F}) - {0x09, 0x0A, 0x0C, 0x0D}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _parser_for(head: bytes) -> Parser | None:
    """Return the parser for a signature; None where there is none that is kept.

    Raises:
        NotAudio: A picture or a video in a RIFF.
    """
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        if head[8:12] != b"WAVE":
            raise NotAudio(OTHER_RIFFS.get(head[8:12], OTHER_RIFF))
        return parse_wav(head)
    if head[4:8] == b"ftyp":
        return parse_mp4(head)
    for magic, parse in _BY_MAGIC:
        if head.startswith(magic):
            return parse(head)
    return None


def _is_text(head: bytes) -> bool:
    """Tell whether these may be the first bytes of a text in UTF-8; a last letter may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return _CONTROLS.isdisjoint(head)


def _refuse_other_kinds(head: bytes) -> None:
    """Refuse what has another signature, or is text.

    Raises:
        PlaylistRefused: A list of other files, which a decoder would open.
        NotAudio: Anything else that is known not to be sound.
    """
    text = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if any(text[: len(magic)].lower() == magic.lower() for magic in _PLAYLISTS):
        raise PlaylistRefused("The file is a playlist: send the recording itself.")
    for magic, said in OTHER_KINDS:
        if head.startswith(magic):
            raise NotAudio(said)
    if not any(head):
        raise NotAudio(
            "The file begins with zeros: its header is not written yet, as with a recording that is"
            " still going on. Send it again when the call is over."
        )
    if _is_text(head):
        raise NotAudio("The file is text.")


def _parse_audio(*, is_gsm: bool, is_mp3: bool) -> Parser:
    head = yield Take(_HEAD_BYTES, short_ok=True)
    if not head:
        raise EmptyFile("The file is empty.")
    try:
        parser = _parser_for(head)
        if parser is not None:
            return (yield from parser)
        _refuse_other_kinds(head)
        if is_gsm:
            return (yield from parse_gsm(head))
        return (
            yield from parse_frames(
                head,
                refusal=NotAudio("The content is no recording of a kind that is kept."),
                search=is_mp3,
            )
        )
    except EndOfBody:
        raise AudioHeaderInvalid("The file ends within its header.") from None


def _is_declared(
    declared_type: str | None, file_name: str | None, *, types: frozenset[str], suffix: str
) -> bool:
    declared = (declared_type or "").split(";")[0].strip().lower()
    return declared in types or PurePosixPath(file_name or "").suffix.lower() == suffix


class AudioRecogniser:
    """Tell, from the bytes as they pass, what recording this is.

    `feed` raises as soon as the answer is no, `finish` where only the end can tell. All refusals
    are `UnsupportedMedia`. Nothing is fed after a refusal.
    """

    __slots__ = ("_pulled",)

    def __init__(self, declared_type: str | None = None, file_name: str | None = None) -> None:
        self._pulled = PulledParser(
            _parse_audio(
                is_gsm=_is_declared(declared_type, file_name, types=_GSM_TYPES, suffix=".gsm"),
                is_mp3=_is_declared(declared_type, file_name, types=_MP3_TYPES, suffix=".mp3"),
            )
        )

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Look at the next bytes; once the header is understood this costs a comparison."""
        self._pulled.feed(chunk)

    def finish(self) -> MediaFacts:
        """Return what was recognised, at the end of the body."""
        return self._pulled.finish()


class ImageRecogniser:
    """Tell, from the bytes as they pass, what screenshot this is and how large it declares to be.

    Only the first declared size is read: who decodes the image later limits its pixels again.
    """

    __slots__ = ("_pulled",)

    def __init__(self, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        self._pulled = PulledParser(parse_image(max_pixels))

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Look at the next bytes."""
        self._pulled.feed(chunk)

    def finish(self) -> MediaFacts:
        """Return what was recognised, at the end of the body."""
        return self._pulled.finish()
