"""What the database says of a link, through the only functions that its public role may call."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from app.core.db import Database
from app.core.errors import Forbidden, Gone, TooMany, Unavailable
from app.releases import passphrases
from app.releases.tokens import ShareToken
from storage.sealed import SealedRef

_PAGE = "SELECT link_page(%(token)s::bytea, %(view)s::bytea)"
_OPEN = "SELECT * FROM link_open(%(token)s::bytea, %(item)s::uuid, %(view)s::bytea)"
_BUNDLE_PAGE = "SELECT link_bundle_page(%(token)s::bytea)"
_BUNDLE = "SELECT * FROM link_bundle(%(token)s::bytea, %(view)s::bytea)"
_VIEW = "SELECT link_view(%(token)s::bytea, %(view)s::bytea)"
_ANSWERED = "SELECT link_answered(%(token)s::bytea)"
_ANSWER = "SELECT link_answer(%(token)s::bytea, %(view)s::bytea, %(told)s::jsonb)"
_ASKS = "SELECT link_asks(%(token)s::bytea)"
_TRY = "SELECT is_open, kept FROM link_try(%(token)s::bytea)"
_READY = "SELECT link_page(''::bytea, NULL)"


class LinkEnded(Gone):
    """The link has ended, or never was."""


class PassphraseWrong(Forbidden):
    """The passphrase is another one."""


class TooManyTries(TooMany):
    """The passphrase was tried too often; wait a quarter of an hour."""


class NoAnswer(Unavailable):
    """Nobody can say whether this link is open; until somebody can, it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The right to listen after one opening: a secret of the listener's browser."""

    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        return cls(secret=secrets.token_urlsafe(32))

    def digest(self) -> bytes:
        return hashlib.sha256(self.secret.encode()).digest()

    def form_token(self) -> str:
        """Return what a form of this view's page carries: it tells nothing of the secret."""
        return hmac.new(self.secret.encode(), b"form", "sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOut:
    """What is not heard or seen of an item, and why. Of a picture all times are None."""

    reason: str
    how: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One recording or screenshot as the page shows it; a screenshot has no direction."""

    id: UUID
    is_picture: bool
    direction: str | None
    started_at: datetime
    duration_ms: int | None
    media_type: str
    sha256: str
    from_ms: int
    to_ms: int | None
    taken_out: tuple[TakenOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLink:
    """Everything that the holder of an open link is shown."""

    sender_name: str | None
    sender_person: str
    client_name: str
    purpose: str
    expires_at: datetime
    views_left: int | None
    is_opened: bool
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFacts:
    """What the page tells of the bundle: its size, and the fingerprint of the key that signs."""

    size_bytes: int
    key_fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the recipient said on the page; `heard` comes without words and name."""

    kind: str
    words: str | None
    name: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBundle:
    """What is needed to read the bundle of a release."""

    release_id: UUID
    ref: SealedRef
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """What is needed to read one released copy."""

    id: UUID
    ref: SealedRef
    media_type: str
    started_at: datetime


class Links:
    """Asks the database; remembers nothing, so that a withdrawal works from its commit on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, token: ShareToken, view: View | None) -> OpenLink:
        """Return what the page shows.

        Raises:
            LinkEnded: the link is not open.
            NoAnswer: nobody can say.
            DatabaseAway: the same, since the database does not answer at all.
        """
        row = self._ask(_PAGE, {"token": token.digest(), "view": view.digest() if view else None})
        if row is None or row[0] is None:
            raise LinkEnded
        return _open_link(row[0])

    def asks(self, token: ShareToken) -> bool:
        """Say whether an open link asks for a passphrase.

        Raises:
            NoAnswer, DatabaseAway: nobody can say.
        """
        row = self._ask(_ASKS, {"token": token.digest()})
        return row is not None and row[0] is True

    def try_passphrase(self, token: ShareToken, given: str) -> None:
        """Count a try, and refuse one that is wrong; the right one lets a view be counted.

        Raises:
            LinkEnded: the link is not open.
            PassphraseWrong: it is another one.
            TooManyTries: it was tried too often within a quarter of an hour.
            NoAnswer, DatabaseAway: nobody can say.
        """
        row = self._ask(_TRY, {"token": token.digest()})
        if row is None or row[0] is not True:
            raise LinkEnded
        if row[1] is None:
            raise TooManyTries
        if not passphrases.is_right(given, row[1]):
            raise PassphraseWrong

    def view(self, token: ShareToken) -> View:
        """Count a view and write it into the ledger; return the right to listen.

        Raises:
            LinkEnded: the link is not open, or was opened as often as it may be.
            NoAnswer: nobody can say.
            DatabaseAway: the same, since the database does not answer at all.
        """
        view = View.new()
        row = self._ask(_VIEW, {"token": token.digest(), "view": view.digest()})
        if row is None or row[0] is not True:
            raise LinkEnded
        return view

    def item(self, token: ShareToken, item_id: UUID, view: View) -> OpenItem:
        """Return how to read one copy, if the link is open at this moment.

        Raises:
            LinkEnded: the link is not open, or this view is not one of it.
            NoAnswer: nobody can say.
            DatabaseAway: the same, since the database does not answer at all.
        """
        row = self._ask(_OPEN, {"token": token.digest(), "item": item_id, "view": view.digest()})
        if row is None or row[1] is None:
            raise LinkEnded
        object_id, wrapped_key, size_bytes, media_type, started_at = row
        return OpenItem(
            id=item_id,
            ref=SealedRef(object_id=object_id, wrapped_key=wrapped_key, size_bytes=size_bytes),
            media_type=media_type,
            started_at=started_at,
        )

    def bundle_facts(self, token: ShareToken) -> BundleFacts | None:
        """Return what the page tells of the bundle of an open link; None while there is none.

        Raises:
            NoAnswer: nobody can say.
            DatabaseAway: the same, since the database does not answer at all.
        """
        row = self._ask(_BUNDLE_PAGE, {"token": token.digest()})
        if row is None or row[0] is None:
            return None
        return BundleFacts(
            size_bytes=row[0]["size_bytes"], key_fingerprint=row[0]["key_fingerprint"]
        )

    def bundle(self, token: ShareToken, view: View) -> OpenBundle:
        """Return how to read the bundle, if the link is open at this moment.

        Raises:
            LinkEnded: the link is not open, this view is not one of it, or there is no bundle.
            NoAnswer: nobody can say.
            DatabaseAway: the same, since the database does not answer at all.
        """
        row = self._ask(_BUNDLE, {"token": token.digest(), "view": view.digest()})
        if row is None or row[1] is None:
            raise LinkEnded
        object_id, wrapped_key, size_bytes, sha256, release_id = row
        return OpenBundle(
            release_id=release_id,
            ref=SealedRef(object_id=object_id, wrapped_key=wrapped_key, size_bytes=size_bytes),
            sha256=sha256,
        )

    def answers(self, token: ShareToken) -> tuple[Answer, ...]:
        """Return what was said on the page of an open link.

        Raises:
            NoAnswer, DatabaseAway: nobody can say.
        """
        row = self._ask(_ANSWERED, {"token": token.digest()})
        return tuple(
            Answer(
                kind=one["kind"],
                words=one["words"],
                name=one["name"],
                at=datetime.fromisoformat(one["at"]),
            )
            for one in (row and row[0]) or ()
        )

    def answer(self, token: ShareToken, view: View, told: Mapping[str, str]) -> bool:
        """Write down what the recipient says; return False where he had said it before.

        Raises:
            LinkEnded: the link is not open, or this view is not one of it.
            NoAnswer, DatabaseAway: nobody can say.
        """
        row = self._ask(
            _ANSWER,
            {"token": token.digest(), "view": view.digest(), "told": json.dumps(dict(told))},
        )
        if row is None or row[0] is None:
            raise LinkEnded
        return bool(row[0])

    def check(self) -> None:
        """Ask something that has no answer.

        Raises:
            DatabaseAway: the database does not answer at all.
        """
        self._ask(_READY, {})

    def _ask(self, sql: str, parameters: Mapping[str, object]) -> TupleRow | None:
        try:
            return self._database.statement(sql, parameters)
        except psycopg.Error as exc:
            raise NoAnswer from exc


def _open_link(found: dict[str, Any]) -> OpenLink:
    return OpenLink(
        sender_name=found["sender_name"],
        sender_person=found["sender_person"],
        client_name=found["client_name"],
        purpose=found["purpose"],
        expires_at=datetime.fromisoformat(found["expires_at"]),
        views_left=found["views_left"],
        is_opened=found["is_opened"],
        items=tuple(
            Item(
                id=UUID(item["id"]),
                is_picture=item["kind"] == "screenshot",
                direction=item["direction"],
                started_at=datetime.fromisoformat(item["started_at"]),
                duration_ms=item["duration_ms"],
                media_type=item["media_type"],
                sha256=item["sha256"],
                from_ms=item["from_ms"],
                to_ms=item["to_ms"],
                taken_out=_taken_out(item),
            )
            for item in found["items"]
        ),
    )


def _taken_out(item: Mapping[str, Any]) -> tuple[TakenOut, ...]:
    """Return the silenced and beeped stretches, counted from what is heard first, or the areas."""
    stretches = (
        TakenOut(
            reason=one["reason"],
            how=one["how"],
            from_ms=one["from_ms"] - item["from_ms"],
            to_ms=one["to_ms"] - item["from_ms"],
            channel=one["channel"],
        )
        for one in item["redactions"]
    )
    return (*stretches, *(TakenOut(reason=one["reason"]) for one in item["areas"]))
