"""Clients and events: told by 1C and others, read by people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.clients import queries, service
from app.clients.models import Client, Contact, Contract, Event
from app.clients.schemas import (
    ClauseRead,
    ClientRead,
    ClientWrite,
    ContactRead,
    ContractRead,
    EventRead,
    EventWrite,
    TriagePage,
)
from app.clients.service import (
    ClientNotFound,
    ContractInvalid,
    EventNotFound,
    EventOfAnotherClient,
    PhoneInvalid,
)
from app.core.deps import ClockDep, SessionDep
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor, CursorInvalid
from app.core.problems import problems
from app.core.text import ExternalId
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.models import Office
from app.identity.offices import OfficeNotFound
from app.identity.permissions import Permission

router = APIRouter(prefix="/v1", tags=["clients"])

CanReadClient = Annotated[Actor, Depends(Requires(Permission.CLIENT_READ))]
CanWriteClient = Annotated[Actor, Depends(Requires(Permission.CLIENT_WRITE))]
CanWriteEvent = Annotated[Actor, Depends(Requires(Permission.EVENT_WRITE))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)


@router.put(
    "/clients/{external_id}",
    responses=problems(*GUARDED, ClientNotFound, OfficeNotFound, PhoneInvalid, ContractInvalid)
    | {201: {"description": "It is new", "model": ClientRead}},
)
def put_client(
    external_id: ExternalId,
    body: ClientWrite,
    actor: CanWriteClient,
    request: Request,
    response: Response,
    session: SessionDep,
    clock: ClockDep,
) -> ClientRead:
    """Make a client, its contacts and contracts what the owner system says."""
    region: str = request.app.state.settings.region
    client, is_new = service.upsert_client(
        session, actor, external_id, body, region=region, at=clock.now()
    )
    response.status_code = 201 if is_new else 200
    return _client_read(session, client)


@router.get("/clients/{external_id}", responses=problems(*GUARDED, ClientNotFound))
def get_client(external_id: ExternalId, actor: CanReadClient, session: SessionDep) -> ClientRead:
    """Tell what is known of a client."""
    client = queries.client_by_external_id(session, external_id)
    if client is None or not queries.is_seen(session, actor, client.id):
        raise ClientNotFound
    return _client_read(session, client)


@router.put(
    "/events/{external_id}",
    responses=problems(*GUARDED, ClientNotFound, EventOfAnotherClient)
    | {201: {"description": "It is new", "model": EventRead}},
)
def put_event(
    external_id: ExternalId,
    body: EventWrite,
    actor: CanWriteEvent,
    response: Response,
    session: SessionDep,
    clock: ClockDep,
) -> EventRead:
    """Make an event what the owner system says; recordings that waited for it follow."""
    event, is_new = service.upsert_event(session, actor, external_id, body, at=clock.now())
    response.status_code = 201 if is_new else 200
    return _event_read(event, body.client)


@router.get("/events/{external_id}", responses=problems(*GUARDED, EventNotFound))
def get_event(external_id: ExternalId, actor: CanReadClient, session: SessionDep) -> EventRead:
    """Tell what is known of an event."""
    event = queries.event_by_external_id(session, external_id)
    if event is None or not queries.is_seen(session, actor, event.client_id):
        raise EventNotFound
    client = session.get(Client, event.client_id) if event.client_id else None
    return _event_read(event, client.external_id if client else None)


@router.get("/triage", responses=problems(*GUARDED, CursorInvalid))
def list_triage(
    _actor: CanReadClient,
    session: SessionDep,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> TriagePage:
    """List events that have no client yet, newest first."""
    after = Cursor.decode(cursor) if cursor else None
    events = queries.events_in_triage(session, after=after, limit=limit)
    last = events[-1] if len(events) == limit else None
    return TriagePage(
        items=[_event_read(event, None) for event in events],
        next=Cursor(at=last.occurred_at, id=last.id).encode() if last else None,
    )


def _client_read(session: Session, client: Client) -> ClientRead:
    looks = queries.looks_of(session, client.id)
    return ClientRead(
        id=client.id,
        external_id=client.external_id,
        name=client.name,
        tax_id=client.tax_id,
        jurisdiction=client.jurisdiction,
        office=session.get_one(Office, client.office_id).name,
        contacts=[
            _contact_read(c, looks[c.id])
            for c in queries.contacts_of(session, client.id)
            if c.left_at is None
        ],
        contracts=[_contract_read(c) for c in queries.contracts_of(session, client.id)],
    )


def _contact_read(contact: Contact, looks: str) -> ContactRead:
    return ContactRead(
        id=contact.id,
        external_id=contact.external_id,
        name=contact.name,
        position=contact.position,
        email=contact.email,
        phones=[p.number for p in contact.phones],
        is_management=contact.is_management,
        looks=looks,
    )


def _contract_read(contract: Contract) -> ContractRead:
    return ContractRead(
        id=contract.id,
        number=contract.number,
        valid_from=contract.valid_from,
        valid_to=contract.valid_to,
        terminated_at=contract.terminated_at,
        monthly_price_minor=contract.monthly_price_minor,
        currency=contract.currency,
        clauses=[
            ClauseRead(
                id=c.id,
                clause_ref=c.clause_ref,
                quote=c.quote,
                scope=c.scope,
                purposes=c.purposes,
                recipients=c.recipients,
            )
            for c in contract.clauses
        ],
    )


def _event_read(event: Event, client: str | None) -> EventRead:
    return EventRead.model_validate(
        {
            "id": event.id,
            "external_id": event.external_id,
            "kind": event.kind,
            "origin": event.origin,
            "occurred_at": event.occurred_at,
            "subject": event.subject,
            "client": client,
            "agents": event.agents,
            "closed_at": event.closed_at,
        }
    )
