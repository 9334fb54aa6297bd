"""Handing a dispute's exhibits over: choose, see what the rules say, ask for approval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.clients.models import Client, Contact
from app.consent import queries as consent
from app.consent.rules import Purpose
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.errors import Conflict, Malformed
from app.core.ids import ContactId, DisputeId
from app.custody import refusals
from app.custody.ledger import Act
from app.disputes import queries as disputes
from app.disputes import service as dispute
from app.disputes.models import Exhibit
from app.disputes.rules import State
from app.disputes.service import DisputeClosed, person
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.releases import queries, service
from app.releases.refusals import ReleaseContactUnknown
from app.releases.service import Wanted
from app.web import decided, edge, refusal_words
from app.web.decided import Around, Decided
from app.web.dispute_view import ExhibitRow, exhibit_row
from app.web.edge import Form
from app.web.words import Words

router = edge.page_router()

CanRequest = Annotated[Actor, Depends(Requires(Permission.RELEASE_REQUEST))]

_MOST_DAYS: Final = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """Somebody at the client, and whether we know who he is."""

    id: UUID
    name: str
    position: str
    is_verified: bool
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRow:
    """An exhibit that can be chosen, and what the rules say of it for this recipient."""

    number: int
    exhibit: ExhibitRow
    is_chosen: bool
    decided: Decided | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverPage:
    """The three steps; `step` is the one that is due."""

    title: str
    id: UUID
    subject: str
    client_path: str
    step: int
    contacts: tuple[ContactRow, ...]
    choices: tuple[ChoiceRow, ...]
    days: int
    chosen_days: int
    contact_name: str
    is_contact_verified: bool
    may_ask: bool
    exhibit_ids: tuple[UUID, ...]
    hindering: tuple[int, ...]
    without_them: str
    contact_id: UUID | None
    wrong: str


def _days(call: Request) -> int:
    return int(call.app.state.settings.link_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What somebody has chosen so far; without a contact nothing is decided yet."""

    exhibit_ids: frozenset[UUID] | None
    contact_id: UUID | None
    days: int


@router.get("/disputes/{dispute_id}/hand-over")
def show_hand_over(  # noqa: PLR0913, PLR0917 - what is chosen stands in the address.
    call: Request,
    dispute_id: UUID,
    actor: CanRequest,
    session: SessionDep,
    clock: ClockDep,
    exhibit: Annotated[list[UUID] | None, Query()] = None,
    contact_id: UUID | None = None,
    days: Annotated[int | None, Query(ge=1, le=_MOST_DAYS)] = None,
) -> Response:
    """Show the three steps, as far as they have come."""
    ids = frozenset(exhibit or ()) if contact_id is not None or exhibit else None
    chosen = Chosen(exhibit_ids=ids, contact_id=contact_id, days=days or _days(call))
    return _show(call, actor, session, dispute_id, chosen, at=clock.now())


@router.post("/disputes/{dispute_id}/hand-over")
def ask(  # noqa: PLR0913, PLR0917 - what the framework injects.
    call: Request,
    dispute_id: UUID,
    form: Form,
    actor: CanRequest,
    session: SessionDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> Response:
    """Ask for the approval of what was chosen."""
    words, at = edge.words_of(call, actor, session), clock.now()
    try:
        ids = frozenset(map(UUID, form.all("exhibit")))
        days = int(form.get("days"))
        if not 1 <= days <= _MOST_DAYS:
            raise Malformed(field="days")
    except ValueError as exc:
        raise Malformed(field="exhibit") from exc
    chosen = Chosen(exhibit_ids=ids, contact_id=form.id("contact_id"), days=days)
    found = dispute.get(session, DisputeId(dispute_id))
    if found.state == State.CLOSED:
        raise DisputeClosed
    try:
        with session.begin_nested():
            wanted = _wanted(session, dispute_id, chosen)
            release = service.request_release(session, actor, wanted, at=at)
    except Conflict as exc:
        facts: dict[str, str | int | bool | None] = {"refusal": exc.slug}
        about = ("dispute", dispute_id)
        refusals.remember(database, actor, Act.ACCESS_DENIED, about, at=at, facts=facts)
        wrong = refusal_words.said(exc, words)
        return _show(call, actor, session, dispute_id, chosen, at=at, wrong=wrong)
    return edge.see(f"/releases/{release.id}")


def _wanted(session: Session, dispute_id: UUID, chosen: Chosen) -> Wanted:
    """Return what is asked for.

    Raises:
        NothingAsked, ScreenshotTwice: nothing, or one screenshot twice, is chosen.
    """
    if chosen.contact_id is None:
        raise Malformed(field="contact_id")
    return Wanted(
        contact_id=ContactId(chosen.contact_id),
        purpose=Purpose.DISPUTE_CLIENT,
        parts=service.parts_of_dispute(session, DisputeId(dispute_id), only=chosen.exhibit_ids),
        lifetime=timedelta(days=chosen.days),
        dispute_id=DisputeId(dispute_id),
    )


def _show(  # noqa: PLR0913 - who looks at what, and why it was not taken.
    call: Request,
    actor: Actor,
    session: Session,
    dispute_id: UUID,
    chosen: Chosen,
    *,
    at: datetime,
    wrong: str = "",
) -> Response:
    words = edge.words_of(call, actor, session)
    one = dispute.get(session, DisputeId(dispute_id))
    client = session.get_one(Client, one.client_id)
    exhibits = queries.exhibits(session, one.id)
    contacts = _contacts(session, client, chosen.contact_id)
    picked = next((row for row in contacts if row.is_chosen), None)
    if chosen.contact_id is not None and picked is None:
        raise ReleaseContactUnknown
    around = Around(client_id=client.id, dispute_id=one.id)
    said = _said(session, actor, exhibits, chosen, around, words, at=at)
    if chosen.contact_id is not None and not said and not wrong:
        wrong = words.gettext("Choose at least one exhibit.")
    when = disputes.exhibited_at(session, exhibits)
    names = disputes.names(session, [row.added_by for row in exhibits])
    is_whole_asked = chosen.exhibit_ids is None
    page = HandOverPage(
        title=words.gettext("Hand over to the client"),
        id=one.id,
        subject=one.subject,
        client_path=f"/clients/{client.id}",
        step=1 if not said else (3 if all(can for _, can in said.values()) else 2),
        contacts=contacts,
        choices=tuple(
            ChoiceRow(
                number=number,
                exhibit=exhibit_row(row, *when[row.id], added_by=names.get(row.added_by, "—")),
                is_chosen=is_whole_asked or row.id in (chosen.exhibit_ids or ()),
                decided=said[row.id][0] if row.id in said else None,
            )
            for number, row in enumerate(exhibits, 1)
        ),
        days=_days(call),
        chosen_days=chosen.days,
        contact_name=picked.name if picked else "",
        is_contact_verified=picked.is_verified if picked else False,
        may_ask=bool(said) and all(can for _, can in said.values()) and one.state != State.CLOSED,
        exhibit_ids=tuple(said),
        hindering=tuple(
            number
            for number, row in enumerate(exhibits, 1)
            if row.id in said and not said[row.id][1]
        ),
        without_them=_without_hindering(one.id, chosen, said),
        contact_id=chosen.contact_id,
        wrong=wrong,
    )
    status = 409 if wrong and said else 200
    return edge.render(
        call, actor, session, "disputes/hand_over.html", page, status=status, words=words
    )


def _without_hindering(
    dispute_id: UUID, chosen: Chosen, said: Mapping[UUID, tuple[Decided, bool]]
) -> str:
    """Return where only those of the chosen exhibits are chosen that may be asked for, if any."""
    left = [str(exhibit_id) for exhibit_id, (_, can) in said.items() if can]
    if not left:
        return ""
    query = {"exhibit": left, "contact_id": str(chosen.contact_id), "days": chosen.days}
    return f"/disputes/{dispute_id}/hand-over?{urlencode(query, doseq=True)}"


def _contacts(session: Session, client: Client, chosen: UUID | None) -> tuple[ContactRow, ...]:
    rows = [one for one in clients.contacts_of(session, client.id) if one.left_at is None]
    return tuple(_contact(session, one, is_chosen=one.id == chosen) for one in rows)


def _contact(session: Session, one: Contact, *, is_chosen: bool) -> ContactRow:
    known = consent.contact(session, one.id)
    return ContactRow(
        id=one.id,
        name=one.name,
        position=one.position or "",
        is_verified=bool(known and known[1]),
        is_chosen=is_chosen,
    )


def _said(  # noqa: PLR0913 - what is decided on, for whom, and how it is shown.
    session: Session,
    actor: Actor,
    exhibits: Sequence[Exhibit],
    chosen: Chosen,
    around: Around,
    words: Words,
    *,
    at: datetime,
) -> dict[UUID, tuple[Decided, bool]]:
    """Return by chosen exhibit what the rules say, and whether it may be asked for."""
    if chosen.contact_id is None or around.dispute_id is None:
        return {}
    found: dict[UUID, tuple[Decided, bool]] = {}
    for exhibit in exhibits:
        if chosen.exhibit_ids is not None and exhibit.id not in chosen.exhibit_ids:
            continue
        only = Chosen(
            exhibit_ids=frozenset({exhibit.id}), contact_id=chosen.contact_id, days=chosen.days
        )
        wanted = _wanted(session, around.dispute_id, only)
        [(_, decision)] = service.weigh(session, person(actor), wanted, at=at)
        here = Around(
            client_id=around.client_id,
            dispute_id=around.dispute_id,
            exhibit_id=exhibit.id,
            recording_id=exhibit.recording_id,
        )
        found[exhibit.id] = decided.shown(decision, here, words), service.can_be_asked(decision)
    return found
