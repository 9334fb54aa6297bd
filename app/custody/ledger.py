"""Writing the ledger: the entry and what it commits to, in the transaction of the change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import rfc8785
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.custody.models import CustodyEntry, CustodyPrivate
from app.custody.rules import commitment, new_salt

_NONCE_BYTES = 12


class Act(StrEnum):
    """What can happen to evidence, in the words of the ledger."""

    RECORDING_INGESTED = "recording.ingested"
    RECORDING_LEG_ADDED = "recording.leg_added"
    RECORDING_CONFLICT = "recording.conflict"
    SCREENSHOT_INGESTED = "screenshot.ingested"
    DERIVED_CREATED = "derived.created"
    FIXITY_CHECKED = "fixity.checked"
    RECORDING_REPAIRED = "recording.repaired"
    RECORDING_REBUILT = "recording.rebuilt"
    LOCK_DIFFERED = "lock.differed"
    LINK_CHANGED = "link.changed"
    TRIAGE_SET_ASIDE = "triage.set_aside"
    TRIAGE_PUT_BACK = "triage.put_back"
    CALL_EVENT_RECEIVED = "call_event.received"
    CALLS_RECEIVED = "calls.received"
    CALLS_COUNTED = "calls.counted"
    CALL_GAP_EXPLAINED = "call_gap.explained"
    RECORDING_EXCEPTION_SET = "recording_exception.set"
    RECORDING_EXCEPTION_ENDED = "recording_exception.ended"
    CDR_RECONCILED = "cdr.reconciled"
    PARTY_CHANGED = "party.changed"
    PARTY_CHANGE_PROPOSED = "party.change_proposed"
    PARTY_CHANGE_REJECTED = "party.change_rejected"
    MEDIA_PLAYED = "media.played"
    MARK_ADDED = "mark.added"
    MARK_REMOVED = "mark.removed"
    EXEMPLARY_ADDED = "exemplary.added"
    EXEMPLARY_REMOVED = "exemplary.removed"
    CALL_FORM_PUBLISHED = "call_form.published"
    CALL_APPRAISED = "call.appraised"
    APPRAISAL_ANSWERED = "appraisal.answered"
    CALIBRATION_CHANGED = "calibration.changed"
    ACCESS_DENIED = "access.denied"
    UPLOAD_REFUSED = "upload.refused"
    VCON_RECEIVED = "vcon.received"
    UPLOAD_RECEIVED = "upload.received"
    CLIENT_CHANGED = "client.changed"
    CONTRACT_CHANGED = "contract.changed"
    EVENT_CHANGED = "event.changed"
    NOTICE_TEXT_ADDED = "notice_text.added"
    NOTICE_TEXT_APPROVED = "notice_text.approved"
    SEARCH_BEGUN = "search.begun"
    SEARCH_ENDED = "search.ended"
    SEARCH_DIFFERED = "search.differed"
    NOTICE_TEXT_WITHDRAWN = "notice_text.withdrawn"
    NOTICE_TEXT_REJECTED = "notice_text.rejected"
    DOCUMENT_KEPT = "document.kept"
    DOCUMENT_CONFLICT = "document.conflict"
    DOCUMENT_OPENED = "document.opened"
    PROCESSOR_PROPOSED = "processor.proposed"
    PROCESSOR_APPROVED = "processor.approved"
    PROCESSOR_TERMINATED = "processor.terminated"
    LOCAL_ACT_ADDED = "local_act.added"
    ACT_ACKNOWLEDGED = "local_act.acknowledged"
    ASSERTION_RETRACTED = "assertion.retracted"
    ASSERTION_PROPOSED = "assertion.proposed"
    ASSERTION_VOTED = "assertion.voted"
    ASSERTION_VERIFIED = "assertion.verified"
    ASSERTION_REJECTED = "assertion.rejected"
    ASSERTION_INVALIDATED = "assertion.invalidated"
    REFUSAL_PROPOSED = "refusal.proposed"
    REFUSAL_CONFIRMED = "refusal.confirmed"
    REFUSAL_REJECTED = "refusal.rejected"
    WITHDRAWAL_PROPOSED = "withdrawal.proposed"
    WITHDRAWAL_CONFIRMED = "withdrawal.confirmed"
    WITHDRAWAL_REJECTED = "withdrawal.rejected"
    SCREENING_RECORDED = "screening.recorded"
    CONTACT_VERIFIED = "contact.verified"
    POLICY_PROPOSED = "policy.proposed"
    POLICY_APPROVED = "policy.approved"
    POLICY_ACTIVATED = "policy.activated"
    POLICY_WITHDRAWN = "policy.withdrawn"
    POLICY_REJECTED = "policy.rejected"
    DECISION_MADE = "decision.made"
    CONSENT_EXPORTED = "consent.exported"
    BATCH_FROZEN = "batch.frozen"
    BATCH_DECIDED = "batch.decided"
    BATCH_UNDONE = "batch.undone"
    REVIEW_NOTED = "review.noted"
    REVIEW_ASKED = "review.asked"
    SAMPLE_SEED = "sample.seed"
    SAMPLE_CHECKED = "sample.checked"
    AUTO_VERIFY_STOPPED = "auto_verify.stopped"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_MOVED = "dispute.moved"
    DISPUTE_CHANGED = "dispute.changed"
    DISPUTE_CONDUCT = "dispute.conduct"
    DISPUTE_STATED = "dispute.stated"
    DISPUTE_STEP = "dispute.step"
    DISPUTE_REQUEST = "dispute.request"
    DISPUTE_HOURS = "dispute.hours"
    DISPUTE_REPORTED = "dispute.reported"
    WORK_RATE_SET = "work_rate.set"
    EXHIBIT_ADDED = "exhibit.added"
    EXHIBIT_REMOVED = "exhibit.removed"
    RELEASE_REQUESTED = "release.requested"
    RELEASE_APPROVED = "release.approved"
    RELEASE_GRANTED = "release.granted"
    RELEASE_ACCESSED = "release.accessed"
    RELEASE_ANSWERED = "release.answered"
    RELEASE_REVOKED = "release.revoked"
    BUNDLE_CREATED = "bundle.created"
    HOLD_PLACED = "hold.placed"
    HOLD_APPROVED = "hold.approved"
    HOLD_REVIEWED = "hold.reviewed"
    HOLD_RELEASED = "hold.released"
    RETENTION_PROPOSED = "retention.proposed"
    RETENTION_CHANGED = "retention.changed"
    RETENTION_REVIEWED = "retention.reviewed"
    RETENTION_ANNOUNCED = "retention.announced"
    RETENTION_CANCELLED = "retention.cancelled"
    RESTRICTION_SET = "restriction.set"
    RESTRICTION_LIFTED = "restriction.lifted"
    ERASURE_REQUESTED = "erasure.requested"
    ERASURE_DENIED = "erasure.denied"
    ERASURE_APPROVED = "erasure.approved"
    ERASURE_EXECUTED = "erasure.executed"
    CHECKPOINT_SIGNED = "checkpoint.signed"
    CHECKPOINT_STAMPED = "checkpoint.stamped"
    KEY_ROTATED = "key.rotated"
    ERASURE_VERIFIED = "erasure.verified"
    ERASURE_FAILED = "erasure.failed"
    DEMO_LOADED = "demo.loaded"
    DEMO_UNLOAD_ASKED = "demo.unload_asked"
    DEMO_UNLOADED = "demo.unloaded"
    BACKUP_CREATED = "backup.created"
    BACKUP_RESTORED = "backup.restored"
    CONFIG_CHANGED = "config.changed"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    LOGIN_THROTTLED = "login.throttled"
    LOGIN_ENDED = "login.ended"
    LOGIN_PROVED = "login.proved"


class Doer(Protocol):
    """Who did it, as far as the ledger names anybody: kind, id and role."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> UUID | None: ...
    @property
    def role(self) -> str | None: ...


class Outcome(StrEnum):
    SUCCESS = "success"
    DENIED = "denied"
    FAILED = "failed"


class DetailCipher:
    """Encrypts what stands beside an entry, bound to that entry."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, entry_id: UUID, label: str, value: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, entry_id.bytes + label.encode())

    def open(self, entry_id: UUID, label: str, sealed: bytes) -> bytes:
        """Return what `seal` was given.

        Raises:
            cryptography.exceptions.InvalidTag: altered, or of another entry.
        """
        return self._aead.decrypt(
            sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], entry_id.bytes + label.encode()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Private:
    """A value beside an entry: what is stored, and the commitment that the entry carries."""

    label: str
    salt: bytes
    ciphertext: bytes
    commitment: bytes


def private(cipher: DetailCipher, entry_id: UUID, label: str, value: bytes) -> Private:
    """Return `value` as it is kept beside the entry `entry_id`."""
    salt = new_salt()
    return Private(
        label=label,
        salt=salt,
        ciphertext=cipher.seal(entry_id, label, value),
        commitment=commitment(label, salt, value),
    )


def detail_bytes(detail: Mapping[str, object]) -> bytes:
    """Return the canonical JSON of `detail`, the value that is committed to.

    Source: RFC 8785.
    """
    return rfc8785.dumps(dict(detail))  # type: ignore[arg-type]  # the library's JSON type is private


def append(  # noqa: PLR0913 - an entry has these parts; all but three are named.
    session: Session,
    actor: Doer,
    act: Act,
    about: tuple[str, UUID],
    *,
    at: datetime,
    outcome: Outcome = Outcome.SUCCESS,
    facts: Mapping[str, str | int | bool | None] | None = None,
    detail: Mapping[str, object] | None = None,
    content: bytes | None = None,
) -> UUID:
    """Write down what happened to the object `about` (kind and id); return the entry's id.

    `facts` is public: codes, counts and ids, never a name, a number or free words; those go
    into `detail`. `content` is the SHA-256 of the bytes concerned.
    """
    cipher = session.info["detail_cipher"]
    entry_id = new_id()
    beside = [
        private(cipher, entry_id, label, value)
        for label, value in (
            ("content", content),
            ("detail", detail_bytes(detail) if detail else None),
        )
        if value is not None
    ]
    by_label = {p.label: p.commitment for p in beside}
    kind, object_id = about
    session.add(
        CustodyEntry(
            id=entry_id,
            at=at,
            act=act,
            object_kind=kind,
            object_id=object_id,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_role=actor.role,
            outcome=outcome,
            facts=dict(facts or {}),
            content_commitment=by_label.get("content"),
            detail_commitment=by_label.get("detail"),
        )
    )
    session.flush()  # The rows beside it name the entry by its id.
    session.add_all(
        CustodyPrivate(entry_id=entry_id, label=p.label, salt=p.salt, ciphertext=p.ciphertext)
        for p in beside
    )
    session.flush()
    return entry_id
