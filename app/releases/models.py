"""The tables of releases, their copies and their links."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, desc, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, one_of


class ReleaseState(StrEnum):
    """How far a release has come."""

    REQUESTED = "requested"
    GRANTED = "granted"
    REVOKED = "revoked"
    DENIED = "denied"


class EndReason(StrEnum):
    """Why a release ended."""

    PERSON = "person"  # Somebody revoked it, or turned the request down.
    CONSENT = "consent"  # The decision no longer allows it.
    EXPIRED = "expired"  # Its time was over.


class Release(Base):
    """Recordings asked for, or handed over, to one contact of a client for one purpose.

    `sender_name`, `sender_person` and `client_name` are what the recipient's page shows, as they
    were when the release was asked for. `end_note` is why a person ended it, in his words.
    """

    __tablename__ = "releases"
    __table_args__ = (
        CheckConstraint(one_of("state", ReleaseState), name="state"),
        CheckConstraint(one_of("end_reason", EndReason), name="end_reason"),
        CheckConstraint(
            "(state IN ('granted', 'revoked')) = (granted_at IS NOT NULL) "
            "AND (granted_at IS NULL) = (expires_at IS NULL)",
            name="granted",
        ),
        CheckConstraint(
            "(state IN ('revoked', 'denied')) = (revoked_at IS NOT NULL) "
            "AND (revoked_at IS NULL) = (end_reason IS NULL)",
            name="ended",
        ),
        CheckConstraint("lifetime > interval '0' AND lifetime <= interval '366 days'", name="life"),
        Index("ix_releases_requested", desc("requested_at"), desc("id")),
        Index("ix_releases_client", "client_id", desc("requested_at"), desc("id")),
        Index("ix_releases_live", "expires_at", postgresql_where="state = 'granted'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID | None] = mapped_column(ForeignKey("disputes.id"), index=True)
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"))
    purpose: Mapped[str]
    recipient_class: Mapped[str]
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime]
    sender_name: Mapped[str | None]
    sender_person: Mapped[str]
    client_name: Mapped[str]
    lifetime: Mapped[timedelta]
    state: Mapped[str]
    granted_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    end_reason: Mapped[str | None]
    end_note: Mapped[str | None]

    wishes: Mapped[list[ReleaseWish]] = relationship(lazy="raise", order_by="ReleaseWish.position")
    items: Mapped[list[ReleaseItem]] = relationship(lazy="raise", order_by="ReleaseItem.position")
    links: Mapped[list[ShareLink]] = relationship(lazy="raise", order_by="ShareLink.created_at")


class ReleaseWish(Base):
    """What is asked for: a part of a recording, or a screenshot.

    The part goes from `from_ms` until `to_ms` (null: its end).
    `redactions` are the stretches that shall not be heard, `areas` the parts of a screenshot that
    shall not be seen. A wish is never changed, so an approval is of exactly these.
    """

    __tablename__ = "release_wishes"
    __table_args__ = (
        CheckConstraint("from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)", name="segment"),
        CheckConstraint("num_nonnulls(recording_id, screenshot_id) = 1", name="one_object"),
        CheckConstraint("screenshot_id IS NOT NULL OR areas = '[]'", name="areas"),
        Index("uq_release_wishes_position", "release_id", "position", unique=True),
        Index("uq_release_wishes_screenshot", "release_id", "screenshot_id", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.id"))
    position: Mapped[int]
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"), index=True)
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"), index=True)
    from_ms: Mapped[int] = mapped_column(server_default=text("0"))
    to_ms: Mapped[int | None]
    redactions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    areas: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    decision_id: Mapped[UUID] = mapped_column(ForeignKey("consent_decisions.id"))

    approvals: Mapped[list[ReleaseApproval]] = relationship(
        lazy="raise", order_by="ReleaseApproval.at"
    )


class ReleaseApproval(Base):
    """A person's yes to one wish, as everything stood: `inputs_digest` says how it stood.

    `approver_role` is what the person was then.
    """

    __tablename__ = "release_approvals"
    __table_args__ = (
        CheckConstraint("octet_length(inputs_digest) = 32", name="inputs_digest"),
        CheckConstraint("approver_role IN ('approver', 'legal')", name="approver_role"),
        Index("uq_release_approvals_once", "wish_id", "approver_id", "inputs_digest", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.id"), index=True)
    wish_id: Mapped[UUID] = mapped_column(ForeignKey("release_wishes.id"))
    approver_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    approver_role: Mapped[str]
    inputs_digest: Mapped[bytes]
    note: Mapped[str | None]
    at: Mapped[datetime]


class ReleaseItem(Base):
    """A copy that left, sealed under the release store's master key. Never changed.

    `decision_id` and `stamp` are the decision it was made under; destroying the copy is destroying
    `wrapped_key`. `direction` and `started_at` are what the recipient's page shows of the call; of
    a screenshot, which has no direction, `started_at` is when it was taken. `redactions` and
    `areas` are those of its wish. `derivation` is the canonical JSON by which anybody with the
    originals makes the same bytes; a whole call, which leaves as its playable copy, has none.
    """

    __tablename__ = "release_items"
    __table_args__ = (
        CheckConstraint("num_nonnulls(recording_id, screenshot_id) = 1", name="one_object"),
        CheckConstraint("screenshot_id IS NOT NULL OR areas = '[]'", name="areas"),
        CheckConstraint("(direction IS NOT NULL) = (recording_id IS NOT NULL)", name="direction"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.id"), index=True)
    wish_id: Mapped[UUID] = mapped_column(ForeignKey("release_wishes.id"), unique=True)
    position: Mapped[int]
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"), index=True)
    screenshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("screenshots.id"), index=True)
    from_ms: Mapped[int]
    to_ms: Mapped[int | None]
    redactions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    areas: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    derivation: Mapped[str | None]
    object_id: Mapped[UUID] = mapped_column(unique=True)
    wrapped_key: Mapped[bytes | None]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    media_type: Mapped[str]
    duration_ms: Mapped[int | None]
    decision_id: Mapped[UUID] = mapped_column(ForeignKey("consent_decisions.id"))
    stamp: Mapped[str]
    direction: Mapped[str | None]
    started_at: Mapped[datetime]
    created_at: Mapped[datetime]


class BundleState(StrEnum):
    """How far a release's bundle has come."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    DESTROYED = "destroyed"


class ReleaseBundle(Base):
    """The bundle of a release, one for each, sealed under the release store's master key.

    `entry_id` is the ledger's entry of its making, written before its proofs could be cut;
    `manifest_sha256` and `manifest_sha512` are the digests of its two manifests, which that entry
    names. `enclosed` are the papers that are in them: a making that begins anew takes the same.
    `checkpoint_size` and `checkpoint_root` are the head of the log that was handed over.
    """

    __tablename__ = "release_bundles"
    __table_args__ = (
        CheckConstraint(one_of("state", BundleState), name="state"),
        CheckConstraint(
            "state <> 'ready' OR num_nulls(entry_id, manifest_sha256, manifest_sha512, object_id, "
            "wrapped_key, size_bytes, sha256, key_fingerprint, checkpoint_size, checkpoint_root, "
            "made_at) = 0",
            name="ready",
        ),
        CheckConstraint("state <> 'destroyed' OR wrapped_key IS NULL", name="destroyed"),
        CheckConstraint("(state = 'failed') = (reason IS NOT NULL)", name="failed"),
    )

    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.id"), primary_key=True)
    state: Mapped[str]
    reason: Mapped[str | None]
    entry_id: Mapped[UUID | None]
    manifest_sha256: Mapped[bytes | None]
    manifest_sha512: Mapped[bytes | None]
    enclosed: Mapped[list[dict[str, object]] | None] = mapped_column(JSONB)
    object_id: Mapped[UUID | None] = mapped_column(unique=True)
    wrapped_key: Mapped[bytes | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None]
    key_fingerprint: Mapped[str | None]
    checkpoint_size: Mapped[int | None] = mapped_column(BigInteger)
    checkpoint_root: Mapped[bytes | None]
    asked_at: Mapped[datetime]
    made_at: Mapped[datetime | None]


class ShareLink(Base):
    """The way to a release for whoever holds its token; only the token's digest is kept."""

    __tablename__ = "share_links"
    __table_args__ = (
        CheckConstraint("octet_length(token_digest) = 32", name="token_digest"),
        CheckConstraint("view_limit IS NULL OR view_limit > 0", name="view_limit"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.id"), index=True)
    token_digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    view_limit: Mapped[int | None]
    passphrase_hash: Mapped[str | None]


class LinkTry(Base):
    """That somebody gave a passphrase on the page of a link. Written by the database's function."""

    __tablename__ = "link_tries"
    __table_args__ = (Index("ix_link_tries_link", "link_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    link_id: Mapped[UUID] = mapped_column(ForeignKey("share_links.id"))
    at: Mapped[datetime]


class LinkAnswer(Base):
    """What the holder of a link said on its page: that he heard it, or his answer with his name.

    Written by the database's function alone, once of each, and never changed but by an erasure.
    """

    __tablename__ = "link_answers"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('heard', 'acknowledged', 'disputes', 'took_measures')", name="kind"
        ),
        CheckConstraint(
            "num_nonnulls(words, name) = CASE WHEN kind = 'heard' THEN 0 ELSE 2 END", name="said"
        ),
        CheckConstraint("length(words) <= 10000 AND length(name) <= 200", name="length"),
        Index("uq_link_answers_once", "link_id", text("(kind = 'heard')"), unique=True),
        Index("ix_link_answers_release_id", "release_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    link_id: Mapped[UUID] = mapped_column(ForeignKey("share_links.id"))
    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.id"))
    kind: Mapped[str]
    words: Mapped[str | None]
    name: Mapped[str | None]
    at: Mapped[datetime]
    restricted_at: Mapped[datetime | None]
    kept_only_by_hold: Mapped[bool] = mapped_column(server_default=text("false"))
    erased_at: Mapped[datetime | None]


class ShareView(Base):
    """One time that the holder of a link asked to listen; written by the database's function.

    `view_digest` is that of the secret in the listener's cookie: audio is given to a counted view.
    """

    __tablename__ = "share_views"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    link_id: Mapped[UUID] = mapped_column(ForeignKey("share_links.id"), index=True)
    at: Mapped[datetime]
    view_digest: Mapped[bytes] = mapped_column(unique=True)
