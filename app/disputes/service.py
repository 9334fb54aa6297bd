"""Opening disputes and adding exhibits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.consent import screenshots
from app.consent.models import Screening
from app.consent.purposes import ScreeningResult
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import DisputeId, RecordingId, new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import queries
from app.disputes.models import (
    Dispute,
    DisputeStep,
    Exhibit,
    ExhibitKind,
    ExhibitRemoval,
)
from app.disputes.redactions import Area, Redaction, areas_in_order, in_order
from app.disputes.refusals import DisputeEventUnknown, DisputePersonUnknown, PeriodInvalid
from app.disputes.rules import CHECKLIST, State
from app.fixity import holds as store_holds
from app.identity.actor import Actor
from app.identity.models import User
from app.recordings import demo
from app.recordings import queries as recordings
from app.recordings.models import Screenshot


class DisputeNotFound(NotFound):
    """There is no such dispute."""


class DisputeClientUnknown(NotFound):
    """No client has this external id.

    Tell of the client first, by `PUT /v1/clients/{external_id}`.
    """


class ExhibitRecordingUnknown(NotFound):
    """There is no such recording to add as an exhibit."""


class ExhibitBeyondEnd(Conflict):
    """The exhibit begins or ends after the recording does.

    `duration_ms` tells how long the recording is.
    """


class ExhibitScreenshotUnknown(NotFound):
    """There is no such screenshot to add as an exhibit."""


class ExhibitNotFound(NotFound):
    """There is no such exhibit."""


class ExhibitReplaced(Conflict):
    """Another exhibit has taken the place of this one.

    `by` is its id.
    """


class ExhibitRemoved(Conflict):
    """The exhibit was taken out of its dispute."""


class RemovalReasonMissing(Invalid):
    """Say why the exhibit is taken out."""


class ExhibitOtherKind(Conflict):
    """A recording has a part and redactions, a screenshot has areas."""


class RedactionOutside(Conflict):
    """A redaction begins before or ends after what is shown of the recording.

    `from_ms` and `to_ms` tell what is shown.
    """


class ChannelMissing(Conflict):
    """A redaction is of a channel that the recording does not have.

    `channels` tells how many there are; the first is 0.
    """


class AreaOutside(Conflict):
    """An area is not within the screenshot as it is shown.

    `width` and `height` tell how large it is.
    """


class DisputeClosed(Conflict):
    """The dispute is closed; nothing is added to it any more."""


class PersonNeeded(Forbidden):
    """Only a person can do this, not a device or the archive itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The part of a recording to show, in milliseconds from its first sample."""

    recording_id: RecordingId
    from_ms: int
    to_ms: int | None
    note: str | None
    redactions: tuple[Redaction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """The screenshot to show, and what of it shall not be seen."""

    screenshot_id: UUID
    note: str | None
    areas: tuple[Area, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who settles a dispute, by when, and what it is about; None leaves it as it is."""

    owner_id: UUID | None = None
    due_at: datetime | None = None
    event: str | None = None
    period_from: datetime | None = None
    period_to: datetime | None = None


_NO_PLAN = Plan()


def open_dispute(
    session: Session,
    actor: Actor,
    *,
    client: str,
    subject: str,
    plan: Plan = _NO_PLAN,
    at: datetime,
) -> Dispute:
    """Open a dispute with the client that other systems call `client`, and its checklist.

    Raises:
        DisputeClientUnknown: nobody has told of this client, or the actor does not see it.
        DisputePersonUnknown, DisputeEventUnknown, PeriodInvalid: the plan cannot be.
    """
    found = queries.client_named(session, client)
    if found is None or not clients.is_seen(session, actor, found.id):
        raise DisputeClientUnknown(client=client)
    opener = person(actor)
    dispute = Dispute(
        id=new_id(),
        client_id=found.id,
        subject=subject,
        state=State.OPEN,
        owner_id=opener,
        opened_by=opener,
        opened_at=at,
        closed_at=None,
        changed_by=opener,
        changed_at=at,
        exhibits=[],
    )
    apply(session, dispute, plan)
    session.add(dispute)
    session.flush()
    session.add_all(
        DisputeStep(
            id=new_id(),
            dispute_id=dispute.id,
            kind=kind,
            position=place,
            changed_by=opener,
            changed_at=at,
        )
        for place, kind in enumerate(CHECKLIST)
    )
    session.flush()
    ledger.append(
        session,
        actor,
        Act.DISPUTE_OPENED,
        ("dispute", dispute.id),
        at=at,
        facts={"client_id": str(found.id), "owner_id": str(dispute.owner_id)},
        detail={"subject": subject},
    )
    return dispute


def apply(session: Session, dispute: Dispute, plan: Plan) -> None:
    """Write a plan into a dispute.

    Raises:
        DisputePersonUnknown, DisputeEventUnknown, PeriodInvalid: the plan cannot be.
    """
    if plan.owner_id is not None:
        must_work_here(session, plan.owner_id)
        dispute.owner_id = plan.owner_id
    if plan.event is not None:
        event = queries.event_of_client(session, dispute.client_id, plan.event)
        if event is None:
            raise DisputeEventUnknown(event=plan.event)
        dispute.event_id = event.id
    dispute.due_at = plan.due_at or dispute.due_at
    dispute.period_from = plan.period_from or dispute.period_from
    dispute.period_to = plan.period_to or dispute.period_to
    since, until = dispute.period_from, dispute.period_to
    if since is not None and until is not None and until <= since:
        raise PeriodInvalid


def must_work_here(session: Session, user_id: UUID) -> User:
    """Return a person who works here now.

    Raises:
        DisputePersonUnknown: there is none.
    """
    found = session.get(User, user_id)
    if found is None or found.disabled_at is not None:
        raise DisputePersonUnknown(person_id=str(user_id))
    return found


def get(session: Session, dispute_id: DisputeId) -> Dispute:
    """Return the dispute with its exhibits.

    Raises:
        DisputeNotFound: there is none.
    """
    found = queries.dispute(session, dispute_id)
    if found is None:
        raise DisputeNotFound
    return found


def is_in_question(session: Session, dispute_id: UUID, user_id: UUID) -> bool:
    """Say whether it is somebody's conduct that is in question in a dispute."""
    return queries.is_in_question(session, dispute_id, user_id)


def locked(session: Session, dispute_id: UUID) -> Dispute:
    """Return a dispute that is not closed; nobody else changes it until the transaction ends.

    Raises:
        DisputeNotFound: there is none.
        DisputeClosed: nothing is added to it any more.
    """
    found = queries.locked(session, dispute_id)
    if found is None:
        raise DisputeNotFound
    if found.state == State.CLOSED:
        raise DisputeClosed
    return found


def add_exhibit(
    session: Session,
    actor: Actor,
    dispute_id: DisputeId,
    shown: Clip | Shot,
    *,
    replaces: UUID | None = None,
    at: datetime,
) -> Exhibit:
    """Add a part of a recording, or a screenshot, to a dispute.

    Raises:
        DisputeNotFound: there is no such dispute that `actor` may see.
        DisputeClosed: it takes no more exhibits.
        ExhibitRecordingUnknown: there is no such recording that he may see, or it was erased.
        ExhibitScreenshotUnknown: there is no such screenshot that he may see, or it was erased.
        ExhibitBeyondEnd: the recording is shorter.
        RedactionOutside: a redaction is not within the part.
        ChannelMissing: a redaction is of a channel that there is not.
        AreaOutside: an area is not within the screenshot.
        DemoNotMixed: the dispute or what is shown is demo data, and the other is not.
    """
    if not queries.is_seen(session, actor, dispute_id):
        raise DisputeNotFound
    dispute = locked(session, dispute_id)
    columns = (
        _clip(session, actor, shown) if isinstance(shown, Clip) else _shot(session, actor, shown)
    )
    _must_match(session, dispute, shown)
    exhibit = Exhibit(
        id=new_id(),
        dispute_id=dispute.id,
        replaces=replaces,
        note=shown.note,
        added_by=person(actor),
        at=at,
        **columns,
    )
    session.add(exhibit)
    session.flush()
    # A hold of the dispute is one of the store at once, not with the daily look.
    store_holds.follow(session, _shown_id(shown))
    ledger.append(
        session,
        actor,
        Act.EXHIBIT_ADDED,
        (exhibit.kind, _shown_id(shown)),
        at=at,
        facts={
            "dispute_id": str(dispute.id),
            "exhibit_id": str(exhibit.id),
            "from_ms": exhibit.from_ms,
            "to_ms": exhibit.to_ms,
            "redactions": len(exhibit.redactions) + len(exhibit.areas),
            "replaces": str(replaces) if replaces else None,
        },
        detail=_detail(exhibit),
    )
    return exhibit


def _must_match(session: Session, dispute: Dispute, shown: Clip | Shot) -> None:
    if isinstance(shown, Clip):
        demo.must_match(session, shown.recording_id, dispute.client_id)
    elif demo.is_client(session, dispute.client_id) != demo.is_screenshot(
        session, shown.screenshot_id
    ):
        raise demo.DemoNotMixed


def _shown_id(shown: Clip | Shot) -> UUID:
    return shown.recording_id if isinstance(shown, Clip) else shown.screenshot_id


def exhibit(session: Session, exhibit_id: UUID) -> Exhibit:
    """Return an exhibit that none has replaced and nobody has taken out.

    Raises:
        ExhibitNotFound: there is none.
        ExhibitReplaced: another has taken its place.
        ExhibitRemoved: it was taken out of its dispute.
    """
    found = session.get(Exhibit, exhibit_id)
    if found is None:
        raise ExhibitNotFound
    by = queries.replaced_by(session, exhibit_id)
    if by is not None:
        raise ExhibitReplaced(by=str(by))
    if queries.removed(session, [exhibit_id]):
        raise ExhibitRemoved
    return found


def remove_exhibit(
    session: Session, actor: Actor, exhibit_id: UUID, *, reason: str, at: datetime
) -> None:
    """Take an exhibit out of its dispute; that it was shown, and why no more, stays known.

    What was asked to be released of it is another matter, and is ended by itself.

    Raises:
        ExhibitNotFound: there is no such exhibit that `actor` may see.
        ExhibitReplaced: another has taken its place.
        ExhibitRemoved: it was taken out already.
        RemovalReasonMissing: it is not said why.
        DisputeClosed: nothing is changed of the dispute any more.
    """
    if not reason.strip():
        raise RemovalReasonMissing
    if not queries.is_exhibit_seen(session, actor, exhibit_id):
        raise ExhibitNotFound
    queries.lock_exhibit(session, exhibit_id)
    found = exhibit(session, exhibit_id)
    dispute = locked(session, found.dispute_id)
    shown = found.recording_id or found.screenshot_id
    if shown is None:
        raise ExhibitNotFound
    session.add(ExhibitRemoval(exhibit_id=found.id, reason=reason, removed_by=person(actor), at=at))
    session.flush()
    ledger.append(
        session,
        actor,
        Act.EXHIBIT_REMOVED,
        (found.kind, shown),
        at=at,
        facts={"dispute_id": str(dispute.id), "exhibit_id": str(found.id)},
        detail={"reason": reason},
    )


def revise(
    session: Session, actor: Actor, exhibit_id: UUID, shown: Clip | Shot, *, at: datetime
) -> Exhibit:
    """Put another exhibit of the same recording or screenshot in the place of one.

    Raises:
        ExhibitOtherKind: it shows something else.
    """
    queries.lock_exhibit(session, exhibit_id)
    old = exhibit(session, exhibit_id)
    same = (
        shown.recording_id == old.recording_id
        if isinstance(shown, Clip)
        else shown.screenshot_id == old.screenshot_id
    )
    if not same:
        raise ExhibitOtherKind
    return add_exhibit(session, actor, DisputeId(old.dispute_id), shown, replaces=exhibit_id, at=at)


def screen(
    session: Session,
    actor: Actor,
    exhibit_id: UUID,
    result: ScreeningResult,
    *,
    note: str | None,
    at: datetime,
) -> Screening:
    """Write down what `actor` saw in a screenshot as its exhibit shows it.

    Raises:
        ExhibitNotFound: there is no such exhibit.
        ExhibitReplaced: another has taken its place.
        ExhibitOtherKind: it is of a recording, which is listened to by itself.
        ExhibitScreenshotUnknown: the screenshot was erased.
        NoLongerHere: the actor was shut out meanwhile.
    """
    shown = exhibit(session, exhibit_id)
    if shown.screenshot_id is None:
        raise ExhibitOtherKind
    if queries.screenshot(session, shown.screenshot_id) is None:
        raise ExhibitScreenshotUnknown
    row = screenshots.screen(
        session, actor, shown.screenshot_id, result, areas=shown.areas, note=note, at=at
    )
    enqueue(session, Job(task="releases.sweep", args={}))
    return row


def _clip(session: Session, actor: Actor, clip: Clip) -> dict[str, object]:
    recording = queries.recording(session, clip.recording_id)
    if recording is None or not recordings.is_seen(session, actor, recording.id):
        raise ExhibitRecordingUnknown
    if recording.duration_ms is not None and (
        clip.from_ms >= recording.duration_ms or (clip.to_ms or 0) > recording.duration_ms
    ):
        raise ExhibitBeyondEnd(duration_ms=recording.duration_ms)
    redactions = in_order(clip.redactions)
    must_be_within(session, clip, redactions, duration_ms=recording.duration_ms)
    return {
        "kind": ExhibitKind.RECORDING,
        "recording_id": recording.id,
        "from_ms": clip.from_ms,
        "to_ms": clip.to_ms,
        "redactions": [one.kept() for one in redactions],
        "areas": [],
    }


def must_be_within(
    session: Session, clip: Clip, redactions: Sequence[Redaction], *, duration_ms: int | None
) -> None:
    """Refuse a redaction that is not wholly of what `clip` shows.

    Raises:
        RedactionOutside: it begins before or ends after it.
        ChannelMissing: it is of a channel that there is not.
    """
    end_ms = duration_ms if clip.to_ms is None else clip.to_ms
    channels = queries.channels(session, clip.recording_id)
    for one in redactions:
        if one.from_ms < clip.from_ms or (end_ms is not None and one.to_ms > end_ms):
            raise RedactionOutside(from_ms=clip.from_ms, to_ms=end_ms)
        if one.channel is not None and one.channel >= channels:
            raise ChannelMissing(channels=channels)


def _shot(session: Session, actor: Actor, shot: Shot) -> dict[str, object]:
    screenshot = queries.screenshot(session, shot.screenshot_id)
    if screenshot is None or not recordings.is_screenshot_seen(session, actor, screenshot):
        raise ExhibitScreenshotUnknown
    must_lie_within(screenshot, shot.areas)
    return {
        "kind": ExhibitKind.SCREENSHOT,
        "screenshot_id": screenshot.id,
        "from_ms": 0,
        "to_ms": None,
        "redactions": [],
        "areas": [area.kept() for area in areas_in_order(shot.areas)],
    }


def must_lie_within(screenshot: Screenshot, areas: Sequence[Area]) -> None:
    """Refuse an area that is not in the screenshot, however it lies.

    Raises:
        AreaOutside: one is not.
    """
    width, height = screenshot.width, screenshot.height
    # Whether it lies on its side is seen when it is drawn, which looks once more.
    if not all(area.fits(width, height) or area.fits(height, width) for area in areas):
        raise AreaOutside(width=width, height=height)


def _detail(exhibit: Exhibit) -> dict[str, object] | None:
    told = {"note": exhibit.note, "redactions": exhibit.redactions, "areas": exhibit.areas}
    return {name: value for name, value in told.items() if value} or None


def person(actor: Actor) -> UUID:
    """Return the id of the person who acts.

    Raises:
        PersonNeeded: it is no person.
    """
    if actor.kind != "user" or actor.id is None:
        raise PersonNeeded
    return actor.id
