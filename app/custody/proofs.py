"""Proofs from the tables: few rows are read, however large the tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.custody import tiles, tree
from app.custody.ledger import DetailCipher
from app.custody.models import CustodyPrivate, LedgerLeaf
from app.custody.tiles import WIDTH, Tile
from app.custody.tree import Node

_LEAF_HASHES = text(
    "SELECT leaf_hash FROM ledger_leaves WHERE seq >= :first AND seq < :end ORDER BY seq"
)
_TILE_ROOTS = text(
    'SELECT root FROM ledger_tiles WHERE level = :level AND "index" >= :first '
    'AND "index" < :end ORDER BY "index"'
)
_TILE = text('SELECT hashes FROM ledger_tiles WHERE level = :level AND "index" = :index')


class TreeIncomplete(Exception):
    """The tables do not hold the tree that they should; `audiatur ledger verify` says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A private value beside an entry with its salt, enough to check the entry's commitment."""

    entry_id: UUID
    label: str
    salt: bytes
    value: bytes


def size_of(session: Session) -> int:
    """Return how many leaves the tree has."""
    last = session.scalar(select(LedgerLeaf.seq).order_by(LedgerLeaf.seq.desc()).limit(1))
    return 0 if last is None else last + 1


def row_of(session: Session, level: int, first: int, count: int) -> list[bytes]:
    """Return hashes side by side on a tile's level: of leaves, or of whole tiles below.

    Raises:
        TreeIncomplete: some are not there.
    """
    if not count:
        return []
    end = first + count
    if level == 0:
        found = session.scalars(_LEAF_HASHES, {"first": first, "end": end})
    else:
        asked = {"level": level - 1, "first": first, "end": end}
        found = session.scalars(_TILE_ROOTS, asked)
    row = [bytes(one) for one in found]
    if len(row) != count:
        raise TreeIncomplete(f"Of level {level}, {count - len(row)} hashes from {first} are gone.")
    return row


def nodes(session: Session) -> Node:
    """Return the nodes of the tree; a whole tile is read once."""
    whole: dict[tuple[int, int], list[bytes]] = {}

    def row(level: int, first: int, count: int) -> list[bytes]:
        index, at = divmod(first, WIDTH)
        place = (level, index)
        if place not in whole:
            kept = session.scalar(_TILE, {"level": level, "index": index})
            if kept is None:
                return row_of(session, level, first, count)
            whole[place] = tiles.split(bytes(kept))
        return whole[place][at : at + count]

    return tiles.nodes_of(row)


def root_at(session: Session, size: int) -> bytes:
    """Return the root that the tree had with `size` leaves."""
    return tree.root_of(size, nodes(session))


def inclusion_proof(session: Session, seq: int, size: int) -> list[bytes]:
    """Return the audit path of leaf `seq` in the tree of `size` leaves, a checkpoint's.

    Raises:
        ValueError: that tree has no such leaf.
        TreeIncomplete: the tables have been damaged.
    """
    return tree.inclusion_path(seq, size, nodes(session))


def consistency_proof(session: Session, first: int, second: int) -> list[bytes]:
    """Return the proof that the tree of `second` leaves only added to that of `first`.

    Raises:
        ValueError: the sizes are not in this order.
        TreeIncomplete: the tables have been damaged.
    """
    return tree.consistency_path(first, second, nodes(session))


def tile_bytes(session: Session, tile: Tile) -> bytes | None:
    """Return the hashes of a tile as clients are given them, None where the tree has no such one.

    A narrow tile is given for every size that the tree has had.
    """
    if tile.end > size_of(session):
        return None
    if tile.width == WIDTH:
        kept = session.scalar(_TILE, {"level": tile.level, "index": tile.index})
        if kept is None:
            raise TreeIncomplete(f"Tile {tile.index} of level {tile.level} is gone.")
        return bytes(kept)
    return b"".join(row_of(session, tile.level, tile.index * WIDTH, tile.width))


def leaf_at(session: Session, seq: int) -> LedgerLeaf | None:
    """Return leaf `seq`."""
    return session.get(LedgerLeaf, seq)


def leaf_of_entry(session: Session, entry_id: UUID) -> LedgerLeaf | None:
    """Return the leaf of an entry, None as long as it has no number."""
    return session.scalar(select(LedgerLeaf).where(LedgerLeaf.entry_id == entry_id))


def leaves_about(session: Session, kind: str, object_id: UUID, *, size: int) -> list[LedgerLeaf]:
    """Return the leaves about one object below `size`, in order; each names the one before."""
    return list(
        session.scalars(
            select(LedgerLeaf)
            .where(
                LedgerLeaf.object_kind == kind,
                LedgerLeaf.object_id == object_id,
                LedgerLeaf.seq < size,
            )
            .order_by(LedgerLeaf.seq)
        )
    )


def opened_details(session: Session, entries: Iterable[UUID]) -> Iterator[Opened]:
    """Give what stands beside `entries`, opened; what was erased is left out.

    Raises:
        cryptography.exceptions.InvalidTag: what stands there was altered.
    """
    cipher: DetailCipher = session.info["detail_cipher"]
    rows = session.scalars(
        select(CustodyPrivate)
        .where(CustodyPrivate.entry_id.in_(list(entries)))
        .order_by(CustodyPrivate.entry_id, CustodyPrivate.label)
    )
    for row in rows:
        value = cipher.open(row.entry_id, row.label, row.ciphertext)
        yield Opened(entry_id=row.entry_id, label=row.label, salt=row.salt, value=value)
