"""Routes of mail: what was sent and what was not, one more try, and a link for a person."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app.core.deps import ClockDep, SessionDep
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing, ProofNeeded
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.identity.service import UserNotFound
from app.mail import queries, service
from app.mail.models import MailState
from app.mail.schemas import MailList, MailRead
from app.mail.service import MailNotDead, MailNotFound, MailOff, NoAddress

router = APIRouter(prefix="/v1", tags=["mail"])

CanRead = Annotated[Actor, Depends(Requires(Permission.JOB_READ))]
CanRetry = Annotated[Actor, Depends(Requires(Permission.JOB_RETRY))]
CanAdminUsers = Annotated[Actor, Depends(Requires(Permission.USER_ADMIN))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)


@router.get("/mails", responses=problems(*GUARDED))
def list_mails(
    _: CanRead,
    session: SessionDep,
    state: MailState = MailState.REFUSED,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> MailList:
    """Count the mails and list those of a state, the newest first."""
    found = queries.listed(session, {state}, before=before, limit=limit + 1)
    shown = found[:limit]
    return MailList(
        counts=queries.counts(session),
        items=[MailRead.of(seen) for seen in shown],
        next_before=shown[-1].row.id if len(found) > limit else None,
    )


@router.post(
    "/mails/{mail_id}/retry",
    status_code=204,
    responses=problems(*GUARDED, MailNotFound, MailNotDead),
)
def retry_mail(mail_id: UUID, _: CanRetry, session: SessionDep) -> Response:
    """Send a mail once more that was refused or given up."""
    service.again(session, mail_id)
    return Response(status_code=204)


@router.post(
    "/users/{name}/recovery-mail",
    status_code=204,
    responses=problems(*GUARDED, ProofNeeded, UserNotFound, MailOff, NoAddress),
)
def mail_recovery_link(
    name: str, request: Request, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Mail a person a link to set a new password: once, for a day; nobody else sees it."""
    settings = request.app.state.settings
    service.mail_recovery_link(
        session,
        actor,
        name,
        base_url=settings.base_url,
        has_server=settings.smtp_host is not None,
        at=clock.now(),
    )
    return Response(status_code=204)
