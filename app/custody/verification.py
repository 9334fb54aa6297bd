"""`audiatur ledger verify`: recounts everything, and names by which check a change was found.

The checks, each with what it finds:

- `sequence`: the numbers of the leaves have a gap, so a leaf was removed;
- `entry`: a leaf has no entry, so an event was removed;
- `row`: an entry, its place, or the number before it about the same object differs from its leaf;
- `leaf`: the bytes of a leaf differ from its hash;
- `tile`: the hashes that are given to clients differ from those recounted;
- `checkpoint`: the tree differs from the one that was signed;
- `signature`: a checkpoint is not signed by a key that is trusted;
- `held`: the tree differs from a checkpoint that was kept elsewhere;
- `tail`: a checkpoint tells of more leaves than there are;
- `stamp`: an authority stamped something else than this checkpoint;
- `key`: the database names a key that the key file does not;
- `private`: what stands beside an entry does not fit what the entry commits to;
- `unsequenced`: an entry was passed by and has no leaf.

Everything is read in one snapshot, row after row, so memory does not grow with the ledger.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from app.core.db import let_last
from app.custody import notes, proofs
from app.custody.checkpoints import LogTools
from app.custody.leaves import leaf_of
from app.custody.ledger import DetailCipher
from app.custody.models import Checkpoint, CheckpointStamp, LedgerKey
from app.custody.notes import NoteInvalid, PublicKey
from app.custody.rules import SALT_BYTES, commitment
from app.custody.signing import Purpose
from app.custody.tiles import WIDTH
from app.custody.timestamps import StampInvalid
from app.custody.tree import EMPTY_ROOT, Growing, Head, fold, leaf_hashes

MOST_FINDINGS = 1000
_PIECE = 1000
_LEAVES = text(
    """
    SELECT l.seq, l.entry_id, l.object_kind AS leaf_kind, l.object_id AS leaf_object, l.leaf,
        l.leaf_hash, before.seq AS prev, e.id, e.position, e.at, e.act, e.object_kind,
        e.object_id, e.actor_kind, e.actor_id, e.actor_role, e.outcome, e.facts,
        e.content_commitment, e.detail_commitment, e.written_at
    FROM ledger_leaves l
    LEFT JOIN custody_entries e ON e.id = l.entry_id
    LEFT JOIN LATERAL (
        SELECT b.seq FROM ledger_leaves b
        WHERE b.object_kind = l.object_kind AND b.object_id = l.object_id AND b.seq < l.seq
        ORDER BY b.seq DESC LIMIT 1
    ) AS before ON true
    ORDER BY l.seq
    """
)
_PRIVATE = text(
    """
    SELECT p.entry_id, p.label, p.salt, p.ciphertext,
        CASE p.label WHEN 'content' THEN e.content_commitment ELSE e.detail_commitment END AS said
    FROM custody_private p LEFT JOIN custody_entries e ON e.id = p.entry_id
    """
)
_UNSEQUENCED = text(
    """
    SELECT e.id, e.position FROM custody_entries e
    WHERE e.position <= (SELECT position FROM ledger_progress)
      AND NOT EXISTS (SELECT FROM ledger_leaves l WHERE l.entry_id = e.id)
      AND NOT EXISTS (SELECT FROM ledger_gaps g
                      WHERE e.position BETWEEN g.first_position AND g.last_position)
    ORDER BY e.position
    """
)
_WAITING = text(
    "SELECT count(*) FROM custody_entries WHERE position > (SELECT position FROM ledger_progress)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it was: by which check, where, and what."""

    check: str
    what: str
    seq: int | None = None
    entry: UUID | None = None

    def as_dict(self) -> dict[str, object]:
        return {
            "check": self.check,
            "what": self.what,
            "seq": self.seq,
            "entry": str(self.entry) if self.entry else None,
        }


@dataclass(slots=True, kw_only=True)
class Report:
    """What was looked at, and what was found. `counts` has a number for each kind of thing."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)

    @property
    def is_whole(self) -> bool:
        return not self.found

    def add(
        self, check: str, what: str, *, seq: int | None = None, entry: UUID | None = None
    ) -> None:
        """Note a finding; beyond the first thousand only their number is kept."""
        self.found[check] += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(check=check, what=what, seq=seq, entry=entry))

    def as_dict(self) -> dict[str, object]:
        return {
            "result": "VALID" if self.is_whole else "INVALID",
            "counts": dict(self.counts),
            "found": dict(self.found),
            "findings": [finding.as_dict() for finding in self.findings],
        }


class Recount:
    """The tree as it grows again from the leaves, with the tiles that it fills."""

    def __init__(self, filled: Callable[[int, int, list[bytes], bytes], None]) -> None:
        self.size = 0
        self._rows: list[list[bytes]] = [[]]
        self._filled = filled

    def extend(self, hashes: Sequence[bytes]) -> None:
        """Add leaves by their hashes; each whole tile is handed to `filled` with place and root."""
        at = 0
        while at < len(hashes):
            row = self._rows[0]
            added = hashes[at : at + WIDTH - len(row)]
            row += added
            at += len(added)
            self.size += len(added)
            if len(row) == WIDTH:
                self._carry()

    def _carry(self) -> None:
        level, end = 0, self.size
        while len(row := self._rows[level]) == WIDTH:
            root = fold(row)
            end //= WIDTH
            self._filled(level, end - 1, row, root)
            self._rows[level] = []
            level += 1
            if level == len(self._rows):
                self._rows.append([])
            self._rows[level].append(root)

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        right: bytes | None = None
        for row in self._rows:
            edge = Growing()
            for hashed in [*row, *([] if right is None else [right])]:
                edge.add(hashed)
            right = edge.root() if edge.size else right
        return EMPTY_ROOT if right is None else right


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A head that the tree must have had, and the check that tells of it."""

    check: str
    head: Head


def verify(
    tools: LogTools,
    cipher: DetailCipher,
    *,
    held: Sequence[str] = (),
    also_trusted: Iterable[PublicKey] = (),
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> Report:
    """Recount the ledger and return what was found.

    `held` are checkpoints that were kept elsewhere. Trusted are the keys of the key file, ended
    ones too, and `also_trusted`. `told` is called now and then with how much is done.

    Raises:
        NoteInvalid: a held checkpoint is not signed by a trusted key of this log.
        DatabaseAway: the check is not finished.
    """
    keys = tools.ring.keys
    trusted = [*keys.public(Purpose.LOG), *also_trusted]
    heads = [notes.open_checkpoint(note, trusted, origin=keys.origin) for note in held]
    report = Report()
    with tools.database.transaction() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        let_last(session)
        _check_keys(session, report, {key.public.raw for key in keys.keys})
        signed = _signed(session, tools, trusted, report)
        ends = sorted(
            (_Signed(check="held", head=head) for head in heads), key=lambda one: one.head.size
        )
        _check_tree(session, keys.origin, report, _merged(signed, ends), told)
        _check_private(session, cipher, report)
        _check_unsequenced(session, report)
    return report


def _merged(signed: Iterator[_Signed], held: Sequence[_Signed]) -> Iterator[_Signed]:
    """Return both in the order of their sizes."""
    waiting = list(held)
    for one in signed:
        while waiting and waiting[0].head.size <= one.head.size:
            yield waiting.pop(0)
        yield one
    yield from waiting


def _check_keys(session: Session, report: Report, trusted: AbstractSet[bytes]) -> None:
    for key in session.scalars(select(LedgerKey)):
        report.counts["keys"] += 1
        if key.public_key not in trusted:
            report.add("key", f"{key.name}: a {key.purpose} key that the key file does not name")


def _signed(
    session: Session, tools: LogTools, trusted: Sequence[PublicKey], report: Report
) -> Iterator[_Signed]:
    """Give the heads of the checkpoints by size, with signatures and stamps checked."""
    found = session.execute(
        select(Checkpoint)
        .order_by(Checkpoint.size, Checkpoint.signed_at)
        .execution_options(yield_per=_PIECE)
    )
    for (one,) in found:
        report.counts["checkpoints"] += 1
        try:
            head = notes.open_checkpoint(one.note, trusted, origin=tools.ring.origin)
        except NoteInvalid as exc:
            report.add("signature", f"checkpoint of size {one.size}: {exc}")
        else:
            if (head.size, head.root) != (one.size, one.root):
                report.add("checkpoint", f"checkpoint {one.id}: its row differs from its note")
            yield _Signed(check="checkpoint", head=head)
        _check_stamps(session, tools, one, report)


def _check_stamps(session: Session, tools: LogTools, one: Checkpoint, report: Report) -> None:
    stamps = session.scalars(
        select(CheckpointStamp).where(CheckpointStamp.checkpoint_id == one.id)
    ).all()
    if one.wants_stamp and not stamps:
        report.counts["stamps pending"] += 1
    for stamp in stamps:
        if not tools.authorities.has_roots:
            report.counts["stamps not checked"] += 1
            continue
        report.counts["stamps"] += 1
        try:
            checked = tools.authorities.check(stamp.response, one.note.encode())
        except StampInvalid as exc:
            report.add("stamp", f"checkpoint of size {one.size}, {stamp.authority}: {exc}")
        else:
            if checked.stamped_at != stamp.stamped_at:
                report.add("stamp", f"checkpoint of size {one.size}: another moment was stamped")


def _check_tree(
    session: Session,
    origin: str,
    report: Report,
    signed: Iterator[_Signed],
    told: Callable[[int, int], None],
) -> None:
    """Grow the tree again, and compare it wherever a head was signed."""

    def filled(level: int, index: int, hashes: list[bytes], root: bytes) -> None:
        _check_tile(session, report, (level, index), b"".join(hashes), root)

    tree = Recount(filled)
    whole = proofs.size_of(session)
    awaited, expected = next(signed, None), 0
    read = session.execute(_LEAVES, execution_options={"yield_per": _PIECE})
    for rows in read.partitions():
        for row, hashed in zip(rows, leaf_hashes(row.leaf for row in rows), strict=True):
            if row.seq != expected:
                report.add("sequence", f"leaves from {expected} on are gone", seq=row.seq)
            expected = row.seq + 1
            _check_leaf(report, origin, row, hashed)
        hashes = [row.leaf_hash for row in rows]
        while hashes:
            while awaited is not None and awaited.head.size <= tree.size:
                _compare(report, awaited, tree)
                awaited = next(signed, None)
            room = len(hashes) if awaited is None else awaited.head.size - tree.size
            tree.extend(hashes[:room])
            hashes = hashes[room:]
        told(tree.size, whole)
    while awaited is not None:
        _compare(report, awaited, tree)
        awaited = next(signed, None)
    report.counts["leaves"] = tree.size
    told(tree.size, whole)


def _compare(report: Report, signed: _Signed, tree: Recount) -> None:
    size = signed.head.size
    if size > tree.size:
        kept = " that was kept elsewhere" if signed.check == "held" else ""
        report.add("tail", f"a checkpoint{kept} has {size} leaves, the ledger {tree.size}")
    elif size < tree.size or signed.head.root != tree.root():
        report.add(signed.check, f"the first {size} leaves are not those that were signed")


def _check_leaf(report: Report, origin: str, row: Row[tuple[object, ...]], hashed: bytes) -> None:
    if hashed != row.leaf_hash:
        report.add("leaf", "its bytes differ from its hash", seq=row.seq, entry=row.entry_id)
    if row.id is None:
        report.add("entry", "its entry was removed", seq=row.seq, entry=row.entry_id)
        return
    expected = leaf_of(row, log=origin, seq=row.seq, prev=row.prev)
    about = (row.leaf_kind, row.leaf_object)
    if expected != row.leaf or about != (row.object_kind, row.object_id):
        report.add("row", "the entry differs from its leaf", seq=row.seq, entry=row.entry_id)


def _check_tile(
    session: Session, report: Report, place: tuple[int, int], hashes: bytes, root: bytes
) -> None:
    level, index = place
    kept = session.execute(
        text('SELECT hashes, root FROM ledger_tiles WHERE level = :level AND "index" = :index'),
        {"level": level, "index": index},
    ).first()
    report.counts["tiles"] += 1
    if kept is None or (bytes(kept.hashes), bytes(kept.root)) != (hashes, root):
        report.add("tile", f"tile {index} of level {level} differs from its leaves")


def _check_private(session: Session, cipher: DetailCipher, report: Report) -> None:
    for row in session.execute(_PRIVATE, execution_options={"yield_per": _PIECE}):
        report.counts["private values"] += 1
        try:
            value = cipher.open(row.entry_id, row.label, row.ciphertext)
        except InvalidTag:
            report.add("private", f"its {row.label} does not open", entry=row.entry_id)
            continue
        fits = len(row.salt) == SALT_BYTES and row.said is not None
        if not fits or not hmac.compare_digest(
            commitment(row.label, row.salt, value), bytes(row.said)
        ):
            report.add("private", f"its {row.label} is not what it commits to", entry=row.entry_id)


def _check_unsequenced(session: Session, report: Report) -> None:
    for row in session.execute(_UNSEQUENCED, execution_options={"yield_per": _PIECE}):
        report.add("unsequenced", f"position {row.position} has no leaf", entry=row.id)
    report.counts["waiting"] = session.scalar(_WAITING) or 0
