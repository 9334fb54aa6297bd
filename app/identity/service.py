"""Making people and devices known, and shutting them out."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.addresses import is_address
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import passwords, queries, sessions
from app.identity.actor import Actor
from app.identity.agents import normalised
from app.identity.models import ApiKey, Device, DeviceKey, User
from app.identity.permissions import Role
from app.identity.secrets import DEVICE_KEY, USER_KEY, digest, new_secret

ROTATION_OVERLAP = timedelta(days=7)

_NAME = re.compile(r"[\w.@-]{1,64}")


class NameTaken(Conflict):
    """The name is taken."""


class NameInvalid(Invalid):
    """A name has 1 to 64 letters, digits, dots, dashes, underscores or at-signs."""


class AddressInvalid(Invalid):
    """It is no address of mail."""


class UserNotFound(NotFound):
    """There is no such person."""


class LastAdministrator(Conflict):
    """The last administrator stays; make another first."""


class OwnRole(Forbidden):
    """Nobody changes his own role."""


class DeviceNotFound(NotFound):
    """There is no such device."""


class NoLongerHere(Forbidden):
    """You were shut out, or given another role, since this request was let in."""


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NameInvalid
    return name


def _checked_address(address: str | None) -> str | None:
    if address is None or is_address(address):
        return address
    raise AddressInvalid


def add_user(  # noqa: PLR0913 - a person has these parts; all but three are named.
    session: Session,
    actor: Actor,
    name: str,
    *,
    role: Role,
    at: datetime,
    full_name: str | None = None,
    agent_ref: str | None = None,
    email: str | None = None,
    password: str | None = None,
) -> User:
    """Make a person known.

    Raises:
        NameTaken: somebody has this name already.
        AddressInvalid: no letter can be sent there.
        ProofNeeded: an administrator is made from a browser without a fresh proof.
        PasswordTooShort, PasswordCommon, PasswordNamesYou: the password is none.
    """
    through = _proved(actor, role, at=at)
    if password is not None:
        passwords.check(password, about=(name, full_name or ""), has_code=False)
    user = User(
        id=new_id(),
        name=_checked(name),
        full_name=full_name or name,
        role=role,
        agent_ref=normalised(agent_ref),
        email=_checked_address(email),
        password_hash=passwords.hashed(password) if password else None,
        has_long_password=password is not None,
        created_at=at,
    )
    session.add(user)
    try:
        session.flush()
    except IntegrityError as exc:
        raise NameTaken(f"There is a {name} already.", name=name) from exc
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("user", user.id),
        at=at,
        facts={"change": "user.added", "role": str(role)} | through,
    )
    return user


def _proved(actor: Actor, role: Role, *, at: datetime) -> dict[str, str]:
    """Return what the ledger is told of who makes an administrator."""
    return {"through": actor.proved(at=at)} if role is Role.ADMIN else {}


def add_api_key(session: Session, actor: Actor, user: User, *, at: datetime) -> str:
    """Return a new key of `user`, shown this once."""
    secret = new_secret(USER_KEY)
    session.add(ApiKey(id=new_id(), user_id=user.id, digest=digest(secret), created_at=at))
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("user", user.id),
        at=at,
        facts={"change": "api_key.added"},
    )
    return secret


def disable_user(session: Session, actor: Actor, name: str, *, at: datetime) -> None:
    """Shut a person out; keys and sessions stop within seconds.

    Raises:
        UserNotFound: nobody has this name.
    """
    user = queries.user_by_name(session, name)
    if user is None:
        raise UserNotFound
    if user.role == Role.ADMIN and user.disabled_at is None:
        _must_not_be_last(session, actor, user)
    user.disabled_at = at
    sessions.end_all(session, actor, user.id, at=at)
    _changed(session, actor, user, "user.disabled", at=at)


def enable_user(session: Session, actor: Actor, name: str, *, at: datetime) -> None:
    """Let a person in again, with the keys that were not revoked.

    Raises:
        UserNotFound: nobody has this name.
        ProofNeeded: an administrator is let in from a browser without a fresh proof.
    """
    user = _user(session, name)
    through = _proved(actor, Role(user.role), at=at)
    user.disabled_at = None
    _changed(session, actor, user, "user.enabled", at=at, **through)


def change_user(  # noqa: PLR0913 - what of a person may be changed; all but three are named.
    session: Session,
    actor: Actor,
    name: str,
    *,
    role: Role,
    full_name: str,
    agent_ref: str | None,
    email: str | None,
    at: datetime,
) -> User:
    """Make of a person what is told; another role ends his log-ins.

    Raises:
        UserNotFound: nobody has this name.
        ProofNeeded: an administrator is made from a browser without a fresh proof.
        OwnRole: nobody changes his own role.
        LastAdministrator: somebody must be left who can do this.
        AddressInvalid: no letter can be sent there.
        NameTaken: softphones call somebody else so.
    """
    user = _user(session, name)
    user.full_name = full_name
    user.agent_ref = normalised(agent_ref)
    user.email = _checked_address(email)
    if user.role != role:
        if actor.id == user.id:
            raise OwnRole
        if user.role == Role.ADMIN:
            _must_not_be_last(session, actor, user)
        through = _proved(actor, role, at=at)
        facts = {"from": user.role, "role": str(role)} | through
        user.role = role
        sessions.end_all(session, actor, user.id, at=at)
        _changed(session, actor, user, "user.role_changed", at=at, **facts)
    else:
        _changed(session, actor, user, "user.changed", at=at)
    try:
        session.flush()
    except IntegrityError as exc:
        raise NameTaken(f"Softphones call somebody else {agent_ref}.", agent_ref=agent_ref) from exc
    return user


def set_address(session: Session, actor: Actor, address: str | None, *, at: datetime) -> None:
    """Let the actor's own letters go to another address, or to none.

    Raises:
        AddressInvalid: no letter can be sent there.
        ProofNeeded: at a browser without a fresh proof, for links for a password go there.
    """
    through = actor.proved(at=at)
    user = session.get_one(User, actor.id)
    user.email = _checked_address(address)
    _changed(session, actor, user, "address.changed", at=at, through=through)


def revoke_api_keys(session: Session, actor: Actor, name: str, *, at: datetime) -> int:
    """Let no key of a person open anything any more; return how many there were.

    Raises:
        UserNotFound: nobody has this name.
    """
    user = _user(session, name)
    revoked = session.scalars(
        update(ApiKey)
        .where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(ApiKey.id)
    ).all()
    if revoked:
        _changed(session, actor, user, "api_keys.revoked", at=at, count=len(revoked))
    return len(revoked)


def user_named(session: Session, name: str) -> User:
    """Return the person of this log-in name.

    Raises:
        UserNotFound: nobody has it.
    """
    return _user(session, name)


def _user(session: Session, name: str) -> User:
    user = queries.user_by_name(session, name)
    if user is None:
        raise UserNotFound
    return user


def _must_not_be_last(session: Session, actor: Actor, user: User) -> None:
    """Refuse to shut out the last administrator; two who go at once take turns.

    The command line may: it can also make a link by which a new one is made.
    """
    if actor.kind != "user":
        return
    admins = session.scalars(
        select(User.id).where(User.role == Role.ADMIN, User.disabled_at.is_(None)).with_for_update()
    ).all()
    if list(admins) == [user.id]:
        raise LastAdministrator


def _changed(
    session: Session, actor: Actor, user: User, change: str, *, at: datetime, **more: str | int
) -> None:
    facts: dict[str, str | int | bool | None] = {"change": change, **more}
    ledger.append(session, actor, Act.CONFIG_CHANGED, ("user", user.id), at=at, facts=facts)


def actor_named(session: Session, name: str) -> Actor:
    """Return the person of this log-in name who may still come in.

    Raises:
        UserNotFound: there is none.
    """
    user = queries.user_by_name(session, name)
    if user is None or user.disabled_at is not None:
        raise UserNotFound(f"There is no person {name!r}.", name=name)
    return queries.as_actor(session, user)


def must_be_here(session: Session, actor: Actor) -> None:
    """Refuse a person whom somebody has shut out a moment ago.

    Who calls is remembered for some seconds; what binds others is not done on memory. The
    person's row stays as it is until the transaction ends.

    Raises:
        NoLongerHere: disabled, of another role, or unknown.
    """
    role = session.scalar(
        select(User.role)
        .where(User.id == actor.id, User.disabled_at.is_(None))
        .with_for_update(read=True)
    )
    if role is None or role != actor.role:
        raise NoLongerHere


def add_device(
    session: Session, actor: Actor, name: str, *, is_exchange: bool = False, at: datetime
) -> str:
    """Make a device known and return its key, shown this once.

    What an exchange tells of calls counts as evidence.

    Raises:
        NameTaken: there is such a device already.
    """
    device = Device(id=new_id(), name=_checked(name), created_at=at, is_exchange=is_exchange)
    session.add(device)
    try:
        session.flush()
    except IntegrityError as exc:
        raise NameTaken(f"There is a device {name} already.", name=name) from exc
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("device", device.id),
        at=at,
        facts={"change": "exchange.added" if is_exchange else "device.added"},
    )
    return _new_device_key(session, device, at)


def add_demo_device(session: Session, actor: Actor, name: str, *, at: datetime) -> Device:
    """Make the device known that brings demo data; it has no key, and nobody sends as it."""
    device = Device(id=new_id(), name=_checked(name), created_at=at, disabled_at=at, is_demo=True)
    session.add(device)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("device", device.id),
        at=at,
        facts={"change": "demo_device.added"},
    )
    return device


def rotate_device(session: Session, actor: Actor, name: str, *, at: datetime) -> str:
    """Return a new key of a device; the old ones stay valid for seven more days.

    Raises:
        DeviceNotFound: there is none of this name.
    """
    device = _device(session, name)
    session.execute(
        update(DeviceKey)
        .where(DeviceKey.device_id == device.id, DeviceKey.expires_at.is_(None))
        .values(expires_at=at + ROTATION_OVERLAP)
    )
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("device", device.id),
        at=at,
        facts={"change": "device.key_rotated"},
    )
    return _new_device_key(session, device, at)


def disable_device(session: Session, actor: Actor, name: str, *, at: datetime) -> None:
    """Stop taking anything from a device.

    Raises:
        DeviceNotFound: there is none of this name.
    """
    device = _device(session, name)
    device.disabled_at = at
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("device", device.id),
        at=at,
        facts={"change": "device.disabled"},
    )


def _device(session: Session, name: str) -> Device:
    device = session.scalar(select(Device).where(Device.name == name))
    if device is None:
        raise DeviceNotFound
    return device


def _new_device_key(session: Session, device: Device, at: datetime) -> str:
    secret = new_secret(DEVICE_KEY)
    session.add(DeviceKey(id=new_id(), device_id=device.id, digest=digest(secret), created_at=at))
    return secret
