"""Logging in: a password, then a code where there is a second factor; and slowing who guesses.

Nothing of an answer, nor its moment, tells whether somebody has a name: only of somebody is a
failure written down, and what that takes disappears in the wait before each refusal. Each function
opens transactions of its own: an attempt is counted before the secret is looked at, whatever comes
of it, so that attempts at once are not more than attempts in turn; and none is open while a
password is hashed or a refusal waits. Source: OWASP ASVS 5.0, V6.3.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.db import Database
from app.core.errors import TooMany, Unauthenticated
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act, Outcome
from app.custody.models import CustodyEntry
from app.identity import passwords, queries, second_factor, sessions, tokens
from app.identity.actor import Actor
from app.identity.models import LoginAttempt, TokenKind, User
from app.identity.sessions import NOWHERE, SessionNotFound, Source

THROTTLE_WINDOW = timedelta(minutes=15)
FAILURES_ALLOWED = 10
FAILURES_OF_A_SOURCE = 100
THROTTLED_TOLD_EVERY = timedelta(minutes=1)
REFUSED_AT_STEPS_OF = 0.25
"""Seconds: a refusal comes a whole number of these after it was asked for."""

_LOGIN = Actor.system("login")


class LoginRefused(Unauthenticated):
    """Name or password is wrong."""


class CodeRefused(Unauthenticated):
    """The code is wrong or was used already, or the log-in took too long; begin again."""


class CodeAsked(Unauthenticated):
    """Send the code from your telephone, or a recovery code, too.

    `code` of the same request takes it.
    """

    def __init__(self, ticket: str) -> None:
        super().__init__()
        self.ticket = ticket  # No fact: it is for the form, whose cookie it becomes.


class LoginThrottled(TooMany):
    """Too many failed log-ins; wait as long as `retry_after_seconds` says."""


def log_in(
    database: Database,
    name: str,
    password: str,
    *,
    at: datetime,
    code: str | None = None,
    source: Source = NOWHERE,
) -> str:
    """Return the token of a new session.

    Raises:
        LoginRefused: name or password is wrong, or the person is disabled.
        CodeAsked: both are right, and there is a second factor; its `ticket` is for `give_code`.
        CodeRefused: the code is not right.
        LoginThrottled: this name or this source has failed too often.
    """
    with _refused_in_step():
        return _log_in(database, name, password, at=at, code=code, source=source)


def _log_in(
    database: Database,
    name: str,
    password: str,
    *,
    at: datetime,
    code: str | None,
    source: Source,
) -> str:
    attempt = _count_attempt(database, name, source=source, at=at)
    with database.transaction() as session:
        user = queries.user_by_name(session, name)
    known = user.password_hash if user and not user.disabled_at else None
    if not passwords.is_right(known, password) or user is None:
        with database.transaction() as session:
            _tell_failed(session, user, "password", at=at)
        raise LoginRefused
    if user.totp_since is None:
        return admit(database, user.id, attempt, how="password", source=source, at=at)
    if code is not None:
        return _admit_by_code(
            database, user.id, code, attempt=attempt, first="password", source=source, at=at
        )
    raise _code_asked(database, user.id, attempt, first="password", at=at)


def give_code(
    database: Database, ticket: str, code: str, *, at: datetime, source: Source = NOWHERE
) -> str:
    """Return the token of a new session of whoever was given `ticket`.

    Raises:
        CodeRefused: ticket or code is not good, or no longer.
        LoginThrottled: as for passwords.
    """
    with database.transaction() as session:
        asked = tokens.look(session, TokenKind.SECOND_FACTOR, ticket, at=at)
        user = session.get(User, asked.user_id) if asked else None
    if asked is None or user is None or user.disabled_at is not None:
        raise CodeRefused
    attempt = _count_attempt(database, user.name, source=source, at=at)
    first = str(asked.facts["first"])
    token = _admit_by_code(
        database, user.id, code, attempt=attempt, first=first, source=source, at=at
    )
    with database.transaction() as session:
        tokens.use(session, TokenKind.SECOND_FACTOR, ticket, at=at)
    return token


def admit_from_provider(
    database: Database, user_id: UUID, *, has_second: bool, source: Source, at: datetime
) -> str:
    """Return the token of a session of whom the provider knows.

    Raises:
        CodeAsked: there is a second factor here, and the provider did not say it asked for one.
    """
    with database.transaction() as session:
        user = session.get_one(User, user_id)
    if user.totp_since is not None and not has_second:
        raise _code_asked(database, user_id, None, first="provider", at=at)
    how = "provider+second" if has_second else "provider"
    return admit(database, user_id, None, how=how, source=source, at=at)


def admit(
    database: Database,
    user_id: UUID,
    attempt: UUID | None,
    *,
    how: str,
    source: Source,
    at: datetime,
) -> str:
    """Begin a session; the attempt that led to it is no failure."""
    with database.transaction() as session:
        _forgive(session, attempt)
        user = session.get_one(User, user_id)
        if user.disabled_at is not None:
            raise LoginRefused
        return sessions.begin(
            session, user, queries.as_actor(session, user), how=how, source=source, at=at
        )


def prove(
    database: Database,
    actor: Actor,
    *,
    password: str | None,
    code: str | None,
    source: Source,
    at: datetime,
) -> str:
    """Return another token of the actor's session, after he gave password or code once more.

    Where there is a second factor, only its code counts.

    Raises:
        LoginRefused, CodeRefused: it is wrong, or missing.
        LoginThrottled: this name or this source has failed too often.
        SessionNotFound: he does not act from a browser.
    """
    if actor.browser is None:
        raise SessionNotFound
    attempt = _count_attempt(database, actor.name, source=source, at=at)
    with database.transaction() as session:
        user = session.get_one(User, actor.id)
    has_code = user.totp_since is not None
    if not has_code and not passwords.is_right(user.password_hash, password or ""):
        with database.transaction() as session:
            _tell_failed(session, user, "proof", at=at)
        raise LoginRefused
    with database.transaction() as session:
        how = _taken(session, user.id, code or "", at=at) if has_code else "password"
        if how is not None:
            _forgive(session, attempt)
            return sessions.renew(session, actor, how=how, at=at)
        _tell_failed(session, user, "proof", at=at)
    raise CodeRefused


def must_be_right(
    database: Database, actor: Actor, password: str, *, source: Source, at: datetime
) -> None:
    """Refuse a wrong password of the actor, as before it is changed.

    Raises:
        LoginRefused: it is wrong.
        LoginThrottled: this name or this source has failed too often.
        SessionNotFound: he does not act from a browser.
    """
    if actor.browser is None:
        raise SessionNotFound
    attempt = _count_attempt(database, actor.name, source=source, at=at)
    with database.transaction() as session:
        user = session.get_one(User, actor.id)
    is_right = passwords.is_right(user.password_hash, password)
    with database.transaction() as session:
        if is_right:
            _forgive(session, attempt)
        else:
            _tell_failed(session, user, "password", at=at)
    if not is_right:
        raise LoginRefused


@contextmanager
def _refused_in_step() -> Iterator[None]:
    """Let a refusal wait for the next step, so that its moment tells nothing of the work before."""
    begun = time.monotonic()
    try:
        yield
    except (LoginRefused, LoginThrottled):
        time.sleep(left_of_step(time.monotonic() - begun))
        raise


def left_of_step(passed: float) -> float:
    """Return the seconds until the next step, of which refusals come at whole numbers."""
    return REFUSED_AT_STEPS_OF - passed % REFUSED_AT_STEPS_OF


def _admit_by_code(  # noqa: PLR0913 - who, what he gave, and what is told of it.
    database: Database,
    user_id: UUID,
    code: str,
    *,
    attempt: UUID,
    first: str,
    source: Source,
    at: datetime,
) -> str:
    with database.transaction() as session:
        by = _taken(session, user_id, code, at=at)
        if by is None:
            _tell_failed(session, session.get_one(User, user_id), "code", at=at)
    if by is None:
        raise CodeRefused
    return admit(database, user_id, attempt, how=f"{first}+{by}", source=source, at=at)


def _taken(session: Session, user_id: UUID, code: str, *, at: datetime) -> str | None:
    return second_factor.takes(session, session.get_one(User, user_id), code, at=at)


def _code_asked(
    database: Database, user_id: UUID, attempt: UUID | None, *, first: str, at: datetime
) -> CodeAsked:
    with database.transaction() as session:
        _forgive(session, attempt)
        ticket = tokens.mint(
            session, TokenKind.SECOND_FACTOR, user_id=user_id, facts={"first": first}, at=at
        )
    return CodeAsked(ticket)


def _tell_failed(session: Session, user: User | None, step: str, *, at: datetime) -> None:
    if user is not None:
        ledger.append(
            session,
            _LOGIN,
            Act.LOGIN_FAILED,
            ("user", user.id),
            at=at,
            outcome=Outcome.DENIED,
            facts={"step": step},
        )


def _count_attempt(database: Database, name: str, *, source: Source, at: datetime) -> UUID:
    """Count an attempt at this name and from this source, whether or not anybody has the name.

    Raises:
        LoginThrottled: as many as are allowed failed lately, or are under way.
    """
    try:
        with database.transaction() as session:
            return _counted(session, name, source=source, at=at)
    except LoginThrottled:
        with database.transaction() as session:
            _remember_throttled(session, name, at=at)
        raise


def _counted(session: Session, name: str, *, source: Source, at: datetime) -> UUID:
    attempted, where = _name_digest(name), _source_digest(source)
    for key in sorted(key for key in (attempted, where) if key is not None):
        _in_turn(session, key)
    _must_wait(session, LoginAttempt.name_digest, attempted, FAILURES_ALLOWED, at=at)
    if where is not None:
        _must_wait(session, LoginAttempt.source_digest, where, FAILURES_OF_A_SOURCE, at=at)
    session.execute(
        delete(LoginAttempt).where(
            or_(LoginAttempt.name_digest == attempted, LoginAttempt.source_digest == where),
            LoginAttempt.at <= at - THROTTLE_WINDOW,
        )
    )
    attempt = LoginAttempt(id=new_id(), name_digest=attempted, source_digest=where, at=at)
    session.add(attempt)
    return attempt.id


def _must_wait(
    session: Session,
    column: InstrumentedAttribute[bytes] | InstrumentedAttribute[bytes | None],
    key: bytes,
    allowed: int,
    *,
    at: datetime,
) -> None:
    oldest = session.scalar(
        select(LoginAttempt.at)
        .where(column == key, LoginAttempt.at > at - THROTTLE_WINDOW)
        .order_by(LoginAttempt.at.desc())
        .offset(allowed - 1)
        .limit(1)
    )
    if oldest is not None:
        wait = math.ceil((oldest + THROTTLE_WINDOW - at).total_seconds())
        raise LoginThrottled(retry_after_seconds=max(wait, 1))


def _forgive(session: Session, attempt: UUID | None) -> None:
    if attempt is not None:
        session.execute(delete(LoginAttempt).where(LoginAttempt.id == attempt))


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
            _LOGIN,
            Act.LOGIN_THROTTLED,
            ("user", user.id),
            at=at,
            outcome=Outcome.DENIED,
        )


def _name_digest(name: str) -> bytes:
    return hashlib.sha256(name.lower().encode()).digest()


def _source_digest(source: Source) -> bytes | None:
    """Return the key of a source: its address, of IPv6 the network that one customer has."""
    if source.address is None:
        return None
    try:
        address = ipaddress.ip_address(source.address)
    except ValueError:
        return hashlib.sha256(b"source:" + source.address.encode()).digest()
    prefix = 64 if address.version == 6 else 32  # noqa: PLR2004 - the versions that there are.
    network = ipaddress.ip_network((address, prefix), strict=False)
    return hashlib.sha256(f"source:{network}".encode()).digest()


def _in_turn(session: Session, attempted: bytes) -> None:
    """Wait until no other transaction looks at the attempts of this name or source."""
    lock = int.from_bytes(attempted[:8], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(lock)))
