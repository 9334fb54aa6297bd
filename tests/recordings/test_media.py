"""What is recognised, kept and refused, over the corpus and over any chunking of it."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import UnsupportedMedia
from app.recordings.media import (
    AudioCodingUnknown,
    AudioHeaderInvalid,
    AudioRecogniser,
    Container,
    EmptyFile,
    ImageRecogniser,
    IndexMissing,
    MediaFacts,
    NotAnImage,
    NotAudio,
    PlaylistRefused,
    TooManyPixels,
)

CORPUS = Path(
    os.environ.get("AUDIATUR_CORPUS")
    or Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
)
needs_corpus = pytest.mark.skipif(
    not (CORPUS / "manifest.jsonl").is_file(),
    reason=f"NO TEST RECORDINGS at {CORPUS}: set AUDIATUR_CORPUS",
)

CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "matroska"}
REFUSED = {
    "bad/zero_byte.wav": EmptyFile,
    "bad/text.wav": NotAudio,
    "bad/zero_channels.wav": AudioHeaderInvalid,
    "bad/zero_rate.wav": AudioHeaderInvalid,
    "bad/no_moov.m4a": IndexMissing,
    "bad/hls_playlist.mp3": PlaylistRefused,
    "bad/ffconcat.wav": PlaylistRefused,
    "bad/bomb_real.png": TooManyPixels,
    "bad/bomb_declared.png": TooManyPixels,
    "bad/svg_script.png": NotAnImage,
    "bad/gifjs.jpg": NotAnImage,
    "bad/headless.jpg": NotAnImage,
    "bad/linphone_copied_mid_call.wav": NotAudio,
    "bad/rtpengine_call.pcap": NotAudio,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    file: str
    claimed_type: str | None
    facts: dict[str, object]
    expect: str

    @property
    def data(self) -> bytes:
        return (CORPUS / self.file).read_bytes()

    @property
    def is_image(self) -> bool:
        return (self.claimed_type or "").startswith("image/")


def samples(manifest: str) -> list[Sample]:
    path = CORPUS / manifest
    lines = path.read_text().splitlines() if path.is_file() else []
    return [
        Sample(
            file=facts["file"],
            claimed_type=facts.get("claimed_type"),
            facts=facts,
            expect=facts.get("expect", ""),
        )
        for facts in map(json.loads, lines)
    ]


GOOD, BAD = samples("manifest.jsonl"), samples("bad/bad_manifest.jsonl")


def recognise(sample: Sample, cuts: list[int] | None = None) -> MediaFacts:
    if sample.is_image:
        recogniser: AudioRecogniser | ImageRecogniser = ImageRecogniser()
    else:
        recogniser = AudioRecogniser(sample.claimed_type, sample.file)
    data, start = sample.data, 0
    for cut in [*sorted(cuts or ()), len(data)]:
        recogniser.feed(data[start:cut])
        start = max(start, cut)
    return recogniser.finish()


def audio(data: bytes, declared: str | None = None, name: str | None = None) -> MediaFacts:
    recogniser = AudioRecogniser(declared, name)
    recogniser.feed(data)
    return recogniser.finish()


def image(data: bytes, max_pixels: int = 50_000_000) -> MediaFacts:
    recogniser = ImageRecogniser(max_pixels)
    recogniser.feed(data)
    return recogniser.finish()


def wav(*, tag: int = 1, channels: int = 1, rate_hz: int = 8000, bits: int = 16) -> bytes:
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * block, block, bits)
    return b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + fmt + b"data\x10\0\0\0" + bytes(16)


@needs_corpus
@pytest.mark.parametrize("sample", GOOD, ids=lambda sample: sample.file)
def test_every_call_of_the_corpus_is_recognised(sample: Sample) -> None:
    facts = recognise(sample)
    container = str(sample.facts["container"])
    assert facts.container == CONTAINERS.get(container, container)
    assert facts.codec == sample.facts["codec"]
    assert facts.channels == sample.facts["channels"]
    assert facts.sample_rate_hz == sample.facts["sample_rate"]


@needs_corpus
@pytest.mark.parametrize("sample", BAD, ids=lambda sample: sample.file)
def test_bad_files_are_kept_or_refused_as_the_manifest_says(sample: Sample) -> None:
    refusal = REFUSED.get(sample.file)
    if refusal is None:
        assert not sample.expect.startswith("reject") or " or " in sample.expect
        facts = recognise(sample)
        assert facts.media_type == str(sample.facts["real_type"]).removesuffix("+text/html")
        if "width" in sample.facts:
            assert (facts.width, facts.height) == (sample.facts["width"], sample.facts["height"])
        return
    assert not sample.expect.startswith("accept")
    with pytest.raises(refusal) as refused:
        recognise(sample)
    assert refused.value.detail


@needs_corpus
def test_the_table_names_only_files_that_exist() -> None:
    assert REFUSED.keys() <= {sample.file for sample in BAD}
    assert len(GOOD) == 29


@needs_corpus
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_chunking_gives_the_same_answer(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from([*GOOD, *BAD]), label="sample")
    size = len(sample.data)
    near = st.integers(0, min(size, 300))
    cuts = data.draw(st.lists(near | st.integers(0, size), max_size=40), label="cuts")
    whole: MediaFacts | type[UnsupportedMedia]
    try:
        whole = recognise(sample)
    except UnsupportedMedia as refusal:
        whole = type(refusal)
    try:
        assert recognise(sample, cuts) == whole
    except UnsupportedMedia as refusal:
        assert type(refusal) is whole  # noqa: PT017 - both ways of answering must agree.


MAGICS = [
    *(b"RIFF\0\0\0\0WAVE", b"RF64\xff\xff\xff\xffWAVEds64", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"),
    *(b".snd", b"ID3\x04\0\0\0\0\0\x0a", b"\xff\xfb\x90\x64", b"\xff\xf1\x50\x80", b"OggS\0\x02"),
    *(b"\x1aE\xdf\xa3", b"\x1aE\xdf\xa3\x84\x42\x82\x81\x41\x18\x53\x80\x67", b"fLaC\0\0\0\x22"),
    *(b"\0\0\0\x18ftypM4A ", b"\0\0\0\x0cftypM4A \0\0\0\x40moov", b"#!AMR\n", b"#!AMR-WB\n"),
    *(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), b"\xd0" * 33, b"\x89PNG\r\n\x1a\n"),
    *(b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xc0", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8X"),
]


@settings(max_examples=400, deadline=None)
@given(
    magic=st.sampled_from([b"", *MAGICS]),
    body=st.binary(max_size=400),
    declared=st.sampled_from([None, "audio/mpeg", "audio/gsm"]),
)
def test_random_bytes_raise_nothing_but_a_refusal(
    magic: bytes, body: bytes, declared: str | None
) -> None:
    for recogniser in (AudioRecogniser(declared), ImageRecogniser()):
        try:
            recogniser.feed(magic + body)
            recogniser.finish()
        except UnsupportedMedia as refusal:
            assert refusal.detail  # noqa: PT017 - most, not all, of these bytes are refused.


@needs_corpus
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_altered_headers_raise_nothing_but_a_refusal(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from([*GOOD, *BAD]), label="sample")
    raw = bytearray(sample.data[: data.draw(st.integers(0, 3000), label="length")])
    for _ in range(data.draw(st.integers(1, 8)) if raw else 0):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    for recogniser in (AudioRecogniser(sample.claimed_type, sample.file), ImageRecogniser()):
        try:
            recogniser.feed(bytes(raw))
            recogniser.finish()
        except UnsupportedMedia as refusal:
            assert refusal.detail  # noqa: PT017 - many alterations do not touch what is read.


@pytest.mark.parametrize(
    "head",
    [
        wav(channels=9),
        wav(channels=65_535, bits=8),
        wav(rate_hz=1),
        wav(rate_hz=100_000_000),
        wav(bits=7),
        wav(tag=3, bits=16),
        b"RIFF\0\0\0\0WAVEdata\x10\0\0\0" + bytes(16),
        b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\x7f" + bytes(64),
        b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 2000,
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01",
        b".snd" + struct.pack(">5I", 24, 0, 3, 0, 1),
    ],
)
def test_absurd_sound_headers_are_refused(head: bytes) -> None:
    with pytest.raises(AudioHeaderInvalid):
        audio(head)


def test_a_refusal_comes_with_the_header_not_with_the_end() -> None:
    recogniser = AudioRecogniser("audio/wav")
    with pytest.raises(AudioHeaderInvalid):
        recogniser.feed(wav(channels=0, bits=8)[:36])


def test_an_unknown_coding_is_refused_by_name() -> None:
    with pytest.raises(AudioCodingUnknown, match="0x7777"):
        audio(wav(tag=0x7777))


def test_a_large_tag_before_the_frames_is_passed_over_without_being_held() -> None:
    frame = b"\xff\xe3\x18\xc4" + bytes(68)
    recogniser = AudioRecogniser()
    recogniser.feed(b"ID3\x04\0\0\0\x20\0\0")
    for _ in range(8):
        recogniser.feed(bytes(64 * 1024))
    assert len(recogniser._pulled._held) == 0
    recogniser.feed(frame * 10)
    assert recogniser.finish().container is Container.MP3


def test_gsm_needs_to_be_declared() -> None:
    frames = (b"\xd5" + bytes(range(32))) * 20
    assert audio(frames, "audio/x-gsm; rate=8000").container is Container.GSM
    assert audio(frames, None, "call.GSM").codec == "gsm"
    with pytest.raises(NotAudio):
        audio(frames, None, "call.wav")


def test_a_wav_that_is_called_gsm_is_a_wav() -> None:
    assert audio(wav(), "audio/gsm", "call.gsm").container is Container.WAV


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"GIF89a" + bytes(20), "GIF"),
        (b"PK\x03\x04" + bytes(20), "ZIP"),
        (b"%PDF-1.7 and so on", "PDF"),
        (b"<!doctype html><script>", "text"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "text"),
    ],
)
def test_other_kinds_are_refused_by_name(head: bytes, word: str) -> None:
    with pytest.raises(NotAudio, match=word):
        audio(head, "audio/mpeg")


@pytest.mark.parametrize("start", [b"#EXTM3U\n", b"\xef\xbb\xbf#EXTM3U\n", b"\n FFCONCAT version"])
def test_playlists_are_refused_as_such(start: bytes) -> None:
    with pytest.raises(PlaylistRefused):
        audio(start)


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def movie(*handlers: bytes) -> bytes:
    entry = struct.pack(">I4s", 36, b"mp4a") + bytes(16) + struct.pack(">HHIHH", 2, 16, 0, 8000, 0)
    tracks = b"".join(
        box(
            b"trak",
            box(
                b"mdia",
                box(b"hdlr", bytes(8) + handler + bytes(13))
                + box(b"minf", box(b"stbl", box(b"stsd", bytes(8) + entry))),
            ),
        )
        for handler in handlers
    )
    return box(b"ftyp", b"M4A \0\0\0\0") + box(b"mdat", bytes(70_000)) + box(b"moov", tracks)


def test_an_index_behind_the_sound_is_found() -> None:
    facts = audio(movie(b"soun"))
    assert (facts.codec, facts.channels, facts.sample_rate_hz) == ("aac", 2, 8000)


def test_a_video_with_sound_is_refused() -> None:
    with pytest.raises(NotAudio, match="video"):
        audio(movie(b"soun", b"vide"))


def test_an_index_that_is_cut_off_counts_as_missing() -> None:
    with pytest.raises(IndexMissing):
        audio(movie(b"soun")[:-20])


def test_a_recogniser_takes_nothing_more_once_it_knows() -> None:
    recogniser = AudioRecogniser()
    recogniser.feed(wav())
    for _ in range(64):
        recogniser.feed(memoryview(bytes(1024 * 1024)))
    assert len(recogniser._pulled._held) == 0
    assert recogniser.finish().codec == "pcm_s16le"


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + bytes(9)


def test_pixels_are_counted_before_anything_is_decoded() -> None:
    assert image(png(100, 100), max_pixels=10_000).width == 100
    with pytest.raises(TooManyPixels) as refused:
        image(png(101, 100), max_pixels=10_000)
    assert refused.value.facts == {"width": 101, "height": 100, "max_pixels": 10_000}


@pytest.mark.parametrize("data", [png(0, 5), png(5, 5)[:20], b"\xff\xd8\xff\xd9", b"\xff\xd8\xff"])
def test_an_image_without_a_size_is_refused(data: bytes) -> None:
    with pytest.raises(NotAnImage):
        image(data)


def test_the_three_kinds_of_webp_give_their_size() -> None:
    head = b"RIFF\0\0\0\0WEBP"
    lossy = head + b"VP8 " + bytes(7) + b"\x9d\x01\x2a" + struct.pack("<HH", 320, 200)
    lossless = head + b"VP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 319 | 199 << 14) + bytes(5)
    extended = head + b"VP8X" + bytes(8) + b"\x3f\x01\0\xc7\0\0"
    for data in (lossy, lossless, extended):
        facts = image(data)
        assert (facts.media_type, facts.width, facts.height) == ("image/webp", 320, 200)
