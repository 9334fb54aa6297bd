"""The JSON routes over all of a client: timeline, figures, trend; and the printed report."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Annotated, Literal, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel

from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.downloads import told_as
from app.core.ids import DisputeId
from app.core.moments import Moment
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor, CursorInvalid
from app.core.printing import PrinterBusy
from app.core.problems import problems
from app.core.text import ExternalId
from app.disputes import figures, papers, report, service, timeline
from app.disputes.figures import Behind, ClientFigures, Money, Number, Quarter
from app.disputes.report import Reader
from app.disputes.routes import GUARDED, CanRead
from app.disputes.service import DisputeClientUnknown, DisputeNotFound
from app.disputes.timeline import Happened, Line, Target
from app.settings import Settings

router = APIRouter(prefix="/v1", tags=["disputes"])

_DEFAULT_SPAN = timedelta(days=365)
_SHOWN_DIGITS = 4


def _zone(request: Request) -> ZoneInfo:
    return cast("Settings", request.app.state.settings).zone


ZoneDep = Annotated[ZoneInfo, Depends(_zone)]


class LineRead(BaseModel):
    """Something that happened; `target` and `id` say where it leads."""

    at: AwareDatetime
    kind: Happened
    target: Target
    id: UUID
    title: str
    who: list[str]
    duration_ms: int | None

    @classmethod
    def of(cls, line: Line) -> LineRead:
        return cls.model_validate({name: getattr(line, name) for name in cls.model_fields})


class TimelinePage(BaseModel):
    """A part of the timeline, the oldest first; `next` is the cursor of the next page, if any."""

    since: AwareDatetime
    until: AwareDatetime
    items: list[LineRead]
    next: str | None


class BehindRead(BaseModel):
    """What a number was made of: `ids` (at most 500 of `count`), and the filter that finds them."""

    kind: str
    filter: dict[str, str]
    ids: list[UUID]
    count: int

    @classmethod
    def of(cls, behind: Behind) -> BehindRead:
        return cls(
            kind=behind.kind,
            filter=dict(behind.filter),
            ids=list(behind.ids),
            count=behind.count,
        )


class NumberRead(BaseModel):
    """A number with its unit; null where nothing is there to divide by."""

    value: float | None
    unit: str
    behind: list[BehindRead]

    @classmethod
    def of(cls, number: Number) -> NumberRead:
        return cls(
            value=_shown(number.value),
            unit=number.unit,
            behind=[BehindRead.of(one) for one in number.behind],
        )


class MoneyRead(BaseModel):
    """Amounts in minor units by currency; not all of it is known where a rate or price lacks."""

    minor: dict[str, int]
    is_known: bool
    behind: list[BehindRead]

    @classmethod
    def of(cls, money: Money) -> MoneyRead:
        return cls(
            minor=dict(money.minor),
            is_known=money.is_known,
            behind=[BehindRead.of(one) for one in money.behind],
        )


class FiguresRead(BaseModel):
    """What a client costs and brings in a time."""

    client: str
    client_name: str
    since: AwareDatetime
    until: AwareDatetime
    numbers: dict[str, NumberRead]
    dispute_cost: MoneyRead
    contracts_bring: MoneyRead

    @classmethod
    def of(cls, found: ClientFigures) -> FiguresRead:
        names = (
            "calls",
            "minutes",
            "minutes_per_call",
            "calls_per_ticket",
            "calls_per_event",
            "complaints",
            "disputes",
            "dispute_hours",
        )
        return cls(
            client=found.client,
            client_name=found.client_name,
            since=found.since,
            until=found.until,
            numbers={name: NumberRead.of(getattr(found, name)) for name in names},
            dispute_cost=MoneyRead.of(found.dispute_cost),
            contracts_bring=MoneyRead.of(found.contracts_bring),
        )


class QuarterRead(BaseModel):
    """Complaints of a quarter against the number of clients under contract in it."""

    name: str
    since: AwareDatetime
    until: AwareDatetime
    complaints: NumberRead
    disputes: NumberRead
    clients: NumberRead
    complaints_per_client: NumberRead

    @classmethod
    def of(cls, found: Quarter) -> QuarterRead:
        return cls(
            name=found.name,
            since=found.since,
            until=found.until,
            complaints=NumberRead.of(found.complaints),
            disputes=NumberRead.of(found.disputes),
            clients=NumberRead.of(found.clients),
            complaints_per_client=NumberRead.of(found.complaints_per_client),
        )


def _shown(value: Fraction | None) -> float | None:
    return None if value is None else round(float(value), _SHOWN_DIGITS)


@router.get(
    "/disputes/{dispute_id}/timeline", responses=problems(*GUARDED, DisputeNotFound, CursorInvalid)
)
def get_timeline(  # noqa: PLR0913, PLR0917 - a part of the timeline is asked for by these.
    dispute_id: UUID,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    since: Moment | None = None,
    until: Moment | None = None,
    kind: Annotated[list[Happened] | None, Query()] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> TimelinePage:
    """Tell what happened with the client around a dispute, within what the asker may see."""
    after = Cursor.decode(cursor) if cursor else None
    dispute = service.get(session, DisputeId(dispute_id))
    window = timeline.window_of(
        session, dispute, since=since, until=until, kinds=kind or (), at=clock.now()
    )
    found = timeline.lines(session, actor, window, after=after, limit=limit)
    last = found[-1] if len(found) == limit else None
    return TimelinePage(
        since=window.since,
        until=window.until,
        items=[LineRead.of(one) for one in found],
        next=Cursor(at=last.at, id=last.id).encode() if last else None,
    )


@router.get(
    "/disputes/{dispute_id}/report",
    response_class=Response,
    responses=problems(*GUARDED, DisputeNotFound, PrinterBusy) | told_as("application/pdf"),
)
def get_report(
    dispute_id: UUID,
    actor: CanRead,
    database: DatabaseDep,
    clock: ClockDep,
    zone: ZoneDep,
    lang: Literal["ru", "en"] = "ru",
) -> Response:
    """Give the report on a dispute as a PDF, within what the asker may see."""
    reader = Reader(language=lang, zone=zone)
    with database.transaction() as session:
        told = report.gather(session, actor, DisputeId(dispute_id), reader, at=clock.now())
    name = f"dispute-{dispute_id}.{lang}.pdf"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(papers.report_pdf(told), media_type="application/pdf", headers=headers)


@router.get("/client-figures/{external_id}", responses=problems(*GUARDED, DisputeClientUnknown))
def get_figures(  # noqa: PLR0913, PLR0917 - what the framework injects.
    external_id: ExternalId,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    zone: ZoneDep,
    since: Moment | None = None,
    until: Moment | None = None,
) -> FiguresRead:
    """Tell what a client costs and brings; without `since`, in the last year."""
    ends = until or clock.now()
    begins = since or ends - _DEFAULT_SPAN
    return FiguresRead.of(
        figures.of_client(session, actor, external_id, since=begins, until=ends, zone=zone)
    )


@router.get("/complaint-trend", responses=problems(*GUARDED))
def get_trend(
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    zone: ZoneDep,
    quarters: Annotated[int, Query(ge=1, le=40)] = 8,
) -> list[QuarterRead]:
    """Tell how complaints grew against the number of clients, quarter by quarter."""
    found = figures.trend(session, actor, quarters=quarters, zone=zone, at=clock.now())
    return [QuarterRead.of(one) for one in found]
