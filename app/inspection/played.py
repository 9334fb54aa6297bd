"""From what the exchange has played and heard pressed to evidence.

A prompt that is also heard in the recording is asserted by the detector, with the exchange's word
beside it. What is left here: a prompt before the recording begins, of which only the log tells;
one that should be heard and was not found, which is for a person; and keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.consent import review
from app.consent.evidence import MIN_STAY_MS
from app.consent.models import Assertion, NoticeText
from app.consent.purposes import Kind, Purpose, Status
from app.consent.review import Proposal
from app.identity.actor import Actor
from app.inspection.models import NoticeHit
from app.recordings import presence
from app.recordings.call_events import Known, party_of
from app.recordings.models import CallEventKind, Party, Recording

_DETECTOR = Actor.system("detector")
_SAME_PLAYING_MS = 5_000
"""How far the exchange's clock and the sound may lie apart and still tell of one playing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A prompt or key of the exchange's log, of a party and an announcement that are known."""

    event: Known
    party: Party
    notice: NoticeText
    start_ms: int
    end_ms: int | None

    @property
    def told(self) -> dict[str, Any]:
        """Return what of the log stands in the evidence."""
        row = self.event.row
        return {
            "event": str(row.id),
            "call_id": row.call_id,
            "leg": row.told["leg"],
            "prompt": row.told["prompt_id"],
            "start": row.at.isoformat(),
            "end": row.ended_at.isoformat() if row.ended_at else None,
            "row_sha256": row.row_sha256.hex() if row.row_sha256 else None,
        }


def played(session: Session, recording: Recording, known: Sequence[Known]) -> list[Played]:
    """Return the prompts and keys that outside parties have heard and pressed."""
    zero = presence.anchor(k.told for k in known) or recording.started_at
    found = []
    for event in known:
        row, leg = event.row, event.told.leg
        if event.told.kind not in {CallEventKind.PROMPT_PLAYED, CallEventKind.DTMF} or leg is None:
            continue
        party, notice = party_of(recording, leg), _notice(session, event)
        if party is None or party.side == "own" or notice is None:
            continue
        end_ms = presence.place_ms(row.ended_at, zero) if row.ended_at else None
        found.append(
            Played(
                event=event,
                party=party,
                notice=notice,
                start_ms=presence.place_ms(row.at, zero),
                end_ms=end_ms,
            )
        )
    return found


def _notice(session: Session, event: Known) -> NoticeText | None:
    """Return the announcement that is told of, by its version, by its sound, or by both."""
    row = event.row
    conditions = []
    if row.text_id is not None:
        conditions += [NoticeText.id == row.text_id, NoticeText.version == row.text_version]
    if row.audio_sha256 is not None:
        conditions.append(NoticeText.audio_sha256 == row.audio_sha256)
    if not conditions:
        return None
    found = session.scalars(select(NoticeText).where(*conditions).limit(2)).all()
    return found[0] if len(found) == 1 else None


def beside(several: Sequence[Played], party: Party, hit: NoticeHit) -> dict[str, Any] | None:
    """Return what the exchange's log tells of a playing that was heard."""
    for one in several:
        if (
            one.event.told.kind == CallEventKind.PROMPT_PLAYED
            and one.party.id == party.id
            and (one.notice.id, one.notice.version) == (hit.text_id, hit.text_version)
            and abs(one.start_ms - hit.start_ms) <= _SAME_PLAYING_MS
        ):
            return one.told
    return None


def follow(
    session: Session, recording: Recording, several: Sequence[Played], *, at: datetime
) -> None:
    """Assert what the log alone tells, once; what the rule of the database allows is verified."""
    for one in several:
        if _is_known(session, recording, one):
            continue
        proposal = _prompt(recording, one)
        if one.event.told.kind == CallEventKind.DTMF:
            proposal = _key(several, one)
        if proposal is not None:
            row = review.propose(session, _DETECTOR, recording.id, proposal, at=at)
            if row.kind != Kind.REFUSAL and is_by_rule(session, row):
                review.verify_by_rule(session, _DETECTOR, row, at=at)


def is_by_rule(session: Session, row: Assertion) -> bool:
    """Say whether the database lets the detector verify it without a person."""
    return row.status == Status.PROPOSED and bool(
        session.scalar(
            text("SELECT verified_by_rule(a) FROM assertions a WHERE a.id = :id"), {"id": row.id}
        )
    )


def _is_known(session: Session, recording: Recording, one: Played) -> bool:
    """Say whether this was asserted before, or the same playing from the sound."""
    rows = session.scalars(
        select(Assertion).where(
            Assertion.recording_id == recording.id, Assertion.party_id == one.party.id
        )
    )
    for row in rows:
        if (row.evidence.get("pbx") or {}).get("event") == str(one.event.row.id):
            return True
        if row.kind == Kind.IVR_NOTICE and one.event.told.kind == CallEventKind.PROMPT_PLAYED:
            notice = row.evidence["notice"]
            same = (notice["id"], notice["version"]) == (str(one.notice.id), one.notice.version)
            apart_ms = abs(row.evidence["played_ms"][0] - one.start_ms)
            if same and apart_ms <= _SAME_PLAYING_MS:
                return True
    return False


def _prompt(recording: Recording, one: Played) -> Proposal | None:
    """Return what a prompt asserts: it ended on the party's own leg, and he stayed."""
    if one.end_ms is None or one.end_ms <= one.start_ms:
        return None
    was_there = one.party.present_from_ms <= max(0, one.start_ms)
    until_ms = one.party.present_to_ms or recording.duration_ms or 0
    stayed_ms = until_ms - max(0, one.end_ms)
    if not was_there or stayed_ms < MIN_STAY_MS:
        return None
    is_before = one.end_ms <= 0
    evidence: dict[str, Any] = {
        "notice": {"id": str(one.notice.id), "version": one.notice.version},
        "played_ms": [one.start_ms if is_before else max(0, one.start_ms), one.end_ms],
        "stayed_after_ms": stayed_ms,
        "pbx": one.told,
    }
    if is_before:
        evidence["log_only"] = True
    return Proposal(
        kind=Kind.IVR_NOTICE,
        party=one.party.label,
        from_ms=max(0, one.end_ms),
        evidence=evidence,
    )


def _key(several: Sequence[Played], one: Played) -> Proposal | None:
    """Return what a key asserts: the exchange says what it means, after its prompt began."""
    row = one.event.row
    asked = any(
        other.event.told.kind == CallEventKind.PROMPT_PLAYED
        and other.party.id == one.party.id
        and (other.notice.id, other.notice.version) == (one.notice.id, one.notice.version)
        and other.start_ms <= one.start_ms
        for other in several
    )
    if row.answer == "refused":
        return Proposal(
            kind=Kind.REFUSAL,
            party=one.party.label,
            evidence={"quote": f"DTMF {row.told['digit']}", "pbx": one.told},
        )
    if row.answer != "agreed" or not asked:
        return None
    return Proposal(
        kind=Kind.DTMF_CONSENT,
        party=one.party.label,
        from_ms=max(0, one.start_ms),
        purposes=tuple(Purpose(purpose) for purpose in one.notice.purposes),
        recipients=tuple(one.notice.recipients),
        evidence={
            "notice": {"id": str(one.notice.id), "version": one.notice.version},
            "prompt": {"id": row.told["prompt_id"], "version": one.notice.version},
            "digit": row.told["digit"],
            "offset_ms": one.start_ms,
            "pbx": one.told,
        },
    )
