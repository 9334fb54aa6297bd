"""Putting a damaged recording right: from a copy with the same digest, and from nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import Conflict, NotFound
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.fixity import locks, queries, service
from app.fixity.checks import CheckTools, Wanted, look
from app.fixity.models import ObjectLock, Occasion
from app.fixity.service import Found
from app.identity.actor import Actor
from app.recordings.ingest import INSPECT
from app.recordings.models import InspectionState, Leg, SealedRow
from storage.sealed import SealedRef

_PIECE_BYTES = 1 << 20


class NothingToRepair(NotFound):
    """There is no such recording, or it was erased."""


class OtherFile(Conflict):
    """No leg of the recording has this file's digest; nothing was changed."""


class StillDamaged(Conflict):
    """The recording is not whole in the store; name a copy of what is missing with `--from`.

    `legs` are those that are not whole, each with the digest that the copy must have.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What was done: legs whose bytes were put back, and those whose copies are made anew."""

    mended: tuple[str, ...]
    made_anew: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leg:
    name: str
    has_damaged_copy: bool
    wanted: Wanted
    copies: tuple[Wanted, ...]


def repair(
    tools: CheckTools, actor: Actor, recording_id: UUID, *, file: Path | None = None
) -> Repaired:
    """Look at all of a recording, mend from `file` what is damaged; lift the mark if all is well.

    What can be made from the original is made anew.

    Raises:
        NothingToRepair, OtherFile, StillDamaged: say what lacks.
        StoreUnavailable, MasterKeyUnknown: the store is away, or the key.
    """
    legs = _legs(tools, recording_id)
    found = {leg.name: look(tools.archive, leg.wanted, with_seal=True) for leg in legs}
    mended: list[str] = []
    if file is not None:
        digest = _digest(file)
        named = [leg for leg in legs if leg.wanted.sha256 == digest]
        if not named:
            raise OtherFile(sha256=digest.hex())
        for leg in named:
            if not found[leg.name].is_well:
                _mend(tools, leg.wanted, file)
                found[leg.name] = look(tools.archive, leg.wanted, with_seal=True)
                mended.append(leg.name)
    anew = [leg.name for leg in legs if not _copies_are_well(tools, leg)]
    with tools.database.transaction() as session:
        _write_down(session, actor, recording_id, found, mended, at=tools.clock.now())
    _must_be_whole(legs, found)
    with tools.database.transaction() as session:
        _lift(session, recording_id, anew)
    return Repaired(mended=tuple(mended), made_anew=tuple(anew))


def _legs(tools: CheckTools, recording_id: UUID) -> list[_Leg]:
    with tools.database.transaction() as session:
        damaged = {one.subject.id for one in queries.damages(session)}
        found = []
        for leg in queries.legs_of(session, recording_id):
            row = session.get_one(SealedRow, leg.object_id)
            copies = [
                session.get_one(SealedRow, copy_id)
                for copy_id in (leg.playable_object_id, leg.peaks_object_id)
                if copy_id is not None
            ]
            if row.wrapped_key is not None:
                found.append(
                    _Leg(
                        name=leg.leg,
                        has_damaged_copy=leg.id in damaged,
                        wanted=_wanted(row),
                        copies=tuple(_wanted(copy) for copy in copies if copy.wrapped_key),
                    )
                )
    if not found:
        raise NothingToRepair
    return found


def _wanted(row: SealedRow) -> Wanted:
    ref = SealedRef(
        object_id=row.object_id, wrapped_key=row.wrapped_key or b"", size_bytes=row.size_bytes
    )
    return Wanted(ref=ref, sha256=row.sha256, occasion=Occasion.REPAIR)


def _digest(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


def _mend(tools: CheckTools, wanted: Wanted, file: Path) -> None:
    """Put the file's bytes in place of the damaged object, unless it has changed meanwhile."""
    draft = tools.archive.mend(wanted.ref)
    try:
        with file.open("rb") as opened:
            while piece := opened.read(_PIECE_BYTES):
                draft.write(piece)
        if draft.digest().sha256 != wanted.sha256:
            raise OtherFile(sha256=draft.digest().sha256.hex())
        draft.keep()
    finally:
        draft.discard()


def _copies_are_well(tools: CheckTools, leg: _Leg) -> bool:
    return not leg.has_damaged_copy and all(
        look(tools.archive, copy).is_well for copy in leg.copies
    )


def _write_down(
    session: Session,
    actor: Actor,
    recording_id: UUID,
    found: dict[str, Found],
    mended: list[str],
    *,
    at: datetime,
) -> None:
    for name, one in found.items():
        service.write_down(session, one, at=at, actor=actor)
        if name not in mended:
            continue
        row = session.get_one(SealedRow, one.object_id)
        ledger.append(
            session,
            actor,
            Act.RECORDING_REPAIRED,
            ("recording", recording_id),
            at=at,
            outcome=ledger.Outcome.SUCCESS if one.is_well else ledger.Outcome.FAILED,
            facts={"object_id": str(one.object_id), "leg": name, "size_bytes": row.size_bytes},
            content=row.sha256,
        )
        if session.get(ObjectLock, one.object_id) is not None:
            # The lock lies on the version that was damaged, not on the one in its place.
            locks.ask(session, one.object_id)


def _must_be_whole(legs: list[_Leg], found: dict[str, Found]) -> None:
    lacking = {leg.name: leg.wanted.sha256.hex() for leg in legs if not found[leg.name].is_well}
    if lacking:
        said = ", ".join(f"{name} (SHA-256 {sha256})" for name, sha256 in lacking.items())
        raise StillDamaged(f"Not whole: {said}.", legs=lacking)


def _lift(session: Session, recording_id: UUID, anew: list[str]) -> None:
    recording = queries.recording(session, recording_id)
    if recording is None:
        return
    recording.integrity_failed_at = None
    for leg in queries.legs_of(session, recording_id):
        if leg.leg in anew:
            _make_anew(leg)
    if anew:
        recording.inspection_state = InspectionState.PENDING
        enqueue(session, Job(task=INSPECT, args={"recording_id": str(recording_id)}))
    session.flush()
    service.follow(session, recording_id)


def _make_anew(leg: Leg) -> None:
    leg.inspection_state = InspectionState.PENDING
    leg.playable_object_id = None
    leg.peaks_object_id = None
