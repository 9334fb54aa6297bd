"""Reading messages: what they tell goes to the calls, the recordings and the reconciliation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Conflict, Gone, NotFound, Refusal
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.feeds import calls
from app.feeds.calls import House
from app.feeds.reconciling import office_of
from app.feeds.schemas import CallTold
from app.identity.actor import Actor
from app.providers import door, service
from app.providers.kinds import SERVICES
from app.providers.models import (
    Kind,
    NoticeState,
    ProviderAccount,
    ProviderCall,
    ProviderMedia,
    ProviderNotice,
)
from app.providers.told import (
    CallFacts,
    MediaState,
    MediaTold,
    NoticeUnreadable,
    Told,
    facts_of,
    merged,
)
from app.settings import Settings

PULL = "providers.pull"
_LINK = "link"
_OVER = frozenset({MediaState.KEPT, MediaState.REFUSED, MediaState.LOST})
_log = structlog.get_logger()


class TakingTools(Protocol):
    """What reading messages needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...


def house_of(settings: Settings) -> House:
    """Return what the reconciliation is told of the house."""
    return House(office=office_of(settings), region=settings.region)


def handle_take(tools: TakingTools, notice_id: str) -> None:
    """Read a message that was kept; what cannot be read stays and is counted.

    All that it tells is in the transaction that marks it as taken.
    """
    at = tools.clock.now()
    with tools.database.transaction() as session:
        notice = session.get(ProviderNotice, UUID(notice_id), with_for_update=True)
        if notice is None or notice.state != NoticeState.WAITING or notice.sealed is None:
            return
        account = service.found(session, notice.account_id)
        came = door.opened(session, notice.id, notice.sealed)
        try:
            told = SERVICES[Kind(account.kind)].read(came, account.mapping or {})
            with session.begin_nested():
                take(session, account, told, house_of(tools.settings), at=at)
        except (NoticeUnreadable, ValidationError) as exc:
            # It is kept as it came, and a later version may read it.
            notice.state = NoticeState.UNREADABLE
            notice.reason = exc.detail if isinstance(exc, Refusal) else _first(exc)
            _log.warning("provider.unreadable", account=account.name, notice_id=notice_id)
        else:
            notice.state = NoticeState.TAKEN
        notice.settled_at = at


def _first(exc: ValidationError) -> str:
    """Return where and why, without the value: it may be a number of somebody."""
    wrong = exc.errors(include_input=False, include_url=False)[0]
    return f"{'/'.join(map(str, wrong['loc'])) or 'call'}: {wrong['msg']}"


def take(
    session: Session, account: ProviderAccount, told: Told, house: House, *, at: datetime
) -> None:
    """Keep what a message tells, and ask for the recordings that are ready."""
    touched: dict[str, ProviderCall] = {}
    # In one order, so that two messages of the same calls do not wait for one another.
    names = {one.call for one in told.calls} | {one.call for one in told.media}
    for name in sorted(names):
        touched[name] = _call(session, account, name, at=at)
    for facts in told.calls:
        row = touched[facts.call]
        row.facts, row.changed_at = merged(row.facts, facts), at
    for media in told.media:
        _media(session, account, touched[media.call], media, at=at)
    session.flush()
    for row in touched.values():
        tell(session, account, row, house, at=at)
        for waiting in session.scalars(
            select(ProviderMedia).where(
                ProviderMedia.call_id == row.id, ProviderMedia.state == MediaState.WAITING
            )
        ):
            ask_for(session, waiting, at=None)


def _call(session: Session, account: ProviderAccount, name: str, *, at: datetime) -> ProviderCall:
    """Return the row of a call, made at need and locked."""
    made = insert(ProviderCall).values(
        id=new_id(), account_id=account.id, call=name, facts={}, changed_at=at
    )
    session.execute(made.on_conflict_do_nothing())
    return session.scalars(
        select(ProviderCall)
        .where(ProviderCall.account_id == account.id, ProviderCall.call == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _media(
    session: Session,
    account: ProviderAccount,
    call: ProviderCall,
    told: MediaTold,
    *,
    at: datetime,
) -> None:
    row = session.scalar(
        select(ProviderMedia)
        .where(ProviderMedia.account_id == account.id, ProviderMedia.media == told.media)
        .with_for_update()
    )
    if row is None:
        others = session.scalar(select(ProviderMedia.id).where(ProviderMedia.call_id == call.id))
        row = ProviderMedia(
            id=new_id(),
            account_id=account.id,
            call_id=call.id,
            media=told.media,
            source_call_id=call.call if others is None else f"{call.call}/{told.media}"[:255],
            is_once=told.is_once,
            told_at=at,
        )
        session.add(row)
    elif row.state != MediaState.ABSENT or told.state == MediaState.ABSENT:
        # Told again, or told late that there is none of what came: what is known stays.
        return
    row.state, row.reason = told.state, told.reason
    row.started_at, row.duration_ms = told.started_at, told.duration_ms
    row.link = None
    row.settled_at = at
    if told.state == MediaState.WAITING:
        row.settled_at = None
        link = {"ask": dict(told.ask), "name": told.name, "media_type": told.media_type}
        row.link = service.cipher(session).seal(row.id, _LINK, json.dumps(link).encode())
    session.flush()


def ask_for(session: Session, media: ProviderMedia, *, at: datetime | None) -> None:
    """Let a recording be fetched, now or later.

    There is no lock in the queue: a job for later would hold up all that come after it.
    """
    enqueue(session, Job(task=PULL, args={"media_id": str(media.id)}, at=at))


class MediaNotFound(NotFound):
    """The provider has told of no such recording."""


class MediaNotOver(Conflict):
    """The recording is here, or is still waited for."""


class MediaForgotten(Gone):
    """The message that told of the recording is forgotten, so it cannot be asked for again."""


class LinkUsed(Conflict):
    """The link of the recording works once and was used; ask the provider for it."""


def again(
    session: Session, actor: Actor, account_id: UUID, media_id: UUID, *, at: datetime
) -> ProviderMedia:
    """Ask once more for a recording that was given up or refused.

    How it is asked for is read anew out of the message that told of it.

    Raises:
        MediaNotFound, MediaNotOver, MediaForgotten, LinkUsed: it is not asked for.
    """
    media = session.get(ProviderMedia, media_id, with_for_update=True)
    if media is None or media.account_id != account_id:
        raise MediaNotFound
    if media.state not in {MediaState.LOST, MediaState.REFUSED}:
        raise MediaNotOver
    account = service.found(session, account_id)
    told = _told_of(session, account, media)
    if told is None:
        raise MediaForgotten
    if media.is_once and media.asked_at is not None:
        raise LinkUsed
    link = {"ask": dict(told.ask), "name": told.name, "media_type": told.media_type}
    media.link = service.cipher(session).seal(media.id, _LINK, json.dumps(link).encode())
    media.state, media.reason, media.attempts = MediaState.WAITING, None, 0
    media.asked_at = media.settled_at = None
    ask_for(session, media, at=None)
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("provider", account.id),
        at=at,
        facts={"change": "provider.media_asked_again", "kind": account.kind},
    )
    return media


def _told_of(session: Session, account: ProviderAccount, media: ProviderMedia) -> MediaTold | None:
    """Return what the message says of a recording: it was read at the moment that is kept."""
    notices = session.scalars(
        select(ProviderNotice).where(
            ProviderNotice.account_id == account.id,
            ProviderNotice.settled_at == media.told_at,
            ProviderNotice.sealed.is_not(None),
        )
    )
    for notice in notices:
        came = door.opened(session, notice.id, notice.sealed or b"")
        try:
            told = SERVICES[Kind(account.kind)].read(came, account.mapping or {})
        except NoticeUnreadable:
            continue
        for one in told.media:
            if one.media == media.media and one.state == MediaState.WAITING:
                return one
    return None


def link_of(session: Session, media: ProviderMedia) -> dict[str, object]:
    """Return how a recording is asked for, and what its file is called."""
    if media.link is None:
        raise TypeError("What is over is not asked for.")
    found: dict[str, object] = json.loads(service.cipher(session).open(media.id, _LINK, media.link))
    return found


def tell(
    session: Session, account: ProviderAccount, row: ProviderCall, house: House, *, at: datetime
) -> None:
    """Tell the reconciliation of a call that is over, and of what it will wait for in vain."""
    media = session.scalars(
        select(ProviderMedia).where(ProviderMedia.call_id == row.id).order_by(ProviderMedia.id)
    ).all()
    facts = facts_of(row.call, row.facts)
    told = [*_first_call(account, facts, media), *_further(account, facts, media)]
    if told:
        actor = Actor.device(account.device_id, account.name)
        calls.receive(session, actor, told, house, at=at)


def _first_call(
    account: ProviderAccount, facts: CallFacts, media: Iterable[ProviderMedia]
) -> list[CallTold]:
    own = next((one for one in media if one.source_call_id == facts.call), None)
    if facts.disposition is None and (own is None or own.state == MediaState.WAITING):
        return []
    return _call_told(account, facts, own, name=facts.call)


def _further(
    account: ProviderAccount, facts: CallFacts, media: Iterable[ProviderMedia]
) -> list[CallTold]:
    """Return a row for each recording of a call beside its first, as of a transfer."""
    return [
        told
        for one in media
        if one.source_call_id != facts.call and one.state in {*_OVER, MediaState.ABSENT}
        for told in _call_told(account, facts, one, name=one.source_call_id)
    ]


def _call_told(
    account: ProviderAccount, facts: CallFacts, media: ProviderMedia | None, *, name: str
) -> list[CallTold]:
    """Return what the reconciliation is told, or nothing where not even the time is known."""
    started_at = began(facts, media)
    if started_at is None:
        return []
    talk_ms = _talk_ms(facts, media)
    ends = [talk_ms, facts.duration_ms or 0]
    if facts.ended_at is not None:
        ends.append(round((facts.ended_at - started_at) / timedelta(milliseconds=1)))
    is_answered = facts.answered_at is not None or facts.disposition is None
    disposition = "answered" if is_answered else facts.disposition
    body = {
        "call_id": name,
        "linked_id": facts.call if name != facts.call else None,
        "started_at": started_at,
        "duration_ms": max(ends),
        "talk_ms": talk_ms if disposition == "answered" else 0,
        "direction": facts.direction or account.direction,
        "from": facts.from_party,
        "to": facts.to_party,
        "line": facts.line,
        "agent": facts.agent,
        "disposition": disposition,
        "not_recorded": _not_recorded(media),
    }
    return [CallTold.model_validate(body)]


def _talk_ms(facts: CallFacts, media: ProviderMedia | None) -> int:
    """Return how long was talked: as told, else between answer and end, else of the recording."""
    if facts.talk_ms is not None:
        return facts.talk_ms
    if facts.answered_at is not None and facts.ended_at is not None:
        return max(0, round((facts.ended_at - facts.answered_at) / timedelta(milliseconds=1)))
    return (media.duration_ms if media is not None else None) or 0


def began(facts: CallFacts, media: ProviderMedia | None) -> datetime | None:
    """Return when a call began, as well as it is known."""
    ended = facts.ended_at
    if ended is not None and facts.talk_ms is not None:
        ended -= timedelta(milliseconds=facts.talk_ms)
    of_media = media.started_at if media is not None else None
    return facts.started_at or facts.answered_at or of_media or ended


def _not_recorded(media: ProviderMedia | None) -> str | None:
    if media is None:
        return None
    if media.state == MediaState.ABSENT:
        return media.reason or "failed"
    return "lost" if media.state == MediaState.LOST else None
