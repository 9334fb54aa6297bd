"""Which event a recording belongs to, as far as the sender's words and the number tell. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.clients.models import EventOrigin
from app.clients.numbers import normalise
from app.recordings.models import Direction, LinkedBy
from app.recordings.schemas import RecordingTold


def outside_number(told: RecordingTold, *, region: str) -> str | None:
    """Return the number of the other side in E.164, or None where there is none to be known."""
    written = {
        Direction.INBOUND: told.from_party,
        Direction.OUTBOUND: told.to_party,
        Direction.INTERNAL: None,
    }[told.direction]
    return normalise(written, region=region) if written else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database knows of the words in an upload, each part None where nothing is known.

    `client_of_number` is None as well where the number is that of several clients' contacts.
    """

    named_event: UUID | None = None
    named_client: UUID | None = None
    contact: UUID | None = None
    client_of_number: UUID | None = None
    nearest_event: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The event to tie to: an existing one, or one to be made with `origin`."""

    linked_by: LinkedBy
    event_id: UUID | None
    client_id: UUID | None
    origin: EventOrigin | None = None
    external_id: str | None = None


def link(known: Known, *, named: str | None) -> Link:
    """Return the event: named by the sender, else found by the number, else to be made."""
    if named is not None:
        return Link(
            linked_by=LinkedBy.SENDER,
            event_id=known.named_event,
            client_id=known.named_client,
            origin=None if known.named_event else EventOrigin.AWAITED,
            external_id=named,
        )
    if known.client_of_number is None:
        return Link(
            linked_by=LinkedBy.TRIAGE, event_id=None, client_id=None, origin=EventOrigin.TRIAGE
        )
    if known.nearest_event is not None:
        return Link(
            linked_by=LinkedBy.NUMBER,
            event_id=known.nearest_event,
            client_id=known.client_of_number,
        )
    return Link(
        linked_by=LinkedBy.CREATED,
        event_id=None,
        client_id=known.client_of_number,
        origin=EventOrigin.MADE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Somebody on the line, as far as the call's facts tell."""

    label: str
    side: str
    client_id: UUID | None = None
    contact_id: UUID | None = None
    agent: str | None = None
    number: str | None = None
    present_from_ms: int = 0
    present_to_ms: int | None = None
    how_identified: str = "unknown"


def heard(
    told: RecordingTold, known: Known, tie: Link, *, number: str | None, region: str
) -> list[Heard]:
    """Return who is on the line: our person, the other side, and whom the sender names besides.

    An internal call has two of our own and nobody from outside. The other side speaks for the
    client of its number; if the number tells nothing, for the client of the event the sender
    named, which is weaker and says so.
    """
    own = Heard(label="own", side="own", agent=told.agent, how_identified="sender")
    if told.direction is Direction.INTERNAL:
        return [own, Heard(label="own-2", side="own", how_identified="sender")]
    if known.client_of_number is not None:
        outside = Heard(
            label="cli",
            side="client",
            client_id=known.client_of_number,
            contact_id=known.contact,
            number=number,
            how_identified="number",
        )
    elif tie.client_id is not None:
        outside = Heard(
            label="cli",
            side="client",
            client_id=tie.client_id,
            number=number,
            how_identified="event",
        )
    else:
        outside = Heard(label="cli", side="other", number=number)
    others = [
        Heard(
            label=f"p{place}",
            side=claim.side,
            number=normalise(claim.number, region=region) if claim.number else None,
            present_from_ms=claim.from_ms,
            present_to_ms=claim.to_ms,
            how_identified="sender",
        )
        for place, claim in enumerate(told.parties, start=1)
        if number is None or not claim.number or normalise(claim.number, region=region) != number
    ]
    return [own, outside, *others]


def made_subject(started_at: datetime, number: str | None) -> str:
    """Return the subject of an event that the archive makes for a call."""
    return f"Звонок {number or 'с неизвестного номера'}, {started_at:%d.%m.%Y}"
