"""What crosses the wire about the log."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class InclusionRead(BaseModel):
    """Where an entry stands in the tree of `checkpoint`, and the proof of it.

    `leaf` is the text that `leaf_hash` is of (after a byte 00); it is given to whoever names the
    entry, and null where only a number was named. Size and root are those of the checkpoint.
    """

    seq: int
    entry: UUID | None
    leaf: str | None
    leaf_hash: str
    path: list[str] = Field(description="Base64, from the leaf's sibling up to the root's child.")
    checkpoint: str
    tlog_proof: str


class ConsistencyRead(BaseModel):
    """The proof that the tree of `to_size` leaves only added to that of `from_size`."""

    from_size: int
    to_size: int
    path: list[str]


class LedgerKeyRead(BaseModel):
    """A key that signs, or has signed, and the sizes of the tree from and until which."""

    purpose: str
    name: str
    vkey: str
    fingerprint: str
    pem: str
    begun_at: datetime
    begun_at_size: int
    ended_at: datetime | None
    ended_at_size: int | None


class LedgerKeys(BaseModel):
    """The keys as the archive tells of them; compare fingerprints with what you hold."""

    keys: list[LedgerKeyRead]
