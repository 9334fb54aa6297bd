"""Receipts: whether the archive has signed for these bytes. Its form is that of docs/custody.md."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from app.uploader import ed25519

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # As one file, or on a machine with nothing but Python.
    HAS_LIBRARY = False
else:
    HAS_LIBRARY = True

_FIRST: Final = "audiatur-receipt/v1"
_ALGORITHM: Final = b"\x01"
_RAW_BYTES: Final = 33
_ID_BYTES: Final = 4


class ReceiptWrong(Exception):
    """The receipt is none that can be trusted, or is of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The archive's key for receipts, pinned: `NAME+ID+BASE64`."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        named = self.name.encode() + b"\n" + _ALGORITHM + self.raw
        return hashlib.sha256(named).digest()[:_ID_BYTES]

    @classmethod
    def read(cls, line: str) -> Key:
        """Return the key that `audiatur ledger keys` has printed.

        Raises:
            ReceiptWrong: it is no such line, or not a key for receipts.
        """
        name, _, rest = line.strip().partition("+")
        told_id, _, encoded = rest.partition("+")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != _RAW_BYTES or raw[:1] != _ALGORITHM or not name.endswith("/receipt"):
            raise ReceiptWrong("a key for receipts is one line, NAME/receipt+ID+BASE64")
        key = cls(name=name, raw=raw[1:])
        if key.id.hex() != told_id.lower():
            raise ReceiptWrong("the key does not fit its id: part of the line is missing")
        return key

    def has_signed(self, text: bytes, signature: bytes) -> bool:
        """Tell whether the signature is of this key over the text."""
        if not HAS_LIBRARY:
            return ed25519.is_signed(self.raw, text, signature)
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the sender knows of what it sent."""

    kind: str
    id: str
    leg: str | None
    sha256: str
    size_bytes: int


def check(note: str, keys: Iterable[Key], kept: Kept) -> None:
    """Check that a pinned key has signed for exactly these bytes.

    Raises:
        ReceiptWrong: it has not; the message says why.
    """
    text, gap, signatures = note.rpartition("\n\n")
    if not gap:
        raise ReceiptWrong("the receipt is no signed note")
    text += "\n"
    if not any(_has_signed(key, text, signatures) for key in keys):
        raise ReceiptWrong("no pinned key has signed the receipt")
    first, *lines = text.splitlines()
    told = dict(line.partition(" ")[::2] for line in lines)
    wanted = {
        "object": f"{kept.kind} {kept.id}",
        "sha256": kept.sha256,
        "size_bytes": str(kept.size_bytes),
    }
    if kept.leg is not None:
        wanted["leg"] = kept.leg
    if first != _FIRST or len(told) != len(lines):
        raise ReceiptWrong("the archive has signed something that is no receipt")
    for name, value in wanted.items():
        if told.get(name) != value:
            raise ReceiptWrong(f"the receipt is of another {name}: {told.get(name)}, not {value}")


def _has_signed(key: Key, text: str, signatures: str) -> bool:
    for line in signatures.splitlines():
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "—" or name != key.name:
            continue
        try:
            signed = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        if signed[:_ID_BYTES] == key.id and key.has_signed(text.encode(), signed[_ID_BYTES:]):
            return True
    return False
