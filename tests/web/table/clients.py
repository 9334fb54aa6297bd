"""Clients: the list, the card, its timeline and calls."""

from __future__ import annotations

from datetime import timedelta

from app.clients.models import ContractClause, EventKind
from app.core.ids import DisputeId, RecordingId, new_id
from app.disputes import service as disputes
from app.disputes.service import Clip
from app.identity.permissions import Permission
from tests.factories import DAY
from tests.review.house import House
from tests.web.table import those_with

READERS = those_with(Permission.CLIENT_READ)
PAGES = {
    "/clients": READERS,
    "/clients/{client_id}": READERS,
    "/clients/{client_id}/timeline": READERS,
    "/clients/{client_id}/calls": READERS,
}
FORMS = {
    "/clients/{client_id}/disputes": those_with(Permission.DISPUTE_WRITE),
    "/clients/{client_id}/contacts/{contact_id}/verify": those_with(Permission.CONTACT_VERIFY),
}
NAME = "ООО «Заря»"
PHONE = "+74950008415"


def fill(house: House) -> dict[str, str]:
    """Make a client with people, a contract, a complaint with calls around it, and a dispute."""
    now = house.clock.now()
    with house.making() as make:
        client = make.client(name=NAME, tax_id="7701234567")
        contact = make.contact(client, phones=[PHONE])
        contract = make.contract(client, scope=["notice", "disclose_to_management"])
        contract.monthly_price_minor, contract.currency = 1_500_000, "RUB"
        price = ContractClause(
            id=new_id(),
            clause_ref="4.3",
            quote="Лишние выезды оплачиваются отдельно.",
            scope=[],
            purposes=[],
            recipients=[],
        )
        contract.clauses.append(price)
        complaint = make.event(client, at=now - 2 * DAY, kind=EventKind.COMPLAINT)
        complaint.subject = "После выезда не работает сеть"
        call = make.recording(
            client=client,
            number=PHONE,
            started_at=now - 2 * DAY - timedelta(hours=2),
            duration_ms=312_000,
        )
        make.recording(client=client, number=PHONE, started_at=now - 40 * DAY)
        dispute = disputes.open_dispute(
            make.session,
            house.people["manager"],
            client=client.external_id,
            subject="Кто отключил сеть",
            at=now - DAY,
        )
        clip = Clip(recording_id=RecordingId(call.id), from_ms=65_000, to_ms=None, note=None)
        disputes.add_exhibit(
            make.session, house.people["manager"], DisputeId(dispute.id), clip, at=now
        )
        return {
            "client_id": str(client.id),
            "contact_id": str(contact.id),
            "complaint_id": str(complaint.id),
            "call_id": str(call.id),
        }
