"""Recordings: the list, one recording with its player, and its forms."""

from __future__ import annotations

from sqlalchemy import text

from app.consent import review as evidence
from app.consent.models import Verdict
from app.identity.permissions import Permission, Role
from app.recordings import searches, selections
from tests.factories import wav
from tests.review.browser import picture
from tests.review.house import House
from tests.web.table import EVERYBODY, those_with

HEARD_BY = those_with(Permission.RECORDING_LISTEN)
PAGES = {
    "/recordings": EVERYBODY,
    "/recordings/{recording_id}": EVERYBODY,
    "/recordings/chosen/{selection_id}": frozenset({Role.MANAGER}),
}
FILES = {
    "/recordings/export.csv": EVERYBODY,
    "/recordings/chosen/{selection_id}/export.csv": frozenset({Role.MANAGER}),
}
FORMS = {
    "/recordings/searches": EVERYBODY,
    "/recordings/searches/{search_id}": EVERYBODY,
    "/recordings/chosen": EVERYBODY,
    "/recordings/chosen/{selection_id}": EVERYBODY,
    "/recordings/{recording_id}/marks": HEARD_BY,
    "/recordings/{recording_id}/purpose": HEARD_BY,
    "/recordings/{recording_id}/marks/{mark_id}/remove": HEARD_BY,
    "/recordings/{recording_id}/review": those_with(Permission.ASSERTION_PROPOSE),
    "/recordings/{recording_id}/exhibits": those_with(Permission.DISPUTE_WRITE),
}


def fill(house: House) -> dict[str, str]:
    """Make a recording whose notice was verified, of a client with an open dispute."""
    with house.making() as make:
        client = make.client(name="ООО «Вектор»")
        recording = make.recording(
            client=client, body=wav(8.0), duration_ms=8000, number="+74951234567", agent="101"
        )
        external = client.external_id
    picture(house, str(recording.id))
    proposed = house.propose(recording.id)
    with house.database.transaction() as session:
        evidence.decide(
            session,
            house.people["reviewer"],
            proposed,
            Verdict.VERIFY,
            reason=None,
            at=house.clock.now(),
        )
        session.execute(
            text("UPDATE users SET agent_ref = '101' WHERE name = 'agent'"),
        )
    body = {"client": external, "subject": "После выезда не работает сеть"}
    answer = house.call("manager", "POST", "/v1/disputes", json=body)
    assert answer.status_code == 201, answer.text
    mark = {"kind": "praise", "from_ms": 1000, "to_ms": 2500, "note": "Спокойно объяснил"}
    made = house.call("manager", "POST", f"/v1/recordings/{recording.id}/marks", json=mark)
    assert made.status_code == 201, made.text
    with house.database.transaction() as session:
        manager, at = house.people["manager"], house.clock.now()
        search = searches.save(
            session, manager, "Сеть", "q=сеть", is_shared=True, is_pinned=True, at=at
        )
        selection = selections.choose(session, manager, [recording.id], at=at)
    return {
        "recording_id": str(recording.id),
        "mark_id": made.json()["id"],
        "search_id": str(search.id),
        "selection_id": str(selection.id),
    }
