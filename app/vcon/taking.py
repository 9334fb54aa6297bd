"""Taking vCons in: everything is read and there before the first part of it is kept.

Recordings and screenshots go by the way in that all take, each durable by itself; calls, the course
of calls and the ledger's entry follow in one transaction. Who is cut off in between sends it again:
what is kept is known by its name and kept once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import httpx
from cryptography import x509
from sqlalchemy import select

from app.core import outbound
from app.core.errors import Refusal, Unavailable
from app.core.outbound import AddressRefused, AnswerTooLarge, AnswerTooSlow, HostUnknown, Policy
from app.custody import ledger
from app.custody.ledger import Act
from app.feeds import calls
from app.feeds.calls import House as FeedHouse
from app.identity.actor import Actor
from app.identity.models import User
from app.recordings import call_events
from app.recordings.call_schemas import CallEventTold
from app.recordings.ingest import Arrived, IngestTools, RecordingIngest, ScreenshotIngest
from app.recordings.media import AudioRecogniser, ImageRecogniser
from app.recordings.models import CallEventKind, Direction
from app.recordings.multipart import FilePart
from app.recordings.schemas import EventRef, RecordingCreated, ScreenshotCreated
from app.vcon import reading, signing
from app.vcon.mapping import House, Picture, Plan, Sound, plan
from app.vcon.reading import Checked, Content, ContentMissing, Json, Vcon, must_agree

MAX_BYTES: Final = 128 * 1024 * 1024
"""The largest body, and the most that is unpacked from one: it is read as a whole."""

_FETCH_SECONDS: Final = 60.0
_OK: Final = 200
_AT_ONCE: Final = 200


class ContentAway(Unavailable):
    """A content of the vCon could not be fetched from where it lies; `where` names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The ways in, what is trusted, and where contents may be fetched from."""

    ingest: IngestTools
    feeds: FeedHouse
    policy: Policy
    roots: Sequence[x509.Certificate]
    max_pixels: int
    max_content_bytes: int
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One vCon that was taken, and what became of its parts, each with its place."""

    vcon: Vcon
    recordings: list[tuple[str, RecordingCreated]] = field(default_factory=list)
    screenshots: list[tuple[str, ScreenshotCreated]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    @property
    def body(self) -> Json:
        return self.vcon.body


def take(
    ways: Ways, actor: Actor, raw: bytes, *, direction: Direction | None = None
) -> list[Taken]:
    """Take the vCons of `raw`; all of it is durable when this returns.

    Raises:
        Whatever reading, mapping and the ways in refuse; what was kept before stays.
        ContentMissing: a content lies elsewhere, and not where it is fetched from.
        ContentAway, DatabaseAway, StoreAway: the sender keeps its copy.
    """
    at = ways.ingest.clock.now()

    def check(signed: Mapping[str, Any]) -> Checked:
        return signing.check(signed, ways.roots, at=at)

    found = reading.read(raw, check, max_bytes=ways.max_bytes)
    house = House(agents=_agents(ways), direction=direction)
    planned = [(vcon, _whole(ways, plan(vcon, house))) for vcon in found]
    return [_keep(ways, actor, vcon, made) for vcon, made in planned]


def _agents(ways: Ways) -> frozenset[str]:
    with ways.ingest.database.transaction() as session:
        found = session.scalars(select(User.agent_ref).where(User.agent_ref.is_not(None)))
        return frozenset(str(one) for one in found)


def _whole(ways: Ways, made: Plan) -> Plan:
    """Return the plan with every content in hand, and each recognised as what it is said to be."""
    for sound in made.sounds:
        sound.content = _there(ways, sound.content, sound.where)
        recogniser = AudioRecogniser(sound.content.media_type, sound.content.file_name)
        recogniser.feed(memoryview(_data(sound.content)))
        recogniser.finish()
    made.pictures = [
        replace(one, content=_there(ways, one.content, one.where)) for one in made.pictures
    ]
    for picture in made.pictures:
        looking = ImageRecogniser(ways.max_pixels)
        looking.feed(memoryview(_data(picture.content)))
        looking.finish()
    return made


def _data(content: Content) -> bytes:
    if content.data is None:
        raise TypeError("What is kept is in hand.")
    return content.data


def _there(ways: Ways, content: Content, where: str) -> Content:
    """Return a content with its bytes, fetched if it lies at one of the hosts that are named."""
    if content.data is None:
        content = replace(content, data=_fetched(ways, content, where))
    if len(_data(content)) > ways.max_content_bytes:
        raise reading.VconTooLarge(max_bytes=ways.max_content_bytes)
    return content


def _fetched(ways: Ways, content: Content, where: str) -> bytes:
    missing = ContentMissing(
        f"{where} lies elsewhere and is not fetched from there; send it within.", where=where
    )
    if not ways.policy.hosts:
        raise missing
    try:
        target = outbound.resolve(content.url or "", ways.policy)
        with outbound.answering(target, "GET", seconds=_FETCH_SECONDS) as answer:
            if answer.status_code != _OK:
                raise ContentAway(f"{where}: {answer.status_code}", where=where)
            data = b"".join(outbound.pieces(answer, max_bytes=ways.max_content_bytes))
    except AddressRefused as exc:
        raise missing from exc
    except AnswerTooLarge as exc:
        raise reading.VconTooLarge(max_bytes=ways.max_content_bytes) from exc
    except (HostUnknown, AnswerTooSlow, httpx.TransportError) as exc:
        raise ContentAway(f"{where}: nobody gives it now.", where=where) from exc
    must_agree(data, content.hashes, where)
    return data


def _keep(ways: Ways, actor: Actor, vcon: Vcon, made: Plan) -> Taken:
    taken = Taken(vcon=vcon)
    courses = [(sound, _keep_sound(ways, actor, sound, taken)) for sound in made.sounds]
    event = next(
        (one.event.external_id for _, one in taken.recordings if one.event.external_id), None
    )
    for picture in made.pictures:
        _keep_picture(ways, actor, picture, event, taken)
    at = ways.ingest.clock.now()
    with ways.ingest.database.transaction() as session:
        if made.calls:
            calls.receive(session, actor, made.calls, ways.feeds, at=at)
            taken.calls.extend(call.call_id for call in made.calls)
        for sound, events in courses:
            for first in range(0, len(events), _AT_ONCE):
                call_events.receive(
                    session,
                    actor,
                    events[first : first + _AT_ONCE],
                    call_id=sound.call_id,
                    sent_at=None,
                    region=ways.ingest.region,
                    at=at,
                )
        ledger.append(
            session,
            actor,
            Act.VCON_RECEIVED,
            ("vcon", UUID(vcon.uuid)),
            at=at,
            facts={
                "version": vcon.version,
                "signature": str(vcon.checked.signature),
                "recordings": len(taken.recordings),
                "screenshots": len(taken.screenshots),
                "calls": len(taken.calls),
                "notes": len(vcon.notes),
            },
            content=vcon.sha256,
        )
    return taken


def _keep_sound(ways: Ways, actor: Actor, sound: Sound, taken: Taken) -> list[CallEventTold]:
    data = _data(sound.content)
    recogniser = AudioRecogniser(sound.content.media_type, sound.content.file_name)
    ingest = RecordingIngest(ways.ingest, actor, sound.told)
    try:
        recogniser.feed(memoryview(data))
        facts = recogniser.finish()
        ingest.write(data)
        answer, _ = ingest.keep(Arrived(part=_part(sound.content), facts=facts, compared=None))
    except Refusal as exc:
        exc.facts.setdefault("where", sound.where)
        raise
    finally:
        ingest.discard()
    taken.recordings.append((sound.where, answer))
    if facts.channels is None or facts.channels != len(sound.channels):
        return sound.events
    return [_on_channel(one, sound.channels) for one in sound.events]


def _on_channel(event: CallEventTold, channels: Sequence[int | None]) -> CallEventTold:
    """Let who joins speak on the channel that is his alone."""
    if event.kind is not CallEventKind.JOIN or event.leg is None:
        return event
    own = [place for place, one in enumerate(channels) if event.leg == f"party-{one}"]
    return event.model_copy(update={"channel": own[0]}) if len(own) == 1 else event


def _keep_picture(
    ways: Ways, actor: Actor, picture: Picture, event: str | None, taken: Taken
) -> None:
    data = _data(picture.content)
    told = picture.told
    if event is not None:
        told = told.model_copy(update={"event": EventRef(external_id=event)})
    recogniser = ImageRecogniser(ways.max_pixels)
    ingest = ScreenshotIngest(ways.ingest, actor, told)
    try:
        recogniser.feed(memoryview(data))
        facts = recogniser.finish()
        ingest.write(data)
        answer, _ = ingest.keep(Arrived(part=_part(picture.content), facts=facts, compared=None))
    except Refusal as exc:
        exc.facts.setdefault("where", picture.where)
        raise
    finally:
        ingest.discard()
    taken.screenshots.append((picture.where, answer))


def _part(content: Content) -> FilePart:
    name = content.file_name
    kept = "".join(letter for letter in name if letter.isprintable())[:255] if name else None
    return FilePart(name=kept or None, declared_type=content.media_type)
