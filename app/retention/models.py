"""The tables of holds, retention rules, announcements, restrictions and erasures."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Computed, ForeignKey, Index, Text, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject, one_of
from app.retention.rules import Action, Kind, Trigger

_COLUMNS = ", ".join(f"{kind}_id" for kind in Kind)
_KINDS = ", ".join(f"'{kind}'" for kind in Kind)
_ONE_OBJECT = f"num_nonnulls({_COLUMNS}) = 1"


def _open(table: str, where: str) -> tuple[Index, ...]:
    """Return the indexes by which of each thing one row stands at most."""
    names = {Kind.RECORDING: f"uq_{table}_open"}
    return tuple(
        Index(
            names.get(kind, f"uq_{table}_open_{kind}"),
            f"{kind}_id",
            unique=True,
            postgresql_where=where,
        )
        for kind in Kind
    )


class Ground(StrEnum):
    """Why something is to be erased."""

    REQUEST = "request"  # The person who is heard asked for it.
    WITHDRAWAL = "withdrawal"  # Consent was taken back.
    DUTY = "duty"  # Nothing allows keeping it: the house itself says so.
    RETENTION = "retention"  # Its longest time is over, and it was announced.
    DEMO = "demo"  # It is demo data, and somebody unloads it.


class ErasureState(StrEnum):
    """How far an erasure has come."""

    REQUESTED = "requested"
    DENIED = "denied"
    APPROVED = "approved"
    EXECUTED = "executed"  # The keys are destroyed.
    VERIFIED = "verified"  # The check, which is independent, found nothing.
    ALARM = "alarm"  # The check found something.


class LegalHold(Base):
    """That something is kept for a matter: what is named, and what the rule fits.

    A rule is of a client, an agent or a dispute, and of every kind alike; nobody's agent has a part
    in what a client wrote.

    It holds from the moment it is placed, approved or not, since what was destroyed meanwhile does
    not come back. It ends when another person than who placed it releases it.
    """

    __tablename__ = "legal_holds"
    __table_args__ = (
        CheckConstraint("btrim(matter) <> '' AND btrim(reason) <> ''", name="words"),
        CheckConstraint("num_nonnulls(approved_by, approved_at) IN (0, 2)", name="approval"),
        CheckConstraint(
            "num_nonnulls(released_by, released_at, release_reason) IN (0, 3)", name="ended"
        ),
        CheckConstraint("approved_by <> placed_by AND released_by <> placed_by", name="four_eyes"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    matter: Mapped[str]
    reason: Mapped[str]
    is_order: Mapped[bool]
    rule_client_id: Mapped[UUID | None] = mapped_column(ForeignKey("clients.id"))
    rule_agent: Mapped[str | None]
    rule_from: Mapped[datetime | None]
    rule_to: Mapped[datetime | None]
    rule_dispute_id: Mapped[UUID | None] = mapped_column(ForeignKey("disputes.id"))
    placed_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    placed_at: Mapped[datetime]
    review_at: Mapped[datetime]
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    approved_at: Mapped[datetime | None]
    released_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    released_at: Mapped[datetime | None]
    release_reason: Mapped[str | None]


class LegalHoldItem(Base):
    """What a hold names, or its rule has caught; `object_id` is its id. Inserted only."""

    __tablename__ = "legal_hold_items"
    __table_args__ = (CheckConstraint(_ONE_OBJECT, name="one_object"),)

    hold_id: Mapped[UUID] = mapped_column(ForeignKey("legal_holds.id"), primary_key=True)
    object_id: Mapped[UUID] = mapped_column(
        Computed(f"coalesce({_COLUMNS})", persisted=True), primary_key=True
    )
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"), index=True)
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"), index=True)
    document_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id"), index=True)
    upload_id: Mapped[UUID | None] = mapped_column(ForeignKey("dispute_uploads.id"), index=True)
    answer_id: Mapped[UUID | None] = mapped_column(ForeignKey("link_answers.id"), index=True)
    by_rule: Mapped[bool]
    at: Mapped[datetime]


class RetentionRule(Base):
    """A version of a rule; in force once another person has approved it, until `retired_at`.

    Periods are `{"years", "months", "days"}`. A version without any period retires the rule.
    """

    __tablename__ = "retention_rules"
    __table_args__ = (
        CheckConstraint("version > 0", name="version"),
        CheckConstraint(one_of("trigger", Trigger), name="trigger"),
        CheckConstraint(one_of("action", Action), name="action"),
        CheckConstraint("btrim(basis) <> ''", name="basis"),
        CheckConstraint("num_nonnulls(approved_by, approved_at) IN (0, 2)", name="approval"),
        CheckConstraint("approved_by <> proposed_by", name="four_eyes"),
        CheckConstraint(
            f"cardinality(kinds) > 0 AND kinds <@ ARRAY[{_KINDS}]",
            name="kinds",
        ),
        CheckConstraint("cardinality(flags) = 0 OR kinds = ARRAY['recording']", name="flags"),
        Index("uq_retention_rules_version", "name", "version", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{recording}'"))
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    client_id: Mapped[UUID | None] = mapped_column(ForeignKey("clients.id"))
    trigger: Mapped[str]
    minimum: Mapped[JsonObject | None]
    maximum: Mapped[JsonObject | None]
    min_is_law: Mapped[bool]
    action: Mapped[str]
    basis: Mapped[str]
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    proposed_at: Mapped[datetime]
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    approved_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]


class RetentionReview(Base):
    """That a person has looked at something and found no ground to use it. Inserted only."""

    __tablename__ = "retention_reviews"
    __table_args__ = (CheckConstraint(_ONE_OBJECT, name="one_object"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"), index=True)
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"), index=True)
    document_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id"), index=True)
    upload_id: Mapped[UUID | None] = mapped_column(ForeignKey("dispute_uploads.id"), index=True)
    answer_id: Mapped[UUID | None] = mapped_column(ForeignKey("link_answers.id"), index=True)
    reviewed_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    note: Mapped[str]
    at: Mapped[datetime]


class RetentionNotice(Base):
    """That something is going to be erased on `due_at`; `announced_at` is the database's word."""

    __tablename__ = "retention_notices"
    __table_args__ = (
        CheckConstraint("num_nonnulls(cancelled_at, cancelled_why) IN (0, 2)", name="cancelled"),
        *_open("retention_notices", "cancelled_at IS NULL"),
        CheckConstraint(_ONE_OBJECT, name="one_object"),
        Index("ix_retention_notices_due", "due_at", postgresql_where="cancelled_at IS NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"))
    document_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id"))
    upload_id: Mapped[UUID | None] = mapped_column(ForeignKey("dispute_uploads.id"))
    answer_id: Mapped[UUID | None] = mapped_column(ForeignKey("link_answers.id"))
    rule_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    due_at: Mapped[datetime]
    announced_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    cancelled_at: Mapped[datetime | None]
    cancelled_why: Mapped[str | None]


class Restriction(Base):
    """That something is only kept, and used for little else; lifted by another person."""

    __tablename__ = "restrictions"
    __table_args__ = (
        CheckConstraint("btrim(reason) <> ''", name="reason"),
        CheckConstraint("num_nonnulls(lifted_by, lifted_at, lift_reason) IN (0, 3)", name="ended"),
        CheckConstraint("lifted_by <> set_by", name="four_eyes"),
        *_open("restrictions", "lifted_at IS NULL"),
        CheckConstraint(_ONE_OBJECT, name="one_object"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"))
    document_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id"))
    upload_id: Mapped[UUID | None] = mapped_column(ForeignKey("dispute_uploads.id"))
    answer_id: Mapped[UUID | None] = mapped_column(ForeignKey("link_answers.id"))
    reason: Mapped[str]
    set_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    set_at: Mapped[datetime]
    lifted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    lifted_at: Mapped[datetime | None]
    lift_reason: Mapped[str | None]


class Erasure(Base):
    """A wish to erase something, and what came of it: afterwards, its tombstone.

    `subject`, `reason` and `identity_basis` are forgotten three years after it was executed;
    `executed_at` is written by the database's function alone. What goes with something erased, as
    the papers of a call, needs no further yes: `with_id` is that erasure.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        CheckConstraint(one_of("ground", Ground), name="ground"),
        CheckConstraint("num_nonnulls(denied_at, denial) IN (0, 2)", name="denied"),
        CheckConstraint(
            "CASE WHEN ground = 'retention' THEN requested_by IS NULL AND notice_id IS NOT NULL"
            " AND approvals_needed = 0 AND with_id IS NULL"
            " WHEN with_id IS NOT NULL THEN notice_id IS NULL AND approvals_needed = 0"
            " WHEN ground = 'demo' THEN notice_id IS NULL AND approvals_needed = 0"
            " ELSE requested_by IS NOT NULL AND notice_id IS NULL"
            " AND approvals_needed IN (1, 2) END",
            name="asked",
        ),
        *_open("erasures", "denied_at IS NULL"),
        CheckConstraint(_ONE_OBJECT, name="one_object"),
        Index("ix_erasures_requested", text("requested_at DESC"), text("id DESC")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"))
    document_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id"))
    upload_id: Mapped[UUID | None] = mapped_column(ForeignKey("dispute_uploads.id"))
    answer_id: Mapped[UUID | None] = mapped_column(ForeignKey("link_answers.id"))
    ground: Mapped[str]
    subject: Mapped[str | None]
    reason: Mapped[str | None]
    identity_basis: Mapped[str | None]
    approvals_needed: Mapped[int]
    notice_id: Mapped[UUID | None] = mapped_column(ForeignKey("retention_notices.id"))
    with_id: Mapped[UUID | None] = mapped_column(ForeignKey("erasures.id"))
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime]
    denied_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    denied_at: Mapped[datetime | None]
    denial: Mapped[str | None]
    executed_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    alarm: Mapped[str | None]
    forgotten_at: Mapped[datetime | None]


class LeftBytes(Base):
    """Bytes of something erased that a restore found under a lock of the store, without a key.

    Written by a restore alone, which may know nothing of the erasure but what its journal says.
    """

    __tablename__ = "left_bytes"
    __table_args__ = (CheckConstraint("store IN ('archive', 'release')", name="store"),)

    object_id: Mapped[UUID] = mapped_column(primary_key=True)
    store: Mapped[str] = mapped_column(primary_key=True)
    erasure_id: Mapped[UUID]
    noted_at: Mapped[datetime]
    note: Mapped[str | None]
    locked_until: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class ErasureApproval(Base):
    """A person's yes to an erasure. Inserted only."""

    __tablename__ = "erasure_approvals"
    __table_args__ = (
        CheckConstraint("approver_role IN ('approver', 'legal')", name="approver_role"),
    )

    erasure_id: Mapped[UUID] = mapped_column(ForeignKey("erasures.id"), primary_key=True)
    approver_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    approver_role: Mapped[str]
    at: Mapped[datetime]


class ErasureObject(Base):
    """An object whose key was destroyed; `deleted_at` tells when its bytes went too.

    `note` is why they have not gone, `locked_until` when the store will let them.
    """

    __tablename__ = "erasure_objects"
    __table_args__ = (CheckConstraint("store IN ('archive', 'release')", name="store"),)

    erasure_id: Mapped[UUID] = mapped_column(ForeignKey("erasures.id"), primary_key=True)
    object_id: Mapped[UUID] = mapped_column(primary_key=True)
    store: Mapped[str]
    deleted_at: Mapped[datetime | None]
    note: Mapped[str | None]
    locked_until: Mapped[datetime | None]
