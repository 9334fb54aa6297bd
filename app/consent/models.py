"""The tables of consent: evidence, screenings, verifications, packs and decisions."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.consent.purposes import (
    STRENGTH,
    Kind,
    Outcome,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Status,
)
from app.consent.reasons import TO_BE_APPROVED
from app.core.db import Base, JsonObject, one_of

_STRENGTHS = " ".join(f"WHEN '{kind}' THEN '{strength}'" for kind, strength in STRENGTH.items())


def _all_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} <@ ARRAY[{', '.join(repr(str(v)) for v in values)}]"


class Verdict(StrEnum):
    """What a person can say of a piece of evidence."""

    VERIFY = "verify"
    REJECT = "reject"
    INVALIDATE = "invalidate"
    RETRACT = "retract"


class SetAside(StrEnum):
    """How a draft ends that never came into force: by its maker, or by another."""

    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"


class NoticeText(Base):
    """A version of the words by which people are told. Approved once, ended once, else fixed.

    `template` is the key of the shipped text that it is; one is approved only with the name of the
    lawyer who reviewed it. `shares` tells which other references its sound is partly that of.
    """

    __tablename__ = "notice_texts"
    __table_args__ = (
        CheckConstraint("version > 0", name="version"),
        CheckConstraint(_all_of("purposes", Purpose), name="purposes"),
        CheckConstraint(_all_of("recipients", RecipientClass), name="recipients"),
        CheckConstraint("cardinality(purposes) > 0", name="names_a_purpose"),
        CheckConstraint("num_nonnulls(approved_by, approved_at) IN (0, 2)", name="approval"),
        CheckConstraint("approved_by <> created_by", name="four_eyes"),
        CheckConstraint("valid_to >= valid_from", name="validity"),
        CheckConstraint(
            "CASE WHEN approved_at IS NULL THEN lawyer_reviewed_by IS NULL"
            " ELSE template IS NULL OR coalesce(btrim(lawyer_reviewed_by), '') <> '' END",
            name="lawyer",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    language: Mapped[str]
    text: Mapped[str]
    purposes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    recipients: Mapped[list[str]] = mapped_column(ARRAY(Text))
    lines: Mapped[list[str]] = mapped_column(ARRAY(Text))
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    object_id: Mapped[UUID] = mapped_column(ForeignKey("sealed_objects.object_id"), unique=True)
    media_type: Mapped[str]
    audio_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    approved_at: Mapped[datetime | None]
    template: Mapped[str | None]
    lawyer_reviewed_by: Mapped[str | None]
    shares: Mapped[list[JsonObject]] = mapped_column(JSONB, server_default="[]")

    @property
    def mark(self) -> str | None:
        """Return the mark of a shipped text that no lawyer is said to have reviewed."""
        if self.template is None or self.lawyer_reviewed_by is not None:
            return None
        return TO_BE_APPROVED.of(self.language)


class NoticeTextSetAside(Base):
    """That a draft of a notice text was withdrawn or rejected. Inserted only."""

    __tablename__ = "notice_texts_set_aside"
    __table_args__ = (
        CheckConstraint(one_of("how", SetAside), name="how"),
        CheckConstraint("btrim(reason) <> ''", name="reason"),
        ForeignKeyConstraint(["text_id", "version"], ["notice_texts.id", "notice_texts.version"]),
    )

    text_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    how: Mapped[str]
    set_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str]
    at: Mapped[datetime]


class AutoVerifyStop(Base):
    """That a version of a notice text clears no call by itself any more. Inserted only.

    Its sample failed; a further version of the text begins anew.
    """

    __tablename__ = "auto_verify_stops"
    __table_args__ = (
        ForeignKeyConstraint(["text_id", "version"], ["notice_texts.id", "notice_texts.version"]),
    )

    text_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class Assertion(Base):
    """One piece of evidence, bound to a recording or to a client, contact or own agent.

    `second_by` is set where two people had to agree. Only status and verdicts ever change.
    """

    __tablename__ = "assertions"
    __table_args__ = (
        CheckConstraint(one_of("kind", Kind), name="kind"),
        CheckConstraint(f"strength = CASE kind {_STRENGTHS} END", name="strength"),
        CheckConstraint(one_of("status", Status), name="status"),
        CheckConstraint(
            "CASE WHEN recording_id IS NULL"
            " THEN party_id IS NULL AND num_nonnulls(client_id, contact_id, agent) = 1"
            " ELSE num_nonnulls(client_id, contact_id, agent) = 0 END",
            name="about",
        ),
        CheckConstraint("from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)", name="segment"),
        CheckConstraint(_all_of("purposes", Purpose), name="purposes"),
        CheckConstraint("num_nonnulls(proposed_by, proposed_service) = 1", name="proposer"),
        CheckConstraint("octet_length(evidence_sha256) = 32", name="evidence_sha256"),
        CheckConstraint(
            "jsonb_typeof(evidence) = 'object'"
            " AND (status <> 'verified' OR evidence <> '{}'::jsonb)",
            name="evidence",
        ),
        CheckConstraint(
            "status = 'proposed' OR (decided_at IS NOT NULL"
            " AND (decided_by IS NOT NULL OR status = 'retracted'"
            " OR proposed_service = 'detector'))",
            name="decided",
        ),
        CheckConstraint(
            "decided_by <> proposed_by AND second_by <> proposed_by AND second_by <> decided_by",
            name="four_eyes",
        ),
        Index("ix_assertions_recording", "recording_id"),
        Index("ix_assertions_client", "client_id"),
        Index("ix_assertions_contact", "contact_id"),
        Index("ix_assertions_agent", "agent"),
        Index(
            "ix_assertions_blocks",
            "proposed_at",
            "id",
            postgresql_where=text("kind IN ('refusal', 'withdrawal')"),
        ),
        Index(
            "ix_assertions_auto",
            "proposed_at",
            "id",
            postgresql_where=text(
                "kind = 'ivr_notice' AND status = 'verified' AND decided_by IS NULL"
            ),
        ),
        Index("ix_assertions_open", "proposed_at", postgresql_where="status = 'proposed'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    strength: Mapped[str]
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
    party_id: Mapped[UUID | None] = mapped_column(ForeignKey("parties.id"))
    client_id: Mapped[UUID | None] = mapped_column(ForeignKey("clients.id"))
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("contacts.id"))
    agent: Mapped[str | None]
    from_ms: Mapped[int] = mapped_column(BigInteger)
    to_ms: Mapped[int | None] = mapped_column(BigInteger)
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    purposes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    recipients: Mapped[list[str]] = mapped_column(ARRAY(Text))
    evidence: Mapped[JsonObject]
    evidence_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    proposed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    proposed_service: Mapped[str | None]
    proposed_at: Mapped[datetime]
    status: Mapped[str]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]
    second_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    second_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("assertions.id"))


class AssertionVote(Base):
    """One person's verdict on a piece of evidence. Inserted only."""

    __tablename__ = "assertion_votes"
    __table_args__ = (
        CheckConstraint(one_of("verdict", Verdict), name="verdict"),
        Index("uq_assertion_votes_one", "assertion_id", "verdict", "voter_id", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    assertion_id: Mapped[UUID] = mapped_column(ForeignKey("assertions.id"))
    verdict: Mapped[str]
    voter_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    voter_role: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[datetime]


class Screening(Base):
    """What a person heard or saw who looked for what must not leave. Inserted only.

    Of a screenshot `areas` were black when he looked: what he said holds of no other picture.
    """

    __tablename__ = "screenings"
    __table_args__ = (
        CheckConstraint(one_of("result", ScreeningResult), name="result"),
        CheckConstraint("from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)", name="segment"),
        CheckConstraint("num_nonnulls(recording_id, screenshot_id) = 1", name="one_object"),
        CheckConstraint("screenshot_id IS NOT NULL OR areas = '[]'", name="areas"),
        Index("ix_screenings_recording", "recording_id"),
        Index("ix_screenings_screenshot", "screenshot_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"))
    areas: Mapped[list[JsonObject]] = mapped_column(JSONB, server_default="[]")
    from_ms: Mapped[int] = mapped_column(BigInteger)
    to_ms: Mapped[int | None] = mapped_column(BigInteger)
    result: Mapped[str]
    note: Mapped[str | None]
    screened_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class ContactVerification(Base):
    """How a person knew who a recipient is and that he speaks for his firm. Inserted only.

    `contact_sha256` is of what was looked at, set by the database: of another name, position,
    address, number or firm nobody has verified anything.
    """

    __tablename__ = "contact_verifications"
    __table_args__ = (
        CheckConstraint("btrim(identity_basis) <> ''", name="identity_basis"),
        CheckConstraint("btrim(mandate_basis) <> ''", name="mandate_basis"),
        Index("ix_contact_verifications_contact", "contact_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"))
    identity_basis: Mapped[str]
    mandate_basis: Mapped[str]
    contact_sha256: Mapped[bytes | None] = mapped_column(
        LargeBinary(32), server_default=FetchedValue()
    )
    verified_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class PolicyPackRow(Base):
    """A version of a pack; in force once two people have activated it.

    `activated_by` agreed first, at `first_at`; `second_by` put it in force.
    """

    __tablename__ = "policy_packs"
    __table_args__ = (
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint(
            "num_nonnulls(second_by, activated_at) IN (0, 2)"
            " AND (activated_by IS NOT NULL OR num_nonnulls(second_by, first_at) = 0)",
            name="activation",
        ),
        CheckConstraint("activated_by <> second_by", name="four_eyes"),
        CheckConstraint("activated_by <> created_by AND second_by <> created_by", name="proposer"),
        Index("uq_policy_packs_version", "jurisdiction", "version", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    jurisdiction: Mapped[str]
    version: Mapped[int]
    body: Mapped[JsonObject]
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    effective_from: Mapped[date]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    activated_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    first_at: Mapped[datetime | None]
    second_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    activated_at: Mapped[datetime | None]


class PackSetAside(Base):
    """That a proposed pack was withdrawn or rejected. Inserted only."""

    __tablename__ = "policy_packs_set_aside"
    __table_args__ = (
        CheckConstraint(one_of("how", SetAside), name="how"),
        CheckConstraint("btrim(reason) <> ''", name="reason"),
    )

    pack_id: Mapped[UUID] = mapped_column(ForeignKey("policy_packs.id"), primary_key=True)
    how: Mapped[str]
    set_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str]
    at: Mapped[datetime]


class ProcessingContract(Base):
    """A contract by which somebody works on recordings for us; it counts once it is approved.

    `processor` is his tax number, by which a question names him. Approved once and ended once,
    else never changed.
    """

    __tablename__ = "processing_contracts"
    __table_args__ = (
        CheckConstraint(_all_of("purposes", Purpose), name="purposes"),
        CheckConstraint("cardinality(purposes) > 0", name="names_a_purpose"),
        CheckConstraint("valid_to > valid_from", name="validity"),
        CheckConstraint("approved_by <> created_by", name="four_eyes"),
        CheckConstraint("num_nonnulls(approved_by, approved_at) IN (0, 2)", name="approval"),
        Index("uq_processing_contracts_number", "processor", "number", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    processor: Mapped[str]
    name: Mapped[str]
    number: Mapped[str]
    signed_on: Mapped[date]
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id"))
    purposes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    terminated_at: Mapped[datetime | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    approved_at: Mapped[datetime | None]


class ConsentEpoch(Base):
    """How often what decisions depend on has changed, of a client, contact, agent or the packs."""

    __tablename__ = "consent_epochs"
    __table_args__ = (
        CheckConstraint("scope IN ('client', 'contact', 'agent', 'policy')", name="scope"),
    )

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger)


class DecisionRow(Base):
    """A decision as it was made, with the stamp of the state it was made under. Inserted only."""

    __tablename__ = "consent_decisions"
    __table_args__ = (
        CheckConstraint(one_of("outcome", Outcome), name="outcome"),
        CheckConstraint("num_nonnulls(recording_id, screenshot_id) = 1", name="one_object"),
        Index("ix_consent_decisions_release", "release_id", "recording_id", "at"),
        Index("ix_consent_decisions_recording", "recording_id", "at"),
        Index("ix_consent_decisions_screenshot", "screenshot_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"))
    release_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("contacts.id"))
    recipient_class: Mapped[str]
    purpose: Mapped[str]
    from_ms: Mapped[int] = mapped_column(BigInteger)
    to_ms: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str]
    reasons: Mapped[list[str]] = mapped_column(JSONB)
    inputs_digest: Mapped[bytes]
    policy_sha256: Mapped[bytes]
    stamp: Mapped[str]
    valid_until: Mapped[datetime | None]
    at: Mapped[datetime]
    asked_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))


class DecisionBasis(Base):
    """What decisions were made from, canonical JSON by its SHA-256: inputs, or a set of packs.

    Many decisions rest on the same. Never changed; removed when what it tells of is erased.
    """

    __tablename__ = "decision_bases"
    __table_args__ = (CheckConstraint("sha256 = sha256(body)", name="digest"),)

    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    body: Mapped[bytes]
