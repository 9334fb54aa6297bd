"""What the ledger has of one object, each entry with its place in the tree and its proof."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.custody import checkpoints, leaves, proofs, tree
from app.custody.models import Checkpoint, CustodyEntry, LedgerLeaf
from app.custody.proofs import TreeIncomplete
from app.custody.tree import Head, Node, ProofInvalid


class Proof(StrEnum):
    """How far an entry is proved to stand in the log as it is told."""

    WAITING = "waiting"  # It has no number yet.
    NUMBERED = "numbered"  # No checkpoint covers it yet.
    PROVED = "proved"
    BROKEN = "broken"  # The entry, its leaf or the tree was altered.


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An entry, its leaf, the first checkpoint that covers it, and what a proof gave just now."""

    entry: CustodyEntry
    leaf: LedgerLeaf | None
    covered_by: Checkpoint | None
    proof: Proof


def of_object(
    session: Session, kind: str, object_id: UUID, *, before: int | None, limit: int
) -> list[Told]:
    """Return entries about an object, the newest first, of those before position `before`.

    Each that a checkpoint covers is proved anew: the entry makes its leaf, and the leaf leads to
    the root that was signed last.
    """
    query = select(CustodyEntry).where(
        CustodyEntry.object_kind == kind, CustodyEntry.object_id == object_id
    )
    if before is not None:
        query = query.where(CustodyEntry.position < before)
    rows = session.scalars(query.order_by(CustodyEntry.position.desc()).limit(limit)).all()
    placed = _leaves(session, rows)
    newest, nodes = checkpoints.newest(session), proofs.nodes(session)
    return [_told(session, row, placed.get(row.id), newest, nodes) for row in rows]


def _leaves(session: Session, rows: Sequence[CustodyEntry]) -> dict[UUID, LedgerLeaf]:
    found = session.scalars(
        select(LedgerLeaf).where(LedgerLeaf.entry_id.in_([row.id for row in rows]))
    )
    return {leaf.entry_id: leaf for leaf in found}


def _told(
    session: Session,
    entry: CustodyEntry,
    leaf: LedgerLeaf | None,
    newest: Checkpoint | None,
    nodes: Node,
) -> Told:
    if leaf is None:
        return Told(entry=entry, leaf=None, covered_by=None, proof=Proof.WAITING)
    if newest is None or leaf.seq >= newest.size:
        return Told(entry=entry, leaf=leaf, covered_by=None, proof=Proof.NUMBERED)
    first = session.scalar(
        select(Checkpoint)
        .where(Checkpoint.size > leaf.seq)
        .order_by(Checkpoint.size, Checkpoint.signed_at)
        .limit(1)
    )
    is_proved = _is_its_leaf(entry, leaf) and _is_in_tree(leaf, newest, nodes)
    proof = Proof.PROVED if is_proved else Proof.BROKEN
    return Told(entry=entry, leaf=leaf, covered_by=first, proof=proof)


def _is_its_leaf(entry: CustodyEntry, leaf: LedgerLeaf) -> bool:
    kept = bytes(leaf.leaf)
    told = json.loads(kept)
    prev = told["object"]["prev"]
    made = leaves.leaf_of(entry, log=told["log"], seq=leaf.seq, prev=prev)
    return made == kept and tree.leaf_hash(kept) == bytes(leaf.leaf_hash)


def _is_in_tree(leaf: LedgerLeaf, signed: Checkpoint, nodes: Node) -> bool:
    head = Head(size=signed.size, root=bytes(signed.root))
    try:
        path = tree.inclusion_path(leaf.seq, head.size, nodes)
        tree.check_inclusion(bytes(leaf.leaf_hash), leaf.seq, path, head)
    except (ProofInvalid, TreeIncomplete):
        return False
    return True
