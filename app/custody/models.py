"""The tables of the ledger."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject


class CustodyEntry(Base):
    """One thing that happened, told without personal data. Inserted only.

    `position` grows in the order of insertion and may have gaps; a sequencer lays the gapless
    log over it. `at` is when it happened by the application's clock; `written_at` is the
    database's own, and no role can choose either it or the position.
    """

    __tablename__ = "custody_entries"
    __table_args__ = (
        CheckConstraint("outcome IN ('success', 'denied', 'failed')", name="outcome"),
        CheckConstraint("actor_kind IN ('user', 'device', 'system', 'link')", name="actor_kind"),
        Index("ix_custody_entries_object", "object_kind", "object_id", "position"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    at: Mapped[datetime]
    act: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[UUID]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_role: Mapped[str | None]
    outcome: Mapped[str]
    facts: Mapped[JsonObject]
    content_commitment: Mapped[bytes | None]
    detail_commitment: Mapped[bytes | None]
    written_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CustodyPrivate(Base):
    """What an entry commits to, encrypted, with the salt; removed when the object is erased."""

    __tablename__ = "custody_private"
    __table_args__ = (CheckConstraint("label IN ('content', 'detail')", name="label"),)

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("custody_entries.id"), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    salt: Mapped[bytes]
    ciphertext: Mapped[bytes]


class LedgerLeaf(Base):
    """The place of an entry in the tree: leaf `seq`, counted from 0 without gaps. Inserted only.

    No foreign key leads to the entry: its lock would write to each entry once more, and a missing
    entry is found by the verification in any case. The object stands here once more, so that the
    leaf before it about the same object is found by an index.
    """

    __tablename__ = "ledger_leaves"
    __table_args__ = (
        CheckConstraint("octet_length(leaf_hash) = 32", name="hash"),
        Index("ix_ledger_leaves_object", "object_kind", "object_id", "seq"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[UUID] = mapped_column(unique=True)
    object_kind: Mapped[str]
    object_id: Mapped[UUID]
    leaf: Mapped[bytes]
    leaf_hash: Mapped[bytes]


class LedgerTile(Base):
    """256 hashes side by side that never change again, and the hash over them. Inserted only."""

    __tablename__ = "ledger_tiles"
    __table_args__ = (
        CheckConstraint("octet_length(hashes) = 8192 AND octet_length(root) = 32", name="whole"),
    )

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes]
    root: Mapped[bytes]


class LedgerProgress(Base):
    """How far the sequencer has looked: the greatest position that it has seen. One row."""

    __tablename__ = "ledger_progress"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)


class LedgerGap(Base):
    """Positions below the progress whose entries were not there when it passed.

    `writers` are the virtual transactions that were writing entries then; when none of them is
    left, what has not come was rolled back and never comes.
    """

    __tablename__ = "ledger_gaps"
    __table_args__ = (CheckConstraint("first_position <= last_position", name="order"),)

    first_position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    last_position: Mapped[int] = mapped_column(BigInteger)
    writers: Mapped[list[str]] = mapped_column(ARRAY(Text))


class RefusalsTold(Base):
    """How many refusals of somebody the ledger was told of in his present minute.

    It is not logged: what a crash loses of it is a minute's count.
    """

    __tablename__ = "refusals_told"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    actor_id: Mapped[UUID] = mapped_column(primary_key=True)
    began_at: Mapped[datetime]
    count: Mapped[int]


class Checkpoint(Base):
    """A signed head of the tree, as it was given out. Inserted only.

    `wants_stamp` says that time stamp authorities are asked to witness it.
    """

    __tablename__ = "checkpoints"
    __table_args__ = (
        CheckConstraint("octet_length(root) = 32", name="root"),
        CheckConstraint("size >= 0", name="size"),
        Index("ix_checkpoints_size", "size", "signed_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[bytes]
    note: Mapped[str]
    wants_stamp: Mapped[bool]
    signed_at: Mapped[datetime]


class CheckpointStamp(Base):
    """What a time stamp authority said of a checkpoint, verified when it came. Inserted only.

    `response` is its whole answer as RFC 3161 has it; `stamped_at` is the moment it names.
    """

    __tablename__ = "checkpoint_stamps"
    __table_args__ = (UniqueConstraint("checkpoint_id", "authority"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    checkpoint_id: Mapped[UUID] = mapped_column(ForeignKey("checkpoints.id"))
    authority: Mapped[str]
    response: Mapped[bytes]
    stamped_at: Mapped[datetime]
    received_at: Mapped[datetime]


class LedgerKey(Base):
    """A public key of the log, and when it began and ended to sign. Inserted only.

    `at_size` is the size of the tree at that moment: the key signs from there, or until there.
    """

    __tablename__ = "ledger_keys"
    __table_args__ = (
        CheckConstraint("state IN ('begun', 'ended')", name="state"),
        CheckConstraint("octet_length(public_key) = 32", name="public_key"),
    )

    public_key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    name: Mapped[str]
    at_size: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
