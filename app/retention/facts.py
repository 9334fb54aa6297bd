"""What the standing of things that are kept rests on, asked once for all of them.

However many things are asked about, each question is one statement for each kind among them: a page
and the daily look take hundreds at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.clients.models import Contract, Event
from app.consent.models import Assertion, ProcessingContract
from app.consent.purposes import Status
from app.disputes.models import (
    ClientUpload,
    Dispute,
    DocumentRequest,
    Exhibit,
    RequestedDocument,
)
from app.documents.models import Document, LocalAct
from app.recordings.models import InspectionState, Recording, Screenshot
from app.releases.models import LinkAnswer, Release, ReleaseItem, ReleaseState
from app.retention import subjects
from app.retention.models import Erasure, LegalHold, RetentionNotice, RetentionReview
from app.retention.rules import Kind, Trigger
from app.retention.subjects import Kept

_HOLDS = text(
    "SELECT a.id, h AS hold_id FROM unnest(CAST(:asked AS uuid[])) AS a (id)"
    " CROSS JOIN LATERAL holds_of(a.id) AS h"
)
_ENDED = func.coalesce(Release.revoked_at, Release.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one thing's standing rests on. A moment is None where its period has not begun."""

    client_id: UUID | None
    moments: dict[Trigger, datetime | None]
    is_evidence: bool
    holds: Sequence[LegalHold]
    erasure: Erasure | None
    notice: RetentionNotice | None


def of(session: Session, rows: Sequence[Kept], *, at: datetime) -> list[Facts]:
    """Return the facts of each of `rows`, in their order."""
    found = _Gathered(session, rows)
    evidence = found.evidence(at=at)
    holds, erasures, notices = found.holds(), found.erasures(), found.notices()
    return [
        Facts(
            client_id=found.client_of(row),
            moments=found.moments(row),
            is_evidence=row.id in evidence,
            holds=holds.get(row.id, []),
            erasure=erasures.get(row.id),
            notice=notices.get(row.id),
        )
        for row in rows
    ]


def client_of(session: Session, found: Kept) -> UUID | None:
    """Return the client of its event, its dispute or its release."""
    return _Gathered(session, [found]).client_of(found)


class _Gathered:
    """What is known of some things, each question asked when it is first needed.

    A screenshot has the clock of its event: the end of its last call, and the disputes about it. A
    paper has that of its call; what is of no call began when it came in.
    """

    def __init__(self, session: Session, rows: Sequence[Kept]) -> None:
        self._session = session
        self._rows = rows
        self._ids: defaultdict[Kind, list[UUID]] = defaultdict(list)
        for row in rows:
            self._ids[subjects.of_kept(row).kind].append(row.id)
        self._papers = [row for row in rows if isinstance(row, Document)]

    # --- whose it is -----------------------------------------------------------------------------

    def client_of(self, found: Kept) -> UUID | None:
        if isinstance(found, ClientUpload):
            return self._requests.get(found.request_id, (None, None))[1]
        if isinstance(found, LinkAnswer):
            release = self._releases.get(found.release_id)
            return release.client_id if release else None
        if isinstance(found, Document):
            call = self._call_of(found)
            return found.client_id or (self._clients.get(call.event_id) if call else None)
        return self._clients.get(found.event_id)

    @cached_property
    def _calls(self) -> dict[UUID, Recording]:
        """The calls that papers are about."""
        ids = {row.recording_id for row in self._papers if row.recording_id}
        if not ids:
            return {}
        rows = self._session.scalars(select(Recording).where(Recording.id.in_(ids)))
        return {row.id: row for row in rows}

    def _call_of(self, paper: Document) -> Recording | None:
        return self._calls.get(paper.recording_id) if paper.recording_id else None

    @cached_property
    def _clients(self) -> dict[UUID, UUID | None]:
        """The clients of events."""
        events = {
            row.event_id
            for row in (*self._rows, *self._calls.values())
            if isinstance(row, Recording | Screenshot)
        }
        if not events:
            return {}
        rows = self._session.execute(select(Event.id, Event.client_id).where(Event.id.in_(events)))
        return dict(rows.all())

    @cached_property
    def _requests(self) -> dict[UUID, tuple[Dispute, UUID]]:
        """The disputes that asked for what clients sent, and their clients, by the request."""
        asked = {row.request_id for row in self._rows if isinstance(row, ClientUpload)}
        if not asked:
            return {}
        rows = self._session.execute(
            select(DocumentRequest.id, Dispute)
            .join(Dispute, Dispute.id == DocumentRequest.dispute_id)
            .where(DocumentRequest.id.in_(asked))
        )
        return {request_id: (dispute, dispute.client_id) for request_id, dispute in rows}

    @cached_property
    def _releases(self) -> dict[UUID, Release]:
        """The releases that were answered."""
        answered = {row.release_id for row in self._rows if isinstance(row, LinkAnswer)}
        if not answered:
            return {}
        rows = self._session.scalars(select(Release).where(Release.id.in_(answered)))
        return {row.id: row for row in rows}

    # --- when its periods began ------------------------------------------------------------------

    def moments(self, found: Kept) -> dict[Trigger, datetime | None]:
        client_id = self.client_of(found)
        ends = self._contracts.get(client_id, []) if client_id else []
        is_unheard = isinstance(found, Recording) and found.inspection_state != InspectionState.DONE
        return {
            Trigger.CALL_END: self._call_end(found),
            Trigger.CONTRACT_END: _last(ends),
            Trigger.DISPUTE_CLOSED: _last(self._disputes.get(found.id, [])),
            Trigger.LAST_SHARE: self._shared.get(found.id),
            Trigger.REVIEWED: None if is_unheard else self._reviewed.get(found.id),
        }

    def _call_end(self, found: Kept) -> datetime:
        if isinstance(found, Recording):
            return _ended(found)
        if isinstance(found, ClientUpload | LinkAnswer):
            return found.at
        if isinstance(found, Document):
            call = self._call_of(found)
            return max(found.uploaded_at, _ended(call)) if call else found.uploaded_at
        return max((found.captured_at, *self._ends_of_events.get(found.event_id, [])))

    @cached_property
    def _ends_of_events(self) -> dict[UUID, list[datetime]]:
        """The ends of the calls of the events that screenshots are of."""
        events = {row.event_id for row in self._rows if isinstance(row, Screenshot)}
        found: defaultdict[UUID, list[datetime]] = defaultdict(list)
        if events:
            for row in self._session.scalars(
                select(Recording).where(Recording.event_id.in_(events))
            ):
                found[row.event_id].append(_ended(row))
        return found

    @cached_property
    def _contracts(self) -> dict[UUID, list[datetime | None]]:
        """The ends of contracts by client; None of one that runs."""
        clients = {client for row in self._rows if (client := self.client_of(row))}
        found: defaultdict[UUID, list[datetime | None]] = defaultdict(list)
        if clients:
            for client_id, *ends in self._session.execute(
                select(Contract.client_id, Contract.valid_to, Contract.terminated_at).where(
                    Contract.client_id.in_(clients)
                )
            ):
                found[client_id].append(min((end for end in ends if end), default=None))
        return found

    @cached_property
    def _disputes(self) -> dict[UUID, list[datetime | None]]:
        """When the disputes were closed that show it, asked for it, or are about its event."""
        found: defaultdict[UUID, list[datetime | None]] = defaultdict(list)
        calls, shots = self._ids[Kind.RECORDING], self._ids[Kind.SCREENSHOT]
        heard = self._shown(Exhibit.recording_id, [*calls, *self._calls])
        seen = self._shown(Exhibit.screenshot_id, shots)
        about = self._about_events()
        asked = self._asked_for()
        for row in self._rows:
            if isinstance(row, Recording):
                found[row.id] += heard.get(row.id, [])
            elif isinstance(row, Screenshot):
                found[row.id] += [*seen.get(row.id, []), *about.get(row.event_id, [])]
            elif isinstance(row, Document):
                found[row.id] += asked.get(row.id, [])
                found[row.id] += heard.get(row.recording_id, []) if row.recording_id else []
            elif isinstance(row, ClientUpload) and row.request_id in self._requests:
                found[row.id].append(self._requests[row.request_id][0].closed_at)
        return found | self._answered()

    def _shown(
        self, column: InstrumentedAttribute[UUID | None], ids: Sequence[UUID]
    ) -> dict[UUID, list[datetime | None]]:
        if not ids:
            return {}
        return _listed(
            self._session.execute(
                select(column, Dispute.closed_at)
                .join(Dispute, Dispute.id == Exhibit.dispute_id)
                .where(column.in_(ids))
            )
        )

    def _about_events(self) -> dict[UUID, list[datetime | None]]:
        events = {row.event_id for row in self._rows if isinstance(row, Screenshot)}
        if not events:
            return {}
        query = select(Dispute.event_id, Dispute.closed_at).where(Dispute.event_id.in_(events))
        return _listed(self._session.execute(query))

    def _asked_for(self) -> dict[UUID, list[datetime | None]]:
        if not self._papers:
            return {}
        return _listed(
            self._session.execute(
                select(RequestedDocument.document_id, Dispute.closed_at)
                .join(DocumentRequest, DocumentRequest.id == RequestedDocument.request_id)
                .join(Dispute, Dispute.id == DocumentRequest.dispute_id)
                .where(RequestedDocument.document_id.in_(self._ids[Kind.DOCUMENT]))
            )
        )

    def _answered(self) -> dict[UUID, list[datetime | None]]:
        answers = self._ids[Kind.ANSWER]
        if not answers:
            return {}
        return _listed(
            self._session.execute(
                select(LinkAnswer.id, Dispute.closed_at)
                .join(Release, Release.id == LinkAnswer.release_id)
                .join(Dispute, Dispute.id == Release.dispute_id)
                .where(LinkAnswer.id.in_(answers))
            )
        )

    @cached_property
    def _shared(self) -> dict[UUID, datetime | None]:
        """When the last release of each ended, or will end."""
        found: dict[UUID, datetime | None] = {
            row.id: release.revoked_at or release.expires_at
            for row in self._rows
            if isinstance(row, LinkAnswer)
            and (release := self._releases.get(row.release_id)) is not None
            and release.state != ReleaseState.DENIED
        }
        for kind, column in (
            (Kind.RECORDING, ReleaseItem.recording_id),
            (Kind.SCREENSHOT, ReleaseItem.screenshot_id),
        ):
            if self._ids[kind]:
                rows = self._session.execute(
                    select(column, func.max(_ENDED))
                    .join(Release, Release.id == ReleaseItem.release_id)
                    .where(column.in_(self._ids[kind]), Release.state != ReleaseState.DENIED)
                    .group_by(column)
                )
                found |= {asked: ended for asked, ended in rows if asked is not None}
        return found

    @cached_property
    def _reviewed(self) -> dict[UUID, datetime]:
        found: dict[UUID, datetime] = {}
        for kind, ids in self._ids.items():
            if ids:
                column = _column(RetentionReview, kind)
                rows = self._session.execute(
                    select(column, func.max(RetentionReview.at))
                    .where(column.in_(ids))
                    .group_by(column)
                )
                found |= {asked: at for asked, at in rows if asked is not None}
        return found

    # --- what speaks for it and against it -------------------------------------------------------

    def evidence(self, *, at: datetime) -> set[UUID]:
        """Return the papers on which something rests that is still kept or in force.

        That is evidence which counts, on what was not erased; a contract that runs, with a client
        or with who works for us; an act of the house.
        """
        if not self._papers:
            return set()
        by_name = {str(row.id): row.id for row in self._papers}
        by_digest: defaultdict[bytes, set[UUID]] = defaultdict(set)
        for row in self._papers:
            by_digest[row.sha256].add(row.id)
        found: set[UUID] = set()
        for named in (
            Assertion.evidence["document_id"].astext,
            Assertion.evidence["signature"]["document_id"].astext,
        ):
            rests = (
                select(named)
                .outerjoin(Recording, Recording.id == Assertion.recording_id)
                .where(
                    named.in_(by_name),
                    Assertion.status.in_((Status.PROPOSED, Status.VERIFIED)),
                    Recording.erased_at.is_(None),
                )
            )
            found |= {by_name[name] for name in self._session.scalars(rests.distinct())}
        runs = select(Contract.document_sha256).where(
            Contract.document_sha256.in_(by_digest),
            *_not_over(Contract.valid_to, Contract.terminated_at, at=at),
        )
        for digest in self._session.scalars(runs.distinct()):
            found |= by_digest[digest]
        ids = self._ids[Kind.DOCUMENT]
        works = select(ProcessingContract.document_id).where(
            ProcessingContract.document_id.in_(ids),
            *_not_over(ProcessingContract.valid_to, ProcessingContract.terminated_at, at=at),
        )
        found |= set(self._found(works))
        found |= set(self._found(select(LocalAct.document_id).where(LocalAct.document_id.in_(ids))))
        return found

    def _found(self, query: Select[UUID] | Select[UUID | None]) -> Iterable[UUID]:
        return (one for one in self._session.scalars(query) if one is not None)

    def holds(self) -> dict[UUID, list[LegalHold]]:
        """Return the holds that keep each now, those by a rule included, the oldest first."""
        asked = [row.id for row in self._rows]
        pairs = self._session.execute(_HOLDS, {"asked": asked}).all()
        if not pairs:
            return {}
        rows = self._session.scalars(
            select(LegalHold)
            .where(LegalHold.id.in_({pair.hold_id for pair in pairs}))
            .order_by(LegalHold.placed_at)
        ).all()
        of_thing: defaultdict[UUID, set[UUID]] = defaultdict(set)
        for pair in pairs:
            of_thing[pair.id].add(pair.hold_id)
        return {one: [row for row in rows if row.id in ids] for one, ids in of_thing.items()}

    def erasures(self) -> dict[UUID, Erasure]:
        """Return the erasures that were not denied."""
        found: dict[UUID, Erasure] = {}
        for kind, ids in self._ids.items():
            if ids:
                named = _column(Erasure, kind).in_(ids)
                rows = self._session.scalars(
                    select(Erasure).where(named, Erasure.denied_at.is_(None))
                )
                found |= {subjects.of(row).id: row for row in rows}
        return found

    def notices(self) -> dict[UUID, RetentionNotice]:
        """Return the announcements that stand."""
        found: dict[UUID, RetentionNotice] = {}
        for kind, ids in self._ids.items():
            if ids:
                named = _column(RetentionNotice, kind).in_(ids)
                rows = self._session.scalars(
                    select(RetentionNotice).where(named, RetentionNotice.cancelled_at.is_(None))
                )
                found |= {subjects.of(row).id: row for row in rows}
        return found


def _ended(call: Recording) -> datetime:
    return call.ended_at or call.started_at + timedelta(milliseconds=call.duration_ms or 0)


def _last(ends: Sequence[datetime | None]) -> datetime | None:
    """Return the last end; None while something has not ended, and where there is nothing."""
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _column(table: object, kind: Kind) -> InstrumentedAttribute[UUID | None]:
    column: InstrumentedAttribute[UUID | None] = getattr(table, f"{kind}_id")
    return column


def _not_over(
    *ends: InstrumentedAttribute[datetime | None], at: datetime
) -> list[ColumnElement[bool]]:
    return [or_(end.is_(None), end > at) for end in ends]


def _listed(
    rows: Iterable[Row[UUID | None, datetime | None]],
) -> dict[UUID, list[datetime | None]]:
    found: defaultdict[UUID, list[datetime | None]] = defaultdict(list)
    for asked, closed_at in rows:
        if asked is not None:
            found[asked].append(closed_at)
    return found
