"""People and devices, for whoever administers them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from app.core.deps import ClockDep, SessionDep
from app.core.problems import problems
from app.identity import account, offices, oidc, queries, service, sessions
from app.identity.actor import Actor, PermissionMissing, ProofNeeded
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.offices import OfficeNameTaken, OfficeNotFound, ZoneUnknown
from app.identity.oidc import ProviderAbsent, SubjectTaken, provider_of
from app.identity.permissions import Permission
from app.identity.schemas import (
    DeviceCreate,
    DeviceRead,
    DevicesRead,
    KeyRead,
    LinkRead,
    OfficeRead,
    OfficesRead,
    OfficeWrite,
    SubjectWrite,
    UserCreate,
    UserOfficesWrite,
    UserRead,
    UsersRead,
    UserWrite,
)
from app.identity.service import (
    DeviceNotFound,
    LastAdministrator,
    NameInvalid,
    NameTaken,
    OwnRole,
    UserNotFound,
)

router = APIRouter(prefix="/v1", tags=["people"])

CanAdminUsers = Annotated[Actor, Depends(Requires(Permission.USER_ADMIN))]
CanAdminDevices = Annotated[Actor, Depends(Requires(Permission.DEVICE_ADMIN))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)


@router.get("/users", responses=problems(*GUARDED))
def list_users(_actor: CanAdminUsers, session: SessionDep, clock: ClockDep) -> UsersRead:
    """List everybody who works here, by name."""
    keys = queries.keys_of_users(session, clock.now())
    found = queries.users(session)
    return UsersRead(items=[UserRead.of(row, api_keys=keys.get(row.id, 0)) for row in found])


@router.post(
    "/users", status_code=201, responses=problems(*GUARDED, ProofNeeded, NameTaken, NameInvalid)
)
def add_user(
    body: UserCreate, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> UserRead:
    """Make a person known, who sets a password by a recovery link."""
    user = service.add_user(
        session,
        actor,
        body.name,
        role=body.role,
        full_name=body.full_name,
        agent_ref=body.agent_ref,
        email=body.email,
        at=clock.now(),
    )
    return UserRead.of(user, api_keys=0)


@router.put(
    "/users/{name}",
    responses=problems(*GUARDED, ProofNeeded, UserNotFound, NameTaken, OwnRole, LastAdministrator),
)
def put_user(
    name: str, body: UserWrite, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> UserRead:
    """Give a person a role and a name; another role ends his log-ins."""
    user = service.change_user(
        session,
        actor,
        name,
        role=body.role,
        full_name=body.full_name,
        agent_ref=body.agent_ref,
        email=body.email,
        at=clock.now(),
    )
    keys = queries.keys_of_users(session, clock.now())
    return UserRead.of(user, api_keys=keys.get(user.id, 0))


@router.post(
    "/users/{name}/disable",
    status_code=204,
    responses=problems(*GUARDED, UserNotFound, LastAdministrator),
)
def disable_user(name: str, actor: CanAdminUsers, session: SessionDep, clock: ClockDep) -> Response:
    """Shut a person out; log-ins and keys stop within seconds."""
    service.disable_user(session, actor, name, at=clock.now())
    return Response(status_code=204)


@router.post(
    "/users/{name}/enable", status_code=204, responses=problems(*GUARDED, ProofNeeded, UserNotFound)
)
def enable_user(name: str, actor: CanAdminUsers, session: SessionDep, clock: ClockDep) -> Response:
    """Let a person in again."""
    service.enable_user(session, actor, name, at=clock.now())
    return Response(status_code=204)


@router.delete(
    "/users/{name}/sessions", status_code=204, responses=problems(*GUARDED, UserNotFound)
)
def end_sessions(name: str, actor: CanAdminUsers, session: SessionDep, clock: ClockDep) -> Response:
    """End every log-in of a person."""
    user = service.user_named(session, name)
    sessions.end_all(session, actor, user.id, at=clock.now())
    return Response(status_code=204)


@router.post(
    "/users/{name}/recovery-link",
    status_code=201,
    responses=problems(*GUARDED, ProofNeeded, UserNotFound),
)
def make_recovery_link(
    name: str, request: Request, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> LinkRead:
    """Make a link by which a person sets a new password, good once and for a day."""
    token = account.mint_recovery_link(session, actor, name, at=clock.now())
    return LinkRead(url=account.recovery_url(request.app.state.settings.base_url, token))


@router.post(
    "/users/{name}/api-keys",
    status_code=201,
    responses=problems(*GUARDED, ProofNeeded, UserNotFound),
)
def add_api_key(name: str, actor: CanAdminUsers, session: SessionDep, clock: ClockDep) -> KeyRead:
    """Give a person a key for programs."""
    at = clock.now()
    actor.proved(at=at)
    user = service.user_named(session, name)
    return KeyRead(key=service.add_api_key(session, actor, user, at=at))


@router.delete(
    "/users/{name}/api-keys", status_code=204, responses=problems(*GUARDED, UserNotFound)
)
def revoke_api_keys(
    name: str, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Let no key of a person open anything any more."""
    service.revoke_api_keys(session, actor, name, at=clock.now())
    return Response(status_code=204)


@router.put(
    "/users/{name}/subject",
    status_code=204,
    responses=problems(*GUARDED, ProofNeeded, UserNotFound, ProviderAbsent, SubjectTaken),
)
def bind_subject(
    name: str,
    body: SubjectWrite,
    request: Request,
    actor: CanAdminUsers,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Bind whom the log-in provider calls `subject` to a person here."""
    at = clock.now()
    actor.proved(at=at)
    user = service.user_named(session, name)
    provider = provider_of(request.app.state.settings)
    oidc.bind(session, actor, provider, user, body.subject, at=at)
    return Response(status_code=204)


@router.get("/devices", responses=problems(*GUARDED))
def list_devices(_actor: CanAdminDevices, session: SessionDep) -> DevicesRead:
    """List every device, by name."""
    return DevicesRead(items=[DeviceRead.of(row) for row in queries.devices(session)])


@router.post("/devices", status_code=201, responses=problems(*GUARDED, NameTaken, NameInvalid))
def add_device(
    body: DeviceCreate, actor: CanAdminDevices, session: SessionDep, clock: ClockDep
) -> KeyRead:
    """Make a device known; its key is shown this once."""
    return KeyRead(
        key=service.add_device(
            session, actor, body.name, is_exchange=body.is_exchange, at=clock.now()
        )
    )


@router.post(
    "/devices/{name}/rotate", status_code=201, responses=problems(*GUARDED, DeviceNotFound)
)
def rotate_device(
    name: str, actor: CanAdminDevices, session: SessionDep, clock: ClockDep
) -> KeyRead:
    """Give a device a new key; the old one works for seven more days."""
    return KeyRead(key=service.rotate_device(session, actor, name, at=clock.now()))


@router.post(
    "/devices/{name}/disable", status_code=204, responses=problems(*GUARDED, DeviceNotFound)
)
def disable_device(
    name: str, actor: CanAdminDevices, session: SessionDep, clock: ClockDep
) -> Response:
    """Take nothing more from a device."""
    service.disable_device(session, actor, name, at=clock.now())
    return Response(status_code=204)


@router.get("/offices", responses=problems(*GUARDED))
def list_offices(_actor: CanAdminUsers, session: SessionDep) -> OfficesRead:
    """List every office, by name."""
    return OfficesRead(items=[OfficeRead.of(row) for row in queries.offices(session)])


@router.post(
    "/offices", status_code=201, responses=problems(*GUARDED, OfficeNameTaken, ZoneUnknown)
)
def add_office(
    body: OfficeWrite, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> OfficeRead:
    """Make an office."""
    return OfficeRead.of(
        offices.put(
            session,
            actor,
            None,
            name=body.name,
            jurisdiction=body.jurisdiction,
            zone=body.zone,
            at=clock.now(),
        )
    )


@router.put(
    "/offices/{office_id}",
    responses=problems(*GUARDED, OfficeNotFound, OfficeNameTaken, ZoneUnknown),
)
def put_office(
    office_id: UUID, body: OfficeWrite, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> OfficeRead:
    """Make of an office what is told."""
    return OfficeRead.of(
        offices.put(
            session,
            actor,
            office_id,
            name=body.name,
            jurisdiction=body.jurisdiction,
            zone=body.zone,
            at=clock.now(),
        )
    )


@router.put(
    "/users/{name}/offices",
    status_code=204,
    responses=problems(*GUARDED, UserNotFound, OfficeNotFound),
)
def put_user_offices(
    name: str, body: UserOfficesWrite, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Let a person belong to these offices; a manager sees their clients and no others."""
    offices.place(session, actor, name, body.offices, at=clock.now())
    return Response(status_code=204)
