"""Checkpoints: signed heads of the tree, when they are due, and who else has stamped them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import NotFound
from app.core.ids import new_id
from app.custody import ledger, notes, proofs
from app.custody.ledger import Act
from app.custody.models import Checkpoint, CheckpointStamp, LedgerKey
from app.custody.notes import PublicKey
from app.custody.sequencer import Sequencer
from app.custody.signing import KeyRing, Purpose, SigningKeys
from app.custody.timestamps import Authorities, AuthorityAway, StampInvalid
from app.custody.tree import Head

DUE_AFTER = timedelta(minutes=5)
DAILY_AFTER = timedelta(days=1)
_MOST_STAMPS_AT_ONCE = 10
_log = structlog.get_logger()


class NoCheckpoint(NotFound):
    """No checkpoint has been signed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Archive:
    """The archive itself, as the ledger names it."""

    kind: str = "system"
    id: UUID | None = None
    role: str | None = None


_ARCHIVE = _Archive()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTools:
    """What the log needs: the door to the database, its keys, the clock, the authorities."""

    database: Database
    ring: KeyRing
    clock: Clock
    authorities: Authorities

    def sequencer(self) -> Sequencer:
        """Return who gives numbers to the entries of this log."""
        return Sequencer(self.database, self.ring.origin)


def checkpoint_now(tools: LogTools, *, wants_stamp: bool) -> Checkpoint:
    """Sign the tree with every entry that is committed by now; ask for stamps if wanted.

    Authorities are asked at once. Whether they answer changes nothing of the checkpoint: what is
    pending is asked for again later. If nothing was added since the last checkpoint, and it has
    been or will be stamped as wanted, that one is returned.

    Raises:
        DatabaseAway: nothing was signed.
        SigningKeyInvalid: there is no key to sign with.
    """
    tools.sequencer().catch_up()
    made = _sign(tools, wants_stamp=wants_stamp)
    if wants_stamp:
        stamp_pending(tools)
    return made


def keep_up(tools: LogTools) -> Checkpoint | None:
    """Sign the tree if that is due.

    It is once a day in any case, and then stamped; else when the tree has grown and the last
    checkpoint is five minutes old.

    Raises:
        DatabaseAway, SigningKeyInvalid: as `checkpoint_now`.
    """
    tools.sequencer().catch_up()
    now = tools.clock.now()
    with tools.database.transaction() as session:
        last, last_daily = newest(session), _newest_daily(session)
        has_grown = proofs.size_of(session) > (last.size if last else 0)
        if last_daily is None or now - last_daily.signed_at >= DAILY_AFTER:
            _beat(session, last, at=now)
            is_daily = True
        else:
            is_daily = False
    if is_daily:
        return checkpoint_now(tools, wants_stamp=True)
    if not has_grown or (last and now - last.signed_at < DUE_AFTER):
        return None
    return _sign(tools, wants_stamp=False)


def _beat(session: Session, last: Checkpoint | None, *, at: datetime) -> None:
    """Write down that the log is alive, so that a day without entries differs from a cut tail."""
    ledger.append(
        session,
        _ARCHIVE,
        Act.CHECKPOINT_SIGNED,
        ("checkpoint", last.id if last else UUID(int=0)),
        at=at,
        facts={"size": last.size, "root": last.root.hex()} if last else {"size": 0},
    )


def newest(session: Session) -> Checkpoint | None:
    """Return the checkpoint that was signed last."""
    return session.scalar(
        select(Checkpoint).order_by(Checkpoint.size.desc(), Checkpoint.signed_at.desc()).limit(1)
    )


def _newest_daily(session: Session) -> Checkpoint | None:
    return session.scalar(
        select(Checkpoint)
        .where(Checkpoint.wants_stamp)
        .order_by(Checkpoint.size.desc(), Checkpoint.signed_at.desc())
        .limit(1)
    )


def of_size(session: Session, size: int) -> Checkpoint | None:
    """Return the newest checkpoint of a tree of `size` leaves."""
    return session.scalar(
        select(Checkpoint)
        .where(Checkpoint.size == size)
        .order_by(Checkpoint.signed_at.desc())
        .limit(1)
    )


def covering(session: Session, seq: int) -> Checkpoint | None:
    """Return the newest checkpoint if its tree has leaf `seq`."""
    found = newest(session)
    return found if found and found.size > seq else None


def register_keys(session: Session, keys: SigningKeys, *, at: datetime) -> None:
    """Note in the list that everybody may read which keys have begun to sign, and from where."""
    known = set(session.scalars(select(LedgerKey.public_key).where(LedgerKey.state == "begun")))
    for key in keys.keys:
        if key.public.raw not in known:
            _note_key(session, key.purpose, key.public, state="begun", at=at)


def end_keys(
    session: Session, purpose: Purpose, ended: Sequence[PublicKey], *, at: datetime
) -> None:
    """Note that keys sign no more."""
    for key in ended:
        _note_key(session, purpose, key, state="ended", at=at)


def key_list(session: Session) -> list[LedgerKey]:
    """Return what is noted of the keys, in order."""
    return list(session.scalars(select(LedgerKey).order_by(LedgerKey.at, LedgerKey.name)))


def stamps_of(session: Session, checkpoint_id: UUID) -> list[CheckpointStamp]:
    """Return the time stamps of a checkpoint; none means that they are pending, if wanted."""
    return list(
        session.scalars(
            select(CheckpointStamp)
            .where(CheckpointStamp.checkpoint_id == checkpoint_id)
            .order_by(CheckpointStamp.stamped_at)
        )
    )


def pending_count(session: Session) -> int:
    """Return how many checkpoints want a stamp and have none."""
    stamped = select(CheckpointStamp.id).where(CheckpointStamp.checkpoint_id == Checkpoint.id)
    return (
        session.scalar(select(func.count()).where(Checkpoint.wants_stamp, ~stamped.exists())) or 0
    )


def stamp_pending(tools: LogTools) -> int:
    """Ask each authority for the stamps that are still wanted; return how many came.

    The newest come first. No transaction is open while an authority is waited for.

    Raises:
        DatabaseAway: what had come is kept.
    """
    came = 0
    for url in tools.authorities.urls:
        with tools.database.transaction() as session:
            waiting = _waiting_for(session, url)
        for checkpoint in waiting:
            try:
                _stamp(tools, url, checkpoint)
            except (AuthorityAway, StampInvalid) as exc:
                _log.warning("stamp.failed", authority=url, reason=str(exc))
                break
            came += 1
    return came


def _sign(tools: LogTools, *, wants_stamp: bool) -> Checkpoint:
    now = tools.clock.now()
    keys = tools.ring.keys
    with tools.database.transaction() as session:
        size = proofs.size_of(session)
        last = newest(session)
        if last and last.size == size and last.wants_stamp >= wants_stamp:
            return last
        register_keys(session, keys, at=now)
        head = Head(size=size, root=proofs.root_at(session, size))
        text = notes.checkpoint_text(keys.origin, head)
        made = Checkpoint(
            id=new_id(),
            size=size,
            root=head.root,
            note=notes.sign_note(text, keys.signers(Purpose.LOG)),
            wants_stamp=wants_stamp,
            signed_at=now,
        )
        session.add(made)
    _log.info("checkpoint.signed", size=size, wants_stamp=wants_stamp)
    return made


def _note_key(
    session: Session, purpose: Purpose, key: PublicKey, *, state: str, at: datetime
) -> None:
    session.execute(
        insert(LedgerKey)
        .values(
            public_key=key.raw,
            state=state,
            purpose=purpose,
            name=key.name,
            at_size=proofs.size_of(session),
            at=at,
        )
        .on_conflict_do_nothing()  # Another process noted it at the same moment.
    )


def _waiting_for(session: Session, url: str) -> list[Checkpoint]:
    stamped = select(CheckpointStamp.id).where(
        CheckpointStamp.checkpoint_id == Checkpoint.id, CheckpointStamp.authority == url
    )
    return list(
        session.scalars(
            select(Checkpoint)
            .where(Checkpoint.wants_stamp, ~stamped.exists())
            .order_by(Checkpoint.size.desc(), Checkpoint.signed_at.desc())
            .limit(_MOST_STAMPS_AT_ONCE)
        )
    )


def _stamp(tools: LogTools, url: str, checkpoint: Checkpoint) -> None:
    stamp = tools.authorities.ask(url, checkpoint.note.encode())
    with tools.database.transaction() as session:
        now = tools.clock.now()
        kept = session.scalar(
            insert(CheckpointStamp)
            .values(
                id=new_id(),
                checkpoint_id=checkpoint.id,
                authority=url,
                response=stamp.response,
                stamped_at=stamp.stamped_at,
                received_at=now,
            )
            .on_conflict_do_nothing()  # Another process asked at the same moment.
            .returning(CheckpointStamp.id)
        )
        if kept is not None:
            ledger.append(
                session,
                _ARCHIVE,
                Act.CHECKPOINT_STAMPED,
                ("checkpoint", checkpoint.id),
                at=now,
                facts={"size": checkpoint.size, "stamped_at": stamp.stamped_at.isoformat()},
            )
