"""The inspection of a recording: one decode of each leg, and everything from it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.inspection.decode import Inspection, Limits, inspect_audio
from app.inspection.sandbox import DecodeFailed, DecodeLimit, Sandbox
from app.recordings.media_facts import Container, MediaFacts
from app.recordings.models import InspectionState, Leg, Recording, SealedRow
from app.settings import Settings
from storage.sealed import SealedDraft, SealedObject, SealedRef, SealedStore

_log = structlog.get_logger()
_ACTOR = Actor.system("inspection")


class InspectionTools(Protocol):
    """What an inspection needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def archive(self) -> SealedStore: ...
    @property
    def sandbox(self) -> Sandbox: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A leg that is to be inspected, and where its bytes are."""

    leg_id: UUID
    ref: SealedRef
    facts: MediaFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What an inspection of a leg brought: facts and copies, or the reason why there are none."""

    inspection: Inspection | None = None
    playable: SealedObject | None = None
    peaks: SealedObject | None = None
    reason: str | None = None


def inspect(tools: InspectionTools, recording_id: str) -> None:
    """Inspect the legs of a recording that wait for it; the last one completes the recording.

    Done twice it changes nothing: a leg that was inspected meanwhile is left as it is, and the
    copies made in vain are swept as objects without a row.
    """
    wanted = UUID(recording_id)
    with tools.database.transaction() as session:
        waiting = _waiting(session, wanted)
    for leg in waiting:
        found = _inspect_leg(tools, leg)
        with tools.database.transaction() as session:
            _write_down(session, wanted, leg, found, at=tools.clock.now())
    with tools.database.transaction() as session:
        _complete(session, wanted)


def _waiting(session: Session, recording_id: UUID) -> list[_Waiting]:
    rows = session.execute(
        select(Leg, SealedRow)
        .join(SealedRow, SealedRow.object_id == Leg.object_id)
        .where(
            Leg.recording_id == recording_id,
            Leg.inspection_state == InspectionState.PENDING,
            SealedRow.wrapped_key.is_not(None),
        )
    )
    return [
        _Waiting(
            leg_id=leg.id,
            ref=SealedRef(
                object_id=row.object_id,
                wrapped_key=row.wrapped_key or b"",
                size_bytes=row.size_bytes,
            ),
            facts=MediaFacts(
                media_type=leg.media_type,
                container=Container(leg.container),
                codec=leg.codec or "",
                channels=leg.channels,
                sample_rate_hz=leg.sample_rate_hz,
            ),
        )
        for leg, row in rows
    ]


def _inspect_leg(tools: InspectionTools, leg: _Waiting) -> _Found:
    draft: SealedDraft = tools.archive.begin(new_id())
    try:
        with _opened(tools, leg.ref) as descriptor:
            try:
                inspection = inspect_audio(
                    descriptor,
                    leg.facts,
                    tools.sandbox,
                    playable=draft.write,
                    limits=Limits(max_duration_s=tools.settings.max_audio_hours * 3600),
                )
            except (DecodeFailed, DecodeLimit) as exc:
                return _Found(reason=str(exc))
        playable = draft.keep() if inspection.playable_bytes else None
    finally:
        draft.discard()
    peaks = tools.archive.begin(new_id())
    try:
        peaks.write(inspection.peaks.to_bytes())
        return _Found(inspection=inspection, playable=playable, peaks=peaks.keep())
    finally:
        peaks.discard()


@contextmanager
def _opened(tools: InspectionTools, ref: SealedRef) -> Iterator[int]:
    """Give a descriptor of the plain bytes, in a file without a name that ends with the process.

    A decoder must seek; only the sandbox ever reads it.
    """
    folder = tools.settings.spool_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        for piece in tools.archive.stream(ref):
            file.write(piece)
        file.flush()
        descriptor = os.open(Path("/proc/self/fd") / str(file.fileno()), os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _write_down(
    session: Session, recording_id: UUID, waiting: _Waiting, found: _Found, *, at: datetime
) -> None:
    leg = session.scalar(
        select(Leg)
        .where(Leg.id == waiting.leg_id, Leg.inspection_state == InspectionState.PENDING)
        .with_for_update()
    )
    if leg is None:
        return
    inspection = found.inspection
    if inspection is None:
        leg.inspection_state = InspectionState.FAILED
        leg.inspection_reason = found.reason
        leg.damaged = True
        session.flush()
        return
    for kept in (found.playable, found.peaks):
        if kept is not None:
            session.add(_sealed_row(kept, at))
    session.flush()
    leg.inspection_state = InspectionState.DONE
    leg.inspection_reason = ", ".join(inspection.oddities) or None
    leg.duration_ms = inspection.duration_ms
    leg.channels = inspection.channels
    leg.codec = inspection.codec
    leg.sample_rate_hz = inspection.sample_rate_hz
    leg.damaged = inspection.damaged
    leg.decoder = inspection.decoder
    leg.playable_object_id = found.playable.object_id if found.playable else None
    leg.peaks_object_id = found.peaks.object_id if found.peaks else None
    session.flush()
    ledger.append(
        session,
        _ACTOR,
        Act.DERIVED_CREATED,
        ("recording", recording_id),
        at=at,
        facts={"leg": leg.leg, "derived": "playable, peaks", "duration_ms": inspection.duration_ms},
        detail={"decoder": inspection.decoder},
        content=found.playable.sha256 if found.playable else None,
    )


def _sealed_row(kept: SealedObject, at: datetime) -> SealedRow:
    return SealedRow(
        object_id=kept.object_id,
        wrapped_key=kept.wrapped_key,
        size_bytes=kept.size_bytes,
        sha256=kept.sha256,
        crc32=kept.crc32,
        stored_at=at,
    )


def _complete(session: Session, recording_id: UUID) -> None:
    """Sum the legs up, unless another one came meanwhile and waits."""
    recording = session.scalar(
        select(Recording).where(Recording.id == recording_id).with_for_update()
    )
    legs = session.scalars(select(Leg).where(Leg.recording_id == recording_id)).all()
    if recording is None or any(leg.inspection_state == InspectionState.PENDING for leg in legs):
        return
    failed = [leg for leg in legs if leg.inspection_state == InspectionState.FAILED]
    recording.inspection_state = InspectionState.FAILED if failed else InspectionState.DONE
    reasons = [leg.inspection_reason for leg in failed or legs if leg.inspection_reason]
    recording.inspection_reason = "; ".join(reasons) or None
    recording.duration_ms = max((leg.duration_ms or 0 for leg in legs), default=None)
    if failed:
        _log.info("inspection.failed", recording_id=str(recording_id))
