"""Opening disputes and adding exhibits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import Conflict, Forbidden, NotFound
from app.core.ids import DisputeId, RecordingId, new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import queries
from app.disputes.models import Dispute, Exhibit
from app.identity.actor import Actor


class DisputeNotFound(NotFound):
    """There is no such dispute."""


class DisputeClientUnknown(NotFound):
    """No client has this external id.

    Tell of the client first, by `PUT /v1/clients/{external_id}`.
    """


class ExhibitRecordingUnknown(NotFound):
    """There is no such recording to add as an exhibit."""


class ExhibitBeyondEnd(Conflict):
    """The exhibit begins or ends after the recording does.

    `duration_ms` tells how long the recording is.
    """


class DisputeClosed(Conflict):
    """The dispute is closed; nothing is added to it any more."""


class PersonNeeded(Forbidden):
    """Only a person can do this, not a device or the archive itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The part of a recording to show, in milliseconds from its first sample."""

    recording_id: RecordingId
    from_ms: int
    to_ms: int | None
    note: str | None


def open_dispute(
    session: Session, actor: Actor, *, client: str, subject: str, at: datetime
) -> Dispute:
    """Open a dispute with the client that other systems call `client`.

    Raises:
        DisputeClientUnknown: nobody has told of this client.
    """
    found = queries.client_named(session, client)
    if found is None:
        raise DisputeClientUnknown(client=client)
    dispute = Dispute(
        id=new_id(),
        client_id=found.id,
        subject=subject,
        opened_by=person(actor),
        opened_at=at,
        closed_at=None,
        exhibits=[],
    )
    session.add(dispute)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.DISPUTE_OPENED,
        ("dispute", dispute.id),
        at=at,
        facts={"client_id": str(found.id)},
        detail={"subject": subject},
    )
    return dispute


def get(session: Session, dispute_id: DisputeId) -> Dispute:
    """Return the dispute with its exhibits.

    Raises:
        DisputeNotFound: there is none.
    """
    found = queries.dispute(session, dispute_id)
    if found is None:
        raise DisputeNotFound
    return found


def add_exhibit(
    session: Session, actor: Actor, dispute_id: DisputeId, clip: Clip, *, at: datetime
) -> Exhibit:
    """Add a part of a recording to a dispute.

    Raises:
        DisputeNotFound: there is no such dispute.
        DisputeClosed: it takes no more exhibits.
        ExhibitRecordingUnknown: there is no such recording, or it was erased.
        ExhibitBeyondEnd: the recording is shorter.
    """
    dispute = get(session, dispute_id)
    if dispute.closed_at is not None:
        raise DisputeClosed
    recording = queries.recording(session, clip.recording_id)
    if recording is None:
        raise ExhibitRecordingUnknown
    if recording.duration_ms is not None and (
        clip.from_ms >= recording.duration_ms or (clip.to_ms or 0) > recording.duration_ms
    ):
        raise ExhibitBeyondEnd(duration_ms=recording.duration_ms)
    exhibit = Exhibit(
        id=new_id(),
        dispute_id=dispute.id,
        recording_id=recording.id,
        from_ms=clip.from_ms,
        to_ms=clip.to_ms,
        note=clip.note,
        added_by=person(actor),
        at=at,
    )
    session.add(exhibit)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.EXHIBIT_ADDED,
        ("recording", recording.id),
        at=at,
        facts={
            "dispute_id": str(dispute.id),
            "exhibit_id": str(exhibit.id),
            "from_ms": clip.from_ms,
            "to_ms": clip.to_ms,
        },
        detail={"note": clip.note} if clip.note else None,
    )
    return exhibit


def person(actor: Actor) -> UUID:
    """Return the id of the person who acts.

    Raises:
        PersonNeeded: it is no person.
    """
    if actor.kind != "user" or actor.id is None:
        raise PersonNeeded
    return actor.id
