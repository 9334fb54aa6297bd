"""The jobs that search old recordings again: a few at a time, each in a transaction of its own.

A run's place, counts and findings are committed together, recording by recording. Whatever kills a
worker, the next one begins with the recording that was in work, and nothing is found twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app.consent import service as consent
from app.identity.actor import Actor
from app.inspection import detection, differences, searches
from app.inspection.detection import Searched
from app.inspection.models import (
    NoticeHit,
    NoticeSearch,
    RunState,
    SearchFailure,
    SearchRun,
)
from app.inspection.notice.checks import METHOD_VERSION, Verdict
from app.inspection.references import NoticeAudio
from app.inspection.sandbox import DecodeFailed, DecodeLimit
from app.inspection.searches import Passed
from app.inspection.searching import (
    InspectionTools,
    LegToSearch,
    explained,
    joins_of,
    leg_to_search,
    legs_of,
    search_leg,
)
from app.recordings.models import InspectionState, Leg, Recording, SealedRow
from storage.errors import ObjectDamaged, ObjectMissing, StoreUnavailable

_log = structlog.get_logger()
_ACTOR: Final = Actor.system("detector")
# One job does so few that a call which came in meanwhile is soon next.
BATCH: Final = 4
_PASSED_AT_ONCE: Final = 500
_COUNTED_AT_ONCE: Final = 5_000
# A recording whose search ends the worker each time would stop the run for ever.
MOST_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """The recording that is in work; None where those just passed needed nothing."""

    recording_id: UUID | None
    joins_ms: Sequence[int] = ()
    legs: Sequence[LegToSearch] = ()


@dataclass(slots=True, kw_only=True)
class _Heard:
    """What the search of a recording brought, leg by leg, and why of some there is nothing."""

    searched: list[Searched]
    failures: list[str]
    busy_ms: int


def search_text(tools: InspectionTools, text_id: str, version: str) -> None:
    """Begin the run for a text that was approved; done twice it begins one."""
    with tools.database.transaction() as session:
        at = tools.clock.now()
        searches.begin_for_text(session, _ACTOR, UUID(text_id), int(version), at=at)


def check_runs(tools: InspectionTools) -> None:
    """Begin a run where the method has changed, and wake those whose job was given up."""
    with tools.database.transaction() as session:
        searches.begin_for_method(session, _ACTOR, at=tools.clock.now())
    with tools.database.transaction() as session:
        for run in searches.running(session):
            searches.hand_on(session, run)


def search_again(tools: InspectionTools, run_id: str, batch: str) -> None:
    """Search the next few recordings of a run, and ask for the batch after this one.

    A repeat of a batch that is done does nothing.
    """
    wanted, number = UUID(run_id), int(batch)
    with tools.database.transaction() as session:
        run = searches.current(session, wanted, number)
        if run is None:
            return
        is_counted = run.total is not None
    if not is_counted:
        _count(tools, wanted, number)
    for _ in range(BATCH):
        with tools.database.transaction() as session:
            work = _next(session, wanted, number, at=tools.clock.now())
        if work is None:
            return
        if work.recording_id is not None:
            _search_one(tools, work, wanted, number)
    with tools.database.transaction() as session:
        run = searches.current(session, wanted, number)
        if run is not None:
            run.batch += 1
            session.flush()
            searches.hand_on(session, run)


def _count(tools: InspectionTools, run_id: UUID, batch: int) -> None:
    """Count what the run has to search, in short steps; a count that was cut off begins anew."""
    total, after = 0, None
    while True:
        with tools.database.transaction() as session:
            run = session.get_one(SearchRun, run_id)
            found = searches.passed(session, run, after=after, limit=_COUNTED_AT_ONCE)
        total += sum(one.is_needed for one in found)
        if len(found) < _COUNTED_AT_ONCE:
            break
        after = (found[-1].started_at, found[-1].recording_id)
    with tools.database.transaction() as session:
        current = searches.current(session, run_id, batch)
        if current is not None:
            current.total = total


def _next(session: Session, run_id: UUID, batch: int, *, at: datetime) -> _Work | None:
    """Move on to the next recording that must be searched; None where the run is over."""
    run = searches.current(session, run_id, batch)
    if run is None:
        return None
    after = (run.place_at, run.place_id) if run.place_at and run.place_id else None
    found = searches.passed(session, run, after=after, limit=_PASSED_AT_ONCE)
    needed = next((one for one in found if one.is_needed), None)
    if needed is None:
        if len(found) < _PASSED_AT_ONCE:
            searches.end(session, _ACTOR, run, RunState.DONE, at=at)
            return None
        _pass(run, found[-1])
        return _Work(recording_id=None)
    run.tries = run.tries + 1 if run.trying_id == needed.recording_id else 1
    run.trying_id = needed.recording_id
    if run.tries > MOST_TRIES:
        _fail(session, run, needed.recording_id, f"It was tried {MOST_TRIES} times.", at=at)
        _pass(run, needed)
        return _Work(recording_id=None)
    return _work(session, run, needed.recording_id)


def _pass(run: SearchRun, one: Passed) -> None:
    run.place_at, run.place_id = one.started_at, one.recording_id
    run.trying_id, run.tries = None, 0


def _fail(session: Session, run: SearchRun, recording_id: UUID, reason: str, at: datetime) -> None:
    run.failed += 1
    session.add(SearchFailure(run_id=run.id, recording_id=recording_id, reason=reason, at=at))
    session.flush()


def _work(session: Session, run: SearchRun, recording_id: UUID) -> _Work:
    recording = session.get_one(Recording, recording_id)
    texts = [
        text
        for text in detection.texts_for(session, recording)
        if run.text_id is None or (text.text_id, text.version) == (run.text_id, run.text_version)
    ]
    before = session.scalars(
        select(NoticeSearch).where(NoticeSearch.recording_id == recording_id)
    ).all()
    legs = [
        _leg(run, leg, row, texts, [one for one in before if one.leg_id == leg.id])
        for leg, row in legs_of(session, recording_id, InspectionState.DONE)
    ]
    joins = joins_of(session, recording_id)
    return _Work(recording_id=recording_id, joins_ms=joins, legs=[leg for leg in legs if leg.texts])


def _leg(
    run: SearchRun,
    leg: Leg,
    row: SealedRow,
    texts: Sequence[NoticeAudio],
    before: Sequence[NoticeSearch],
) -> LegToSearch:
    """Return what is to be searched for in a leg; what was once searched wholly is so again."""
    is_whole = run.is_whole or any(search.is_whole for search in before)
    known = {
        name
        for search in before
        if search.method_version == METHOD_VERSION and (search.is_whole or not is_whole)
        for name in search.texts
    }
    due = [text for text in texts if text.key not in known]
    return leg_to_search(leg, row, due, is_whole=is_whole)


def _search_one(tools: InspectionTools, work: _Work, run_id: UUID, batch: int) -> None:
    """Search the recording in work and keep what was heard, unless the run is over by then.

    Raises:
        StoreUnavailable: the store is away; this was no try.
    """
    began = time.perf_counter()
    heard = _Heard(searched=[], failures=[], busy_ms=0)
    for leg in work.legs:
        try:
            heard.searched.append(search_leg(tools, leg, work.joins_ms))
        except (DecodeFailed, DecodeLimit, ObjectMissing, ObjectDamaged) as exc:
            heard.failures.append(str(exc))
        except StoreUnavailable:
            with tools.database.transaction() as session:
                run = searches.current(session, run_id, batch)
                if run is not None:
                    run.tries -= 1
            raise
    heard.busy_ms = round((time.perf_counter() - began) * 1000)
    with tools.database.transaction() as session:
        _keep(session, work, heard, run_id, batch, at=tools.clock.now())


def _keep(
    session: Session, work: _Work, heard: _Heard, run_id: UUID, batch: int, *, at: datetime
) -> None:
    """Write down what was heard, what follows from it and the run's new place, all or nothing."""
    run = searches.current(session, run_id, batch)
    recording = session.scalar(
        select(Recording)
        .where(Recording.id == work.recording_id)
        .options(selectinload(Recording.parties))
        .with_for_update()
    )
    if run is None or recording is None or run.trying_id != recording.id:
        return
    if recording.erased_at is None:
        hits = [
            hit
            for searched in heard.searched
            for hit in detection.write_down(session, recording, explained(session, searched), at=at)
        ]
        detection.propose(session, recording, hits, at=at)
        _tally(run, hits)
        names = {f"{text.text_id}:{text.version}" for one in heard.searched for text in one.texts}
        run.differing += differences.note(session, recording, names, at=at)
        consent.refresh_flag(session, recording.id, at=at)
    if heard.failures:
        _fail(session, run, recording.id, "; ".join(heard.failures), at=at)
    else:
        run.done += 1
    run.busy_ms += heard.busy_ms
    _pass(run, Passed(recording_id=recording.id, started_at=recording.started_at, is_needed=True))
    session.flush()


def _tally(run: SearchRun, hits: Sequence[NoticeHit]) -> None:
    """Count the recording by the best that was found in it."""
    if any(hit.complete for hit in hits):
        run.found_complete += 1
    elif any(hit.verdict == Verdict.PARTIAL for hit in hits):
        run.found_partial += 1
