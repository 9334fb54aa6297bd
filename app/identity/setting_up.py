"""The first steps of an empty archive: which are done, which were skipped, and where one was.

What is done is asked of what is there, so nothing need be ticked; only a skipped step has a row.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.identity.models import MAIN_OFFICE, Device, Office, SkippedStep, User
from app.identity.permissions import PERMISSIONS, Permission


class Step(StrEnum):
    """A step of setting up, in the order in which it is offered."""

    COMPANY = "company"
    PEOPLE = "people"
    NOTICE = "notice"
    DEVICE = "device"
    CALL = "call"


FIRST_NAME = "main"
"""What the first office is called until somebody names it."""


def done_here(session: Session) -> set[Step]:
    """Return the steps that are done of those that this room knows of."""
    done = set()
    main = session.get_one(Office, MAIN_OFFICE)
    if main.name != FIRST_NAME:
        done.add(Step.COMPANY)
    approving = [
        role for role, granted in PERMISSIONS.items() if Permission.NOTICE_APPROVE in granted
    ]
    others = select(User.id).where(User.role.in_(approving), User.disabled_at.is_(None)).limit(1)
    if session.scalar(others) is not None:
        done.add(Step.PEOPLE)
    if session.scalar(select(Device.id).where(Device.disabled_at.is_(None)).limit(1)) is not None:
        done.add(Step.DEVICE)
    return done


def skipped(session: Session) -> set[Step]:
    """Return the steps that somebody skipped."""
    return {Step(one) for one in session.scalars(select(SkippedStep.step))}


def skip(session: Session, actor: Actor, step: Step, *, at: datetime) -> None:
    """Leave a step out for now; it may be taken up again."""
    row = {"step": step, "skipped_by": actor.id, "at": at}
    session.execute(insert(SkippedStep).values(row).on_conflict_do_nothing())
    _told(session, actor, step, "setup_step.skipped", at=at)


def take_up(session: Session, actor: Actor, step: Step, *, at: datetime) -> None:
    """Take a step up again that was skipped."""
    session.execute(delete(SkippedStep).where(SkippedStep.step == step))
    _told(session, actor, step, "setup_step.taken_up", at=at)


def _told(session: Session, actor: Actor, step: Step, change: str, *, at: datetime) -> None:
    facts: dict[str, str | int | bool | None] = {"change": change, "step": str(step)}
    ledger.append(session, actor, Act.CONFIG_CHANGED, ("office", MAIN_OFFICE), at=at, facts=facts)
