"""Telling who calls, from the key or the session cookie, before anything else is read."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Forbidden, Unauthenticated
from app.identity import queries, sessions
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.identity.secrets import DEVICE_KEY, SESSION_TOKEN, USER_KEY, digest

SESSION_COOKIE = "__Host-audiatur"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
REMEMBERED_FOR = timedelta(seconds=3)
_MOST_REMEMBERED = 10_000


class KeyMissing(Unauthenticated):
    """No key was sent.

    Send `Authorization: Bearer KEY`; an administrator makes keys with `audiatur device add` and
    `audiatur user add`.
    """


class KeyUnknown(Unauthenticated):
    """The key is not valid.

    It was mistyped, has ended, was revoked, or its owner was disabled.
    """


class CrossSite(Forbidden):
    """The request came from another site.

    A change made with a log-in from the browser must come from the archive's own pages.
    """


@dataclass(frozen=True, slots=True)
class _Remembered:
    actor: Actor
    until: datetime


class Authenticator:
    """Looks keys up by their digest and remembers the answer for three seconds.

    So a disabled person or device is out within three seconds, on every process. At a browser, the
    roles `asked_of` can do nothing before they have a second factor.
    """

    def __init__(
        self, database: Database, clock: Clock, *, asked_of: frozenset[Role] = frozenset()
    ) -> None:
        self._database = database
        self._clock = clock
        self._asked_of = asked_of
        self._remembered: dict[bytes, _Remembered] = {}
        self._lock = threading.Lock()

    def actor_of(self, call: Request) -> Actor:
        """Return who calls.

        Raises:
            KeyMissing: neither a key nor a session came with the request.
            KeyUnknown: it is not valid, or no longer.
            CrossSite: a change by cookie that does not come from our own pages.
        """
        return self.remembered(call) or self._look_up(_secret_of(call))

    def remembered(self, call: Request) -> Actor | None:
        """Return who calls if that was asked within the last three seconds; never waits.

        Raises:
            KeyMissing, CrossSite: as `actor_of` does.
        """
        known = self._remembered.get(digest(_secret_of(call)))
        if known is None or self._clock.now() >= known.until:
            return None
        return known.actor

    def forget(self, secret: str) -> None:
        """Ask the database again at the next use of `secret`."""
        with self._lock:
            self._remembered.pop(digest(secret), None)

    def _look_up(self, secret: str) -> Actor:
        key = digest(secret)
        now = self._clock.now()
        with self._database.transaction() as session:
            actor = self._find(session, secret, key, now)
        if actor is None:
            raise KeyUnknown
        with self._lock:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = _Remembered(actor, now + REMEMBERED_FOR)
        return actor

    def _find(self, session: Session, secret: str, key: bytes, now: datetime) -> Actor | None:
        if secret.startswith(DEVICE_KEY):
            return queries.device_by_key(session, key, now)
        if secret.startswith(USER_KEY):
            return queries.user_by_key(session, key, now)
        if secret.startswith(SESSION_TOKEN):
            actor = queries.user_by_session(session, key, now, asked_of=self._asked_of)
            if actor is not None:
                sessions.see(session, key, at=now)
            return actor
        return None


def _secret_of(call: Request) -> str:
    scheme, _, secret = (call.headers.get("authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and secret:
        return secret.strip()
    token = call.cookies.get(SESSION_COOKIE)
    if not token:
        raise KeyMissing
    if call.method not in SAFE_METHODS and not _is_same_site(call):
        raise CrossSite
    return token


def _is_same_site(call: Request) -> bool:
    """Say whether the browser tells that the request comes from our own origin."""
    return call.headers.get("sec-fetch-site") in {"same-origin", "none"}
