"""A client whose recordings may be handed to him, for the tests of handing over."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.consent import review
from app.consent.models import Verdict
from app.consent.purposes import Kind, Purpose, ScreeningResult
from app.consent.review import Proposal
from app.consent.spans import WHOLE
from app.core.ids import DisputeId, RecordingId
from app.disputes import service as disputes
from app.disputes.service import Clip
from tests.factories import wav
from tests.review.house import ACKNOWLEDGED, AGREED, House


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A client, his director, and a recording of which the first second was without consent."""

    client: str
    contact_id: UUID
    recording_id: UUID


def agreed(house: House, *, from_ms: int = 0, is_screened: bool = True) -> Agreed:
    """Return a client who agreed on the line, from a moment on, that his management hears it.

    Without `is_screened` nobody has listened yet whether anything private is heard.
    """
    at, reviewer = house.clock.now(), house.people["reviewer"]
    evidence = AGREED
    with house.making() as make:
        client = make.client()
        contact = make.contact(client)
        make.contract(client)
        recording = make.recording(client=client, body=wav(8.0), duration_ms=8000)
        for told in (
            Proposal(kind=Kind.EMPLOYEE_ACK, evidence=ACKNOWLEDGED, party="own", wide=True),
            Proposal(
                kind=Kind.VERBAL_CONSENT,
                evidence=evidence,
                party="cli",
                from_ms=from_ms,
                purposes=(Purpose.DISPUTE_CLIENT,),
                recipients=("client_same_entity",),
            ),
        ):
            row = review.propose(make.session, house.people["manager"], recording.id, told, at=at)
            review.decide(make.session, reviewer, row.id, Verdict.VERIFY, reason=None, at=at)
        if is_screened:
            screen(house, make.session, recording.id)
        review.verify_contact(
            make.session,
            reviewer,
            contact.id,
            identity_basis="Паспорт",
            mandate_basis="Устав",
            at=at,
        )
        return Agreed(client=client.external_id, contact_id=contact.id, recording_id=recording.id)


def screen(house: House, session: Session, recording_id: UUID) -> None:
    """Let the reviewer find nothing private in a recording."""
    reviewer, at = house.people["reviewer"], house.clock.now()
    found = ScreeningResult.CLEAR
    review.screen(session, reviewer, RecordingId(recording_id), WHOLE, found, note=None, at=at)


def disputed(house: House, found: Agreed, *, from_ms: int = 1000, to_ms: int = 7000) -> str:
    """Return a dispute with the client that shows a part of the recording."""
    at, manager = house.clock.now(), house.people["manager"]
    with house.database.transaction() as session:
        made = disputes.open_dispute(
            session, manager, client=found.client, subject="Обещали перезвонить", at=at
        )
        shown = Clip(
            recording_id=RecordingId(found.recording_id),
            from_ms=from_ms,
            to_ms=to_ms,
            note="Обещание",
        )
        disputes.add_exhibit(session, manager, DisputeId(made.id), shown, at=at)
        return str(made.id)
