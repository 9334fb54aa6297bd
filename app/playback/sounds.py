"""What the sound of a recording tells in figures: levels, silence, and who talks when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.consent.spans import Segment
from app.inspection import measured
from app.inspection.models import LegSound
from app.inspection.sound import talk_from_bytes
from app.inspection.talk import Spans, together
from app.playback.door import NotPlayableYet, SoundAway, SoundErased
from app.recordings.models import Leg, LegKind, Party, SealedRow
from storage.errors import StoreError
from storage.sealed import SealedReader, SealedRef


class ChannelSoundRead(BaseModel):
    """The figures of a channel; `party` is the label of who alone is heard on it, if known.

    `talk` has the beginning and end of each stretch of talk in milliseconds from the first sample.
    """

    channel: int
    party: str | None
    loudness_lufs: float | None
    peak_dbfs: float | None
    clipped_samples: int
    clipped_runs: int
    silent_ms: int
    silent_share: float
    longest_silence_ms: int
    talk_ms: int
    talk_share: float
    talk: list[tuple[int, int]]


class LegSoundRead(BaseModel):
    """The figures of a leg; `same_channels` says that its channels hold one and the same sound."""

    leg: LegKind
    method: str
    duration_ms: int
    loudness_lufs: float | None
    same_channels: bool
    channels: list[ChannelSoundRead]


class VoiceRead(BaseModel):
    """One side of the talk, and the share of all talking that it did."""

    leg: LegKind
    channel: int
    party: str | None
    share: float


class TogetherRead(BaseModel):
    """What the sides do at once. Legs count as if both files began at the same moment."""

    voices: list[VoiceRead]
    overlap_ms: int
    silence_ms: int
    longest_silence_ms: int


class SoundRead(BaseModel):
    """`together` is null where nobody's talk can be told from another's."""

    legs: list[LegSoundRead]
    together: TogetherRead | None


class TalkRead(BaseModel):
    """Who alone is heard on a channel, if known, and when somebody talks on it.

    Of a part, `talk` and its sums know nothing before or after it; places are of the whole call.
    """

    channel: int
    party: str | None
    talk_ms: int
    talk_share: float
    talk: list[tuple[int, int]]


class LegTalkRead(BaseModel):
    """The talk on a leg between two places of the call."""

    leg: LegKind
    from_ms: int
    to_ms: int
    channels: list[TalkRead]


class PartTalkRead(BaseModel):
    """Who talks when in a part of a recording."""

    legs: list[LegTalkRead]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The figures of a leg, and where its spans of talk are."""

    leg: LegKind
    sound: LegSound
    parties: tuple[str | None, ...]
    ref: SealedRef


def measured_of(session: Session, recording_id: UUID) -> list[Measured]:
    """Return what was measured of each leg.

    Raises:
        NotPlayableYet: No leg was measured yet.
        SoundErased: The key of what was measured was destroyed.
    """
    rows = measured.newest(session, recording_id)
    if not rows:
        raise NotPlayableYet
    parties = session.scalars(select(Party).where(Party.recording_id == recording_id)).all()
    return [_measured(session, leg, sound, parties) for leg, sound in rows]


def _measured(session: Session, leg: Leg, sound: LegSound, parties: Sequence[Party]) -> Measured:
    row = session.get_one(SealedRow, sound.talk_object_id)
    if row.wrapped_key is None:
        raise SoundErased
    kind, count = LegKind(leg.leg), len(sound.channels)
    return Measured(
        leg=kind,
        sound=sound,
        parties=tuple(
            measured.party_of(parties, kind, channel, channels=count) for channel in range(count)
        ),
        ref=SealedRef(
            object_id=row.object_id, wrapped_key=row.wrapped_key, size_bytes=row.size_bytes
        ),
    )


def read(archive: SealedReader, found: Sequence[Measured]) -> SoundRead:
    """Put the figures and the spans of talk together.

    Raises:
        SoundAway: The store does not give the spans now.
    """
    talk = _talk(archive, found)
    return SoundRead(
        legs=[_leg(one, spans) for one, spans in zip(found, talk, strict=True)],
        together=_together(found, talk),
    )


def read_part(archive: SealedReader, found: Sequence[Measured], part: Segment) -> PartTalkRead:
    """Return who talks when in a part: counted from what lies in it, never from the whole.

    Raises:
        SoundAway: The store does not give the spans now.
    """
    talk = _talk(archive, found)
    return PartTalkRead(
        legs=[_leg_part(one, spans, part) for one, spans in zip(found, talk, strict=True)]
    )


def _talk(archive: SealedReader, found: Sequence[Measured]) -> list[tuple[Spans, ...]]:
    try:
        return [talk_from_bytes(b"".join(archive.stream(one.ref))) for one in found]
    except StoreError as exc:
        raise SoundAway from exc


def _leg_part(one: Measured, talk: Sequence[Spans], part: Segment) -> LegTalkRead:
    from_ms = min(part.from_ms, one.sound.duration_ms)
    to_ms = max(from_ms, min(int(part.end_ms), one.sound.duration_ms))
    channels = []
    for number, (party, spans) in enumerate(zip(one.parties, talk, strict=True)):
        within = [
            (max(begin, from_ms), min(end, to_ms))
            for begin, end in spans
            if end > from_ms and begin < to_ms
        ]
        talk_ms = sum(end - begin for begin, end in within)
        length_ms = to_ms - from_ms
        channels.append(
            TalkRead(
                channel=number,
                party=party,
                talk_ms=talk_ms,
                talk_share=round(talk_ms / length_ms, 4) if length_ms else 0.0,
                talk=within,
            )
        )
    return LegTalkRead(leg=one.leg, from_ms=from_ms, to_ms=to_ms, channels=channels)


def _leg(one: Measured, talk: Sequence[Spans]) -> LegSoundRead:
    sound = one.sound
    figures = zip(sound.channels, one.parties, talk, strict=True)
    return LegSoundRead(
        leg=one.leg,
        method=sound.method_version,
        duration_ms=sound.duration_ms,
        loudness_lufs=sound.loudness_lufs,
        same_channels=sound.same_channels,
        channels=[
            _channel(sound.duration_ms, {"channel": number, "party": party, "talk": spans, **told})
            for number, (told, party, spans) in enumerate(figures)
        ],
    )


def _channel(duration_ms: int, told: dict[str, Any]) -> ChannelSoundRead:
    shares = {
        f"{what}_share": round(told[f"{what}_ms"] / duration_ms, 4) if duration_ms else 0.0
        for what in ("silent", "talk")
    }
    return ChannelSoundRead.model_validate(told | shares)


def _together(found: Sequence[Measured], talk: Sequence[Sequence[Spans]]) -> TogetherRead | None:
    """Return what the sides do at once: the two legs of a call, or the channels of one file."""
    sides = _of_two_legs(found) or _of_one_leg(found)
    if not sides:
        return None
    done = together(
        [talk[place][channel] for place, channel in sides],
        max(found[place].sound.duration_ms for place, _ in sides),
    )
    voices = [
        VoiceRead(
            leg=found[place].leg,
            channel=channel,
            party=found[place].parties[channel],
            share=share,
        )
        for (place, channel), share in zip(sides, done.shares, strict=True)
    ]
    return TogetherRead(
        voices=voices,
        overlap_ms=done.overlap_ms,
        silence_ms=done.silence_ms,
        longest_silence_ms=done.longest_silence_ms,
    )


def _of_two_legs(found: Sequence[Measured]) -> list[tuple[int, int]]:
    """Return leg and channel of each side where each direction has a file with one sound in it."""
    one_sound = {
        one.leg: place
        for place, one in enumerate(found)
        if len(one.sound.channels) == 1 or one.sound.same_channels
    }
    if LegKind.SENT not in one_sound or LegKind.RECEIVED not in one_sound:
        return []
    return [(one_sound[LegKind.SENT], 0), (one_sound[LegKind.RECEIVED], 0)]


def _of_one_leg(found: Sequence[Measured]) -> list[tuple[int, int]]:
    for place, one in enumerate(found):
        if len(one.sound.channels) > 1 and not one.sound.same_channels:
            return [(place, channel) for channel in range(len(one.sound.channels))]
    return []
