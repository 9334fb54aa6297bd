"""Asking for a release, approving it, granting it and ending it. The bytes move in `copies.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.clients import queries as clients
from app.consent import queries as consent
from app.consent.gates import Findings
from app.consent.models import DecisionRow
from app.consent.rules import Approval, Decision, Outcome, Permit, Purpose, Question, Segment
from app.consent.rules import grant as grant_permit
from app.core.ids import ContactId, DisputeId, RecordingId, ReleaseId, new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import service as disputes
from app.disputes.models import Exhibit
from app.disputes.redactions import Area, Redaction, read_all
from app.disputes.service import Clip, person
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.permissions import Permission, Role
from app.mail import queries as mail_queries
from app.mail import service as mail
from app.mail.models import Kind
from app.mail.service import Letter
from app.recordings import demo
from app.recordings import queries as recordings
from app.releases import bundles, explain, passphrases, queries, subjects
from app.releases.models import (
    EndReason,
    Release,
    ReleaseApproval,
    ReleaseItem,
    ReleaseState,
    ReleaseWish,
    ShareLink,
)
from app.releases.refusals import (
    ApproverInvolved,
    DemoNotReleased,
    MixedRecipients,
    NothingAsked,
    ReleaseContactUnknown,
    ReleaseEnded,
    ReleaseNotFound,
    ReleaseNotRequested,
    ReleaseRecordingUnknown,
    ReleaseRefused,
    ReleaseScreenshotUnknown,
    RequesterApproves,
    RoleCannotApprove,
    ScreenshotTwice,
)
from app.releases.subjects import Subject
from app.releases.tokens import ShareToken

_SYSTEM = Actor.system("releases")
_LOOKED_AT = frozenset({"S_SCREEN_REQUIRED", "RCPT_UNVERIFIED"})
"""What stands in the way only until somebody of compliance has listened or looked it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is asked for: a part of a recording, or a screenshot.

    Without a segment as much of a recording is meant as may be given.
    """

    subject: Subject
    segment: Segment | None = None
    redactions: tuple[Redaction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Everything that a release is asked for with."""

    contact_id: ContactId
    purpose: Purpose
    parts: tuple[Part, ...]
    lifetime: timedelta
    dispute_id: DisputeId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A wish that may be copied now, with the proof."""

    wish_id: UUID
    subject: Subject
    segment: Segment
    redactions: tuple[Redaction, ...]
    permit: Permit


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy that lies in the release store, not yet part of a release."""

    wish_id: UUID
    object_id: UUID
    wrapped_key: bytes
    size_bytes: int
    sha256: bytes
    media_type: str
    duration_ms: int | None
    redactions: tuple[Redaction, ...]
    derivation: str | None
    areas: tuple[Area, ...] = ()


def get(session: Session, release_id: ReleaseId, *, lock: bool = False) -> Release:
    """Return a release with all its parts.

    Raises:
        ReleaseNotFound: there is none.
    """
    found = queries.release(session, release_id, lock=lock)
    if found is None:
        raise ReleaseNotFound
    return found


def seen(session: Session, actor: Actor, release_id: ReleaseId, *, lock: bool = False) -> Release:
    """Return a release that `actor` may know of.

    Raises:
        ReleaseNotFound: there is none, or it is of another office's client.
    """
    if not queries.is_seen(session, actor, release_id):
        raise ReleaseNotFound
    return get(session, release_id, lock=lock)


def parts_of_dispute(
    session: Session,
    dispute_id: DisputeId,
    *,
    without_screenshots: bool = False,
    only: Collection[UUID] | None = None,
) -> tuple[Part, ...]:
    """Return what the exhibits of a dispute show, each once; with `only`, those of these ids.

    Raises:
        ScreenshotTwice: two exhibits show the same screenshot with other areas black.
        NothingAsked: it has no exhibits, or none but screenshots that shall stay.
    """
    found: dict[Part, None] = {}
    for exhibit in queries.exhibits(session, dispute_id):
        if only is not None and exhibit.id not in only:
            continue
        if exhibit.recording_id is not None or not without_screenshots:
            found[part_of(exhibit)] = None
    if not found:
        raise NothingAsked
    return tuple(found)


def part_of(exhibit: Exhibit) -> Part:
    """Return what is asked for where an exhibit is handed over."""
    if exhibit.recording_id is None:
        if exhibit.screenshot_id is None:
            raise TypeError("An exhibit shows a recording or a screenshot.")
        areas = tuple(map(Area.read, exhibit.areas))
        return Part(subject=Subject("screenshot", exhibit.screenshot_id, areas))
    is_whole = exhibit.from_ms == 0 and exhibit.to_ms is None
    return Part(
        subject=Subject("recording", exhibit.recording_id),
        segment=None if is_whole else Segment(from_ms=exhibit.from_ms, to_ms=exhibit.to_ms),
        redactions=read_all(exhibit.redactions),
    )


def weigh(
    session: Session, requester: UUID, wanted: Wanted, *, at: datetime
) -> list[tuple[Part, Decision]]:
    """Return what the rules would say of each part if it were asked for now; nothing is written."""
    return [
        (part, _first_decision(session, part, wanted, requester=requester, at=at)[2])
        for part in wanted.parts
    ]


def can_be_asked(decision: Decision) -> bool:
    """Say whether a part may be asked for: nothing lacks but what people can still add."""
    return _can_wait(decision)


def can_be_approved(decision: Decision) -> bool:
    """Say whether a part may be approved: nothing lacks but the approval itself."""
    return _is_possible(decision)


def request_release(session: Session, actor: Actor, wanted: Wanted, *, at: datetime) -> Release:
    """Ask for recordings and screenshots to be handed to a contact, and decide on each at once.

    Raises:
        ReleaseContactUnknown: there is no such contact.
        ReleaseRecordingUnknown: there is no such recording.
        ReleaseScreenshotUnknown: there is no such screenshot.
        DemoNotReleased: the contact's firm, or some of it, is demo data.
        ScreenshotTwice: one is asked for twice.
        AreaOutside: an area is not within the screenshot.
        ReleaseRefused: a decision is neither ALLOW nor NEEDS_APPROVAL, and lacks more than what
            compliance can still listen for or look up.
        MixedRecipients: the contact is of the firm of some recordings and not of others.
        RedactionOutside: a redaction is not within its part.
        ChannelMissing: a redaction is of a channel that there is not.
    """
    found = queries.contact(session, wanted.contact_id)
    if found is None or not clients.is_seen(session, actor, found[1].id):
        raise ReleaseContactUnknown
    contact, client = found
    if client.is_demo or any(_is_demo(session, part.subject) for part in wanted.parts):
        raise DemoNotReleased
    requester = person(actor)
    release_id = ReleaseId(new_id())
    answers: list[tuple[Part, Question, Decision]] = []
    shots = Counter(part.subject.id for part in wanted.parts if part.subject.is_screenshot)
    if shots and max(shots.values()) > 1:
        raise ScreenshotTwice
    for part in wanted.parts:
        _must_be_there(session, actor, part)
        answers.append(_first_decision(session, part, wanted, requester=requester, at=at))
    _must_be_able_to_wait([decision for _, _, decision in answers])
    classes = {question.recipient.recipient_class for _, question, _ in answers}
    if len(classes) > 1:
        raise MixedRecipients(recipients=sorted(classes))
    release = Release(
        id=release_id,
        dispute_id=wanted.dispute_id,
        contact_id=contact.id,
        client_id=client.id,
        purpose=wanted.purpose,
        recipient_class=classes.pop(),
        requested_by=requester,
        requested_at=at,
        sender_name=queries.our_entity(session, client.id),
        sender_person=queries.person_name(session, requester),
        client_name=client.name,
        lifetime=wanted.lifetime,
        state=ReleaseState.REQUESTED,
    )
    session.add(release)
    session.flush()
    for position, (part, question, decision) in enumerate(answers):
        row = subjects.record(
            session, actor, part.subject, question, decision, at=at, release_id=release_id
        )
        session.add(
            ReleaseWish(
                id=new_id(),
                release_id=release_id,
                position=position,
                recording_id=None if part.subject.is_screenshot else part.subject.id,
                screenshot_id=part.subject.id if part.subject.is_screenshot else None,
                from_ms=question.segment.from_ms,
                to_ms=question.segment.to_ms,
                redactions=[one.kept() for one in part.redactions],
                areas=part.subject.kept_areas(),
                decision_id=row.id,
            )
        )
    session.flush()
    ledger.append(
        session,
        actor,
        Act.RELEASE_REQUESTED,
        ("release", release_id),
        at=at,
        facts={
            "contact_id": str(contact.id),
            "purpose": wanted.purpose,
            **_counted([part.subject for part, _, _ in answers]),
            "dispute_id": str(wanted.dispute_id) if wanted.dispute_id else None,
        },
    )
    _tell_approvers(session, release, at=at)
    return get(session, release_id)


def _tell_approvers(session: Session, release: Release, *, at: datetime) -> None:
    """Let those be told who may approve: neither who asked nor whose conduct is in question."""
    people = mail_queries.people_with(session, Permission.RELEASE_APPROVE)
    but = {release.requested_by}
    if release.dispute_id is not None:
        dispute_id = DisputeId(release.dispute_id)
        but |= {one.id for one in people if disputes.is_in_question(session, dispute_id, one.id)}
    letter = Letter(kind=Kind.APPROVAL, about=("release", release.id))
    mail.to_those_with(session, Permission.RELEASE_APPROVE, letter, but=but, at=at)


def approve(
    session: Session, actor: Actor, release_id: ReleaseId, *, note: str | None, at: datetime
) -> tuple[Cleared, ...]:
    """Write down the actor's yes and return what may be copied: all of it, or nothing yet.

    Nothing yet means that one more person must approve.

    Raises:
        NoLongerHere: the actor was shut out meanwhile.
        ProofNeeded: he acts from a browser, and gave neither password nor code lately.
        RequesterApproves: the actor asked for it himself.
        ReleaseNotRequested: it is granted already, or ended.
        ReleaseRefused: the rules no longer allow it.
    """
    release = get(session, release_id, lock=True)
    approver = person(actor)
    identity.must_be_here(session, actor)
    through = actor.proved(at=at)
    if approver == release.requested_by:
        raise RequesterApproves
    if release.state != ReleaseState.REQUESTED:
        raise ReleaseNotRequested(state=release.state)
    if release.dispute_id and disputes.is_in_question(session, release.dispute_id, approver):
        raise ApproverInvolved
    answers: list[tuple[ReleaseWish, Question, Decision]] = []
    for wish in release.wishes:
        shown = _seen(session, actor, release, wish, at=at)
        _approve_wish(session, actor, wish, bytes.fromhex(shown.inputs_digest), note=note, at=at)
        question = _question(session, release, wish)
        decision = subjects.decide(session, subjects.of(wish), question, at=at)
        answers.append((wish, question, decision))
    _must_be_possible([decision for _, _, decision in answers])
    if any(reason.code == "A_INVOLVED" for _, _, d in answers for reason in d.reasons):
        raise ApproverInvolved
    ledger.append(
        session,
        actor,
        Act.RELEASE_APPROVED,
        ("release", release.id),
        at=at,
        facts=_counted([subjects.of(wish) for wish, _, _ in answers]) | {"through": through},
        detail={"note": note} if note else None,
    )
    if not all(decision.allowed for _, _, decision in answers):
        return ()
    return tuple(
        Cleared(
            wish_id=wish.id,
            subject=subjects.of(wish),
            segment=question.segment,
            redactions=read_all(wish.redactions),
            permit=subjects.permit_for(session, actor, subjects.of(wish), question, at=at),
        )
        for wish, question, _ in answers
    )


def grant(
    session: Session,
    actor: Actor,
    release_id: ReleaseId,
    copies: Sequence[Copy],
    *,
    passphrase: str | None = None,
    at: datetime,
) -> tuple[Release, ShareToken]:
    """Decide once more, make `copies` the items of the release, and open a link to them.

    The token is returned once and kept as a digest, and so is the passphrase that the link asks
    for, if it asks for one. The link ends with the asked lifetime or with
    the first decision it stands on, whichever comes first.

    Raises:
        ReleaseNotRequested: somebody else was quicker, or it has ended.
        ReleaseRefused: consent changed while the bytes were copied.
    """
    release = get(session, release_id, lock=True)
    if release.state != ReleaseState.REQUESTED:
        raise ReleaseNotRequested(state=release.state)
    by_wish = {copy.wish_id: copy for copy in copies}
    expires_at = at + release.lifetime
    for wish in release.wishes:
        row = _allowed_now(session, actor, release, wish, at=at)
        if row.valid_until is not None:
            expires_at = min(expires_at, row.valid_until)
        session.add(_item(session, wish, by_wish[wish.id], row, at=at))
    session.flush()
    release.state = ReleaseState.GRANTED
    release.granted_at = at
    release.expires_at = expires_at
    session.flush()  # The link is refused while the release is not granted.
    token = ShareToken.new()
    link = ShareLink(
        id=new_id(),
        release_id=release.id,
        token_digest=token.digest(),
        created_at=at,
        expires_at=expires_at,
        passphrase_hash=passphrases.kept(passphrase) if passphrase else None,
    )
    session.add(link)
    session.flush()
    mail.withdraw(session, ("release", release.id))  # Nobody is asked to approve any more.
    bundles.ask(session, release, at=at)
    ledger.append(
        session,
        actor,
        Act.RELEASE_GRANTED,
        ("release", release.id),
        at=at,
        facts={
            "link_id": str(link.id),
            "has_passphrase": passphrase is not None,
            **_counted([subjects.of(wish) for wish in release.wishes]),
            "expires_at": expires_at.isoformat(),
        },
    )
    return get(session, release_id), token


def mail_link(session: Session, release: Release, url: str, *, at: datetime) -> bool:
    """Ask for a letter with the link, to a recipient who was verified at his present address."""
    known = consent.contact(session, release.contact_id)
    if known is None or not known[1] or release.expires_at is None:
        return False
    letter = Letter(
        kind=Kind.RELEASE_LINK,
        about=("release", release.id),
        secret=url,
        facts={"until": release.expires_at.isoformat()},
    )
    return mail.to_contact(session, release.contact_id, letter, at=at)


def permit_again(session: Session, release: Release, item: ReleaseItem, *, at: datetime) -> Permit:
    """Return the permit for a granted part once more, and write the decision down.

    Raises:
        ReleaseRefused: the rules no longer allow it.
    """
    (wish,) = [wish for wish in release.wishes if wish.id == item.wish_id]
    question = _question(session, release, wish)
    subject = subjects.of(wish)
    decision = subjects.decide(session, subject, question, at=at)
    if not decision.allowed:
        raise ReleaseRefused("", **explain.facts([decision]))
    subjects.record(session, _SYSTEM, subject, question, decision, at=at, release_id=release.id)
    return grant_permit(decision)


def revoke(
    session: Session, actor: Actor, release_id: ReleaseId, *, note: str | None = None, at: datetime
) -> Release:
    """End a release at once; one that was not granted yet ends as denied. `note` says why.

    Raises:
        ReleaseNotFound: there is none.
        ReleaseEnded: it has ended already.
    """
    release = seen(session, actor, release_id, lock=True)
    if release.state not in {ReleaseState.REQUESTED, ReleaseState.GRANTED}:
        raise ReleaseEnded(state=release.state)
    release.end_note = note
    _end(session, actor, release, EndReason.PERSON, at=at)
    return release


def reconsider(session: Session, release_id: ReleaseId, *, at: datetime) -> None:
    """Decide anew on a granted release whose consent state may have changed.

    A link is closed from the commit of the change on. Where everything still stands as it stood at
    the approval, the new decision opens it again; where it does not, the release is ended.
    """
    release = get(session, release_id, lock=True)
    if release.state != ReleaseState.GRANTED or release.expires_at is None:
        return
    if release.expires_at <= at:
        _end(session, _SYSTEM, release, EndReason.EXPIRED, at=at)
        return
    if queries.is_open(session, release.id):
        return
    items = {item.wish_id: item for item in release.items}
    for wish in release.wishes:
        made = session.get_one(DecisionRow, items[wish.id].decision_id)
        question = _question(session, release, wish)
        subject = subjects.of(wish)
        decision = subjects.decide(session, subject, question, at=at)
        subjects.record(session, _SYSTEM, subject, question, decision, at=at, release_id=release.id)
        if any(reason.code == "E_INTERNAL" for reason in decision.reasons):
            return  # Nobody could say: it stays closed, and is asked again later.
        if not decision.allowed or bytes.fromhex(decision.inputs_digest) != made.inputs_digest:
            _end(session, _SYSTEM, release, EndReason.CONSENT, at=at)
            return


def standing(
    session: Session, release: Release, wishes: Sequence[ReleaseWish], *, at: datetime
) -> list[tuple[ReleaseWish, Decision]]:
    """Return what the rules say now of each part of a release, with the approvals so far."""
    return [
        (
            wish,
            subjects.decide(session, subjects.of(wish), _question(session, release, wish), at=at),
        )
        for wish in wishes
    ]


def destroy_keys(session: Session, release_id: ReleaseId, *, at: datetime) -> list[UUID]:
    """Destroy the keys of an ended release's copies; return the objects they opened.

    Without its key a copy cannot be read again by anybody, whatever becomes of its bytes.
    """
    release = get(session, release_id, lock=True)
    if release.state != ReleaseState.REVOKED:
        return []
    sealed = [item for item in release.items if item.wrapped_key is not None]
    for item in sealed:
        item.wrapped_key = None
    bundle_id = bundles.destroy_key(session, release_id)
    session.flush()
    if sealed:
        ledger.append(
            session,
            _SYSTEM,
            Act.ERASURE_EXECUTED,
            ("release", release.id),
            at=at,
            facts={"copies": len(sealed)},
        )
    objects = [item.object_id for item in release.items]
    return [*objects, bundle_id] if bundle_id else objects


def _is_demo(session: Session, subject: Subject) -> bool:
    ask = demo.is_screenshot if subject.is_screenshot else demo.is_recording
    return ask(session, subject.id)


def _must_be_there(session: Session, actor: Actor, part: Part) -> None:
    """Refuse what is not here, or does not hold what shall be taken out of it."""
    subject = part.subject
    if subject.is_screenshot:
        found = queries.screenshot(session, subject.id)
        if found is None or not recordings.is_screenshot_seen(session, actor, found[0]):
            raise ReleaseScreenshotUnknown(screenshot_id=str(subject.id))
        disputes.must_lie_within(found[0], subject.areas)
        return
    recording = queries.recording(session, subject.id)
    if recording is None or not recordings.is_seen(session, actor, recording.id):
        raise ReleaseRecordingUnknown(recording_id=str(subject.id))
    segment = part.segment or Segment(0, None)
    clip = Clip(
        recording_id=RecordingId(subject.id),
        from_ms=segment.from_ms,
        to_ms=segment.to_ms,
        note=None,
    )
    disputes.must_be_within(session, clip, part.redactions, duration_ms=recording.duration_ms)


def _counted(shown: Sequence[Subject]) -> dict[str, str | int | bool | None]:
    """Return how many recordings and screenshots there are, for the ledger."""
    pictures = sum(one.is_screenshot for one in shown)
    counts: dict[str, str | int | bool | None] = {"recordings": len(shown) - pictures}
    return counts | ({"screenshots": pictures} if pictures else {})


def _first_decision(
    session: Session, part: Part, wanted: Wanted, *, requester: UUID, at: datetime
) -> tuple[Part, Question, Decision]:
    """Decide on what was asked; where no part was named, fall back on the part that may leave."""
    subject = part.subject
    question = _ask(session, wanted, subject, segment=part.segment, requester=requester)
    decision = subjects.decide(session, subject, question, at=at)
    if subject.is_screenshot:
        return part, question, decision
    if part.segment is None and not _can_wait(decision) and decision.allowed_segments:
        longest = max(decision.allowed_segments, key=_length)
        smaller = _ask(session, wanted, subject, segment=longest, requester=requester)
        retried = subjects.decide(session, subject, smaller, at=at)
        if _can_wait(retried):
            return part, smaller, retried
    return part, question, decision


def _ask(
    session: Session,
    wanted: Wanted,
    subject: Subject,
    *,
    segment: Segment | None,
    requester: UUID,
) -> Question:
    return subjects.question(
        session,
        subject,
        purpose=wanted.purpose,
        contact_id=wanted.contact_id,
        segment=segment,
        requested_by=requester,
    )


def _question(session: Session, release: Release, wish: ReleaseWish) -> Question:
    return subjects.question(
        session,
        subjects.of(wish),
        purpose=Purpose(release.purpose),
        contact_id=ContactId(release.contact_id),
        segment=Segment(from_ms=wish.from_ms, to_ms=wish.to_ms),
        requested_by=release.requested_by,
        approvals=tuple(
            Approval(
                by=a.approver_id, inputs_digest=a.inputs_digest.hex(), at=a.at, role=a.approver_role
            )
            for a in queries.approvals(session, wish.id)
        ),
    )


def _length(segment: Segment) -> float:
    return float("inf") if segment.to_ms is None else segment.to_ms - segment.from_ms


def _is_possible(decision: Decision) -> bool:
    return decision.outcome in {Outcome.ALLOW, Outcome.NEEDS_APPROVAL}


def _can_wait(decision: Decision) -> bool:
    """Say whether nothing is missing but approvals and what compliance has yet to look at."""
    hindering = {
        reason.code
        for reason in decision.reasons
        if Findings().adding([reason]).outcome in {Outcome.DENY, Outcome.REVIEW}
    }
    return _is_possible(decision) or hindering <= _LOOKED_AT


def _must_be_able_to_wait(decisions: Sequence[Decision]) -> None:
    if not all(_can_wait(decision) for decision in decisions):
        raise ReleaseRefused("", **explain.facts(decisions))


def _must_be_possible(decisions: Sequence[Decision]) -> None:
    if not all(_is_possible(decision) for decision in decisions):
        raise ReleaseRefused("", **explain.facts(decisions))


def _seen(
    session: Session, actor: Actor, release: Release, wish: ReleaseWish, *, at: datetime
) -> Decision:
    """Return, and write down, what the rules say without any approval.

    It tells how many people must approve these inputs; the database looks it up there.

    Raises:
        ReleaseRefused: no approval could make it possible.
    """
    question = replace(_question(session, release, wish), approvals=())
    subject = subjects.of(wish)
    decision = subjects.decide(session, subject, question, at=at)
    _must_be_possible([decision])
    subjects.record(session, actor, subject, question, decision, at=at, release_id=release.id)
    return decision


def _approve_wish(
    session: Session,
    actor: Actor,
    wish: ReleaseWish,
    inputs_digest: bytes,
    *,
    note: str | None,
    at: datetime,
) -> None:
    """Write the approval down, once: a repeated approval of the same state adds nothing."""
    if actor.role not in {Role.APPROVER, Role.LEGAL}:
        raise RoleCannotApprove
    approver = person(actor)
    for known in queries.approvals(session, wish.id):
        if (known.approver_id, known.inputs_digest) == (approver, inputs_digest):
            return
    session.add(
        ReleaseApproval(
            id=new_id(),
            release_id=wish.release_id,
            wish_id=wish.id,
            approver_id=approver,
            approver_role=actor.role,
            inputs_digest=inputs_digest,
            note=note,
            at=at,
        )
    )
    session.flush()


def _allowed_now(
    session: Session, actor: Actor, release: Release, wish: ReleaseWish, *, at: datetime
) -> DecisionRow:
    question = _question(session, release, wish)
    subject = subjects.of(wish)
    decision = subjects.decide(session, subject, question, at=at)
    if not decision.allowed:
        raise ReleaseRefused("", **explain.facts([decision]))
    return subjects.record(
        session, actor, subject, question, decision, at=at, release_id=release.id
    )


def _item(
    session: Session, wish: ReleaseWish, copy: Copy, row: DecisionRow, *, at: datetime
) -> ReleaseItem:
    direction, started_at = _shown_of(session, subjects.of(wish))
    return ReleaseItem(
        id=new_id(),
        release_id=wish.release_id,
        wish_id=wish.id,
        position=wish.position,
        recording_id=wish.recording_id,
        screenshot_id=wish.screenshot_id,
        from_ms=wish.from_ms,
        to_ms=wish.to_ms,
        redactions=[one.kept() for one in copy.redactions],
        areas=[one.kept() for one in copy.areas],
        derivation=copy.derivation,
        object_id=copy.object_id,
        wrapped_key=copy.wrapped_key,
        size_bytes=copy.size_bytes,
        sha256=copy.sha256,
        media_type=copy.media_type,
        duration_ms=copy.duration_ms,
        decision_id=row.id,
        stamp=row.stamp,
        direction=direction,
        started_at=started_at,
        created_at=at,
    )


def _shown_of(session: Session, subject: Subject) -> tuple[str | None, datetime]:
    """Return the direction of a call, and when it began or the screenshot was taken."""
    if subject.is_screenshot:
        found = queries.screenshot(session, subject.id)
        if found is None:
            raise ReleaseScreenshotUnknown(screenshot_id=str(subject.id))
        return None, found[0].captured_at
    recording = queries.recording(session, subject.id)
    if recording is None:
        raise ReleaseRecordingUnknown(recording_id=str(subject.id))
    return recording.direction, recording.started_at


def _end(
    session: Session, actor: Actor, release: Release, reason: EndReason, *, at: datetime
) -> None:
    was_granted = release.state == ReleaseState.GRANTED
    mail.withdraw(session, ("release", release.id))
    release.state = ReleaseState.REVOKED if was_granted else ReleaseState.DENIED
    release.revoked_at = at
    release.revoked_by = actor.id
    release.end_reason = reason
    for link in release.links:
        link.revoked_at = link.revoked_at or at
    session.flush()
    ledger.append(
        session,
        actor,
        Act.RELEASE_REVOKED,
        ("release", release.id),
        at=at,
        facts={"reason": reason, "was_granted": was_granted},
        detail={"note": release.end_note} if release.end_note else None,
    )
    if was_granted and actor.id != release.requested_by:
        letter = Letter(kind=Kind.LINK_ENDED, about=("release", release.id))
        mail.to_person(session, release.requested_by, letter, at=at)
    if was_granted:
        enqueue(session, Job(task="releases.destroy", args={"release_id": str(release.id)}))
