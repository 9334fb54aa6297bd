"""What a release hands over: a recording or a screenshot, each asked of its own consent rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from app.consent import screenshots
from app.consent import service as consent
from app.consent.models import DecisionRow
from app.consent.rules import Approval, Decision, Permit, Purpose, Question, Segment, grant
from app.core.ids import ReleaseId
from app.disputes.redactions import Area
from app.identity.actor import Actor
from app.releases.models import ReleaseItem, ReleaseWish


@dataclass(frozen=True, slots=True)
class Subject:
    """A recording or a screenshot, of which `areas` are black."""

    kind: Literal["recording", "screenshot"]
    id: UUID
    areas: tuple[Area, ...] = ()

    @property
    def about(self) -> tuple[str, UUID]:
        """Return it as the ledger names it."""
        return self.kind, self.id

    @property
    def is_screenshot(self) -> bool:
        return self.kind == "screenshot"

    def kept_areas(self) -> list[dict[str, object]]:
        """Return the areas as they are kept."""
        return [area.kept() for area in self.areas]


def of(row: ReleaseWish | ReleaseItem) -> Subject:
    """Return what a wish or an item is of."""
    if row.recording_id is not None:
        return Subject("recording", row.recording_id)
    if row.screenshot_id is None:
        raise TypeError("A wish is of a recording or of a screenshot.")
    return Subject("screenshot", row.screenshot_id, tuple(map(Area.read, row.areas)))


def question(  # noqa: PLR0913 - a question has these parts, all named.
    session: Session,
    subject: Subject,
    *,
    purpose: Purpose,
    contact_id: UUID,
    segment: Segment | None,
    requested_by: UUID,
    approvals: Sequence[Approval] = (),
) -> Question:
    """Return the question whether a contact may be handed it."""
    if subject.is_screenshot:
        return screenshots.question(
            session,
            subject.id,
            purpose=purpose,
            contact_id=contact_id,
            requested_by=requested_by,
            approvals=approvals,
        )
    return consent.question(
        session,
        purpose=purpose,
        contact_id=contact_id,
        segment=segment,
        requested_by=requested_by,
        approvals=approvals,
        recording_id=subject.id,
    )


def decide(session: Session, subject: Subject, question: Question, *, at: datetime) -> Decision:
    """Return what the rules say now."""
    if subject.is_screenshot:
        return screenshots.decide(session, subject.id, question, areas=subject.kept_areas(), at=at)
    return consent.decide(session, subject.id, question, at=at)


def record(  # noqa: PLR0913 - what a decision was made from; the rest is named.
    session: Session,
    actor: Actor,
    subject: Subject,
    question: Question,
    decision: Decision,
    *,
    release_id: UUID,
    at: datetime,
) -> DecisionRow:
    """Write a decision down."""
    return consent.record(
        session,
        actor,
        subject.id,
        question,
        decision,
        kind=subject.kind,
        at=at,
        release_id=ReleaseId(release_id),
    )


def permit_for(
    session: Session, actor: Actor, subject: Subject, question: Question, *, at: datetime
) -> Permit:
    """Return the permit if the rules allow it now, and write the decision down.

    Raises:
        ConsentRefused: they do not.
    """
    decision = decide(session, subject, question, at=at)
    permit = grant(decision)
    consent.record(session, actor, subject.id, question, decision, kind=subject.kind, at=at)
    return permit
