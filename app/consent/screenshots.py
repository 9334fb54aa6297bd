"""Asking the rules about a screenshot: nobody is heard in it, so only a no of the client counts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients.models import Client, Event
from app.consent import rules
from app.consent.casefile import CaseFile, Heard, Question
from app.consent.packs import for_places
from app.consent.purposes import Side
from app.consent.rules import Permit, fail_closed
from app.consent.service import CaseMissing, assertions_about, in_force, places_of
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.recordings.models import Party, Screenshot

_log = structlog.get_logger()


def permit_for(
    session: Session, actor: Actor, screenshot_id: UUID, question: Question, *, at: datetime
) -> Permit:
    """Return the permit if the rules allow it now, and write the decision down.

    Raises:
        ConsentRefused: they do not, or nobody can say. The refusal rolls back.
    """
    try:
        with session.begin_nested():
            decision = rules.decide(case_file(session, screenshot_id), question, at=at)
    except (CaseMissing, ValueError, LookupError) as exc:
        _log.error("consent.undecided", screenshot_id=str(screenshot_id), error=type(exc).__name__)
        decision = fail_closed(screenshot_id, question)
    permit = rules.grant(decision)
    ledger.append(
        session,
        actor,
        Act.DECISION_MADE,
        ("screenshot", screenshot_id),
        at=at,
        facts={
            "purpose": str(question.purpose),
            "recipient": str(question.recipient.recipient_class),
            "outcome": str(decision.outcome),
            "reasons": " ".join(reason.text for reason in decision.reasons),
            "inputs_digest": decision.inputs_digest,
            "policy_sha256": decision.policy_sha256,
        },
    )
    return permit


def case_file(session: Session, screenshot_id: UUID) -> CaseFile:
    """Return everything that a decision on the screenshot depends on.

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
    parties = tuple(_parties(screenshot, client, establishment))
    about = [Party(client_id=client.id)] if client is not None else []
    return CaseFile(
        recording_id=screenshot.id,
        started_at=screenshot.captured_at,
        establishment=establishment,
        packs=for_places(in_force(session), places_of(establishment, parties)),
        parties=parties,
        assertions=assertions_about(session, screenshot.id, about, at=screenshot.captured_at),
        client_id=client.id if client is not None else None,
        object_kind="screenshot",
        erased=screenshot.erased_at is not None,
    )


def _parties(screenshot: Screenshot, client: Client | None, establishment: str) -> list[Heard]:
    own = Heard(
        id=screenshot.device_id,
        label="own",
        side=Side.OWN,
        agent=screenshot.agent,
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
