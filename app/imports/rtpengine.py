"""What rtpengine records: the packets of a call as they passed, and a text that tells of it.

A capture becomes a stereo WAV: the caller at the left, who is called at the right, silence where
nothing came. It can be made again from the capture, bit for bit, which stays where it lies. Only
G.711 is read: of another coding the packets are no sound without its decoder.
"""

from __future__ import annotations

import math
import re
import struct
import wave
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

import numpy as np

from app.feeds.file_names import direction_between

RATE_HZ: Final = 8000
LONGEST_SECONDS: Final = 12 * 3600
_PIECE_FRAMES: Final = 1 << 16
_MOST_PACKET: Final = 1 << 16
_MOST_TEXT: Final = 1 << 18
_ETHERNET, _RAW_IP = 1, 101
_IP4, _IP6, _UDP = 4, 6, 17
_ULAW, _ALAW, _COMFORT_NOISE = 0, 8, 13
_FIRST_DYNAMIC: Final = 96
_SSRC = re.compile(r"^a=ssrc:(\d{1,10})\b", re.MULTILINE)
_TELEPHONE_EVENT = re.compile(r"^a=rtpmap:(\d{1,3}) telephone-event/", re.MULTILINE | re.IGNORECASE)
_NAME = re.compile(r"(?P<call>.+)-[0-9a-f]{16}\.pcap")


class CaptureInvalid(ValueError):
    """The capture cannot be made sound of; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the text beside a capture tells."""

    started_at: datetime | None = None
    caller: str | None = None
    called: str | None = None
    caller_ssrcs: frozenset[int] = frozenset()
    event_types: frozenset[int] = frozenset()


@dataclass(slots=True)
class _End:
    """One end of the call: the file of its samples, and where its streams are on the line."""

    samples: IO[bytes]
    frames: int = 0
    starts: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packet:
    """A packet of sound: when and from whom it came."""

    at: float
    source: bytes
    ssrc: int
    stamp: int
    kind: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The sound that was made: when it begins, and how many ends are in it."""

    started_at: datetime
    ends: int
    frames: int


def _table(decode: Any) -> np.ndarray[Any, np.dtype[np.int16]]:  # noqa: ANN401 - a function of a byte.
    return np.array([decode(byte) for byte in range(256)], dtype="<i2")


def _alaw(byte: int) -> int:
    """Source: ITU-T G.711, table 1a."""
    flipped = byte ^ 0x55
    segment, step = (flipped >> 4) & 7, (flipped & 15) << 4
    level = step + 8 if segment == 0 else (step + 0x108) << (segment - 1)
    return level if flipped & 0x80 else -level


def _ulaw(byte: int) -> int:
    """Source: ITU-T G.711, table 2a."""
    flipped = ~byte & 0xFF
    level = ((((flipped & 15) << 3) + 0x84) << ((flipped >> 4) & 7)) - 0x84
    return -level if flipped & 0x80 else level


_TABLES: Final = {_ALAW: _table(_alaw), _ULAW: _table(_ulaw)}


def call_id_of(name: str) -> str | None:
    """Return the Call-ID that rtpengine names a capture by."""
    match = _NAME.fullmatch(name)
    return match["call"] if match else None


def text_beside(capture: Path) -> Path:
    """Return where rtpengine writes the text of a capture once the call is over."""
    name = f"rtpengine-meta-{capture.stem}.txt"
    return capture.parent.parent / "metadata" / name


def is_open(capture: Path) -> bool:
    """Tell whether the call may still be on: where texts are written, this one is not there."""
    beside = text_beside(capture)
    return capture.parent.name == "pcaps" and beside.parent.is_dir() and not beside.exists()


def is_text_of_capture(path: Path) -> bool:
    """Tell whether a file is the text beside a capture."""
    stem = path.name.removeprefix("rtpengine-meta-").removesuffix(".txt")
    if path.name != f"rtpengine-meta-{stem}.txt":
        return False
    return (path.parent.parent / "pcaps" / f"{stem}.pcap").exists()


def read_text(path: Path) -> Told:
    """Read what the text tells; where there is none, nothing is told."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST_TEXT)
    except OSError:
        return Told()
    offer = text.partition("SDP mode: offer")[2].partition("SDP mode: answer")[0]
    began = re.search(r"^Timestamp started ms: (\d{10,13})(?:\.(\d+))?", text, re.MULTILINE)
    # The last line is what the proxy was told to note; ours notes `from:101|to:89161234567`.
    noted = dict(re.findall(r"(?:^|\|)(from|to):([^|\r\n]+)", text, re.MULTILINE))
    return Told(
        started_at=datetime.fromtimestamp(int(began[1]) / 1000, UTC) if began else None,
        caller=noted.get("from"),
        called=noted.get("to"),
        caller_ssrcs=frozenset(map(int, _SSRC.findall(offer))),
        event_types=frozenset(map(int, _TELEPHONE_EVENT.findall(text))),
    )


def facts(name: str, told: Told, started_at: datetime | None = None) -> dict[str, Any]:
    """Return what name and text tell, as the metadata of a recording."""
    at = started_at or told.started_at
    found = {
        "source_call_id": call_id_of(name),
        "started_at": at.isoformat() if at else None,
        "from": told.caller,
        "to": told.called,
        "direction": direction_between(told.caller, told.called),
        "capture": "pbx",
    }
    return {key: value for key, value in found.items() if value is not None}


def to_wav(capture: IO[bytes], told: Told, out: IO[bytes]) -> Sound:
    """Write the sound of a capture; the length of a call costs files and no memory.

    Raises:
        CaptureInvalid: it is no capture, has no G.711, something beside it, or more than two ends.
    """
    with ExitStack() as files:
        ends: dict[bytes, _End] = {}
        began = 0.0
        for packet in _packets(capture, told):
            if not ends:
                began = packet.at
            end = ends.get(packet.source)
            if end is None:
                if len(ends) == 2:  # noqa: PLR2004 - a call has two.
                    raise CaptureInvalid("sound of more than two ends")
                end = ends[packet.source] = _End(files.enter_context(TemporaryFile()))
            _write(end, packet, began)
        if not ends:
            raise CaptureInvalid("no sound in G.711")
        ordered = list(ends.values())
        if len(ordered) > 1 and told.caller_ssrcs & set(ordered[1].starts):
            ordered.reverse()
        frames = max(end.frames for end in ordered)
        _interleave(ordered, frames, out)
    return Sound(started_at=datetime.fromtimestamp(began, UTC), ends=len(ordered), frames=frames)


def _write(end: _End, packet: _Packet, began: float) -> None:
    """Put a packet's samples where its stamp says, whatever the order in which packets came."""
    first, place = end.starts.setdefault(
        packet.ssrc, (packet.stamp, round((packet.at - began) * RATE_HZ))
    )
    # The stamp may wrap around, and a late packet may lie before the first.
    behind = (packet.stamp - first + 2**31) % 2**32 - 2**31
    at = place + behind
    if at < 0:
        return
    if at > LONGEST_SECONDS * RATE_HZ:
        raise CaptureInvalid(f"longer than {LONGEST_SECONDS // 3600} hours")
    samples = _TABLES[packet.kind][np.frombuffer(packet.payload, dtype=np.uint8)]
    end.samples.seek(at * 2)
    end.samples.write(samples.tobytes())
    end.frames = max(end.frames, at + len(samples))


def _interleave(ends: list[_End], frames: int, out: IO[bytes]) -> None:
    with wave.open(out, "wb") as sound:
        sound.setnchannels(len(ends))
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.setnframes(frames)
        for end in ends:
            end.samples.seek(0)
        for piece in range(math.ceil(frames / _PIECE_FRAMES)):
            count = min(_PIECE_FRAMES, frames - piece * _PIECE_FRAMES)
            block = np.zeros((count, len(ends)), dtype="<i2")
            for channel, end in enumerate(ends):
                got = np.frombuffer(end.samples.read(count * 2), dtype="<i2")
                block[: len(got), channel] = got
            sound.writeframes(block.tobytes())


def _packets(capture: IO[bytes], told: Told) -> Iterator[_Packet]:
    head = capture.read(24)
    orders = {b"\xd4\xc3\xb2\xa1": ("<", 1e6), b"\xa1\xb2\xc3\xd4": (">", 1e6)}
    orders |= {b"\x4d\x3c\xb2\xa1": ("<", 1e9), b"\xa1\xb2\x3c\x4d": (">", 1e9)}
    if len(head) < 24 or head[:4] not in orders:  # noqa: PLR2004 - the length of the head.
        raise CaptureInvalid("no capture of packets (pcap)")
    order, parts = orders[head[:4]]
    link = struct.unpack(f"{order}I", head[20:24])[0] & 0x0FFFFFFF
    if link not in {_ETHERNET, _RAW_IP}:
        raise CaptureInvalid(f"packets of a kind that is not read here ({link})")
    while len(record := capture.read(16)) == 16:  # noqa: PLR2004 - the length of a record's head.
        seconds, part, length, _ = struct.unpack(f"{order}IIII", record)
        if length > _MOST_PACKET:
            raise CaptureInvalid("a packet is longer than any")
        raw = capture.read(length)
        if len(raw) < length:
            return  # The recorder was stopped in the middle of it; what came before is whole.
        found = _rtp(raw[14:] if link == _ETHERNET else raw, seconds + part / parts, told)
        if found is not None:
            yield found


def _rtp(raw: bytes, at: float, told: Told) -> _Packet | None:
    """Take a packet apart; None where it is no sound. Source: RFC 3550, 5.1; RFC 4733."""
    taken = _datagram(raw)
    if taken is None:
        return None
    source, body = taken
    if len(body) < 12 or body[0] >> 6 != 2 or 192 <= body[1] <= 223:  # noqa: PLR2004 - RTP's head, version, and where RTCP lies (RFC 5761).
        return None
    kind = body[1] & 0x7F
    start = 12 + 4 * (body[0] & 0x0F)
    if body[0] & 0x10 and len(body) >= start + 4:
        start += 4 + 4 * struct.unpack(">H", body[start + 2 : start + 4])[0]
    end = len(body) - (body[-1] if body[0] & 0x20 else 0)
    payload = body[start:end]
    if kind == _COMFORT_NOISE or kind in told.event_types:
        return None
    if kind not in _TABLES:
        if kind >= _FIRST_DYNAMIC and len(payload) == 4:  # noqa: PLR2004 - a telephone event.
            return None
        raise CaptureInvalid(f"sound that is no G.711 (payload type {kind})")
    if not payload:
        return None
    stamp, ssrc = struct.unpack(">II", body[4:12])
    return _Packet(at=at, source=source, ssrc=ssrc, stamp=stamp, kind=kind, payload=payload)


def _datagram(raw: bytes) -> tuple[bytes, bytes] | None:
    """Return sender and body of a UDP packet; None where it is none, or a part of one."""
    if len(raw) < 28:  # noqa: PLR2004 - both heads.
        return None
    version = raw[0] >> 4
    if version == _IP4 and raw[9] == _UDP and not struct.unpack(">H", raw[6:8])[0] & 0x3FFF:
        start, address = (raw[0] & 0x0F) * 4, raw[12:16]
    elif version == _IP6 and raw[6] == _UDP and len(raw) >= 48:  # noqa: PLR2004 - both heads.
        start, address = 40, raw[8:24]
    else:
        return None
    head = raw[start : start + 8]
    if len(head) < 8:  # noqa: PLR2004 - UDP's head.
        return None
    length = struct.unpack(">H", head[4:6])[0]
    return address + head[:2], raw[start + 8 : start + max(8, length)]
