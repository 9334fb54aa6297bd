"""One's own account, and coming back to it: passwords, recovery links, the first administrator."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.db import Database
from app.core.errors import Conflict, Invalid, NotFound
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import login, passwords, queries, second_factor, service, sessions, tokens
from app.identity.actor import Actor
from app.identity.models import Office, TokenKind, User, WebSession
from app.identity.permissions import Role
from app.identity.secrets import digest
from app.identity.sessions import Source

LANGUAGES = ("ru", "en")


class LinkNotGood(NotFound):
    """The link is not good: it was used, is over, or another has taken its place."""


class AdministratorThere(Conflict):
    """There is an administrator already; he makes further people known."""


class LanguageUnknown(Invalid):
    """The pages are there in Russian (`ru`) and English (`en`)."""


def change_password(
    database: Database, actor: Actor, *, old: str, new: str, source: Source, at: datetime
) -> str:
    """Give the actor another password and end his other log-ins; return the token of this one.

    Where he has a second factor the password alone proves nothing anew: an older proof stays old.

    Raises:
        LoginRefused: the old one is wrong.
        LoginThrottled: too many wrong ones.
        PasswordTooShort, PasswordCommon, PasswordNamesYou: the new one is none.
        SessionNotFound: he does not act from a browser.
    """
    login.must_be_right(database, actor, old, source=source, at=at)
    kept = passwords.hashed(new)  # Before the transaction, for it takes long.
    with database.transaction() as session:
        user = session.get_one(User, actor.id)
        _set_password(session, actor, user, new, kept, at=at)
        alone = user.totp_since is None
        token = sessions.renew(session, actor, how="password", at=at, proves=alone)
        but = actor.browser.session_id if actor.browser else None
        sessions.end_all(session, actor, user.id, at=at, but=but)
        return token


def recovery_url(base: str, token: str) -> str:
    """Return the address of the page on which a recovery link is used."""
    return f"{base}/recovery/{token}"


def mint_recovery_link(session: Session, actor: Actor, name: str, *, at: datetime) -> str:
    """Return the token of a link by which a person sets a new password; an earlier one is void.

    The second factor is forgotten only when the link is used. Source: OWASP ASVS 5.0, V6.4.

    Raises:
        UserNotFound: nobody who may come in has this name.
        ProofNeeded: asked for from a browser without a fresh proof.
    """
    through = actor.proved(at=at)
    user = service.user_named(session, name)
    if user.disabled_at is not None:
        raise service.UserNotFound
    tokens.void(session, TokenKind.RECOVERY, user_id=user.id, at=at)
    token = tokens.mint(session, TokenKind.RECOVERY, user_id=user.id, at=at)
    _tell(session, actor, user, "recovery_link.made", at=at, through=through)
    return token


def whose_recovery(session: Session, token: str, *, at: datetime) -> User:
    """Return whom a recovery link is for, without using it up.

    Raises:
        LinkNotGood: it is not good, or no longer.
    """
    found = tokens.look(session, TokenKind.RECOVERY, token, at=at)
    user = session.get(User, found.user_id) if found else None
    if user is None or user.disabled_at is not None:
        raise LinkNotGood
    return user


def recover(database: Database, token: str, password: str, *, at: datetime) -> None:
    """Set a new password by a recovery link, and end every log-in; a telephone is forgotten.

    Raises:
        LinkNotGood: the link is not good; it stays good after a password that is none.
        PasswordTooShort, PasswordCommon, PasswordNamesYou: the password is none.
    """
    with database.transaction() as session:
        user = whose_recovery(session, token, at=at)
    _must_be_good(user, password, has_code=False)
    kept = passwords.hashed(password)
    with database.transaction() as session:
        if tokens.use(session, TokenKind.RECOVERY, token, at=at) is None:
            raise LinkNotGood
        user = session.get_one(User, user.id)
        actor = queries.as_actor(session, user)
        second_factor.forget(session, actor, user, at=at)
        _set_password(session, actor, user, password, kept, at=at)
        sessions.end_all(session, actor, user.id, at=at)


def mint_first_admin_link(session: Session, actor: Actor, *, at: datetime) -> str:
    """Return the token of the link by which the first administrator is made.

    Raises:
        AdministratorThere: there is one.
    """
    if queries.has_admin(session):
        raise AdministratorThere
    tokens.void(session, TokenKind.FIRST_ADMIN, at=at)
    token = tokens.mint(session, TokenKind.FIRST_ADMIN, at=at)
    about = ("token", tokens.id_of(session, token))
    facts = {"change": "first_admin_link.made"}
    ledger.append(session, actor, Act.CONFIG_CHANGED, about, at=at, facts=facts)
    return token


def must_be_first_admin_link(session: Session, token: str, *, at: datetime) -> None:
    """Refuse a link that makes no first administrator.

    Raises:
        LinkNotGood: it is not good, or there is an administrator.
    """
    found = tokens.look(session, TokenKind.FIRST_ADMIN, token, at=at)
    if found is None or queries.has_admin(session):
        raise LinkNotGood


def make_first_admin(
    session: Session, token: str, *, name: str, full_name: str, password: str, at: datetime
) -> User:
    """Make the first administrator, by the link that the archive has printed.

    Raises:
        LinkNotGood: it is not good, or there is an administrator.
        NameTaken, NameInvalid, PasswordTooShort, PasswordCommon, PasswordNamesYou: see each.
    """
    must_be_first_admin_link(session, token, at=at)
    if tokens.use(session, TokenKind.FIRST_ADMIN, token, at=at) is None:
        raise LinkNotGood
    actor = Actor.system("first run")
    return service.add_user(
        session, actor, name, role=Role.ADMIN, full_name=full_name, password=password, at=at
    )


def language_of(session: Session, actor: Actor) -> str | None:
    """Return the language that a person chose for the pages; none if he never did."""
    return session.scalar(select(User.language).where(User.id == actor.id))


def zone_of(session: Session, actor: Actor) -> str | None:
    """Return the time zone in which all offices of a person lie; none if they differ or have none.

    Who works in several zones reads moments in that of the settings, as everybody else there does.
    """
    if actor.kind != "user" or actor.id is None:
        return None
    offices = queries.offices_of(session, actor.id)
    zones = set(session.scalars(select(Office.zone).where(Office.id.in_(offices))))
    return zones.pop() if len(zones) == 1 else None


def choose_language_at_login(session: Session, token: str, language: str) -> None:
    """Keep the language that somebody chose at the log-in which made this session."""
    owner = select(WebSession.user_id).where(WebSession.digest == digest(token)).scalar_subquery()
    session.execute(update(User).where(User.id == owner).values(language=language))


def set_language(session: Session, actor: Actor, language: str) -> None:
    """Let the pages speak to the actor in this language from now on.

    Raises:
        LanguageUnknown: there are no words of it.
    """
    if language not in LANGUAGES:
        raise LanguageUnknown
    session.get_one(User, actor.id).language = language


def _set_password(
    session: Session, actor: Actor, user: User, password: str, kept: str, *, at: datetime
) -> None:
    _must_be_good(user, password, has_code=user.totp_since is not None)
    user.password_hash = kept
    user.has_long_password = len(password) >= passwords.SHORTEST
    _tell(session, actor, user, "password.changed", at=at)


def _must_be_good(user: User, password: str, *, has_code: bool) -> None:
    passwords.check(password, about=(user.name, user.full_name), has_code=has_code)


def _tell(
    session: Session, actor: Actor, user: User, change: str, *, at: datetime, **more: str
) -> None:
    facts: dict[str, str | int | bool | None] = {"change": change, **more}
    ledger.append(session, actor, Act.CONFIG_CHANGED, ("user", user.id), at=at, facts=facts)
