"""What rtpengine recorded becomes sound: a real call of two softphones, and captures that are none.

The capture beside this file is of rtpengine 10.5 and kamailio, of a call of two seconds by two
baresip telephones.
"""

from __future__ import annotations

import io
import shutil
import struct
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imports import rtpengine
from app.imports.facts import Assumed
from app.imports.rtpengine import RATE_HZ, CaptureInvalid, Told
from tests.imports.archive import Old

FOLDER = Path(__file__).parent / "rtpengine"
(CAPTURE,) = (FOLDER / "pcaps").iterdir()


def made(raw: bytes, told: Told = Told()) -> tuple[rtpengine.Sound, Any]:  # noqa: B008 - nothing is told.
    out = io.BytesIO()
    sound = rtpengine.to_wav(io.BytesIO(raw), told, out)
    with wave.open(io.BytesIO(out.getvalue())) as read:
        samples = np.frombuffer(read.readframes(read.getnframes()), dtype="<i2")
        return sound, samples.reshape(-1, read.getnchannels())


def packet(
    at: float, port: int, stamp: int, payload: bytes, *, kind: int = 8, ssrc: int | None = None
) -> bytes:
    rtp = struct.pack(">BBHII", 0x80, kind, 1, stamp % 2**32, ssrc or port) + payload
    udp = struct.pack(">HHHH", port, 9, 8 + len(rtp), 0) + rtp
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\1" * 4, b"\2" * 4)
    raw = b"\0" * 14 + ip + udp
    seconds, part = divmod(round(at * 1e6), 1_000_000)
    return struct.pack("<IIII", seconds, part, len(raw), len(raw)) + raw


def capture(*packets: bytes, link: int = 1) -> bytes:
    return (
        b"\xd4\xc3\xb2\xa1" + struct.pack("<HHIIII", 2, 4, 0, 0, 1 << 16, link) + b"".join(packets)
    )


LOUD, QUIET = b"\xaa" * 160, b"\xd5" * 160  # A-law: 32,256 at most, and 8.


def test_a_real_call_has_its_caller_at_the_left() -> None:
    told = rtpengine.read_text(rtpengine.text_beside(CAPTURE))
    sound, samples = made(CAPTURE.read_bytes(), told)
    assert (sound.ends, samples.shape[1]) == (2, 2)
    assert 1.8 < sound.frames / RATE_HZ < 2.5
    assert all(np.abs(samples[:, channel]).max() > 500 for channel in (0, 1))
    swapped = replace(told, caller_ssrcs=frozenset())
    _, by_time = made(CAPTURE.read_bytes(), swapped)
    other = replace(told, caller_ssrcs=frozenset(_ssrcs(CAPTURE.read_bytes()) - told.caller_ssrcs))
    _, turned = made(CAPTURE.read_bytes(), other)
    assert (turned == samples[:, ::-1]).all()
    assert (by_time == samples).all() or (by_time == turned).all()
    assert rtpengine.facts(CAPTURE.name, told) == {
        "source_call_id": CAPTURE.stem.rpartition("-")[0],
        "started_at": "2026-11-30T07:53:54.711000+00:00",
        "from": "alice",
        "to": "bob",
        "direction": "internal",
        "capture": "pbx",
    }


def _ssrcs(raw: bytes) -> set[int]:
    found = rtpengine._packets(io.BytesIO(raw), Told(event_types=frozenset({101})))
    return {one.ssrc for one in found}


def test_packets_stand_where_their_stamps_say_in_any_order_and_silence_where_none_came() -> None:
    packets = [
        packet(10.0, 1, 2**32 - 160, LOUD),
        packet(10.1, 2, 5, LOUD),
        packet(10.06, 1, 320, LOUD),
        packet(10.02, 1, 0, QUIET),
    ]
    _, samples = made(capture(*packets))
    left, right = samples[:, 0], samples[:, 1]
    assert (left[:160] > 30_000).all()
    assert (left[160:320] == 8).all()
    assert (left[320:480] == 0).all()
    assert (left[480:640] > 30_000).all()
    assert (right[:800] == 0).all()
    assert (right[800:] > 30_000).all()
    assert len(samples) == 960


def test_a_stream_that_begins_anew_goes_on_where_the_clock_is() -> None:
    packets = [packet(1, 1, 0, LOUD), packet(3, 1, 90_000, LOUD, ssrc=77)]
    sound, samples = made(capture(*packets))
    assert (sound.ends, sound.frames) == (1, 16_160)
    assert (samples[160:16_000] == 0).all()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"RIFF", "no capture"),
        (capture(link=228), "of a kind"),
        (capture(), "no sound"),
        (capture(packet(1, 1, 0, b"\0" * 60, kind=111)), "no G.711"),
        (capture(*(packet(1, port, 0, LOUD) for port in (1, 2, 3))), "more than two ends"),
        (capture(packet(1, 1, 0, LOUD), packet(90_000, 1, 1, LOUD, ssrc=2)), "longer than"),
        (capture(struct.pack("<IIII", 1, 1, 1 << 20, 0)), "longer than any"),
    ],
)
def test_what_cannot_be_made_sound_of_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(CaptureInvalid, match=says):
        made(raw)


def test_keys_that_were_pressed_are_no_sound() -> None:
    key = packet(1.02, 1, 160, b"\x01\x0a\x00\xa0", kind=101)
    assert made(capture(packet(1, 1, 0, LOUD), key))[0].frames == 160


def test_a_capture_that_was_cut_is_read_as_far_as_it_goes() -> None:
    whole = capture(packet(1, 1, 0, LOUD), packet(1.02, 1, 160, LOUD))
    assert made(whole[:-20])[0].frames == 160


@given(st.binary(max_size=400))
def test_no_capture_breaks_the_reader(raw: bytes) -> None:
    head = capture()
    for body in (raw, head + raw, head + struct.pack("<IIII", 1, 1, len(raw), len(raw)) + raw):
        try:
            made(body)
        except CaptureInvalid:
            continue


def test_a_folder_of_rtpengine_is_taken_in(old: Old) -> None:
    shutil.copytree(FOLDER, old.folder, dirs_exist_ok=True)
    running = old.put("pcaps/aa-0123456789abcdef.pcap", CAPTURE.read_bytes())
    lonely = old.put(
        "elsewhere/bb-0123456789abcdef.pcap", capture(packet(1_772_701_200, 1, 0, LOUD))
    )
    broken = old.put("elsewhere/cc-0123456789abcdef.pcap", capture())
    reading = replace(old.reading, assumed=Assumed(direction="inbound"))
    result = old.take(reading=reading)
    assert old.became(result.run_id) == {
        f"pcaps/{CAPTURE.name}": ("taken", None),
        f"pcaps/{running.name}": ("refused", "capture_open"),
        f"elsewhere/{lonely.name}": ("taken", None),
        f"elsewhere/{broken.name}": ("refused", "capture_invalid"),
    }
    first, second = old.recordings()
    assert (first.source_call_id, first.direction) == ("bb", "inbound")
    assert (second.from_party, second.to_party, second.capture) == ("alice", "bob", "pbx")
    again = old.take(reading=reading)
    assert again.counts.skipped == 2
