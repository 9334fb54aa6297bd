"""What crosses the wire about review."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from app.consent.purposes import Kind
from app.consent.schemas import DryRunRead
from app.core.moments import Moment, Version
from app.core.text import LongText, Text
from app.identity.permissions import Permission
from app.recordings.models import Proof
from app.review import wording
from app.review.batches import BatchOutcome, BatchState, Flip
from app.review.changes import Flipped
from app.review.items import FourEyes, Item
from app.review.models import BatchVerdict, CheckVerdict, SampleCheck, SamplePeriod
from app.review.rules import MOST_IN_A_BATCH, Queue
from app.review.service import QueueState


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class QueueRead(BaseModel):
    """How a queue stands; times in seconds."""

    queue: Queue
    code: str
    title: str
    waiting: int
    oldest_since: AwareDatetime | None
    oldest_seconds: int | None
    allowed_seconds: int
    overdue: int

    @classmethod
    def of(cls, found: QueueState, *, at: datetime, lang: str) -> QueueRead:
        oldest = found.oldest_since
        return cls(
            queue=found.queue,
            code=found.queue.code,
            title=wording.TITLES[found.queue].of(lang),
            waiting=found.count,
            oldest_since=oldest,
            oldest_seconds=int((at - oldest).total_seconds()) if oldest else None,
            allowed_seconds=int(found.allowance.total_seconds()),
            overdue=found.overdue,
        )


class QueueList(BaseModel):
    queues: list[QueueRead]


class WhyRead(BaseModel):
    """A stable code, whom or what it is about, and the words for people."""

    code: str
    subject: str | None
    title: str
    text: str


class StepRead(BaseModel):
    code: str
    text: str


class SpanRead(BaseModel):
    from_ms: int
    to_ms: int | None


class SoundRead(BaseModel):
    """Where the sound should start, and the part to mark."""

    start_ms: int
    span: SpanRead
    audio: str
    waveform: str


class FourEyesRead(BaseModel):
    """Whether you may settle it; if not why, and which roles are still needed."""

    may_decide: bool
    hindrance: str | None
    text: str | None
    roles_needed: list[str]
    roles_text: list[str]


class OwnerRead(BaseModel):
    id: UUID
    name: str
    until: AwareDatetime


class LinksRead(BaseModel):
    """Where to look and what to ask for; what you may not do, or is not wanted here, is null."""

    recording: str | None
    assertion: str | None
    release: str | None
    verify: str | None
    reject: str | None
    propose: str | None
    screen: str | None
    know: str | None
    flips: str | None


class CallRead(BaseModel):
    """What people know the call by; `proof` is the class of what its worst party was told by."""

    client: str | None
    event: str
    started_at: AwareDatetime
    direction: str
    agent: str | None
    line: str | None
    duration_ms: int | None
    proof: Proof | None


class PartyRead(BaseModel):
    """Somebody heard: the label by which evidence names him, and what people call him."""

    label: str
    side: str
    name: str | None


class PackAsked(BaseModel):
    """A pack that is proposed or has come into force."""

    jurisdiction: str
    version: int
    effective_from: date
    activated_at: AwareDatetime | None
    proposed_by: str | None


class ToldRead(BaseModel):
    """Something that evidence says of itself; `text` is what it is called."""

    name: str
    text: str
    value: str


class PaperRead(BaseModel):
    """A document that evidence rests on, and where it is opened."""

    title: str
    file: str


class EvidenceRead(BaseModel):
    """A piece of evidence: what is to be compared with the sound or the papers."""

    kind: str
    kind_text: str
    status: str
    party: str | None
    quote: str | None
    purposes: list[str]
    told: list[ToldRead]
    papers: list[PaperRead]
    proposed_by: str | None
    proposed_at: AwareDatetime


class AskedRead(BaseModel):
    """What a release asks for."""

    purpose: str
    purpose_text: str
    client: str
    contact: str | None
    requested_by: str | None
    requested_at: AwareDatetime
    state: str


class PictureRead(BaseModel):
    """A screenshot that would leave: where it is seen as it would, and was it looked through."""

    preview: str
    is_screened: bool


class ItemRead(BaseModel):
    """One thing that waits for a person.

    `pictures` are the screenshots of a release; `links.screen` is for the first part that was not
    looked through, a recording before a screenshot.
    """

    id: UUID
    queue: Queue
    since: AwareDatetime
    age_seconds: int
    due_at: AwareDatetime
    is_overdue: bool
    why: list[WhyRead]
    next_step: StepRead
    owner: OwnerRead | None
    four_eyes: FourEyesRead
    recording_id: UUID | None
    assertion_id: UUID | None
    release_id: UUID | None
    links: LinksRead
    sound: SoundRead | None
    call: CallRead | None
    evidence: EvidenceRead | None
    asked: AskedRead | None
    pack: PackAsked | None
    parties: list[PartyRead]
    lacks: list[str]
    pictures: list[PictureRead]

    @classmethod
    def of(cls, item: Item, *, at: datetime, lang: str) -> ItemRead:
        return cls(
            id=item.id,
            queue=item.queue,
            since=item.since,
            age_seconds=max(0, int((at - item.since).total_seconds())),
            due_at=item.due_at,
            is_overdue=item.due_at < at,
            why=[_why(one.code, one.subject, lang) for one in item.why],
            next_step=StepRead(code=item.next_step, text=wording.STEPS[item.next_step].of(lang)),
            owner=_owner(item),
            four_eyes=_eyes(item.four_eyes, lang),
            recording_id=item.heard.recording_id if item.heard else None,
            assertion_id=item.assertion.id if item.assertion else None,
            release_id=item.release.id if item.release else None,
            links=_links(item),
            sound=_sound(item),
            call=_call(item),
            evidence=_evidence(item, lang),
            asked=_asked(item, lang),
            pack=_pack(item),
            parties=[PartyRead(label=p.label, side=p.side, name=n) for p, n in item.parties],
            lacks=sorted(item.lacks),
            pictures=[
                PictureRead(
                    preview=f"/v1/exhibits/{one.exhibit_id}/preview",
                    is_screened=not one.lacks_screening,
                )
                for one in item.pictures
            ],
        )


def _why(code: str, subject: str | None, lang: str) -> WhyRead:
    title, text = wording.why(code, lang)
    return WhyRead(code=code, subject=subject, title=title, text=text)


def _owner(item: Item) -> OwnerRead | None:
    if item.owner_id is None or item.owner is None or item.owned_until is None:
        return None
    return OwnerRead(id=item.owner_id, name=item.owner, until=item.owned_until)


def _eyes(eyes: FourEyes, lang: str) -> FourEyesRead:
    said = wording.HINDRANCES[eyes.hindrance].of(lang) if eyes.hindrance else None
    return FourEyesRead(
        may_decide=eyes.may_decide,
        hindrance=eyes.hindrance,
        text=said,
        roles_needed=list(eyes.roles_needed),
        roles_text=[wording.ROLES[role].of(lang) for role in eyes.roles_needed],
    )


def _links(item: Item) -> LinksRead:
    recording = f"/v1/recordings/{item.heard.recording_id}" if item.heard else None
    if item.queue == Queue.SAMPLE:
        verify = reject = f"/v1/review/sample/{item.id}/check"
    elif item.queue == Queue.RELEASES:
        verify, reject = f"/v1/releases/{item.id}/approve", f"/v1/releases/{item.id}/revoke"
    elif item.pack is not None and item.pack.activated_at is None:
        pack = f"/v1/packs/{item.pack.jurisdiction}/{item.pack.version}"
        verify, reject = f"{pack}/activate", f"{pack}/reject"
    elif item.queue == Queue.POLICY:
        verify = f"/v1/review/policy/{item.id}/note"
        reject = ""
    elif item.queue == Queue.ASKED:
        verify = f"/v1/review/asked/{item.id}/note"
        reject = ""
    elif item.queue == Queue.DIFFERS and item.assertion is not None:
        verify = f"/v1/review/differs/{item.id}/note"
        reject = f"/v1/review/assertions/{item.assertion.id}/undo"
    elif item.assertion is not None:
        verify, reject = f"/v1/assertions/{item.id}/verify", f"/v1/assertions/{item.id}/reject"
    else:
        verify = reject = ""
    return LinksRead(
        recording=recording,
        assertion=f"{recording}/assertions" if item.assertion and recording else None,
        release=f"/v1/releases/{item.id}" if item.release else None,
        verify=verify or None,
        reject=reject or None,
        **_offers(item, recording),
    )


def _offers(item: Item, recording: str | None) -> dict[str, str | None]:
    """Return what else can be done about an item, by whoever may."""
    proposes = item.queue in {Queue.UNKNOWN, Queue.MOBILE}
    offers = {
        "propose": (Permission.ASSERTION_PROPOSE, proposes, f"{recording}/assertions"),
        "screen": (
            Permission.SCREENING_RECORD,
            "S_SCREEN_REQUIRED" in item.lacks and _to_screen(item) is not None,
            _to_screen(item) or "",
        ),
        "know": (
            Permission.CONTACT_VERIFY,
            "RCPT_UNVERIFIED" in item.lacks and item.recipient is not None,
            f"/v1/contacts/{item.recipient[0] if item.recipient else ''}/verify",
        ),
        "flips": (Permission.REVIEW_READ, item.pack is not None, _flips_of(item)),
    }
    return {
        name: path if wanted and permission in item.may else None
        for name, (permission, wanted, path) in offers.items()
    }


def _to_screen(item: Item) -> str | None:
    """Return where it is written down what was heard or seen: of a recording, else of a picture."""
    if item.lacks_hearing and item.heard is not None:
        return f"/v1/recordings/{item.heard.recording_id}/screenings"
    unseen = [one for one in item.pictures if one.lacks_screening]
    return f"/v1/exhibits/{unseen[0].exhibit_id}/screenings" if unseen else None


def _flips_of(item: Item) -> str:
    pack = item.pack
    return f"/v1/review/packs/{pack.jurisdiction}/{pack.version}/flips" if pack else ""


def _pack(item: Item) -> PackAsked | None:
    row = item.pack
    if row is None:
        return None
    return PackAsked(
        jurisdiction=row.jurisdiction,
        version=row.version,
        effective_from=row.effective_from,
        activated_at=row.activated_at,
        proposed_by=item.proposer,
    )


def _sound(item: Item) -> SoundRead | None:
    if item.heard is None:
        return None
    base, span = f"/v1/recordings/{item.heard.recording_id}", item.heard.span
    return SoundRead(
        start_ms=span.starts_at_ms,
        span=SpanRead(from_ms=span.from_ms, to_ms=span.to_ms),
        audio=f"{base}/audio",
        waveform=f"{base}/waveform",
    )


def _call(item: Item) -> CallRead | None:
    if item.call is None:
        return None
    recording = item.call.recording
    return CallRead(
        client=item.call.client,
        event=item.call.event.subject,
        started_at=recording.started_at,
        direction=recording.direction,
        agent=recording.agent,
        line=recording.line,
        duration_ms=recording.duration_ms,
        proof=Proof(recording.proof) if recording.proof else None,
    )


def _evidence(item: Item, lang: str) -> EvidenceRead | None:
    row = item.assertion
    if row is None:
        return None
    purposes = wording.words(wording.PURPOSES, lang)
    return EvidenceRead(
        kind=row.kind,
        kind_text=wording.KINDS[row.kind].of(lang),
        status=row.status,
        party=item.party,
        quote=_quote(row.evidence),
        purposes=[purposes.get(purpose, purpose) for purpose in row.purposes],
        told=[
            ToldRead(
                name=name, text=wording.TOLD[name].of(lang), value=wording.value(name, value, lang)
            )
            for name, value in item.told.items()
        ],
        papers=[
            PaperRead(title=one.title, file=f"/v1/documents/{one.id}/file") for one in item.papers
        ],
        proposed_by=item.proposer,
        proposed_at=row.proposed_at,
    )


def _quote(evidence: dict[str, object]) -> str | None:
    """Return the words that are said to be heard, wherever the kind keeps them."""
    answer, heard = evidence.get("answer"), evidence.get("heard")
    for place in (evidence, answer, heard):
        said = place.get("quote") if isinstance(place, dict) else None
        if isinstance(said, str) and said:
            return said[:500]
    return None


def _asked(item: Item, lang: str) -> AskedRead | None:
    row = item.release
    if row is None:
        return None
    said = wording.PURPOSES.get(row.purpose)
    return AskedRead(
        purpose=row.purpose,
        purpose_text=said.of(lang) if said else row.purpose,
        client=row.client_name,
        contact=item.recipient[1] if item.recipient else None,
        requested_by=item.proposer,
        requested_at=row.requested_at,
        state=row.state,
    )


class ItemList(BaseModel):
    items: list[ItemRead]
    next_cursor: str | None


class ClaimRead(BaseModel):
    queue: Queue
    id: UUID
    until: AwareDatetime


class NoteWrite(_Told):
    note: LongText


class ReasonWrite(_Told):
    reason: LongText


class UndoRead(BaseModel):
    """The evidence that is now current: the same put up for invalidation, or a new proposal."""

    assertion_id: UUID
    status: str
    is_new: bool


class BatchQuery(_Told):
    """All waiting evidence of a kind, narrowed to what is named."""

    kind: Kind
    line: Text | None = None
    agent: Text | None = None
    notice_id: UUID | None = None
    notice_version: Version | None = None
    proposed_before: Moment | None = None


class BatchCreate(_Told):
    """A list to freeze: pieces by id, or a query; never both."""

    queue: Literal["proposed"] = "proposed"
    assertion_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_IN_A_BATCH)] | None = (
        None
    )
    query: BatchQuery | None = None

    @model_validator(mode="after")
    def _one_way(self) -> BatchCreate:
        if (self.assertion_ids is None) == (self.query is None):
            raise ValueError("give assertion_ids or query")
        return self


class BatchItemRead(BaseModel):
    assertion_id: UUID
    recording_id: UUID
    must_be_opened: bool
    is_opened: bool


class BatchRead(BaseModel):
    id: UUID
    kind: str
    digest: str
    pick_seed: str
    made_by: UUID
    made_at: AwareDatetime
    verdict: BatchVerdict | None
    decided_by: UUID | None
    decided_at: AwareDatetime | None
    undone_at: AwareDatetime | None
    to_open: int
    still_to_open: int
    items: list[BatchItemRead]

    @classmethod
    def of(cls, found: BatchState) -> BatchRead:
        batch = found.batch
        return cls(
            id=batch.id,
            kind=batch.kind,
            digest=batch.digest.hex(),
            pick_seed=batch.pick_seed.hex(),
            made_by=batch.made_by,
            made_at=batch.made_at,
            verdict=BatchVerdict(batch.verdict) if batch.verdict else None,
            decided_by=batch.decided_by,
            decided_at=batch.decided_at,
            undone_at=batch.undone_at,
            to_open=sum(item.must_be_opened for item in found.items),
            still_to_open=len(found.missing),
            items=[
                BatchItemRead(
                    assertion_id=item.assertion_id,
                    recording_id=item.recording_id,
                    must_be_opened=item.must_be_opened,
                    is_opened=item.recording_id in found.opened,
                )
                for item in found.items
            ],
        )


class FlipRead(BaseModel):
    """`what` is `flag`, or a purpose and a recipient."""

    recording_id: UUID
    what: str
    before: str
    after: str

    @classmethod
    def of(cls, flip: Flip) -> FlipRead:
        return cls(
            recording_id=flip.recording_id, what=flip.what, before=flip.before, after=flip.after
        )


class FlipList(BaseModel):
    verdict: BatchVerdict
    count: int
    items: list[FlipRead]


class EndedRead(BaseModel):
    """A release that a change has closed."""

    release_id: UUID
    client: str
    purpose: str
    ended_at: AwareDatetime | None


class PackFlips(BaseModel):
    """One page of what flips by a pack: `is_in_force` tells whether it did, or only would.

    A flip to a stricter answer applies at once and closes what it reaches, which `ended` lists; one
    to a softer answer applies to new requests alone.
    """

    jurisdiction: str
    version: int
    is_in_force: bool
    found: DryRunRead
    ended: list[EndedRead]

    @classmethod
    def of(cls, found: Flipped) -> PackFlips:
        row = found.kept.row
        return cls(
            jurisdiction=found.kept.pack.jurisdiction,
            version=found.kept.pack.version,
            is_in_force=row is None or row.activated_at is not None,
            found=DryRunRead.of(found.page),
            ended=[
                EndedRead(
                    release_id=one.id,
                    client=one.client_name,
                    purpose=one.purpose,
                    ended_at=one.revoked_at,
                )
                for one in found.ended
            ],
        )


class BatchDecide(_Told):
    verdict: BatchVerdict
    reason: LongText | None = None


class SkippedRead(BaseModel):
    assertion_id: UUID
    why: str


class BatchDone(BaseModel):
    settled: int
    waiting_for_second: int
    skipped: list[SkippedRead]

    @classmethod
    def of(cls, done: BatchOutcome) -> BatchDone:
        return cls(
            settled=done.settled,
            waiting_for_second=done.waiting_for_second,
            skipped=[SkippedRead(assertion_id=s.assertion_id, why=s.why) for s in done.skipped],
        )


class PeriodCreate(_Told):
    """How a coming period's sample is drawn; `low` and `high` are the band that is all checked."""

    starts_at: Moment
    ends_at: Moment
    percent: Annotated[int, Field(ge=0, le=100)] = 5
    low: float | None = None
    high: float | None = None
    error_percent: Annotated[int, Field(ge=0, le=100)] = 5
    least_checked: Annotated[int, Field(ge=1, le=10_000)] = 20


class PeriodRead(BaseModel):
    id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    seed: str
    percent: int
    low: float | None
    high: float | None
    error_percent: int
    least_checked: int
    published_at: AwareDatetime

    @classmethod
    def of(cls, row: SamplePeriod) -> PeriodRead:
        fields = {name: getattr(row, name) for name in cls.model_fields}
        return cls.model_validate(fields | {"seed": row.seed.hex()})


class PeriodList(BaseModel):
    items: list[PeriodRead]


class CheckWrite(_Told):
    verdict: CheckVerdict
    reason: LongText | None = None


class CheckRead(BaseModel):
    assertion_id: UUID
    period_id: UUID
    verdict: CheckVerdict
    notice_id: UUID
    notice_version: int
    auto_verify_off_at: AwareDatetime | None

    @classmethod
    def of(cls, row: SampleCheck, *, off_at: datetime | None) -> CheckRead:
        return cls(
            assertion_id=row.assertion_id,
            period_id=row.period_id,
            verdict=CheckVerdict(row.verdict),
            notice_id=row.text_id,
            notice_version=row.version,
            auto_verify_off_at=off_at,
        )


class ReportRead(BaseModel):
    name: str
    since: AwareDatetime
    until: AwareDatetime
    rows: list[dict[str, str | int | float | None]]
