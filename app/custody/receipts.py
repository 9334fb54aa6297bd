"""Receipts: what a sender keeps to prove that the archive has taken its file.

A receipt is a signed note. Its text is made of what was kept and of nothing else, and Ed25519
signs the same text always the same way, so a repeat gets the receipt of the first time. The entry
that it names can be asked for later: `GET /v1/ledger/proof/inclusion`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from app.custody.notes import NoteInvalid, PublicKey, open_note, sign_note
from app.custody.signing import KeyRing, Purpose

_FIRST = "audiatur-receipt/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What was taken: the object, its bytes, when, and the entry that tells of it.

    `leg` is None for a screenshot. `commitment` is the entry's to the SHA-256 of the bytes.
    """

    object_kind: str
    object_id: UUID
    leg: str | None
    sha256: bytes
    size_bytes: int
    received_at: datetime
    entry_id: UUID
    commitment: bytes


class Receipts:
    """Signs receipts with the key for them."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def sign(self, accepted: Accepted) -> str:
        """Return the receipt of what was accepted.

        Raises:
            SigningKeyInvalid: there is no key to sign with.
        """
        return sign_note(_text(accepted), self._ring.signers(Purpose.RECEIPT)[:1])


def check(note: str, trusted: Iterable[PublicKey]) -> Accepted:
    """Return what a receipt says, if a trusted key has signed it.

    Raises:
        NoteInvalid: it is not signed so, or is no receipt.
    """
    opened = open_note(note, (key for key in trusted if key.name.endswith("/receipt")))
    first, *lines = opened.text.splitlines()
    facts = {word: value for word, _, value in (line.partition(" ") for line in lines)}
    try:
        kind, object_id = facts["object"].split(" ")
        accepted = Accepted(
            object_kind=kind,
            object_id=UUID(object_id),
            leg=facts.get("leg"),
            sha256=bytes.fromhex(facts["sha256"]),
            size_bytes=int(facts["size_bytes"]),
            received_at=datetime.fromisoformat(facts["received_at"]),
            entry_id=UUID(facts["entry"]),
            commitment=base64.b64decode(facts["content"], validate=True),
        )
    except (KeyError, ValueError, binascii.Error) as exc:
        raise NoteInvalid("The note is signed and is no receipt.") from exc
    # What is not written as this program writes it was signed by something else.
    is_odd = " " in (accepted.leg or "")
    if first != _FIRST or is_odd or _text(accepted) != opened.text:
        raise NoteInvalid("The note is signed and is no receipt.")
    return accepted


def _text(accepted: Accepted) -> str:
    at = accepted.received_at.astimezone(UTC).isoformat(timespec="microseconds")
    leg = f"leg {accepted.leg}\n" if accepted.leg is not None else ""
    return (
        f"{_FIRST}\n"
        f"object {accepted.object_kind} {accepted.object_id}\n"
        f"{leg}"
        f"sha256 {accepted.sha256.hex()}\n"
        f"size_bytes {accepted.size_bytes}\n"
        f"received_at {at.removesuffix('+00:00')}Z\n"
        f"entry {accepted.entry_id}\n"
        f"content {base64.b64encode(accepted.commitment).decode()}\n"
    )
