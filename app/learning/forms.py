"""Forms by which calls are appraised: versions that never change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.learning.models import CallForm
from app.learning.refusals import FormInvalid, FormNotFound
from app.learning.rules import MOST_QUESTIONS, Question


@dataclass(frozen=True, slots=True, kw_only=True)
class FormWords:
    """What a version of a form says; without an id it is a new form."""

    id: UUID | None
    name: str
    questions: tuple[Question, ...]
    pass_percent: int
    is_offered: bool = True


def publish(session: Session, actor: Actor, words: FormWords, *, at: datetime) -> CallForm:
    """Add a version of a form; what was filled stays with its own version.

    Raises:
        FormInvalid: there are no questions or too many, one twice, or none with weight.
        FormNotFound: there is no form of this id.
    """
    keys = [one.key for one in words.questions]
    if not 1 <= len(keys) <= MOST_QUESTIONS or len(set(keys)) < len(keys):
        raise FormInvalid
    if not any(one.weight for one in words.questions):
        raise FormInvalid
    version = 1
    if words.id is not None:
        version = 1 + newest(session, words.id, lock=True).version
    row = CallForm(
        id=words.id or new_id(),
        version=version,
        name=words.name,
        pass_percent=words.pass_percent,
        questions=[asdict(one) for one in words.questions],
        is_offered=words.is_offered,
        made_by=actor.id,
        made_at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.CALL_FORM_PUBLISHED,
        ("call_form", row.id),
        at=at,
        facts={"version": version, "is_offered": row.is_offered, "questions": len(keys)},
        detail={"name": row.name},
    )
    return row


def newest(session: Session, form_id: UUID, *, lock: bool = False) -> CallForm:
    """Return the newest version of a form.

    Raises:
        FormNotFound: there is no such form.
    """
    if lock:
        session.execute(select(func.pg_advisory_xact_lock(form_id.int >> 65)))
    found = session.scalar(
        select(CallForm).where(CallForm.id == form_id).order_by(CallForm.version.desc()).limit(1)
    )
    if found is None:
        raise FormNotFound
    return found


def offered(session: Session, form_id: UUID) -> CallForm:
    """Return the version of a form that is filled now.

    Raises:
        FormNotFound: there is none, or it is not offered any more.
    """
    found = newest(session, form_id)
    if not found.is_offered:
        raise FormNotFound
    return found


def version_of(session: Session, form_id: UUID, version: int) -> CallForm:
    """Return one version of a form.

    Raises:
        FormNotFound: there is none.
    """
    found = session.get(CallForm, (form_id, version))
    if found is None:
        raise FormNotFound
    return found


def listed(session: Session, *, only_offered: bool = False) -> Sequence[CallForm]:
    """Return the newest version of each form, by name."""
    later = aliased(CallForm)
    query = select(CallForm).where(
        ~select(later.id)
        .where(later.id == CallForm.id, later.version > CallForm.version)
        .correlate(CallForm)
        .exists()
    )
    if only_offered:
        query = query.where(CallForm.is_offered)
    return session.scalars(query.order_by(func.lower(CallForm.name), CallForm.id)).all()


def questions_of(form: CallForm) -> tuple[Question, ...]:
    """Return the questions of a form."""
    return tuple(Question(**one) for one in form.questions)
