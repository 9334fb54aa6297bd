"""Taking in what other systems tell of clients, contacts, contracts and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState, Session

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
from app.core.db import Base
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import offices
from app.identity.actor import Actor


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


def find(session: Session, actor: Actor, client_id: UUID) -> Client:
    """Return a client.

    Raises:
        ClientNotFound: there is none that `actor` may see.
    """
    found = queries.client(session, actor, client_id)
    if found is None:
        raise ClientNotFound
    return found


def upsert_client(  # noqa: PLR0913 - what is told of a client, and whether he is made up.
    session: Session,
    actor: Actor,
    external_id: str,
    told: ClientWrite,
    *,
    region: str,
    at: datetime,
    is_demo: bool = False,
) -> tuple[Client, bool]:
    """Make the client what its owner system says; return it and whether it is new.

    A contact that is no longer told of has left: he stays known, his number no longer counts.

    Raises:
        ClientNotFound: it is another office's, which the actor does not see.
        OfficeNotFound: it is given to an office that there is not, or that the actor does not see.
        PhoneInvalid: a number that is neither international nor of `region`.
        ContractInvalid: a contract that ends before it begins.
    """
    queries.lock_name(session, "client", external_id)
    client = queries.client_by_external_id(session, external_id)
    is_new = client is None
    if client is None:
        client = Client(id=new_id(), external_id=external_id, created_at=at, is_demo=is_demo)
        session.add(client)
    elif not queries.is_seen(session, actor, client.id):
        raise ClientNotFound
    if told.office is not None:
        client.office_id = offices.named(session, actor, told.office).id
    elif is_new:
        client.office_id = offices.first_of(actor)
    client.name = told.name
    client.tax_id = told.tax_id
    client.jurisdiction = told.jurisdiction
    changed = _changed(client)
    client.updated_at = at
    session.flush()
    if told.contacts is not None and _write_contacts(
        session, client, told.contacts, region=region, at=at
    ):
        changed.append("contacts")
    if is_new or changed:
        _tell(session, actor, Act.CLIENT_CHANGED, client, changed, is_new=is_new, at=at)
    if told.contracts is not None:
        _write_contracts(session, actor, client, told.contracts, at=at)
    session.flush()
    enqueue(session, Job(task=ADOPT, args={"client_id": str(client.id)}))
    return client, is_new


def add_phone(
    session: Session, actor: Actor, client: Client, *, contact: str, number: str, at: datetime
) -> Contact:
    """Give a number to the contact of this name, who is made where there is none.

    The owner system may still tell otherwise: what it does not know of ends when it tells next.
    """
    queries.lock_name(session, "client", client.external_id)
    known = [one for one in queries.contacts_of(session, client.id) if one.name == contact]
    found = (
        known[0]
        if known
        else Contact(id=new_id(), client_id=client.id, name=contact, is_management=False, phones=[])
    )
    if not known:
        session.add(found)
    found.left_at = None
    found.phones.append(ContactPhone(number=number))
    client.updated_at = at
    session.flush()
    _tell(session, actor, Act.CLIENT_CHANGED, client, ["contacts"], is_new=False, at=at)
    enqueue(session, Job(task=ADOPT, args={"client_id": str(client.id)}))
    return found


def put_contact(
    session: Session,
    actor: Actor,
    client: Client,
    told: ContactWrite,
    *,
    region: str,
    at: datetime,
) -> None:
    """Write one contact down; the others stay.

    Raises:
        PhoneInvalid: a number that is neither international nor of `region`.
    """
    queries.lock_name(session, "client", client.external_id)
    if _write_contacts(session, client, [told], region=region, at=at, others_leave=False):
        client.updated_at = at
        session.flush()
        _tell(session, actor, Act.CLIENT_CHANGED, client, ["contacts"], is_new=False, at=at)
        enqueue(session, Job(task=ADOPT, args={"client_id": str(client.id)}))


def end_contact(
    session: Session, actor: Actor, client: Client, external_id: str, *, at: datetime
) -> bool:
    """Let a contact have left; he stays known. Say whether he was here until now."""
    queries.lock_name(session, "client", client.external_id)
    found = [
        one for one in queries.contacts_of(session, client.id) if one.external_id == external_id
    ]
    if not found or found[0].left_at is not None:
        return False
    found[0].left_at = at
    client.updated_at = at
    session.flush()
    _tell(session, actor, Act.CLIENT_CHANGED, client, ["contacts"], is_new=False, at=at)
    return True


def end_contract(
    session: Session, actor: Actor, client: Client, number: str, *, at: datetime
) -> bool:
    """Let a contract be terminated, unless it is; its paper and clauses stay."""
    queries.lock_name(session, "client", client.external_id)
    contract = queries.contract_by_number(session, client.id, number)
    if contract is None or (contract.terminated_at is not None and contract.terminated_at <= at):
        return False
    contract.terminated_at = at
    session.flush()
    _tell(session, actor, Act.CONTRACT_CHANGED, contract, ["terminated_at"], is_new=False, at=at)
    return True


def rename_contract(
    session: Session, actor: Actor, client: Client, before: str, number: str, *, at: datetime
) -> None:
    """Give a contract the number that its owner system has for it now."""
    queries.lock_name(session, "client", client.external_id)
    contract = queries.contract_by_number(session, client.id, before)
    if contract is None or queries.contract_by_number(session, client.id, number) is not None:
        return
    contract.number = number
    session.flush()
    _tell(session, actor, Act.CONTRACT_CHANGED, contract, ["number"], is_new=False, at=at)


def close_event(session: Session, actor: Actor, event: Event, *, at: datetime) -> bool:
    """Let an event be over, unless it is; its recordings stay tied to it."""
    if event.closed_at is not None:
        return False
    event.closed_at = event.updated_at = at
    session.flush()
    _tell(session, actor, Act.EVENT_CHANGED, event, ["closed_at"], is_new=False, at=at)
    return True


def put_contract(
    session: Session,
    actor: Actor,
    client: Client,
    told: ContractWrite,
    *,
    keeps_clauses: bool,
    at: datetime,
) -> None:
    """Write one contract down, its clauses too unless those that it has stay.

    Raises:
        ContractInvalid: it ends before it begins.
    """
    queries.lock_name(session, "client", client.external_id)
    _write_contracts(session, actor, client, [told], keeps_clauses=keeps_clauses, at=at)


def _write_contacts(
    session: Session,
    client: Client,
    told: Sequence[ContactWrite],
    *,
    region: str,
    at: datetime,
    others_leave: bool = True,
) -> bool:
    """Write the contacts down; return whether anything is other than before."""
    known = {
        contact.external_id or contact.name: contact
        for contact in queries.contacts_of(session, client.id)
    }
    kept = []
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
        kept.append(contact)
    for contact in known.values() if others_leave else ():
        contact.left_at = contact.left_at or at
    return any(_changed(contact) for contact in (*kept, *known.values()))


def _write_phones(contact: Contact, written: Sequence[str], *, region: str) -> None:
    wanted = set()
    for phone in written:
        number = normalise(phone, region=region)
        if number is None:
            raise PhoneInvalid(f"{phone!r} is no telephone number.", contact=contact.name)
        wanted.add(number)
    if wanted != {p.number for p in contact.phones}:
        contact.phones = [p for p in contact.phones if p.number in wanted] + [
            ContactPhone(number=number)
            for number in sorted(wanted - {p.number for p in contact.phones})
        ]


def _write_contracts(
    session: Session,
    actor: Actor,
    client: Client,
    told: Sequence[ContractWrite],
    *,
    at: datetime,
    keeps_clauses: bool = False,
) -> None:
    """Write the contracts down; each change is told, for clauses are grounds of consent."""
    known = {c.number: c for c in queries.contracts_of(session, client.id)}
    for one in told:
        if one.valid_to is not None and one.valid_to <= one.valid_from:
            raise ContractInvalid(
                f"Contract {one.number} ends before it begins.", contract=one.number
            )
        contract = known.get(one.number)
        is_new = contract is None
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
        contract.jurisdiction = one.jurisdiction
        contract.monthly_price_minor = one.monthly_price_minor
        contract.currency = one.currency
        changed = _changed(contract)
        clauses = {} if keeps_clauses else _write_clauses(contract, one.clauses)
        session.flush()
        if is_new or changed or any(clauses.values()):
            _tell(
                session,
                actor,
                Act.CONTRACT_CHANGED,
                contract,
                changed,
                is_new=is_new,
                at=at,
                more=clauses,
            )


def _write_clauses(contract: Contract, told: Sequence[ClauseWrite]) -> dict[str, int]:
    """Write the clauses down; return how many were added, changed and removed."""
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
    stayed = [clause for clause in kept if clause.clause_ref in known]
    counts = {
        "clauses_added": len(kept) - len(stayed),
        "clauses_changed": sum(bool(_changed(clause)) for clause in stayed),
        "clauses_removed": len(known.keys() - {clause.clause_ref for clause in kept}),
    }
    if counts["clauses_added"] or counts["clauses_removed"]:
        contract.clauses = kept
    return counts


def _changed(row: Client | Contact | Contract | ContractClause | Event) -> list[str]:
    """Return the names of what was given other values than the database has."""
    state: InstanceState[Base] = inspect(row)
    return [
        attribute.key
        for attribute in state.attrs
        if attribute.key not in state.unloaded and attribute.history.has_changes()
    ]


def _tell(  # noqa: PLR0913 - what the ledger tells of a change.
    session: Session,
    actor: Actor,
    act: Act,
    row: Client | Contract | Event,
    changed: Sequence[str],
    *,
    is_new: bool,
    at: datetime,
    more: Mapping[str, int] | None = None,
) -> None:
    """Tell what was changed by the names of its parts, never by their words."""
    kind = type(row).__name__.lower()
    facts: dict[str, str | int | bool | None] = {
        f"{kind}_id": str(row.id),
        "is_new": is_new,
        "changed": "" if is_new else " ".join(sorted(changed)),
    }
    ledger.append(session, actor, act, (kind, row.id), at=at, facts=facts | dict(more or {}))


def upsert_event(
    session: Session,
    actor: Actor,
    external_id: str,
    told: EventWrite,
    *,
    at: datetime,
    may_wait: bool = False,
) -> tuple[Event, bool]:
    """Make the event what its owner system says; return it and whether it is new.

    Recordings that waited for it, or that were given an event of the archive's own, are adopted
    by a job after the commit. An event that `may_wait` is kept where its client is not known, and
    waits in triage.

    Raises:
        ClientNotFound: the client was not told of yet.
        EventOfAnotherClient: it was told of before, as another client's.
    """
    queries.lock_name(session, "event", external_id)
    client = queries.client_by_external_id(session, told.client)
    if client is not None and not queries.is_seen(session, actor, client.id):
        client = None
    event = queries.event_by_external_id(session, external_id)
    is_somebodys = event is not None and event.client_id is not None
    if client is None and (is_somebodys or not may_wait):
        raise ClientNotFound(
            f"Tell of the client first: PUT /v1/clients/{told.client}.", client=told.client
        )
    is_new = event is None or event.origin == EventOrigin.AWAITED
    client_id = client.id if client is not None else None
    if event is None:
        event = Event(id=new_id(), external_id=external_id, created_at=at)
        session.add(event)
    elif event.client_id not in (None, client_id):
        raise EventOfAnotherClient(
            f"Event {external_id} was told of as another client's.", event=external_id
        )
    event.origin = EventOrigin.SENT
    event.kind = told.kind
    event.occurred_at = told.occurred_at
    event.subject = told.subject
    event.client_id = client_id
    event.agents = list(told.agents)
    event.closed_at = told.closed_at
    changed = _changed(event)
    event.updated_at = at
    session.flush()
    if is_new or changed:
        _tell(session, actor, Act.EVENT_CHANGED, event, changed, is_new=is_new, at=at)
    if is_new or "client_id" in changed:
        enqueue(session, Job(task=ADOPT, args={"event_id": str(event.id)}))
    return event, is_new


def give_client(
    session: Session, actor: Actor, event: Event, client: Client, *, at: datetime
) -> None:
    """Tie an event that waited for its client to him; its recordings follow by a job."""
    event.client_id = client.id
    changed = _changed(event)
    event.updated_at = at
    session.flush()
    _tell(session, actor, Act.EVENT_CHANGED, event, changed, is_new=False, at=at)
    enqueue(session, Job(task=ADOPT, args={"event_id": str(event.id)}))
