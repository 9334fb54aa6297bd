"""A leg that arrives later is sound that nobody has listened to or approved yet."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.consent import service
from app.consent.purposes import Purpose, ScreeningResult
from app.consent.review import screen
from app.consent.spans import WHOLE
from app.core.clock import SetClock
from app.core.ids import new_id
from app.recordings.models import InspectionState, Leg, LegKind
from tests.factories import Make, wav


def _late_leg(make: Make, recording_id: UUID) -> None:
    make.session.add(
        Leg(
            id=new_id(),
            recording_id=recording_id,
            leg=LegKind.SENT,
            object_id=make.sealed(wav(2)),
            media_type="audio/wav",
            container="wav",
            codec="pcm_s16le",
            channels=1,
            sample_rate_hz=8000,
            received_at=make.clock.now(),
            inspection_state=InspectionState.DONE,
        )
    )
    make.session.flush()


def test_a_late_leg_makes_screening_and_approval_stale(
    session: Session, make: Make, clock: SetClock
) -> None:
    client = make.client()
    contact = make.contact(client)
    recording = make.recording(client=client)
    screen(
        session,
        make.reviewer,
        recording.id,
        WHOLE,
        ScreeningResult.CLEAR,
        note=None,
        at=clock.now(),
    )

    def decided() -> tuple[set[str], str, str]:
        question = service.question(
            session,
            purpose=Purpose.DISPUTE_CLIENT,
            contact_id=contact.id,
            requested_by=make.manager.id or UUID(int=0),
        )
        found = service.decide(session, recording.id, question, at=clock.now())
        return {r.code for r in found.reasons}, found.inputs_digest, found.stamp

    before, digest, stamp = decided()
    assert "S_SCREEN_REQUIRED" not in before
    clock.advance(timedelta(minutes=1))
    _late_leg(make, recording.id)
    after, later_digest, later_stamp = decided()
    assert "S_SCREEN_REQUIRED" in after
    assert later_digest != digest
    assert later_stamp != stamp


def test_the_stamp_closes_what_was_decided_before_the_leg(session: Session, make: Make) -> None:
    recording = make.recording()
    ask = text("SELECT consent_stamp(:r, NULL)")
    before = session.scalar(ask, {"r": recording.id})
    _late_leg(make, recording.id)
    assert session.scalar(ask, {"r": recording.id}) != before
