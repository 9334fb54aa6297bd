"""Fetching recordings: from the provider's host by the way in that all recordings take.

Before a link is used it is written down that it is. A link that works once is not used again after
that: either the recording is in the archive, or it is lost and told so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urljoin
from uuid import UUID

import httpx
import structlog
from prometheus_client import Counter
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import outbound
from app.core.errors import Forbidden, Refusal, Unavailable
from app.core.ids import new_id
from app.core.outbound import AddressRefused, AnswerTooSlow, HostUnknown, Lookup, Policy
from app.core.problems import status_of
from app.feeds.models import RefusedUpload
from app.identity.actor import Actor
from app.providers import door, service, taking
from app.providers.kinds import SERVICES
from app.providers.models import Kind, ProviderAccount, ProviderCall, ProviderMedia, ProviderNotice
from app.providers.told import Asking, CallFacts, MediaState, Secrets, facts_of
from app.recordings.ingest import Arrived, IngestParts, RecordingIngest, ingest_tools
from app.recordings.media import AudioRecogniser
from app.recordings.models import Leg, LegKind, Recording
from app.recordings.multipart import FilePart
from app.recordings.schemas import RecordingTold
from app.recordings.stages import Measured
from app.settings import Settings

JOIN_WAITS: Final = timedelta(minutes=2)
"""How long a recording waits for the message that has the numbers of its call."""

PAUSES: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (10, 20, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)
)
"""After which pauses it is tried once more; then it is lost."""

SECONDS: Final = 900.0
LEASE: Final = timedelta(seconds=SECONDS + 60)
"""How long a worker that has begun is taken to be at it; then it has died."""

_HELD_UP: Final = timedelta(minutes=1)
_MOST_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_MOST_JSON_BYTES: Final = 64 * 1024
_PIECE_BYTES: Final = 256 * 1024
_FETCHED = Counter(
    "audiatur_provider_media_total",
    "Recordings asked of providers, and what came of it.",
    ["kind", "outcome"],
)
_log = structlog.get_logger()


class MediaNotReady(Unavailable):
    """The provider's host does not give the recording, or not now."""


class NotAsked(Unavailable):
    """A part of the archive is away, and the link was not used yet."""


class MediaForbidden(Forbidden):
    """The recording is at an address that the account does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """How media is fetched. `lookup` resolves names; the machine's resolver if it is None."""

    policy: Policy
    max_bytes: int
    seconds: float = SECONDS
    lookup: Lookup | None = field(default=None)


def fetching_of(settings: Settings, hosts: list[str]) -> Fetching:
    """Return how an account's media is fetched: from its hosts alone."""
    return Fetching(
        policy=Policy(
            allows_http=settings.outbound_http,
            networks=outbound.networks_of(settings.outbound_networks),
            hosts=frozenset(hosts),
        ),
        max_bytes=settings.max_upload_bytes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """One try: what is asked, for whom, and what is known of the call."""

    media_id: UUID
    account_id: UUID
    account: str
    kind: Kind
    device_id: UUID
    hosts: list[str]
    asking: Asking
    told: RecordingTold
    name: str | None
    media_type: str | None
    is_once: bool
    attempts: int


def handle_pull(tools: IngestParts, media_id: str, *, lookup: Lookup | None = None) -> None:
    """Fetch a recording, unless it is here already or is over."""
    plan = _begin(tools, UUID(media_id))
    if plan is None:
        return
    fetching = fetching_of(tools.settings, plan.hosts)
    if lookup is not None:
        fetching = Fetching(policy=fetching.policy, max_bytes=fetching.max_bytes, lookup=lookup)
    try:
        recording_id = _fetch(tools, plan, fetching)
    except MediaNotReady as refusal:
        _again(tools, plan, refusal)
    except Unavailable as refusal:
        _held_up(tools, plan, is_asked=not isinstance(refusal, NotAsked))
    except Refusal as refusal:
        _over(tools, plan, MediaState.REFUSED, reason=refusal.slug, refusal=refusal)
    else:
        _over(tools, plan, MediaState.KEPT, recording_id=recording_id)


def _begin(tools: IngestParts, media_id: UUID) -> _Plan | None:
    """Write down that the link is used now; return None where there is nothing to do, or not yet.

    If the bytes came in and the process died before that was written, they are found.
    """
    at = tools.clock.now()
    with tools.database.transaction() as session:
        call_id = session.scalar(select(ProviderMedia.call_id).where(ProviderMedia.id == media_id))
        call = session.get(ProviderCall, call_id, with_for_update=True) if call_id else None
        media = session.get(ProviderMedia, media_id, with_for_update=True) if call else None
        if call is None or media is None or media.link is None:
            return None
        account = service.found(session, media.account_id)
        if (here := _here(session, account, media)) is not None:
            _settle(tools, session, media, MediaState.KEPT, at=at, recording_id=here)
            return None
        facts = facts_of(call.call, call.facts)
        if (later := _later(media, facts, at=at)) is not None:
            taking.ask_for(session, media, at=later)
            return None
        if media.is_once and media.state == MediaState.ASKED:
            _settle(tools, session, media, MediaState.LOST, at=at, reason="link_used")
            return None
        if _pauses(media, at=at):
            return None
        plan = _plan(session, account, media, facts, at=at)
        media.state, media.asked_at, media.attempts = MediaState.ASKED, at, media.attempts + 1
    return plan


def _later(media: ProviderMedia, facts: CallFacts, *, at: datetime) -> datetime | None:
    """Return when to look again where another may be at it, or the call is not told of yet."""
    until = None
    if media.state == MediaState.ASKED and media.asked_at is not None:
        until = media.asked_at + LEASE
    elif media.state == MediaState.WAITING and facts.direction is None:
        until = media.told_at + JOIN_WAITS
    return until if until is not None and at < until else None


def _pauses(media: ProviderMedia, *, at: datetime) -> bool:
    """Say whether a later job will try again: further messages of the call do not hurry it."""
    if media.state != MediaState.WAITING or media.asked_at is None:
        return False
    return at < media.asked_at + PAUSES[media.attempts - 1]


def _here(session: Session, account: ProviderAccount, media: ProviderMedia) -> UUID | None:
    return session.scalar(
        select(Recording.id)
        .join(Leg, Leg.recording_id == Recording.id)
        .where(
            Recording.device_id == account.device_id,
            Recording.source_call_id == media.source_call_id,
            Leg.leg == LegKind.MIXED,
        )
    )


def _plan(
    session: Session,
    account: ProviderAccount,
    media: ProviderMedia,
    facts: CallFacts,
    *,
    at: datetime,
) -> _Plan:
    link = taking.link_of(session, media)
    secrets: Secrets = service.secrets_of(session, account, at=at)[0]
    kind = Kind(account.kind)
    name, media_type = link["name"], link["media_type"]
    started_at = media.started_at or taking.began(facts, media) or media.told_at
    told = RecordingTold.model_validate(
        {
            "source_call_id": media.source_call_id,
            "started_at": started_at,
            "duration_ms": media.duration_ms,
            "direction": facts.direction or account.direction,
            "from": facts.from_party,
            "to": facts.to_party,
            "line": facts.line,
            "agent": facts.agent,
            "capture": "pbx",
        }
    )
    return _Plan(
        media_id=media.id,
        account_id=account.id,
        account=account.name,
        kind=kind,
        device_id=account.device_id,
        hosts=list(account.media_hosts),
        asking=SERVICES[kind].ask(link["ask"], secrets, account.mapping or {}),  # type: ignore[arg-type]  # as it was sealed
        told=told,
        name=name if isinstance(name, str) else None,
        media_type=media_type if isinstance(media_type, str) else None,
        is_once=media.is_once,
        attempts=media.attempts + 1,
    )


def _fetch(tools: IngestParts, plan: _Plan, fetching: Fetching) -> UUID:
    actor = Actor.device(plan.device_id, plan.account)
    try:
        ingest = RecordingIngest(ingest_tools(tools, Measured()), actor, plan.told)
    except Unavailable as exc:
        raise NotAsked from exc
    recogniser = AudioRecogniser(plan.media_type, plan.name)

    def taken(chunk: bytes) -> None:
        recogniser.feed(memoryview(chunk))
        ingest.write(chunk)

    try:
        if plan.asking.notice is not None:
            for chunk in _held(tools, plan.kind, UUID(plan.asking.notice)):
                taken(chunk)
        else:
            fetch(plan.asking, fetching, taken)
        part = FilePart(name=plan.name, declared_type=plan.media_type)
        arrived = Arrived(part=part, facts=recogniser.finish(), compared=None)
        answer, _ = ingest.keep(arrived)
    finally:
        ingest.discard()
    return answer.id


def _held(tools: IngestParts, kind: Kind, notice_id: UUID) -> Iterator[bytes]:
    """Yield the recording that a message holds.

    Raises:
        NoticeUnreadable: it holds none that can be read.
    """
    with tools.database.transaction() as session:
        notice = session.get_one(ProviderNotice, notice_id)
        if notice.sealed is None:
            raise MediaNotReady("The message that held it was forgotten.")
        came = door.opened(session, notice.id, notice.sealed)
    body = SERVICES[kind].content(came)
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]


def fetch(asking: Asking, fetching: Fetching, taken: Callable[[bytes], None]) -> None:
    """Give the body of what is asked for to `taken`, piece by piece.

    A redirect is followed to where the account's hosts allow it, as a plain question without any
    log-in; each address is looked at anew.

    Raises:
        MediaNotReady: the other side is away, says no, or breaks off.
        MediaForbidden: it is at an address that is not allowed.
        AnswerTooLarge: it is larger than is taken.
        Whatever `taken` refuses.
    """
    for _ in range(_MOST_REDIRECTS + 1):
        following = _once(asking, fetching, taken)
        if following is None:
            return
        asking = following
    raise MediaForbidden("It redirects too often.")


def _once(asking: Asking, fetching: Fetching, taken: Callable[[bytes], None]) -> Asking | None:
    try:
        target = outbound.resolve(asking.url, fetching.policy, lookup=fetching.lookup)
        with outbound.answering(
            target,
            asking.method,
            headers=asking.headers,
            body=asking.body,
            seconds=fetching.seconds,
        ) as response:
            if response.status_code in _REDIRECTS:
                place = response.headers.get("location", "")
                return Asking(method="GET", url=urljoin(asking.url, place))
            if response.status_code != _OK:
                raise MediaNotReady(f"The provider's host answers {response.status_code}.")
            if asking.link_in is not None:
                body = b"".join(outbound.pieces(response, max_bytes=_MOST_JSON_BYTES))
                return Asking(method="GET", url=_link(body, asking.link_in))
            for piece in outbound.pieces(response, max_bytes=fetching.max_bytes):
                taken(piece)
    except AddressRefused as exc:
        raise MediaForbidden(str(exc), because=str(exc.because)) from exc
    except (AnswerTooSlow, HostUnknown) as exc:
        raise MediaNotReady(type(exc).title()) from exc
    except httpx.TransportError as exc:
        raise MediaNotReady("The provider's host is away, or broke off.") from exc
    return None


def _link(body: bytes, member: str) -> str:
    """Return where an answer of JSON says that the recording is."""
    try:
        found = json.loads(body)[member]
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise MediaNotReady("The answer names no link.") from exc
    if not isinstance(found, str):
        raise MediaNotReady("The answer names no link.")
    return found


def _held_up(tools: IngestParts, plan: _Plan, *, is_asked: bool) -> None:
    """Try once more soon: it was a part of the archive that was away, so it counts for nothing.

    Raises:
        DatabaseAway: not even that can be written; it is found when the lease is over.
    """
    if plan.is_once and is_asked:
        _over(tools, plan, MediaState.LOST, reason="link_used")
        return
    at = tools.clock.now()
    with tools.database.transaction() as session:
        media = session.get_one(ProviderMedia, plan.media_id, with_for_update=True)
        if media.link is None:
            return  # Another worker was quicker.
        media.state, media.asked_at, media.attempts = MediaState.WAITING, None, plan.attempts - 1
        taking.ask_for(session, media, at=at + _HELD_UP)
    _FETCHED.labels(plan.kind, "held_up").inc()


def _again(tools: IngestParts, plan: _Plan, refusal: Refusal) -> None:
    """Try once more later, or say that it is lost."""
    if plan.is_once:
        _over(tools, plan, MediaState.LOST, reason="link_used")
        return
    if plan.attempts > len(PAUSES):
        _over(tools, plan, MediaState.LOST, reason=refusal.detail)
        return
    at = tools.clock.now()
    with tools.database.transaction() as session:
        media = session.get_one(ProviderMedia, plan.media_id, with_for_update=True)
        if media.link is None:
            return  # Another worker was quicker.
        media.state, media.reason = MediaState.WAITING, refusal.detail
        taking.ask_for(session, media, at=at + PAUSES[plan.attempts - 1])
    _FETCHED.labels(plan.kind, "later").inc()


def _over(
    tools: IngestParts,
    plan: _Plan,
    state: MediaState,
    *,
    recording_id: UUID | None = None,
    reason: str | None = None,
    refusal: Refusal | None = None,
) -> None:
    at = tools.clock.now()
    with tools.database.transaction() as session:
        call_id = session.scalars(
            select(ProviderMedia.call_id).where(ProviderMedia.id == plan.media_id)
        ).one()
        session.get_one(ProviderCall, call_id, with_for_update=True)
        media = session.get_one(ProviderMedia, plan.media_id, with_for_update=True)
        if media.link is None:
            return  # Another worker was quicker.
        if refusal is not None:
            session.execute(
                insert(RefusedUpload)
                .values(
                    id=new_id(),
                    device_id=plan.device_id,
                    call_id=plan.told.source_call_id,
                    refusal=refusal.slug,
                    status=status_of(type(refusal)),
                    at=at,
                )
                .on_conflict_do_nothing()
            )
        _settle(tools, session, media, state, at=at, reason=reason, recording_id=recording_id)
    _FETCHED.labels(plan.kind, state).inc()
    if state != MediaState.KEPT:
        _log.warning("provider.media", state=str(state), media_id=str(plan.media_id), reason=reason)


def _forget_held(session: Session, media: ProviderMedia) -> None:
    """Forget the message that held a recording: what is erased must not stand there still."""
    held = taking.link_of(session, media)["ask"]
    if isinstance(held, dict) and (notice_id := held.get("notice")):
        notice = session.get_one(ProviderNotice, UUID(str(notice_id)), with_for_update=True)
        notice.sealed = None


def _settle(  # noqa: PLR0913 - what is settled, how, and why.
    tools: IngestParts,
    session: Session,
    media: ProviderMedia,
    state: MediaState,
    *,
    at: datetime,
    reason: str | None = None,
    recording_id: UUID | None = None,
) -> None:
    _forget_held(session, media)
    media.state, media.reason, media.recording_id = state, reason, recording_id
    media.link, media.settled_at = None, at
    session.flush()
    account = service.found(session, media.account_id)
    call = session.get_one(ProviderCall, media.call_id)
    taking.tell(session, account, call, taking.house_of(tools.settings), at=at)
