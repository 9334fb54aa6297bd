"""Reports: what notices cover, how samples turned out, who refused, how long people take."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from app.consent.models import Assertion, AutoVerifyStop
from app.consent.purposes import BLOCKS, Kind, Status
from app.identity.actor import Actor
from app.recordings.models import Recording
from app.review import service
from app.review.models import CheckVerdict, SampleCheck

Cell = str | int | float | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ReportName(StrEnum):
    """What can be reported on."""

    COVERAGE = "coverage"
    SAMPLES = "samples"
    REFUSALS = "refusals"
    QUEUES = "queues"
    TIMES = "times"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The calls or verdicts that a report is about."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A table: the names of its columns and its rows."""

    name: ReportName
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def as_json(self) -> list[dict[str, Cell]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def make(
    session: Session, actor: Actor, name: ReportName, window: Window, *, at: datetime
) -> Report:
    """Return a report."""
    match name:
        case ReportName.COVERAGE:
            return _coverage(session, window)
        case ReportName.SAMPLES:
            return _samples(session, window)
        case ReportName.REFUSALS:
            return _refusals(session, window)
        case ReportName.QUEUES:
            return _queues(session, actor, at)
        case ReportName.TIMES:
            return _times(session, window)


def _calls(window: Window) -> Any:  # noqa: ANN401 - a condition of SQLAlchemy's.
    return and_(
        Recording.started_at >= window.since,
        Recording.started_at < window.until,
        Recording.erased_at.is_(None),
    )


def _coverage(session: Session, window: Window) -> Report:
    """Count the calls of each line, and those that each version of a text is heard in."""
    told = Assertion.evidence["notice"]
    text_id, version = told["id"].astext, told["version"].astext
    counted = session.execute(
        select(Recording.line, func.count()).where(_calls(window)).group_by(Recording.line)
    )
    lines: dict[str | None, int] = {row[0]: row[1] for row in counted}
    rows = session.execute(
        select(Recording.line, text_id, version, func.count(func.distinct(Recording.id)))
        .join(Assertion, Assertion.recording_id == Recording.id)
        .where(
            _calls(window),
            Assertion.kind == Kind.IVR_NOTICE,
            Assertion.status == Status.VERIFIED,
        )
        .group_by(Recording.line, text_id, version)
        .order_by(Recording.line, text_id, version)
    ).all()
    reached = session.execute(
        select(Recording.line, func.count(func.distinct(Recording.id)))
        .join(Assertion, Assertion.recording_id == Recording.id)
        .where(
            _calls(window),
            Assertion.kind == Kind.IVR_NOTICE,
            Assertion.status == Status.VERIFIED,
        )
        .group_by(Recording.line)
    )
    told_of: dict[str | None, int] = {row[0]: row[1] for row in reached}
    listed: list[tuple[Cell, ...]] = [
        (line, text, number, count, lines[line], _percent(count, lines[line]))
        for line, text, number, count in rows
    ]
    for line in sorted(lines, key=str):
        none = lines[line] - told_of.get(line, 0)
        listed.append((line, None, None, none, lines[line], _percent(none, lines[line])))
    return Report(
        name=ReportName.COVERAGE,
        columns=("line", "notice_id", "notice_version", "recordings", "of", "percent"),
        rows=tuple(listed),
    )


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _samples(session: Session, window: Window) -> Report:
    wrong = func.count().filter(SampleCheck.verdict == CheckVerdict.WRONG)
    rows = session.execute(
        select(SampleCheck.text_id, SampleCheck.version, func.count(), wrong, AutoVerifyStop.at)
        .outerjoin(
            AutoVerifyStop,
            and_(
                AutoVerifyStop.text_id == SampleCheck.text_id,
                AutoVerifyStop.version == SampleCheck.version,
            ),
        )
        .where(SampleCheck.at >= window.since, SampleCheck.at < window.until)
        .group_by(SampleCheck.text_id, SampleCheck.version, AutoVerifyStop.at)
        .order_by(SampleCheck.text_id, SampleCheck.version)
    ).all()
    return Report(
        name=ReportName.SAMPLES,
        columns=("notice_id", "notice_version", "checked", "wrong", "error_percent", "stopped_at"),
        rows=tuple(
            (str(text), version, checked, bad, _percent(bad, checked), _moment(off))
            for text, version, checked, bad, off in rows
        ),
    )


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _refusals(session: Session, window: Window) -> Report:
    """Count refusals and withdrawals by month, kind, line and how far people have come."""
    month = func.to_char(func.timezone("UTC", Assertion.proposed_at), "YYYY-MM")
    rows = session.execute(
        select(month, Assertion.kind, Assertion.status, Recording.line, func.count())
        .outerjoin(Recording, Recording.id == Assertion.recording_id)
        .where(
            Assertion.kind.in_(BLOCKS),
            Assertion.proposed_at >= window.since,
            Assertion.proposed_at < window.until,
        )
        .group_by(month, Assertion.kind, Assertion.status, Recording.line)
        .order_by(month, Assertion.kind, Assertion.status, Recording.line)
    ).all()
    return Report(
        name=ReportName.REFUSALS,
        columns=("month", "kind", "status", "line", "count"),
        rows=tuple((row[0], row[1], row[2], row[3], row[4]) for row in rows),
    )


def _queues(session: Session, actor: Actor, at: datetime) -> Report:
    return Report(
        name=ReportName.QUEUES,
        columns=("code", "queue", "waiting", "oldest_hours", "allowed_hours", "overdue"),
        rows=tuple(
            (
                one.queue.code,
                str(one.queue),
                one.count,
                round((at - one.oldest_since).total_seconds() / 3600, 1)
                if one.oldest_since
                else None,
                one.allowance.total_seconds() / 3600,
                one.overdue,
            )
            for one in service.overview(session, actor, at=at)
        ),
    )


def _times(session: Session, window: Window) -> Report:
    """Measure from proposal to verdict; what the detector settled by itself is left out."""
    took = func.extract(
        "epoch", func.coalesce(Assertion.second_at, Assertion.decided_at) - Assertion.proposed_at
    )
    rows = session.execute(
        select(
            Assertion.kind,
            func.count(),
            func.avg(took),
            func.percentile_cont(0.5).within_group(took),
            func.percentile_cont(0.95).within_group(took),
        )
        .where(
            Assertion.decided_by.is_not(None),
            or_(Assertion.decided_at >= window.since, Assertion.second_at >= window.since),
            Assertion.decided_at < window.until,
        )
        .group_by(Assertion.kind)
        .order_by(Assertion.kind)
    ).all()
    return Report(
        name=ReportName.TIMES,
        columns=("kind", "settled", "average_seconds", "median_seconds", "p95_seconds"),
        rows=tuple(
            (kind, count, *(round(float(value), 1) for value in times))
            for kind, count, *times in rows
        ),
    )


def defused(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet takes for a formula; numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def as_csv(report: Report) -> str:
    """Return a report as CSV with a byte order mark, by which Excel knows the encoding.

    Source: RFC 4180.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(report.columns)
    writer.writerows([defused(cell) for cell in row] for row in report.rows)
    return "\ufeff" + file.getvalue()
