"""What a pack would change: the decisions that would flip if it were in force. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.consent import queries, rules, service
from app.consent.casefile import Approval, CaseFile, Question, Recipient, Screened, inputs_digest
from app.consent.packs import Pack, for_places
from app.consent.purposes import Outcome, Purpose, RecipientClass, ScreeningResult
from app.consent.review import person
from app.consent.rules import Decision, Tried
from app.consent.spans import WHOLE, Segment
from app.core.paging import Cursor, CursorInvalid
from app.identity.actor import Actor

_R = RecipientClass
STANDARD: tuple[tuple[Purpose, RecipientClass], ...] = (
    (Purpose.DISPUTE_CLIENT, _R.CLIENT_SAME_ENTITY),
    (Purpose.INTERNAL_QUALITY, _R.OWN_STAFF_MANAGER),
    (Purpose.INTERNAL_TRAINING, _R.OWN_STAFF_MANAGER),
    (Purpose.TRANSCRIPTION, _R.OWN_COMPLIANCE),
    (Purpose.CLAIM_DEFENCE, _R.OWN_COUNSEL),
)
"""The questions that every recording is asked in a dry run."""

_NOBODY = UUID(int=0)
_POSSIBLE = frozenset({Outcome.ALLOW, Outcome.NEEDS_APPROVAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a dry run has come: through what is live, then through what is recent."""

    live: UUID | None = None
    recent: Cursor | None = None
    is_recent: bool = False

    def encode(self) -> str:
        if self.is_recent:
            return f"recent.{self.recent.encode() if self.recent else ''}"
        return f"live.{self.live or ''}"

    @classmethod
    def decode(cls, text: str) -> Place:
        """Return the place that `encode` wrote.

        Raises:
            CursorInvalid: the text is something else.
        """
        kind, dot, where = text.partition(".")
        try:
            if dot and kind == "live":
                return cls(live=UUID(where) if where else None)
            if dot and kind == "recent":
                return cls(is_recent=True, recent=Cursor.decode(where) if where else None)
        except ValueError as exc:
            raise CursorInvalid from exc
        raise CursorInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A decision that would change. `approved_anew`: its outcome if the same people agreed again.

    What was approved is bound to the packs it was approved under, so a live release whose place's
    pack changes always ends; `approved_anew` tells whether it could be released again.
    """

    recording_id: UUID
    release_id: UUID | None
    question: Question
    before: Outcome
    after: Outcome
    reasons: tuple[str, ...]
    approved_anew: Outcome | None

    @property
    def is_stricter(self) -> bool:
        return self.after.rank > self.before.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a dry run: how much was looked at, and what would flip."""

    live: int
    recent: int
    decisions: int
    undecided: int
    flips: tuple[Flip, ...]
    next: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The packs before a change and after it."""

    before: Mapping[str, Pack]
    after: Mapping[str, Pack]

    @classmethod
    def to(cls, session: Session, tried: Pack) -> Change:
        """Return what it would be to put `tried` in force now."""
        now = service.in_force(session)
        return cls(before=now, after=now | {tried.jurisdiction: tried})

    @classmethod
    def by(cls, session: Session, active: Pack, replaced: Pack | None) -> Change:
        """Return what it was to put `active` in force in the place of `replaced`."""
        others = service.in_force(session)
        others.pop(active.jurisdiction, None)
        before = {} if replaced is None else {replaced.jurisdiction: replaced}
        return cls(before=others | before, after=others | {active.jurisdiction: active})


class _Trial:
    """Asks each question under the packs before and after a change."""

    def __init__(self, session: Session, change: Change, *, at: datetime) -> None:
        self._session = session
        self._at = at
        self._now = change.before
        self._then = change.after
        self.decisions = 0
        self.undecided = 0
        self.flips: list[Flip] = []

    def gathered(self, recording_ids: Collection[UUID]) -> service.Cases:
        """Ask once for everything that the cases of these recordings depend on."""
        return service.Cases(self._session, recording_ids, packs=self._now)

    def cases(self, known: service.Cases, recording_id: UUID) -> tuple[CaseFile, CaseFile] | None:
        """Return the case under both sets of packs; null where it cannot be judged at all."""
        try:
            case = known.of(recording_id)
        except (ValueError, service.CaseMissing):
            self.undecided += 1
            return None
        places = service.places_of(case.establishment, case.parties)
        return case, replace(case, packs=for_places(self._then, places))

    def decide(self, case: CaseFile, question: Question) -> Decision:
        return rules.decide(case, question, at=self._at)

    def fullest(self, case: CaseFile, question: Question) -> Tried:
        """Try the whole, or the longest part that could go if the whole cannot."""
        whole = rules.try_out(case, question, at=self._at)
        if whole.outcome in _POSSIBLE or not whole.allowed_segments:
            return whole
        longest = max(whole.allowed_segments, key=_length)
        part = rules.try_out(case, replace(question, segment=longest), at=self._at)
        return part if part.outcome in _POSSIBLE else whole

    def note(
        self,
        before: Decision | Tried,
        after: Decision | Tried,
        *,
        release_id: UUID | None,
        anew: Outcome | None,
    ) -> None:
        self.decisions += 1
        if before.outcome == after.outcome:
            return
        self.flips.append(
            Flip(
                recording_id=before.recording_id,
                release_id=release_id,
                question=after.question,
                before=before.outcome,
                after=after.outcome,
                reasons=tuple(reason.text for reason in after.reasons),
                approved_anew=anew,
            )
        )

    def live(self, row: Row[Any], known: service.Cases) -> None:
        """Ask again about a part that has left and is still open."""
        found = self.cases(known, row.recording_id)
        if found is None:
            return
        now, then = found
        question = service.question(
            self._session,
            purpose=Purpose(row.purpose),
            contact_id=row.contact_id,
            segment=Segment(row.from_ms, row.to_ms),
            requested_by=row.requested_by,
            approvals=[_approval(told) for told in row.approvals],
            recording_id=row.recording_id,
        )
        renewed = inputs_digest(then, question)
        again = replace(
            question,
            approvals=tuple(replace(a, inputs_digest=renewed) for a in question.approvals),
        )
        self.note(
            self.decide(now, question),
            self.decide(then, question),
            release_id=row.release_id,
            anew=self.decide(then, again).outcome,
        )

    def recent(self, recording_id: UUID, known: service.Cases, asking: UUID) -> None:
        """Ask the standard questions about a recording."""
        found = self.cases(known, recording_id)
        if found is None:
            return
        now, then = (as_if_screened(case, at=self._at) for case in found)
        if now.packs == then.packs:  # What is tried is of no place that is involved.
            self.decisions += len(STANDARD)
            return
        for purpose, kind in STANDARD:
            recipient = Recipient(recipient_class=kind, client_id=now.client_id, verified=True)
            question = Question(purpose=purpose, recipient=recipient, requested_by=asking)
            before = self.fullest(now, question)
            if before.outcome in _POSSIBLE:
                after = rules.try_out(then, before.question, at=self._at)
            else:
                after = self.fullest(then, question)
            self.note(before, after, release_id=None, anew=None)


def _length(segment: Segment) -> int:
    return segment.end_ms - segment.from_ms


def _approval(told: Mapping[str, str]) -> Approval:
    return Approval(
        by=UUID(told["by"]),
        inputs_digest=told["inputs_digest"],
        at=datetime.fromisoformat(told["at"]),
        role=told["role"],
    )


def as_if_screened(case: CaseFile, *, at: datetime) -> CaseFile:
    """Return the case as it would be if a person had found nothing that must not leave.

    Without that nearly every answer would be that nobody has listened yet. What somebody did find
    stays found.
    """
    if any(screened.result != ScreeningResult.CLEAR for screened in case.screenings):
        return case
    clear = Screened(
        id=_NOBODY,
        segment=WHOLE,
        result=ScreeningResult.CLEAR,
        by=_NOBODY,
        at=at,
    )
    return replace(case, screenings=(*case.screenings, clear))


def dry_run(  # noqa: PLR0913 - the three bounds are named.
    session: Session,
    actor: Actor,
    tried: Pack,
    *,
    start: Place,
    limit: int,
    last: int,
    at: datetime,
) -> Page:
    """Return what would flip if `tried` were in force; see `flipping`."""
    change = Change.to(session, tried)
    return flipping(session, actor, change, start=start, limit=limit, last=last, at=at)


def flipping(  # noqa: PLR0913 - the three bounds are named.
    session: Session,
    actor: Actor,
    change: Change,
    *,
    start: Place,
    limit: int,
    last: int,
    at: datetime,
) -> Page:
    """Return what flips by a change of packs, on one page of at most `limit` cases.

    First every part that has left and is still open is asked about again, with its approvals;
    then the newest `last` recordings are asked the standard questions, as if the recipient were
    verified and the recording screened, unless what was heard in it must not leave.
    """
    trial = _Trial(session, change, at=at)
    rows: Sequence[Row[Any]] = ()
    if not start.is_recent:
        rows = queries.live_disclosures(session, start.live, limit)
        known = trial.gathered([row.recording_id for row in rows])
        for row in rows:
            trial.live(row, known)
        if len(rows) == limit:
            following = Place(live=rows[-1].item_id)
            return _page(trial, live=len(rows), recent=0, following=following)
    left = limit - len(rows)
    found = queries.recent(session, actor, after=start.recent, limit=left, last=last)
    known = trial.gathered([cursor.id for cursor in found])
    for cursor in found:
        trial.recent(cursor.id, known, person(actor))
    more = Place(is_recent=True, recent=found[-1]) if len(found) == left else None
    return _page(trial, live=len(rows), recent=len(found), following=more)


def _page(trial: _Trial, *, live: int, recent: int, following: Place | None) -> Page:
    return Page(
        live=live,
        recent=recent,
        decisions=trial.decisions,
        undecided=trial.undecided,
        flips=tuple(trial.flips),
        next=following,
    )
