"""The two directions of a call in one playable file, so that both are heard in step.

Softphones write a file for each direction. Each is decoded from what was received, the shorter one
is filled with silence, and an MP3 is made with the sent direction left and the received one right.
Both files count as begun at the same moment, as everywhere.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.inspection.decode import MP3, decoder_name, steps_of
from app.inspection.models import JoinedSound
from app.inspection.references import ref_of, spooled
from app.inspection.sandbox import SOURCE_PATH, Budget, DecodeFailed, DecodeLimit, LimitKind
from app.inspection.searching import InspectionTools, facts_of, legs_of
from app.recordings.media_facts import MediaFacts
from app.recordings.models import InspectionState, Leg, LegKind, Recording, SealedRow
from storage.sealed import SealedObject, SealedRef

JOIN: Final = "inspection.join"

_RATE_HZ: Final = 16_000
_SAMPLE_BYTES: Final = 2
_PIECE_BYTES: Final = 1 << 18
_ACTOR = Actor.system("inspection")
_SIDES: Final = (LegKind.SENT, LegKind.RECEIVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A leg that becomes a channel."""

    leg_id: UUID
    ref: SealedRef
    facts: MediaFacts


def newest(session: Session, recording_id: UUID) -> JoinedSound | None:
    """Return the joined sound, None where there is none or a leg was looked into again since.

    A leg that was looked into again has another picture than the one that was there before.
    """
    sent, received = aliased(Leg), aliased(Leg)
    sent_peaks, received_peaks = aliased(SealedRow), aliased(SealedRow)
    return session.scalar(
        select(JoinedSound)
        .join(sent, sent.id == JoinedSound.sent_leg_id)
        .join(received, received.id == JoinedSound.received_leg_id)
        .join(sent_peaks, sent_peaks.object_id == sent.peaks_object_id)
        .join(received_peaks, received_peaks.object_id == received.peaks_object_id)
        .where(
            JoinedSound.recording_id == recording_id,
            sent_peaks.stored_at <= JoinedSound.at,
            received_peaks.stored_at <= JoinedSound.at,
        )
        .order_by(JoinedSound.at.desc(), JoinedSound.object_id.desc())
        .limit(1)
    )


def join(tools: InspectionTools, recording_id: str) -> None:
    """Make one file of the two directions of a recording, unless there is one.

    Done twice it makes nothing anew; what was made in vain is swept as an object without a row.

    Raises:
        DecodeFailed, DecodeLimit: a leg that was decoded before cannot be decoded now.
    """
    wanted = UUID(recording_id)
    with tools.database.transaction() as session:
        sides = _sides(session, wanted)
        is_there = newest(session, wanted) is not None
    if is_there or len(sides) != len(_SIDES):
        return
    made, frames = _made(tools, sides)
    if made is None:
        return  # Two files without a sample have nothing to play.
    at = tools.clock.now()
    with tools.database.transaction() as session:
        recording = session.scalar(
            select(Recording)
            .where(Recording.id == wanted, Recording.erased_at.is_(None))
            .with_for_update()
        )
        if recording is None or _sides(session, wanted) != sides or newest(session, wanted):
            return
        _write_down(session, tools, sides, made, duration_ms=frames * 1000 // _RATE_HZ, of=wanted)
        ledger.append(
            session,
            _ACTOR,
            Act.DERIVED_CREATED,
            ("recording", wanted),
            at=at,
            facts={"leg": "both", "derived": "joined", "duration_ms": frames * 1000 // _RATE_HZ},
            content=made.sha256,
        )


def _sides(session: Session, recording_id: UUID) -> list[_Side]:
    found = {
        leg.leg: _Side(leg_id=leg.id, ref=ref_of(row), facts=facts_of(leg))
        for leg, row in legs_of(session, recording_id, InspectionState.DONE)
    }
    return [found[kind] for kind in _SIDES if kind in found]


def _write_down(
    session: Session,
    tools: InspectionTools,
    sides: Sequence[_Side],
    made: SealedObject,
    *,
    duration_ms: int,
    of: UUID,
) -> None:
    at = tools.clock.now()
    session.add(
        SealedRow(
            object_id=made.object_id,
            wrapped_key=made.wrapped_key,
            size_bytes=made.size_bytes,
            sha256=made.sha256,
            crc32=made.crc32,
            stored_at=at,
        )
    )
    session.flush()
    names = dict.fromkeys(decoder_name(one.facts, tools.sandbox) for one in sides)
    session.add(
        JoinedSound(
            object_id=made.object_id,
            recording_id=of,
            sent_leg_id=sides[0].leg_id,
            received_leg_id=sides[1].leg_id,
            duration_ms=duration_ms,
            decoder="; ".join(names),
            at=at,
        )
    )
    session.flush()


def _made(tools: InspectionTools, sides: Sequence[_Side]) -> tuple[SealedObject | None, int]:
    """Return the sealed MP3 and the number of samples of each channel, if there is any."""
    longest_s = tools.settings.max_audio_hours * 3600
    with ExitStack() as files:
        samples = [files.enter_context(_unnamed(tools.settings.spool_dir)) for _ in sides]
        for side, out in zip(sides, samples, strict=True):
            _decode(tools, side, out, longest_s=longest_s)
        both = files.enter_context(_unnamed(tools.settings.spool_dir))
        frames = _interleaved(samples, both)
        if not frames:
            return None, 0
        draft = tools.archive.begin(new_id())
        files.callback(draft.discard)
        outcome = tools.sandbox.run(
            [_encoding(tools)], source=both.fileno(), to=[draft.write], budget=Budget()
        )
        if any(outcome.exit_codes):
            raise DecodeFailed("The joined sound could not be made.")
        return draft.keep(), frames


def _unnamed(folder: Path) -> IO[bytes]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


def _decode(tools: InspectionTools, side: _Side, out: IO[bytes], *, longest_s: int) -> None:
    """Write the samples of a leg, its channels mixed, as 16 bits at 16 kHz."""
    written, most = 0, (longest_s + 1) * _RATE_HZ * _SAMPLE_BYTES

    def keep(piece: bytes) -> None:
        nonlocal written
        written += len(piece)
        if written > most:
            raise DecodeLimit(LimitKind.OUTPUT)
        out.write(piece)

    outputs = ["-map", "0:a:0", "-map_metadata", "-1", "-ar", str(_RATE_HZ), "-ac", "1"]
    outputs += ["-c:a", "pcm_s16le", "-f", "s16le", "pipe:1"]
    steps = steps_of(side.facts, tools.sandbox, outputs=outputs, max_duration_s=longest_s)
    with spooled(tools.archive.stream(side.ref), tools.settings.spool_dir) as descriptor:
        tools.sandbox.run(steps, source=descriptor, to=[keep], budget=Budget())


def _interleaved(samples: Sequence[IO[bytes]], into: IO[bytes]) -> int:
    """Write the channels side by side, the shorter filled with silence; return how long it is."""
    for file in samples:
        file.seek(0)
    frames = 0
    while pieces := [file.read(_PIECE_BYTES) for file in samples]:
        longest = max(len(piece) - len(piece) % _SAMPLE_BYTES for piece in pieces)
        if not longest:
            break
        columns = [
            np.frombuffer(piece[:longest].ljust(longest, b"\0"), dtype="<i2") for piece in pieces
        ]
        into.write(np.column_stack(columns).tobytes())
        frames += longest // _SAMPLE_BYTES
    into.flush()
    os.lseek(into.fileno(), 0, os.SEEK_SET)
    return frames


def _encoding(tools: InspectionTools) -> list[str]:
    command = [tools.sandbox.tools.ffmpeg, "-v", "error", "-hide_banner", "-nostats", "-nostdin"]
    command += ["-threads", "1", "-protocol_whitelist", "file", "-format_whitelist", "s16le"]
    command += ["-f", "s16le", "-ar", str(_RATE_HZ), "-ac", "2", "-i", f"file:{SOURCE_PATH}"]
    # The two sides are two sounds: a joint coding would let one be heard in the other's channel.
    return [*command, *MP3, "-joint_stereo", "0", "-b:a", "64k", "-f", "mp3", "pipe:1"]
