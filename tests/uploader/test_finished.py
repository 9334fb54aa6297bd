"""When a recording is finished: what real phones leave behind, while they talk and when killed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from app.uploader.finished import (
    Header,
    Held,
    Look,
    Patience,
    held,
    is_named_unfinished,
    judge,
    look,
    opened,
)
from tests.factories import wav

PATIENCE = Patience(lost_seconds=20, quiet_seconds=600)


def header(path: Path, body: bytes) -> Header:
    path.write_bytes(body)
    return look(path).header


def patched(body: bytes, at: int, value: int) -> bytes:
    return body[:at] + value.to_bytes(4, "little") + body[at + 4 :]


def test_a_whole_wav_tells_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(2.5))
    assert look(path) == Look(header=Header.WHOLE, duration_ms=2500)


@pytest.mark.parametrize(
    "body",
    [
        patched(patched(wav(1), 4, 8), 40, 0),  # baresip while it records, or killed.
        bytes(44) + wav(1)[44:],  # linphonec while it records.
        patched(patched(wav(1), 4, 0xFFFFFFFF), 40, 0xFFFFFFFF),  # What was written to a pipe.
        wav(1)[:-2000],  # Being copied here.
        wav(1) + wav(1)[44:],  # linphonec: the next call is being appended.
        wav(1)[:30],
        b"",
        bytes(10),
    ],
    ids=["open", "zeros", "pipe", "copying", "appended", "cut", "empty", "nought"],
)
def test_a_wav_that_is_not_closed_is_open(tmp_path: Path, body: bytes) -> None:
    assert header(tmp_path / "a.wav", body) is Header.OPEN


def test_odd_but_whole_wavs_are_whole(tmp_path: Path) -> None:
    body = wav(1)
    janus = patched(body, 40, len(body))  # Counts its header in.
    listed = patched(body, 4, len(body) + 4) + b"LIST\x04\0\0\0INFO"
    assert header(tmp_path / "a.wav", janus) is Header.WHOLE
    assert header(tmp_path / "a.wav", listed) is Header.WHOLE
    wide = io.BytesIO()
    with wave.open(wide, "wb") as made:
        made.setnchannels(2)
        made.setsampwidth(2)
        made.setframerate(48_000)
        made.writeframes(bytes(4 * 48_000))
    assert header(tmp_path / "a.wav", wide.getvalue()) is Header.WHOLE


def test_other_formats_say_what_they_can(tmp_path: Path) -> None:
    page = b"OggS\0\x04" + bytes(21)
    assert header(tmp_path / "a.ogg", page) is Header.WHOLE
    assert header(tmp_path / "a.ogg", b"OggS\0\0" + bytes(21)) is Header.SILENT
    ftyp = (16).to_bytes(4, "big") + b"ftypM4A " + bytes(4)
    moov = (12).to_bytes(4, "big") + b"moov" + bytes(4)
    assert header(tmp_path / "a.m4a", ftyp + moov) is Header.WHOLE
    assert header(tmp_path / "a.m4a", ftyp + (900).to_bytes(4, "big") + b"mdat") is Header.OPEN
    assert header(tmp_path / "a.mp3", b"ID3\x04" + bytes(40)) is Header.SILENT


@pytest.mark.parametrize(
    ("seen", "held_by", "quiet", "is_finished", "says"),
    [
        (Header.WHOLE, Held.NO, 0, True, None),
        (Header.WHOLE, Held.UNKNOWN, 0, True, None),
        (Header.WHOLE, Held.YES, 9999, False, None),  # Some programs write it anew as they go.
        (Header.OPEN, Held.YES, 9999, False, None),  # A call on hold: nothing is written.
        (Header.OPEN, Held.NO, 19, False, None),
        (Header.OPEN, Held.NO, 20, True, "header lost"),
        (Header.OPEN, Held.UNKNOWN, 599, False, None),
        (Header.OPEN, Held.UNKNOWN, 600, True, "header lost"),
        (Header.SILENT, Held.NO, 0, True, None),
        (Header.SILENT, Held.YES, 9999, False, None),
        (Header.SILENT, Held.UNKNOWN, 599, False, None),
        (Header.SILENT, Held.UNKNOWN, 600, True, "end not told"),
    ],
)
def test_a_size_that_stands_still_decides_nothing_by_itself(
    seen: Header, held_by: Held, quiet: float, *, is_finished: bool, says: str | None
) -> None:
    found = judge(Look(header=seen), held_by, quiet_seconds=quiet, patience=PATIENCE)
    assert found.is_finished is is_finished
    if is_finished:
        assert (found.note or "").startswith(says or "")
        assert bool(found.note) is bool(says)


def test_who_holds_a_file_open_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(1))
    assert held(path.stat(), opened()) is Held.NO
    waits = "import sys; f = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(  # noqa: S603 - this very Python.
        [sys.executable, "-c", waits, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        assert held(path.stat(), opened()) is Held.YES
        process.communicate()
    with path.open("rb"):  # A player hinders nobody; nor does this process itself.
        assert held(path.stat(), opened()) is Held.NO
    reads = waits.replace("'ab'", "'rb'")
    with subprocess.Popen(  # noqa: S603 - as above.
        [sys.executable, "-c", reads, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        assert held(path.stat(), opened()) is Held.NO
        process.communicate()
    assert held(path.stat(), None) is Held.UNKNOWN
    assert os.getuid() == path.stat().st_uid


def test_names_say_that_a_rename_is_to_come() -> None:
    assert all(map(is_named_unfinished, map(Path, ("a.wav.tmp", ".a.wav", "a.part", "a.TMP"))))
    assert not is_named_unfinished(Path("a.tmp.wav"))
