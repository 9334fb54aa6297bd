"""Sources of 1C: made, given another log-in or mapping, removed; and how one is spoken to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act, DetailCipher
from app.identity.actor import Actor
from app.onec import asking, mapping
from app.onec.asking import Infoline
from app.onec.mapping import Infobase
from app.onec.models import (
    OnecCursor,
    OnecReturn,
    OnecSource,
    OnecThing,
    ReturnState,
    ThingState,
)
from app.settings import Settings

_LABEL: Final = "1c"
_LONGEST_NAME: Final = 64


class OnecSourceNotFound(NotFound):
    """There is no such source of 1C."""


class OnecNameTaken(Conflict):
    """There is a source of 1C of this name already."""


class OnecNameInvalid(Invalid):
    """The name of a source of 1C is 1 to 64 letters, digits, dots, dashes or underscores."""


class OnecLoginMissing(Invalid):
    """A source that is asked needs the user and the password of 1C."""


class OnecNotAsked(Conflict):
    """The source of 1C only sends: it has no address to ask at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who asks in 1C."""

    user: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A source, what became of its things and returns, and how far each entity was read."""

    source: OnecSource
    infobase: Infobase
    things: Mapping[str, int]
    returns: Mapping[str, int]
    cursors: tuple[OnecCursor, ...]


def add(  # noqa: PLR0913 - a source has these parts; all but three are named.
    session: Session,
    actor: Actor,
    name: str,
    *,
    base_url: str | None,
    infobase: Infobase,
    login: Login | None,
    settings: Settings,
    at: datetime,
) -> OnecSource:
    """Make a source. Its log-in is sealed and never shown again.

    Raises:
        OnecNameInvalid, OnecNameTaken: the name is none, or another's.
        OnecLoginMissing: it has an address and no log-in.
        AddressRefused: the address is none that may be spoken to.
    """
    if (
        not 0 < len(name) <= _LONGEST_NAME
        or not name.replace("-", "").replace(".", "").replace("_", "").isalnum()
    ):
        raise OnecNameInvalid
    if base_url is not None:
        asking.policy_of(settings, base_url)
        if login is None:
            raise OnecLoginMissing
    source_id = new_id()
    source = OnecSource(
        id=source_id,
        name=name,
        base_url=base_url.rstrip("/") if base_url else None,
        mapping=mapping.kept(infobase),
        login=_sealed(session, source_id, login) if base_url and login else None,
        created_at=at,
        next_at=at if base_url and infobase.entities else None,
    )
    session.add(source)
    try:
        session.flush()
    except IntegrityError as exc:
        raise OnecNameTaken(f"There is a source {name} already.", name=name) from exc
    _tell(session, actor, source, "1c.added", at=at)
    return source


def change(
    session: Session,
    actor: Actor,
    name: str,
    *,
    infobase: Infobase | None,
    login: Login | None,
    at: datetime,
) -> OnecSource:
    """Give a source another mapping or log-in, or both; it is asked at once.

    Raises:
        OnecSourceNotFound: there is none.
        OnecNotAsked: it has no address, and so no log-in.
    """
    source = named(session, name, for_update=True)
    if login is not None:
        if source.base_url is None:
            raise OnecNotAsked
        source.login = _sealed(session, source.id, login)
        _tell(session, actor, source, "1c.login_changed", at=at)
    if infobase is not None:
        source.mapping = mapping.kept(infobase)
        _tell(session, actor, source, "1c.mapping_changed", at=at)
    has_entities = bool(mapping.loaded(source.mapping).entities)
    source.next_at = at if source.base_url and has_entities else None
    source.attempts = 0
    return source


def remove(session: Session, actor: Actor, name: str, *, at: datetime) -> None:
    """Take nothing more from a source and tell it nothing; what it told stays.

    Raises:
        OnecSourceNotFound: there is none.
    """
    source = named(session, name, for_update=True)
    source.removed_at, source.login, source.next_at = at, None, None
    _tell(session, actor, source, "1c.removed", at=at)


def named(session: Session, name: str, *, for_update: bool = False) -> OnecSource:
    """Return the source of a name that was not removed.

    Raises:
        OnecSourceNotFound: there is none.
    """
    wanted = select(OnecSource).where(OnecSource.name == name, OnecSource.removed_at.is_(None))
    if for_update:
        wanted = wanted.with_for_update()
    found = session.scalar(wanted)
    if found is None:
        raise OnecSourceNotFound(f"There is no source {name} of 1C.", name=name)
    return found


def line_of(session: Session, source: OnecSource, settings: Settings) -> Infoline:
    """Return how a source is spoken to.

    Raises:
        OnecNotAsked: it has no address.
        AddressRefused: the address is none that may be spoken to by now.
    """
    if source.base_url is None or source.login is None:
        raise OnecNotAsked
    login = json.loads(_cipher(session).open(source.id, _LABEL, source.login))
    return Infoline(
        base=source.base_url,
        policy=asking.policy_of(settings, source.base_url),
        user=login["user"],
        password=login["password"],
    )


def seen(session: Session) -> list[Seen]:
    """Return every source that was not removed, with how it stands."""
    sources = session.scalars(
        select(OnecSource).where(OnecSource.removed_at.is_(None)).order_by(OnecSource.name)
    ).all()
    things = _counted(session, OnecThing)
    returns = _counted(session, OnecReturn)
    cursors = session.scalars(select(OnecCursor).order_by(OnecCursor.entity, OnecCursor.kind)).all()
    return [
        Seen(
            source=one,
            infobase=mapping.loaded(one.mapping),
            things={state: things.get((one.id, state), 0) for state in ThingState},
            returns={state: returns.get((one.id, state), 0) for state in ReturnState},
            cursors=tuple(cursor for cursor in cursors if cursor.source_id == one.id),
        )
        for one in sources
    ]


def refused(
    session: Session, source_id: UUID, *, limit: int, before: UUID | None = None
) -> list[OnecThing]:
    """Return what was refused of a source, the newest first."""
    wanted = select(OnecThing).where(
        OnecThing.source_id == source_id, OnecThing.state == ThingState.REFUSED
    )
    if before is not None:
        wanted = wanted.where(OnecThing.id < before)
    return list(session.scalars(wanted.order_by(OnecThing.id.desc()).limit(limit)))


def _counted(session: Session, of: type[OnecThing | OnecReturn]) -> dict[tuple[UUID, str], int]:
    rows = session.execute(
        select(of.source_id, of.state, func.count()).group_by(of.source_id, of.state)
    )
    return {(row[0], row[1]): row[2] for row in rows}


def _cipher(session: Session) -> DetailCipher:
    return cast("DetailCipher", session.info["detail_cipher"])


def _sealed(session: Session, source_id: UUID, login: Login) -> bytes:
    told = json.dumps({"user": login.user, "password": login.password})
    return _cipher(session).seal(source_id, _LABEL, told.encode())


def _tell(session: Session, actor: Actor, source: OnecSource, change: str, *, at: datetime) -> None:
    ledger.append(
        session, actor, Act.CONFIG_CHANGED, ("1c", source.id), at=at, facts={"change": change}
    )
