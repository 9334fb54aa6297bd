"""What the senders send: small files made from a seed and a number, the same at each attempt."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_SMALLEST_BYTES, _LARGEST_BYTES = 1024, 40 * 1024
_BOUNDARY = "crash-trial-7d1f0c5e"


class Kind(StrEnum):
    RECORDING = "recording"
    SCREENSHOT = "screenshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """By what the archive knows an upload again: call and leg, or the moment of a screenshot."""

    kind: Kind
    name: str
    leg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file: its metadata, its bytes, how it is called, and by which way it is sent."""

    key: Key
    metadata: str
    file_name: str
    media_type: str
    content: bytes
    by_tus: bool = False

    @property
    def path(self) -> str:
        return f"/v1/{self.key.kind}s"

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.content).digest()

    def body(self) -> bytes:
        """Return the multipart body: metadata first, then the file."""
        head = (
            f"--{_BOUNDARY}\r\n"
            'Content-Disposition: form-data; name="metadata"\r\n'
            f"Content-Type: application/json\r\n\r\n{self.metadata}\r\n"
            f"--{_BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{self.file_name}"\r\n'
            f"Content-Type: {self.media_type}\r\n\r\n"
        )
        return head.encode() + self.content + f"\r\n--{_BOUNDARY}--\r\n".encode()


CONTENT_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"


def upload(seed: int, number: int) -> Upload:
    """Return upload `number`.

    Of ten, two are the legs of one call and two are sent by tus; of 25, one is a screenshot.
    """
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - the same again from the same seed.
    if number % 25 == 19:  # noqa: PLR2004 - see the docstring.
        return _screenshot(number, chance)
    last = number % 10
    call, leg = number, "mixed"
    if last in {3, 4}:
        call, leg = number - last + 3, "sent" if last == 3 else "received"  # noqa: PLR2004 - the first of the pair.
    told: dict[str, object] = {
        "source_call_id": f"call-{call}",
        "leg": leg,
        "started_at": (_BEGINNING + timedelta(seconds=call)).isoformat(),
        "direction": "inbound",
        "from": f"+7900{call % 10_000_000:07d}",
        "agent": f"agent-{call % 7}",
    }
    if call % 3 == 0:
        # Several calls at once name an event that nobody has told of yet.
        told["event"] = {"external_id": f"event-{call // 12}"}
    return Upload(
        key=Key(kind=Kind.RECORDING, name=f"call-{call}", leg=leg),
        metadata=json.dumps(told),
        file_name=f"call-{call}-{leg}.wav",
        media_type="audio/wav",
        content=_wav(chance),
        by_tus=last in {1, 6},
    )


def with_other_bytes(sent: Upload) -> Upload:
    """Return the same call and leg with another last byte, which the archive must not take."""
    content = sent.content[:-1] + bytes([sent.content[-1] ^ 1])
    return Upload(
        key=sent.key,
        metadata=sent.metadata,
        file_name=sent.file_name,
        media_type=sent.media_type,
        content=content,
        by_tus=sent.by_tus,
    )


def _screenshot(number: int, chance: random.Random) -> Upload:
    captured_at = _BEGINNING + timedelta(seconds=number)
    return Upload(
        key=Key(kind=Kind.SCREENSHOT, name=captured_at.isoformat(), leg=""),
        metadata=json.dumps({"captured_at": captured_at.isoformat(), "agent": "agent-1"}),
        file_name=f"screen-{number}.png",
        media_type="image/png",
        content=_png(chance),
    )


def _wav(chance: random.Random) -> bytes:
    """Return noise as 16-bit samples, 8 kHz, one channel."""
    sound = chance.randbytes(chance.randint(_SMALLEST_BYTES, _LARGEST_BYTES) // 2 * 2)
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _png(chance: random.Random) -> bytes:
    """Return noise as grey pixels, 64 in a row."""
    rows = chance.randint(16, 512)
    pixels = b"".join(b"\0" + chance.randbytes(64) for _ in range(rows))
    header = struct.pack(">IIBBBBB", 64, rows, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, data) for name, data in parts)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
