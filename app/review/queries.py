"""What is in each queue, and what an item shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Float,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.clients.models import Client, Contact, Contract, Event
from app.consent.models import (
    Assertion,
    AssertionVote,
    DecisionRow,
    NoticeText,
    PackSetAside,
    PolicyPackRow,
)
from app.consent.purposes import BLOCKS, Kind, Outcome, Status
from app.core.paging import Cursor
from app.custody.ledger import Act
from app.custody.models import CustodyEntry
from app.documents.models import Document
from app.identity.actor import Actor
from app.identity.models import User
from app.inspection.models import NoticeDifference, NoticeHit
from app.recordings.models import Capture, Flag, InspectionState, Party, Recording
from app.recordings.queries import visible_to
from app.releases.models import EndReason, Release, ReleaseApproval, ReleaseState, ReleaseWish
from app.review.models import ReviewAsk, ReviewClaim, ReviewNote, SampleCheck, SamplePeriod
from app.review.rules import DRAWN_BYTES, FLIPS_LISTED_FOR, MOBILE_AFTER, Queue

_UNSETTLED = (Flag.UNKNOWN, Flag.PENDING, Flag.EXPIRED, Flag.INVALIDATED)
_NO_QUESTION = frozenset({*BLOCKS, Kind.NONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Where the items of a queue are: a statement of ids, places in the order, and since when."""

    statement: Select[UUID, datetime, datetime] | CompoundSelect[UUID, datetime, datetime]


def is_auto_verified() -> ColumnElement[bool]:
    """Return the condition that a notice was verified by the detector alone."""
    return and_(
        Assertion.kind == Kind.IVR_NOTICE,
        Assertion.status == Status.VERIFIED,
        Assertion.decided_by.is_(None),
    )


def _of_recordings(
    actor: Actor, *conditions: ColumnElement[bool], since: InstrumentedAttribute[datetime]
) -> Waiting:
    return Waiting(
        statement=select(
            Recording.id, Recording.started_at.label("place_at"), since.label("since")
        ).where(visible_to(actor), Recording.erased_at.is_(None), *conditions)
    )


def _of_assertions(actor: Actor, *conditions: ColumnElement[bool]) -> Waiting:
    return Waiting(
        statement=select(
            Assertion.id,
            Assertion.proposed_at.label("place_at"),
            Assertion.proposed_at.label("since"),
        )
        .outerjoin(Recording, Recording.id == Assertion.recording_id)
        .where(or_(Assertion.recording_id.is_(None), visible_to(actor)), *conditions)
    )


def _is_searched_by_ear() -> ColumnElement[bool]:
    """Say that a person has listened to a recording and found nothing that tells anybody."""
    return exists().where(
        Assertion.recording_id == Recording.id,
        Assertion.kind == Kind.NONE,
        Assertion.proposed_by.is_not(None),
        Assertion.status == Status.PROPOSED,
    )


def _is_still_kept() -> ColumnElement[bool]:
    """Say that a recording which a confirmed withdrawal or refusal speaks of is not erased yet."""
    heard, kept = aliased(Party), aliased(Recording)
    elsewhere = exists().where(
        heard.recording_id == kept.id,
        kept.erased_at.is_(None),
        or_(
            heard.client_id == Assertion.client_id,
            heard.contact_id == Assertion.contact_id,
            heard.agent == Assertion.agent,
        ),
    )
    here = and_(Assertion.recording_id.is_not(None), Recording.erased_at.is_(None))
    return or_(here, and_(Assertion.recording_id.is_(None), elsewhere))


def _is_of_the_same() -> ColumnElement[bool]:
    """Say that a decision is on what a wish shows."""
    return or_(
        DecisionRow.recording_id == ReleaseWish.recording_id,
        DecisionRow.screenshot_id == ReleaseWish.screenshot_id,
    )


def _newest_outcome() -> Any:  # noqa: ANN401 - a correlated subquery of SQLAlchemy's.
    return (
        select(DecisionRow.outcome)
        .where(
            DecisionRow.release_id == Release.id,
            _is_of_the_same(),
        )
        .order_by(DecisionRow.at.desc(), DecisionRow.id.desc())
        .limit(1)
        .correlate(Release, ReleaseWish)
        .scalar_subquery()
    )


def _flipped(at: datetime) -> Waiting:
    """Return the releases that were granted and would not be now, and the packs that change."""
    flips = exists().where(
        ReleaseWish.release_id == Release.id, _newest_outcome().is_distinct_from(Outcome.ALLOW)
    )
    ended = and_(
        Release.state == ReleaseState.REVOKED,
        Release.end_reason == EndReason.CONSENT,
        Release.revoked_at > at - FLIPS_LISTED_FOR,
    )
    noted = exists().where(ReviewNote.queue == Queue.POLICY, ReviewNote.subject_id == Release.id)
    since = func.coalesce(Release.revoked_at, Release.granted_at)
    releases_flipped = select(
        Release.id, Release.requested_at.label("place_at"), since.label("since")
    ).where(or_(Release.state == ReleaseState.GRANTED, ended), flips, ~noted)
    return Waiting(statement=union_all(releases_flipped, _packs(at)))


def _packs(at: datetime) -> Select[UUID, datetime, datetime]:
    """Return the packs that wait for two people, and those in force that nobody has noted."""
    later = aliased(PolicyPackRow)
    outdated = exists().where(
        later.jurisdiction == PolicyPackRow.jurisdiction,
        later.version > PolicyPackRow.version,
        later.activated_at.is_not(None),
    )
    ended = exists().where(PackSetAside.pack_id == PolicyPackRow.id)
    noted = exists().where(
        ReviewNote.queue == Queue.POLICY, ReviewNote.subject_id == PolicyPackRow.id
    )
    proposed = and_(PolicyPackRow.activated_at.is_(None), ~ended, ~outdated)
    in_force = and_(PolicyPackRow.activated_at > at - FLIPS_LISTED_FOR, ~noted)
    since = func.coalesce(PolicyPackRow.activated_at, PolicyPackRow.created_at)
    return select(
        PolicyPackRow.id, PolicyPackRow.created_at.label("place_at"), since.label("since")
    ).where(or_(proposed, in_force))


def _differing(actor: Actor) -> Waiting:
    """Return where a search differs from a verdict that stands, and nobody has taken note of it."""
    noted = exists().where(
        ReviewNote.queue == Queue.DIFFERS, ReviewNote.subject_id == NoticeDifference.id
    )
    return Waiting(
        statement=select(
            NoticeDifference.id,
            NoticeDifference.at.label("place_at"),
            NoticeDifference.at.label("since"),
        )
        .join(Recording, Recording.id == NoticeDifference.recording_id)
        .join(Assertion, Assertion.id == NoticeDifference.assertion_id)
        .where(
            visible_to(actor),
            Recording.erased_at.is_(None),
            Assertion.status == NoticeDifference.status,
            ~noted,
        )
    )


def _asked(actor: Actor) -> Waiting:
    """Return what people asked to be looked at, and nobody has noted."""
    noted = exists().where(ReviewNote.queue == Queue.ASKED, ReviewNote.subject_id == ReviewAsk.id)
    return Waiting(
        statement=select(
            ReviewAsk.id, ReviewAsk.asked_at.label("place_at"), ReviewAsk.asked_at.label("since")
        )
        .join(Recording, Recording.id == ReviewAsk.recording_id)
        .where(visible_to(actor), Recording.erased_at.is_(None), ~noted)
    )


def asks(session: Session, ids: Collection[UUID]) -> dict[UUID, ReviewAsk]:
    """Return what was asked, by id."""
    return {one.id: one for one in session.scalars(select(ReviewAsk).where(ReviewAsk.id.in_(ids)))}


def differences(
    session: Session, ids: Collection[UUID]
) -> dict[UUID, tuple[NoticeDifference, NoticeHit | None]]:
    """Return differences by id, with the playing that was heard anew."""
    rows = session.execute(
        select(NoticeDifference, NoticeHit)
        .outerjoin(NoticeHit, NoticeHit.id == NoticeDifference.hit_id)
        .where(NoticeDifference.id.in_(ids))
    )
    return {row[0].id: (row[0], row[1]) for row in rows}


def waiting(  # noqa: PLR0911 - one way out per queue.
    actor: Actor, queue: Queue, *, at: datetime
) -> Waiting:
    """Return where the items of `queue` are; for the sample, what it is drawn from."""
    match queue:
        case Queue.UNKNOWN:
            return _of_recordings(
                actor,
                Recording.flag == Flag.UNKNOWN,
                Recording.inspection_state != InspectionState.PENDING,
                ~_is_searched_by_ear(),
                since=Recording.received_at,
            )
        case Queue.MOBILE:
            return _of_recordings(
                actor,
                Recording.capture == Capture.MOBILE,
                Recording.flag.in_(_UNSETTLED),
                Recording.received_at < at - MOBILE_AFTER,
                since=Recording.received_at,
            )
        case Queue.PROPOSED:
            return _of_assertions(
                actor, Assertion.status == Status.PROPOSED, Assertion.kind.not_in(_NO_QUESTION)
            )
        case Queue.BLOCKS:
            return _of_assertions(
                actor,
                Assertion.kind.in_(BLOCKS),
                or_(
                    Assertion.status == Status.PROPOSED,
                    and_(Assertion.status == Status.VERIFIED, _is_still_kept()),
                ),
            )
        case Queue.RELEASES:
            return Waiting(
                statement=select(
                    Release.id,
                    Release.requested_at.label("place_at"),
                    Release.requested_at.label("since"),
                ).where(Release.state == ReleaseState.REQUESTED)
            )
        case Queue.POLICY:
            return _flipped(at)
        case Queue.DIFFERS:
            return _differing(actor)
        case Queue.ASKED:
            return _asked(actor)
        case Queue.SAMPLE:
            is_checked = exists().where(SampleCheck.assertion_id == Assertion.id)
            return _of_assertions(actor, is_auto_verified(), is_drawn(), ~is_checked)


def score() -> ColumnElement[float]:
    """Return the detector's score as a number, null where the evidence holds something else."""
    said = Assertion.evidence["match"]["score"]
    return case((func.jsonb_typeof(said) == "number", cast(said.astext, Float)))


def is_drawn() -> ColumnElement[bool]:
    """Return the condition that a notice is in the sample of its period, as `Plan.draws` says."""
    drawn = func.sha256(SamplePeriod.seed.op("||")(func.uuid_send(Assertion.id)))
    text = literal("x") + func.encode(func.substring(drawn, 1, DRAWN_BYTES), "hex")
    lot = cast(cast(text, BIT(8 * DRAWN_BYTES)), BigInteger)
    percent = cast(SamplePeriod.percent, BigInteger) * (1 << 8 * DRAWN_BYTES)
    decided_at = func.coalesce(Assertion.decided_at, Assertion.proposed_at)
    return exists().where(
        SamplePeriod.starts_at <= decided_at,
        decided_at < SamplePeriod.ends_at,
        or_(lot * 100 < percent, and_(SamplePeriod.low <= score(), score() < SamplePeriod.high)),
    )


def page(
    session: Session, found: Waiting, *, after: Cursor | None, limit: int
) -> list[tuple[UUID, datetime, datetime]]:
    """Return ids, places in the order and since when, the oldest first."""
    rows_of = found.statement.subquery().c
    statement = select(rows_of.id, rows_of.place_at, rows_of.since)
    place = (rows_of.place_at, rows_of.id)
    if after is not None:
        statement = statement.where(tuple_(*place) > (after.at, after.id))
    rows = session.execute(statement.order_by(*place).limit(limit))
    return [(row[0], row[1], row[2]) for row in rows]


def size(session: Session, found: Waiting, *, before: datetime) -> tuple[int, datetime | None, int]:
    """Return how many items there are, since when the oldest waits, and how many since `before`."""
    inner = found.statement.subquery()
    since = inner.c.since
    row = session.execute(
        select(func.count(), func.min(since), func.count().filter(since < before)).select_from(
            inner
        )
    ).one()
    return row[0], row[1], row[2]


def one(
    session: Session, found: Waiting, subject_id: UUID
) -> tuple[UUID, datetime, datetime] | None:
    """Return the row of an item, None if it is not in the queue."""
    rows_of = found.statement.subquery().c
    statement = select(rows_of.id, rows_of.place_at, rows_of.since).where(rows_of.id == subject_id)
    row = session.execute(statement.limit(1)).first()
    return (row[0], row[1], row[2]) if row else None


def is_waiting(session: Session, found: Waiting, subject_id: UUID) -> bool:
    """Say whether an item is in the queue."""
    return one(session, found, subject_id) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A recording, its event and the client's name."""

    recording: Recording
    event: Event
    client: str | None


def calls(session: Session, recording_ids: Collection[UUID]) -> dict[UUID, Call]:
    """Return recordings by id, with what people know them by."""
    rows = session.execute(
        select(Recording, Event, Client.name)
        .join(Event, Event.id == Recording.event_id)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(Recording.id.in_(recording_ids))
    )
    return {r.id: Call(recording=r, event=event, client=name) for r, event, name in rows}


def outsiders(session: Session, recording_ids: Collection[UUID]) -> set[UUID]:
    """Return those recordings in which somebody from outside is named."""
    return set(
        session.scalars(
            select(Party.recording_id).where(
                Party.recording_id.in_(recording_ids), Party.side != "own"
            )
        )
    )


def parties(
    session: Session, recording_ids: Collection[UUID]
) -> dict[UUID, list[tuple[Party, str | None]]]:
    """Return who is heard in each recording, those from outside first, each with a name."""
    rows = session.execute(
        select(Party, func.coalesce(Contact.name, Client.name, Party.agent, Party.number))
        .outerjoin(Contact, Contact.id == Party.contact_id)
        .outerjoin(Client, Client.id == Party.client_id)
        .where(Party.recording_id.in_(recording_ids))
        .order_by(Party.side == "own", Party.label)
    )
    found: dict[UUID, list[tuple[Party, str | None]]] = {}
    for party, name in rows:
        found.setdefault(party.recording_id, []).append((party, name))
    return found


def contacts(session: Session, contact_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the names of recipients."""
    rows = session.execute(select(Contact.id, Contact.name).where(Contact.id.in_(contact_ids)))
    return {row[0]: row[1] for row in rows}


def packs(session: Session, ids: Collection[UUID]) -> dict[UUID, PolicyPackRow]:
    rows = session.scalars(
        select(PolicyPackRow)
        .where(PolicyPackRow.id.in_(ids))
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


def heard_nothing(session: Session, recording_ids: Collection[UUID]) -> set[UUID]:
    """Return those recordings that somebody has listened to and found nothing in."""
    rows = select(Recording.id).where(Recording.id.in_(recording_ids), _is_searched_by_ear())
    return set(session.scalars(rows))


def ended_by_packs(session: Session, since: datetime) -> Sequence[Release]:
    """Return the releases that were closed since then, and were decided on under other packs."""
    under_several = (
        select(func.count(func.distinct(DecisionRow.policy_sha256)))
        .where(DecisionRow.release_id == Release.id)
        .correlate(Release)
        .scalar_subquery()
    )
    return session.scalars(
        select(Release)
        .where(
            Release.state == ReleaseState.REVOKED,
            Release.end_reason == EndReason.CONSENT,
            Release.granted_at < since,
            Release.revoked_at >= since,
            under_several > 1,
        )
        .order_by(Release.revoked_at, Release.id)
    ).all()


def titles(session: Session, ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the titles of documents."""
    rows = session.execute(select(Document.id, Document.title).where(Document.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def contracts(session: Session, ids: Collection[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return the numbers of contracts, and whose they are."""
    rows = session.execute(
        select(Contract.id, Contract.number, Client.name)
        .join(Client, Client.id == Contract.client_id)
        .where(Contract.id.in_(ids))
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def notices(session: Session, ids: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], str]:
    """Return the words of versions of notice texts."""
    rows = session.execute(
        select(NoticeText.id, NoticeText.version, NoticeText.text).where(
            tuple_(NoticeText.id, NoticeText.version).in_(ids)
        )
    )
    return {(row[0], row[1]): row[2] for row in rows}


def labels(session: Session, party_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return what the parties are called in their recordings."""
    rows = session.execute(select(Party.id, Party.label).where(Party.id.in_(party_ids)))
    return {row[0]: row[1] for row in rows}


def label_of(session: Session, recording_id: UUID, about: Assertion) -> str | None:
    """Return what in this recording the party is called that an assertion speaks of elsewhere."""
    return session.scalar(
        select(Party.label)
        .where(
            Party.recording_id == recording_id,
            or_(
                Party.client_id == about.client_id,
                Party.contact_id == about.contact_id,
                Party.agent == about.agent,
            ),
        )
        .order_by(Party.label)
        .limit(1)
    )


def assertions(session: Session, ids: Collection[UUID]) -> dict[UUID, Assertion]:
    rows = session.scalars(
        select(Assertion).where(Assertion.id.in_(ids)).execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


def releases(session: Session, ids: Collection[UUID]) -> dict[UUID, Release]:
    rows = session.scalars(
        select(Release).where(Release.id.in_(ids)).execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


def wishes(
    session: Session, release_ids: Collection[UUID]
) -> dict[UUID, list[tuple[ReleaseWish, list[str]]]]:
    """Return what each release asks for, with the reasons of the newest decision on it."""
    reasons = (
        select(DecisionRow.reasons)
        .where(
            DecisionRow.release_id == ReleaseWish.release_id,
            _is_of_the_same(),
        )
        .order_by(DecisionRow.at.desc(), DecisionRow.id.desc())
        .limit(1)
        .correlate(ReleaseWish)
        .scalar_subquery()
    )
    rows = session.execute(
        select(ReleaseWish, reasons)
        .where(ReleaseWish.release_id.in_(release_ids))
        .order_by(ReleaseWish.release_id, ReleaseWish.position)
    )
    found: dict[UUID, list[tuple[ReleaseWish, list[str]]]] = {}
    for wish, said in rows:
        found.setdefault(wish.release_id, []).append((wish, list(said or [])))
    return found


def approvers(session: Session, release_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """Return who has approved a part of each release."""
    found: dict[UUID, set[UUID]] = {}
    rows = session.execute(
        select(ReleaseWish.release_id, ReleaseApproval.approver_id)
        .join(ReleaseApproval, ReleaseApproval.wish_id == ReleaseWish.id)
        .where(ReleaseWish.release_id.in_(release_ids))
    )
    for release_id, approver in rows:
        found.setdefault(release_id, set()).add(approver)
    return found


def votes(
    session: Session, assertion_ids: Collection[UUID]
) -> dict[UUID, list[tuple[str, UUID, str]]]:
    """Return the verdicts given so far: which, by whom, in which role."""
    found: dict[UUID, list[tuple[str, UUID, str]]] = {}
    for vote in session.scalars(
        select(AssertionVote)
        .where(AssertionVote.assertion_id.in_(assertion_ids))
        .order_by(AssertionVote.at, AssertionVote.id)
    ):
        found.setdefault(vote.assertion_id, []).append(
            (vote.verdict, vote.voter_id, vote.voter_role)
        )
    return found


def roles_needed(
    session: Session, assertion_ids: Collection[UUID], verdict: str
) -> dict[UUID, list[str]]:
    """Return which roles must give `verdict`, each by another person, as the database asks it."""
    needed = func.assertion_votes_needed(Assertion.id, verdict)
    rows = session.execute(select(Assertion.id, needed).where(Assertion.id.in_(assertion_ids)))
    return {row[0]: list(row[1]) for row in rows}


def names(session: Session, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the full names of people who work here."""
    rows = session.execute(select(User.id, User.full_name).where(User.id.in_(user_ids)))
    return {row[0]: row[1] for row in rows}


def claims(
    session: Session, queue: Queue, ids: Collection[UUID], *, at: datetime
) -> dict[UUID, ReviewClaim]:
    """Return who has taken which item, as far as it still holds."""
    rows = session.scalars(
        select(ReviewClaim)
        .where(
            ReviewClaim.queue == queue,
            ReviewClaim.subject_id.in_(ids),
            ReviewClaim.expires_at > at,
        )
        .execution_options(populate_existing=True)
    )
    return {row.subject_id: row for row in rows}


def opened_by(
    session: Session, user_id: UUID, recording_ids: Collection[UUID], *, since: datetime
) -> set[UUID]:
    """Return those recordings whose sound the ledger says this person asked for since then."""
    return set(
        session.scalars(
            select(CustodyEntry.object_id)
            .where(
                CustodyEntry.object_kind == "recording",
                CustodyEntry.object_id.in_(recording_ids),
                CustodyEntry.act == Act.MEDIA_PLAYED,
                CustodyEntry.actor_id == user_id,
                CustodyEntry.at >= since,
            )
            .distinct()
        )
    )


def periods(session: Session) -> Sequence[SamplePeriod]:
    """Return the periods of samples, the newest first."""
    return session.scalars(select(SamplePeriod).order_by(SamplePeriod.starts_at.desc())).all()


def period_at(session: Session, at: datetime) -> SamplePeriod | None:
    """Return the period that a moment lies in."""
    return session.scalar(
        select(SamplePeriod).where(SamplePeriod.starts_at <= at, SamplePeriod.ends_at > at)
    )
