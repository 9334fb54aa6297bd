"""What looks at a new reference before it is kept: can it be searched for, and is its sound new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.consent.models import NoticeText
from app.consent.notices import SharedSound
from app.core.clock import Clock
from app.core.db import Database
from app.inspection.notice.sharing import shared_share
from app.inspection.references import NoticeAudio, Shelf, examine, ref_of
from app.inspection.sandbox import Sandbox
from app.recordings.media_facts import MediaFacts
from app.recordings.models import SealedRow

_MOST_COMPARED = 100


class ExaminerTools(Protocol):
    """What the examiner needs."""

    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def sandbox(self) -> Sandbox: ...
    @property
    def shelf(self) -> Shelf: ...


def examiner(tools: ExaminerTools) -> Callable[[int, MediaFacts], list[SharedSound]]:
    """Return the function that refuses a bad reference, and tells whose sound a good one shares.

    It is compared with the newest hundred versions that have not ended, which bounds the wait.
    """

    def look(descriptor: int, facts: MediaFacts) -> list[SharedSound]:
        reference = examine(descriptor, facts, tools.sandbox)
        with tools.database.transaction() as session:
            others = _others(session, tools.clock)
        known = {(str(audio.text_id), audio.version): audio for audio in others}
        found = []
        for other in tools.shelf.take(others).references:
            percent = round(100 * shared_share(reference, other))
            if percent > 0:
                audio = known[other.text_id, other.version]
                found.append(
                    SharedSound(text_id=audio.text_id, version=audio.version, percent=percent)
                )
        return sorted(found, key=lambda one: -one.percent)

    return look


def _others(session: Session, clock: Clock) -> list[NoticeAudio]:
    rows = session.execute(
        select(NoticeText, SealedRow)
        .join(SealedRow, SealedRow.object_id == NoticeText.object_id)
        .where(
            or_(NoticeText.valid_to.is_(None), NoticeText.valid_to > clock.now()),
            SealedRow.wrapped_key.is_not(None),
        )
        .order_by(NoticeText.created_at.desc(), NoticeText.version.desc())
        .limit(_MOST_COMPARED)
    )
    return [
        NoticeAudio(
            text_id=text.id, version=text.version, ref=ref_of(row), sha256=text.audio_sha256
        )
        for text, row in rows
    ]
