"""Taking in what 1C tells of things, one by one, by the way of tables: a bad one stops no other.

What is refused for want of its client is kept, and is taken in by itself when the client comes. A
call is taken without its client and waits in triage for him.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients import service as client_service
from app.clients import table_import, tables
from app.clients.models import Client, Event
from app.clients.table_import import NEEDED, Ways
from app.clients.tables import Row
from app.core.ids import new_id
from app.onec import returning
from app.onec.mapping import FIELDS, TABLES, ZERO_REF, plain
from app.onec.models import Kind, OnecSource, OnecThing, ThingState
from app.onec.reasons import Reason

MOST_ITEMS: Final = 500
_MOST_VERSION: Final = 100
_MOST_WHAT: Final = 200
_MOST_FREED: Final = 1000
_MOST_CLAUSES: Final = 100
_ORDER: Final = {kind: place for place, kind in enumerate(Kind)}
_CLAUSES: Final = "clauses"
_STAY: Final = ("signed_on", "our_entity", "document_sha256", "signature_kind", "valid_from")


class Outcome:
    """What became of an item, as it is answered."""

    TAKEN: Final = "taken"
    UNCHANGED: Final = "unchanged"
    REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What is told of a thing, by our names of fields or by those that columns of tables have."""

    kind: Kind
    ref: UUID
    version: str | None
    is_marked: bool
    fields: Mapping[str, object]
    entity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an item, in which field, and the value or words that say it."""

    reason: Reason
    field: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What became of an item; `unknown` are fields that nobody knows, and that were left out."""

    kind: str
    ref: str
    outcome: str
    is_new: bool = False
    problems: tuple[Problem, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Into what, by whom, when and from where is taken."""

    session: Session
    ways: Ways
    source: OnecSource


def read(told: object) -> Item | Said:
    """Return an item as it was sent, or why it is none."""
    if not isinstance(told, dict):
        return _no_item({}, Reason.NOT_AN_OBJECT)
    kind, ref, fields = told.get("kind"), _ref(told.get("ref")), told.get("fields", {})
    version, is_marked = told.get("version"), told.get("deleted", False)
    wrong = None
    if not isinstance(kind, str) or kind not in set(Kind):
        wrong = (Reason.KIND, "kind", kind)
    elif ref is None:
        wrong = (Reason.REF, "ref", told.get("ref"))
    elif version is not None and not _is_version(version):
        wrong = (Reason.VERSION, "version", version)
    elif not isinstance(is_marked, bool):
        wrong = (Reason.YES_OR_NO, "deleted", is_marked)
    elif not isinstance(fields, dict):
        wrong = (Reason.NOT_AN_OBJECT, "fields", fields)
    if wrong is not None or ref is None:
        return _no_item(told, *(wrong or (Reason.REF, "ref", "")))
    entity = told.get("entity")
    return Item(
        kind=Kind(str(kind)),
        ref=ref,
        version=version,
        is_marked=is_marked is True,
        fields=fields,
        entity=_shown(entity) if isinstance(entity, str) else None,
    )


def _shown(told: object) -> str:
    """Return words of others in a form that can be kept and answered."""
    text = str(told)[:_MOST_WHAT].replace("\x00", "\ufffd")
    return text.encode("utf-8", "replace").decode()


def _is_version(version: object) -> bool:
    return isinstance(version, str) and len(version) <= _MOST_VERSION and _shown(version) == version


def _ref(told: object) -> UUID | None:
    try:
        found = UUID(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return None if str(found) == ZERO_REF else found


def _no_item(
    told: Mapping[str, object], reason: Reason, field: str = "", what: object = ""
) -> Said:
    problem = Problem(reason=reason, field=field, what=_shown(what))
    return Said(
        kind=_shown(told.get("kind", "")),
        ref=_shown(told.get("ref", "")),
        outcome=Outcome.REFUSED,
        problems=(problem,),
    )


def take(taking: Taking, told: Sequence[object]) -> list[Said]:
    """Take in what was sent, and answer for each in its place.

    Clients come first, then what belongs to them, in whatever order they were sent. One batch of a
    source is taken at a time.
    """
    answers: list[Said | None] = [None] * len(told)
    items: list[tuple[int, Item]] = []
    seen: set[tuple[Kind, UUID]] = set()
    for place, one in enumerate(told):
        found = one if isinstance(one, Item) else read(one)
        if isinstance(found, Said):
            answers[place] = found
        elif not _can_be_kept(found):
            answers[place] = _said(found, Outcome.REFUSED, (Problem(reason=Reason.VALUE),))
        elif (found.kind, found.ref) in seen:
            answers[place] = _said(found, Outcome.REFUSED, (Problem(reason=Reason.TWICE),))
        else:
            seen.add((found.kind, found.ref))
            items.append((place, found))
    clients.lock_name(taking.session, "onec", str(taking.source.id))
    for place, item in sorted(items, key=lambda pair: (_ORDER[pair[1].kind], pair[0])):
        answers[place] = _take_one(taking, item)
    return [answer for answer in answers if answer is not None]


def retry(taking: Taking, things: Sequence[OnecThing]) -> int:
    """Try once more what was refused or lacks its client; return how many lack nothing now."""
    clients.lock_name(taking.session, "onec", str(taking.source.id))
    return sum(_settle(taking, one) for one in things)


def _settle(taking: Taking, thing: OnecThing) -> bool:
    """Take in what was refused, or give the call that was kept its client, if he is here now."""
    if thing.told is not None:
        return _take_one(taking, item_of(thing)).outcome != Outcome.REFUSED
    client = _seen_client(taking, _client_name(taking, thing.needs or ""))
    event = taking.session.get(Event, thing.event_id) if thing.event_id else None
    thing.at = taking.ways.at
    if client is None or event is None:
        return False
    if event.client_id is None:
        client_service.give_client(
            taking.session, taking.ways.actor, event, client, at=taking.ways.at
        )
    thing.client, thing.needs, thing.reasons = client.external_id, None, []
    return True


def item_of(thing: OnecThing) -> Item:
    """Return what was told of a thing that was refused."""
    told: dict[str, Any] = thing.told or {}
    return Item(
        kind=Kind(thing.kind),
        ref=thing.ref,
        version=thing.version,
        is_marked=bool(told.get("deleted")),
        fields=told.get("fields", {}),
        entity=thing.entity,
    )


def _take_one(taking: Taking, item: Item) -> Said:
    session, at = taking.session, taking.ways.at
    thing = _known(taking, item.kind, item.ref)
    sha256 = _digest(item)
    if thing is not None and thing.state == ThingState.TAKEN and thing.sha256 == sha256:
        thing.version = item.version
        if thing.needs is None or _settle(taking, thing):
            return _said(item, Outcome.UNCHANGED)
        return _said(item, Outcome.UNCHANGED, (Problem(reason=Reason.CLIENT_AWAITED),))
    permission = NEEDED[TABLES[item.kind]]
    if taking.ways.actor.kind != "system" and permission not in taking.ways.actor.permissions:
        return _said(item, Outcome.REFUSED, (Problem(reason=Reason.PERMISSION),))
    if thing is None:
        thing = OnecThing(
            id=new_id(),
            source_id=taking.source.id,
            kind=item.kind,
            ref=item.ref,
            state=ThingState.REFUSED,
            told=_kept(item),
            sha256=sha256,
            is_marked=False,
            reasons=[],
            at=at,
        )
        session.add(thing)
    was_here = thing.name is not None
    said = _end(taking, item, thing) if item.is_marked else _write(taking, item, thing)
    thing.version, thing.sha256, thing.at = item.version, sha256, at
    thing.entity = item.entity or thing.entity
    thing.reasons = [
        {"reason": str(one.reason), "field": one.field, "what": one.what} for one in said.problems
    ]
    if said.outcome == Outcome.REFUSED:
        thing.state = ThingState.REFUSED
        thing.told = _kept(item)
    else:
        thing.state, thing.told = ThingState.TAKEN, None
        thing.needs = thing.needs if thing.event_id else None
        thing.is_marked = item.is_marked
    session.flush()
    if item.kind is Kind.CLIENT and said.outcome == Outcome.TAKEN and not was_here:
        _free(taking, thing)
    return said


def _known(taking: Taking, kind: Kind, ref: UUID) -> OnecThing | None:
    return taking.session.scalar(
        select(OnecThing).where(
            OnecThing.source_id == taking.source.id, OnecThing.kind == kind, OnecThing.ref == ref
        )
    )


def _can_be_kept(item: Item) -> bool:
    """Say whether what was told can be written down at all: neither surrogates nor infinity."""
    try:
        json.dumps(dict(item.fields), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _digest(item: Item) -> bytes:
    told = json.dumps(_kept(item), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).digest()


def _kept(item: Item) -> dict[str, Any]:
    """Return what was told, in a form that the database keeps: it has no zero character."""
    text = json.dumps({"fields": dict(item.fields), "deleted": item.is_marked})
    return dict(json.loads(text.replace("\\u0000", "\\ufffd")))


def _free(taking: Taking, thing: OnecThing) -> None:
    """Take in what had lacked this client, and give him the calls that were kept without one."""
    waiting = taking.session.scalars(
        select(OnecThing)
        .where(
            OnecThing.source_id == taking.source.id,
            OnecThing.needs.in_([str(thing.ref), thing.name]),
        )
        .order_by(OnecThing.kind, OnecThing.at)
        .limit(_MOST_FREED)
    ).all()
    for one in waiting:
        _settle(taking, one)


def _said(
    item: Item,
    outcome: str,
    problems: tuple[Problem, ...] = (),
    *,
    is_new: bool = False,
    unknown: tuple[str, ...] = (),
) -> Said:
    return Said(
        kind=str(item.kind),
        ref=str(item.ref),
        outcome=outcome,
        problems=problems,
        is_new=is_new,
        unknown=unknown,
    )


# --- writing --------------------------------------------------------------------------------------


def _write(taking: Taking, item: Item, thing: OnecThing) -> Said:
    session, ways = taking.session, taking.ways
    fields, unknown, twice = _named(item)
    clauses = fields.pop(_CLAUSES, None)
    needs = _complete(taking, item, thing, fields)
    is_nobodys = item.kind is Kind.EVENT and fields.get("client") is None
    if is_nobodys:
        # An empty reference of 1C is no client's name; whether that may be, its kind tells.
        fields["client"] = ZERO_REF
    rows, problems = _rows(taking, item.kind, fields, clauses)
    problems = [*twice, *problems]
    is_new = False
    if not problems:
        is_new, wrong = _written(taking, item, thing, rows)
        problems = [
            Problem(reason=_reason(str(one.fault)), field=one.column, what=_shown(one.what))
            for one in wrong
        ]
    if is_nobodys:
        problems = [_is_empty(one) for one in problems]
    if problems:
        lacks = any(one.reason is Reason.CLIENT for one in problems)
        thing.needs = needs if lacks and item.kind is not Kind.CLIENT else None
        return _said(item, Outcome.REFUSED, tuple(problems), unknown=unknown)
    values = rows[0].values
    thing.client, thing.needs = values.get("client"), None
    thing.name = values["number"] if item.kind is Kind.CONTRACT else values["external_id"]
    if item.kind is Kind.EVENT:
        event = clients.event_by_external_id(session, values["external_id"])
        thing.event_id = event.id if event is not None else None
        session.flush()
        returning.ask_for_event(session, thing.event_id, at=ways.at)
        if event is not None and event.client_id is None:
            thing.client, thing.needs = None, needs
            waits = (Problem(reason=Reason.CLIENT_AWAITED, field="client", what=needs or ""),)
            return _said(item, Outcome.TAKEN, waits, is_new=is_new, unknown=unknown)
    return _said(item, Outcome.TAKEN, is_new=is_new, unknown=unknown)


def _is_empty(problem: Problem) -> Problem:
    """Say of an event without a client that he is missing, not that nobody is called so."""
    if problem.reason is not Reason.CLIENT:
        return problem
    return Problem(reason=Reason.CELL_MISSING, field="client")


def _named(item: Item) -> tuple[dict[str, object], tuple[str, ...], list[Problem]]:
    """Return the fields by the first name that a column has, and those that nobody knows."""
    known = {
        name: column.names[0]
        for column in tables.COLUMNS[TABLES[item.kind]].values()
        for name in column.names
        if column.names[0] in FIELDS[item.kind]
    }
    found: dict[str, object] = {}
    unknown = []
    twice = []
    for name, value in item.fields.items():
        key = known.get(name.strip().lower().replace("ё", "е"))
        if item.kind is Kind.CONTRACT and name == _CLAUSES:
            found[_CLAUSES] = value
        elif key is None:
            unknown.append(_shown(name))
        else:
            if key in found:
                twice.append(Problem(reason=Reason.COLUMN_TWICE, field=key, what=_shown(name)))
            found[key] = plain(value)
    return found, tuple(unknown), twice


def _complete(
    taking: Taking, item: Item, thing: OnecThing, fields: dict[str, object]
) -> str | None:
    """Say what 1C does not repeat: under which name the thing is here, and what it has already.

    Return the reference of its client, as it was told.
    """
    if item.kind is Kind.CONTACT:
        fields["external_id"] = str(item.ref)
    elif item.kind is not Kind.CONTRACT:
        fields["external_id"] = thing.name or fields.get("external_id") or str(item.ref)
    if item.kind is Kind.CLIENT:
        return None
    needs = str(fields.get("client") or "")[:_MOST_WHAT] or None
    if needs is not None:
        needs = str(_ref(needs) or needs)
        fields["client"] = _client_name(taking, needs)
    if thing.is_marked:
        # It is marked no longer: what its mark has ended goes on, unless it is told to have ended.
        ended = {Kind.CONTRACT: "terminated_at", Kind.EVENT: "closed_at"}.get(item.kind)
        if ended is not None:
            fields.setdefault(ended, None)
    if item.kind is Kind.CONTRACT and thing.client and thing.name:
        _keep_paper(taking, thing, fields)
    return needs


def _client_name(taking: Taking, told: str) -> str:
    """Return how the client of a reference is called here; what is no reference stands as it is."""
    ref = _ref(told)
    if ref is None:
        return told
    known = _known(taking, Kind.CLIENT, ref)
    return known.name if known is not None and known.name is not None else str(ref)


def _keep_paper(taking: Taking, thing: OnecThing, fields: dict[str, object]) -> None:
    """Let a contract that is here keep what 1C does not tell of its paper."""
    client = _seen_client(taking, thing.client or "")
    if client is None:
        return
    contract = clients.contract_by_number(taking.session, client.id, thing.name or "")
    if contract is None:
        return
    has = {
        "signed_on": contract.signed_on.isoformat(),
        "our_entity": contract.our_entity,
        "document_sha256": contract.document_sha256.hex(),
        "signature_kind": contract.signature_kind,
        "valid_from": contract.valid_from.astimezone(UTC).isoformat(),
    }
    for name in _STAY:
        if fields.get(name) is None:
            fields[name] = has[name]


def _rows(
    taking: Taking, kind: Kind, fields: Mapping[str, object], clauses: object
) -> tuple[list[Row], list[Problem]]:
    """Read the fields as a table's line, or one for each clause of a contract."""
    parts: list[Mapping[str, object]] = []
    if clauses is not None:
        if not isinstance(clauses, list) or len(clauses) > _MOST_CLAUSES:
            return [], [Problem(reason=Reason.VALUE, field=_CLAUSES)]
        parts = [one for one in clauses if isinstance(one, dict)]
        if len(parts) < len(clauses):
            return [], [Problem(reason=Reason.VALUE, field=_CLAUSES)]
    rows: list[Row] = []
    problems: list[Problem] = []
    for line, part in enumerate(parts or [{}], start=1):
        table = tables.read_one({**fields, **part}, TABLES[kind], zone=taking.ways.zone, line=line)
        rows += table.rows
        problems += [
            Problem(reason=_reason(str(one.fault)), field=one.column, what=_shown(one.what))
            for one in table.wrong
        ]
        if table.unknown:
            problems.append(
                Problem(reason=Reason.VALUE, field=_CLAUSES, what=_shown(", ".join(table.unknown)))
            )
    return rows, problems


def _reason(fault: str) -> Reason:
    return Reason(fault) if fault in set(Reason) else Reason.OTHER


def _written(
    taking: Taking, item: Item, thing: OnecThing, rows: Sequence[Row]
) -> tuple[bool, list[tables.Wrong]]:
    """Write the thing down, and end it where it was before."""
    session, ways = taking.session, taking.ways
    values = rows[0].values
    before = None
    if thing.client and item.kind in {Kind.CONTACT, Kind.CONTRACT}:
        before = _seen_client(taking, thing.client)
    is_here = before is not None and thing.client == values["client"]
    done: tuple[bool, list[tables.Wrong]] = (False, [])
    try:
        with session.begin_nested():
            if before is not None and is_here and item.kind is Kind.CONTRACT:
                client_service.rename_contract(
                    session, ways.actor, before, thing.name or "", values["number"], at=ways.at
                )
            keeping = replace(ways, calls_may_wait=True)
            done = table_import.write_one(session, keeping, TABLES[item.kind], rows)
            if before is not None and not is_here and not done[1]:
                _end_there(taking, item.kind, thing, before, at=ways.at)
            _take_back(is_wanted=bool(done[1]))
    except _TakenBack:
        session.expire_all()
    return done


class _TakenBack(Exception):
    """What was done of an item that is refused is not to stay."""


def _take_back(*, is_wanted: bool) -> None:
    if is_wanted:
        raise _TakenBack


def _seen_client(taking: Taking, name: str) -> Client | None:
    """Return the client of this name, if there is one that whoever tells may know of."""
    client = clients.client_by_external_id(taking.session, name)
    if client is None or not clients.is_seen(taking.session, taking.ways.actor, client.id):
        return None
    return client


# --- ending ---------------------------------------------------------------------------------------


def _end(taking: Taking, item: Item, thing: OnecThing) -> Said:
    """Let what is marked for deletion end; a client stays, and is told to be marked."""
    if thing.name is None:
        return _said(item, Outcome.UNCHANGED, (Problem(reason=Reason.MARKED_UNKNOWN),))
    session, ways = taking.session, taking.ways
    unseen = _said(item, Outcome.REFUSED, (Problem(reason=Reason.CLIENT),))
    if item.kind is Kind.EVENT:
        event = session.get(Event, thing.event_id) if thing.event_id else None
        if event is None or not clients.is_seen(session, ways.actor, event.client_id):
            return unseen
        client_service.close_event(session, ways.actor, event, at=ways.at)
        return _said(item, Outcome.TAKEN)
    name = thing.name if item.kind is Kind.CLIENT else thing.client
    client = _seen_client(taking, name or "")
    if client is None:
        return unseen
    if item.kind is not Kind.CLIENT:
        _end_there(taking, item.kind, thing, client, at=ways.at)
    return _said(item, Outcome.TAKEN)


def _end_there(
    taking: Taking, kind: Kind, thing: OnecThing, client: Client, *, at: datetime
) -> None:
    end: Callable[..., bool] = (
        client_service.end_contact if kind is Kind.CONTACT else client_service.end_contract
    )
    end(taking.session, taking.ways.actor, client, thing.name or "", at=at)
