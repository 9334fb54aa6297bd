"""Routes of consent: notice texts, evidence and verdicts, screenings, verifications, decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session

from app.consent import notices, papers, proved, queries, review, service
from app.consent.evidence import EvidenceIncomplete, EvidenceUnfit, SupersededUnknown
from app.consent.models import Assertion, SetAside, Verdict
from app.consent.notices import NoticeWords
from app.consent.purposes import Purpose, RecipientClass, Side
from app.consent.reasons import REASONS, REMEDIES, remedies_of
from app.consent.reference import MAX_REFERENCE_BYTES, ReferenceIngest, ReferenceTools
from app.consent.rules import Decision
from app.consent.schemas import (
    AssertionCreate,
    AssertionList,
    AssertionRead,
    ContactVerified,
    ContactVerify,
    DecisionRead,
    NoticeTextApproval,
    NoticeTextCreated,
    NoticeTextEnd,
    NoticeTextList,
    NoticeTextRead,
    NoticeTextTold,
    PartySaid,
    ReasonList,
    ReasonRead,
    ReasonSaid,
    RemedySaid,
    Retraction,
    ScreeningCreate,
    ScreeningRead,
    SegmentRead,
    ShareList,
    ShareRead,
    VerdictWrite,
)
from app.consent.spans import Segment, SegmentInvalid
from app.core.deps import ClockDep, SessionDep
from app.core.errors import TooLarge, UnsupportedMedia
from app.core.moments import Milliseconds
from app.core.problems import problems
from app.core.text import Searched
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.identity.service import NoLongerHere
from app.recordings import service as recordings
from app.recordings.ingest import StoreAway
from app.recordings.media import AudioRecogniser
from app.recordings.models import Proof
from app.recordings.multipart import MetadataInvalid, MultipartBroken, PartsWrong, parse_metadata
from app.recordings.receive import Reception, receive
from app.recordings.routes import Receiving
from app.recordings.service import RecordingNotFound

router = APIRouter(prefix="/v1", tags=["consent"])

CanWriteNotice = Annotated[Actor, Depends(Requires(Permission.NOTICE_WRITE))]
CanReadNotice = Annotated[Actor, Depends(Requires(Permission.NOTICE_READ))]
CanApproveNotice = Annotated[Actor, Depends(Requires(Permission.NOTICE_APPROVE))]
CanBlock = Annotated[Actor, Depends(Requires(Permission.ASSERTION_BLOCK))]
CanDecide = Annotated[Actor, Depends(Requires(Permission.ASSERTION_DECIDE))]
CanScreen = Annotated[Actor, Depends(Requires(Permission.SCREENING_RECORD))]
CanVerify = Annotated[Actor, Depends(Requires(Permission.CONTACT_VERIFY))]
CanAsk = Annotated[Actor, Depends(Requires(Permission.DECISION_READ))]
CanReadReasons = Annotated[Actor, Depends(Requires(Permission.SESSION_SELF))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
Lang = Literal["ru", "en"]


def reference_tools(request: Request) -> ReferenceTools:
    """Return what takes a reference in, as `main` has put it together."""
    ingest = request.app.state.receiving.ingest
    return ReferenceTools(
        database=ingest.database,
        store=ingest.store,
        clock=ingest.clock,
        examine=request.app.state.examine_reference,
        spool=request.app.state.settings.spool_dir,
    )


def _words(raw: bytes) -> NoticeWords:
    told = parse_metadata(NoticeTextTold, raw)
    return NoticeWords(
        id=told.id,
        language=told.language,
        text=told.text,
        purposes=tuple(told.purposes),
        recipients=tuple(told.recipients),
        lines=tuple(told.lines),
        valid_from=told.valid_from,
    )


@router.post(
    "/notice-texts",
    status_code=201,
    responses=problems(
        *GUARDED,
        notices.NoticeTextNotFound,
        MultipartBroken,
        TooLarge,
        UnsupportedMedia,
        MetadataInvalid,
        PartsWrong,
        StoreAway,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["metadata", "file"],
                        "properties": {
                            "metadata": NoticeTextTold.model_json_schema(),
                            "file": {"type": "string", "format": "binary"},
                        },
                    }
                }
            },
        }
    },
)
async def add_notice_text(
    request: Request, actor: CanWriteNotice, receiving: Receiving
) -> NoticeTextCreated:
    """Keep a notice text and its reference audio; another person approves it."""
    ingest = receiving.ingest
    tools = reference_tools(request)
    row, _ = await receive(
        request,
        Reception(
            begin=lambda raw: ReferenceIngest(tools, actor, raw, parse=_words),
            recognise=lambda part: AudioRecogniser(part.declared_type, part.name),
            max_file_bytes=MAX_REFERENCE_BYTES,
            idle_seconds=receiving.idle_seconds,
            stages=ingest.stages,
            workers=receiving.workers,
        ),
    )
    return NoticeTextCreated.of(row)


@router.get("/notice-texts", responses=problems(*GUARDED))
def list_notice_texts(_: CanReadNotice, session: SessionDep) -> NoticeTextList:
    """List all versions of all notice texts."""
    ended = queries.texts_set_aside(session)
    return NoticeTextList(
        items=[
            NoticeTextRead.of(n, ended.get((n.id, n.version)))
            for n in queries.notice_texts(session)
        ]
    )


@router.post(
    "/notice-texts/{text_id}/approve",
    responses=problems(
        *GUARDED,
        notices.NoticeTextNotFound,
        notices.NoticeTextApproved,
        notices.NoticeTextEnded,
        notices.WriterApproves,
        notices.LawyerNotNamed,
        NoLongerHere,
    ),
)
def approve_notice_text(
    text_id: UUID,
    actor: CanApproveNotice,
    session: SessionDep,
    clock: ClockDep,
    body: NoticeTextApproval | None = None,
) -> NoticeTextRead:
    """Approve a version of a notice text, so that recordings can be cleared by it."""
    told = body or NoticeTextApproval()
    row = notices.approve(
        session,
        actor,
        text_id,
        version=told.version,
        lawyer=told.lawyer_reviewed_by,
        at=clock.now(),
    )
    return NoticeTextRead.of(row)


_ENDINGS = problems(
    *GUARDED,
    notices.NoticeTextNotFound,
    notices.NoticeTextApproved,
    notices.NoticeTextEnded,
    notices.WriterOnly,
)


@router.post("/notice-texts/{text_id}/withdraw", responses=_ENDINGS)
def withdraw_notice_text(
    text_id: UUID, body: NoticeTextEnd, actor: CanWriteNotice, session: SessionDep, clock: ClockDep
) -> NoticeTextRead:
    """Take back a draft that you wrote."""
    return _end(session, actor, text_id, body, SetAside.WITHDRAWN, at=clock.now())


@router.post("/notice-texts/{text_id}/reject", responses=_ENDINGS)
def reject_notice_text(
    text_id: UUID,
    body: NoticeTextEnd,
    actor: CanApproveNotice,
    session: SessionDep,
    clock: ClockDep,
) -> NoticeTextRead:
    """Put aside a draft that another wrote."""
    return _end(session, actor, text_id, body, SetAside.REJECTED, at=clock.now())


def _end(
    session: Session,
    actor: Actor,
    text_id: UUID,
    body: NoticeTextEnd,
    how: SetAside,
    *,
    at: datetime,
) -> NoticeTextRead:
    ended = notices.set_aside(
        session, actor, text_id, version=body.version, how=how, reason=body.reason, at=at
    )
    row = queries.notice_text(session, ended.text_id, ended.version)
    if row is None:
        raise notices.NoticeTextNotFound
    return NoticeTextRead.of(row, ended)


def _assertion(row: Assertion) -> AssertionRead:
    return AssertionRead.of(row, [str(verdict) for verdict in review.allowed_verdicts(row)])


@router.post(
    "/recordings/{recording_id}/assertions",
    status_code=201,
    responses=problems(
        *GUARDED,
        RecordingNotFound,
        EvidenceIncomplete,
        EvidenceUnfit,
        SegmentInvalid,
        review.PartyUnknown,
        review.NoticeTextUnknown,
        review.ClauseUnknown,
        review.NamesTooMuch,
        review.PersonNeeded,
        SupersededUnknown,
        papers.DocumentNotKept,
        papers.DocumentNotSeparate,
        papers.AcknowledgementUnknown,
    ),
)
def propose_assertion(
    recording_id: UUID,
    body: AssertionCreate,
    actor: CanBlock,
    session: SessionDep,
    clock: ClockDep,
) -> AssertionRead:
    """Propose a piece of evidence. A refusal or withdrawal blocks at once."""
    if body.supersedes is not None:
        _must_be_about(session, actor, recording_id, body.supersedes)
    proposal = review.Proposal(
        kind=body.kind,
        evidence=body.evidence,
        party=body.party,
        wide=body.wide,
        from_ms=body.from_ms,
        to_ms=body.to_ms,
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        purposes=tuple(body.purposes),
        recipients=tuple(body.recipients),
        supersedes=body.supersedes,
    )
    return _assertion(review.propose(session, actor, recording_id, proposal, at=clock.now()))


def _must_be_about(session: Session, actor: Actor, recording_id: UUID, assertion_id: UUID) -> None:
    parties = recordings.find(session, actor, recording_id).parties
    known = {row.id for row in queries.about(session, [recording_id], parties)}
    if assertion_id not in known:
        raise SupersededUnknown


@router.get(
    "/recordings/{recording_id}/assertions",
    responses=problems(*GUARDED, RecordingNotFound),
)
def list_assertions(recording_id: UUID, actor: CanAsk, session: SessionDep) -> AssertionList:
    """List all evidence on a recording and on those heard in it."""
    found = recordings.find(session, actor, recording_id)
    rows = queries.about(session, [recording_id], found.parties)
    return AssertionList(items=[_assertion(row) for row in rows])


_VERDICT_REFUSALS = problems(
    *GUARDED,
    RecordingNotFound,
    EvidenceIncomplete,
    review.AssertionNotFound,
    review.ProposerDecides,
    review.RoleCannotSettle,
    review.TransitionRefused,
    review.NoticeNotApproved,
    review.ReasonMissing,
    review.VerdictRepeated,
    papers.DocumentNotKept,
    papers.DocumentNotSeparate,
    papers.AcknowledgementUnknown,
    papers.AssessmentOver,
    papers.NotListened,
    NoLongerHere,
)


@router.post("/assertions/{assertion_id}/verify", responses=_VERDICT_REFUSALS)
def verify_assertion(
    assertion_id: UUID,
    actor: CanDecide,
    session: SessionDep,
    clock: ClockDep,
    body: VerdictWrite | None = None,
) -> AssertionRead:
    """Say that a piece of evidence is true; who proposed it cannot."""
    reason = body.reason if body else None
    row = review.decide(session, actor, assertion_id, Verdict.VERIFY, reason=reason, at=clock.now())
    return _assertion(row)


@router.post("/assertions/{assertion_id}/reject", responses=_VERDICT_REFUSALS)
def reject_assertion(
    assertion_id: UUID,
    body: VerdictWrite,
    actor: CanDecide,
    session: SessionDep,
    clock: ClockDep,
) -> AssertionRead:
    """Put a piece of evidence aside; a refusal or withdrawal needs two people."""
    row = review.decide(
        session, actor, assertion_id, Verdict.REJECT, reason=body.reason, at=clock.now()
    )
    return _assertion(row)


@router.post("/assertions/{assertion_id}/invalidate", responses=_VERDICT_REFUSALS)
def invalidate_assertion(
    assertion_id: UUID,
    body: VerdictWrite,
    actor: CanDecide,
    session: SessionDep,
    clock: ClockDep,
) -> AssertionRead:
    """Take back what was verified and proved wrong; it needs two people."""
    row = review.decide(
        session, actor, assertion_id, Verdict.INVALIDATE, reason=body.reason, at=clock.now()
    )
    return _assertion(row)


@router.post(
    "/assertions/{assertion_id}/retract",
    responses=problems(
        *GUARDED,
        RecordingNotFound,
        review.AssertionNotFound,
        review.NotTheProposer,
        review.TransitionRefused,
        NoLongerHere,
    ),
)
def retract_assertion(
    assertion_id: UUID,
    body: Retraction,
    actor: CanBlock,
    session: SessionDep,
    clock: ClockDep,
) -> AssertionRead:
    """Take one's own proposal back before anybody settles it; what blocks stays."""
    row = review.retract(session, actor, assertion_id, reason=body.reason, at=clock.now())
    return _assertion(row)


@router.get(
    "/assertions/{assertion_id}/shares",
    responses=problems(*GUARDED, review.AssertionNotFound),
)
def list_affected_shares(assertion_id: UUID, _: CanDecide, session: SessionDep) -> ShareList:
    """List the releases, open or over, of recordings of which a piece of evidence speaks."""
    if queries.assertion(session, assertion_id) is None:
        raise review.AssertionNotFound
    found = papers.affected_shares(session, assertion_id)
    return ShareList(items=[ShareRead.model_validate(share) for share in found])


@router.post(
    "/recordings/{recording_id}/screenings",
    status_code=201,
    responses=problems(*GUARDED, RecordingNotFound, SegmentInvalid),
)
def screen_recording(
    recording_id: UUID,
    body: ScreeningCreate,
    actor: CanScreen,
    session: SessionDep,
    clock: ClockDep,
) -> ScreeningRead:
    """Write down what was heard by a person who listened for what must not leave."""
    segment = Segment(body.from_ms, body.to_ms)
    row = review.screen(
        session, actor, recording_id, segment, body.result, note=body.note, at=clock.now()
    )
    return ScreeningRead.model_validate(row, from_attributes=True)


@router.post(
    "/contacts/{contact_id}/verify",
    status_code=201,
    responses=problems(*GUARDED, service.RecipientUnknown, review.ContactChanged, NoLongerHere),
)
def verify_contact(
    contact_id: UUID,
    body: ContactVerify,
    actor: CanVerify,
    session: SessionDep,
    clock: ClockDep,
) -> ContactVerified:
    """Write down how identity and mandate of a recipient were checked."""
    row = review.verify_contact(
        session,
        actor,
        contact_id,
        identity_basis=body.identity_basis,
        mandate_basis=body.mandate_basis,
        looks=body.looks,
        at=clock.now(),
    )
    return ContactVerified.model_validate(row, from_attributes=True)


@router.get(
    "/recordings/{recording_id}/decision",
    responses=problems(
        PermissionMissing, RecordingNotFound, SegmentInvalid, service.RecipientUnknown
    ),
)
def explain_decision(
    recording_id: UUID,
    actor: CanAsk,
    session: SessionDep,
    clock: ClockDep,
    *,
    purpose: Purpose,
    recipient: RecipientClass | None = None,
    contact: UUID | None = None,
    processor: Searched | None = None,
    from_ms: Milliseconds = 0,
    to_ms: Milliseconds | None = None,
    lang: Lang = "en",
) -> DecisionRead:
    """Say what the rules would answer now, why, and what would make it possible."""
    recordings.find(session, actor, recording_id)
    question = service.question(
        session,
        purpose=purpose,
        recipient_class=recipient,
        contact_id=contact,
        processor=processor,
        segment=Segment(from_ms, to_ms),
        requested_by=review.person(actor),
        recording_id=recording_id,
    )
    at = clock.now()
    decision = service.decide(session, recording_id, question, at=at)
    return _decision(decision, _parties(session, decision, at=at), lang)


def _parties(session: Session, decision: Decision, *, at: datetime) -> list[PartySaid]:
    """Return who is heard and what proves it; nobody, where the case could not be judged."""
    if not decision.inputs_digest:
        return []
    case = service.case_file(session, decision.recording_id, at=at)
    proofs = proved.explain(session, case, decision.question.purpose, at=at)
    return [
        PartySaid(
            label=party.label,
            side=party.side,
            present_from_ms=party.present.from_ms,
            present_to_ms=party.present.to_ms,
            place=party.place,
            place_by=party.place_by,
            hint=party.hint,
            proof=proofs[party.id],
        )
        for party in case.parties
    ]


def _decision(decision: Decision, parties: list[PartySaid], lang: str) -> DecisionRead:
    outside = [party.proof.proof_class for party in parties if party.side != Side.OWN]
    return DecisionRead(
        outcome=decision.outcome,
        allowed=decision.allowed,
        reasons=[
            ReasonSaid(
                code=reason.code,
                subject=reason.subject,
                title=REASONS[reason.code].title.of(lang),
                meaning=REASONS[reason.code].meaning.of(lang),
            )
            for reason in decision.reasons
        ],
        remedies=[_remedy(code, lang) for code in decision.remedies],
        obligations=list(decision.obligations),
        allowed_segments=[
            SegmentRead(from_ms=s.from_ms, to_ms=s.to_ms) for s in decision.allowed_segments
        ],
        grounds=list(decision.grounds),
        proof=max(outside, default=Proof.NONE),
        parties=parties,
        inputs_digest=decision.inputs_digest,
        policy_sha256=decision.policy_sha256,
        valid_until=decision.valid_until,
    )


def _remedy(code: str, lang: str) -> RemedySaid:
    return RemedySaid(code=code, text=REMEDIES[code.partition(":")[0]].of(lang))


@router.get("/reasons", responses=problems(*GUARDED))
def list_reasons(_: CanReadReasons, lang: Lang = "en") -> ReasonList:
    """List every reason there is, what it means, and what would make it possible."""
    return ReasonList(
        items=[
            ReasonRead(
                code=code,
                title=said.title.of(lang),
                meaning=said.meaning.of(lang),
                remedies=[_remedy(remedy, lang) for remedy in remedies_of(code)],
            )
            for code, said in sorted(REASONS.items())
        ]
    )
