"""Search for the notice after a join that was told of when the recording was inspected already."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app.consent import service as consent
from app.inspection import detection, differences
from app.inspection.models import NoticeSearch
from app.inspection.searching import (
    InspectionTools,
    LegToSearch,
    explained,
    joins_of,
    leg_to_search,
    legs_of,
    search_leg,
)
from app.recordings.models import InspectionState, Recording


def search_joins(tools: InspectionTools, recording_id: str) -> None:
    """Search the legs of a recording for every text, in the windows after each join too.

    A leg that was searched from end to end is left alone. Done twice it finds the same again, and
    what was asserted of it is not asserted anew.
    """
    wanted = UUID(recording_id)
    with tools.database.transaction() as session:
        joins = joins_of(session, wanted)
        legs = _legs(session, wanted)
    searched = [search_leg(tools, leg, joins) for leg in legs]
    at = tools.clock.now()
    with tools.database.transaction() as session:
        recording = session.scalar(
            select(Recording)
            .where(Recording.id == wanted, Recording.erased_at.is_(None))
            .options(selectinload(Recording.parties))
            .with_for_update()
        )
        if recording is None or not searched:
            return
        hits = [
            hit
            for one in searched
            for hit in detection.write_down(session, recording, explained(session, one), at=at)
        ]
        detection.propose(session, recording, hits, at=at)
        names = {text.key for one in searched for text in one.texts}
        differences.note(session, recording, names, at=at)
        consent.refresh_flag(session, recording.id, at=at)


def _legs(session: Session, recording_id: UUID) -> list[LegToSearch]:
    recording = session.get(Recording, recording_id)
    texts = detection.texts_for(session, recording) if recording else []
    wholly = set(
        session.scalars(
            select(NoticeSearch.leg_id).where(
                NoticeSearch.recording_id == recording_id, NoticeSearch.is_whole
            )
        )
    )
    return [
        leg_to_search(leg, row, texts, is_whole=False)
        for leg, row in legs_of(session, recording_id, InspectionState.DONE)
        if texts and leg.id not in wholly
    ]
