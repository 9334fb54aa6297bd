"""Routes of policy packs: propose, look, try, and put in force by two people."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path

from app.consent import flips, policy
from app.consent.flips import Place
from app.consent.models import SetAside
from app.consent.schemas import DraftEnd, DryRun, DryRunRead, PackList, PackRead
from app.core.deps import ClockDep, SessionDep
from app.core.paging import CursorInvalid
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing
from app.identity.guard import Requires
from app.identity.permissions import Permission

router = APIRouter(prefix="/v1/packs", tags=["policy"])

CanReadPolicy = Annotated[Actor, Depends(Requires(Permission.POLICY_READ))]
CanProposePolicy = Annotated[Actor, Depends(Requires(Permission.POLICY_PROPOSE))]
CanActivatePolicy = Annotated[Actor, Depends(Requires(Permission.POLICY_ACTIVATE))]
Jurisdiction = Annotated[str, Path(max_length=60, pattern=r"^[A-Za-z0-9-]+$")]
Version = Annotated[int, Path(ge=0, le=(1 << 31) - 1)]


@router.get("", responses=problems(PermissionMissing, policy.PackAltered))
def list_packs(_: CanReadPolicy, session: SessionDep) -> PackList:
    """List the packs in force and those proposed, each with its marks."""
    return PackList(items=[PackRead.of(kept) for kept in policy.catalogue(session)])


@router.post(
    "",
    status_code=201,
    responses=problems(
        PermissionMissing, policy.PackRefused, policy.PackVersionTaken, policy.PackAltered
    ),
)
def propose_pack(
    body: Annotated[dict[str, Any], Body()],
    actor: CanProposePolicy,
    session: SessionDep,
    clock: ClockDep,
) -> PackRead:
    """Propose a new version of a pack; it changes nothing until two others agree to it."""
    return PackRead.of(policy.propose(session, actor, body, at=clock.now()))


@router.get(
    "/{jurisdiction}/{version}",
    responses=problems(PermissionMissing, policy.PackNotFound, policy.PackAltered),
)
def read_pack(
    jurisdiction: Jurisdiction, version: Version, _: CanReadPolicy, session: SessionDep
) -> PackRead:
    """Return one version of a pack, also one that is no longer in force."""
    return PackRead.of(policy.find(session, jurisdiction, version))


@router.post(
    "/{jurisdiction}/{version}/dry-run",
    responses=problems(PermissionMissing, policy.PackNotFound, policy.PackAltered, CursorInvalid),
)
def try_pack(
    jurisdiction: Jurisdiction,
    version: Version,
    actor: CanReadPolicy,
    session: SessionDep,
    clock: ClockDep,
    body: DryRun | None = None,
) -> DryRunRead:
    """List the decisions that would flip, in both directions. Nothing is changed."""
    asked = body or DryRun()
    kept = policy.find(session, jurisdiction, version)
    page = flips.dry_run(
        session,
        actor,
        kept.pack,
        start=Place.decode(asked.cursor) if asked.cursor else Place(),
        limit=asked.limit,
        last=asked.last,
        at=clock.now(),
    )
    return DryRunRead.of(page)


@router.post(
    "/{jurisdiction}/{version}/activate",
    responses=problems(
        PermissionMissing,
        policy.PackNotFound,
        policy.PackInForce,
        policy.PackOutdated,
        policy.PackEnded,
        policy.PackNotYetEffective,
        policy.PackAltered,
        policy.ProposerActivates,
        policy.SamePersonActivates,
        policy.FirstPersonGone,
        policy.ApproverNeeded,
    ),
)
def activate_pack(
    jurisdiction: Jurisdiction,
    version: Version,
    actor: CanActivatePolicy,
    session: SessionDep,
    clock: ClockDep,
) -> PackRead:
    """Agree to a pack; the second person to agree puts it in force at once."""
    return PackRead.of(policy.activate(session, actor, jurisdiction, version, at=clock.now()))


_ENDINGS = problems(
    PermissionMissing,
    policy.PackNotFound,
    policy.PackInForce,
    policy.PackEnded,
    policy.PackAltered,
    policy.ProposerOnly,
)


@router.post("/{jurisdiction}/{version}/withdraw", responses=_ENDINGS)
def withdraw_pack(
    jurisdiction: Jurisdiction,
    version: Version,
    body: DraftEnd,
    actor: CanProposePolicy,
    session: SessionDep,
    clock: ClockDep,
) -> PackRead:
    """Take back a pack that you have proposed and that is not in force."""
    kept = policy.set_aside(
        session,
        actor,
        jurisdiction,
        version,
        how=SetAside.WITHDRAWN,
        reason=body.reason,
        at=clock.now(),
    )
    return PackRead.of(kept)


@router.post("/{jurisdiction}/{version}/reject", responses=_ENDINGS)
def reject_pack(
    jurisdiction: Jurisdiction,
    version: Version,
    body: DraftEnd,
    actor: CanActivatePolicy,
    session: SessionDep,
    clock: ClockDep,
) -> PackRead:
    """Put aside a pack that another has proposed and that is not in force."""
    kept = policy.set_aside(
        session,
        actor,
        jurisdiction,
        version,
        how=SetAside.REJECTED,
        reason=body.reason,
        at=clock.now(),
    )
    return PackRead.of(kept)
