"""What was measured on the sound of legs: kept beside them, read again for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.inspection.models import LegSound
from app.inspection.sound import METHOD_VERSION, Sound
from app.recordings.models import Leg, LegKind, Party


def write_down(
    session: Session, leg: Leg, sound: Sound, *, talk_object_id: UUID, at: datetime
) -> None:
    """Keep the figures of a leg; the sealed spans of its talk have their row already."""
    session.add(
        LegSound(
            id=new_id(),
            recording_id=leg.recording_id,
            leg_id=leg.id,
            method_version=METHOD_VERSION,
            duration_ms=sound.duration_ms,
            loudness_lufs=sound.loudness_lufs,
            same_channels=sound.same,
            channels=[
                {
                    "loudness_lufs": channel.level.loudness_lufs,
                    "peak_dbfs": channel.level.peak_dbfs,
                    "clipped_samples": channel.level.clipped_samples,
                    "clipped_runs": channel.level.clipped_runs,
                    "silent_ms": channel.level.silent_ms,
                    "longest_silence_ms": channel.level.longest_silence_ms,
                    "talk_ms": channel.talk_ms,
                }
                for channel in sound.channels
            ],
            talk_object_id=talk_object_id,
            at=at,
        )
    )


def newest(session: Session, recording_id: UUID) -> list[tuple[Leg, LegSound]]:
    """Return the newest figures of each leg that was measured, in the order of the legs."""
    rows = session.execute(
        select(Leg, LegSound)
        .join(LegSound, LegSound.leg_id == Leg.id)
        .where(Leg.recording_id == recording_id)
        .ext(distinct_on(Leg.received_at, Leg.leg))
        .order_by(Leg.received_at, Leg.leg, LegSound.at.desc(), LegSound.id.desc())
    )
    return [(leg, sound) for leg, sound in rows]


def party_of(parties: Sequence[Party], leg: LegKind, channel: int, *, channels: int) -> str | None:
    """Return the label of who alone is heard on a channel, None where nobody knows or several are.

    What was sent is our own side and what was received the others', unless somebody said which
    channel is whose.
    """
    told = [party.label for party in parties if party.channel == channel and channels > 1]
    if not told and leg is not LegKind.MIXED:
        labels = {party.label for party in parties}
        if leg is LegKind.SENT:
            told = [label for label in ("own",) if label in labels]
        else:
            told = sorted(labels - {"own"})
    return told[0] if len(told) == 1 else None
