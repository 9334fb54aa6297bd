"""People, devices and offices, and the first run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.errors import Conflict, Invalid, Malformed, Refusal
from app.identity import account, offices, queries, service, sessions
from app.identity.account import recovery_url
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.models import User
from app.identity.passwords import SHORTEST
from app.identity.permissions import Permission, Role
from app.identity.service import AddressInvalid, NameInvalid, NameTaken
from app.mail import service as mail
from app.recordings import queries as recordings
from app.web import edge, refusal_words
from app.web.edge import Form, OpenForm
from app.web.sections import Place, Section
from app.web.words import N_, Words

router = edge.page_router()
SECTION = Section(
    place=Place.PEOPLE,
    path="/people",
    label=N_("People"),
    permission=Permission.USER_ADMIN,
    also=("/devices", "/offices"),
)

CanAdminUsers = Annotated[Actor, Depends(Requires(Permission.USER_ADMIN))]
CanAdminDevices = Annotated[Actor, Depends(Requires(Permission.DEVICE_ADMIN))]

ROLES: Final = {
    Role.AGENT: N_("agent"),
    Role.MANAGER: N_("manager"),
    Role.REVIEWER: N_("reviewer"),
    Role.APPROVER: N_("approver"),
    Role.LEGAL: N_("legal"),
    Role.ADMIN: N_("administrator"),
    Role.AUDITOR: N_("auditor"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A person in the list."""

    name: str
    full_name: str
    role: str
    offices: str
    has_code: bool
    api_keys: int
    is_disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePage:
    """Everybody, and the form for one more."""

    title: str
    rows: tuple[PersonRow, ...]
    roles: tuple[tuple[str, str], ...]
    wrong: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPage:
    """One person, and what can be changed of him."""

    title: str
    name: str
    full_name: str
    role: str
    agent_ref: str
    email: str
    can_mail: bool
    api_keys: int
    is_disabled: bool
    is_self: bool
    roles: tuple[tuple[str, str], ...]
    offices: tuple[tuple[str, bool], ...]
    wrong: str
    wrong_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretPage:
    """A key or a link, shown this once, and what to do with it."""

    title: str
    what: str
    secret: str
    example: str
    back: str
    back_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A device in the list; `seen` is when its newest recording came."""

    name: str
    is_exchange: bool
    added: datetime
    seen: datetime | None
    is_disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesPage:
    """Every device, and the form for one more."""

    title: str
    rows: tuple[DeviceRow, ...]
    wrong: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeRow:
    """An office in the list."""

    id: UUID
    name: str
    jurisdiction: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficesPage:
    """Every office, and the form for one more."""

    title: str
    rows: tuple[OfficeRow, ...]
    wrong: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRunPage:
    """The form by which the first administrator is made."""

    title: str
    action: str
    shortest: int
    name: str
    full_name: str
    wrong: str
    wrong_password: str


def _roles(words: Words) -> tuple[tuple[str, str], ...]:
    return tuple((str(role), words.gettext(label)) for role, label in ROLES.items())


# --- people ---------------------------------------------------------------------------------------


@router.get("/people")
def show_people(
    call: Request, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Show everybody."""
    return _people(call, actor, session, clock.now())


def _people(
    call: Request,
    actor: Actor,
    session: Session,
    at: datetime,
    *,
    wrong: str = "",
    name: str = "",
) -> Response:
    words = edge.words_of(call, actor, session)
    keys = queries.keys_of_users(session, at)
    names = {office.id: office.name for office in queries.offices(session)}
    rows = tuple(
        PersonRow(
            name=user.name,
            full_name=user.full_name,
            role=words.gettext(ROLES[Role(user.role)]),
            offices=", ".join(names[one] for one in queries.offices_of(session, user.id)),
            has_code=user.totp_since is not None,
            api_keys=keys.get(user.id, 0),
            is_disabled=user.disabled_at is not None,
        )
        for user in queries.users(session)
    )
    page = PeoplePage(
        title=words.gettext("People"), rows=rows, roles=_roles(words), wrong=wrong, name=name
    )
    status = 422 if wrong else 200
    return edge.render(call, actor, session, "people/people.html", page, status=status, words=words)


@router.post("/people")
def add_person(
    call: Request, form: Form, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Make a person known, and go to him, where a link for his password is made."""
    name = form.get("name")
    try:
        with session.begin_nested():
            service.add_user(
                session,
                actor,
                name,
                role=_role(form.get("role")),
                full_name=form.get("full_name")[:500] or None,
                agent_ref=form.get("agent_ref")[:500] or None,
                email=form.get("email")[:500] or None,
                at=clock.now(),
            )
    except (Invalid, Conflict) as exc:
        wrong = _why(call, actor, session, exc)
        return _people(call, actor, session, clock.now(), wrong=wrong, name=name)
    return edge.see(f"/people/{name}")


def _role(given: str) -> Role:
    try:
        return Role(given)
    except ValueError as exc:
        raise Malformed(field="role") from exc


def _why(call: Request, actor: Actor, session: Session, refusal: Refusal) -> str:
    return refusal_words.said(refusal, edge.words_of(call, actor, session))


@router.get("/people/{person}")
def show_person(
    call: Request, person: str, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Show a person and what can be changed of him."""
    return _person(call, actor, session, service.user_named(session, person), clock.now())


def _person(  # noqa: PLR0913 - who looks, and what was wrong.
    call: Request,
    actor: Actor,
    session: Session,
    user: User,
    at: datetime,
    *,
    wrong: str = "",
    wrong_address: str = "",
) -> Response:
    words = edge.words_of(call, actor, session)
    own = set(queries.offices_of(session, user.id))
    page = PersonPage(
        title=user.full_name,
        name=user.name,
        full_name=user.full_name,
        role=user.role,
        agent_ref=user.agent_ref or "",
        email=user.email or "",
        can_mail=user.email is not None and call.app.state.settings.smtp_host is not None,
        api_keys=queries.keys_of_users(session, at).get(user.id, 0),
        is_disabled=user.disabled_at is not None,
        is_self=user.id == actor.id,
        roles=_roles(words),
        offices=tuple((one.name, one.id in own) for one in queries.offices(session)),
        wrong=wrong,
        wrong_address=wrong_address,
    )
    status = 422 if wrong or wrong_address else 200
    return edge.render(call, actor, session, "people/person.html", page, status=status, words=words)


@router.post("/people/{person}")
def change_person(
    call: Request,
    person: str,
    form: Form,
    actor: CanAdminUsers,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Give a person names, a role and offices."""
    at = clock.now()
    user = service.user_named(session, person)
    try:
        with session.begin_nested():
            service.change_user(
                session,
                actor,
                person,
                role=_role(form.get("role", user.role)),
                full_name=form.get("full_name")[:500] or person,
                agent_ref=form.get("agent_ref")[:500] or None,
                email=form.get("email")[:500] or None,
                at=at,
            )
            offices.place(session, actor, person, form.all("office"), at=at)
    except AddressInvalid as exc:
        wrong = _why(call, actor, session, exc)
        session.expire_all()
        return _person(call, actor, session, user, at, wrong_address=wrong)
    except (Invalid, Conflict) as exc:
        wrong = _why(call, actor, session, exc)
        session.expire_all()
        return _person(call, actor, session, user, at, wrong=wrong)
    return edge.see(f"/people/{person}")


@router.post("/people/{person}/disable")
def disable_person(
    person: str, _form: Form, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Shut a person out."""
    service.disable_user(session, actor, person, at=clock.now())
    return edge.see(f"/people/{person}")


@router.post("/people/{person}/enable")
def enable_person(
    person: str, _form: Form, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Let a person in again."""
    service.enable_user(session, actor, person, at=clock.now())
    return edge.see(f"/people/{person}")


@router.post("/people/{person}/log-out")
def end_person_sessions(
    person: str, _form: Form, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """End every log-in of a person."""
    user = service.user_named(session, person)
    sessions.end_all(session, actor, user.id, at=clock.now())
    return edge.see(f"/people/{person}")


@router.post("/people/{person}/recovery-link")
def make_recovery_link(
    call: Request,
    person: str,
    _form: Form,
    actor: CanAdminUsers,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Make a link by which a person sets a new password, and show it once."""
    token = account.mint_recovery_link(session, actor, person, at=clock.now())
    words = edge.words_of(call, actor, session)
    return _secret(
        call,
        actor,
        session,
        SecretPage(
            title=words.gettext("A link for a new password"),
            what=words.gettext(
                "Give it to %(name)s yourself. It is good once and for a day, and shown this once."
            )
            % {"name": person},
            secret=recovery_url(call.app.state.settings.base_url, token),
            example="",
            back=f"/people/{person}",
            back_label=person,
        ),
    )


@router.post("/people/{person}/recovery-mail")
def mail_recovery_link(
    call: Request,
    person: str,
    _form: Form,
    actor: CanAdminUsers,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Mail a person a link by which he sets a new password; nobody else sees it."""
    settings = call.app.state.settings
    mail.mail_recovery_link(
        session,
        actor,
        person,
        base_url=settings.base_url,
        has_server=settings.smtp_host is not None,
        at=clock.now(),
    )
    return edge.see(f"/people/{person}")


@router.post("/people/{person}/api-key")
def add_api_key(
    call: Request,
    person: str,
    _form: Form,
    actor: CanAdminUsers,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Give a person a key for programs, and show it once."""
    at = clock.now()
    actor.proved(at=at)
    key = service.add_api_key(session, actor, service.user_named(session, person), at=at)
    words = edge.words_of(call, actor, session)
    base = call.app.state.settings.base_url
    return _secret(
        call,
        actor,
        session,
        SecretPage(
            title=words.gettext("A key for programs"),
            what=words.gettext("It is shown this once. Whoever has it acts as this person."),
            secret=key,
            example=f"curl -H 'Authorization: Bearer {key}' {base}/v1/session",
            back=f"/people/{person}",
            back_label=person,
        ),
    )


@router.post("/people/{person}/api-keys/revoke")
def revoke_api_keys(
    person: str, _form: Form, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Let no key of a person open anything any more."""
    service.revoke_api_keys(session, actor, person, at=clock.now())
    return edge.see(f"/people/{person}")


def _secret(call: Request, actor: Actor, session: Session, page: SecretPage) -> Response:
    return edge.render(call, actor, session, "people/secret.html", page)


# --- devices --------------------------------------------------------------------------------------


@router.get("/devices")
def show_devices(call: Request, actor: CanAdminDevices, session: SessionDep) -> Response:
    """Show every device."""
    return _devices(call, actor, session)


def _devices(
    call: Request, actor: Actor, session: Session, *, wrong: str = "", name: str = ""
) -> Response:
    words = edge.words_of(call, actor, session)
    seen = recordings.last_received(session)
    rows = tuple(
        DeviceRow(
            name=row.name,
            is_exchange=row.is_exchange,
            added=row.created_at,
            seen=seen.get(row.id),
            is_disabled=row.disabled_at is not None,
        )
        for row in queries.devices(session)
    )
    page = DevicesPage(title=words.gettext("Devices"), rows=rows, wrong=wrong, name=name)
    status = 422 if wrong else 200
    return edge.render(
        call, actor, session, "people/devices.html", page, status=status, words=words
    )


@router.post("/devices")
def add_device(
    call: Request, form: Form, actor: CanAdminDevices, session: SessionDep, clock: ClockDep
) -> Response:
    """Make a device known, and show its key once, with a line that tries it."""
    name = form.get("name")
    is_exchange = form.get("is_exchange") == "yes"
    try:
        with session.begin_nested():
            key = service.add_device(session, actor, name, is_exchange=is_exchange, at=clock.now())
    except (Invalid, Conflict) as exc:
        wrong = _why(call, actor, session, exc)
        return _devices(call, actor, session, wrong=wrong, name=name)
    return _device_key(call, actor, session, name, key)


@router.post("/devices/{device}/rotate")
def rotate_device(
    call: Request,
    device: str,
    _form: Form,
    actor: CanAdminDevices,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Give a device another key, and show it once."""
    key = service.rotate_device(session, actor, device, at=clock.now())
    return _device_key(call, actor, session, device, key)


@router.post("/devices/{device}/disable")
def disable_device(
    device: str, _form: Form, actor: CanAdminDevices, session: SessionDep, clock: ClockDep
) -> Response:
    """Take nothing more from a device."""
    service.disable_device(session, actor, device, at=clock.now())
    return edge.see("/devices")


def _device_key(call: Request, actor: Actor, session: Session, name: str, key: str) -> Response:
    return edge.render(
        call, actor, session, "people/secret.html", key_page(call, actor, session, name, key)
    )


def key_page(
    call: Request,
    actor: Actor,
    session: Session,
    name: str,
    key: str,
    *,
    back: str = "/devices",
) -> SecretPage:
    """Return what shows a device's key once, with a line that sends a call by hand."""
    words = edge.words_of(call, actor, session)
    base = call.app.state.settings.base_url
    now = call.app.state.clock.now().astimezone(words.zone)
    told = f'{{"source_call_id": "try-1", "started_at": "{now.isoformat(timespec="seconds")}", '
    told += '"direction": "inbound", "from": "+74950000000", "to": "101"}'
    return SecretPage(
        title=words.gettext("The key of %(name)s") % {"name": name},
        what=words.gettext(
            "It is shown this once. Put it into the softphone; the line below sends a call by hand."
        ),
        secret=key,
        example=(
            f"curl -H 'Authorization: Bearer {key}' -F 'metadata={told}' -F file=@call.wav "
            f"{base}/v1/recordings"
        ),
        back=back,
        back_label=words.gettext("Devices") if back == "/devices" else words.gettext("Setting up"),
    )


# --- offices --------------------------------------------------------------------------------------


@router.get("/offices")
def show_offices(call: Request, actor: CanAdminUsers, session: SessionDep) -> Response:
    """Show every office."""
    return _offices(call, actor, session)


def _offices(call: Request, actor: Actor, session: Session, *, wrong: str = "") -> Response:
    words = edge.words_of(call, actor, session)
    settings = call.app.state.settings
    rows = tuple(
        OfficeRow(
            id=row.id,
            name=row.name,
            jurisdiction=row.jurisdiction or settings.jurisdiction,
            zone=row.zone or settings.office_zone,
        )
        for row in queries.offices(session)
    )
    page = OfficesPage(title=words.gettext("Offices"), rows=rows, wrong=wrong)
    status = 422 if wrong else 200
    return edge.render(
        call, actor, session, "people/offices.html", page, status=status, words=words
    )


@router.post("/offices")
def put_office(
    call: Request, form: Form, actor: CanAdminUsers, session: SessionDep, clock: ClockDep
) -> Response:
    """Make an office, or make of one what is told."""
    try:
        with session.begin_nested():
            offices.put(
                session,
                actor,
                form.id("office") if form.get("office") else None,
                name=_given(form.get("name"), "name"),
                jurisdiction=form.get("jurisdiction")[:50] or None,
                zone=form.get("zone")[:100] or None,
                at=clock.now(),
            )
    except (Invalid, Conflict) as exc:
        return _offices(call, actor, session, wrong=_why(call, actor, session, exc))
    return edge.see("/offices")


def _given(value: str, name: str) -> str:
    if not value:
        raise Malformed(field=name)
    return value[:500]


# --- the first run --------------------------------------------------------------------------------


@router.get("/first-run/{token}")
def show_first_run(call: Request, token: str, session: SessionDep, clock: ClockDep) -> Response:
    """Ask who the first administrator is to be."""
    account.must_be_first_admin_link(session, token, at=clock.now())
    return _first_run(call, token)


@router.post("/first-run/{token}")
def make_first_admin(
    call: Request, token: str, form: OpenForm, session: SessionDep, clock: ClockDep
) -> Response:
    """Make the first administrator, and go to the log-in."""
    try:
        with session.begin_nested():
            account.make_first_admin(
                session,
                token,
                name=form.get("name"),
                full_name=form.get("full_name")[:500] or form.get("name"),
                password=form.raw("password")[:2048],
                at=clock.now(),
            )
    except (Invalid, Conflict) as exc:
        return _first_run(
            call, token, name=form.get("name"), full_name=form.get("full_name"), refused=exc
        )
    return edge.see("/login", {"onward": "/start"})


def _first_run(
    call: Request,
    token: str,
    *,
    name: str = "",
    full_name: str = "",
    refused: Refusal | None = None,
) -> Response:
    words = edge.words_of(call)
    wrong = words.gettext(refused.title()) if refused else ""
    is_of_name = isinstance(refused, (NameTaken, NameInvalid))
    page = FirstRunPage(
        title=words.gettext("The first administrator"),
        action=f"/first-run/{token}",
        shortest=SHORTEST,
        name=name,
        full_name=full_name,
        wrong=wrong if is_of_name else "",
        wrong_password="" if is_of_name else wrong,
    )
    status = 422 if wrong else 200
    response = edge.render(
        call, None, None, "people/first_run.html", page, status=status, words=words
    )
    response.headers["Referrer-Policy"] = "no-referrer"  # The address is the key.
    return response
