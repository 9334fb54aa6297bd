"""Bringing demo data in, by the ways that all data comes; and taking it out again.

Bytes move here, so that transactions are short. Both may be broken off and are begun anew: a call
that came comes once, an event is told of again, an erasure is carried out once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients import service as client_service
from app.clients.schemas import ClientWrite, EventWrite
from app.core.ids import DisputeId, RecordingId
from app.demo import queries, service, sound
from app.demo.models import DemoSet
from app.demo.sound import Pcm
from app.demo.story import Story, ToldCall, read
from app.disputes import service as disputes
from app.disputes import statements
from app.disputes.rules import Channel, StatementKind
from app.disputes.service import Clip, Plan
from app.disputes.statements import Told
from app.identity import queries as identity
from app.identity.actor import Actor
from app.identity.models import Device, User
from app.identity.permissions import PERMISSIONS, Role
from app.recordings.ingest import Arrived, IngestTools, RecordingIngest, ingest_tools
from app.recordings.media import AudioRecogniser
from app.recordings.models import Capture, Direction, LegKind
from app.recordings.multipart import FilePart
from app.recordings.schemas import EventRef, RecordingTold
from app.recordings.stages import Measured
from app.retention import purge
from app.tools import Tools

_SYSTEM: Final = Actor.system("demo")
_LINE: Final = "+442079460100"


def load(tools: Tools, set_id: UUID) -> None:
    """Bring in what is not here yet of a set; do nothing where it is to go."""
    with tools.database.transaction() as session:
        row = _wanted(session, set_id)
        if row is None:
            return
        story = read(service.language_of(row.language))
        device = Actor.device(row.device_id, session.get_one(Device, row.device_id).name)
        at = row.asked_at
        _tell(session, story, set_id, region=tools.settings.region, at=at)
    announced = sound.announcement(story.template, tools.sandbox, tools.settings.spool_dir)
    ways = ingest_tools(tools, Measured())
    kept: dict[str, UUID] = {}
    for call in story.calls:
        for leg, pcm in _legs(call, announced):
            told = _told(call, set_id, leg, seconds=len(pcm) / sound.RATE_HZ, at=at)
            kept[call.key] = _send(ways, device, told, sound.as_wav(pcm))
    with tools.database.transaction() as session:
        row = _wanted(session, set_id)
        if row is None:
            return
        _dispute(session, story, row, kept[story.dispute.call], at=at)
        service.loaded(session, row, at=tools.clock.now())


def _wanted(session: Session, set_id: UUID) -> DemoSet | None:
    row = queries.here(session, lock=True)
    return row if row is not None and row.id == set_id and row.unload_at is None else None


def _named(set_id: UUID, key: str) -> str:
    """Return what other systems would call it; another set has other names."""
    return f"demo-{set_id.hex[-8:]}-{key}"


def _tell(session: Session, story: Story, set_id: UUID, *, region: str, at: datetime) -> None:
    """Tell of clients and of what happened with them."""
    for client in story.clients:
        told = ClientWrite(name=client.name, contacts=list(client.contacts))
        client_service.upsert_client(
            session,
            _SYSTEM,
            _named(set_id, client.key),
            told,
            region=region,
            at=at,
            is_demo=True,
        )
    for event in story.events:
        occurred_at = at - timedelta(days=event.days_ago, minutes=20)
        written = EventWrite(
            kind=event.kind,
            occurred_at=occurred_at,
            subject=event.subject,
            client=_named(set_id, event.client),
            closed_at=occurred_at + timedelta(hours=2) if event.closed else None,
        )
        client_service.upsert_event(session, _SYSTEM, _named(set_id, event.key), written, at=at)


def _legs(call: ToldCall, announced: Pcm) -> Iterator[tuple[LegKind, Pcm]]:
    sent, came = sound.of_call(call.seconds, announced if call.announced else None)
    if call.has_two_legs:
        yield LegKind.SENT, sent
        yield LegKind.RECEIVED, came
    else:
        yield LegKind.MIXED, sound.mixed(sent, came)


def _told(
    call: ToldCall, set_id: UUID, leg: LegKind, *, seconds: float, at: datetime
) -> RecordingTold:
    started_at = at - timedelta(days=call.days_ago)
    is_inbound = call.direction is Direction.INBOUND
    return RecordingTold.model_validate(
        {
            "source_call_id": _named(set_id, call.key),
            "leg": leg,
            "started_at": started_at,
            "ended_at": started_at + timedelta(seconds=round(seconds)),
            "direction": call.direction,
            "from": call.number if is_inbound else _LINE,
            "to": _LINE if is_inbound else call.number,
            "agent": call.agent,
            "event": EventRef(external_id=_named(set_id, call.event)) if call.event else None,
            "capture": Capture.SOFTPHONE,
        }
    )


def _send(ways: IngestTools, device: Actor, told: RecordingTold, body: bytes) -> UUID:
    """Let the device send a call; what came before is known again."""
    recogniser = AudioRecogniser()
    arriving = RecordingIngest(ways, device, told)
    try:
        arriving.write(body)
        recogniser.feed(body)
        part = FilePart(name=f"{told.source_call_id}-{told.leg}.wav", declared_type="audio/wav")
        arrived = Arrived(part=part, facts=recogniser.finish(), compared=None)
        answer, _ = arriving.keep(arrived)
    finally:
        arriving.discard()
    return answer.id


def _dispute(
    session: Session, story: Story, row: DemoSet, recording_id: UUID, *, at: datetime
) -> None:
    """Open the dispute in its owner's name, with the complaint and the call that tells of it."""
    told = story.dispute
    client = _named(row.id, told.client)
    if queries.has_dispute(session, client):
        return
    owner = identity.as_actor(session, session.get_one(User, row.owner_id))
    # Where nobody works on disputes yet, it is the administrator's, who sees none by himself.
    owner = replace(owner, permissions=owner.permissions | PERMISSIONS[Role.MANAGER])
    plan = Plan(event=_named(row.id, told.event))
    dispute = disputes.open_dispute(
        session, owner, client=client, subject=told.subject, plan=plan, at=at
    )
    event = clients.event_by_external_id(session, _named(row.id, told.event))
    said = Told(
        kind=StatementKind.COMPLAINT,
        words=told.complaint,
        said_by=told.said_by,
        said_at=event.occurred_at if event else at,
        channel=Channel.PHONE,
    )
    statements.state(session, owner, dispute.id, said, at=at)
    clip = Clip(recording_id=RecordingId(recording_id), from_ms=0, to_ms=None, note=told.note)
    disputes.add_exhibit(session, owner, DisputeId(dispute.id), clip, at=at)


def unload(tools: Tools, set_id: UUID) -> bool:
    """Erase a set's recordings and remove the rest; say whether it has gone.

    It stays where somebody has placed a hold meanwhile.
    """
    with tools.database.transaction() as session:
        row = _going(session, set_id)
        if row is None:
            return False
        wanted = service.begin_erasures(session, _SYSTEM, row, at=tools.clock.now())
    for erasure_id in wanted:
        purge.purge(tools, erasure_id)
    with tools.database.transaction() as session:
        row = _going(session, set_id)
        if row is None:
            return False
        if queries.recordings(session, row.device_id) or queries.hindrances(session):
            service.stay(session, row)
            return False
        service.finish(session, row, at=tools.clock.now())
        return True


def _going(session: Session, set_id: UUID) -> DemoSet | None:
    row = queries.here(session, lock=True)
    return row if row is not None and row.id == set_id and row.unload_at is not None else None


def handle_load(tools: Tools, set_id: str) -> None:
    """Load a set."""
    load(tools, UUID(set_id))


def handle_unload(tools: Tools, set_id: str) -> None:
    """Unload a set."""
    unload(tools, UUID(set_id))
