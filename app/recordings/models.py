"""The tables of recordings and screenshots."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Uuid,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.clients.models import WORDS
from app.core.db import Base, JsonObject, one_of
from app.identity.agents import AgentRef


class LegKind(StrEnum):
    MIXED = "mixed"
    SENT = "sent"
    RECEIVED = "received"


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Capture(StrEnum):
    SOFTPHONE = "softphone"
    PBX = "pbx"
    MOBILE = "mobile"
    IMPORT = "import"


class LinkedBy(StrEnum):
    """How a recording came to its event."""

    SENDER = "sender"  # The sender named the event.
    NUMBER = "number"  # Number, contact, client, and the nearest open event in the window.
    CREATED = "created"  # The number's client is known; a call event was made.
    TRIAGE = "triage"  # The number is unknown; an event without client was made.
    ADOPTED = "adopted"  # An event that arrived later took it.
    MANUAL = "manual"  # A person corrected the link.


class Flag(StrEnum):
    """The derived consent state shown to people, from best to worst. Never set by hand.

    A recording has the worst state of the outside parties in it.
    """

    CONSENTED = "consented"
    BASIS = "basis"
    NOTIFIED = "notified"
    PENDING = "pending"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    WITHDRAWAL_PROPOSED = "withdrawal_proposed"
    WITHDRAWN = "withdrawn"
    REFUSAL_PROPOSED = "refusal_proposed"
    REFUSED = "refused"


class Proof(StrEnum):
    """How it is proved that somebody was told, from best to worst. Derived, never set by hand.

    A recording has the worst class of the outside parties in it.
    """

    HEARD = "A"  # Heard in the recording.
    PLAYED = "B"  # Played by the exchange on this call, told by its log.
    SAID = "C"  # Said by the agent.
    WRITTEN = "D"  # In a contract or document from before the call.
    AFTERWARDS = "E"  # Given after the call.
    NONE = "F"


class CallEventKind(StrEnum):
    """What an exchange can tell of a call."""

    CALL_STARTED = "call_started"
    RECORDING_STARTED = "recording_started"
    JOIN = "join"
    LEAVE = "leave"
    TRANSFER = "transfer"
    HOLD = "hold"
    RESUME = "resume"
    PROMPT_PLAYED = "prompt_played"
    DTMF = "dtmf"


class PresenceBy(StrEnum):
    """Whose word it is when a party was on the line."""

    SENDER = "sender"  # The metadata of the upload.
    EXCHANGE = "exchange"
    PERSON = "person"


class ChangeState(StrEnum):
    """How far a change of a party has come."""

    APPLIED = "applied"  # In force without a second person: it made nothing milder.
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class InspectionState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class Recording(Base):
    """One call as it was captured: one or more legs, tied to exactly one event.

    `consent_epoch` grows with every change that a consent decision on this recording could
    depend on; a decision made in an earlier epoch proves nothing. `kept_only_by_hold` is set where
    its time is over and nothing but a hold keeps it. `client_id` is that of the event, which the
    database itself lets it follow.
    """

    __tablename__ = "recordings"
    __table_args__ = (
        Index("uq_recordings_call", "device_id", "source_call_id", unique=True),
        CheckConstraint(one_of("direction", Direction), name="direction"),
        CheckConstraint(one_of("capture", Capture), name="capture"),
        CheckConstraint(one_of("linked_by", LinkedBy), name="linked_by"),
        CheckConstraint(one_of("flag", Flag), name="flag"),
        CheckConstraint(one_of("proof", Proof), name="proof"),
        CheckConstraint(one_of("inspection_state", InspectionState), name="inspection_state"),
        Index(
            "ix_recordings_started",
            desc("started_at"),
            desc("id"),
            # Calls of a year are summed from it without a look at the table.
            postgresql_include=["event_id", "duration_ms", "erased_at"],
        ),
        Index("ix_recordings_client", "client_id", desc("started_at"), desc("id")),
        Index(
            "ix_recordings_event",
            "event_id",
            desc("started_at"),
            desc("id"),
            # A search by words picks the newest of many events without a look at the table.
            postgresql_include=["erased_at"],
        ),
        Index("ix_recordings_flag", "flag", desc("started_at"), desc("id")),
        Index("ix_recordings_agent", "agent", desc("started_at"), desc("id")),
        Index("ix_recordings_number", "outside_number", desc("started_at"), desc("id")),
        Index("ix_recordings_source_call", "source_call_id"),
        Index("ix_recordings_received", "device_id", desc("received_at")),
        Index("ix_recordings_proof", "proof", desc("started_at"), desc("id")),
        Index(
            "ix_recordings_untied",
            desc("started_at"),
            desc("id"),
            postgresql_where=text("client_id IS NULL AND erased_at IS NULL"),
        ),
        Index(
            "ix_recordings_mobile", "started_at", "id", postgresql_where=text("capture = 'mobile'")
        ),
        # The figures ask for the oldest of few among millions.
        Index(
            "ix_recordings_uninspected",
            "received_at",
            postgresql_where=text("inspection_state = 'pending'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    source_call_id: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    claimed_duration_ms: Mapped[int | None]
    direction: Mapped[str]
    capture: Mapped[str]
    line: Mapped[str | None]
    from_party: Mapped[str | None]
    to_party: Mapped[str | None]
    outside_number: Mapped[str | None]
    agent: Mapped[str | None] = mapped_column(AgentRef)
    claimed_notice: Mapped[JsonObject | None]
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id"))
    client_id: Mapped[UUID | None]
    linked_by: Mapped[str]
    received_at: Mapped[datetime]
    flag: Mapped[str] = mapped_column(server_default=Flag.UNKNOWN)
    proof: Mapped[str | None]
    consent_epoch: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    inspection_state: Mapped[str] = mapped_column(server_default=InspectionState.PENDING)
    inspection_reason: Mapped[str | None]
    duration_ms: Mapped[int | None]
    restricted_at: Mapped[datetime | None]
    integrity_failed_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    kept_only_by_hold: Mapped[bool] = mapped_column(server_default=text("false"))

    legs: Mapped[list[Leg]] = relationship(lazy="raise", order_by="Leg.received_at")
    parties: Mapped[list[Party]] = relationship(lazy="raise", order_by="Party.label")


class SealedRow(Base):
    """A sealed object in the archive store and its wrapped key; erasing is destroying the key.

    At `check_due_at` it is to be read and compared with its digest.
    """

    __tablename__ = "sealed_objects"
    __table_args__ = (
        Index(
            "ix_sealed_objects_check_due",
            "check_due_at",
            postgresql_where=text("wrapped_key IS NOT NULL"),
        ),
        Index("ix_sealed_objects_sha256", "sha256"),
    )

    object_id: Mapped[UUID] = mapped_column(primary_key=True)
    wrapped_key: Mapped[bytes | None]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    crc32: Mapped[int] = mapped_column(BigInteger)
    stored_at: Mapped[datetime]
    check_due_at: Mapped[datetime] = mapped_column(server_default=func.now())


STEM = r"regexp_replace(legs.file_name, '\.[^.]*$', '')"
"""The name of a file without its ending, as index and search have it."""


class UploadKey(Base):
    """That an Idempotency-Key of a device came with a leg; another has its own. Inserted only.

    It is a digest, and goes when the recording is erased.
    """

    __tablename__ = "upload_keys"
    __table_args__ = (CheckConstraint("octet_length(key_sha256) = 32", name="key_sha256"),)

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    key_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    leg_id: Mapped[UUID] = mapped_column(ForeignKey("legs.id"), unique=True)


class Leg(Base):
    """One file of a call as the softphone wrote it. Its bytes are never changed."""

    __tablename__ = "legs"
    __table_args__ = (
        Index("uq_legs_leg", "recording_id", "leg", unique=True),
        CheckConstraint(one_of("leg", LegKind), name="leg"),
        CheckConstraint(one_of("inspection_state", InspectionState), name="inspection_state"),
        Index(
            "ix_legs_words",
            text(WORDS.format(STEM.replace("legs.", ""))),
            postgresql_using="gin",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    leg: Mapped[str]
    object_id: Mapped[UUID] = mapped_column(ForeignKey("sealed_objects.object_id"), unique=True)
    media_type: Mapped[str]
    container: Mapped[str]
    codec: Mapped[str | None]
    channels: Mapped[int | None]
    sample_rate_hz: Mapped[int | None]
    file_name: Mapped[str | None]
    client_digest: Mapped[str | None]
    idempotency_key: Mapped[str | None]
    received_at: Mapped[datetime]
    inspection_state: Mapped[str] = mapped_column(server_default=InspectionState.PENDING)
    inspection_reason: Mapped[str | None]
    duration_ms: Mapped[int | None]
    damaged: Mapped[bool | None]
    decoder: Mapped[str | None]
    playable_object_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sealed_objects.object_id"), unique=True
    )
    peaks_object_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sealed_objects.object_id"), unique=True
    )


class ReplacedCopy(Base):
    """A copy that no leg names any more, since another was made anew. Written by the database."""

    __tablename__ = "replaced_copies"

    object_id: Mapped[UUID] = mapped_column(
        ForeignKey("sealed_objects.object_id"), primary_key=True
    )
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    at: Mapped[datetime]


class Party(Base):
    """Somebody heard in a recording, from `present_from_ms` until `present_to_ms` (null: the end).

    `client_id` is the firm he speaks for, null where nobody knows. `exchange_leg` is what the
    exchange calls his part of the call.
    """

    __tablename__ = "parties"
    __table_args__ = (
        CheckConstraint("side IN ('own', 'client', 'other')", name="side"),
        CheckConstraint(
            "how_identified IN ('number', 'event', 'sender', 'person', 'unknown', 'exchange')",
            name="how_identified",
        ),
        CheckConstraint(one_of("presence_by", PresenceBy), name="presence_by"),
        Index("uq_parties_label", "recording_id", "label", unique=True),
        Index("uq_parties_leg", "recording_id", "exchange_leg", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    label: Mapped[str]
    side: Mapped[str]
    client_id: Mapped[UUID | None] = mapped_column(ForeignKey("clients.id"))
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("contacts.id"))
    agent: Mapped[str | None] = mapped_column(AgentRef)
    number: Mapped[str | None]
    present_from_ms: Mapped[int] = mapped_column(server_default=text("0"))
    present_to_ms: Mapped[int | None]
    channel: Mapped[int | None]
    jurisdiction: Mapped[str | None]
    how_identified: Mapped[str]
    exchange_leg: Mapped[str | None]
    presence_by: Mapped[str] = mapped_column(server_default=PresenceBy.SENDER)


class CallEvent(Base):
    """Something that happened on a call, as an exchange or a person told it. Inserted only.

    `told` is all that was told. `skew_ms` is by how much the sender's clock was behind ours when
    it sent. Times are the sender's own.
    """

    __tablename__ = "call_events"
    __table_args__ = (
        CheckConstraint(one_of("kind", CallEventKind), name="kind"),
        CheckConstraint("num_nonnulls(device_id, user_id) = 1", name="sender"),
        CheckConstraint("answer IN ('agreed', 'refused')", name="answer"),
        CheckConstraint("ended_at >= at", name="span"),
        Index("uq_call_events_device", "device_id", "event_id", unique=True),
        Index("uq_call_events_user", "user_id", "event_id", unique=True),
        Index("ix_call_events_call", "call_id", "at"),
        Index("ix_call_events_number", "number", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("devices.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    event_id: Mapped[str]
    call_id: Mapped[str]
    kind: Mapped[str]
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    text_id: Mapped[UUID | None]
    text_version: Mapped[int | None]
    audio_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    answer: Mapped[str | None]
    row_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    number: Mapped[str | None]
    told: Mapped[JsonObject]
    told_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    skew_ms: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime]


class PartyChange(Base):
    """A change of who was on the line when, applied or proposed. Settled once, else fixed."""

    __tablename__ = "party_changes"
    __table_args__ = (
        CheckConstraint("source IN ('exchange', 'person')", name="source"),
        CheckConstraint(one_of("state", ChangeState), name="state"),
        CheckConstraint("(source = 'person') = (proposed_by IS NOT NULL)", name="proposer"),
        CheckConstraint(
            "num_nonnulls(decided_by, decided_at)"
            " = CASE WHEN state IN ('confirmed', 'rejected') THEN 2 ELSE 0 END",
            name="decided",
        ),
        CheckConstraint("decided_by <> proposed_by", name="four_eyes"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    party_id: Mapped[UUID] = mapped_column(ForeignKey("parties.id"), index=True)
    source: Mapped[str]
    before: Mapped[JsonObject | None]
    after: Mapped[JsonObject]
    reason: Mapped[str | None]
    state: Mapped[str]
    proposed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    proposed_at: Mapped[datetime]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]


class LinkChange(Base):
    """The history of how a recording or screenshot was tied to events. Inserted only."""

    __tablename__ = "link_changes"
    __table_args__ = (
        CheckConstraint(one_of("linked_by", LinkedBy), name="linked_by"),
        CheckConstraint("num_nonnulls(recording_id, screenshot_id) = 1", name="one_object"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"), index=True)
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"), index=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id"))
    linked_by: Mapped[str]
    at: Mapped[datetime]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str | None]


class NoClient(StrEnum):
    """Why a call is of no client."""

    PRIVATE = "private"
    WRONG_NUMBER = "wrong_number"
    SUPPLIER = "supplier"
    ADVERTISING = "advertising"
    TEST = "test"
    OTHER = "other"


class TriageAside(Base):
    """That somebody took a recording out of triage as of no client. Undone, never removed.

    The recording stays as it is, and so does what may be done with it.
    """

    __tablename__ = "triage_asides"
    __table_args__ = (
        CheckConstraint(one_of("reason", NoClient), name="reason"),
        CheckConstraint("num_nonnulls(undone_by, undone_at) IN (0, 2)", name="undone"),
        Index(
            "uq_triage_asides_open",
            "recording_id",
            unique=True,
            postgresql_where=text("undone_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    reason: Mapped[str]
    note: Mapped[str | None]
    set_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    set_at: Mapped[datetime]
    undone_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    undone_at: Mapped[datetime | None]


class Screenshot(Base):
    """A picture of a screen, as it was sent.

    Restricted, or kept by nothing but a hold, it is used for little else, as a recording is.
    """

    __tablename__ = "screenshots"
    __table_args__ = (
        CheckConstraint(one_of("linked_by", LinkedBy), name="linked_by"),
        Index("uq_screenshots_body", "device_id", "captured_at", "sha256", unique=True),
        Index("ix_screenshots_event", "event_id", desc("captured_at"), desc("id")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    captured_at: Mapped[datetime]
    agent: Mapped[str | None] = mapped_column(AgentRef)
    note: Mapped[str | None]
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id"))
    linked_by: Mapped[str]
    object_id: Mapped[UUID] = mapped_column(ForeignKey("sealed_objects.object_id"), unique=True)
    sha256: Mapped[bytes]
    media_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    file_name: Mapped[str | None]
    received_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
    restricted_at: Mapped[datetime | None]
    kept_only_by_hold: Mapped[bool] = mapped_column(server_default=text("false"))


class SavedSearch(Base):
    """A list of recordings that somebody narrowed and wants to see again, by its address.

    `is_shared`: everybody may use it, each within what he may see. Only its owner changes it.
    """

    __tablename__ = "saved_searches"
    __table_args__ = (
        CheckConstraint("btrim(name) <> '' AND length(name) <= 80", name="name"),
        CheckConstraint("length(query) <= 2000", name="query"),
        Index("uq_saved_searches_name", "owner_id", "name", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    query: Mapped[str]
    is_shared: Mapped[bool] = mapped_column(server_default=text("false"))
    made_at: Mapped[datetime]


class SearchPin(Base):
    """That somebody wants the number of a saved search in his inbox."""

    __tablename__ = "search_pins"

    search_id: Mapped[UUID] = mapped_column(ForeignKey("saved_searches.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)


class Selection(Base):
    """Recordings that somebody chose from a list, frozen, and what was done with all of them.

    `done` has an element for each thing done: what, with how many, and why not with the others.
    """

    __tablename__ = "selections"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    made_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime]
    recording_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    done: Mapped[list[JsonObject]] = mapped_column(JSONB, server_default=text("'[]'"))
