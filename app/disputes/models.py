"""The tables of disputes and their exhibits."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, desc, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.consent.purposes import Purpose
from app.core.db import Base, JsonObject, one_of
from app.disputes.rules import (
    VALUES,
    Channel,
    MoverRole,
    RequestState,
    State,
    StatementKind,
    StepKind,
    StepState,
    UploadState,
    Urgency,
    WorkRole,
)
from app.identity.agents import AgentRef


class Dispute(Base):
    """Something that a client blames us for, or we the client.

    It is about what happened from `period_from` until `period_to`. `state` and `closed_at` are
    written by the database alone, for a row of `dispute_moves`. `due_at` is when we promised that
    it is settled.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        CheckConstraint(one_of("state", State), name="state"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed"),
        CheckConstraint("period_to > period_from", name="period"),
        Index("ix_disputes_client", "client_id", desc("opened_at"), desc("id")),
        Index("ix_disputes_opened", desc("opened_at"), desc("id")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"))
    subject: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=State.OPEN)
    event_id: Mapped[UUID | None] = mapped_column(ForeignKey("events.id"))
    period_from: Mapped[datetime | None]
    period_to: Mapped[datetime | None]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    due_at: Mapped[datetime | None]
    opened_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    changed_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime]

    exhibits: Mapped[list[Exhibit]] = relationship(lazy="raise", order_by="Exhibit.at")


class ExhibitKind(StrEnum):
    RECORDING = "recording"
    SCREENSHOT = "screenshot"


class Exhibit(Base):
    """A recording in a dispute, from `from_ms` until `to_ms` (null: its end), or a screenshot.

    `redactions` are stretches of the recording that nobody outside hears, `areas` parts of the
    screenshot that nobody sees. An exhibit is never changed: another `replaces` it.
    """

    __tablename__ = "exhibits"
    __table_args__ = (
        CheckConstraint("from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)", name="segment"),
        CheckConstraint(one_of("kind", ExhibitKind), name="kind"),
        CheckConstraint(
            "(recording_id IS NOT NULL) = (kind = 'recording') "
            "AND (screenshot_id IS NOT NULL) = (kind = 'screenshot')",
            name="one_object",
        ),
        CheckConstraint(
            "jsonb_typeof(redactions) = 'array' AND jsonb_typeof(areas) = 'array' "
            "AND (kind = 'recording' OR redactions = '[]') "
            "AND (kind = 'screenshot' OR areas = '[]')",
            name="redactions",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), index=True)
    kind: Mapped[str] = mapped_column(server_default=ExhibitKind.RECORDING)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"), index=True)
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"), index=True)
    from_ms: Mapped[int] = mapped_column(server_default=text("0"))
    to_ms: Mapped[int | None]
    redactions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    areas: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    replaces: Mapped[UUID | None] = mapped_column(ForeignKey("exhibits.id"), unique=True)
    note: Mapped[str | None]
    added_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class ExhibitRemoval(Base):
    """That an exhibit was taken out of its dispute, by whom and why. Inserted only."""

    __tablename__ = "exhibit_removals"
    __table_args__ = (CheckConstraint("btrim(reason) <> ''", name="reason"),)

    exhibit_id: Mapped[UUID] = mapped_column(ForeignKey("exhibits.id"), primary_key=True)
    reason: Mapped[str]
    removed_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class ListeningPurpose(Base):
    """For what a person listens in a dispute: asked once, until he says otherwise."""

    __tablename__ = "listening_purposes"
    __table_args__ = (CheckConstraint(one_of("purpose", Purpose), name="purpose"),)

    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    purpose: Mapped[str]
    at: Mapped[datetime]


def _values_of_kinds() -> str:
    """Return the condition that a statement has one of its kind's words, or none."""
    cases = " ".join(
        f"WHEN {str(kind)!r} THEN value IS NOT NULL AND {one_of('value', words)}"
        for kind, words in VALUES.items()
    )
    return f"CASE kind {cases} ELSE value IS NULL END"


class DisputeMove(Base):
    """That somebody moved a dispute from one state to another. Inserted only."""

    __tablename__ = "dispute_moves"
    __table_args__ = (Index("ix_dispute_moves_dispute", "dispute_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"))
    from_state: Mapped[str]
    to_state: Mapped[str]
    role: Mapped[str]
    reason: Mapped[str | None]
    moved_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class DisputeTransition(Base):
    """The table of states as the database has it: the same as in the rules."""

    __tablename__ = "dispute_transitions"
    __table_args__ = (
        CheckConstraint(one_of("from_state", State), name="from_state"),
        CheckConstraint(one_of("to_state", State), name="to_state"),
        CheckConstraint(one_of("role", MoverRole), name="role"),
    )

    from_state: Mapped[str] = mapped_column(primary_key=True)
    to_state: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    needs_reason: Mapped[bool]


class DisputeConduct(Base):
    """Whose conduct is in question in a dispute: he decides nothing in it, until it is cleared."""

    __tablename__ = "dispute_conducts"
    __table_args__ = (
        CheckConstraint("num_nonnulls(user_id, agent) > 0", name="somebody"),
        CheckConstraint("num_nonnulls(cleared_by, cleared_at, reason) IN (0, 3)", name="cleared"),
        CheckConstraint("cleared_by <> user_id", name="not_himself"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), index=True)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    agent: Mapped[str | None] = mapped_column(AgentRef)
    noted_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]
    cleared_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    cleared_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class DisputeStatement(Base):
    """What somebody said, found or decided, in words. Inserted only: another `replaces` it.

    `value` is the chosen word of a verdict, an answer or an outcome. `said_by` is who complained or
    answered, or the specialist; `person_id` is he where he works here. `agent` is who is praised.
    An answer that nobody noted came by the link of `release_id`, as its `answer_id`.
    """

    __tablename__ = "dispute_statements"
    __table_args__ = (
        CheckConstraint(one_of("kind", StatementKind), name="kind"),
        CheckConstraint(one_of("channel", Channel), name="channel"),
        CheckConstraint(_values_of_kinds(), name="value"),
        CheckConstraint("btrim(words) <> ''", name="words"),
        CheckConstraint(
            "CASE kind WHEN 'complaint' THEN num_nonnulls(said_by, said_at, channel) = 3 "
            "WHEN 'answer' THEN num_nonnulls(said_by, said_at) = 2 "
            "WHEN 'verdict' THEN said_by IS NOT NULL ELSE true END",
            name="said",
        ),
        CheckConstraint(
            "num_nonnulls(contract_id, clause_ref, quote) "
            "= CASE WHEN kind = 'basis' THEN 3 ELSE 0 END",
            name="basis",
        ),
        CheckConstraint(
            "num_nonnulls(release_id, answer_id) = CASE WHEN noted_by IS NULL THEN 2 ELSE 0 END "
            "AND (noted_by IS NOT NULL OR kind = 'answer')",
            name="by_link",
        ),
        CheckConstraint("num_nonnulls(amount_minor, currency) IN (0, 2)", name="amount"),
        CheckConstraint("amount_minor >= 0 AND currency ~ '^[A-Z]{3}$'", name="money"),
        Index("ix_dispute_statements_dispute", "dispute_id", "kind", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"))
    kind: Mapped[str]
    words: Mapped[str]
    value: Mapped[str | None]
    said_by: Mapped[str | None]
    said_at: Mapped[datetime | None]
    channel: Mapped[str | None]
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("contacts.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    agent: Mapped[str | None] = mapped_column(AgentRef)
    exhibit_id: Mapped[UUID | None] = mapped_column(ForeignKey("exhibits.id"))
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
    contract_id: Mapped[UUID | None] = mapped_column(ForeignKey("contracts.id"))
    clause_ref: Mapped[str | None]
    quote: Mapped[str | None]
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None]
    replaces: Mapped[UUID | None] = mapped_column(ForeignKey("dispute_statements.id"), unique=True)
    release_id: Mapped[UUID | None]
    answer_id: Mapped[UUID | None] = mapped_column(unique=True)
    noted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class DisputeStep(Base):
    """A line of a dispute's checklist. `reason` says why it was skipped, moved or taken up."""

    __tablename__ = "dispute_steps"
    __table_args__ = (
        CheckConstraint(one_of("kind", StepKind), name="kind"),
        CheckConstraint(one_of("state", StepState), name="state"),
        CheckConstraint("(kind = 'other') = (title IS NOT NULL)", name="title"),
        CheckConstraint(
            "CASE state WHEN 'done' THEN result IS NOT NULL WHEN 'skipped' THEN reason IS NOT NULL "
            "ELSE true END",
            name="settled",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), index=True)
    kind: Mapped[str]
    title: Mapped[str | None]
    position: Mapped[int]
    state: Mapped[str] = mapped_column(server_default=StepState.TODO)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    due_at: Mapped[datetime | None]
    result: Mapped[str | None]
    reason: Mapped[str | None]
    changed_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime]


class DocumentRequest(Base):
    """What the client was asked for, by when, and what we say of what came.

    `token_digest` is that of the link by which the client uploads, which ends at
    `token_expires_at`. `words` are our check's. `changed_by` is nobody where the client did it.
    """

    __tablename__ = "dispute_requests"
    __table_args__ = (
        CheckConstraint(one_of("state", RequestState), name="state"),
        CheckConstraint("btrim(asked) <> ''", name="asked"),
        CheckConstraint("num_nonnulls(token_digest, token_expires_at) IN (0, 2)", name="token"),
        CheckConstraint("octet_length(token_digest) = 32", name="token_digest"),
        CheckConstraint(
            "state NOT IN ('valid', 'asked_again', 'given_up') OR words IS NOT NULL", name="words"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), index=True)
    asked: Mapped[str]
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("contacts.id"))
    due_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(server_default=RequestState.ASKED)
    words: Mapped[str | None]
    token_digest: Mapped[bytes | None] = mapped_column(unique=True)
    token_expires_at: Mapped[datetime | None]
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime]
    changed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime]


class RequestedDocument(Base):
    """A document that came for a request; by its link where nobody noted it. Inserted only."""

    __tablename__ = "dispute_request_documents"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("dispute_requests.id"), primary_key=True)
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    noted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class ClientUpload(Base):
    """What a client sent by a request's link: a file, or words. Inserted by the database alone.

    Until a job has taken it over, a file lies in the release store under `wrapped_key`, which is
    destroyed then; the file becomes a document, or is refused for `reason`. Of what is kept the
    archive signs a `receipt`, which the page of the link gives.
    """

    __tablename__ = "dispute_uploads"
    __table_args__ = (
        CheckConstraint(one_of("state", UploadState), name="state"),
        CheckConstraint(
            "(state = 'waiting') = (settled_at IS NULL) "
            "AND (state = 'refused') = (reason IS NOT NULL) "
            "AND (document_id IS NOT NULL) = (state = 'kept' AND words IS NULL)",
            name="settled",
        ),
        CheckConstraint(
            "CASE WHEN words IS NULL THEN num_nonnulls(object_id, size_bytes, sha256) = 3 "
            "AND (wrapped_key IS NOT NULL) = (state = 'waiting') "
            "ELSE num_nonnulls(object_id, wrapped_key, size_bytes, sha256, file_name) = 0 END",
            name="what",
        ),
        CheckConstraint(
            "size_bytes > 0 AND octet_length(sha256) = 32 AND octet_length(wrapped_key) <= 512 "
            "AND length(words) <= 20000",
            name="size",
        ),
        CheckConstraint("receipt IS NULL OR state = 'kept'", name="receipt"),
        Index("ix_dispute_uploads_request", "request_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    request_id: Mapped[UUID] = mapped_column(ForeignKey("dispute_requests.id"))
    words: Mapped[str | None]
    file_name: Mapped[str | None]
    object_id: Mapped[UUID | None] = mapped_column(unique=True)
    wrapped_key: Mapped[bytes | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None]
    state: Mapped[str]
    reason: Mapped[str | None]
    document_id: Mapped[UUID | None] = mapped_column(ForeignKey("documents.id"))
    receipt: Mapped[str | None]
    at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    restricted_at: Mapped[datetime | None]
    kept_only_by_hold: Mapped[bool] = mapped_column(server_default=text("false"))
    erased_at: Mapped[datetime | None]


class WorkRate(Base):
    """What an hour of a role costs from a day on, in minor units of the currency. Inserted only."""

    __tablename__ = "work_rates"
    __table_args__ = (
        CheckConstraint(one_of("role", WorkRole), name="role"),
        CheckConstraint("hour_minor >= 0 AND currency ~ '^[A-Z]{3}$'", name="money"),
        Index("ix_work_rates_role", "role", "valid_from"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str]
    hour_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    valid_from: Mapped[date]
    set_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class DisputeHours(Base):
    """Time that a dispute cost, at the rate of that day. Inserted only: another `replaces` it."""

    __tablename__ = "dispute_hours"
    __table_args__ = (
        CheckConstraint(one_of("role", WorkRole), name="role"),
        CheckConstraint(
            "minutes >= 0 AND minutes <= 14400 AND (minutes > 0 OR replaces IS NOT NULL)",
            name="minutes",
        ),
        CheckConstraint("hour_minor >= 0 AND currency ~ '^[A-Z]{3}$'", name="money"),
        CheckConstraint("num_nonnulls(hour_minor, currency) IN (0, 2)", name="rate"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), index=True)
    role: Mapped[str]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    worked_on: Mapped[date]
    minutes: Mapped[int]
    hour_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None]
    what: Mapped[str | None]
    replaces: Mapped[UUID | None] = mapped_column(ForeignKey("dispute_hours.id"), unique=True)
    noted_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class DisputeReminder(Base):
    """That a deadline comes near, or has passed; told to `person_id` by whoever sends mail."""

    __tablename__ = "dispute_reminders"
    __table_args__ = (
        CheckConstraint(one_of("urgency", Urgency), name="urgency"),
        CheckConstraint("subject_kind IN ('dispute', 'step', 'request')", name="subject_kind"),
        Index(
            "uq_dispute_reminders_once", "subject_id", "due_at", "urgency", "person_id", unique=True
        ),
        Index("ix_dispute_reminders_untold", "noted_at", postgresql_where="told_at IS NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), index=True)
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    urgency: Mapped[str]
    due_at: Mapped[datetime]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    noted_at: Mapped[datetime]
    told_at: Mapped[datetime | None]


class DisputeHistory(Base):
    """What a changed row was and became; written by the database alone, and never changed."""

    __tablename__ = "dispute_history"
    __table_args__ = (Index("ix_dispute_history_dispute", "dispute_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"))
    what: Mapped[str]
    row_id: Mapped[UUID]
    changed_by: Mapped[UUID | None]
    before: Mapped[JsonObject | None]
    after: Mapped[JsonObject]
    written_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
