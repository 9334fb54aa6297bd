"""What exchanges tell of calls, and what people say of who is heard."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.problems import problems
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings import call_events, parties, presence, service
from app.recordings.call_schemas import (
    CallEventList,
    CallEventRead,
    CallEventsKept,
    CallEventsOfRecording,
    CallEventsTold,
    ChangeVerdict,
    PartyAdd,
    PartyChangeList,
    PartyChangeRead,
    PartyWrite,
    PartyWritten,
)
from app.recordings.models import ChangeState, Party, PartyChange
from app.recordings.routes import GUARDED, CanRead, CanSend, party_read
from app.recordings.service import RecordingNotFound

router = APIRouter(prefix="/v1", tags=["recordings"])

CanWriteParty = Annotated[Actor, Depends(Requires(Permission.PARTY_WRITE))]
CanConfirmParty = Annotated[Actor, Depends(Requires(Permission.PARTY_CONFIRM))]


def _region(request: Request) -> str:
    return str(request.app.state.settings.region)


Region = Annotated[str, Depends(_region)]


@router.post(
    "/call-events",
    responses=problems(*GUARDED, call_events.OtherEvent, call_events.CallErased),
)
def post_call_events(
    body: CallEventsTold, actor: CanSend, session: SessionDep, clock: ClockDep, region: Region
) -> CallEventsKept:
    """Keep events of one call, whether its recording is here or still to come.

    The answer says that they are durable; sent again they change nothing.
    """
    found = call_events.receive(
        session,
        actor,
        body.events,
        call_id=body.call_id,
        sent_at=body.sent_at,
        region=region,
        at=clock.now(),
    )
    # A device reads nothing back but what became of what it sent.
    return CallEventsKept(
        kept=found.kept, repeated=found.repeated, skew_ms=found.skew_ms, recordings=[]
    )


@router.post(
    "/recordings/{recording_id}/call-events",
    responses=problems(*GUARDED, RecordingNotFound, call_events.OtherEvent, call_events.CallErased),
)
def add_call_events(
    recording_id: UUID,
    body: CallEventsOfRecording,
    actor: CanWriteParty,
    session: SessionDep,
    clock: ClockDep,
    region: Region,
) -> CallEventsKept:
    """Keep events of a recording's call that a person tells, as from a call log.

    They make presences longer and never shorter, and clear nobody.
    """
    recording = service.find(session, actor, recording_id)
    found = call_events.receive(
        session,
        actor,
        body.events,
        call_id=recording.source_call_id,
        sent_at=None,
        region=region,
        at=clock.now(),
    )
    return CallEventsKept(
        kept=found.kept,
        repeated=found.repeated,
        skew_ms=found.skew_ms,
        recordings=found.recordings,
    )


@router.get(
    "/recordings/{recording_id}/call-events", responses=problems(*GUARDED, RecordingNotFound)
)
def list_call_events(
    recording_id: UUID, actor: CanRead, session: SessionDep, region: Region
) -> CallEventList:
    """List what is told of a recording's call, by the times of the events."""
    recording = service.find(session, actor, recording_id)
    known = call_events.of_recording(session, recording, region=region)
    zero = presence.anchor(k.told for k in known) or recording.started_at
    return CallEventList(
        items=[
            CallEventRead(
                id=k.row.id,
                event_id=k.row.event_id,
                kind=k.told.kind,
                at=k.row.at,
                from_ms=presence.place_ms(k.row.at, zero),
                by=k.told.trust.value,
                skew_ms=k.row.skew_ms,
                told=k.row.told,
            )
            for k in known
        ]
    )


def _change(row: PartyChange, label: str) -> PartyChangeRead:
    return PartyChangeRead(
        id=row.id,
        party=label,
        source="person" if row.source == "person" else "exchange",
        state=ChangeState(row.state),
        before=row.before,
        after=row.after,
        reason=row.reason,
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )


def _written(session: Session, party: Party, row: PartyChange) -> PartyWritten:
    session.refresh(party)
    return PartyWritten(party=party_read(party), change=_change(row, party.label))


_REFUSALS = problems(
    *GUARDED,
    RecordingNotFound,
    parties.PartyNotFound,
    parties.PartyThere,
    parties.PresenceInvalid,
    parties.EntityUnknown,
)


@router.post("/recordings/{recording_id}/parties", status_code=201, responses=_REFUSALS)
def add_party(
    recording_id: UUID, body: PartyAdd, actor: CanWriteParty, session: SessionDep, clock: ClockDep
) -> PartyWritten:
    """Name somebody who is heard; he counts at once, for whom he speaks once another agrees."""
    return _written(session, *parties.add(session, actor, recording_id, body, at=clock.now()))


@router.patch("/recordings/{recording_id}/parties/{party}", responses=_REFUSALS)
def alter_party(
    recording_id: UUID,
    party: str,
    body: PartyWrite,
    actor: CanWriteParty,
    session: SessionDep,
    clock: ClockDep,
) -> PartyWritten:
    """Say something else of a party; what could make an answer milder waits for another person."""
    return _written(
        session, *parties.alter(session, actor, recording_id, party, body, at=clock.now())
    )


@router.get(
    "/recordings/{recording_id}/party-changes", responses=problems(*GUARDED, RecordingNotFound)
)
def list_party_changes(recording_id: UUID, actor: CanRead, session: SessionDep) -> PartyChangeList:
    """List every change of who is heard when, oldest first."""
    rows = parties.history(session, actor, recording_id)
    return PartyChangeList(items=[_change(row, label) for row, label in rows])


_VERDICTS = problems(
    *GUARDED,
    RecordingNotFound,
    parties.ChangeNotFound,
    parties.ChangeSettled,
    parties.ProposerConfirms,
)


@router.post("/recordings/{recording_id}/party-changes/{change_id}/confirm", responses=_VERDICTS)
def confirm_party_change(
    recording_id: UUID,
    change_id: UUID,
    body: ChangeVerdict,
    actor: CanConfirmParty,
    session: SessionDep,
    clock: ClockDep,
) -> PartyWritten:
    """Put a proposed change in force; who proposed it cannot."""
    return _written(
        session,
        *parties.settle(
            session,
            actor,
            recording_id,
            change_id,
            is_true=True,
            reason=body.reason,
            at=clock.now(),
        ),
    )


@router.post("/recordings/{recording_id}/party-changes/{change_id}/reject", responses=_VERDICTS)
def reject_party_change(
    recording_id: UUID,
    change_id: UUID,
    body: ChangeVerdict,
    actor: CanConfirmParty,
    session: SessionDep,
    clock: ClockDep,
) -> PartyWritten:
    """Put a proposed change aside; who proposed it cannot."""
    return _written(
        session,
        *parties.settle(
            session,
            actor,
            recording_id,
            change_id,
            is_true=False,
            reason=body.reason,
            at=clock.now(),
        ),
    )
