"""The statement of a day: canonical JSON, and the signed note over its digest.

The note has figures and digests alone, so that a bundle may hold it whoever the recipient is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import rfc8785

from app.custody.notes import NoteInvalid, PublicKey, open_note, sign_note
from app.custody.signing import KeyRing, Purpose

_FIRST = "audiatur-reconciliation/v1"
_COUNTS = ("calls", "answered", "recordings", "matched", "gaps", "alarms")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summed:
    """What a note says of a day."""

    log: str
    day: date
    since: datetime
    until: datetime
    version: int
    supersedes: bytes | None
    counts: Mapping[str, int]
    missing_sha256: bytes
    statement_sha256: bytes
    entry_id: UUID


def canonical(value: object) -> bytes:
    """Return canonical JSON.

    Source: RFC 8785.
    """
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # the library's JSON type is private


def digest_of(missing: Sequence[Json]) -> str:
    """Return the SHA-256 of a list of what is missing, in the order of its canonical parts."""
    return hashlib.sha256(canonical(sorted(missing, key=canonical))).hexdigest()


def sign(ring: KeyRing, summed: Summed) -> str:
    """Return the note, signed by every key of the log that signs now.

    Raises:
        SigningKeyInvalid: there is no key to sign with.
    """
    return sign_note(_text(summed), ring.signers(Purpose.LOG))


def check(note: str, trusted: Iterable[PublicKey]) -> Summed:
    """Return what a note says, if a trusted key has signed it.

    Raises:
        NoteInvalid: it is not signed so, or is no statement of a day.
    """
    text = open_note(note, trusted).text
    first, *lines = text.splitlines()
    facts = {word: value for word, _, value in (line.partition(" ") for line in lines)}
    try:
        before = facts["supersedes"]
        summed = Summed(
            log=facts["log"],
            day=date.fromisoformat(facts["day"]),
            since=datetime.fromisoformat(facts["since"]),
            until=datetime.fromisoformat(facts["until"]),
            version=int(facts["version"]),
            supersedes=None if before == "-" else bytes.fromhex(before),
            counts={name: int(facts[name]) for name in _COUNTS},
            missing_sha256=bytes.fromhex(facts["missing_sha256"]),
            statement_sha256=bytes.fromhex(facts["statement_sha256"]),
            entry_id=UUID(facts["entry"]),
        )
    except (KeyError, ValueError) as exc:
        raise NoteInvalid("The note is signed and is no statement of a day.") from exc
    # What is not written as this program writes it was signed by something else.
    if first != _FIRST or _text(summed) != text:
        raise NoteInvalid("The note is signed and is no statement of a day.")
    return summed


def moment(at: datetime) -> str:
    """Return a moment in UTC to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _text(summed: Summed) -> str:
    before = summed.supersedes.hex() if summed.supersedes else "-"
    counts = "".join(f"{name} {summed.counts[name]}\n" for name in _COUNTS)
    return (
        f"{_FIRST}\n"
        f"log {summed.log}\n"
        f"day {summed.day.isoformat()}\n"
        f"since {moment(summed.since)}\n"
        f"until {moment(summed.until)}\n"
        f"version {summed.version}\n"
        f"supersedes {before}\n"
        f"{counts}"
        f"missing_sha256 {summed.missing_sha256.hex()}\n"
        f"statement_sha256 {summed.statement_sha256.hex()}\n"
        f"entry {summed.entry_id}\n"
    )
