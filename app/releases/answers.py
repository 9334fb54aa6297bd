"""What a recipient answered on the page of his link, written into the dispute as an answer."""

from __future__ import annotations

from typing import Final, Protocol
from uuid import UUID

import structlog

from app.core.clock import Clock
from app.core.db import Database
from app.disputes import statements
from app.disputes.rules import AnswerKind
from app.disputes.service import DisputeClosed
from app.releases.models import LinkAnswer, Release

TASK: Final = "releases.note_answer"

_log = structlog.get_logger()


class Tools(Protocol):
    """What this job needs of the worker's tools."""

    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...


def handle_note_answer(tools: Tools, answer_id: str) -> None:
    """Write an answer into the dispute of its release, once; of no dispute it stays by the link."""
    try:
        with tools.database.transaction() as session:
            answer = session.get_one(LinkAnswer, UUID(answer_id))
            release = session.get_one(Release, answer.release_id)
            if release.dispute_id is None or answer.erased_at is not None:
                return
            if answer.words is None or answer.name is None:
                return
            statements.answer_by_link(
                session,
                release.dispute_id,
                statements.LinkSaid(
                    answer_id=answer.id,
                    release_id=release.id,
                    contact_id=release.contact_id,
                    kind=AnswerKind(answer.kind),
                    words=answer.words,
                    name=answer.name,
                    said_at=answer.at,
                ),
                at=tools.clock.now(),
            )
    except DisputeClosed:
        # What is closed takes nothing more; the answer stays by the link, and with its release.
        _log.warning("answer.after_the_end", answer_id=answer_id)
