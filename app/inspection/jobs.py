"""The inspection of a recording: one decode of each leg, and everything from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app.consent import service as consent
from app.core import traces
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.inspection import detection, measured, played
from app.inspection.decode import Inspection, Limits, inspect_audio
from app.inspection.detection import Searched
from app.inspection.joining import JOIN
from app.inspection.levels import Samples
from app.inspection.models import NoticeHit
from app.inspection.notice.detector import Detector
from app.inspection.notice.hits import Hit
from app.inspection.references import Taken, ref_of, spooled
from app.inspection.sandbox import DecodeFailed, DecodeLimit
from app.inspection.searching import InspectionTools, facts_of, joins_of, legs_of
from app.inspection.sound import Sound, SoundMeter, talk_to_bytes
from app.recordings import call_events
from app.recordings.media_facts import MediaFacts
from app.recordings.models import InspectionState, Leg, Recording, SealedRow
from storage.sealed import SealedDraft, SealedObject, SealedRef

_log = structlog.get_logger()
_ACTOR = Actor.system("inspection")


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
    sound: Sound | None = None
    talk: SealedObject | None = None
    reason: str | None = None


def inspect(tools: InspectionTools, recording_id: str) -> None:
    """Inspect the legs of a recording that wait for it; the last one completes the recording.

    Done twice it changes nothing: a leg that was inspected meanwhile is left as it is, and the
    copies made in vain are swept as objects without a row.
    """
    wanted = UUID(recording_id)
    with tools.database.transaction() as session:
        recording = call_events.locked(session, wanted)
        if recording is not None:
            region = tools.settings.region
            call_events.place(session, recording, region=region, at=tools.clock.now())
        waiting = _waiting(session, wanted)
        texts = detection.texts_for(session, recording) if recording else []
        joins = joins_of(session, wanted)
    with traces.span("inspection texts"):
        taken = tools.shelf.take(texts) if waiting else Taken.nothing()
    for leg in waiting:
        detector = Detector(taken.references, joins_ms=joins)
        with traces.span("inspection decode"):
            found = _inspect_leg(tools, leg, detector)
        searched = detection.Searched(
            leg_id=leg.leg_id,
            texts=taken.texts,
            not_searched=taken.not_searched,
            hits=_hits_of(detector) if found.inspection else [],
            is_whole=False,
            decoder=found.inspection.decoder if found.inspection else "",
        )
        with tools.database.transaction() as session:
            _write_down(session, wanted, leg, found, searched, at=tools.clock.now())
    with tools.database.transaction() as session:
        _complete(session, wanted, region=tools.settings.region, at=tools.clock.now())


def _hits_of(detector: Detector) -> list[Hit]:
    with traces.span("inspection search"):
        return detector.finish()


def follow_call(tools: InspectionTools, recording_id: str) -> None:
    """Let the evidence of an inspected recording follow what is told of its call since."""
    with tools.database.transaction() as session:
        recording = call_events.locked(session, UUID(recording_id))
        if recording is None or recording.inspection_state == InspectionState.PENDING:
            return  # The inspection does it at its end.
        _assert(session, recording, region=tools.settings.region, at=tools.clock.now())


def _waiting(session: Session, recording_id: UUID) -> list[_Waiting]:
    return [
        _Waiting(leg_id=leg.id, ref=ref_of(row), facts=facts_of(leg))
        for leg, row in legs_of(session, recording_id, InspectionState.PENDING)
    ]


def _inspect_leg(tools: InspectionTools, leg: _Waiting, detector: Detector) -> _Found:
    draft: SealedDraft = tools.archive.begin(new_id())
    meter = SoundMeter()

    def hear(samples: Samples) -> None:
        detector.feed(samples)
        meter.feed(samples)

    try:
        with spooled(tools.archive.stream(leg.ref), tools.settings.spool_dir) as descriptor:
            try:
                inspection = inspect_audio(
                    descriptor,
                    leg.facts,
                    tools.sandbox,
                    playable=draft.write,
                    limits=Limits(max_duration_s=tools.settings.max_audio_hours * 3600),
                    listener=hear,
                )
            except (DecodeFailed, DecodeLimit) as exc:
                return _Found(reason=str(exc))
        playable = draft.keep() if inspection.playable_bytes else None
    finally:
        draft.discard()
    sound = meter.finish()
    return _Found(
        inspection=inspection,
        playable=playable,
        peaks=_kept(tools, inspection.peaks.to_bytes()),
        sound=sound,
        talk=_kept(tools, talk_to_bytes([channel.talk for channel in sound.channels])),
    )


def _kept(tools: InspectionTools, data: bytes) -> SealedObject:
    draft = tools.archive.begin(new_id())
    try:
        draft.write(data)
        return draft.keep()
    finally:
        draft.discard()


def _write_down(
    session: Session,
    recording_id: UUID,
    waiting: _Waiting,
    found: _Found,
    searched: Searched,
    *,
    at: datetime,
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
    for kept in (found.playable, found.peaks, found.talk):
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
    if found.sound is not None and found.talk is not None:
        measured.write_down(session, leg, found.sound, talk_object_id=found.talk.object_id, at=at)
    if searched.texts or searched.not_searched:
        recording = session.get_one(Recording, recording_id)
        detection.write_down(session, recording, searched, at=at)
    ledger.append(
        session,
        _ACTOR,
        Act.DERIVED_CREATED,
        ("recording", recording_id),
        at=at,
        facts={
            "leg": leg.leg,
            "derived": "playable, peaks, talk",
            "duration_ms": inspection.duration_ms,
        },
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


def _complete(session: Session, recording_id: UUID, *, region: str, at: datetime) -> None:
    """Sum the legs up, unless another one came meanwhile and waits; assert what was heard."""
    recording = session.scalar(
        select(Recording)
        .where(Recording.id == recording_id)
        .options(selectinload(Recording.parties))
        .with_for_update()
    )
    legs = session.scalars(select(Leg).where(Leg.recording_id == recording_id)).all()
    if recording is None or any(leg.inspection_state == InspectionState.PENDING for leg in legs):
        return
    failed = [leg for leg in legs if leg.inspection_state == InspectionState.FAILED]
    recording.inspection_state = InspectionState.FAILED if failed else InspectionState.DONE
    reasons = [leg.inspection_reason for leg in failed or legs if leg.inspection_reason]
    recording.inspection_reason = "; ".join(reasons) or None
    recording.duration_ms = max((leg.duration_ms or 0 for leg in legs), default=None)
    session.flush()
    _assert(session, recording, region=region, at=at)
    if failed:
        _log.info("inspection.failed", recording_id=str(recording_id))
    elif len(legs) > 1:
        enqueue(session, Job(task=JOIN, args={"recording_id": str(recording_id)}))


def _assert(session: Session, recording: Recording, *, region: str, at: datetime) -> None:
    """Assert what was heard, with the word of the exchange, and what that alone tells."""
    hits = session.scalars(
        select(NoticeHit).where(NoticeHit.recording_id == recording.id).order_by(NoticeHit.start_ms)
    ).all()
    known = call_events.of_recording(session, recording, region=region)
    told = played.played(session, recording, known)
    detection.propose(session, recording, hits, told, at=at)
    played.follow(session, recording, told, at=at)
    consent.refresh_flag(session, recording.id, at=at)
