"""The second factor: codes from a telephone, and codes on paper that stand in for it once."""

from __future__ import annotations

import hmac
import io
import secrets
from datetime import datetime
from typing import cast

import pyotp
import segno
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Invalid
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act, DetailCipher
from app.identity.actor import Actor
from app.identity.models import RecoveryCode, User
from app.identity.permissions import Role
from app.identity.secrets import digest

ISSUER = "Audiatur"
RECOVERY_CODES = 10
_STEP_SECONDS = 30
_STEPS_AROUND = (-1, 0, 1)  # A clock that is half a minute off still gives codes that are taken.
_LABEL = "totp"
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # Without what is read for something else.
_CODE_LENGTH = 24  # 118 bits; from 112 on a fast digest is enough. Source: OWASP ASVS 5.0, V6.5.2.
_GROUP = 4


class CodeWrong(Invalid):
    """The code is wrong, was used already, or is not of this moment."""


class SecondFactorThere(Conflict):
    """There is a second factor already; remove it first."""


class SecondFactorAbsent(Conflict):
    """No second factor is being set up."""


class SecondFactorAsked(Conflict):
    """Your role asks for the second factor, or your password is too short to do without it."""


def begin(session: Session, user: User) -> str:
    """Return a new secret for `user`'s telephone, kept sealed; it counts once a code was given.

    Raises:
        SecondFactorThere: one counts already.
    """
    if user.totp_since is not None:
        raise SecondFactorThere
    secret = pyotp.random_base32(32)
    user.totp_secret = _cipher(session).seal(user.id, _LABEL, secret.encode())
    user.totp_last_step = None
    return secret


def pending(session: Session, user: User) -> str | None:
    """Return the secret that was begun and does not count yet."""
    if user.totp_secret is None or user.totp_since is not None:
        return None
    return _cipher(session).open(user.id, _LABEL, user.totp_secret).decode()


def confirm(session: Session, actor: Actor, user: User, code: str, *, at: datetime) -> list[str]:
    """Let the secret that was begun count from now on; return recovery codes, shown this once.

    Raises:
        SecondFactorThere, SecondFactorAbsent: it counts already, or was not begun.
        CodeWrong: it is not the code of this moment.
    """
    if user.totp_since is not None:
        raise SecondFactorThere
    if user.totp_secret is None:
        raise SecondFactorAbsent
    if not _takes_totp(session, user, code, at=at):
        raise CodeWrong
    user.totp_since = at
    _tell(session, actor, user, "totp.added", at=at)
    return renew_recovery_codes(session, actor, user, at=at)


def remove(
    session: Session, actor: Actor, user: User, *, asked_of: frozenset[Role], at: datetime
) -> None:
    """Do without the second factor from now on.

    Raises:
        SecondFactorAsked: the role asks for it, or the password is short.
    """
    if Role(user.role) in asked_of or not user.has_long_password:
        raise SecondFactorAsked
    forget(session, actor, user, at=at)


def forget(session: Session, actor: Actor, user: User, *, at: datetime) -> None:
    """Forget telephone and recovery codes, as after a loss."""
    if user.totp_secret is None:
        return
    user.totp_secret = user.totp_since = user.totp_last_step = None
    _void_codes(session, user, at=at)
    _tell(session, actor, user, "totp.removed", at=at)


def renew_recovery_codes(session: Session, actor: Actor, user: User, *, at: datetime) -> list[str]:
    """Return new recovery codes, shown this once; older ones are good for nothing any more.

    Raises:
        SecondFactorAbsent: there is no second factor that they could stand in for.
    """
    if user.totp_since is None:
        raise SecondFactorAbsent
    _void_codes(session, user, at=at)
    made = [_new_code() for _ in range(RECOVERY_CODES)]
    session.add_all(
        RecoveryCode(id=new_id(), user_id=user.id, digest=_code_digest(code), created_at=at)
        for code in made
    )
    _tell(session, actor, user, "recovery_codes.made", at=at)
    return made


def recovery_codes_left(session: Session, user: User) -> int:
    """Return how many recovery codes were not used yet."""
    return session.scalars(
        select(func.count())
        .select_from(RecoveryCode)
        .where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    ).one()


def takes(session: Session, user: User, code: str, *, at: datetime) -> str | None:
    """Say by what `code` was right, `totp` or `recovery_code`, and take it so that it is spent.

    Source: OWASP ASVS 5.0, V6.5.1.
    """
    if user.totp_since is None:
        return None
    if _takes_totp(session, user, code, at=at):
        return "totp"
    return "recovery_code" if _takes_recovery(session, user, code, at=at) else None


def uri(user: User, secret: str) -> str:
    """Return the address by which an application on a telephone takes the secret over."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name=ISSUER)


def picture(address: str) -> str:
    """Return `address` as a QR code: an SVG element without a script or a style."""
    out = io.BytesIO()
    segno.make(address, error="m").save(
        out, kind="svg", scale=5, xmldecl=False, svgns=True, omitsize=False, light="#fff"
    )
    return out.getvalue().decode()


def _takes_totp(session: Session, user: User, code: str, *, at: datetime) -> bool:
    """Take a code of the steps around `at`, none twice, whoever else gives it in this moment."""
    if user.totp_secret is None:
        return False
    secret = _cipher(session).open(user.id, _LABEL, user.totp_secret).decode()
    totp = pyotp.TOTP(secret)
    given = "".join(code.split()).encode()
    now = int(at.timestamp()) // _STEP_SECONDS
    right = [
        now + around
        for around in _STEPS_AROUND
        if hmac.compare_digest(totp.at((now + around) * _STEP_SECONDS).encode(), given)
    ]
    if not right:
        return False
    step = max(right)
    session.flush()
    is_first = session.scalar(
        update(User)
        .where(User.id == user.id, or_(User.totp_last_step.is_(None), User.totp_last_step < step))
        .values(totp_last_step=step)
        .returning(User.id)
    )
    return is_first is not None


def _takes_recovery(session: Session, user: User, code: str, *, at: datetime) -> bool:
    used = session.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user.id,
            RecoveryCode.digest == _code_digest(code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=at)
        .returning(RecoveryCode.id)
    )
    return used is not None


def _void_codes(session: Session, user: User, *, at: datetime) -> None:
    session.execute(
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
        .values(used_at=at)
    )


def _new_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    return "-".join(letters[at : at + _GROUP] for at in range(0, _CODE_LENGTH, _GROUP))


def _code_digest(code: str) -> bytes:
    return digest("".join(code.lower().split()).replace("-", ""))


def _cipher(session: Session) -> DetailCipher:
    return cast("DetailCipher", session.info["detail_cipher"])


def _tell(session: Session, actor: Actor, user: User, change: str, *, at: datetime) -> None:
    about = ("user", user.id)
    ledger.append(session, actor, Act.CONFIG_CHANGED, about, at=at, facts={"change": change})
