"""One recording: its sound and what is known of each second, who was told, and its history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.clients.models import Client, Event
from app.consent import service as consent
from app.consent.purposes import Purpose
from app.consent.reasons import REASONS, REMEDIES
from app.consent.rules import Decision, Segment
from app.core.deps import ClockDep, SessionDep
from app.core.errors import Invalid, Malformed
from app.core.ids import DisputeId, RecordingId
from app.disputes import listening
from app.disputes import service as disputes
from app.disputes.models import Dispute
from app.disputes.redactions import How, Redaction, Why, in_order
from app.disputes.service import Clip
from app.fixity import queries as fixity
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.inspection import joining
from app.playback import asking, marks
from app.playback.door import HeardLeg
from app.playback.models import MarkKind
from app.recordings import demo, queries
from app.recordings import service as recordings
from app.recordings.models import Direction, InspectionState, Leg, Recording
from app.recordings.schemas import NoticesRead
from app.retention import keeping
from app.retention import subjects as keeping_of
from app.web import (
    acts,
    edge,
    heard,
    lookups,
    places,
    player,
    refusal_words,
    review_asked,
    teaching,
)
from app.web.edge import Form
from app.web.heard import Heard
from app.web.pages.recordings import DIRECTIONS
from app.web.player import KIND_MARKS, KINDS, Asked
from app.web.review_asked import Reviews
from app.web.teaching import Teaching
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.RECORDING_READ))]
CanListen = Annotated[Actor, Depends(Requires(Permission.RECORDING_LISTEN))]
CanDispute = Annotated[Actor, Depends(Requires(Permission.DISPUTE_WRITE))]
AskedPurpose = Purpose | None

_MOST_SILENCED: Final = 5
_MOST_DIGITS: Final = 9
_MOST_NOTE: Final = 4000
PURPOSES: Final = {
    Purpose.INTERNAL_QUALITY: N_("quality control"),
    Purpose.INTERNAL_TRAINING: N_("training of staff"),
    Purpose.DISPUTE_CLIENT: N_("dispute with the client"),
    Purpose.CLAIM_DEFENCE: N_("defence against a claim"),
    Purpose.CONSENT_REVIEW: N_("review of consent"),
    Purpose.INTEGRITY_FORENSICS: N_("check of integrity"),
}
"""What somebody of the house may listen for."""
WHYS: Final = {
    Why.PERSONAL_DATA: N_("personal data"),
    Why.THIRD_PERSON: N_("a third person"),
    Why.CARD_NUMBER: N_("a card's number"),
    Why.CONFIDENTIAL: N_("confidential"),
    Why.OTHER: N_("another reason"),
}
LINKED: Final = {
    "sender": N_("named by the sender"),
    "number": N_("found by the number and the time"),
    "created": N_("made for the call; the client is known by the number"),
    "triage": N_("made for the call; nobody knows the number"),
    "adopted": N_("told of later, and took the call"),
    "manual": N_("chosen by a person"),
}


class StretchesOverlap(Invalid):
    """Two stretches to be silenced overlap and give different reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    code: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the rules say, for people."""

    outcome: str
    reasons: tuple[Reason, ...]
    remedies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A mark, as it is listed."""

    id: UUID
    mark: str
    kind: str
    from_ms: int
    to_ms: int | None
    note: str
    by: str
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An entry of the ledger."""

    at: datetime
    text: str
    who: str
    is_denied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file of the call, and how whole it is."""

    leg: str
    sha256: str
    size_bytes: int
    media_type: str
    checked_at: datetime | None
    is_well: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPage:
    """All of one recording that this person may see."""

    title: str
    id: UUID
    started_at: datetime
    flag: str
    inspection: str
    inspection_reason: str | None
    duration_ms: int | None
    client: str
    client_id: UUID | None
    sees_client: bool
    event_id: UUID
    event: str
    subject: str
    is_erased: bool
    is_demo: bool
    facts: tuple[tuple[str, str], ...]
    next_step: str
    may_listen: bool
    purpose: str
    purposes: tuple[tuple[str, str], ...]
    said_purpose: str
    dispute_id: UUID | None
    dispute: str
    start_ms: int
    decision: Said | None
    can_hear: bool
    part: Segment | None
    is_whole_heard: bool
    player: str
    sound: str
    waits_for_both: bool
    parties: tuple[Heard, ...]
    marks: tuple[Marked, ...]
    kinds: tuple[tuple[str, str], ...]
    wrong: str
    marking: edge.Fields
    showing: edge.Fields
    disputes: tuple[tuple[str, str], ...]
    whys: tuple[tuple[str, str], ...]
    may_dispute: bool
    silenced: range
    links: tuple[Happened, ...]
    files: tuple[Kept, ...]
    kept_until: datetime | None
    is_held: bool
    sees_keeping: bool
    history: tuple[Happened, ...]
    sees_history: bool
    teaching: Teaching | None
    reviews: Reviews | None


@router.get("/recordings/{recording_id}")
def show_recording(  # noqa: PLR0913 - what the address may say.
    call: Request,
    recording_id: UUID,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    purpose: AskedPurpose = None,
    dispute: UUID | None = None,
) -> Response:
    """Show a recording. With a `purpose` the rules are asked; if they allow, it can be heard.

    In a dispute it is what he said once; `at` in the address is where the player stands first.
    """
    found = listening.dispute_of(session, actor, recording_id, asked=dispute)
    if purpose is None and found is not None and Permission.RECORDING_LISTEN in actor.permissions:
        purpose = listening.remembered(session, actor, found.id)
    return _shown(
        call, recording_id, actor, session, at=clock.now(), purpose=purpose, dispute=found
    )


@router.post("/recordings/{recording_id}/purpose")
def say_purpose(
    recording_id: UUID, form: Form, actor: CanListen, session: SessionDep, clock: ClockDep
) -> Response:
    """Say once for what one listens in a dispute."""
    recordings.find(session, actor, recording_id)
    purpose = _purpose(form)
    if purpose not in PURPOSES:
        raise Malformed(field="purpose")
    dispute_id = form.id("dispute")
    listening.remember(session, actor, recording_id, dispute_id, purpose, at=clock.now())
    query = {"dispute": str(dispute_id)}
    if form.get("at").isdigit():
        query["at"] = form.get("at")
    return edge.see(f"/recordings/{recording_id}", query)


def _shown(  # noqa: PLR0913 - as `show_recording`, and what was wrong with a form.
    call: Request,
    recording_id: UUID,
    actor: Actor,
    session: Session,
    *,
    at: datetime,
    purpose: Purpose | None,
    dispute: Dispute | None = None,
    wrong: str = "",
    marking: edge.Fields | None = None,
    showing: edge.Fields | None = None,
) -> Response:
    words = edge.words_of(call, actor, session)
    found = recordings.find(session, actor, recording_id)
    parties, legs = list(found.parties), list(found.legs)
    event = session.get_one(Event, found.event_id)
    client = session.get(Client, event.client_id) if event.client_id else None
    may_listen = Permission.RECORDING_LISTEN in actor.permissions and found.erased_at is None
    default, _, _ = asking.question_of(actor, None) if may_listen else (None, None, None)
    decision = _decision(session, actor, found, purpose, at=at) if purpose and may_listen else None
    part = None
    if decision is not None and not decision.allowed:
        part = _part(session, found.id, decision, near_ms=_start(call), at=at)
    can_hear = decision is not None and (decision.allowed or part is not None)
    marked = [] if found.erased_at else list(marks.listed(session, actor, recording_id))
    everybody = heard.of_recording(session, recording_id, parties, words, at=at)
    asked = Asked(
        purpose=str(purpose or default or ""),
        leg=_leg(session, recording_id, legs),
        start_ms=_within(part, _start(call)),
        part=part,
        has_both=len(legs) > 1,
    )
    notices: NoticesRead = call.app.state.notices_of(session, recording_id)
    entries = (
        lookups.entries(session, "recording", recording_id)
        if Permission.LEDGER_READ in actor.permissions
        else ()
    )
    changes = queries.links_of(session, recording_id)
    people = lookups.names(
        session, [*(one.actor_id for one in entries), *(one.user_id for one in changes)]
    )
    objects = queries.objects_of(session, legs)
    may_dispute = Permission.DISPUTE_WRITE in actor.permissions and found.erased_at is None
    keeps = None
    if Permission.RETENTION_READ in actor.permissions:
        keeps = keeping.explain(session, keeping_of.recording(recording_id), zone=words.zone, at=at)
    page = RecordingPage(
        title=client.name if client else _caller(found, words),
        id=found.id,
        started_at=found.started_at,
        flag=found.flag,
        inspection=found.inspection_state,
        inspection_reason=found.inspection_reason,
        duration_ms=found.duration_ms,
        client=client.name if client else "",
        client_id=client.id if client else None,
        sees_client=Permission.CLIENT_READ in actor.permissions,
        event_id=event.id,
        event=event.external_id or "",
        subject=event.subject,
        is_erased=found.erased_at is not None,
        is_demo=demo.is_recording(session, found.id),
        facts=_facts(found, words),
        next_step=_next_step(found, decision, part, may_listen=may_listen, words=words),
        may_listen=may_listen,
        purpose=asked.purpose,
        purposes=tuple((str(one), words.gettext(said)) for one, said in PURPOSES.items()),
        said_purpose=words.gettext(PURPOSES[purpose]) if purpose in PURPOSES else "",
        dispute_id=dispute.id if dispute else None,
        dispute=dispute.subject if dispute else "",
        start_ms=_start(call),
        part=part,
        is_whole_heard=can_hear and part is None,
        decision=_said(decision, words) if decision else None,
        can_hear=can_hear,
        player=player.settings(found, everybody, asked, notices, marked, words) if can_hear else "",
        sound=asked.source(found.id),
        waits_for_both=len(legs) > 1 and asked.leg is None and part is None,
        parties=everybody,
        marks=tuple(
            Marked(
                id=mark.id,
                mark=KIND_MARKS[MarkKind(mark.kind)],
                kind=words.gettext(KINDS[MarkKind(mark.kind)]),
                from_ms=mark.from_ms,
                to_ms=mark.to_ms,
                note=mark.note or "",
                by=name,
                is_own=mark.made_by == actor.id,
            )
            for mark, name in marked
        ),
        kinds=tuple((str(one), words.gettext(said)) for one, said in KINDS.items()),
        wrong=wrong,
        marking=marking or edge.Fields({}),
        showing=showing or edge.Fields({}),
        disputes=tuple(
            (str(one.id), f"{one.subject} · {words.day(one.opened_at)}")
            for one in lookups.open_disputes(session, client.id)
        )
        if may_dispute and client
        else (),
        whys=tuple((str(one), words.gettext(said)) for one, said in WHYS.items()),
        may_dispute=may_dispute and client is not None,
        silenced=range(_MOST_SILENCED),
        links=tuple(
            Happened(
                at=one.at,
                text=words.gettext(LINKED[one.linked_by]),
                who=" · ".join(
                    part
                    for part in (people.get(one.user_id) if one.user_id else "", one.reason)
                    if part
                ),
                is_denied=False,
            )
            for one in changes
        ),
        files=tuple(
            Kept(
                leg=leg.leg,
                sha256=objects[leg.object_id].sha256.hex(),
                size_bytes=objects[leg.object_id].size_bytes,
                media_type=leg.media_type,
                checked_at=checked[0].at if (checked := _checks(session, leg.object_id)) else None,
                is_well=not checked or checked[0].outcome == "ok",
            )
            for leg in legs
        ),
        kept_until=keeps.verdict.until if keeps else None,
        is_held=bool(keeps and keeps.holds),
        sees_keeping=keeps is not None,
        history=tuple(
            Happened(
                at=one.at,
                text=words.gettext(acts.said(one.act)),
                who=_name(people, one.actor_id),
                is_denied=one.outcome != "success",
            )
            for one in entries
        ),
        sees_history=Permission.LEDGER_READ in actor.permissions,
        teaching=teaching.of(session, actor, found),
        reviews=review_asked.of(session, actor, found),
    )
    return edge.render(
        call,
        actor,
        session,
        "recordings/recording.html",
        page,
        words=words,
        has_nonce=can_hear,
        status=422 if wrong else 200,
    )


def _start(call: Request) -> int:
    """Return the place that the address asks for, the beginning where it is none."""
    asked = call.query_params.get("at", "")
    return int(asked) if asked.isdecimal() and len(asked) <= _MOST_DIGITS else 0


def _within(part: Segment | None, at_ms: int) -> int:
    """Return where it begins to play: at the place, the beginning of the part if outside of it."""
    if part is None or part.from_ms <= at_ms < part.end_ms:
        return at_ms
    return part.from_ms


def _leg(session: Session, recording_id: UUID, legs: list[Leg]) -> HeardLeg | None:
    """Return what is played: the two directions in step where they were put together."""
    if len(legs) > 1 and joining.newest(session, recording_id) is not None:
        return HeardLeg.BOTH
    return None


def _caller(found: Recording, words: Words) -> str:
    """Return who called where no client is known: his number, if there is one."""
    if found.outside_number:
        return words.phone(found.outside_number)
    return words.gettext("no client known yet")


def _name(people: dict[UUID, str], one: UUID | None) -> str:
    return people.get(one, "") if one else ""


def _checks(session: Session, object_id: UUID) -> list[Any]:
    return list(fixity.checks_of(session, [object_id], limit=1))


def _decision(
    session: Session, actor: Actor, found: Recording, purpose: Purpose, *, at: datetime
) -> Decision:
    asked, recipient, asker = asking.question_of(actor, purpose)
    question = consent.question(
        session, purpose=asked, recipient_class=recipient, requested_by=asker
    )
    return consent.decide(session, found.id, question, at=at)


def _part(
    session: Session,
    recording_id: UUID,
    refused: Decision,
    *,
    near_ms: int,
    at: datetime,
) -> Segment | None:
    """Return the part that may be heard where the whole may not: at a place, else after it.

    Each is asked for alone, since what a refusal names may still need somebody's approval.
    """
    parts = [
        one
        for one in refused.allowed_segments
        if consent.decide(
            session, recording_id, replace(refused.question, segment=one), at=at
        ).allowed
    ]
    after = [one for one in parts if one.end_ms > near_ms]
    return next(iter(after or parts), None)


def _said(decision: Decision, words: Words) -> Said:
    lang = words.language
    return Said(
        outcome=decision.outcome,
        reasons=tuple(
            Reason(
                code=one.code,
                title=REASONS[one.code].title.of(lang),
                text=REASONS[one.code].meaning.of(lang),
            )
            for one in decision.reasons
        ),
        remedies=tuple(REMEDIES[one.partition(":")[0]].of(lang) for one in decision.remedies),
    )


def _next_step(
    found: Recording,
    decision: Decision | None,
    part: Segment | None,
    *,
    may_listen: bool,
    words: Words,
) -> str:
    if found.erased_at is not None:
        return words.gettext("The recording is erased. What happened to it is told below.")
    if found.inspection_state == InspectionState.FAILED:
        return words.gettext("The file could not be read. Ask who sent it for another one.")
    if not may_listen:
        return words.gettext("Your role reads what is known of a recording, and does not listen.")
    if decision is None:
        return words.gettext("Say what you listen for. It is written into the ledger.")
    if decision.allowed or part is not None:
        return words.gettext("Listen, and mark what matters at its second.")
    return words.gettext("See below what would make it possible.")


def _facts(found: Recording, words: Words) -> tuple[tuple[str, str], ...]:
    told = (
        (N_("Started"), words.moment_whole(found.started_at)),
        (N_("Length"), words.duration(found.duration_ms)),
        (N_("Direction"), words.gettext(DIRECTIONS[Direction(found.direction)])),
        (N_("Number"), words.phone(found.outside_number)),
        (N_("Agent"), found.agent or ""),
        (N_("Line"), found.line or ""),
    )
    return tuple((words.gettext(name), value) for name, value in told if value)


def _back(recording_id: UUID, form: edge.Fields) -> Response:
    purpose = form.get("purpose")
    query = {"purpose": purpose} if purpose in set(Purpose) else None
    return edge.see(f"/recordings/{recording_id}", query)


def _purpose(form: edge.Fields) -> Purpose | None:
    purpose = form.get("purpose")
    return Purpose(purpose) if purpose in set(Purpose) else None


@router.post("/recordings/{recording_id}/marks")
def add_mark(
    call: Request,
    recording_id: UUID,
    form: Form,
    actor: CanListen,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Mark a place in a recording."""
    at = clock.now()
    kind = form.get("kind")
    if kind not in set(MarkKind):
        raise Malformed(field="kind")
    try:
        from_ms, to_ms = _span(form)
        marks.add(
            session,
            actor,
            recording_id,
            kind=MarkKind(kind),
            from_ms=from_ms,
            to_ms=to_ms,
            note=form.get("note")[:_MOST_NOTE] or None,
            at=at,
        )
    except (places.PlaceInvalid, marks.MarkBeyondEnd, marks.MarkWordless) as exc:
        wrong = refusal_words.said(exc, edge.words_of(call, actor, session))
        return _shown(
            call,
            recording_id,
            actor,
            session,
            at=at,
            purpose=_purpose(form),
            wrong=wrong,
            marking=form,
        )
    return _back(recording_id, form)


@router.post("/recordings/{recording_id}/marks/{mark_id}/remove")
def remove_mark(
    recording_id: UUID,
    mark_id: UUID,
    form: Form,
    actor: CanListen,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Take a mark of one's own away."""
    marks.remove(session, actor, recording_id, mark_id, at=clock.now())
    return _back(recording_id, form)


@router.post("/recordings/{recording_id}/exhibits")
def add_exhibit(
    call: Request,
    recording_id: UUID,
    form: Form,
    actor: CanDispute,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Add a part of the recording to a dispute, without the stretches that are to be silenced."""
    at = clock.now()
    recordings.find(session, actor, recording_id)
    try:
        from_ms, to_ms = _span(form)
        clip = Clip(
            recording_id=RecordingId(recording_id),
            from_ms=from_ms,
            to_ms=to_ms,
            note=form.get("note")[:_MOST_NOTE] or None,
            redactions=tuple(_redactions(form)),
        )
        disputes.add_exhibit(session, actor, DisputeId(form.id("dispute")), clip, at=at)
    except (
        places.PlaceInvalid,
        StretchesOverlap,
        disputes.ExhibitBeyondEnd,
        disputes.RedactionOutside,
        disputes.DisputeClosed,
    ) as exc:
        wrong = refusal_words.said(exc, edge.words_of(call, actor, session))
        return _shown(
            call,
            recording_id,
            actor,
            session,
            at=at,
            purpose=_purpose(form),
            wrong=wrong,
            showing=form,
        )
    return _back(recording_id, form)


def _span(form: edge.Fields) -> tuple[int, int | None]:
    """Return from where to where; from the beginning, and to the end, where nothing is written.

    Raises:
        PlaceInvalid: it is no place, or the end does not lie after the beginning.
    """
    from_ms = places.read_or_none(form.get("from")) or 0
    to_ms = places.read_or_none(form.get("to"))
    if to_ms is not None and to_ms <= from_ms:
        raise places.PlaceInvalid
    return from_ms, to_ms


def _redactions(form: edge.Fields) -> list[Redaction]:
    found = []
    for begin, end, why in zip(
        form.all("silence_from"), form.all("silence_to"), form.all("silence_why"), strict=False
    ):
        if not begin.strip() and not end.strip():
            continue
        from_ms, to_ms = places.read(begin), places.read(end)
        if to_ms <= from_ms or why not in set(Why):
            raise places.PlaceInvalid
        found.append(
            Redaction(from_ms=from_ms, to_ms=to_ms, how=How.SILENCE, reason=Why(why), channel=None)
        )
    try:
        in_order(found)
    except ValueError as exc:
        raise StretchesOverlap from exc
    return found
