"""The JSON routes of releases."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session

from app.consent.rules import Segment
from app.core.clock import Clock
from app.core.db import Database
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.errors import Conflict, Refusal
from app.core.ids import ContactId, DisputeId, ReleaseId
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor, CursorInvalid
from app.core.problems import problems
from app.custody import refusals
from app.custody.ledger import Act
from app.disputes import service as disputes
from app.disputes.redactions import areas_in_order, in_order
from app.disputes.schemas import AreaWire, RedactionWire
from app.disputes.service import (
    AreaOutside,
    ChannelMissing,
    DisputeNotFound,
    PersonNeeded,
    RedactionOutside,
)
from app.fixity.service import CheckNotPossible, RecordingDamaged
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.releases import bundles, queries, service
from app.releases.copies import Copier
from app.releases.models import Release, ReleaseItem, ReleaseState, ReleaseWish
from app.releases.refusals import (
    ApproverInvolved,
    ConsentChanged,
    MixedRecipients,
    NothingAsked,
    PictureUnreadable,
    RecordingNotReady,
    ReleaseContactUnknown,
    ReleaseEnded,
    ReleaseNotFound,
    ReleaseNotRequested,
    ReleaseRecordingUnknown,
    ReleaseRefused,
    ReleaseScreenshotUnknown,
    RequesterApproves,
    RoleCannotApprove,
    ScreenshotDamaged,
    ScreenshotTwice,
    SegmentNotSupported,
)
from app.releases.schemas import (
    ApprovalCreate,
    ApprovalRead,
    DisputeReleaseCreate,
    ItemCreate,
    ItemRead,
    LinkCreated,
    ReleaseApproved,
    ReleaseCreate,
    ReleasePage,
    ReleaseRead,
    bundle_read,
)
from app.releases.service import Part, Wanted
from app.releases.subjects import Subject
from app.settings import Settings

router = APIRouter(tags=["releases"])

CanRequest = Annotated[Actor, Depends(Requires(Permission.RELEASE_REQUEST))]
CanApprove = Annotated[Actor, Depends(Requires(Permission.RELEASE_APPROVE))]
CanRevoke = Annotated[Actor, Depends(Requires(Permission.RELEASE_REVOKE))]
CanRead = Annotated[Actor, Depends(Requires(Permission.RELEASE_READ))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
REQUEST = (
    *GUARDED,
    PersonNeeded,
    ReleaseContactUnknown,
    ReleaseRecordingUnknown,
    ReleaseScreenshotUnknown,
    ReleaseRefused,
    MixedRecipients,
    RedactionOutside,
    ChannelMissing,
    ScreenshotTwice,
    AreaOutside,
)


def _copier(request: Request) -> Copier:
    return cast("Copier", request.app.state.copier)


def _link_days(request: Request) -> int:
    return cast("Settings", request.app.state.settings).link_days


CopierDep = Annotated[Copier, Depends(_copier)]
LinkDaysDep = Annotated[int, Depends(_link_days)]


@router.post("/v1/releases", status_code=201, responses=problems(*REQUEST))
def request_release(
    body: ReleaseCreate,
    actor: CanRequest,
    database: DatabaseDep,
    clock: ClockDep,
    days: LinkDaysDep,
) -> ReleaseRead:
    """Ask for recordings and screenshots to be handed to a contact of a client."""
    wanted = Wanted(
        contact_id=ContactId(body.contact_id),
        purpose=body.purpose,
        parts=tuple(map(_part, body.items)),
        lifetime=timedelta(days=body.lifetime_days or days),
    )
    return _request(database, clock, actor, wanted)


@router.post(
    "/v1/disputes/{dispute_id}/releases",
    status_code=201,
    responses=problems(*REQUEST, DisputeNotFound, NothingAsked),
)
def request_dispute_release(
    dispute_id: UUID,
    body: DisputeReleaseCreate,
    actor: CanRequest,
    database: DatabaseDep,
    clock: ClockDep,
    days: LinkDaysDep,
) -> ReleaseRead:
    """Ask for the exhibits of a dispute to be handed to a contact of the client."""
    with database.transaction() as session:
        disputes.get(session, DisputeId(dispute_id))
        parts = service.parts_of_dispute(
            session, DisputeId(dispute_id), without_screenshots=body.without_screenshots
        )
    wanted = Wanted(
        contact_id=ContactId(body.contact_id),
        purpose=body.purpose,
        parts=parts,
        lifetime=timedelta(days=body.lifetime_days or days),
        dispute_id=DisputeId(dispute_id),
    )
    return _request(database, clock, actor, wanted)


@router.post(
    "/v1/releases/{release_id}/approve",
    responses=problems(
        *GUARDED,
        PersonNeeded,
        ReleaseNotFound,
        ReleaseNotRequested,
        ReleaseRefused,
        RequesterApproves,
        ApproverInvolved,
        RoleCannotApprove,
        ConsentChanged,
        RecordingNotReady,
        RecordingDamaged,
        CheckNotPossible,
        SegmentNotSupported,
        ChannelMissing,
        ReleaseScreenshotUnknown,
        ScreenshotDamaged,
        PictureUnreadable,
        AreaOutside,
    ),
)
def approve(
    release_id: UUID,
    actor: CanApprove,
    copier: CopierDep,
    database: DatabaseDep,
    clock: ClockDep,
    body: ApprovalCreate | None = None,
) -> ReleaseApproved:
    """Approve a release as another person; the last approval needed opens the link."""
    try:
        done = copier.approve(
            actor,
            ReleaseId(release_id),
            note=body.note if body else None,
            with_passphrase=body is not None and body.passphrase,
        )
    except (Conflict, RequesterApproves, ApproverInvolved) as exc:
        _remember(database, clock, actor, ("release", release_id), exc)
        raise
    with database.transaction() as session:
        release = _read(session, done.release)
    if done.token is None or release.expires_at is None:
        return ReleaseApproved(release=release, link=None)
    link = LinkCreated(
        url=copier.link_url(done.token),
        token=done.token.secret,
        passphrase=done.passphrase,
        expires_at=release.expires_at,
    )
    return ReleaseApproved(release=release, link=link)


@router.post(
    "/v1/releases/{release_id}/revoke",
    responses=problems(*GUARDED, PersonNeeded, ReleaseNotFound, ReleaseEnded),
)
def revoke(release_id: UUID, actor: CanRevoke, session: SessionDep, clock: ClockDep) -> ReleaseRead:
    """End a release at once; one that was not granted yet ends as denied."""
    release = service.revoke(session, actor, ReleaseId(release_id), at=clock.now())
    return _read(session, release)


@router.get("/v1/releases", responses=problems(*GUARDED, CursorInvalid))
def list_releases(
    actor: CanRead,
    session: SessionDep,
    state: ReleaseState | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> ReleasePage:
    """List releases, the newest first."""
    after = Cursor.decode(cursor) if cursor else None
    found = queries.releases(
        session, actor, states={state} if state else None, after=after, limit=limit + 1
    )
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    return ReleasePage(
        releases=[_read(session, release) for release in page],
        next_cursor=Cursor(at=last.requested_at, id=last.id).encode() if last else None,
    )


@router.get("/v1/releases/{release_id}", responses=problems(*GUARDED, ReleaseNotFound))
def get_release(release_id: UUID, actor: CanRead, session: SessionDep) -> ReleaseRead:
    """Tell how far a release has come, and how often it was opened."""
    return _read(session, service.seen(session, actor, ReleaseId(release_id)))


def _request(database: Database, clock: Clock, actor: Actor, wanted: Wanted) -> ReleaseRead:
    """Ask in one transaction; a refusal is remembered in another, since the first rolls back."""
    try:
        with database.transaction() as session:
            return _read(session, service.request_release(session, actor, wanted, at=clock.now()))
    except ReleaseRefused as exc:
        for part in wanted.parts:
            _remember(database, clock, actor, part.subject.about, exc)
        raise


def _remember(
    database: Database, clock: Clock, actor: Actor, about: tuple[str, UUID], refusal: Refusal
) -> None:
    reasons = refusal.facts.get("reasons")
    facts: dict[str, str | int | bool | None] = {"refusal": refusal.slug}
    if isinstance(reasons, list):
        facts["reasons"] = " ".join(map(str, reasons))
    refusals.remember(database, actor, Act.ACCESS_DENIED, about, at=clock.now(), facts=facts)
    refusal.is_told = True


def _part(item: ItemCreate) -> Part:
    if item.screenshot_id is not None:
        areas = areas_in_order(one.area() for one in item.areas)
        return Part(subject=Subject("screenshot", item.screenshot_id, areas))
    if item.recording_id is None:
        raise TypeError("An item is of a recording or of a screenshot.")
    is_whole = item.from_ms is None and item.to_ms is None
    return Part(
        subject=Subject("recording", item.recording_id),
        segment=None if is_whole else Segment(from_ms=item.from_ms or 0, to_ms=item.to_ms),
        redactions=in_order(one.redaction() for one in item.redactions),
    )


def _read(session: Session, release: Release) -> ReleaseRead:
    copied = {item.wish_id: item for item in release.items}
    return ReleaseRead(
        id=release.id,
        dispute_id=release.dispute_id,
        contact_id=release.contact_id,
        client_id=release.client_id,
        purpose=release.purpose,
        recipient=release.recipient_class,
        state=release.state,
        requested_by=release.requested_by,
        requested_at=release.requested_at,
        granted_at=release.granted_at,
        expires_at=release.expires_at,
        revoked_at=release.revoked_at,
        revoked_by=release.revoked_by,
        end_reason=release.end_reason,
        is_open=queries.is_open(session, release.id),
        views=queries.views(session, release.id),
        bundle=bundle_read(bundle) if (bundle := bundles.of(session, release.id)) else None,
        items=[_item(wish, copied.get(wish.id)) for wish in release.wishes],
    )


def _item(wish: ReleaseWish, copy: ReleaseItem | None) -> ItemRead:
    return ItemRead(
        recording_id=wish.recording_id,
        screenshot_id=wish.screenshot_id,
        from_ms=wish.from_ms,
        to_ms=wish.to_ms,
        redactions=[RedactionWire.model_validate(one) for one in wish.redactions],
        areas=[AreaWire.model_validate(one) for one in wish.areas],
        decision_id=copy.decision_id if copy else wish.decision_id,
        approvals=[
            ApprovalRead(approver_id=a.approver_id, note=a.note, at=a.at) for a in wish.approvals
        ],
        sha256=copy.sha256.hex() if copy else None,
        size_bytes=copy.size_bytes if copy else None,
        media_type=copy.media_type if copy else None,
        duration_ms=copy.duration_ms if copy else None,
        derivation=copy.derivation if copy else None,
    )
