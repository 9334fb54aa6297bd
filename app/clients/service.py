"""Taking in what other systems tell of clients, contacts, contracts and events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.clients import queries
from app.clients.models import (
    Client,
    Contact,
    ContactPhone,
    Contract,
    ContractClause,
    Event,
    EventOrigin,
)
from app.clients.numbers import normalise
from app.clients.schemas import ClauseWrite, ClientWrite, ContactWrite, ContractWrite, EventWrite
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue


class ClientNotFound(NotFound):
    """There is no such client."""


class EventNotFound(NotFound):
    """There is no such event."""


class PhoneInvalid(Invalid):
    """A telephone number cannot be read."""


class ContractInvalid(Invalid):
    """The contract ends before it begins."""


class EventOfAnotherClient(Conflict):
    """The event belongs to another client."""


ADOPT = "recordings.adopt"


def upsert_client(
    session: Session, external_id: str, told: ClientWrite, *, region: str, at: datetime
) -> tuple[Client, bool]:
    """Make the client what its owner system says; return it and whether it is new.

    A contact that is no longer told of has left: he stays known, his number no longer counts.

    Raises:
        PhoneInvalid: a number that is neither international nor of `region`.
        ContractInvalid: a contract that ends before it begins.
    """
    queries.lock_name(session, "client", external_id)
    client = queries.client_by_external_id(session, external_id)
    is_new = client is None
    if client is None:
        client = Client(id=new_id(), external_id=external_id, created_at=at)
        session.add(client)
    client.name = told.name
    client.tax_id = told.tax_id
    client.jurisdiction = told.jurisdiction
    client.updated_at = at
    session.flush()
    if told.contacts is not None:
        _write_contacts(session, client, told.contacts, region=region, at=at)
    if told.contracts is not None:
        _write_contracts(session, client, told.contracts)
    session.flush()
    enqueue(session, Job(task=ADOPT, args={"client_id": str(client.id)}))
    return client, is_new


def _write_contacts(
    session: Session,
    client: Client,
    told: Sequence[ContactWrite],
    *,
    region: str,
    at: datetime,
) -> None:
    known = {
        contact.external_id or contact.name: contact
        for contact in queries.contacts_of(session, client.id)
    }
    for one in told:
        contact = known.pop(one.external_id or one.name, None)
        if contact is None:
            contact = Contact(id=new_id(), client_id=client.id, phones=[])
            session.add(contact)
        contact.external_id = one.external_id
        contact.name = one.name
        contact.position = one.position
        contact.email = one.email
        contact.is_management = one.is_management
        contact.left_at = None
        _write_phones(contact, one.phones, region=region)
    for contact in known.values():
        contact.left_at = contact.left_at or at


def _write_phones(contact: Contact, written: Sequence[str], *, region: str) -> None:
    wanted = set()
    for phone in written:
        number = normalise(phone, region=region)
        if number is None:
            raise PhoneInvalid(f"{phone!r} is no telephone number.", contact=contact.name)
        wanted.add(number)
    contact.phones = [p for p in contact.phones if p.number in wanted] + [
        ContactPhone(number=number)
        for number in sorted(wanted - {p.number for p in contact.phones})
    ]


def _write_contracts(session: Session, client: Client, told: Sequence[ContractWrite]) -> None:
    known = {c.number: c for c in queries.contracts_of(session, client.id)}
    for one in told:
        if one.valid_to is not None and one.valid_to <= one.valid_from:
            raise ContractInvalid(f"Contract {one.number} ends before it begins.")
        contract = known.get(one.number)
        if contract is None:
            contract = Contract(id=new_id(), client_id=client.id, number=one.number, clauses=[])
            session.add(contract)
        contract.signed_on = one.signed_on
        contract.our_entity = one.our_entity
        contract.document_sha256 = bytes.fromhex(one.document_sha256)
        contract.signature_kind = one.signature_kind
        contract.valid_from = one.valid_from
        contract.valid_to = one.valid_to
        contract.terminated_at = one.terminated_at
        _write_clauses(contract, one.clauses)


def _write_clauses(contract: Contract, told: Sequence[ClauseWrite]) -> None:
    known = {c.clause_ref: c for c in contract.clauses}
    kept = []
    for one in told:
        clause = known.get(one.clause_ref) or ContractClause(id=new_id(), clause_ref=one.clause_ref)
        clause.quote = one.quote
        clause.scope = list(one.scope)
        clause.purposes = list(one.purposes)
        clause.recipients = list(one.recipients)
        clause.survives_until = one.survives_until
        clause.retroactive_from = one.retroactive_from
        kept.append(clause)
    contract.clauses = kept


def upsert_event(
    session: Session, external_id: str, told: EventWrite, *, at: datetime
) -> tuple[Event, bool]:
    """Make the event what its owner system says; return it and whether it is new.

    Recordings that waited for it, or that were given an event of the archive's own, are adopted
    by a job after the commit.

    Raises:
        ClientNotFound: the client was not told of yet.
        EventOfAnotherClient: it was told of before, as another client's.
    """
    queries.lock_name(session, "event", external_id)
    client = queries.client_by_external_id(session, told.client)
    if client is None:
        raise ClientNotFound(
            f"Tell of the client first: PUT /v1/clients/{told.client}.", client=told.client
        )
    event = queries.event_by_external_id(session, external_id)
    is_new = event is None or event.origin == EventOrigin.AWAITED
    if event is None:
        event = Event(id=new_id(), external_id=external_id, created_at=at)
        session.add(event)
    elif event.client_id not in (None, client.id):
        raise EventOfAnotherClient(f"Event {external_id} was told of as another client's.")
    event.origin = EventOrigin.SENT
    event.kind = told.kind
    event.occurred_at = told.occurred_at
    event.subject = told.subject
    event.client_id = client.id
    event.agents = list(told.agents)
    event.closed_at = told.closed_at
    event.updated_at = at
    session.flush()
    if is_new:
        enqueue(session, Job(task=ADOPT, args={"event_id": str(event.id)}))
    return event, is_new
