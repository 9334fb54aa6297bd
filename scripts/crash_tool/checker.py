"""What must hold when the smoke has cleared: nothing lost, nothing altered, nothing half.

*Lost*: acknowledged, and its row or object is not there. *Altered*: there, with other bytes, size
or identity than were acknowledged. *Half*: a part of what one transaction keeps without the rest,
an object without its row or a row without its object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from cryptography.exceptions import InvalidTag

from app.custody.ledger import DetailCipher
from app.custody.rules import commitment
from crash_tool import halves
from crash_tool.book import Book
from crash_tool.uploads import Key, Kind
from storage.errors import ObjectDamaged, ObjectMissing
from storage.sealed import SealedRef, SealedStore

_RECORDINGS: LiteralString = """
SELECT r.source_call_id, l.leg, r.id, l.object_id, o.sha256, o.size_bytes
FROM recordings r JOIN legs l ON l.recording_id = r.id
LEFT JOIN sealed_objects o ON o.object_id = l.object_id
"""
_SCREENSHOTS: LiteralString = """
SELECT s.captured_at, s.id, s.object_id, s.sha256, o.sha256, o.size_bytes
FROM screenshots s LEFT JOIN sealed_objects o ON o.object_id = s.object_id
"""
_OBJECTS: LiteralString = "SELECT object_id, wrapped_key, size_bytes, sha256 FROM sealed_objects"
_CONFLICTS: LiteralString = """
SELECT r.source_call_id, e.facts->>'leg', count(*) FROM custody_entries e
JOIN recordings r ON r.id = e.object_id WHERE e.act = 'recording.conflict' GROUP BY 1, 2
"""
# Each entry of the way in, with the digests it may stand for.
_COMMITMENTS: LiteralString = """
SELECT e.id, e.content_commitment, p.salt, p.ciphertext, array(
    SELECT o.sha256 FROM legs l JOIN sealed_objects o USING (object_id)
    WHERE l.recording_id = e.object_id AND l.leg = e.facts->>'leg'
    UNION ALL SELECT s.sha256 FROM screenshots s WHERE s.id = e.object_id)
FROM custody_entries e JOIN custody_private p ON p.entry_id = e.id AND p.label = 'content'
WHERE e.act IN ('recording.ingested', 'recording.leg_added', 'screenshot.ingested')
"""


@dataclass(slots=True, kw_only=True)
class Findings:
    """What is wrong, one line each; `checked` counts what was looked at, to prove that it was."""

    lost: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def verdict(self) -> str:
        return f"{len(self.lost)} lost, {len(self.altered)} altered, {len(self.half)} half"

    def lines(self) -> Iterator[str]:
        for name, found in (("lost", self.lost), ("altered", self.altered), ("half", self.half)):
            yield from (f"{name}: {what}" for what in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What the database holds under a key; no digest where the object's row is missing."""

    id: UUID
    object_id: UUID
    sha256: bytes | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where to look: the database as its owner, the sealed store, the ledger's cipher."""

    connection: psycopg.Connection
    store: SealedStore
    cipher: DetailCipher

    def rows(self, sql: LiteralString) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()


def check(evidence: Evidence, book: Book) -> Findings:
    """Compare what was acknowledged with what is there, after a sweep with the server stopped."""
    findings = Findings()
    objects = _objects(evidence, findings)
    kept = _kept(evidence, findings)
    _promises(book, kept, objects, findings)
    _unacknowledged(book, kept, findings)
    _conflicts(evidence, book, findings)
    _commitments(evidence, findings)
    for name, sql in halves.RULES.items():
        found = [row[0] for row in evidence.rows(sql)]
        findings.half += [f"{name}: {what}" for what in found]
        findings.checked["rules"] += 1
    return findings


def _objects(evidence: Evidence, findings: Findings) -> dict[UUID, bytes | None]:
    """Open every object there is a row of; return the digests of the bytes, None for missing."""
    found: dict[UUID, bytes | None] = {}
    for object_id, wrapped_key, size_bytes, sha256 in evidence.rows(_OBJECTS):
        ref = SealedRef(object_id=object_id, wrapped_key=wrapped_key, size_bytes=size_bytes)
        findings.checked["objects"] += 1
        try:
            found[object_id] = evidence.store.verify(ref)
        except ObjectMissing:
            found[object_id] = None
            findings.half.append(f"row without object: {object_id}")
        except ObjectDamaged as exc:
            found[object_id] = b""
            findings.altered.append(f"object {object_id}: {exc}")
        else:
            if found[object_id] != sha256:
                findings.altered.append(f"object {object_id}: its row has another digest")
    listed = set(evidence.store.listed(datetime.now(UTC) + timedelta(days=1)))
    findings.half += [f"object without row: {one}" for one in sorted(listed - found.keys())]
    return found


def _kept(evidence: Evidence, findings: Findings) -> dict[Key, _Kept]:
    found: dict[Key, _Kept] = {}
    for call, leg, recording_id, object_id, sha256, size in evidence.rows(_RECORDINGS):
        key = Key(kind=Kind.RECORDING, name=call, leg=leg)
        one = _Kept(id=recording_id, object_id=object_id, sha256=sha256, size_bytes=size)
        if key in found:
            findings.half.append(f"kept twice: {key.name} {key.leg}")
        found[key] = one
    for at, screenshot_id, object_id, told, sha256, size in evidence.rows(_SCREENSHOTS):
        key = Key(kind=Kind.SCREENSHOT, name=at.astimezone(UTC).isoformat(), leg="")
        one = _Kept(id=screenshot_id, object_id=object_id, sha256=sha256, size_bytes=size)
        if key in found:
            findings.half.append(f"kept twice: {key.name}")
        if sha256 is not None and told != sha256:
            findings.altered.append(f"{key.name}: screenshot and object disagree")
        found[key] = one
    return found


def _promises(
    book: Book,
    kept: dict[Key, _Kept],
    objects: dict[UUID, bytes | None],
    findings: Findings,
) -> None:
    """Compare each acknowledgement with row and bytes."""
    for key, promise in book.promises.items():
        findings.checked["acknowledged"] += 1
        name = f"{key.name} {key.leg}".rstrip()
        one = kept.get(key)
        if one is None or one.sha256 is None:
            findings.lost.append(f"{name}: acknowledged as {promise.id}, no row")
            continue
        actual = objects.get(one.object_id)
        if actual is None:
            findings.lost.append(f"{name}: acknowledged as {promise.id}, no object")
            continue
        if str(one.id) != promise.id:
            findings.altered.append(f"{name}: acknowledged as {promise.id}, kept as {one.id}")
        sent = book.sent[key]
        if not sent.sha256 == promise.sha256 == one.sha256 == actual:
            findings.altered.append(f"{name}: other bytes")
        if not sent.size_bytes == promise.size_bytes == one.size_bytes:
            findings.altered.append(f"{name}: another size")


def _unacknowledged(book: Book, kept: dict[Key, _Kept], findings: Findings) -> None:
    """Whatever is there was sent, with these bytes, whether the sender was told or not."""
    for key, one in kept.items():
        findings.checked["kept"] += 1
        sent = book.sent.get(key)
        if sent is None:
            findings.half.append(f"nobody sent {key.name} {key.leg}")
        elif key not in book.promises and one.sha256 != sent.sha256:
            findings.altered.append(f"{key.name} {key.leg}: not what was sent")


def _conflicts(evidence: Evidence, book: Book, findings: Findings) -> None:
    """Find the refusals of other bytes that senders were told of and the ledger was not."""
    told = {(call, leg): count for call, leg, count in evidence.rows(_CONFLICTS)}
    for key, count in book.conflicts.items():
        findings.checked["conflicts"] += count
        missing = count - told.get((key.name, key.leg), 0)
        if missing > 0:
            findings.lost.append(f"{key.name} {key.leg}: {missing} refusals not in the ledger")


def _commitments(evidence: Evidence, findings: Findings) -> None:
    """See that each entry of the way in opens, and is about the bytes that are kept."""
    for entry_id, committed, salt, ciphertext, digests in evidence.rows(_COMMITMENTS):
        findings.checked["entries"] += 1
        try:
            value = evidence.cipher.open(entry_id, "content", bytes(ciphertext))
        except InvalidTag:
            findings.altered.append(f"entry {entry_id}: its private part does not open")
            continue
        if value not in [bytes(d) for d in digests]:
            findings.altered.append(f"entry {entry_id}: about other bytes than are kept")
        if commitment("content", bytes(salt), value) != bytes(committed):
            findings.altered.append(f"entry {entry_id}: its commitment does not hold")
