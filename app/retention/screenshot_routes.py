"""Routes of retention, restriction and erasure of screenshots, as those of recordings."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from app.core.deps import ClockDep, SessionDep
from app.core.problems import problems
from app.retention import erasures, holds, keeping
from app.retention.erasure_routes import CanRequest, read
from app.retention.routes import ACTING, GUARDED, CanRead, CanRestrict, CanReview, ZoneDep
from app.retention.schemas import (
    ErasureCreate,
    ErasureRead,
    Noted,
    Reason,
    RestrictionRead,
    RetentionRead,
)
from app.retention.subjects import screenshot

router = APIRouter(prefix="/v1/screenshots/{screenshot_id}", tags=["retention"])


@router.get("/retention", responses=problems(*GUARDED, holds.RetentionScreenshotUnknown))
def explain_screenshot(
    screenshot_id: UUID, _: CanRead, session: SessionDep, clock: ClockDep, zone: ZoneDep
) -> RetentionRead:
    """Say why a screenshot is kept, until when, and what holds it since when."""
    subject = screenshot(screenshot_id)
    return RetentionRead.of(keeping.explain(session, subject, zone=zone, at=clock.now()))


@router.post("/retention/review", responses=problems(*ACTING, holds.RetentionScreenshotUnknown))
def review_screenshot(
    screenshot_id: UUID,
    body: Noted,
    actor: CanReview,
    session: SessionDep,
    clock: ClockDep,
    zone: ZoneDep,
) -> RetentionRead:
    """Say that you looked at a screenshot and found no ground to use it."""
    at, subject = clock.now(), screenshot(screenshot_id)
    keeping.review(session, actor, subject, note=body.note, at=at)
    return RetentionRead.of(keeping.explain(session, subject, zone=zone, at=at))


@router.post(
    "/restriction",
    status_code=201,
    responses=problems(*ACTING, holds.RetentionScreenshotUnknown, holds.RestrictionStands),
)
def restrict_screenshot(
    screenshot_id: UUID, body: Reason, actor: CanRestrict, session: SessionDep, clock: ClockDep
) -> RestrictionRead:
    """Let a screenshot only be kept, from now on."""
    subject = screenshot(screenshot_id)
    row = holds.restrict(session, actor, subject, reason=body.reason, at=clock.now())
    return RestrictionRead.of(row)


@router.post(
    "/restriction/lift",
    responses=problems(*ACTING, holds.NotRestricted, holds.SamePersonSettles),
)
def lift_screenshot_restriction(
    screenshot_id: UUID, body: Reason, actor: CanRestrict, session: SessionDep, clock: ClockDep
) -> RestrictionRead:
    """Lift a restriction that another person has set."""
    subject = screenshot(screenshot_id)
    row = holds.lift(session, actor, subject, reason=body.reason, at=clock.now())
    return RestrictionRead.of(row)


@router.post(
    "/erasures",
    status_code=201,
    responses=problems(
        *ACTING, holds.RetentionScreenshotUnknown, erasures.AlreadyErased, erasures.ErasureStands
    ),
)
def request_screenshot_erasure(
    screenshot_id: UUID,
    body: ErasureCreate,
    actor: CanRequest,
    session: SessionDep,
    clock: ClockDep,
    zone: ZoneDep,
) -> ErasureRead:
    """Ask for a screenshot to be erased; what a hold or a law hinders is denied at once."""
    subject = screenshot(screenshot_id)
    row = erasures.request(session, actor, subject, body.asked(), zone=zone, at=clock.now())
    return read(session, row)
