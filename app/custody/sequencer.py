"""The sequencer: lays the gapless log over the entries, one batch after the other.

An entry takes its position when it is inserted and is seen when its transaction commits, so
positions come late, out of order, or never. The sequencer goes on past what is missing, notes the
gap, and gives an entry that comes late the next number. It never waits for anybody's transaction.

Whether a gap will ever be filled is told by the lock on the table. Whoever has taken a position
holds the lock of a writer until its transaction ends, and a commit is seen before its lock is
gone. So the steps of a batch are, in this order:

1. Ask which transactions hold a writer's lock.
2. Read entries in known gaps, then those after the greatest position seen so far.
3. A gap without entries is closed if by step 1 none of those is left that wrote when it was found.
4. What step 2 skipped is a new gap; its writers are those who hold the lock now, after step 2.

Leaf, tiles and progress are one transaction, so a crash leaves a batch whole or not begun, and an
advisory lock lets one sequencer at a time work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.core.db import Database, copy_in
from app.custody import proofs
from app.custody.leaves import leaf_of
from app.custody.tiles import WIDTH
from app.custody.tree import fold, leaf_hash

BATCH = 2000
_LOCK = 0x6C656467657231  # "ledger1", a number that nothing else here locks.
_WRITERS = text(
    """
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock'
      AND relation = 'custody_entries'::regclass
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
)
_ENTRIES = """
    SELECT e.id, e.position, e.at, e.act, e.object_kind, e.object_id, e.actor_kind, e.actor_id,
        e.actor_role, e.outcome, e.facts, e.content_commitment, e.detail_commitment, e.written_at, (
        SELECT l.seq FROM ledger_leaves l
        WHERE l.object_kind = e.object_kind AND l.object_id = e.object_id
        ORDER BY l.seq DESC LIMIT 1
    ) AS prev
    FROM custody_entries e
"""
_LATE = text(
    f"""
    {_ENTRIES}
    JOIN ledger_gaps g ON e.position BETWEEN g.first_position AND g.last_position
    ORDER BY e.position LIMIT :most
    """
)
_NEW = text(f"{_ENTRIES} WHERE e.position > :after ORDER BY e.position LIMIT :most")
_ADD_LEAVES = """
    COPY ledger_leaves (seq, entry_id, object_kind, object_id, leaf, leaf_hash)
    FROM STDIN (FORMAT BINARY)
"""
_LEAF_TYPES = ("int8", "uuid", "text", "uuid", "bytea", "bytea")
_ADD_TILE = text(
    'INSERT INTO ledger_tiles (level, "index", hashes, root) '
    "VALUES (:level, :index, :hashes, :root)"
)
_ADD_GAPS = text(
    """
    INSERT INTO ledger_gaps (first_position, last_position, writers)
    SELECT first, last, CAST(:writers AS text[])
    FROM unnest(CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[])) AS gap (first, last)
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Positions from `first` to `last` that were not there, and who was writing then."""

    first: int
    last: int
    writers: tuple[str, ...]


class _Found(NamedTuple):
    """An entry without a number, and the number of the newest leaf about its object."""

    id: UUID
    position: int
    at: datetime
    act: str
    object_kind: str
    object_id: UUID
    actor_kind: str
    actor_id: UUID | None
    actor_role: str | None
    outcome: str
    facts: Mapping[str, object]
    content_commitment: bytes | None
    detail_commitment: bytes | None
    written_at: datetime
    prev: int | None


class Sequencer:
    """Gives numbers to the entries of one log."""

    def __init__(self, database: Database, log: str, *, batch: int = BATCH) -> None:
        self._database = database
        self._log = log
        self._batch = batch

    def catch_up(self) -> int:
        """Give numbers until no entry is left that is committed by now; return how many.

        Another sequencer at work is waited for.

        Raises:
            DatabaseAway: what was done in whole batches is kept.
        """
        return self._go_on(is_patient=True)

    def catch_up_if_free(self) -> int:
        """Do as `catch_up`, but leave all of it to another sequencer that is at work.

        Raises:
            DatabaseAway: what was done in whole batches is kept.
        """
        return self._go_on(is_patient=False)

    def _go_on(self, *, is_patient: bool) -> int:
        done = 0
        while count := self._once(is_patient=is_patient):
            done += count
            if count < self._batch:
                break
        return done

    def _once(self, *, is_patient: bool) -> int:
        with self._database.transaction() as session:
            if is_patient:
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            elif not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
                return 0
            return _sequence(session, self._log, most=self._batch)


def _sequence(session: Session, log: str, *, most: int) -> int:
    gaps = _gaps(session)
    writing = _writers(session) if gaps else frozenset()
    late = _found(session, _LATE, {"most": most}) if gaps else []
    progress = session.scalar(text("SELECT position FROM ledger_progress")) or 0
    new = _found(session, _NEW, {"after": progress, "most": most - len(late)})
    # A full batch of late entries may have left some behind, so no gap is closed by it.
    is_whole = len(late) < most
    if gaps and (late or is_whole):
        _settle(session, gaps, [one.position for one in late], writing, is_whole=is_whole)
    if new:
        _advance(session, progress, [one.position for one in new])
    found = [*late, *new]
    if found:
        _add(session, log, found)
    return len(found)


def _found(session: Session, entries: TextClause, asked: Mapping[str, int]) -> list[_Found]:
    # A row of SQLAlchemy looks each name up anew, which costs more than the tuple.
    return [_Found._make(row) for row in session.execute(entries, asked)]


def _gaps(session: Session) -> list[Gap]:
    rows = session.execute(
        text("SELECT first_position, last_position, writers FROM ledger_gaps ORDER BY 1")
    )
    return [Gap(first=first, last=last, writers=tuple(writers)) for first, last, writers in rows]


def _writers(session: Session) -> frozenset[str]:
    return frozenset(session.scalars(_WRITERS))


def _settle(
    session: Session,
    gaps: Sequence[Gap],
    come: Sequence[int],
    writing: frozenset[str],
    *,
    is_whole: bool,
) -> None:
    """Keep of each gap what may still come."""
    changed = [
        (gap, left)
        for gap in gaps
        if (left := still_open(gap, come, writing, is_whole=is_whole)) != [gap]
    ]
    if not changed:
        return
    session.execute(
        text("DELETE FROM ledger_gaps WHERE first_position = ANY(:firsts)"),
        {"firsts": [gap.first for gap, _ in changed]},
    )
    for gap, left in changed:
        _keep_gaps(session, left, gap.writers)


def still_open(
    gap: Gap, come: Iterable[int], writing: frozenset[str], *, is_whole: bool
) -> list[Gap]:
    """Return what is left of `gap` after the positions `come` were seen.

    Nothing is left if none of its writers is among those `writing`, which were asked for before
    the entries were, and if all entries were seen (`is_whole`).
    """
    if is_whole and writing.isdisjoint(gap.writers):
        return []
    inside = [position for position in come if gap.first <= position <= gap.last]
    return [
        Gap(first=first, last=last, writers=gap.writers)
        for first, last in missing(gap.first - 1, [*inside, gap.last + 1])
    ]


def missing(after: int, seen: Iterable[int]) -> list[tuple[int, int]]:
    """Return the ranges that are missing between `after` and the growing numbers `seen`."""
    ranges = []
    for position in seen:
        if position > after + 1:
            ranges.append((after + 1, position - 1))
        after = position
    return ranges


def _advance(session: Session, progress: int, seen: Sequence[int]) -> None:
    ranges = missing(progress, seen)
    if ranges:
        writers = sorted(_writers(session))
        _keep_gaps(
            session,
            [Gap(first=first, last=last, writers=tuple(writers)) for first, last in ranges],
            writers,
        )
    session.execute(text("UPDATE ledger_progress SET position = :seen"), {"seen": seen[-1]})


def _keep_gaps(session: Session, gaps: Sequence[Gap], writers: Sequence[str]) -> None:
    if gaps:
        session.execute(
            _ADD_GAPS,
            {
                "firsts": [gap.first for gap in gaps],
                "lasts": [gap.last for gap in gaps],
                "writers": list(writers),
            },
        )


def _add(session: Session, log: str, found: Sequence[_Found]) -> None:
    """Write leaves for the entries `found` in this order, and the tiles that they fill."""
    first = proofs.size_of(session)
    hashes: list[bytes] = []
    copy_in(session, _ADD_LEAVES, _LEAF_TYPES, _leaves(found, log, first=first, hashes=hashes))
    _fill_tiles(session, first, hashes)


def _leaves(
    found: Sequence[_Found], log: str, *, first: int, hashes: list[bytes]
) -> Iterator[tuple[object, ...]]:
    """Yield a row of `ledger_leaves` for each entry, and add its hash to `hashes`."""
    newest: dict[tuple[str, UUID], int] = {}
    for seq, entry in enumerate(found, start=first):
        about = (entry.object_kind, entry.object_id)
        leaf = leaf_of(entry, log=log, seq=seq, prev=newest.get(about, entry.prev))
        newest[about] = seq
        hashes.append(leaf_hash(leaf))
        yield (seq, entry.id, *about, leaf, hashes[-1])


def _fill_tiles(session: Session, first: int, hashes: Sequence[bytes]) -> None:
    """Keep the tiles that `hashes` fill, from the leaf or subtree `first` on, level by level."""
    level = 0
    begin, row = first - first % WIDTH, list(hashes)
    row = [*proofs.row_of(session, level, begin, first - begin), *row]
    while len(row) >= WIDTH:
        roots = []
        for at in range(0, len(row) - WIDTH + 1, WIDTH):
            whole = row[at : at + WIDTH]
            roots.append(fold(whole))
            _keep_tile(session, {"level": level, "index": (begin + at) // WIDTH}, whole, roots[-1])
        level, first = level + 1, begin // WIDTH
        begin = first - first % WIDTH
        row = [*proofs.row_of(session, level, begin, first - begin), *roots]


def _keep_tile(
    session: Session, place: Mapping[str, int], hashes: Sequence[bytes], root: bytes
) -> None:
    session.execute(_ADD_TILE, {**place, "hashes": b"".join(hashes), "root": root})
