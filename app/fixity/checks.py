"""Reading objects and comparing them with their digests: a mover, between short transactions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.fixity import holds, locks, notes, queries, service
from app.fixity.models import Occasion, Outcome, Over
from app.fixity.service import CheckNotPossible, Found, RecordingDamaged
from app.identity.actor import Actor
from app.recordings.models import SealedRow
from app.settings import Settings
from storage.errors import MasterKeyUnknown, ObjectDamaged, ObjectMissing, StoreUnavailable
from storage.sealed import SealedReader, SealedRef, SealedStore

SAMPLE_PERCENT = 1
LEAST_SAMPLED = 50
_RUN_FOR = timedelta(seconds=20)
_IN_HAND_FOR = timedelta(hours=1)
_log = structlog.get_logger()


class CheckTools(Protocol):
    """What the checks need."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def archive(self) -> SealedStore: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An object that is to be looked at, what its row says, and the digest of its sealed bytes."""

    ref: SealedRef
    sha256: bytes
    occasion: Occasion
    sealed_sha256: bytes | None = None


def check_due(tools: CheckTools) -> int:
    """Look at the objects that are due, for a part of a minute; return how many were looked at.

    Whoever takes an object puts it off by an hour, so that nobody else has it in hand, and a
    crash loses nothing. A store that is away ends the run: it has told nothing of the object.
    """
    ends_at = tools.clock.now() + _RUN_FOR
    done = 0
    while tools.clock.now() <= ends_at:
        wanted = _take(tools)
        if wanted is None:
            break
        try:
            found = look(tools.archive, wanted, with_seal=wanted.sealed_sha256 is None)
        except (StoreUnavailable, MasterKeyUnknown) as exc:
            _log.warning("fixity.put_off", error=str(exc))
            break
        _settle(tools, found)
        done += 1
    return done


def _take(tools: CheckTools) -> Wanted | None:
    at = tools.clock.now()
    with tools.database.transaction() as session:
        row = queries.due(session, at=at)
        if row is None:
            return None
        row.check_due_at = at + _IN_HAND_FOR
        previous = queries.newest_regular(session, row.object_id)
        occasion = service.occasion_of(
            previous.occasion if previous else None, stored_at=row.stored_at, at=at
        )
        return _wanted(session, row, occasion)


def _settle(tools: CheckTools, found: Found) -> None:
    """Keep what was found; an original that is well is locked and gets its note.

    What a hold's rule has caught is held from here on too, after it was read back.
    """
    at = tools.clock.now()
    with tools.database.transaction() as session:
        subject = service.write_down(session, found, at=at)
        is_kept = subject is not None and subject.is_original and found.is_well
        if is_kept:
            locks.begin(session, tools.settings, tools.archive, found.object_id, at=at)
        if subject is not None and subject.held_by is not None and found.is_well:
            holds.follow(session, subject.held_by)
    if is_kept:
        notes.write(tools, found.object_id)


def look(archive: SealedReader, wanted: Wanted, *, with_seal: bool = False) -> Found:
    """Read an object whole and compare it with its row.

    Raises:
        StoreUnavailable, MasterKeyUnknown: nothing is known of the object.
    """
    seal: bytes | None = None
    try:
        examined = archive.examine(wanted.ref, with_seal=with_seal)
    except ObjectMissing:
        outcome = Outcome.MISSING
    except MasterKeyUnknown:
        raise
    except ObjectDamaged:
        outcome = Outcome.DAMAGED
    else:
        is_well = examined.sha256 == wanted.sha256
        outcome = Outcome.SUCCESS if is_well else Outcome.DAMAGED
        seal = examined.sealed_sha256 if is_well else None
    return Found(
        object_id=wanted.ref.object_id,
        occasion=wanted.occasion,
        outcome=outcome,
        sealed_sha256=seal,
    )


def _look_at_seal(archive: SealedStore, wanted: Wanted) -> Found:
    """Compare the sealed bytes with their digest, which needs no key and is faster."""
    if wanted.sealed_sha256 is None:
        return look(archive, wanted, with_seal=True)
    ref = wanted.ref
    try:
        digest = archive.sealed_digest(ref.object_id, size_bytes=ref.size_bytes)
        outcome = Outcome.SUCCESS if digest == wanted.sealed_sha256 else Outcome.DAMAGED
    except ObjectMissing:
        outcome = Outcome.MISSING
    except ObjectDamaged:
        outcome = Outcome.DAMAGED
    return Found(object_id=ref.object_id, occasion=wanted.occasion, outcome=outcome, over=Over.SEAL)


def check_sample(tools: CheckTools) -> None:
    """Look at a random part of all objects; the entry says how many were reached."""
    with tools.database.transaction() as session:
        drawn = queries.drawn(session, percent=SAMPLE_PERCENT, least=LEAST_SAMPLED)
    checked: list[UUID] = []
    failed = 0
    try:
        for object_id in drawn:
            found = _check(tools, object_id, Occasion.SAMPLE)
            if found is not None:
                checked.append(object_id)
                failed += not found.is_well
    except (StoreUnavailable, MasterKeyUnknown) as exc:
        _log.warning("fixity.sample_broken_off", error=str(exc), checked=len(checked))
    listed = hashlib.sha256(b"".join(sorted(one.bytes for one in checked))).digest()
    with tools.database.transaction() as session:
        service.tell_of_sample(
            session,
            wanted=len(drawn),
            checked=len(checked),
            failed=failed,
            list_sha256=listed,
            at=tools.clock.now(),
        )


def check_all(tools: CheckTools, occasion: Occasion = Occasion.RESTORE) -> tuple[int, int]:
    """Look at every object, as after a restore; return how many, and how many are not well.

    Raises:
        StoreUnavailable, MasterKeyUnknown: the rest was not looked at.
    """
    done = failed = 0
    after: UUID | None = None
    while True:
        with tools.database.transaction() as session:
            batch = queries.all_objects(session, after=after)
        if not batch:
            return done, failed
        for object_id in batch:
            found = _check(tools, object_id, occasion)
            done += found is not None
            failed += found is not None and not found.is_well
        after = batch[-1]


def _check(tools: CheckTools, object_id: UUID, occasion: Occasion) -> Found | None:
    with tools.database.transaction() as session:
        row = session.get(SealedRow, object_id)
        wanted = _wanted(session, row, occasion) if row and row.wrapped_key else None
    if wanted is None:
        return None
    is_drawn = occasion is Occasion.SAMPLE
    found = _look_at_seal(tools.archive, wanted) if is_drawn else look(tools.archive, wanted)
    with tools.database.transaction() as session:
        service.write_down(session, found, at=tools.clock.now())
    return found


def before_release(
    database: Database,
    archive: SealedReader,
    clock: Clock,
    recording_ids: Iterable[UUID],
    *,
    actor: Actor,
) -> None:
    """Look at the originals of recordings that are about to leave.

    Raises:
        RecordingDamaged: one is not what came in; it is put apart.
        CheckNotPossible: the store does not give it.
    """
    for recording_id in recording_ids:
        with database.transaction() as session:
            legs = queries.legs_of(session, recording_id)
            rows = [session.get_one(SealedRow, leg.object_id) for leg in legs]
            wanted = [_wanted(session, row, Occasion.RELEASE) for row in rows if row.wrapped_key]
        found = [_looked(archive, one) for one in wanted]
        with database.transaction() as session:
            for one in found:
                service.write_down(session, one, at=clock.now(), actor=actor)
        if not all(one.is_well for one in found):
            raise RecordingDamaged(recording=str(recording_id))


def _looked(archive: SealedReader, wanted: Wanted) -> Found:
    try:
        return look(archive, wanted)
    except (StoreUnavailable, MasterKeyUnknown) as exc:
        raise CheckNotPossible from exc


def _wanted(session: Session, row: SealedRow, occasion: Occasion) -> Wanted:
    return Wanted(
        ref=SealedRef(
            object_id=row.object_id,
            wrapped_key=row.wrapped_key or b"",
            size_bytes=row.size_bytes,
        ),
        sha256=row.sha256,
        occasion=occasion,
        sealed_sha256=queries.seal_of(session, row.object_id),
    )
