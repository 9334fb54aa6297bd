"""What an item of a queue shows: why it is here, what to hear, and who may settle it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.consent import service as consent
from app.consent.casefile import CaseFile
from app.consent.models import Assertion, PolicyPackRow, Verdict
from app.consent.packs import DEFAULT
from app.consent.purposes import BLOCKS, Kind, Side, Status
from app.identity.actor import Actor
from app.identity.permissions import Permission, Role
from app.inspection.models import DifferenceKind
from app.recordings.models import Party
from app.releases import service as disclosing
from app.releases.models import Release, ReleaseState, ReleaseWish
from app.releases.queries import exhibits as exhibits_of
from app.review import queries
from app.review.models import ReviewAsk, ReviewClaim
from app.review.queries import Call
from app.review.rules import Queue, Span, block_due, score_of, span_of
from app.review.saying import Paper, Said

_MAY_SETTLE = {
    Kind.OTHER_GROUND: frozenset({Role.APPROVER, Role.LEGAL}),
    Kind.LEGAL_DEMAND: frozenset({Role.LEGAL}),
}
_SCREENING = "S_SCREEN_REQUIRED"
_COMPLIANCE_FINDS = frozenset({"S_SCREEN_REQUIRED", "RCPT_UNVERIFIED"})
"""What a release lacks until somebody of compliance has listened, or knows the recipient."""
_MAY_APPROVE = frozenset({Role.APPROVER, Role.LEGAL})
_SETTLED: dict[tuple[str, bool], str] = {
    (Status.PROPOSED, False): "W_NOT_DECIDED",
    (Status.VERIFIED, False): "W_VERIFIED_BY_RULE",
    (Status.VERIFIED, True): "W_VERIFIED",
    (Status.REJECTED, True): "W_REJECTED",
    (Status.INVALIDATED, True): "W_INVALIDATED",
}
_DIFFERS: dict[str, str] = {
    DifferenceKind.HEARD: "W_HEARD_NOW",
    DifferenceKind.NOT_HEARD: "W_NOT_HEARD_NOW",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A reason to be in the queue: its stable code, and whom or what it is about."""

    code: str
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Where the sound should start, and the part that shows what is said."""

    recording_id: UUID
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class FourEyes:
    """Whether the asker may settle it; if not why, and which roles are still needed."""

    may_decide: bool
    hindrance: str | None = None
    roles_needed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A screenshot that would leave, by the exhibit that shows it so, and what it lacks."""

    exhibit_id: UUID
    lacks_screening: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that waits for a person. `lacks_hearing`: a recording was not listened through."""

    queue: Queue
    id: UUID
    place_at: datetime
    since: datetime
    due_at: datetime
    why: tuple[Why, ...]
    next_step: str
    heard: Heard | None
    assertion: Assertion | None = None
    release: Release | None = None
    pack: PolicyPackRow | None = None
    call: Call | None = None
    parties: tuple[tuple[Party, str | None], ...] = ()
    recipient: tuple[UUID, str] | None = None
    lacks: frozenset[str] = frozenset()
    lacks_hearing: bool = False
    pictures: tuple[Picture, ...] = ()
    may: frozenset[Permission] = frozenset()
    party: str | None = None
    proposer: str | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    papers: tuple[Paper, ...] = ()
    four_eyes: FourEyes
    owner: str | None = None
    owner_id: UUID | None = None
    owned_until: datetime | None = None


def _to_hear(said: Sequence[tuple[ReleaseWish, set[str]]]) -> tuple[bool, Heard | None]:
    """Return whether a recording was not listened through, and the part to hear; that one first.

    None: the release has screenshots alone.
    """
    parts = [
        (
            Heard(
                recording_id=wish.recording_id, span=Span(from_ms=wish.from_ms, to_ms=wish.to_ms)
            ),
            _SCREENING in reasons,
        )
        for wish, reasons in said
        if wish.recording_id is not None
    ]
    parts.sort(key=lambda one: not one[1])
    return (parts[0][1], parts[0][0]) if parts else (False, None)


def _said_by(ask: ReviewAsk, names: Mapping[UUID, str]) -> str:
    """Return who asked for a review, and his words if he said any."""
    return ": ".join(part for part in (names.get(ask.asked_by), ask.words) if part)


_Row = tuple[UUID, datetime, datetime]


def of(
    session: Session, actor: Actor, queue: Queue, rows: Sequence[_Row], *, at: datetime
) -> list[Item]:
    """Return the items of `rows`, in their order."""
    ids = [row[0] for row in rows]
    claims = queries.claims(session, queue, ids, at=at)
    owners = queries.names(session, {claim.user_id for claim in claims.values()})
    build = _Builder(session, actor, queue, claims, owners)
    if queue in {Queue.UNKNOWN, Queue.MOBILE}:
        return build.recordings(rows)
    if queue == Queue.DIFFERS:
        return build.differences(rows)
    if queue == Queue.ASKED:
        return build.asked(rows)
    if queue == Queue.RELEASES:
        return build.releases(rows, at=at)
    if queue == Queue.POLICY:
        return build.changes(rows, at=at)
    return build.assertions(rows, at=at)


@dataclass(frozen=True, slots=True)
class _Builder:
    session: Session
    actor: Actor
    queue: Queue
    claims: dict[UUID, ReviewClaim]
    owners: dict[UUID, str]

    def _item(  # noqa: PLR0913 - an item has these parts.
        self,
        row: _Row,
        *,
        due_at: datetime | None = None,
        why: Sequence[Why],
        next_step: str,
        heard: Heard | None,
        call: Call | None,
        four_eyes: FourEyes,
        assertion: Assertion | None = None,
        release: Release | None = None,
        pack: PolicyPackRow | None = None,
        parties: Sequence[tuple[Party, str | None]] = (),
        recipient: tuple[UUID, str] | None = None,
        lacks: Collection[str] = (),
        lacks_hearing: bool = False,
        pictures: tuple[Picture, ...] = (),
        party: str | None = None,
        proposer: str | None = None,
        told: Mapping[str, str] | None = None,
        papers: Sequence[Paper] = (),
    ) -> Item:
        subject_id, place_at, since = row
        claim = self.claims.get(subject_id)
        return Item(
            queue=self.queue,
            id=subject_id,
            place_at=place_at,
            since=since,
            due_at=due_at or since + self.queue.allowance,
            why=tuple(why),
            next_step=next_step,
            heard=heard,
            assertion=assertion,
            release=release,
            pack=pack,
            parties=tuple(parties),
            recipient=recipient,
            lacks=frozenset(lacks),
            lacks_hearing=lacks_hearing,
            pictures=pictures,
            may=self.actor.permissions,
            call=call,
            party=party,
            proposer=proposer,
            told=told or {},
            papers=tuple(papers),
            four_eyes=four_eyes,
            owner=self.owners.get(claim.user_id) if claim else None,
            owner_id=claim.user_id if claim else None,
            owned_until=claim.expires_at if claim else None,
        )

    def _reads_only(self) -> FourEyes | None:
        if Permission.REVIEW_DECIDE not in self.actor.permissions:
            return FourEyes(may_decide=False, hindrance="READS_ONLY")
        return None

    def recordings(self, rows: Sequence[_Row]) -> list[Item]:
        ids = [row[0] for row in rows]
        calls = queries.calls(self.session, ids)
        heard = queries.parties(self.session, ids)
        silent = queries.heard_nothing(self.session, ids)
        items = []
        for row in rows:
            call, parties = calls[row[0]], heard.get(row[0], [])
            named = any(party.side != Side.OWN for party, _ in parties)
            why = [Why(code="C_UNKNOWN" if named else "C_NOBODY_KNOWN")]
            if self.queue == Queue.MOBILE:
                why = [Why(code="W_MOBILE_OLD"), *why]
            elif call.recording.inspection_state == "failed":
                why.append(Why(code="W_NOT_INSPECTED", subject=call.recording.inspection_reason))
            if row[0] in silent:
                why.append(Why(code="W_HEARD_NOTHING"))
            is_mobile = self.queue == Queue.MOBILE
            items.append(
                self._item(
                    row,
                    why=why,
                    next_step="N_CLEAR_OR_ERASE" if is_mobile else "N_LISTEN_AND_PROPOSE",
                    heard=Heard(recording_id=row[0], span=Span(from_ms=0, to_ms=None)),
                    call=call,
                    parties=parties,
                    four_eyes=self._reads_only() or FourEyes(may_decide=False),
                )
            )
        return items

    def asked(self, rows: Sequence[_Row]) -> list[Item]:
        """Return what people asked to be looked at, in the order of `rows`."""
        asks = queries.asks(self.session, [row[0] for row in rows])
        ids = [one.recording_id for one in asks.values()]
        calls = queries.calls(self.session, ids)
        heard = queries.parties(self.session, ids)
        names = queries.names(self.session, {one.asked_by for one in asks.values()})
        return [
            self._item(
                row,
                why=[Why(code="W_ASKED", subject=_said_by(asks[row[0]], names))],
                next_step="N_LISTEN_AND_NOTE",
                heard=Heard(
                    recording_id=asks[row[0]].recording_id, span=Span(from_ms=0, to_ms=None)
                ),
                call=calls[asks[row[0]].recording_id],
                parties=heard.get(asks[row[0]].recording_id, []),
                proposer=names.get(asks[row[0]].asked_by),
                four_eyes=self._reads_only() or FourEyes(may_decide=True),
            )
            for row in rows
        ]

    def changes(self, rows: Sequence[_Row], *, at: datetime) -> list[Item]:
        """Return the releases that flipped and the packs that change, in the order of `rows`."""
        kept = queries.packs(self.session, [row[0] for row in rows])
        made = {
            item.id: item for item in self.releases([r for r in rows if r[0] not in kept], at=at)
        }
        made |= {item.id: item for item in self._packs([r for r in rows if r[0] in kept], kept)}
        return [made[row[0]] for row in rows]

    def _packs(self, rows: Sequence[_Row], kept: dict[UUID, PolicyPackRow]) -> list[Item]:
        people = queries.names(self.session, {kept[row[0]].created_by for row in rows})
        items = []
        for row in rows:
            pack = kept[row[0]]
            named = f"{pack.jurisdiction} {pack.version}"
            in_force = pack.activated_at is not None
            why = [Why(code="W_PACK_IN_FORCE" if in_force else "W_PACK_PROPOSED", subject=named)]
            if not in_force and pack.activated_by is not None:
                why.append(Why(code="W_SECOND_NEEDED"))
            items.append(
                self._item(
                    row,
                    why=why,
                    next_step="N_READ_FLIPS" if in_force else "N_AGREE_OR_REJECT",
                    heard=None,
                    call=None,
                    pack=pack,
                    proposer=people.get(pack.created_by),
                    four_eyes=self._agreeing(pack),
                )
            )
        return items

    def _agreeing(self, pack: PolicyPackRow) -> FourEyes:
        reads_only = self._reads_only()
        if reads_only or pack.activated_at is not None:
            return reads_only or FourEyes(may_decide=True)
        needed = ("approver",) if pack.activated_by else ("approver", "approver|legal")
        if self.actor.id == pack.created_by:
            return FourEyes(may_decide=False, hindrance="PROPOSED_IT", roles_needed=needed)
        if Permission.POLICY_ACTIVATE not in self.actor.permissions:
            return FourEyes(may_decide=False, hindrance="ROLE", roles_needed=needed)
        if self.actor.id == pack.activated_by:
            return FourEyes(may_decide=False, hindrance="GIVEN", roles_needed=needed)
        return FourEyes(may_decide=True, roles_needed=needed)

    def releases(self, rows: Sequence[_Row], *, at: datetime) -> list[Item]:
        ids = [row[0] for row in rows]
        found = queries.releases(self.session, ids)
        wishes = queries.wishes(self.session, ids)
        approvers = queries.approvers(self.session, ids)
        heard = {w.recording_id for parts in wishes.values() for w, _ in parts if w.recording_id}
        calls = queries.calls(self.session, heard)
        askers = queries.names(self.session, {r.requested_by for r in found.values()})
        contacts = queries.contacts(self.session, {r.contact_id for r in found.values()})
        items = []
        for row in rows:
            release, parts = found[row[0]], wishes.get(row[0], [])
            said = self._said(release, parts, at=at)
            codes = sorted(set().union(*(reasons for _, reasons in said)))
            unheard, shown = _to_hear(said)
            why = [Why(code=c, subject=s or None) for c, _, s in (r.partition(":") for r in codes)]
            items.append(
                self._item(
                    row,
                    why=why or [Why(code="W_APPROVAL_ASKED")],
                    next_step=self._release_step(release, codes),
                    heard=shown,
                    call=calls.get(shown.recording_id) if shown else None,
                    release=release,
                    recipient=(release.contact_id, contacts[release.contact_id]),
                    lacks=_COMPLIANCE_FINDS.intersection(codes),
                    lacks_hearing=unheard,
                    pictures=self._pictures(release, said),
                    proposer=askers.get(release.requested_by),
                    four_eyes=self._approval(release, codes, approvers.get(release.id, set())),
                )
            )
        return items

    def _said(
        self,
        release: Release,
        parts: Sequence[tuple[ReleaseWish, list[str]]],
        *,
        at: datetime,
    ) -> list[tuple[ReleaseWish, set[str]]]:
        """Return what is said of each part: now while it waits, else what was said at last."""
        if self.queue != Queue.RELEASES:
            return [(wish, set(reasons)) for wish, reasons in parts]
        asked = [wish for wish, _ in parts]
        found = disclosing.standing(self.session, release, asked, at=at)
        return [(wish, {reason.text for reason in d.reasons}) for wish, d in found]

    def _pictures(
        self, release: Release, said: Sequence[tuple[ReleaseWish, set[str]]]
    ) -> tuple[Picture, ...]:
        """Return the screenshots by the exhibits that show them with the same areas black."""
        if release.dispute_id is None or all(wish.screenshot_id is None for wish, _ in said):
            return ()
        shown = exhibits_of(self.session, release.dispute_id)
        found = []
        for wish, reasons in said:
            same = [
                one
                for one in shown
                if wish.screenshot_id is not None
                and (one.screenshot_id, one.areas) == (wish.screenshot_id, wish.areas)
            ]
            if same:
                lacks = _SCREENING in reasons
                found.append(Picture(exhibit_id=same[-1].id, lacks_screening=lacks))
        return tuple(found)

    def _release_step(self, release: Release, codes: Sequence[str]) -> str:
        if self.queue == Queue.RELEASES:
            lacks = _COMPLIANCE_FINDS.intersection(codes)
            return "N_LOOK_FIRST" if lacks else "N_APPROVE_OR_DENY"
        return "N_TELL_RECIPIENT" if release.state == ReleaseState.REVOKED else "N_LOOK_AGAIN"

    def _approval(self, release: Release, codes: Sequence[str], given: set[UUID]) -> FourEyes:
        reads_only = self._reads_only()
        if reads_only or self.queue == Queue.POLICY:
            return reads_only or FourEyes(may_decide=True)
        several = any(c.startswith(("A_COMPLIANCE_2", "A_COUNSEL")) for c in codes)
        needed = ("legal",) if "A_LEGAL" in codes else ("approver|legal",) * (1 + several)
        needed = needed[len(given) :] or needed[:1]
        if self.actor.id == release.requested_by:
            return FourEyes(may_decide=False, hindrance="REQUESTED_IT", roles_needed=needed)
        if self.actor.role not in _MAY_APPROVE:
            return FourEyes(may_decide=False, hindrance="ROLE", roles_needed=needed)
        if self.actor.id in given:
            return FourEyes(may_decide=False, hindrance="GIVEN", roles_needed=needed)
        return FourEyes(may_decide=True, roles_needed=needed)

    def assertions(self, rows: Sequence[_Row], *, at: datetime) -> list[Item]:
        found = queries.assertions(self.session, [row[0] for row in rows])
        calls = queries.calls(
            self.session, {a.recording_id for a in found.values() if a.recording_id}
        )
        labels = queries.labels(self.session, {a.party_id for a in found.values() if a.party_id})
        people = queries.names(
            self.session, {a.proposed_by for a in found.values() if a.proposed_by}
        )
        eyes = _Eyes.load(self.session, self.actor, found)
        said = Said.load(self.session, found.values())
        items = []
        for row in rows:
            a = found[row[0]]
            call = calls.get(a.recording_id) if a.recording_id else None
            label = labels.get(a.party_id) if a.party_id else None
            items.append(
                self._item(
                    row,
                    due_at=self._due(a, at=at) if a.kind in BLOCKS else None,
                    why=self._why(a, label, eyes),
                    next_step=self._assertion_step(a, eyes),
                    heard=_heard(a),
                    call=call,
                    assertion=a,
                    party=label,
                    proposer=people.get(a.proposed_by) if a.proposed_by else a.proposed_service,
                    told=said.of(a),
                    papers=said.papers(a),
                    four_eyes=self._settling(a, eyes),
                )
            )
        return items

    def differences(self, rows: Sequence[_Row]) -> list[Item]:
        found = queries.differences(self.session, [row[0] for row in rows])
        settled = queries.assertions(self.session, {d.assertion_id for d, _ in found.values()})
        calls = queries.calls(self.session, {d.recording_id for d, _ in found.values()})
        parties = {a.party_id for a in settled.values() if a.party_id}
        labels = queries.labels(self.session, parties)
        people = queries.names(
            self.session, {a.decided_by for a in settled.values() if a.decided_by}
        )
        items = []
        for row in rows:
            difference, hit = found[row[0]]
            a = settled[difference.assertion_id]
            who = people.get(a.decided_by) if a.decided_by else None
            said = Why(code=_SETTLED[a.status, a.decided_by is not None], subject=who)
            now = Why(code=_DIFFERS[difference.kind], subject=difference.method_version)
            heard = _heard(a)
            if hit is not None:
                span = Span(from_ms=hit.start_ms, to_ms=hit.end_ms)
                heard = Heard(recording_id=hit.recording_id, span=span)
            items.append(
                self._item(
                    row,
                    why=[said, now],
                    next_step="N_STANDS_OR_UNDO",
                    heard=heard,
                    call=calls.get(difference.recording_id),
                    assertion=a,
                    party=labels.get(a.party_id) if a.party_id else None,
                    proposer=a.proposed_service,
                    four_eyes=self._reads_only() or FourEyes(may_decide=True),
                )
            )
        return items

    def _due(self, a: Assertion, *, at: datetime) -> datetime:
        days = None
        if a.kind == Kind.WITHDRAWAL and a.recording_id is not None:
            days = _withdrawal_days(consent.case_file(self.session, a.recording_id, at=at))
        since = _received_at(a)
        return block_due(since=since, withdrawal_days=days, is_withdrawal=a.kind == Kind.WITHDRAWAL)

    def _why(self, a: Assertion, label: str | None, eyes: _Eyes) -> list[Why]:
        if self.queue == Queue.SAMPLE:
            score = score_of(a.evidence)
            return [Why(code="W_SAMPLED", subject=None if score is None else f"{score:g}")]
        if self.queue == Queue.BLOCKS:
            word = "PROPOSED" if a.status == Status.PROPOSED else ""
            code = {
                (Kind.REFUSAL, "PROPOSED"): "C_REFUSAL_PROPOSED",
                (Kind.REFUSAL, ""): "C_REFUSED",
                (Kind.WITHDRAWAL, "PROPOSED"): "C_WITHDRAWAL_PROPOSED",
                (Kind.WITHDRAWAL, ""): "C_WITHDRAWN",
            }[Kind(a.kind), word]
            return [Why(code=code, subject=label)]
        why = [Why(code="C_PENDING", subject=label)]
        if eyes.given(a.id, Verdict.VERIFY):
            why.append(Why(code="W_SECOND_NEEDED"))
        elif len(eyes.needed.get(a.id, ())) > 1:
            why.append(Why(code="W_TWO_NEEDED"))
        return why

    def _assertion_step(self, a: Assertion, eyes: _Eyes) -> str:
        if self.queue == Queue.SAMPLE:
            return "N_CHECK"
        if a.status != Status.PROPOSED:
            return "N_ERASE_OR_GROUND"
        if eyes.given(a.id, Verdict.VERIFY) or eyes.given(a.id, Verdict.REJECT):
            return "N_SECOND_PERSON"
        return "N_CONFIRM_OR_REJECT" if self.queue == Queue.BLOCKS else "N_VERIFY_OR_REJECT"

    def _settling(  # noqa: PLR0911 - one way out per hindrance.
        self, a: Assertion, eyes: _Eyes
    ) -> FourEyes:
        reads_only = self._reads_only()
        if reads_only:
            return reads_only
        if self.queue == Queue.SAMPLE:
            return FourEyes(may_decide=True)
        if a.status != Status.PROPOSED:
            return FourEyes(may_decide=False, hindrance="SETTLED")
        needed = eyes.still_needed(a.id)
        if a.proposed_by == self.actor.id:
            return FourEyes(may_decide=False, hindrance="PROPOSED_IT", roles_needed=needed)
        allowed = _MAY_SETTLE.get(Kind(a.kind))
        if allowed is not None and self.actor.role not in allowed:
            return FourEyes(
                may_decide=False, hindrance="ROLE", roles_needed=tuple(sorted(map(str, allowed)))
            )
        if self.actor.id in eyes.voters(a.id):
            return FourEyes(may_decide=False, hindrance="GIVEN", roles_needed=needed)
        return FourEyes(may_decide=True, roles_needed=needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Eyes:
    """The verdicts that were given, and the roles whose verdict makes it true."""

    needed: dict[UUID, list[str]]
    votes: dict[UUID, list[tuple[str, UUID, str]]]

    @classmethod
    def load(cls, session: Session, _actor: Actor, found: dict[UUID, Assertion]) -> _Eyes:
        ids = list(found)
        return cls(
            needed=queries.roles_needed(session, ids, Verdict.VERIFY),
            votes=queries.votes(session, ids),
        )

    def given(self, assertion_id: UUID, verdict: Verdict) -> bool:
        return any(said == verdict for said, _, _ in self.votes.get(assertion_id, ()))

    def voters(self, assertion_id: UUID) -> set[UUID]:
        return {voter for _, voter, _ in self.votes.get(assertion_id, ())}

    def still_needed(self, assertion_id: UUID) -> tuple[str, ...]:
        """Return the roles whose yes is missing; `any` is any of compliance."""
        waiting = list(self.needed.get(assertion_id, ()))
        roles = [
            role for said, _, role in self.votes.get(assertion_id, ()) if said == Verdict.VERIFY
        ]
        for role in roles:
            if role in waiting:
                waiting.remove(role)
            elif "any" in waiting:
                waiting.remove("any")
        return tuple(waiting)


def _heard(a: Assertion) -> Heard | None:
    if a.recording_id is None:
        return None
    return Heard(recording_id=a.recording_id, span=span_of(a.evidence, from_ms=a.from_ms))


def _received_at(a: Assertion) -> datetime:
    """Return when a withdrawal came in, as its evidence says; at the latest when it was noted."""
    said = a.evidence.get("received_at")
    try:
        received = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        received = None
    if received is None or received.tzinfo is None:
        return a.proposed_at
    return min(received, a.proposed_at)


def _withdrawal_days(case: CaseFile) -> int | None:
    """Return the shortest clock of the places of those outside; the unknown place counts."""
    places = {p.place for p in case.parties if p.side != Side.OWN}
    packs = [case.packs.get(place or DEFAULT) or case.packs[DEFAULT] for place in places]
    known = [p.demands.withdrawal_days for p in packs if p.demands.withdrawal_days is not None]
    return min(known, default=None)
