"""Asking the rules about a screenshot: nobody is heard in it, so only a no of the client counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients.models import Client, Event
from app.consent import queries, rules, service
from app.consent.casefile import Approval, CaseFile, Heard, Question, Screened, Sound
from app.consent.models import Screening
from app.consent.packs import for_places
from app.consent.purposes import Purpose, RecipientClass, ScreeningResult, Side
from app.consent.review import person
from app.consent.rules import Decision, Permit
from app.consent.service import CaseMissing, assertions_about, in_force, places_of
from app.consent.spans import WHOLE
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import User
from app.recordings.models import Party, Screenshot

Areas = Sequence[Mapping[str, Any]]
"""Rectangles of a picture as they are kept, with `x`, `y`, `w`, `h`."""


def question(
    session: Session,
    screenshot_id: UUID,
    *,
    purpose: Purpose,
    contact_id: UUID,
    requested_by: UUID,
    approvals: Sequence[Approval] = (),
) -> Question:
    """Return the question whether a contact may be handed a screenshot.

    A contact of another firm than its event's becomes `client_other_entity`.

    Raises:
        RecipientUnknown: there is no such contact.
    """
    asked = service.question(
        session,
        purpose=purpose,
        contact_id=contact_id,
        requested_by=requested_by,
        approvals=approvals,
    )
    recipient = asked.recipient
    if recipient.recipient_class is RecipientClass.CLIENT_SAME_ENTITY:
        client_id = session.scalar(
            select(Event.client_id)
            .join(Screenshot, Screenshot.event_id == Event.id)
            .where(Screenshot.id == screenshot_id)
        )
        if client_id != recipient.client_id:
            other = replace(recipient, recipient_class=RecipientClass.CLIENT_OTHER_ENTITY)
            return replace(asked, recipient=other)
    return asked


def decide(
    session: Session,
    screenshot_id: UUID,
    question: Question,
    *,
    areas: Areas = (),
    at: datetime,
) -> Decision:
    """Return what the rules say now of the screenshot with `areas` black.

    Whatever breaks on the way is a denial. The stamp is read before the case, so that a change in
    between makes the decision stale and never the other way round.
    """

    def ask() -> Decision:
        stamp = queries.screenshot_stamp(session, screenshot_id, question.recipient.contact_id)
        case = case_file(session, screenshot_id, areas=areas)
        return replace(rules.decide(case, question, at=at), stamp=stamp)

    return service.answered(session, screenshot_id, question, ask)


def permit_for(
    session: Session,
    actor: Actor,
    screenshot_id: UUID,
    question: Question,
    *,
    areas: Areas = (),
    at: datetime,
) -> Permit:
    """Return the permit if the rules allow it now, and write the decision down.

    Raises:
        ConsentRefused: they do not, or nobody can say. The refusal rolls back.
    """
    decision = decide(session, screenshot_id, question, areas=areas, at=at)
    permit = rules.grant(decision)
    service.record(session, actor, screenshot_id, question, decision, kind="screenshot", at=at)
    return permit


def screen(  # noqa: PLR0913 - a screening has these parts.
    session: Session,
    actor: Actor,
    screenshot_id: UUID,
    result: ScreeningResult,
    *,
    areas: Areas,
    note: str | None,
    at: datetime,
) -> Screening:
    """Write down what a person saw in a screenshot with `areas` black.

    Raises:
        NoLongerHere: the actor was shut out meanwhile.
    """
    identity.must_be_here(session, actor)
    row = Screening(
        id=new_id(),
        screenshot_id=screenshot_id,
        from_ms=0,
        to_ms=None,
        areas=[dict(area) for area in areas],
        result=result,
        note=note,
        screened_by=person(actor),
        at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.SCREENING_RECORDED,
        ("screenshot", screenshot_id),
        at=at,
        facts={"areas": len(row.areas), "result": str(result)},
        detail={"note": note} if note else None,
    )
    return row


def case_file(session: Session, screenshot_id: UUID, *, areas: Areas = ()) -> CaseFile:
    """Return everything that a decision on the screenshot with `areas` black depends on.

    The picture stands in it as the one thing that was received, so that an approval is of these
    bytes, and so that only who looked at them has screened them.

    Raises:
        CaseMissing: there is no such screenshot.
        ValueError: something recorded is not of its list.
    """
    session.flush()
    found = session.execute(
        select(Screenshot, Client)
        .join(Event, Event.id == Screenshot.event_id)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(Screenshot.id == screenshot_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise CaseMissing
    screenshot, client = found
    establishment = str(session.info.get("jurisdiction", "RU"))
    parties = tuple(_parties(session, screenshot, client, establishment))
    about = [Party(client_id=client.id)] if client is not None else []
    return CaseFile(
        recording_id=screenshot.id,
        started_at=screenshot.captured_at,
        establishment=establishment,
        packs=for_places(in_force(session), places_of(establishment, parties)),
        parties=parties,
        assertions=assertions_about(session, screenshot.id, about, at=screenshot.captured_at),
        screenings=tuple(_screened(session, screenshot.id, areas)),
        sounds=(
            Sound(
                leg="picture",
                sha256=screenshot.sha256.hex(),
                received_at=screenshot.received_at,
            ),
        ),
        client_id=client.id if client is not None else None,
        object_kind="screenshot",
        erased=screenshot.erased_at is not None,
        restricted=screenshot.restricted_at is not None,
        held_only=screenshot.kept_only_by_hold,
    )


def _screened(session: Session, screenshot_id: UUID, areas: Areas) -> Iterator[Screened]:
    """Yield what was seen of a picture like this one.

    What was clear stays so where more is black; what was private where less is.
    """
    black = {_place(area) for area in areas}
    for row in queries.screenshot_screenings(session, screenshot_id):
        seen = {_place(area) for area in row.areas}
        is_clear = row.result == ScreeningResult.CLEAR
        if (seen <= black) if is_clear else (black <= seen):
            yield Screened(
                id=row.id,
                segment=WHOLE,
                result=ScreeningResult(row.result),
                by=row.screened_by,
                at=row.at,
            )


def _place(area: Mapping[str, Any]) -> tuple[int, int, int, int]:
    return area["x"], area["y"], area["w"], area["h"]


def _parties(
    session: Session, screenshot: Screenshot, client: Client | None, establishment: str
) -> list[Heard]:
    own = Heard(
        id=screenshot.device_id,
        label="own",
        side=Side.OWN,
        agent=screenshot.agent,
        user_id=None
        if screenshot.agent is None
        else session.scalar(select(User.id).where(User.agent_ref == screenshot.agent)),
        place=establishment,
    )
    if client is None:
        return [own]
    other = Heard(
        id=screenshot.event_id,
        label="cli",
        side=Side.CLIENT,
        client_id=client.id,
        place=client.jurisdiction,
    )
    return [own, other]
