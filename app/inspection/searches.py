"""Runs over the old recordings: begun, watched, cancelled; and which recordings they pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    cast,
    exists,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app.consent import queries as consent
from app.consent.models import NoticeText
from app.consent.notices import NoticeTextNotFound
from app.core.errors import Conflict, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.inspection.models import (
    NoticeHit,
    NoticeSearch,
    RunReason,
    RunState,
    SearchFailure,
    SearchRun,
)
from app.inspection.notice.checks import METHOD_VERSION
from app.recordings.models import InspectionState, Leg, Recording, SealedRow

SEARCH_AGAIN: Final = "inspection.search_again"
# Below every other job: a call that came in just now never waits behind old ones.
_PRIORITY: Final = -10
_LISTED: Final = 100


class SearchRunNotFound(NotFound):
    """There is no such run over the old recordings."""


class SearchRunEnded(Conflict):
    """The run is over; begin another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is searched for and where: all texts unless one is named, all recordings or newer."""

    text_id: UUID | None = None
    text_version: int | None = None
    since: datetime | None = None
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A recording that a run passes, and whether it has to be searched."""

    recording_id: UUID
    started_at: datetime
    is_needed: bool


def begin_asked(session: Session, actor: Actor, scope: Scope, *, at: datetime) -> SearchRun:
    """Begin a run because somebody asked for it.

    Raises:
        NoticeTextNotFound: the scope names none.
    """
    run = SearchRun(**_row(session, actor, scope, RunReason.REQUEST, at))
    session.add(run)
    session.flush()
    session.refresh(run)
    return _told(session, actor, run, at=at)


def begin_for_text(
    session: Session, actor: Actor, text_id: UUID, version: int, *, at: datetime
) -> SearchRun | None:
    """Begin the one run that an approved text has by itself; None where it was begun before."""
    scope = Scope(text_id=text_id, text_version=version)
    row = _row(session, actor, scope, RunReason.TEXT, at)
    return _begin_once(session, actor, row, at=at)


def begin_for_method(session: Session, actor: Actor, *, at: datetime) -> SearchRun | None:
    """Begin a run if recordings were searched by another method and none was begun for this one."""
    is_other = exists().where(NoticeSearch.method_version != METHOD_VERSION)
    is_begun = exists().where(
        SearchRun.reason == RunReason.METHOD, SearchRun.method_version == METHOD_VERSION
    )
    if session.scalar(select(and_(is_other, ~is_begun))):
        row = _row(session, actor, Scope(), RunReason.METHOD, at)
        return _begin_once(session, actor, row, at=at)
    return None


def _row(
    session: Session, actor: Actor, scope: Scope, reason: RunReason, at: datetime
) -> dict[str, object]:
    version = scope.text_version
    if scope.text_id is not None:
        version = version or consent.latest_version(session, scope.text_id)
        if consent.notice_text(session, scope.text_id, version) is None:
            raise NoticeTextNotFound
    return {
        "id": new_id(),
        "reason": reason,
        "state": RunState.RUNNING,
        "method_version": METHOD_VERSION,
        "text_id": scope.text_id,
        "text_version": version,
        "since": scope.since,
        "is_whole": scope.is_whole,
        "begun_by": actor.id if actor.kind == "user" else None,
        "begun_at": at,
    }


def _begin_once(
    session: Session, actor: Actor, row: dict[str, object], *, at: datetime
) -> SearchRun | None:
    """Begin a run of which there is one at most, also where two workers ask at once."""
    statement = insert(SearchRun).values(**row).on_conflict_do_nothing()
    if session.scalar(statement.returning(SearchRun.id)) is None:
        return None
    return _told(session, actor, session.get_one(SearchRun, row["id"]), at=at)


def _told(session: Session, actor: Actor, run: SearchRun, *, at: datetime) -> SearchRun:
    """Tell the ledger of a run that has begun, and ask for its first batch."""
    facts: dict[str, str | int | bool | None] = {
        "reason": run.reason,
        "text_id": str(run.text_id) if run.text_id else None,
        "text_version": run.text_version,
        "method_version": run.method_version,
        "is_whole": run.is_whole,
    }
    ledger.append(session, actor, Act.SEARCH_BEGUN, ("search_run", run.id), at=at, facts=facts)
    hand_on(session, run)
    return run


def hand_on(session: Session, run: SearchRun) -> None:
    """Ask for the next batch. All runs share a lock, so that one half of a worker stays free."""
    args = {"run_id": str(run.id), "batch": str(run.batch)}
    enqueue(session, Job(task=SEARCH_AGAIN, args=args, lock=SEARCH_AGAIN, priority=_PRIORITY))


def cancel(session: Session, actor: Actor, run_id: UUID, *, at: datetime) -> SearchRun:
    """End a run where it stands; what it has found stays.

    Raises:
        SearchRunNotFound: there is none.
        SearchRunEnded: it is over.
    """
    run = session.get(SearchRun, run_id, with_for_update=True)
    if run is None:
        raise SearchRunNotFound
    if run.state != RunState.RUNNING:
        raise SearchRunEnded(state=run.state)
    end(session, actor, run, RunState.CANCELLED, at=at)
    return run


def end(session: Session, actor: Actor, run: SearchRun, state: RunState, *, at: datetime) -> None:
    """Write down that a run is over, and what came of it."""
    run.state = state
    run.ended_at = at
    run.trying_id = None
    session.flush()
    facts: dict[str, str | int | bool | None] = {
        "state": str(state),
        "done": run.done,
        "failed": run.failed,
        "found_complete": run.found_complete,
        "differing": run.differing,
    }
    ledger.append(session, actor, Act.SEARCH_ENDED, ("search_run", run.id), at=at, facts=facts)


@dataclass(frozen=True, slots=True)
class Coverage:
    """In how many recordings a version of a text was found, whole or only partly."""

    whole: int
    partly: int


def coverage(session: Session) -> dict[tuple[UUID, int], Coverage]:
    """Return in how many recordings each version of a text was ever found."""
    seen = (
        select(
            NoticeHit.text_id,
            NoticeHit.text_version,
            NoticeHit.recording_id,
            func.bool_or(NoticeHit.complete).label("whole"),
        )
        .group_by(NoticeHit.text_id, NoticeHit.text_version, NoticeHit.recording_id)
        .subquery()
    )
    rows = session.execute(
        select(
            seen.c.text_id,
            seen.c.text_version,
            func.count().filter(seen.c.whole),
            func.count().filter(~seen.c.whole),
        ).group_by(seen.c.text_id, seen.c.text_version)
    )
    return {(row[0], row[1]): Coverage(row[2], row[3]) for row in rows}


def find(session: Session, run_id: UUID) -> SearchRun:
    """Return a run.

    Raises:
        SearchRunNotFound: there is none.
    """
    run = session.get(SearchRun, run_id)
    if run is None:
        raise SearchRunNotFound
    return run


def runs(session: Session) -> Sequence[SearchRun]:
    """Return the newest runs, the newest first."""
    newest = select(SearchRun).order_by(SearchRun.begun_at.desc(), SearchRun.id.desc())
    return session.scalars(newest.limit(_LISTED)).all()


def running(session: Session) -> Sequence[SearchRun]:
    return session.scalars(
        select(SearchRun).where(SearchRun.state == RunState.RUNNING).order_by(SearchRun.begun_at)
    ).all()


def failures(session: Session, run_id: UUID) -> Sequence[SearchFailure]:
    """Return what a run could not search, the first hundred."""
    return session.scalars(
        select(SearchFailure)
        .where(SearchFailure.run_id == run_id)
        .order_by(SearchFailure.at, SearchFailure.recording_id)
        .limit(_LISTED)
    ).all()


def current(session: Session, run_id: UUID, batch: int) -> SearchRun | None:
    """Return the locked run if `batch` is its current one, None for a repeat or what is over."""
    run = session.scalar(
        select(SearchRun)
        .where(SearchRun.id == run_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    is_ours = run is not None and run.state == RunState.RUNNING and run.batch == batch
    return run if is_ours else None


def passed(
    session: Session, run: SearchRun, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Passed]:
    """Return the next recordings of a run's way, the newest first; bounded, whatever is needed."""
    way = select(Recording.id).where(Recording.erased_at.is_(None))
    if run.since is not None:
        way = way.where(Recording.started_at >= run.since)
    if after is not None:
        way = way.where(tuple_(Recording.started_at, Recording.id) < after)
    order = (Recording.started_at.desc(), Recording.id.desc())
    chunk = way.order_by(*order).limit(limit).cte().prefix_with("MATERIALIZED")
    rows = session.execute(
        select(Recording.id, Recording.started_at, _is_needed(run))
        .join(chunk, chunk.c.id == Recording.id)
        .order_by(*order)
    )
    return [Passed(recording_id=row[0], started_at=row[1], is_needed=row[2]) for row in rows]


def _is_needed(run: SearchRun) -> ColumnElement[bool]:
    """Say that a text valid for the call was not searched for in a leg by the present method."""
    own, of_text = aliased(SealedRow), aliased(SealedRow)
    name = cast(NoticeText.id, Text) + ":" + cast(NoticeText.version, Text)
    is_searched = exists().where(
        NoticeSearch.leg_id == Leg.id,
        NoticeSearch.method_version == METHOD_VERSION,
        name == func.any(NoticeSearch.texts),
        *([NoticeSearch.is_whole] if run.is_whole else []),
    )
    is_asked = (
        [NoticeText.id == run.text_id, NoticeText.version == run.text_version]
        if run.text_id is not None
        else []
    )
    return exists().where(
        Leg.recording_id == Recording.id,
        Leg.inspection_state == InspectionState.DONE,
        own.object_id == Leg.object_id,
        own.wrapped_key.is_not(None),
        *is_asked,
        of_text.object_id == NoticeText.object_id,
        of_text.wrapped_key.is_not(None),
        NoticeText.valid_from <= Recording.started_at,
        or_(NoticeText.valid_to.is_(None), NoticeText.valid_to > Recording.started_at),
        or_(
            func.cardinality(NoticeText.lines) == 0,
            Recording.line == func.any(NoticeText.lines),
        ),
        ~is_searched,
    )
