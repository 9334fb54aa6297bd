"""Events: the list, one of them, and triage."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.clients.models import EventOrigin
from app.identity.permissions import Permission
from app.recordings.models import LinkedBy, Recording
from tests.factories import DAY, Make
from tests.review.house import House
from tests.web.table import those_with

READERS = those_with(Permission.CLIENT_READ)
TIERS = those_with(Permission.RECORDING_RELINK)
PAGES = {"/events": READERS, "/events/triage": READERS, "/events/{event_id}": READERS}
FORMS = {
    "/events/{event_id}/relink": TIERS,
    "/events/triage/{untied_id}/link": TIERS,
    "/events/triage/{untied_id}/client": TIERS,
    "/events/triage/{untied_id}/number": TIERS,
    "/events/triage/{untied_id}/aside": TIERS,
    "/events/triage/{untied_id}/back": TIERS,
    "/events/triage/{untied_id}/undo": TIERS,
}
NUMBER = "+74950007701"


def untied(make: Make, *, at: datetime, number: str | None = NUMBER) -> Recording:
    """Return a recording of an unknown number, as receiving leaves it behind."""
    recording = make.recording(number=number, started_at=at, outside=0)
    make.party(recording, "cli", side="other")
    event = make.event(None, at=at, origin=EventOrigin.TRIAGE)
    event.external_id, event.subject = None, f"Звонок {number}"
    recording.event_id, recording.linked_by = event.id, LinkedBy.TRIAGE
    make.session.flush()
    return recording


def fill(house: House) -> dict[str, str]:
    """Make an event with a recording, and a recording of an unknown number near another event."""
    at = house.clock.now() - 6 * DAY
    with house.making() as make:
        client = make.client(name="ООО «Мост»")
        recording = make.recording(client=client, number="+74950007700", started_at=at)
        waits = untied(make, at=at)
        visit = make.event(client, at=at + timedelta(minutes=40), external_id="VISIT-7")
        visit.subject, visit.agents = "Выезд на узел связи", ["101"]
        return {"event_id": str(recording.event_id), "untied_id": str(waits.id)}
