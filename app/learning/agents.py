"""An agent's page: praise first, then what else was marked in his calls, and his appraisals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.orm import Session

from app.clients.models import Client, Event
from app.identity.actor import Actor
from app.identity.models import MAIN_OFFICE, User, UserOffice
from app.identity.permissions import Role
from app.learning import appraising
from app.learning.appraising import Told
from app.learning.models import Appraisal, ExemplaryCall
from app.learning.refusals import AgentNotFound
from app.playback.models import Mark, MarkKind
from app.recordings import queries as recordings
from app.recordings.models import Recording

_MOST: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An agent, and how often his calls were praised, marked and appraised."""

    id: UUID
    name: str
    agent_ref: str
    praises: int
    appraisals: int
    percent: int | None
    exemplary: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A marked place in a call of the agent."""

    mark: Mark
    by: str
    called_at: datetime
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPage:
    """All that was said of an agent's calls; comments of others are no part of it."""

    person: Person
    praise: tuple[Place, ...]
    moments: tuple[Place, ...]
    mistakes: tuple[Place, ...]
    appraisals: tuple[Told, ...]


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the condition of the people whose page `actor` may read: himself, or his offices'."""
    if actor.role is Role.AGENT:
        return User.id == actor.id
    if actor.offices is None:
        return true()
    placed = select(UserOffice.user_id)
    here = User.id.in_(placed.where(UserOffice.office_id.in_(actor.offices)))
    if MAIN_OFFICE in actor.offices:
        return or_(here, User.id.not_in(placed))
    return here


def listed(session: Session, actor: Actor) -> list[Person]:
    """Return the agents that `actor` may read of, with their figures, by name."""
    return _people(session, actor, true())


def _people(session: Session, actor: Actor, condition: ColumnElement[bool]) -> list[Person]:
    people = session.execute(
        select(User.id, User.full_name, User.agent_ref)
        .where(
            User.agent_ref.is_not(None), User.disabled_at.is_(None), visible_to(actor), condition
        )
        .order_by(func.lower(User.full_name), User.id)
    ).all()
    refs = [ref for _, _, ref in people]
    seen = recordings.visible_to(actor)
    praises = dict(
        session.execute(
            select(Recording.agent, func.count())
            .join(Mark, Mark.recording_id == Recording.id)
            .where(
                Recording.agent.in_(refs),
                Recording.erased_at.is_(None),
                Mark.kind == MarkKind.PRAISE,
                Mark.removed_at.is_(None),
                seen,
            )
            .group_by(Recording.agent)
        ).all()
    )
    shown = dict(
        session.execute(
            select(Recording.agent, func.count())
            .join(ExemplaryCall, ExemplaryCall.recording_id == Recording.id)
            .where(
                Recording.agent.in_(refs),
                Recording.erased_at.is_(None),
                ExemplaryCall.removed_at.is_(None),
                seen,
            )
            .group_by(Recording.agent)
        ).all()
    )
    appraised = {
        ref: (count, percent)
        for ref, count, percent in session.execute(
            select(Appraisal.agent, func.count(), func.round(func.avg(Appraisal.percent)))
            .join(Recording, Recording.id == Appraisal.recording_id)
            .where(
                Appraisal.agent.in_(refs),
                Appraisal.calibration_id.is_(None),
                Appraisal.replaced_at.is_(None),
                seen,
            )
            .group_by(Appraisal.agent)
        )
    }
    return [
        Person(
            id=person_id,
            name=name,
            agent_ref=ref or "",
            praises=praises.get(ref, 0),
            appraisals=appraised[ref][0] if ref in appraised else 0,
            percent=int(appraised[ref][1])
            if ref in appraised and appraised[ref][1] is not None
            else None,
            exemplary=shown.get(ref, 0),
        )
        for person_id, name, ref in people
    ]


def page(session: Session, actor: Actor, user_id: UUID) -> AgentPage:
    """Return an agent's page.

    Raises:
        AgentNotFound: there is no agent that `actor` may read of.
    """
    found = _people(session, actor, User.id == user_id)
    if not found:
        raise AgentNotFound
    person = found[0]
    places = _places(session, actor, person.agent_ref)
    return AgentPage(
        person=person,
        praise=tuple(one for one in places if one.mark.kind == MarkKind.PRAISE),
        moments=tuple(one for one in places if one.mark.kind == MarkKind.KEY_MOMENT),
        mistakes=tuple(one for one in places if one.mark.kind == MarkKind.MISTAKE),
        appraisals=tuple(appraising.of_agent(session, actor, person.agent_ref, limit=_MOST)),
    )


def _places(session: Session, actor: Actor, agent: str) -> Sequence[Place]:
    """Return the newest marks of each kind; comments are talk about a call, not about a person."""
    order = Mark.made_at.desc(), Mark.id.desc()
    place = func.row_number().over(partition_by=Mark.kind, order_by=order).label("place")
    ranked = (
        select(Mark.id, place)
        .join(Recording, Recording.id == Mark.recording_id)
        .where(
            Recording.agent == agent,
            Recording.erased_at.is_(None),
            Mark.removed_at.is_(None),
            Mark.kind != MarkKind.COMMENT,
            recordings.visible_to(actor),
        )
        .subquery()
    )
    rows = session.execute(
        select(Mark, User.full_name, Recording.started_at, Client.name)
        .join(ranked, ranked.c.id == Mark.id)
        .join(Recording, Recording.id == Mark.recording_id)
        .join(User, User.id == Mark.made_by)
        .join(Event, Event.id == Recording.event_id)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(ranked.c.place <= _MOST)
        .order_by(*order)
    )
    return [
        Place(mark=mark, by=by, called_at=called_at, client=client or "")
        for mark, by, called_at, client in rows
    ]
