"""Making people and devices known, logging in and out."""

from __future__ import annotations

import hashlib
import math
import re
from datetime import datetime, timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.db import Database
from app.core.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act, Outcome
from app.custody.models import CustodyEntry
from app.identity import queries
from app.identity.actor import Actor
from app.identity.agents import normalised
from app.identity.models import ApiKey, Device, DeviceKey, LoginAttempt, User, WebSession
from app.identity.permissions import Role
from app.identity.secrets import DEVICE_KEY, SESSION_TOKEN, USER_KEY, digest, new_secret

SESSION_LIFETIME = timedelta(hours=12)
ROTATION_OVERLAP = timedelta(days=7)
THROTTLE_WINDOW = timedelta(minutes=15)
FAILURES_ALLOWED = 10
THROTTLED_TOLD_EVERY = timedelta(minutes=1)
SHORTEST_PASSWORD = 12

_NAME = re.compile(r"[\w.@-]{1,64}")

# 19 MiB and two passes cost about 150 ms; the profiles of the library cost five times that.
# Source: OWASP password storage, Argon2id.
_hasher = PasswordHasher(
    time_cost=2,
    memory_cost=19 * 1024,
    parallelism=1,
    salt_len=16,
    hash_len=32,
    type=RFC_9106_LOW_MEMORY.type,
)
_NOBODY = _hasher.hash("nobody")


class NameTaken(Conflict):
    """The name is taken."""


class NameInvalid(Invalid):
    """A name has 1 to 64 letters, digits, dots, dashes, underscores or at-signs."""


class PasswordTooShort(Invalid):
    """A password has at least twelve characters."""


class UserNotFound(NotFound):
    """There is no such person."""


class DeviceNotFound(NotFound):
    """There is no such device."""


class LoginRefused(Unauthenticated):
    """Name or password is wrong."""


class LoginThrottled(TooMany):
    """Too many failed log-ins for this name; wait as long as `retry_after_seconds` says."""


class NoLongerHere(Forbidden):
    """You were shut out, or given another role, since this request was let in."""


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NameInvalid
    return name


def add_user(  # noqa: PLR0913 - a person has these parts; all but three are named.
    session: Session,
    actor: Actor,
    name: str,
    *,
    role: Role,
    at: datetime,
    full_name: str | None = None,
    agent_ref: str | None = None,
    password: str | None = None,
) -> User:
    """Make a person known.

    Raises:
        NameTaken: somebody has this name already.
        PasswordTooShort: fewer than twelve characters.
    """
    if password is not None and len(password) < SHORTEST_PASSWORD:
        raise PasswordTooShort
    user = User(
        id=new_id(),
        name=_checked(name),
        full_name=full_name or name,
        role=role,
        agent_ref=normalised(agent_ref),
        password_hash=_hasher.hash(password) if password else None,
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
        facts={"change": "user.added", "role": str(role)},
    )
    return user


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
    user.disabled_at = at
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("user", user.id),
        at=at,
        facts={"change": "user.disabled"},
    )


def actor_named(session: Session, name: str) -> Actor:
    """Return the person of this log-in name who may still come in.

    Raises:
        UserNotFound: there is none.
    """
    user = queries.user_by_name(session, name)
    if user is None or user.disabled_at is not None:
        raise UserNotFound(f"There is no person {name!r}.")
    return queries.as_actor(user)


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


def _name_digest(name: str) -> bytes:
    return hashlib.sha256(name.lower().encode()).digest()


def log_in(database: Database, name: str, password: str, *, at: datetime) -> str:
    """Return the token of a new session.

    The same work is done whether or not the name exists, so that neither answer nor time tells.
    It opens transactions of its own: an attempt is counted before the password is looked at,
    whatever comes of it, so that attempts at once are not more than attempts in turn; and none is
    open while the password is hashed.

    Raises:
        LoginRefused: name or password is wrong, or the person is disabled.
        LoginThrottled: this name has failed too often.
    """
    try:
        with database.transaction() as session:
            attempt_id = _count_attempt(session, name, at=at)
            user = queries.user_by_name(session, name)
    except LoginThrottled:
        with database.transaction() as session:
            _remember_throttled(session, name, at=at)
        raise
    known = user.password_hash if user and user.password_hash and not user.disabled_at else None
    is_right = _is_right(known or _NOBODY, password)
    with database.transaction() as session:
        if user is not None and known is not None and is_right:
            session.execute(delete(LoginAttempt).where(LoginAttempt.id == attempt_id))
            return _new_session(session, user, at=at)
        if user is not None:
            ledger.append(
                session,
                Actor.system("login"),
                Act.LOGIN_FAILED,
                ("user", user.id),
                at=at,
                outcome=Outcome.DENIED,
            )
    raise LoginRefused


def _count_attempt(session: Session, name: str, *, at: datetime) -> UUID:
    """Count an attempt at this name, whether or not anybody has it.

    Raises:
        LoginThrottled: as many as are allowed failed lately, or are under way.
    """
    attempted = _name_digest(name)
    _in_turn(session, attempted)
    oldest = session.scalar(
        select(LoginAttempt.at)
        .where(LoginAttempt.name_digest == attempted, LoginAttempt.at > at - THROTTLE_WINDOW)
        .order_by(LoginAttempt.at.desc())
        .offset(FAILURES_ALLOWED - 1)
        .limit(1)
    )
    if oldest is not None:
        wait = math.ceil((oldest + THROTTLE_WINDOW - at).total_seconds())
        raise LoginThrottled(retry_after_seconds=max(wait, 1))
    attempt = LoginAttempt(id=new_id(), name_digest=attempted, at=at)
    session.add(attempt)
    return attempt.id


def _remember_throttled(session: Session, name: str, *, at: datetime) -> None:
    """Tell the ledger, once a minute at most, if the name that waits is somebody's."""
    user = queries.user_by_name(session, name)
    if user is None:
        return
    _in_turn(session, _name_digest(name))
    told = session.scalar(
        select(CustodyEntry.position)
        .where(
            CustodyEntry.object_id == user.id,
            CustodyEntry.act == Act.LOGIN_THROTTLED,
            CustodyEntry.at > at - THROTTLED_TOLD_EVERY,
        )
        .limit(1)
    )
    if told is None:
        ledger.append(
            session,
            Actor.system("login"),
            Act.LOGIN_THROTTLED,
            ("user", user.id),
            at=at,
            outcome=Outcome.DENIED,
        )


def _in_turn(session: Session, attempted: bytes) -> None:
    """Wait until no other transaction looks at the attempts of this name."""
    lock = int.from_bytes(attempted[:8], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(lock)))


def _is_right(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


def _new_session(session: Session, user: User, *, at: datetime) -> str:
    secret = new_secret(SESSION_TOKEN)
    session.add(
        WebSession(
            id=new_id(),
            user_id=user.id,
            digest=digest(secret),
            created_at=at,
            expires_at=at + SESSION_LIFETIME,
        )
    )
    ledger.append(session, queries.as_actor(user), Act.LOGIN_SUCCEEDED, ("user", user.id), at=at)
    return secret


def log_out(session: Session, token: str, *, at: datetime) -> None:
    """End the session of `token`."""
    ended = session.scalar(
        update(WebSession)
        .where(WebSession.digest == digest(token), WebSession.ended_at.is_(None))
        .values(ended_at=at)
        .returning(WebSession.user_id)
    )
    if ended is not None:
        user = session.get_one(User, ended)
        ledger.append(session, queries.as_actor(user), Act.LOGIN_ENDED, ("user", user.id), at=at)
