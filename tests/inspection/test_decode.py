"""Decoded samples are the truth, nothing else is read, and everything stays bounded."""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.inspection.decode import Inspection, Limits, inspect_audio
from app.inspection.headers import HeaderFacts, Oddity, header_facts, read_headers
from app.inspection.sandbox import (
    SOURCE_PATH,
    Budget,
    DecodeFailed,
    DecodeLimit,
    LimitKind,
    Sandbox,
    Strength,
)
from app.recordings.media import AudioRecogniser, Container, MediaFacts
from tests.inspection.conftest import CORPUS, Opener, corpus_lines, needs_corpus

LENGTHS = [
    line
    for line in [*corpus_lines("manifest.jsonl"), *corpus_lines("bad/bad_manifest.jsonl")]
    if ("duration_s" in line or "real_duration_s" in line)
    and "4h" not in line["file"]
    and line.get("real_type", "audio/").startswith("audio/")
]
DAMAGED = {
    "bad/truncated.wav": Oddity.LENGTH_DIFFERS,
    "bad/claims_10h.wav": Oddity.LENGTH_DIFFERS,
    "bad/claims_10h.ogg": Oddity.LENGTH_DIFFERS,
    "bad/baresip_killed_mid_call.wav": Oddity.LENGTH_NOT_WRITTEN,
    "bad/garbage_inside.mp3": Oddity.DECODER_ERRORS,
}
CANARY_RATE_HZ = 8000


def facts_of(data: bytes, name: str) -> MediaFacts:
    recogniser = AudioRecogniser(None, name)
    recogniser.feed(data)
    return recogniser.finish()


def inspected(
    source: int, facts: MediaFacts, sandbox: Sandbox, limits: Limits | None = None
) -> tuple[Inspection, bytes]:
    mp3 = bytearray()
    result = inspect_audio(source, facts, sandbox, playable=mp3.extend, limits=limits)
    return result, bytes(mp3)


def inspected_file(name: str, sandbox: Sandbox, open_bytes: Opener) -> tuple[Inspection, bytes]:
    data = (CORPUS / name).read_bytes()
    return inspected(open_bytes(data), facts_of(data, name), sandbox)


def made(*command: str) -> bytes:
    return subprocess.run(  # noqa: S603 - the test's own arguments.
        ["ffmpeg", "-v", "error", "-nostdin", *command, "pipe:1"],  # noqa: S607 - as installed.
        check=True,
        capture_output=True,
    ).stdout


@needs_corpus
@pytest.mark.parametrize("line", LENGTHS, ids=lambda line: line["file"])
def test_every_recording_has_its_true_length(
    line: dict[str, Any], detected: Sandbox, open_bytes: Opener
) -> None:
    result, mp3 = inspected_file(line["file"], detected, open_bytes)
    length_ms = 1000 * float(
        line["duration_s"] if "duration_s" in line else line["real_duration_s"]
    )
    assert abs(result.duration_ms - length_ms) < 50
    # A duration is rounded to the millisecond, a last point may hold a single sample.
    assert 0 <= result.peaks.length - result.duration_ms // 20 <= 1
    assert len(mp3) == result.playable_bytes
    if "codec" in line:
        expected = (line["codec"], line["channels"], line["sample_rate"])
        assert (result.codec, result.channels, result.sample_rate_hz) == expected
        assert not result.damaged
    assert result.damaged == (line["file"] in DAMAGED)
    json.dumps(result.peaks.to_waveform(), allow_nan=False)


@needs_corpus
@pytest.mark.parametrize(("name", "oddity"), DAMAGED.items())
def test_damage_is_told(name: str, oddity: Oddity, detected: Sandbox, open_bytes: Opener) -> None:
    result, _ = inspected_file(name, detected, open_bytes)
    assert result.damaged
    assert oddity in result.oddities


@needs_corpus
def test_a_call_never_answered_is_empty_not_failed(detected: Sandbox, open_bytes: Opener) -> None:
    result, mp3 = inspected_file("bad/header_only.wav", detected, open_bytes)
    assert (result.duration_ms, result.peaks.length, mp3) == (0, 0, b"")
    assert result.oddities == (Oddity.NO_SOUND,)


@needs_corpus
def test_the_copy_plays_as_long_as_the_recording(sandbox: Sandbox, open_bytes: Opener) -> None:
    original, mp3 = inspected_file("d22.opus", sandbox, open_bytes)
    facts = facts_of(mp3, "copy.mp3")
    copy, _ = inspected(open_bytes(mp3), facts, sandbox)
    assert (facts.channels, facts.sample_rate_hz) == (2, 24_000)
    assert abs(copy.duration_ms - original.duration_ms) < 150


@needs_corpus
def test_sound_lands_in_the_peaks_of_its_channel(detected: Sandbox, open_bytes: Opener) -> None:
    left_only = made(
        "-f", "lavfi", "-i", "sine=r=8000:d=1", "-af", "pan=stereo|c0=8*c0", "-f", "au"
    )
    result, _ = inspected(open_bytes(left_only), facts_of(left_only, "a.au"), detected)
    assert result.channels == 2
    assert result.peaks.values[:, 0].max() > 100
    assert result.peaks.values[:, 1].max() == 0


@needs_corpus
@pytest.mark.parametrize("name", ["d13.amr", "bad/amr_decoder_diverges.amr"])
def test_amr_keeps_its_silence_and_its_level(
    name: str, sandbox: Sandbox, open_bytes: Opener
) -> None:
    data = (CORPUS / name).read_bytes()
    source = open_bytes(data)
    header = header_facts(
        lambda offset, count: os.pread(source, count, offset), len(data), facts_of(data, name)
    )
    result, _ = inspected(source, facts_of(data, name), sandbox)
    assert header is not None
    assert header.exact
    assert header.duration_ms == result.duration_ms
    assert result.duration_ms % 20 == 0
    assert result.decoder.startswith("sox ")
    # ffmpeg's decoder runs to full scale in one of these files; the reference decoder does not.
    assert (result.peaks.values == 127).mean() < 0.05


@needs_corpus
def test_amr_without_its_decoder_is_refused_not_guessed(
    detected: Sandbox, open_bytes: Opener
) -> None:
    data = (CORPUS / "d13.amr").read_bytes()
    without = Sandbox(tools=detected.tools, strength=detected.strength, ffmpeg_version="5")
    with pytest.raises(DecodeFailed, match="sox"):
        inspected(open_bytes(data), facts_of(data, "d13.amr"), without)


def forced(container: Container) -> MediaFacts:
    return MediaFacts(
        media_type="audio/any",
        container=container,
        codec="amr_nb" if container is Container.AMR else "any",
        channels=1,
        sample_rate_hz=8000,
    )


def hostile(canary: Path) -> list[bytes]:
    return [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{canary}\n#EXT-X-ENDLIST\n".encode(),
        f"#EXTM3U\n#EXTINF:5,\n{canary}\n#EXT-X-ENDLIST\n".encode(),
        f"ffconcat version 1.0\nfile '{canary}'\n".encode(),
        f"ffconcat version 1.0\nfile {canary.name}\n".encode(),
        f"concat:{canary}".encode(),
    ]


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    # An MP3: later versions of ffmpeg's HLS reader refuse a segment that is a WAV.
    path = tmp_path / "canary.mp3"
    path.write_bytes(made("-f", "lavfi", "-i", "sine=r=8000:d=3", "-f", "mp3"))
    path.chmod(0o644)
    return path


def test_the_canary_would_be_read_without_protection(canary: Path) -> None:
    listing = canary.with_name("list.wav")
    listing.write_bytes(hostile(canary)[3])
    decoded = made("-i", str(listing), "-f", "s16le")
    assert len(decoded) >= 3 * CANARY_RATE_HZ * 2


@pytest.mark.parametrize(
    "container", [kind for kind in Container if kind not in ("png", "jpeg", "webp", "pdf")]
)
def test_no_list_makes_a_decoder_read_another_file(
    container: Container, sandbox: Sandbox, open_bytes: Opener, canary: Path
) -> None:
    for text in hostile(canary):
        try:
            result, _ = inspected(open_bytes(text), forced(container), sandbox)
        except DecodeFailed:
            continue
        # Raw GSM and AMR take any bytes for frames; three seconds would be the canary's.
        assert result.duration_ms < 500


def followed(demuxer: str, sandbox: Sandbox, open_bytes: Opener, canary: Path) -> int:
    """Let ffmpeg follow each list with all its own protections off; return how much it read."""
    read = bytearray()
    for text in hostile(canary):
        command = [sandbox.tools.ffmpeg, "-v", "error", "-nostdin", "-f", demuxer]
        command += ["-safe", "0"] if demuxer == "concat" else ["-allowed_extensions", "ALL"]
        command += ["-i", SOURCE_PATH, "-f", "s16le", "pipe:1"]
        sandbox.run([command], source=open_bytes(text), to=[read.extend], budget=Budget(wall_s=30))
    return len(read)


@pytest.mark.parametrize("demuxer", ["hls", "concat"])
def test_even_a_decoder_that_follows_lists_finds_no_file(
    demuxer: str, detected: Sandbox, limited: Sandbox, open_bytes: Opener, canary: Path
) -> None:
    # Without namespaces these lists do work: what ffmpeg is allowed must hold there by itself.
    assert followed(demuxer, limited, open_bytes, canary) > 0
    if detected.strength is Strength.NAMESPACES:
        assert followed(demuxer, detected, open_bytes, canary) == 0


def test_bytes_that_are_no_sound_fail_with_a_reason(sandbox: Sandbox, open_bytes: Opener) -> None:
    with pytest.raises(DecodeFailed) as failed:
        inspected(open_bytes(bytes(5000)), forced(Container.OGG), sandbox)
    assert "No sound" in failed.value.reason


def test_a_recording_that_is_too_long_is_stopped(sandbox: Sandbox, open_bytes: Opener) -> None:
    data = made("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "600", "-f", "flac")
    with pytest.raises(DecodeLimit) as stopped:
        inspected(open_bytes(data), facts_of(data, "a.flac"), sandbox, Limits(max_duration_s=300))
    assert stopped.value.which is LimitKind.DURATION


@needs_corpus
def test_a_bomb_of_four_hours_is_stopped_at_its_limit(
    detected: Sandbox, open_bytes: Opener
) -> None:
    data = (CORPUS / "bad/tone_4h_8bit.flac").read_bytes()
    with pytest.raises(DecodeLimit) as stopped:
        inspected(open_bytes(data), facts_of(data, "a.flac"), detected, Limits(max_duration_s=3600))
    assert stopped.value.which is LimitKind.DURATION


def test_an_hour_takes_no_more_memory_than_a_minute(detected: Sandbox, open_bytes: Opener) -> None:
    def grown_kib(seconds: int) -> int:
        data = made(
            *("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", str(seconds), "-f", "flac")
        )
        source, facts = open_bytes(data), facts_of(data, "a.flac")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = inspect_audio(source, facts, detected, playable=lambda _: None)
        assert result.duration_ms == seconds * 1000
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    grown_kib(60)
    assert grown_kib(3600) < 20 * 1024


def test_eight_channels_are_decoded_as_eight(detected: Sandbox, open_bytes: Opener) -> None:
    data = made("-f", "lavfi", "-i", "anullsrc=r=48000:cl=7.1", "-t", "1", "-f", "wav")
    result, mp3 = inspected(open_bytes(data), facts_of(data, "a.wav"), detected)
    assert (result.channels, result.peaks.channels, result.duration_ms) == (8, 8, 1000)
    assert facts_of(mp3, "a.mp3").channels == 2


def headers(data: bytes, media_type: str) -> HeaderFacts | None:
    return read_headers(lambda at, count: data[at : at + count], len(data), media_type)


def test_pcm_lengths_come_from_the_bytes_that_are_there() -> None:
    fmt = struct.pack("<HHIIHH", 1, 2, 8000, 32_000, 4, 16)
    for declared, oddity in (
        (16_000, None),
        (16_044, None),
        (0xFFFF_FFFF, None),
        (0, Oddity.LENGTH_NOT_WRITTEN),
        (1_000_000, Oddity.LENGTH_DIFFERS),
    ):
        size = struct.pack("<I", declared)
        data = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + fmt + b"data" + size + bytes(16_000)
        found = headers(data, "audio/wav")
        assert found is not None
        assert (found.duration_ms, found.exact, found.oddity) == (500, True, oddity)


def test_gsm_and_amr_lengths_are_counted_in_frames() -> None:
    gsm, amr = headers(b"\xd0" + bytes(32), "audio/gsm"), headers(b"#!AMR\n" + b"\x7c" * 50, "")
    assert gsm is not None
    assert amr is not None
    assert (gsm.duration_ms, amr.duration_ms) == (20, 1000)


def test_an_mp3_tells_its_length_only_when_decoded() -> None:
    assert headers((b"\xff\xe3\x18\xc4" + bytes(68)) * 9, "audio/mpeg") is None
