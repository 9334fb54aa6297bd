"""Calls and gaps: days, the statement of one, and what is missing."""

from __future__ import annotations

from sqlalchemy import select

from app.feeds import calls, jobs
from app.feeds.models import CallGap
from app.feeds.reconciling import office_of
from app.feeds.schemas import CallsTold
from app.identity.permissions import Permission
from tests.review.house import House
from tests.web.table import those_with

READERS = those_with(Permission.RECONCILIATION_READ)
DAY = "2026-11-19"
PAGES = {
    "/reconciliation": READERS,
    "/reconciliation/gaps": READERS,
    "/reconciliation/{day}": READERS,
}
FORMS = {"/reconciliation/gaps/{gap_id}": those_with(Permission.RECONCILIATION_EXPLAIN)}


def told(name: str, hour: int) -> dict[str, object]:
    return {
        "call_id": name,
        "started_at": f"{DAY}T{hour:02}:00:00+03:00",
        "duration_ms": 65_000,
        "talk_ms": 60_000,
        "direction": "inbound",
        "from": "+74950008499",
        "to": "106",
        "disposition": "answered",
    }


def fill(house: House) -> dict[str, str]:
    """Make a day with two calls that have no recording, compared and stated."""
    with house.making() as make:
        device, _ = make.new_device()
        of_house = calls.House(office=office_of(house.tools.settings), region="RU")
        given = CallsTold.model_validate({"calls": [told("gap-1", 10), told("gap-2", 11)]})
        calls.receive(make.session, device, given.calls, of_house, at=house.clock.now())
    jobs.handle_reconcile(house.tools)
    with house.making() as make:
        first = make.session.scalars(select(CallGap.id).order_by(CallGap.at).limit(1)).one()
    return {"day": DAY, "gap_id": str(first)}
