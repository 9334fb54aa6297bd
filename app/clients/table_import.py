"""Carrying a table out: every line in one transaction, or none; or only looked at, and taken back.

A try does all that carrying out does and is taken back, so that it finds whatever would be refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from app.clients import queries, service, tables
from app.clients.models import Client, Contact, EventKind
from app.clients.schemas import ClauseWrite, ClientWrite, ContactWrite, ContractWrite, EventWrite
from app.clients.service import (
    ClientNotFound,
    ContractInvalid,
    EventOfAnotherClient,
    PhoneInvalid,
)
from app.clients.tables import Fault, Kind, Row, Table, Wrong
from app.core.errors import Refusal
from app.core.text import ExternalId
from app.identity.actor import Actor
from app.identity.offices import OfficeNotFound
from app.identity.permissions import Permission

NEEDED = {
    Kind.CLIENTS: Permission.CLIENT_WRITE,
    Kind.CONTACTS: Permission.CLIENT_WRITE,
    Kind.CONTRACTS: Permission.CLIENT_WRITE,
    Kind.EVENTS: Permission.EVENT_WRITE,
}
_FAULTS: Mapping[type[Refusal], Fault] = {
    ClientNotFound: Fault.CLIENT,
    PhoneInvalid: Fault.PHONE,
    ContractInvalid: Fault.PERIOD,
    EventOfAnotherClient: Fault.OTHER_CLIENT,
    OfficeNotFound: Fault.OFFICE,
}
_MOST_WRONG = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Who carries out, when, and how numbers and moments without a zone are read.

    With `calls_may_wait` a call whose client is not known is kept without one.
    """

    actor: Actor
    at: datetime
    region: str
    zone: ZoneInfo
    max_rows: int = tables.MAX_ROWS
    calls_may_wait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a file came to. Nothing of it was kept where something is wrong, or it was a try.

    `things` are clients, contacts, contracts or events; `new` of them were not known before.
    """

    kind: Kind
    lines: int
    things: int
    new: int
    wrong: tuple[Wrong, ...]
    unknown: tuple[str, ...]
    sha256: str
    is_kept: bool


class _TakenBack(Exception):
    """What was done in a savepoint is not to stay."""


def digest(raw: bytes) -> str:
    """Return by what a file that was tried is known again."""
    return hashlib.sha256(raw).hexdigest()


def _take_back(is_wanted: bool) -> None:  # noqa: FBT001 - it is all there is to say.
    if is_wanted:
        raise _TakenBack


def carry_out(session: Session, ways: Ways, kind: Kind, raw: bytes, *, is_try: bool) -> Done:
    """Carry a file out, whole or not at all; `is_try` takes it back in any case."""
    if ways.actor.kind != "system":
        ways.actor.must(NEEDED[kind])
    table = tables.read(raw, kind, zone=ways.zone, max_rows=ways.max_rows)
    wrong = list(table.wrong)
    things = new = 0
    try:
        with session.begin_nested():
            for group in _groups(table):
                with _told_wrong(group, wrong):
                    with session.begin_nested():
                        new += _WRITERS[kind](session, ways, group)
                    things += 1
            _take_back(is_try or bool(wrong))
    except _TakenBack:
        session.expire_all()
    return Done(
        kind=kind,
        lines=table.lines,
        things=things,
        new=new,
        wrong=tuple(sorted(wrong, key=lambda one: one.line)[:_MOST_WRONG]),
        unknown=table.unknown,
        sha256=digest(raw),
        is_kept=not is_try and not wrong,
    )


def write_one(
    session: Session, ways: Ways, kind: Kind, rows: Sequence[Row], *, line: int = 1
) -> tuple[bool, list[Wrong]]:
    """Write one thing down, or nothing of it; return whether it is new, and what is wrong."""
    wrong: list[Wrong] = []
    is_new = False
    try:
        with _told_wrong(rows, wrong), session.begin_nested():
            is_new = _WRITERS[kind](session, ways, rows)
    except (DataError, IntegrityError):
        # What the database does not keep is wrong with this one; the others go on.
        wrong.append(Wrong(line=line, fault=Fault.VALUE))
    if wrong:
        session.expire_all()
    return is_new, wrong


def _groups(table: Table) -> Iterator[list[Row]]:
    """Give the lines of one thing together: a contract has one for each clause."""
    if table.kind is not Kind.CONTRACTS:
        yield from ([row] for row in table.rows)
        return

    def named(row: Row) -> tuple[str, str]:
        return row.values["client"], row.values["number"]

    for _, group in groupby(sorted(table.rows, key=lambda r: (named(r), r.line)), key=named):
        yield list(group)


@contextmanager
def _told_wrong(group: Sequence[Row], wrong: list[Wrong]) -> Iterator[None]:
    """Note by which line something was refused, and let the others be looked at."""
    line = group[0].line
    try:
        yield
    except ValidationError as exc:
        for one in exc.errors(include_url=False, include_context=False, include_input=False):
            column = str(one["loc"][0]) if one["loc"] else ""
            wrong.append(Wrong(line=line, fault=Fault.VALUE, column=column, what=one["msg"]))
    except _Differs as exc:
        wrong.append(Wrong(line=exc.line, fault=Fault.DIFFERS, column=exc.column))
    except tuple(_FAULTS) as exc:
        wrong.append(Wrong(line=line, fault=_FAULTS[type(exc)], what=_about(exc, group[0])))


def _about(refusal: Refusal, row: Row) -> str:
    """Return the value that was refused."""
    if isinstance(refusal, ClientNotFound):
        return str(row.values.get("client") or row.values.get("external_id") or "")
    if isinstance(refusal, OfficeNotFound):
        return str(row.values.get("office") or "")
    if isinstance(refusal, PhoneInvalid):
        return refusal.detail.partition("'")[2].partition("'")[0]
    return str(row.values.get("number") or row.values.get("external_id") or "")


class _Differs(Exception):
    """Two lines of one contract tell different things of it."""

    def __init__(self, line: int, column: str) -> None:
        super().__init__(column)
        self.line = line
        self.column = column


def _told(model: type[BaseModel], values: Mapping[str, Any], kept: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the model that was asked for.
    """Make a model of a line; what the file has no column for stays as it is."""
    told = {**kept, **values}
    return model.model_validate({name: value for name, value in told.items() if value is not None})


def _client(session: Session, ways: Ways, group: Sequence[Row]) -> bool:
    values = dict(group[0].values)
    external_id = values.pop("external_id")
    known = queries.client_by_external_id(session, external_id)
    kept: dict[str, Any] = {}
    if known is not None:
        kept = {"tax_id": known.tax_id, "jurisdiction": known.jurisdiction}
    told = _told(ClientWrite, values, kept)
    _, is_new = service.upsert_client(
        session, ways.actor, _named(external_id), told, region=ways.region, at=ways.at
    )
    return is_new


class _Name(BaseModel):
    external_id: ExternalId


def _named(external_id: str) -> str:
    return _Name(external_id=external_id).external_id


def _of_client(session: Session, ways: Ways, row: Row) -> Client:
    client = queries.client_by_external_id(session, row.values["client"])
    if client is None or not queries.is_seen(session, ways.actor, client.id):
        raise ClientNotFound
    return client


def _contact(session: Session, ways: Ways, group: Sequence[Row]) -> bool:
    row = group[0]
    client = _of_client(session, ways, row)
    values = {name: value for name, value in row.values.items() if name != "client"}
    known = _known_contact(session, client, values)
    kept: dict[str, Any] = {}
    if known is not None:
        kept = {
            "external_id": known.external_id,
            "position": known.position,
            "email": known.email,
            "is_management": known.is_management,
            "phones": [phone.number for phone in known.phones],
        }
    told = _told(ContactWrite, values, kept)
    service.put_contact(session, ways.actor, client, told, region=ways.region, at=ways.at)
    return known is None


def _known_contact(session: Session, client: Client, values: Mapping[str, Any]) -> Contact | None:
    name = values.get("external_id") or values["name"]
    for contact in queries.contacts_of(session, client.id):
        if (contact.external_id or contact.name) == name:
            return contact
    return None


_OF_CLAUSE = ("clause_ref", "quote", "scope", "purposes", "recipients")
_OF_CONTRACT = (
    *("number", "signed_on", "our_entity", "document_sha256", "signature_kind", "valid_from"),
    *("valid_to", "valid_through", "terminated_at", "jurisdiction", "monthly_price_minor"),
    "currency",
)
_MAY_STAY = ("valid_to", "terminated_at", "jurisdiction", "monthly_price_minor", "currency")


def _contract(session: Session, ways: Ways, group: Sequence[Row]) -> bool:
    first = group[0]
    client = _of_client(session, ways, first)
    for row in group[1:]:
        for name in _OF_CONTRACT:
            if row.values.get(name) != first.values.get(name):
                raise _Differs(row.line, name)
    values = {name: first.values[name] for name in _OF_CONTRACT if name in first.values}
    through = values.pop("valid_through", None)
    if through is not None:
        values["valid_to"] = through
    known = queries.contract_by_number(session, client.id, values["number"])
    kept: dict[str, Any] = {}
    if known is not None:
        kept = {name: getattr(known, name) for name in _MAY_STAY}
    clauses = [
        ClauseWrite.model_validate(
            {
                name: row.values[name] if row.values.get(name) is not None else []
                for name in _OF_CLAUSE
                if row.values.get(name) is not None or name == "scope"
            }
        )
        for row in group
        if row.values.get("clause_ref") is not None
    ]
    told = _told(ContractWrite, values | {"clauses": clauses}, kept)
    service.put_contract(session, ways.actor, client, told, keeps_clauses=not clauses, at=ways.at)
    return known is None


def _event(session: Session, ways: Ways, group: Sequence[Row]) -> bool:
    values = dict(group[0].values)
    external_id = values.pop("external_id")
    known = queries.event_by_external_id(session, external_id)
    kept: dict[str, Any] = {}
    if known is not None:
        kept = {"agents": list(known.agents), "closed_at": known.closed_at}
    told = _told(EventWrite, values, kept)
    _, is_new = service.upsert_event(
        session,
        ways.actor,
        _named(external_id),
        told,
        at=ways.at,
        may_wait=ways.calls_may_wait and told.kind is EventKind.CALL,
    )
    return is_new


_WRITERS: Mapping[Kind, Callable[[Session, Ways, Sequence[Row]], bool]] = {
    Kind.CLIENTS: _client,
    Kind.CONTACTS: _contact,
    Kind.CONTRACTS: _contract,
    Kind.EVENTS: _event,
}
