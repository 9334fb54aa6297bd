"""The door: a permit, an entry in the ledger, then bytes for as long as the state stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.consent.rules import Permit
from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Conflict, Gone, NotFound, Unavailable
from app.core.ranges import ByteRange
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.inspection import joining
from app.inspection.decode import PLAYABLE_MEDIA_TYPE
from app.recordings.models import Leg, LegKind, SealedRow
from storage.errors import StoreError
from storage.sealed import SealedReader, SealedRef

PIECE_BYTES = 256 * 1024
_STAMP = "SELECT consent_stamp(%(recording)s, %(contact)s)"

Form = Literal["original", "playable"]

_BROWSERS_PLAY = frozenset(
    {
        ("audio/mpeg", "mp3"),
        ("audio/ogg", "opus"),
        ("audio/ogg", "vorbis"),
        ("audio/webm", "opus"),
        ("audio/flac", "flac"),
        ("audio/mp4", "aac"),
        ("audio/wav", "pcm_s16le"),
        ("audio/wav", "pcm_alaw"),
        ("audio/wav", "pcm_mulaw"),
    }
)


class HeardLeg(StrEnum):
    """What can be listened to: a file as it came, or the two directions of a call in step."""

    MIXED = "mixed"
    SENT = "sent"
    RECEIVED = "received"
    BOTH = "both"


class LegNotFound(NotFound):
    """The recording has no such leg."""


class NotPlayableYet(Conflict):
    """There is no playable copy; the original can be fetched with `form=original`."""


class SoundErased(Gone):
    """The sound was erased."""


class SoundAway(Unavailable):
    """The store does not give the sound now; try again."""


class ConsentChanged(Conflict):
    """Consent changed before the first byte was given; ask again for what holds now."""


class CutOff(Exception):
    """Consent changed while somebody listened; the rest is not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Bytes that may be heard, and what they are."""

    leg: str
    form: Form
    ref: SealedRef
    media_type: str
    sha256: bytes


def sound_of(session: Session, recording_id: UUID, *, leg: str | None, form: Form | None) -> Sound:
    """Return the bytes of a leg: the first one, in the form that a browser plays, unless asked.

    Both directions in step have one form, the playable: no sender ever sent them so.

    Raises:
        LegNotFound: the recording has no such leg.
        NotPlayableYet: not inspected, or nothing could be decoded.
        SoundErased: its key was destroyed.
    """
    if leg == HeardLeg.BOTH:
        return _both(session, recording_id, form=form)
    found = legs_heard(session, recording_id, leg)[0]
    form = form or _best_form(found)
    object_id = found.object_id if form == "original" else found.playable_object_id
    if object_id is None:
        raise NotPlayableYet
    row = session.get_one(SealedRow, object_id)
    if row.wrapped_key is None:
        raise SoundErased
    return Sound(
        leg=found.leg,
        form=form,
        ref=SealedRef(object_id=object_id, wrapped_key=row.wrapped_key, size_bytes=row.size_bytes),
        media_type=found.media_type if form == "original" else PLAYABLE_MEDIA_TYPE,
        sha256=row.sha256,
    )


def legs_heard(session: Session, recording_id: UUID, leg: str | None) -> list[Leg]:
    """Return the leg that is asked for, of both directions the sent one first; else the first leg.

    Raises:
        LegNotFound: the recording has none, or not both.
    """
    query = select(Leg).where(Leg.recording_id == recording_id)
    if leg == HeardLeg.BOTH:
        query = query.where(Leg.leg.in_((LegKind.SENT, LegKind.RECEIVED)))
        both = list(session.scalars(query.order_by(Leg.leg.desc())))
        if len(both) != 2:  # noqa: PLR2004 - a file for each direction.
            raise LegNotFound
        return both
    if leg is not None:
        query = query.where(Leg.leg == leg)
    found = session.scalars(query.order_by(Leg.received_at, Leg.leg).limit(1)).first()
    if found is None:
        raise LegNotFound
    return [found]


def _both(session: Session, recording_id: UUID, *, form: Form | None) -> Sound:
    legs_heard(session, recording_id, HeardLeg.BOTH)
    joined = joining.newest(session, recording_id)
    if joined is None or form == "original":
        raise NotPlayableYet
    row = session.get_one(SealedRow, joined.object_id)
    if row.wrapped_key is None:
        raise SoundErased
    return Sound(
        leg=HeardLeg.BOTH,
        form="playable",
        ref=SealedRef(
            object_id=row.object_id, wrapped_key=row.wrapped_key, size_bytes=row.size_bytes
        ),
        media_type=PLAYABLE_MEDIA_TYPE,
        sha256=row.sha256,
    )


def _best_form(leg: Leg) -> Form:
    plays = (leg.media_type, leg.codec) in _BROWSERS_PLAY
    return "original" if plays or leg.playable_object_id is None else "playable"


def tell(
    session: Session,
    actor: Actor,
    permit: Permit,
    sound: Sound,
    *,
    part: ByteRange,
    at: datetime,
) -> UUID:
    """Write the listening down; return the entry's id.

    The caller commits before the first byte is read, so that what was heard is never missing
    from the ledger.
    """
    return ledger.append(
        session,
        actor,
        Act.MEDIA_PLAYED,
        ("recording", permit.recording_id),
        at=at,
        facts=facts_of(permit, sound, part),
        content=sound.sha256,
    )


def facts_of(permit: Permit, sound: Sound, part: ByteRange) -> dict[str, str | int | bool | None]:
    """Return what the ledger is told of the hearing of a part."""
    return {
        "purpose": str(permit.purpose),
        "leg": sound.leg,
        "form": sound.form,
        "first_byte": part.start,
        "last_byte": part.end - 1,
    }


def stands(permit: Permit, *, at: datetime) -> bool:
    """Tell whether time alone cannot have made the answer another yet."""
    return permit.turns_at is None or at < permit.turns_at


def holds(database: Database, permit: Permit, *, at: datetime) -> bool:
    """Tell whether the state is still the one that a permit was decided under."""
    if not stands(permit, at=at):
        return False
    found = database.statement(
        _STAMP, {"recording": permit.recording_id, "contact": permit.recipient.contact_id}
    )
    return found is not None and found[0] == permit.stamp


def pieces(
    database: Database,
    store: SealedReader,
    permit: Permit,
    sound: Sound,
    *,
    part: ByteRange,
    clock: Clock,
) -> Iterator[bytes]:
    """Yield the bytes of `part`; before each piece goes the state is compared with the permit's.

    It is read first and compared then: whatever the store takes for the reading, nothing goes
    that was not allowed after it.

    Raises:
        CutOff: something that the decision depends on has changed.
        SoundAway: the store does not give the bytes.
    """
    position = part.start
    while position < part.end:
        length = min(PIECE_BYTES, part.end - position)
        try:
            piece = store.read(sound.ref, start=position, length=length)
        except StoreError as exc:
            raise SoundAway from exc
        if not holds(database, permit, at=clock.now()):
            raise CutOff
        yield piece
        position += length
