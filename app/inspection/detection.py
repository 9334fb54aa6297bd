"""From what a search has heard to evidence: hits are kept, proposed, and verified by rule.

The detector never changes what a person has decided: where a verdict stands, or a search finds
nothing new, nothing is proposed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.consent import review
from app.consent.evidence import MIN_STAY_MS
from app.consent.models import Assertion, NoticeText
from app.consent.purposes import Kind, Status
from app.consent.review import Proposal
from app.core.ids import new_id
from app.identity.actor import Actor
from app.inspection import played
from app.inspection.models import NoticeHit, NoticeSearch
from app.inspection.notice.checks import METHOD_VERSION, Verdict
from app.inspection.notice.hits import Hit
from app.inspection.notice.thresholds import Thresholds
from app.inspection.played import Played
from app.inspection.references import NoticeAudio, ref_of
from app.recordings.models import Party, Recording, SealedRow
from app.recordings.schemas import NoticeFound, NoticeNotSearched, NoticesRead

DETECTOR = Actor.system("detector")


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What was searched in a leg, and what was found.

    `not_searched` has the texts, as `NoticeAudio.key`, that could not be looked for, and why.
    """

    leg_id: UUID
    texts: Sequence[NoticeAudio]
    hits: Sequence[Hit]
    is_whole: bool
    decoder: str
    not_searched: Mapping[str, str] = field(default_factory=dict)
    method_version: str = METHOD_VERSION


def texts_for(session: Session, recording: Recording) -> list[NoticeAudio]:
    """Return the texts that may have been played on this call: by date and by line.

    A text that was not approved yet is searched for too; it only clears nothing by itself. One
    whose key was destroyed is among them, so that the search says it was not looked for.
    """
    rows = session.execute(
        select(NoticeText, SealedRow)
        .join(SealedRow, SealedRow.object_id == NoticeText.object_id)
        .where(
            NoticeText.valid_from <= recording.started_at,
            or_(NoticeText.valid_to.is_(None), NoticeText.valid_to > recording.started_at),
        )
        .order_by(NoticeText.id, NoticeText.version)
    )
    return [
        NoticeAudio(
            text_id=text.id,
            version=text.version,
            ref=ref_of(row),
            sha256=text.audio_sha256,
        )
        for text, row in rows
        if not text.lines or recording.line in text.lines
    ]


def write_down(
    session: Session, recording: Recording, searched: Searched, *, at: datetime
) -> list[NoticeHit]:
    """Keep a search and its hits; return the hits as rows."""
    search = NoticeSearch(
        id=new_id(),
        recording_id=recording.id,
        leg_id=searched.leg_id,
        method_version=searched.method_version,
        texts=[text.key for text in searched.texts],
        not_searched=dict(searched.not_searched),
        is_whole=searched.is_whole,
        decoder=searched.decoder,
        at=at,
    )
    session.add(search)
    session.flush()
    rows = [_row(hit, search) for hit in searched.hits]
    session.add_all(rows)
    session.flush()
    return rows


def _row(hit: Hit, search: NoticeSearch) -> NoticeHit:
    return NoticeHit(
        id=new_id(),
        search_id=search.id,
        recording_id=search.recording_id,
        text_id=UUID(hit.text_id),
        text_version=hit.version,
        channel=hit.channel,
        start_ms=max(0, hit.start_ms),
        end_ms=hit.end_ms,
        share=min(1.0, hit.share),
        score=hit.score,
        complete=hit.complete,
        verdict=str(hit.verdict),
        reasons=[str(reason) for reason in hit.reasons],
        clock_ppm=hit.clock_ppm,
        heard=[
            {
                "start_ms": h.start_ms,
                "end_ms": h.end_ms,
                "reference_start_ms": h.reference_start_ms,
                "reference_end_ms": h.reference_end_ms,
            }
            for h in hit.heard
        ],
        reference_sha256=bytes.fromhex(hit.reference_sha256),
    )


def notices_of(session: Session, recording_id: UUID) -> NoticesRead:
    """Return what stands of the searches of all legs; what was rejected is not shown."""
    missed: dict[tuple[UUID, str], str] = {}
    for search in _searches(session, recording_id):
        for name in search.texts:
            missed.pop((search.leg_id, name), None)
        missed |= {(search.leg_id, name): why for name, why in search.not_searched.items()}
    return NoticesRead(
        found=[
            _found(row)
            for row in standing_hits(session, recording_id)
            if row.verdict != Verdict.REJECTED
        ],
        not_searched=[
            _missed(name, why)
            for name, why in sorted({name: why for (_, name), why in missed.items()}.items())
        ],
    )


def _missed(key: str, reason: str) -> NoticeNotSearched:
    text_id, _, version = key.partition(":")
    return NoticeNotSearched(text_id=text_id, version=int(version), reason=reason)


def _found(row: NoticeHit) -> NoticeFound:
    return NoticeFound(
        text_id=str(row.text_id),
        version=row.text_version,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        share=row.share,
        score=row.score,
        complete=row.complete,
    )


def _searches(session: Session, recording_id: UUID) -> Sequence[NoticeSearch]:
    """Return the searches of a recording, the oldest first."""
    return session.scalars(
        select(NoticeSearch)
        .where(NoticeSearch.recording_id == recording_id)
        .order_by(NoticeSearch.at, NoticeSearch.id)
    ).all()


def standing_searches(session: Session, recording_id: UUID) -> dict[tuple[UUID, str], NoticeSearch]:
    """Return for each leg and text (`id:version`) the newest search for it."""
    found = _searches(session, recording_id)
    return {(search.leg_id, name): search for search in found for name in search.texts}


def standing_hits(session: Session, recording_id: UUID) -> list[NoticeHit]:
    """Return the hits of the newest search for each text in each leg, in their order."""
    standing = {
        (search.id, name) for (_, name), search in standing_searches(session, recording_id).items()
    }
    rows = session.scalars(
        select(NoticeHit)
        .where(NoticeHit.recording_id == recording_id)
        .order_by(NoticeHit.start_ms, NoticeHit.id)
    )
    return [row for row in rows if (row.search_id, f"{row.text_id}:{row.text_version}") in standing]


def propose(
    session: Session,
    recording: Recording,
    hits: Sequence[NoticeHit],
    told: Sequence[Played] = (),
    *,
    at: datetime,
) -> None:
    """Assert each complete playing for every outside party that was on the line and stayed.

    What the exchange has `told` of it stands beside. It is verified at once where its text is
    approved and still clears calls by itself; otherwise it waits for a person.
    """
    complete = [hit for hit in hits if hit.complete]
    for party in recording.parties:
        if party.side == "own":
            continue
        for hit in complete:
            if _was_there(party, hit) and not _is_known(session, recording, party, hit):
                _propose_one(session, recording, party, hit, played.beside(told, party, hit), at=at)


def _was_there(party: Party, hit: NoticeHit) -> bool:
    is_gone = party.present_to_ms is not None and party.present_to_ms < hit.end_ms + MIN_STAY_MS
    return party.present_from_ms <= hit.start_ms and not is_gone


def _is_known(session: Session, recording: Recording, party: Party, hit: NoticeHit) -> bool:
    """Say whether this playing was asserted before, whatever became of that."""
    found = session.scalars(
        select(Assertion).where(
            Assertion.recording_id == recording.id,
            Assertion.party_id == party.id,
            Assertion.kind == Kind.IVR_NOTICE,
        )
    )
    return any(
        row.evidence["notice"]["id"] == str(hit.text_id)
        and row.evidence["notice"]["version"] == hit.text_version
        and abs(row.evidence["played_ms"][0] - hit.start_ms) < MIN_STAY_MS
        for row in found
    )


def _propose_one(
    session: Session,
    recording: Recording,
    party: Party,
    hit: NoticeHit,
    beside: dict[str, Any] | None,
    *,
    at: datetime,
) -> None:
    stayed_until = party.present_to_ms or recording.duration_ms or 0
    if stayed_until - hit.end_ms < MIN_STAY_MS:
        return
    row = review.propose(
        session,
        DETECTOR,
        recording.id,
        Proposal(
            kind=Kind.IVR_NOTICE,
            party=party.label,
            evidence={
                "notice": {"id": str(hit.text_id), "version": hit.text_version},
                "played_ms": [hit.start_ms, hit.end_ms],
                "stayed_after_ms": stayed_until - hit.end_ms,
                "match": {
                    "algo": _method(session, hit),
                    "hit_id": str(hit.id),
                    "ref_sha256": hit.reference_sha256.hex(),
                    "offset_ms": hit.start_ms,
                    "score": f"{hit.score:.3f}",
                    "threshold": f"share {Thresholds().complete_share:g}",
                    "matched_share": f"{hit.share:.3f}",
                },
            }
            | ({"pbx": beside} if beside else {}),
        ),
        at=at,
    )
    if row.status != Status.PROPOSED:
        return
    if played.is_by_rule(session, row) and not _was_put_aside(session, row, hit):
        review.verify_by_rule(session, DETECTOR, row, at=at)


def _method(session: Session, hit: NoticeHit) -> str:
    return session.get_one(NoticeSearch, hit.search_id).method_version


def _was_put_aside(session: Session, row: Assertion, hit: NoticeHit) -> bool:
    """Say whether people said of this text that it did not tell this party; they decide again."""
    said_no = session.scalars(
        select(Assertion).where(
            Assertion.recording_id == row.recording_id,
            Assertion.party_id == row.party_id,
            Assertion.kind == Kind.IVR_NOTICE,
            Assertion.status.in_((Status.REJECTED, Status.INVALIDATED)),
        )
    )
    return any(one.evidence["notice"]["id"] == str(hit.text_id) for one in said_no)
