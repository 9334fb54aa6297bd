"""Listening and looking at the waveform, each under a fresh decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, cast
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.consent import service as consent
from app.consent.casefile import Question
from app.consent.purposes import Purpose
from app.consent.rules import ConsentRefused, Permit, Segment
from app.consent.spans import SegmentInvalid
from app.core.deps import ClockDep, DatabaseDep
from app.core.errors import Unavailable
from app.core.problems import problems
from app.core.ranges import ByteRange, RangeUnsatisfiable
from app.core.ranges import parse as parse_range
from app.core.sound import BreakableResponse
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.inspection.peaks import Peaks, side_by_side
from app.playback import asking, door, sounds
from app.playback.asking import Place
from app.playback.door import (
    ConsentChanged,
    CutOff,
    Form,
    HeardLeg,
    LegNotFound,
    NotPlayableYet,
    Sound,
    SoundAway,
    SoundErased,
)
from app.playback.listening import Listening, Listenings, Wanted
from app.playback.sounds import PartTalkRead, SoundRead
from app.recordings import service as recordings
from app.recordings.models import Leg, SealedRow
from app.recordings.service import RecordingNotFound
from storage.errors import StoreError
from storage.sealed import SealedReader, SealedRef

router = APIRouter(prefix="/v1/recordings/{recording_id}", tags=["listening"])

CanListen = Annotated[Actor, Depends(Requires(Permission.RECORDING_LISTEN))]
AskedPurpose = Annotated[
    Purpose | None, Query(description="What it is heard for; by role if not said.")
]

_log = structlog.get_logger()


async def _archive(request: Request) -> SealedReader:
    return cast("SealedReader", request.app.state.tools.archive)


Archive = Annotated[SealedReader, Depends(_archive)]


class WaveformRead(BaseModel):
    """Lowest and highest values, in the form of audiowaveform's JSON, version 2."""

    version: int
    channels: int
    sample_rate: int
    samples_per_pixel: int
    bits: int
    length: int
    data: list[int]


@router.get(
    "/audio",
    response_class=Response,
    responses=problems(
        RecordingNotFound,
        ConsentRefused,
        ConsentChanged,
        LegNotFound,
        NotPlayableYet,
        SoundErased,
        SoundAway,
    )
    | {206: {"description": "The part asked for"}, 416: {"description": "No such part"}},
)
def get_audio(
    recording_id: UUID,
    actor: CanListen,
    request: Request,
    database: DatabaseDep,
    archive: Archive,
    clock: ClockDep,
    purpose: AskedPurpose = None,
    leg: HeardLeg | None = None,
    form: Form | None = None,
) -> Response:
    """Listen: the original bytes where a browser plays them, else the playable copy.

    `leg=both` gives the two directions of a call in step, the sent one left, the received one
    right; there is no original of that.

    The decision is asked at each request, a range request too, and again on the way. Of further
    parts within a minute it is asked whether all that it stood on is as it was.
    """
    asked, recipient, asker = asking.question_of(actor, purpose)
    wanted = Wanted(actor=actor, recording_id=recording_id, purpose=asked, leg=leg, form=form)

    def about(session: Session) -> tuple[UUID, Question, HeardLeg | None]:
        recordings.require_seen(session, actor, recording_id)
        question = consent.question(
            session, purpose=asked, recipient_class=recipient, requested_by=asker
        )
        return recording_id, question, leg

    try:
        return listened(request, actor, archive, about, form=form, wanted=wanted)
    except ConsentRefused as exc:
        asking.remember(database, actor, ("recording", recording_id), exc, clock)
        raise


def listened(
    request: Request,
    actor: Actor,
    archive: SealedReader,
    about: Callable[[Session], tuple[UUID, Question, HeardLeg | None]],
    *,
    form: Form | None = None,
    wanted: Wanted | None = None,
) -> Response:
    """Answer with sound. `about` finds what is heard, what the rules are asked, and which leg.

    With `wanted` a part may belong to a listening that goes on; without, each is decided alone.

    Raises:
        ConsentRefused: they do not allow it. The caller remembers the attempt.
        ConsentChanged: they did a moment ago.
        LegNotFound, NotPlayableYet, SoundErased, SoundAway: there is no such sound now.
    """
    database, clock = request.app.state.database, request.app.state.clock
    asked = request.headers.get("range")
    given = _gone_on(request, wanted, asked) if wanted is not None else None
    if given is None:
        with database.transaction() as session:
            recording_id, question, leg = about(session)
            # Decided first: which legs there are, and how long, is told to nobody who may not hear.
            at = clock.now()
            permit = consent.permit_for(session, actor, recording_id, question, at=at)
            sound = door.sound_of(session, recording_id, leg=leg, form=form)
            size = sound.ref.size_bytes
            try:
                part = parse_range(asked, size)
            except RangeUnsatisfiable:
                return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
            given = _Given(permit=permit, sound=sound, part=part)
            first = door.tell(session, actor, permit, sound, part=given.whole, at=clock.now())
        if wanted is not None:
            begun = Listening.begun(wanted, permit, sound, first=first, at=at)
            request.app.state.listenings.keep(begun)
    return _answer(
        given,
        door.pieces(database, archive, given.permit, given.sound, part=given.whole, clock=clock),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What may be heard now, and was told; `part` is None where the whole was asked for."""

    permit: Permit
    sound: Sound
    part: ByteRange | None

    @property
    def whole(self) -> ByteRange:
        return self.part or ByteRange(start=0, end=self.sound.ref.size_bytes)


def _gone_on(request: Request, wanted: Wanted, asked: str | None) -> _Given | None:
    """Return a further part of a listening, told; None if it is to be decided like a first one."""
    listenings: Listenings = request.app.state.listenings
    at = request.app.state.clock.now()
    found = listenings.found(wanted, at=at)
    if found is None:
        return None
    try:
        part = parse_range(asked, found.sound.ref.size_bytes)
    except RangeUnsatisfiable:
        return None
    whole = part or ByteRange(start=0, end=found.sound.ref.size_bytes)
    sound = found.tell(request.app.state.database, whole, at=at)
    if sound is None:
        listenings.end(found)
        return None
    return _Given(permit=found.permit, sound=sound, part=part)


def _answer(given: _Given, pieces: Iterator[bytes]) -> Response:
    """Answer with the pieces, of which the first is there before anything is said.

    Raises:
        ConsentChanged: it is not allowed any more.
        SoundAway: the store does not give it.
    """
    sound, size = given.sound, given.sound.ref.size_bytes
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(given.whole.length),
        "Content-Disposition": f'inline; filename="{given.permit.recording_id}"',
        "X-Audiatur-Form": sound.form,
    }
    if given.part is not None:
        headers["Content-Range"] = given.part.content_range(size)
    status = 200 if given.part is None else 206
    try:
        first = next(pieces, b"")
    except CutOff as exc:
        raise ConsentChanged from exc
    if len(first) == given.whole.length:
        return Response(first, status_code=status, headers=headers, media_type=sound.media_type)
    return BreakableResponse(
        _until_cut(chain([first], pieces)),
        status_code=status,
        headers=headers,
        media_type=sound.media_type,
    )


def _until_cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces, and an empty one where the listening was cut off."""
    try:
        yield from (piece for piece in pieces if piece)
    except (CutOff, Unavailable) as exc:
        _log.info("listening.cut_off", reason=type(exc).__name__)
        yield b""


@router.get(
    "/waveform",
    responses=problems(
        RecordingNotFound,
        ConsentRefused,
        LegNotFound,
        NotPlayableYet,
        SegmentInvalid,
        SoundErased,
        SoundAway,
    ),
)
def get_waveform(
    recording_id: UUID,
    actor: CanListen,
    database: DatabaseDep,
    archive: Archive,
    clock: ClockDep,
    purpose: AskedPurpose = None,
    leg: HeardLeg | None = None,
    points: Annotated[int, Query(ge=10, le=20_000)] = 2_000,
    from_ms: Place = 0,
    to_ms: Place | None = None,
) -> WaveformRead:
    """Return the picture of the sound, under the same decision as the sound itself.

    Of both directions it has a channel for each: the sent one, then the received one. Of a part
    it is decided like hearing that part alone, and nothing before or after it is in the picture.
    """
    asked, recipient, asker = asking.question_of(actor, purpose)
    segment = Segment(from_ms, to_ms)
    try:
        with database.transaction() as session:
            recordings.require_seen(session, actor, recording_id)
            question: Question = consent.question(
                session,
                purpose=asked,
                recipient_class=recipient,
                segment=segment,
                requested_by=asker,
            )
            consent.permit_for(session, actor, recording_id, question, at=clock.now())
            refs = [_peaks_of(session, one) for one in door.legs_heard(session, recording_id, leg)]
    except ConsentRefused as exc:
        asking.remember(database, actor, ("recording", recording_id), exc, clock)
        raise
    try:
        parts = [Peaks.from_bytes(b"".join(archive.stream(ref))) for ref in refs]
    except StoreError as exc:
        raise SoundAway from exc
    peaks = parts[0] if len(parts) == 1 else side_by_side(parts)
    part = peaks.part(segment.from_ms, segment.to_ms)
    picture: dict[str, Any] = dict(part.resampled(points).to_waveform())
    return WaveformRead.model_validate(picture)


def _peaks_of(session: Session, leg: Leg) -> SealedRef:
    """Return where the picture of a leg is.

    Raises:
        NotPlayableYet: it was not looked into yet, or nothing could be decoded.
        SoundErased: its key was destroyed.
    """
    if leg.peaks_object_id is None:
        raise NotPlayableYet
    row = session.get_one(SealedRow, leg.peaks_object_id)
    if row.wrapped_key is None:
        raise SoundErased
    return SealedRef(
        object_id=row.object_id, wrapped_key=row.wrapped_key, size_bytes=row.size_bytes
    )


@router.get(
    "/sound",
    responses=problems(RecordingNotFound, ConsentRefused, NotPlayableYet, SoundErased, SoundAway),
)
def get_sound(
    recording_id: UUID,
    actor: CanListen,
    database: DatabaseDep,
    archive: Archive,
    clock: ClockDep,
    purpose: AskedPurpose = None,
) -> SoundRead:
    """Return levels, silence and talk of each leg, under the same decision as the sound itself."""
    asked, recipient, asker = asking.question_of(actor, purpose)
    try:
        with database.transaction() as session:
            recordings.require_seen(session, actor, recording_id)
            question = consent.question(
                session, purpose=asked, recipient_class=recipient, requested_by=asker
            )
            consent.permit_for(session, actor, recording_id, question, at=clock.now())
            found = sounds.measured_of(session, recording_id)
    except ConsentRefused as exc:
        asking.remember(database, actor, ("recording", recording_id), exc, clock)
        raise
    return sounds.read(archive, found)


@router.get(
    "/talk",
    responses=problems(
        RecordingNotFound,
        ConsentRefused,
        NotPlayableYet,
        SegmentInvalid,
        SoundErased,
        SoundAway,
    ),
)
def get_talk(
    recording_id: UUID,
    actor: CanListen,
    database: DatabaseDep,
    archive: Archive,
    clock: ClockDep,
    purpose: AskedPurpose = None,
    from_ms: Place = 0,
    to_ms: Place | None = None,
) -> PartTalkRead:
    """Return who talks when in a part, decided like hearing that part alone.

    Nothing before or after it is told, and no sum counts it in. Places are of the whole call.
    """
    asked, recipient, asker = asking.question_of(actor, purpose)
    segment = Segment(from_ms, to_ms)
    try:
        with database.transaction() as session:
            recordings.require_seen(session, actor, recording_id)
            question = consent.question(
                session,
                purpose=asked,
                recipient_class=recipient,
                segment=segment,
                requested_by=asker,
            )
            consent.permit_for(session, actor, recording_id, question, at=clock.now())
            found = sounds.measured_of(session, recording_id)
    except ConsentRefused as exc:
        asking.remember(database, actor, ("recording", recording_id), exc, clock)
        raise
    return sounds.read_part(archive, found, segment)
