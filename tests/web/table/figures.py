"""Figures: complaints against clients, clients beside each other, and their charts."""

from __future__ import annotations

from datetime import date, timedelta

from app.clients.models import EventKind
from app.disputes import hours
from app.disputes import service as disputes
from app.disputes.hours import Worked
from app.disputes.rules import WorkRole
from app.identity.permissions import Permission
from tests.factories import DAY
from tests.review.house import House
from tests.web.table import those_with

READERS = those_with(Permission.DISPUTE_READ)
PAGES = {"/figures": READERS, "/figures/clients": READERS}
FILES = {"/figures/trend.svg": READERS, "/figures/clients.svg": READERS}
DEAR = "ООО «Дорогой клиент»"


def fill(house: House) -> dict[str, str]:
    """Make a client who costs more than he brings."""
    at = house.clock.now() - 40 * DAY
    manager = house.people["manager"]
    with house.making() as make:
        session = make.session
        client = make.client(name=DEAR)
        contract = make.contract(client)
        contract.monthly_price_minor, contract.currency = 100_000, "RUB"
        for number, minutes in enumerate((10, 20, 30)):
            make.recording(
                client=client,
                number="+74950009900",
                started_at=at + timedelta(hours=number),
                duration_ms=minutes * 60_000,
            )
        for kind in (EventKind.TICKET, EventKind.TICKET, EventKind.COMPLAINT):
            make.event(client, at=at).kind = kind
        session.flush()
        hours.set_rate(
            session,
            manager,
            role=WorkRole.SPECIALIST,
            hour_minor=900_000,
            currency="RUB",
            valid_from=date(2026, 1, 1),
            at=at,
        )
        opened = disputes.open_dispute(
            session, manager, client=client.external_id, subject="Счёт за простой", at=at
        )
        worked = Worked(role=WorkRole.SPECIALIST, minutes=150, worked_on=at.date())
        hours.note(session, manager, opened.id, worked, at=at)
        return {"dear_id": str(client.id)}
