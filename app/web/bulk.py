"""One thing done with many recordings: first tried on all of them and taken back, then done.

What is asked to be confirmed was tried in earnest, so the numbers are no guess. Each recording for
itself: what is refused for one is told with its reason and stops no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.clients import queries as clients
from app.clients.service import ClientNotFound
from app.core.errors import Conflict, Refusal
from app.core.ids import DisputeId, RecordingId
from app.disputes import queries as dispute_queries
from app.disputes import service as disputes
from app.disputes.models import Dispute, Exhibit, ExhibitRemoval
from app.disputes.service import Clip
from app.identity.actor import Actor
from app.identity.permissions import Permission
from app.recordings import service as recordings
from app.recordings import triage
from app.recordings.finding import Found
from app.recordings.service import RecordingNotFound
from app.retention import holds, subjects
from app.retention.holds import HoldRecordingUnknown, Wanted
from app.review import asking


class IsThereAlready(Conflict):
    """It is there already."""


class ClientDiffers(Conflict):
    """The recording is of another client, or its client is not known yet."""


class ActUnknown(Conflict):
    """There is no such thing to do with many recordings."""


class Bulk(StrEnum):
    """What can be done with many recordings at once."""

    LINK = "link"
    CLIENT = "client"
    UNDO = "undo"
    REVIEW = "review"
    EXHIBIT = "exhibit"
    HOLD = "hold"


NEEDS: Final = {
    Bulk.LINK: Permission.RECORDING_RELINK,
    Bulk.CLIENT: Permission.RECORDING_RELINK,
    Bulk.UNDO: Permission.RECORDING_RELINK,
    Bulk.REVIEW: Permission.ASSERTION_PROPOSE,
    Bulk.EXHIBIT: Permission.DISPUTE_WRITE,
    Bulk.HOLD: Permission.HOLD_WRITE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a person says of it: to which event or client, into which dispute, and why."""

    event: str = ""
    client: str = ""
    dispute_id: UUID | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """With how many it can be done, or was; and why not with others, by the title of a refusal."""

    done: int
    refused: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Who does what, with what is said of it, at which moment of which office."""

    actor: Actor
    act: Bulk
    told: Told
    zone: ZoneInfo
    at: datetime
    window: timedelta


class _OnlyTried(Exception):
    """Takes back what was tried."""


def _take_back() -> NoReturn:
    raise _OnlyTried


def tried(session: Session, work: Work, chosen: Sequence[Found]) -> Outcome:
    """Return what would come of it; nothing is changed."""
    try:
        with session.begin_nested():
            outcome = done(session, work, chosen)
            _take_back()
    except _OnlyTried:
        return outcome


def done(session: Session, work: Work, chosen: Sequence[Found]) -> Outcome:
    """Do it with each recording for which it is possible."""
    one_by_one: dict[Bulk, Callable[[Session, Work, Found], None]] = {
        Bulk.LINK: _link,
        Bulk.CLIENT: _to_client,
        Bulk.UNDO: _undo,
        Bulk.REVIEW: _ask_review,
        Bulk.EXHIBIT: _exhibit,
        Bulk.HOLD: _can_be_held,
    }
    refused: Counter[str] = Counter()
    well: list[Found] = []
    for found in chosen:
        try:
            with session.begin_nested():
                one_by_one[work.act](session, work, found)
        except Refusal as exc:
            refused[type(exc).title()] += 1
        else:
            well.append(found)
    if work.act is Bulk.HOLD and well:
        try:
            with session.begin_nested():
                _hold(session, work, well)
        except Refusal as exc:
            refused[type(exc).title()] += len(well)
            well = []
    return Outcome(done=len(well), refused=dict(refused.most_common()))


def _link(session: Session, work: Work, found: Found) -> None:
    if found.event.external_id == work.told.event:
        raise IsThereAlready
    if found.recording.erased_at is not None:
        raise RecordingNotFound
    recordings.relink(
        session,
        work.actor,
        found.recording.id,
        event=work.told.event,
        reason=work.told.note,
        at=work.at,
    )


def _to_client(session: Session, work: Work, found: Found) -> None:
    client = clients.client_by_external_id(session, work.told.client)
    if client is None:
        raise ClientNotFound
    recordings.relink_to_client(
        session,
        work.actor,
        found.recording.id,
        client_id=client.id,
        reason=work.told.note,
        window=work.window,
        at=work.at,
    )


def _undo(session: Session, work: Work, found: Found) -> None:
    if found.recording.erased_at is not None:
        raise RecordingNotFound
    triage.undo(session, work.actor, found.recording.id, at=work.at)


def _ask_review(session: Session, work: Work, found: Found) -> None:
    words = work.told.note or None
    asking.ask(session, work.actor, found.recording.id, words=words, at=work.at)


def _exhibit(session: Session, work: Work, found: Found) -> None:
    dispute = _dispute(session, work)
    if found.event.client_id != dispute.client_id:
        raise ClientDiffers
    later = aliased(Exhibit)
    there = (
        select(Exhibit.id)
        .outerjoin(later, later.replaces == Exhibit.id)
        .where(
            Exhibit.dispute_id == dispute.id,
            Exhibit.recording_id == found.recording.id,
            later.id.is_(None),
            Exhibit.id.not_in(select(ExhibitRemoval.exhibit_id)),
        )
        .limit(1)
    )
    if session.scalar(there) is not None:
        raise IsThereAlready
    clip = Clip(
        recording_id=RecordingId(found.recording.id),
        from_ms=0,
        to_ms=None,
        note=work.told.note or None,
    )
    disputes.add_exhibit(session, work.actor, DisputeId(dispute.id), clip, at=work.at)


def _can_be_held(session: Session, work: Work, found: Found) -> None:
    del session, work
    if found.recording.erased_at is not None:
        raise HoldRecordingUnknown(recording_id=str(found.recording.id))


def _hold(session: Session, work: Work, well: Sequence[Found]) -> None:
    """Place one hold on all of them, in the matter of the dispute."""
    dispute = _dispute(session, work)
    wanted = Wanted(
        matter=dispute.subject,
        reason=work.told.note,
        named=tuple(subjects.recording(one.recording.id) for one in well),
        dispute_id=dispute.id,
    )
    holds.place(session, work.actor, wanted, zone=work.zone, at=work.at)


def _dispute(session: Session, work: Work) -> Dispute:
    if work.told.dispute_id is None or not dispute_queries.is_seen(
        session, work.actor, work.told.dispute_id
    ):
        raise disputes.DisputeNotFound
    return disputes.get(session, DisputeId(work.told.dispute_id))
