"""The words by which people are told: versions, and the approval that lets them clear a call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.consent import queries
from app.consent.models import NoticeText, NoticeTextSetAside, SetAside
from app.consent.review import person
from app.core.errors import Conflict, Forbidden, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import service as identity
from app.identity.actor import Actor

SEARCH_TEXT = "inspection.search_text"


class NoticeTextNotFound(NotFound):
    """There is no such notice text."""


class NoticeTextApproved(Conflict):
    """The version was approved already."""


class WriterApproves(Forbidden):
    """Who wrote a notice text does not approve it; another person must."""


class LawyerNotNamed(Conflict):
    """Words that came with the product are to be approved by your lawyer; name who did that."""


class NoticeTextEnded(Conflict):
    """The draft was withdrawn or rejected; write a further version."""


class WriterOnly(Forbidden):
    """A draft is withdrawn by who wrote it; another rejects it."""


_ENDED = {
    SetAside.WITHDRAWN: Act.NOTICE_TEXT_WITHDRAWN,
    SetAside.REJECTED: Act.NOTICE_TEXT_REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWords:
    """A notice text as it is given; `id` for a further version of one that is there.

    `template` is the key of the shipped text that it is.
    """

    id: UUID | None
    language: str
    text: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    lines: tuple[str, ...]
    valid_from: datetime
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSound:
    """That a reference shares sound with another, as a part of the speech of either."""

    text_id: UUID
    version: int
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceAudio:
    """The kept recording of the words, and which others it shares sound with."""

    object_id: UUID
    media_type: str
    sha256: bytes
    shares: tuple[SharedSound, ...] = ()


def add(
    session: Session, actor: Actor, words: NoticeWords, audio: ReferenceAudio, *, at: datetime
) -> NoticeText:
    """Write down a new text, or the next version of one.

    Raises:
        NoticeTextNotFound: `id` names none.
    """
    latest = 0
    if words.id is not None:
        # Who holds the first version numbers the next; it is never taken away.
        if queries.notice_text(session, words.id, 1, lock=True) is None:
            raise NoticeTextNotFound
        latest = queries.latest_version(session, words.id)
    row = NoticeText(
        id=words.id or new_id(),
        version=latest + 1,
        language=words.language,
        text=words.text,
        purposes=sorted(words.purposes),
        recipients=sorted(words.recipients),
        lines=sorted(words.lines),
        valid_from=words.valid_from,
        object_id=audio.object_id,
        media_type=audio.media_type,
        audio_sha256=audio.sha256,
        template=words.template,
        shares=[
            {"text_id": str(one.text_id), "version": one.version, "percent": one.percent}
            for one in audio.shares
        ],
        created_by=person(actor),
        created_at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.NOTICE_TEXT_ADDED,
        ("notice_text", row.id),
        at=at,
        facts={
            "version": row.version,
            "purposes": " ".join(row.purposes),
            "recipients": " ".join(row.recipients),
            "template": row.template,
            "most_shared_percent": max((one.percent for one in audio.shares), default=0),
        },
        detail={"text": row.text},
        content=audio.sha256,
    )
    return row


def approve(
    session: Session,
    actor: Actor,
    text_id: UUID,
    *,
    version: int | None,
    lawyer: str | None = None,
    at: datetime,
) -> NoticeText:
    """Approve a version, the latest if none is named; old recordings are then searched for it.

    `lawyer` says who has reviewed the words; without it no shipped text is approved.

    Raises:
        NoticeTextNotFound: there is none.
        NoticeTextApproved: it was approved already.
        NoticeTextEnded: it was withdrawn or rejected.
        WriterApproves: the actor wrote it.
        LawyerNotNamed: it came with the product, and nobody is said to have reviewed it.
        NoLongerHere: he was shut out a moment ago.
    """
    identity.must_be_here(session, actor)
    row = _draft(session, text_id, version)
    if row.created_by == person(actor):
        raise WriterApproves
    if row.template is not None and not lawyer:
        raise LawyerNotNamed(mark=row.mark)
    row.approved_by = person(actor)
    row.approved_at = at
    row.lawyer_reviewed_by = lawyer
    session.flush()
    ledger.append(
        session,
        actor,
        Act.NOTICE_TEXT_APPROVED,
        ("notice_text", row.id),
        at=at,
        facts={"version": row.version, "lawyer_named": lawyer is not None},
        detail={"lawyer_reviewed_by": lawyer} if lawyer else None,
    )
    args = {"text_id": str(row.id), "version": str(row.version)}
    enqueue(session, Job(task=SEARCH_TEXT, args=args))
    return row


def set_aside(  # noqa: PLR0913 - which draft, how and why; all named.
    session: Session,
    actor: Actor,
    text_id: UUID,
    *,
    version: int | None,
    how: SetAside,
    reason: str,
    at: datetime,
) -> NoticeTextSetAside:
    """Withdraw or reject a draft, the latest version if none is named; it is never approved then.

    Raises:
        NoticeTextNotFound: there is none.
        NoticeTextApproved: it was approved, and ends by its validity only.
        NoticeTextEnded: it was withdrawn or rejected already.
        WriterOnly: the writer rejects it, or another withdraws it.
    """
    draft = _draft(session, text_id, version)
    if (how == SetAside.WITHDRAWN) != (draft.created_by == person(actor)):
        raise WriterOnly
    row = NoticeTextSetAside(
        text_id=draft.id,
        version=draft.version,
        how=how,
        set_by=person(actor),
        reason=reason,
        at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        _ENDED[how],
        ("notice_text", draft.id),
        at=at,
        facts={"version": draft.version},
        detail={"reason": reason},
    )
    return row


def _draft(session: Session, text_id: UUID, version: int | None) -> NoticeText:
    """Return a version that waits for its approval, locked; the latest if none is named."""
    wanted = version or queries.latest_version(session, text_id)
    row = queries.notice_text(session, text_id, wanted, lock=True)
    if row is None:
        raise NoticeTextNotFound
    if row.approved_at is not None:
        raise NoticeTextApproved
    ended = queries.texts_set_aside(session).get((row.id, row.version))
    if ended is not None:
        raise NoticeTextEnded(how=ended.how)
    return row
