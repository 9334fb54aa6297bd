"""What crosses the wire about consent."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from app.consent.evidence import MAX_DEPTH, is_deep
from app.consent.flips import Flip, Page
from app.consent.models import Assertion, NoticeText, NoticeTextSetAside, PackSetAside, SetAside
from app.consent.packs import Mark
from app.consent.policy import Kept, PackState
from app.consent.purposes import (
    Kind,
    Outcome,
    PlaceBy,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Side,
    Status,
    Strength,
)
from app.consent.shipped import Template, TemplateKind
from app.core.moments import Milliseconds, Moment, Version
from app.core.text import LongText, Text
from app.recordings.models import Proof
from app.recordings.schemas import ProofRead

Prose = Annotated[LongText, StringConstraints(min_length=3)]


def _shallow(told: dict[str, Any]) -> dict[str, Any]:
    if is_deep(told):
        raise ValueError(f"lists and objects lie in each other at most {MAX_DEPTH} deep")
    return told


Evidence = Annotated[dict[str, Any], AfterValidator(_shallow)]


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NoticeTextTold(_Told):
    """The metadata of a notice text; `id` for a further version of one that is there."""

    id: UUID | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")]
    text: Prose
    purposes: Annotated[list[Purpose], Field(min_length=1)]
    recipients: list[RecipientClass] = []
    lines: list[Text] = []
    valid_from: Moment


class SharedRead(BaseModel):
    """That `percent` of the speech of a reference, or of the other's, is the same sound."""

    text_id: UUID
    version: int
    percent: int


class NoticeTextCreated(BaseModel):
    """What was kept. From about half on, `shares` is a warning: only the rest tells them apart."""

    id: UUID
    version: int
    shares: list[SharedRead]

    @classmethod
    def of(cls, row: NoticeText) -> NoticeTextCreated:
        return cls.model_validate({"id": row.id, "version": row.version, "shares": row.shares})


class TemplateRead(BaseModel):
    """A text that comes with the product. `mark` says whose approval it waits for."""

    key: str
    kind: TemplateKind
    language: str
    title: str
    text: str
    mark: str
    purposes: list[Purpose]
    recipients: list[RecipientClass]
    audio_sha256: str | None
    voice: str | None
    made_with: str | None

    @classmethod
    def of(cls, found: Template) -> TemplateRead:
        spoken = found.spoken
        return cls(
            key=found.key,
            kind=found.kind,
            language=found.language,
            title=found.title,
            text=found.text,
            mark=found.mark,
            purposes=[Purpose(one) for one in found.purposes],
            recipients=[RecipientClass(one) for one in found.recipients],
            audio_sha256=spoken.sha256 if spoken else None,
            voice=spoken.voice if spoken else None,
            made_with=spoken.made_with if spoken else None,
        )


class TemplateList(BaseModel):
    items: list[TemplateRead]


class TemplateInstall(_Told):
    """On which lines an announcement is played (none: on all), and since when; else since now."""

    lines: list[Text] = []
    valid_from: Moment | None = None


class DraftEnded(BaseModel):
    """How a draft ended that never came into force: who put it aside, and why."""

    how: SetAside
    by: UUID
    reason: str
    at: AwareDatetime

    @classmethod
    def of(cls, row: NoticeTextSetAside | PackSetAside | None) -> DraftEnded | None:
        if row is None:
            return None
        return cls(how=SetAside(row.how), by=row.set_by, reason=row.reason, at=row.at)


class DraftEnd(_Told):
    """Why a draft is put aside."""

    reason: Prose


class NoticeTextEnd(DraftEnd):
    """Which version of a text is put aside, and why; the latest if none is named."""

    version: Version | None = None


class NoticeTextRead(BaseModel):
    id: UUID
    version: int
    language: str
    text: str
    purposes: list[Purpose]
    recipients: list[RecipientClass]
    lines: list[str]
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None
    media_type: str
    audio_sha256: str
    created_by: UUID
    created_at: AwareDatetime
    approved_by: UUID | None
    approved_at: AwareDatetime | None
    template: str | None
    mark: str | None
    lawyer_reviewed_by: str | None
    shares: list[SharedRead]
    ended: DraftEnded | None

    @classmethod
    def of(cls, row: NoticeText, ended: NoticeTextSetAside | None = None) -> NoticeTextRead:
        fields = {name: getattr(row, name) for name in cls.model_fields if name != "ended"}
        more = {"audio_sha256": row.audio_sha256.hex(), "ended": DraftEnded.of(ended)}
        return cls.model_validate(fields | more)


class NoticeTextApproval(_Told):
    """Which version is approved; the latest if none is named.

    A text that came with the product needs the name of the lawyer who reviewed it.
    """

    version: Version | None = None
    lawyer_reviewed_by: Text | None = None


class AssertionCreate(_Told):
    """A piece of evidence. `party` is a label of the recording; `wide`: true of him elsewhere."""

    kind: Kind
    evidence: Evidence
    party: Text | None = None
    wide: bool = False
    from_ms: Milliseconds | None = None
    to_ms: Milliseconds | None = None
    valid_from: Moment | None = None
    valid_to: Moment | None = None
    purposes: list[Purpose] = []
    recipients: list[Text] = []
    supersedes: UUID | None = None


class AssertionRead(BaseModel):
    id: UUID
    kind: Kind
    strength: Strength
    status: Status
    recording_id: UUID | None
    party_id: UUID | None
    client_id: UUID | None
    contact_id: UUID | None
    agent: str | None
    from_ms: int
    to_ms: int | None
    valid_from: AwareDatetime | None
    valid_to: AwareDatetime | None
    purposes: list[Purpose]
    recipients: list[str]
    evidence: dict[str, Any]
    evidence_sha256: str
    proposed_by: UUID | None
    proposed_service: str | None
    proposed_at: AwareDatetime
    decided_by: UUID | None
    decided_at: AwareDatetime | None
    second_by: UUID | None
    second_at: AwareDatetime | None
    reason: str | None
    supersedes: UUID | None
    allowed: list[str]

    @classmethod
    def of(cls, row: Assertion, allowed: list[str]) -> AssertionRead:
        names = cls.model_fields.keys() - {"allowed", "evidence_sha256"}
        fields = {name: getattr(row, name) for name in names}
        digest = row.evidence_sha256.hex()
        return cls.model_validate(fields | {"evidence_sha256": digest, "allowed": allowed})


class AssertionList(BaseModel):
    items: list[AssertionRead]


class NoticeTextList(BaseModel):
    items: list[NoticeTextRead]


class VerdictWrite(_Told):
    """Why; needed for everything but a verification."""

    reason: Prose | None = None


class Retraction(_Told):
    """Why a proposal is taken back."""

    reason: Prose


class ShareRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    release_id: UUID
    recording_id: UUID
    state: str
    granted_at: AwareDatetime


class ShareList(BaseModel):
    items: list[ShareRead]


class ScreeningCreate(_Told):
    from_ms: Milliseconds = 0
    to_ms: Milliseconds | None = None
    result: ScreeningResult
    note: Prose | None = None


class ScreeningRead(BaseModel):
    id: UUID
    from_ms: int
    to_ms: int | None
    result: ScreeningResult
    screened_by: UUID
    at: AwareDatetime


class ContactVerify(_Told):
    """How the person was known, and how it was known that he speaks for the firm.

    `looks` is that of the contact as it was read; another one by now is refused.
    """

    identity_basis: Prose
    mandate_basis: Prose
    looks: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class ContactVerified(BaseModel):
    id: UUID
    contact_id: UUID
    verified_by: UUID
    at: AwareDatetime


class ReasonSaid(BaseModel):
    code: str
    subject: str | None
    title: str
    meaning: str


class RemedySaid(BaseModel):
    code: str
    text: str


class SegmentRead(BaseModel):
    from_ms: int
    to_ms: int | None


class PartySaid(BaseModel):
    """Who is heard, where he is and how that is known, and what proves that he was told.

    `hint` is a place that only made the answer stricter.
    """

    label: str
    side: Side
    present_from_ms: int
    present_to_ms: int | None
    place: str | None
    place_by: PlaceBy
    hint: str | None
    proof: ProofRead


class DecisionRead(BaseModel):
    """What the rules say now; `inputs_digest` is what an approval is bound to.

    `proof` is the worst class of the outside parties, none of whom is known where it is F.
    """

    outcome: Outcome
    allowed: bool
    reasons: list[ReasonSaid]
    remedies: list[RemedySaid]
    obligations: list[str]
    allowed_segments: list[SegmentRead]
    grounds: list[str]
    proof: Proof
    parties: list[PartySaid]
    inputs_digest: str
    policy_sha256: str
    valid_until: AwareDatetime | None


class ReasonRead(BaseModel):
    code: str
    title: str
    meaning: str
    remedies: list[RemedySaid]


class ReasonList(BaseModel):
    items: list[ReasonRead]


class PackRead(BaseModel):
    """A version of a pack. `uncertain` names what of it is for a lawyer, `*` the pack as a whole.

    `body` is the pack itself, each field with its mark; `sha256` is of its canonical JSON.
    """

    jurisdiction: str
    version: int
    state: PackState
    is_shipped: bool
    sha256: str
    effective_from: date
    mark: Mark
    uncertain: list[str]
    body: dict[str, Any]
    proposed_by: UUID | None
    proposed_at: AwareDatetime | None
    first_by: UUID | None
    first_at: AwareDatetime | None
    second_by: UUID | None
    activated_at: AwareDatetime | None
    ended: DraftEnded | None

    @classmethod
    def of(cls, kept: Kept) -> PackRead:
        row = kept.row
        return cls(
            jurisdiction=kept.pack.jurisdiction,
            version=kept.pack.version,
            state=kept.state,
            is_shipped=row is None,
            sha256=kept.pack.sha256,
            effective_from=kept.pack.effective_from,
            mark=kept.pack.mark,
            uncertain=kept.uncertain,
            body=dict(kept.body),
            proposed_by=row.created_by if row else None,
            proposed_at=row.created_at if row else None,
            first_by=row.activated_by if row else None,
            first_at=row.first_at if row else None,
            second_by=row.second_by if row else None,
            activated_at=row.activated_at if row else None,
            ended=DraftEnded.of(kept.ended),
        )


class PackList(BaseModel):
    items: list[PackRead]


class DryRun(_Told):
    """How much to look at: the newest `last` recordings, `limit` cases to a page."""

    last: Annotated[int, Field(ge=0, le=5000)] = 500
    limit: Annotated[int, Field(ge=1, le=200)] = 100
    cursor: Annotated[str, StringConstraints(max_length=300)] | None = None


class FlipRead(BaseModel):
    """A decision that would change; `approved_anew` is what it would be if people agreed again."""

    recording_id: UUID
    release_id: UUID | None
    purpose: Purpose
    recipient: RecipientClass
    contact_id: UUID | None
    from_ms: int
    to_ms: int | None
    before: Outcome
    after: Outcome
    reasons: list[str]
    approved_anew: Outcome | None

    @classmethod
    def of(cls, flip: Flip) -> FlipRead:
        question = flip.question
        return cls(
            recording_id=flip.recording_id,
            release_id=flip.release_id,
            purpose=question.purpose,
            recipient=question.recipient.recipient_class,
            contact_id=question.recipient.contact_id,
            from_ms=question.segment.from_ms,
            to_ms=question.segment.to_ms,
            before=flip.before,
            after=flip.after,
            reasons=list(flip.reasons),
            approved_anew=flip.approved_anew,
        )


class FlipCounts(BaseModel):
    """How much of this page was looked at; `undecided` are cases that cannot be judged at all."""

    live: int
    recent: int
    decisions: int
    undecided: int
    stricter: int
    softer: int


class DryRunRead(BaseModel):
    """One page of what would change; `next` is the cursor of the next page, if any."""

    counts: FlipCounts
    stricter: list[FlipRead]
    softer: list[FlipRead]
    next: str | None

    @classmethod
    def of(cls, page: Page) -> DryRunRead:
        stricter = [FlipRead.of(flip) for flip in page.flips if flip.is_stricter]
        softer = [FlipRead.of(flip) for flip in page.flips if not flip.is_stricter]
        counts = FlipCounts(
            live=page.live,
            recent=page.recent,
            decisions=page.decisions,
            undecided=page.undecided,
            stricter=len(stricter),
            softer=len(softer),
        )
        following = page.next.encode() if page.next else None
        return cls(counts=counts, stricter=stricter, softer=softer, next=following)
