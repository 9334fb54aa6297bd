"""Routes of one thing that is kept: why, until when, restricting it, asking that it be erased.

They are the same for each kind of thing, under an address of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from app.core.deps import ClockDep, SessionDep
from app.core.problems import problems
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.retention import erasures, holds, keeping
from app.retention.erasure_routes import read
from app.retention.routes import ACTING, GUARDED, CanRead, ZoneDep
from app.retention.rules import Kind
from app.retention.schemas import (
    ErasureCreate,
    ErasureRead,
    Noted,
    Reason,
    RestrictionRead,
    RetentionRead,
)
from app.retention.subjects import Subject

router = APIRouter(prefix="/v1", tags=["retention"])

CanReview = Annotated[Actor, Depends(Requires(Permission.RETENTION_REVIEW))]
CanRestrict = Annotated[Actor, Depends(Requires(Permission.RESTRICTION_WRITE))]
CanRequest = Annotated[Actor, Depends(Requires(Permission.ERASURE_REQUEST))]

_PLACES = {
    Kind.RECORDING: "recordings",
    Kind.SCREENSHOT: "screenshots",
    Kind.DOCUMENT: "documents",
    Kind.UPLOAD: "client-uploads",
    Kind.ANSWER: "link-answers",
}


def _named(kind: Kind) -> Callable[[UUID], Subject]:
    """Return what reads the subject from the address."""
    place = Path(alias=f"{kind}_id")

    def named(subject_id: UUID = place) -> Subject:
        return Subject(kind, subject_id)

    return named


def _add(kind: Kind) -> None:
    """Add the routes of a kind. What its address names comes by default, for it is no global."""
    place = f"/{_PLACES[kind]}/{{{kind}_id}}"
    asked = Depends(_named(kind))
    unknown = holds.UNKNOWN[kind]

    @router.get(f"{place}/retention", name=f"explain_{kind}", responses=problems(*GUARDED, unknown))
    def explain(
        _: CanRead, session: SessionDep, clock: ClockDep, zone: ZoneDep, subject: Subject = asked
    ) -> RetentionRead:
        """Say why it is kept, until when, and what holds it since when."""
        return RetentionRead.of(keeping.explain(session, subject, zone=zone, at=clock.now()))

    @router.post(
        f"{place}/retention/review",
        name=f"review_{kind}",
        responses=problems(*ACTING, unknown, keeping.NotInspected),
    )
    def review(
        body: Noted,
        actor: CanReview,
        session: SessionDep,
        clock: ClockDep,
        zone: ZoneDep,
        subject: Subject = asked,
    ) -> RetentionRead:
        """Say that you looked at it and found no ground to use it."""
        at = clock.now()
        keeping.review(session, actor, subject, note=body.note, at=at)
        return RetentionRead.of(keeping.explain(session, subject, zone=zone, at=at))

    @router.post(
        f"{place}/restriction",
        status_code=201,
        name=f"restrict_{kind}",
        responses=problems(*ACTING, unknown, holds.RestrictionStands),
    )
    def restrict(
        body: Reason,
        actor: CanRestrict,
        session: SessionDep,
        clock: ClockDep,
        subject: Subject = asked,
    ) -> RestrictionRead:
        """Let it only be kept, from now on."""
        row = holds.restrict(session, actor, subject, reason=body.reason, at=clock.now())
        return RestrictionRead.of(row)

    @router.post(
        f"{place}/restriction/lift",
        name=f"lift_{kind}_restriction",
        responses=problems(*ACTING, holds.NotRestricted, holds.SamePersonSettles),
    )
    def lift(
        body: Reason,
        actor: CanRestrict,
        session: SessionDep,
        clock: ClockDep,
        subject: Subject = asked,
    ) -> RestrictionRead:
        """Lift a restriction that another person has set."""
        row = holds.lift(session, actor, subject, reason=body.reason, at=clock.now())
        return RestrictionRead.of(row)

    @router.post(
        f"{place}/erasures",
        status_code=201,
        name=f"request_{kind}_erasure",
        responses=problems(*ACTING, unknown, erasures.AlreadyErased, erasures.ErasureStands),
    )
    def request(
        body: ErasureCreate,
        actor: CanRequest,
        session: SessionDep,
        clock: ClockDep,
        zone: ZoneDep,
        subject: Subject = asked,
    ) -> ErasureRead:
        """Ask that it be erased; what a hold or a law hinders is denied at once."""
        row = erasures.request(session, actor, subject, body.asked(), zone=zone, at=clock.now())
        return read(session, row)


for _kind in _PLACES:
    _add(_kind)
