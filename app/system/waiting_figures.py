"""Figures of what waits in each queue, and of who works, for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.db import Database
from app.mail.models import MailState
from app.releases.models import BundleState
from app.retention.models import ErasureState

_DUE: LiteralString = """
WITH due AS (
    SELECT task_name, count(*) AS waiting, min(scheduled_at) AS at,
        min(id) FILTER (WHERE scheduled_at IS NULL) AS first
    FROM procrastinate_jobs
    WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
    GROUP BY task_name
)
SELECT task_name, waiting, greatest(0, extract(epoch FROM now() - least(at, (
    SELECT min(e.at) FROM procrastinate_events e WHERE e.job_id = due.first))))
FROM due ORDER BY task_name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _States:
    """A figure by state: what is in none of them is counted nowhere, and so costs nothing."""

    meaning: str
    states: tuple[str, ...]
    query: LiteralString


_BY_STATE = {
    "audiatur_mails": _States(
        meaning="Letters that are not sent, by state.",
        states=(MailState.QUEUED, MailState.REFUSED, MailState.GIVEN_UP, MailState.SKIPPED),
        query="SELECT state, count(*) FROM mails WHERE state NOT IN ('sent', 'withdrawn') "
        "GROUP BY state",
    ),
    "audiatur_bundles": _States(
        meaning="Bundles that are not ready, by state.",
        states=(BundleState.PENDING, BundleState.FAILED),
        query="SELECT state, count(*) FROM release_bundles WHERE state IN ('pending', 'failed') "
        "GROUP BY state",
    ),
    "audiatur_erasures": _States(
        meaning="Erasures that are not over, by state.",
        states=(
            ErasureState.REQUESTED,
            ErasureState.APPROVED,
            ErasureState.EXECUTED,
            ErasureState.ALARM,
        ),
        query="""
            SELECT CASE WHEN alarm IS NOT NULL THEN 'alarm'
                WHEN executed_at IS NOT NULL THEN 'executed'
                WHEN approvals_needed <= (SELECT count(*) FROM erasure_approvals a
                    WHERE a.erasure_id = e.id) THEN 'approved' ELSE 'requested' END, count(*)
            FROM erasures e
            WHERE denied_at IS NULL AND verified_at IS NULL GROUP BY 1
        """,
    ),
}

_ALONE: dict[str, tuple[str, LiteralString]] = {
    "audiatur_workers": (
        "Workers that were heard of within half a minute.",
        """
            SELECT count(*) FROM procrastinate_workers
            WHERE last_heartbeat > now() - interval '30 seconds'
        """,
    ),
    "audiatur_uninspected_recordings": (
        "Recordings that wait for their inspection.",
        "SELECT count(*) FROM recordings WHERE inspection_state = 'pending'",
    ),
    "audiatur_oldest_uninspected_seconds": (
        "Age of the oldest recording not inspected.",
        """
            SELECT extract(epoch FROM now() - min(received_at))
            FROM recordings WHERE inspection_state = 'pending'
        """,
    ),
    "audiatur_oldest_mail_seconds": (
        "Age of the oldest letter that waits for the mail server.",
        "SELECT extract(epoch FROM now() - min(asked_at)) FROM mails WHERE state = 'queued'",
    ),
    "audiatur_oldest_bundle_seconds": (
        "Age of the oldest bundle that is not made yet.",
        """
            SELECT extract(epoch FROM now() - min(r.granted_at))
            FROM release_bundles b JOIN releases r ON r.id = b.release_id
            WHERE b.state = 'pending'
        """,
    ),
    "audiatur_open_uploads": (
        "Uploads in pieces that are under way.",
        "SELECT count(*) FROM resumable_uploads WHERE state = 'receiving'",
    ),
    "audiatur_import_files_waiting": (
        "Files of old archives that wait to be taken.",
        "SELECT count(*) FROM import_files WHERE state = 'waiting'",
    ),
    "audiatur_link_uploads_waiting": (
        "What clients sent by links and nobody has taken over.",
        "SELECT count(*) FROM dispute_uploads WHERE state = 'waiting'",
    ),
    "audiatur_oldest_link_upload_seconds": (
        "Age of the oldest of them.",
        """
            SELECT extract(epoch FROM now() - min(u.at))
            FROM dispute_uploads u WHERE u.state = 'waiting'
        """,
    ),
}


class WaitingCollector:
    """Asks the database when asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        with self._database.transaction() as session:
            return [*_jobs(session), *_by_state(session), *_alone(session)]


def _jobs(session: Session) -> list[GaugeMetricFamily]:
    waiting = GaugeMetricFamily(
        "audiatur_jobs_due", "Jobs that could be done now.", labels=["task"]
    )
    oldest = GaugeMetricFamily(
        "audiatur_oldest_job_seconds", "How long the oldest of them could.", labels=["task"]
    )
    for task, count, seconds in session.execute(text(_DUE)):
        waiting.add_metric([task], count)
        oldest.add_metric([task], float(seconds or 0))
    return [waiting, oldest]


def _by_state(session: Session) -> list[GaugeMetricFamily]:
    found = []
    for name, asked in _BY_STATE.items():
        gauge = GaugeMetricFamily(name, asked.meaning, labels=["state"])
        counts = {row[0]: row[1] for row in session.execute(text(asked.query))}
        for state in asked.states:
            gauge.add_metric([state], counts.get(state, 0))
        found.append(gauge)
    return found


def _alone(session: Session) -> list[GaugeMetricFamily]:
    return [
        GaugeMetricFamily(name, meaning, value=float(session.scalar(text(query)) or 0))
        for name, (meaning, query) in _ALONE.items()
    ]
