"""Receiving recordings and screenshots, and telling what is known of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask

from app.clients.models import Event
from app.clients.numbers import normalise
from app.clients.service import EventNotFound
from app.core.db import DatabaseAway
from app.core.deps import ClockDep, SessionDep
from app.core.errors import TooLarge, UnsupportedMedia
from app.core.moments import Moment
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor, CursorInvalid
from app.core.problems import problems
from app.core.text import ExternalId, Searched
from app.core.working import Workers
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings import finding, queries, service
from app.recordings.digests import DigestInvalid, DigestMismatch
from app.recordings.finding import Sought
from app.recordings.ingest import (
    IdempotencyKeyReused,
    IngestTools,
    OtherBytes,
    RecordingErased,
    RecordingIngest,
    ScreenshotIngest,
    StoreAway,
)
from app.recordings.media import AudioRecogniser, ImageRecogniser
from app.recordings.models import Flag, LinkedBy, Party, PresenceBy, Proof, Recording
from app.recordings.multipart import (
    MetadataInvalid,
    MultipartBroken,
    PartsWrong,
    parse_metadata,
)
from app.recordings.receive import Reception, receive
from app.recordings.schemas import (
    ConsentPartiesRead,
    EventLinkRead,
    InspectionRead,
    LegRead,
    LinkChangeRead,
    NoticesRead,
    PartyRead,
    ProofRead,
    RecordingCreated,
    RecordingPage,
    RecordingRead,
    RecordingSummary,
    RecordingTold,
    RelinkWrite,
    ScreenshotCreated,
    ScreenshotTold,
)
from app.recordings.service import EventHasNoClient, RecordingNotFound
from app.recordings.stages import Stage

router = APIRouter(prefix="/v1", tags=["recordings"])

CanSend = Annotated[Actor, Depends(Requires(Permission.RECORDING_SEND))]
CanRead = Annotated[Actor, Depends(Requires(Permission.RECORDING_READ))]
CanRelink = Annotated[Actor, Depends(Requires(Permission.RECORDING_RELINK))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingTools:
    """What the two receiving routes share: the way in, its limits and its threads."""

    ingest: IngestTools
    workers: Workers
    max_upload_bytes: int
    max_screenshot_bytes: int
    max_pixels: int
    idle_seconds: int


async def _receiving(request: Request) -> ReceivingTools:
    return cast("ReceivingTools", request.app.state.receiving)


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """How to look up what rooms above this one know: notices found, and what is proved by whom."""

    notices_of: Callable[[Session, UUID], NoticesRead]
    proofs_of: Callable[[Session, UUID], dict[UUID, ProofRead]]


def _above(request: Request) -> Above:
    state = request.app.state
    return Above(notices_of=state.notices_of, proofs_of=state.proofs_of)


FromAbove = Annotated[Above, Depends(_above)]
Receiving = Annotated[ReceivingTools, Depends(_receiving)]

_UPLOAD_REFUSALS = problems(
    *GUARDED,
    DigestInvalid,
    DigestMismatch,
    MultipartBroken,
    RecordingErased,
    OtherBytes,
    TooLarge,
    UnsupportedMedia,
    MetadataInvalid,
    PartsWrong,
    DatabaseAway,
    StoreAway,
)


def _multipart(told: str) -> dict[str, object]:
    """Return the OpenAPI description of an upload's body, which the route reads by itself."""
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["metadata", "file"],
                        "properties": {
                            "metadata": {"$ref": f"#/components/schemas/{told}"},
                            "file": {"type": "string", "format": "binary"},
                        },
                    }
                }
            },
        }
    }


@router.post(
    "/recordings",
    status_code=201,
    response_model=RecordingCreated,
    responses=_UPLOAD_REFUSALS
    | problems(IdempotencyKeyReused, MetadataInvalid, PartsWrong)
    | {200: {"model": RecordingCreated, "description": "A repeat"}},
    openapi_extra=_multipart("RecordingTold"),
)
async def post_recording(request: Request, actor: CanSend, receiving: Receiving) -> Response:
    """Keep a recording: part "metadata" (JSON) first, then part "file".

    201 says that it is durable; 200 that it was before.
    """

    def begin(raw: bytes) -> RecordingIngest:
        told = parse_metadata(RecordingTold, raw)
        request.state.source_call_id = told.source_call_id  # A refusal tells of which call it was.
        key = request.headers.get("idempotency-key")
        return RecordingIngest(receiving.ingest, actor, told, key=key)

    answer, is_new = await receive(
        request,
        Reception(
            begin=begin,
            recognise=lambda part: AudioRecogniser(part.declared_type, part.name),
            max_file_bytes=receiving.max_upload_bytes,
            idle_seconds=receiving.idle_seconds,
            stages=receiving.ingest.stages,
            workers=receiving.workers,
        ),
    )
    return _durable(answer, is_new=is_new, receiving=receiving)


@router.post(
    "/screenshots",
    status_code=201,
    response_model=ScreenshotCreated,
    responses=_UPLOAD_REFUSALS | {200: {"model": ScreenshotCreated, "description": "A repeat"}},
    openapi_extra=_multipart("ScreenshotTold"),
)
async def post_screenshot(request: Request, actor: CanSend, receiving: Receiving) -> Response:
    """Keep a screenshot: part "metadata" (JSON) first, then part "file"."""
    answer, is_new = await receive(
        request,
        Reception(
            begin=lambda raw: ScreenshotIngest(
                receiving.ingest, actor, parse_metadata(ScreenshotTold, raw)
            ),
            recognise=lambda _: ImageRecogniser(receiving.max_pixels),
            max_file_bytes=receiving.max_screenshot_bytes,
            idle_seconds=receiving.idle_seconds,
            stages=receiving.ingest.stages,
            workers=receiving.workers,
        ),
    )
    return _durable(answer, is_new=is_new, receiving=receiving)


def _durable(answer: BaseModel, *, is_new: bool, receiving: ReceivingTools) -> Response:
    stages = receiving.ingest.stages
    stages.enter(Stage.ANSWER)
    began = time.perf_counter()

    async def left() -> None:
        stages.leave(Stage.ANSWER, time.perf_counter() - began)

    return Response(
        answer.model_dump_json(),
        201 if is_new else 200,
        media_type="application/json",
        background=BackgroundTask(left),
    )


@router.get("/recordings", responses=problems(*GUARDED, CursorInvalid))
def list_recordings(
    actor: CanRead,
    session: SessionDep,
    request: Request,
    client: ExternalId | None = None,
    agent: Searched | None = None,
    event: ExternalId | None = None,
    number: Searched | None = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    flag: Flag | None = None,
    proof: Proof | None = None,
    q: Annotated[Searched | None, Query(max_length=200)] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> RecordingPage:
    """List recordings, newest first, within what the caller may see."""
    region: str = request.app.state.settings.region
    wanted = Sought(
        client=client,
        agent=agent,
        event=event,
        number=(normalise(number, region=region) or number) if number else None,
        since=since,
        until=until,
        flag=flag,
        proof=proof,
        words=q,
    )
    after = Cursor.decode(cursor) if cursor else None
    # What has no word in it is said of nothing.
    is_askable = q is None or bool(finding.words_in(q))
    rows = finding.page(session, actor, wanted, after=after, limit=limit) if is_askable else []
    last = rows[-1].recording if len(rows) == limit else None
    return RecordingPage(
        items=[
            _summary(one.recording, one.event, one.client.external_id if one.client else None)
            for one in rows
        ],
        next=Cursor(at=last.started_at, id=last.id).encode() if last else None,
    )


@router.get("/recordings/{recording_id}", responses=problems(*GUARDED, RecordingNotFound))
def get_recording(
    recording_id: UUID, actor: CanRead, session: SessionDep, above: FromAbove
) -> RecordingRead:
    """Tell what is known of a recording."""
    return _read(session, service.find(session, actor, recording_id), above)


@router.post(
    "/recordings/{recording_id}/link",
    responses=problems(*GUARDED, RecordingNotFound, EventNotFound, EventHasNoClient),
)
def relink(
    recording_id: UUID,
    body: RelinkWrite,
    actor: CanRelink,
    session: SessionDep,
    clock: ClockDep,
    above: FromAbove,
) -> RecordingRead:
    """Tie a recording to another event; how it was tied before stays in its history."""
    found = service.relink(
        session,
        actor,
        recording_id,
        event=body.event.external_id,
        reason=body.reason,
        at=clock.now(),
    )
    return _read(session, found, above)


def _event_link(found: Recording, event: Event, client: str | None) -> EventLinkRead:
    return EventLinkRead(
        id=event.id,
        external_id=event.external_id,
        client=client,
        linked_by=LinkedBy(found.linked_by),
    )


def _summary(found: Recording, event: Event, client: str | None) -> RecordingSummary:
    return RecordingSummary.model_validate(
        {
            "id": found.id,
            "source_call_id": found.source_call_id,
            "started_at": found.started_at,
            "direction": found.direction,
            "capture": found.capture,
            "outside_number": found.outside_number,
            "agent": found.agent,
            "duration_ms": found.duration_ms,
            "event": _event_link(found, event, client),
            "flag": found.flag,
            "proof": found.proof,
            "inspection": found.inspection_state,
        }
    )


def party_read(party: Party, proved: ProofRead | None = None) -> PartyRead:
    """Return a party as it is told of, with what proves that he was told, if it was asked for."""
    return PartyRead(
        label=party.label,
        side=party.side,
        client=party.client_id,
        contact=party.contact_id,
        number=party.number,
        present_from_ms=party.present_from_ms,
        present_to_ms=party.present_to_ms,
        presence_by=PresenceBy(party.presence_by),
        channel=party.channel,
        jurisdiction=party.jurisdiction,
        how_identified=party.how_identified,
        proof=proved,
    )


def worst_of(proofs: dict[UUID, ProofRead], parties: Sequence[Party]) -> Proof:
    """Return the class of a recording: that of the outside party with the worst."""
    classes = [
        proofs[p.id].proof_class if p.id in proofs else Proof.NONE
        for p in parties
        if p.side != "own"
    ]
    return max(classes, default=Proof.NONE)


def _read(session: Session, found: Recording, above: Above) -> RecordingRead:
    event, client = queries.event_of(session, found)
    objects = queries.objects_of(session, found.legs)
    # Looking up what is proved reads the recording anew, without its legs and parties.
    legs, heard = list(found.legs), list(found.parties)
    first = legs[0]
    proofs = above.proofs_of(session, found.id)
    notices = above.notices_of(session, found.id)
    return RecordingRead.model_validate(
        {
            "id": found.id,
            "source_call_id": found.source_call_id,
            "started_at": found.started_at,
            "ended_at": found.ended_at,
            "received_at": found.received_at,
            "line": found.line,
            "direction": found.direction,
            "from_party": found.from_party,
            "to_party": found.to_party,
            "outside_number": found.outside_number,
            "agent": found.agent,
            "capture": found.capture,
            "event": _event_link(found, event, client),
            "links": [
                LinkChangeRead(
                    event=c.event_id,
                    linked_by=LinkedBy(c.linked_by),
                    at=c.at,
                    user=c.user_id,
                    reason=c.reason,
                )
                for c in queries.links_of(session, found.id)
            ],
            "legs": [
                LegRead.model_validate(
                    {
                        "leg": leg.leg,
                        "sha256": objects[leg.object_id].sha256.hex(),
                        "size_bytes": objects[leg.object_id].size_bytes,
                        "media_type": leg.media_type,
                        "codec": leg.codec,
                        "channels": leg.channels,
                        "sample_rate_hz": leg.sample_rate_hz,
                        "file_name": leg.file_name,
                        "received_at": leg.received_at,
                        "duration_ms": leg.duration_ms,
                        "damaged": leg.damaged,
                    }
                )
                for leg in legs
            ],
            "consent": ConsentPartiesRead(
                flag=Flag(found.flag),
                proof=worst_of(proofs, heard),
                parties=[party_read(p, proofs.get(p.id)) for p in heard],
            ),
            "inspection": InspectionRead.model_validate(
                {
                    "state": found.inspection_state,
                    "reason": found.inspection_reason,
                    "duration_ms": found.duration_ms,
                    "channels": first.channels,
                    "codec": first.codec,
                    "notices": notices.found,
                    "notices_not_searched": notices.not_searched,
                }
            ),
        }
    )
