"""Search a recording that was inspected before: a leg, for some texts, in all of it or in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.inspection.decode import Limits, inspect_audio
from app.inspection.detection import Searched
from app.inspection.models import NoticeHit, NoticeSearch
from app.inspection.notice.checks import Reason, Verdict
from app.inspection.notice.detector import Detector
from app.inspection.notice.hits import Hit
from app.inspection.notice.reference import LONGEST_S
from app.inspection.notice.windows import DEFAULT_WINDOW_S
from app.inspection.references import NoticeAudio, Shelf, ref_of, spooled
from app.inspection.sandbox import DecodeLimit, LimitKind, Sandbox
from app.recordings.media_facts import Container, MediaFacts
from app.recordings.models import InspectionState, Leg, Party, SealedRow
from app.settings import Settings
from storage.sealed import SealedRef, SealedStore

# Beyond the last window lies the longest announcement, and what the decoder has not handed on yet.
_AFTER_WINDOW_S: Final = DEFAULT_WINDOW_S + LONGEST_S + 60


class InspectionTools(Protocol):
    """What inspecting and searching need."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def archive(self) -> SealedStore: ...
    @property
    def sandbox(self) -> Sandbox: ...
    @property
    def shelf(self) -> Shelf: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LegToSearch:
    """A leg to be searched: where its bytes are, for which texts, and in all of it or not."""

    leg_id: UUID
    ref: SealedRef
    facts: MediaFacts
    decoder: str
    texts: Sequence[NoticeAudio]
    is_whole: bool


def joins_of(session: Session, recording_id: UUID) -> list[int]:
    """Return when somebody joined, in milliseconds: a notice may follow each time."""
    return list(
        session.scalars(
            select(Party.present_from_ms).where(
                Party.recording_id == recording_id, Party.present_from_ms > 0
            )
        )
    )


def legs_of(
    session: Session, recording_id: UUID, state: InspectionState
) -> list[tuple[Leg, SealedRow]]:
    """Return the legs in `state` of a recording whose bytes can be read, and where those are."""
    rows = session.execute(
        select(Leg, SealedRow)
        .join(SealedRow, SealedRow.object_id == Leg.object_id)
        .where(
            Leg.recording_id == recording_id,
            Leg.inspection_state == state,
            SealedRow.wrapped_key.is_not(None),
        )
        .order_by(Leg.received_at, Leg.id)
    )
    return [(leg, row) for leg, row in rows]


def facts_of(leg: Leg) -> MediaFacts:
    """Return what a leg was recognised as, which tells how it is decoded."""
    return MediaFacts(
        media_type=leg.media_type,
        container=Container(leg.container),
        codec=leg.codec or "",
        channels=leg.channels,
        sample_rate_hz=leg.sample_rate_hz,
    )


def leg_to_search(
    leg: Leg, row: SealedRow, texts: Sequence[NoticeAudio], *, is_whole: bool
) -> LegToSearch:
    """Return what a search of a leg needs."""
    return LegToSearch(
        leg_id=leg.id,
        ref=ref_of(row),
        facts=facts_of(leg),
        decoder=leg.decoder or "",
        texts=texts,
        is_whole=is_whole,
    )


def search_leg(tools: InspectionTools, leg: LegToSearch, joins_ms: Sequence[int]) -> Searched:
    """Decode a leg and search it; where only windows are searched, only up to the last."""
    taken = tools.shelf.take(leg.texts)
    detector = Detector(taken.references, joins_ms=joins_ms, whole=leg.is_whole)
    longest_s = tools.settings.max_audio_hours * 3600
    if not leg.is_whole:
        last_s = max(joins_ms, default=0) // 1000 + int(_AFTER_WINDOW_S)
        longest_s = min(longest_s, last_s)
    with spooled(tools.archive.stream(leg.ref), tools.settings.spool_dir) as descriptor:
        try:
            inspect_audio(
                descriptor,
                leg.facts,
                tools.sandbox,
                playable=None,
                limits=Limits(max_duration_s=longest_s),
                listener=detector.feed,
            )
        except DecodeLimit as exc:
            if leg.is_whole or exc.which is not LimitKind.DURATION:
                raise
    return Searched(
        leg_id=leg.leg_id,
        texts=taken.texts,
        not_searched=taken.not_searched,
        hits=detector.finish(),
        is_whole=leg.is_whole,
        decoder=leg.decoder,
    )


def explained(session: Session, searched: Searched) -> Searched:
    """Let a partial hit count as rejected where another text was played completely before.

    A search for all texts at once would have said so; this one did not look for the other.
    """
    complete = session.scalars(
        select(NoticeHit)
        .join(NoticeSearch, NoticeSearch.id == NoticeHit.search_id)
        .where(NoticeSearch.leg_id == searched.leg_id, NoticeHit.complete)
    ).all()

    def judged(hit: Hit) -> Hit:
        length = hit.end_ms - hit.start_ms
        is_explained = hit.verdict is Verdict.PARTIAL and any(
            one.channel == hit.channel
            and str(one.text_id) != hit.text_id
            and 2 * (min(one.end_ms, hit.end_ms) - max(one.start_ms, hit.start_ms)) > length
            for one in complete
        )
        if not is_explained:
            return hit
        reasons = (*hit.reasons, Reason.EXPLAINED_BY_OTHER_TEXT)
        return replace(hit, verdict=Verdict.REJECTED, reasons=reasons)

    return replace(searched, hits=[judged(hit) for hit in searched.hits])
