"""Figures of the ledger's log, for Prometheus."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.db import Database

_FIGURES = {
    "audiatur_ledger_leaves": (
        "Leaves of the tree.",
        "SELECT coalesce(max(seq) + 1, 0) FROM ledger_leaves",
    ),
    "audiatur_ledger_lag_seconds": (
        "Age of the oldest entry that the sequencer has not seen.",
        """
            SELECT coalesce((SELECT extract(epoch FROM clock_timestamp() - written_at)
            FROM custody_entries WHERE position > (SELECT position FROM ledger_progress)
            ORDER BY position LIMIT 1), 0)
        """,
    ),
    "audiatur_ledger_gaps": (
        "Gaps of positions that open transactions may still fill.",
        "SELECT count(*) FROM ledger_gaps",
    ),
    "audiatur_checkpoint_age_seconds": (
        "Age of the newest checkpoint; 0 before the first.",
        """
            SELECT coalesce((SELECT extract(epoch FROM clock_timestamp() - signed_at)
            FROM checkpoints ORDER BY size DESC, signed_at DESC LIMIT 1), 0)
        """,
    ),
    "audiatur_stamps_pending": (
        "Checkpoints that want a time stamp and have none.",
        """
            SELECT count(*) FROM checkpoints c WHERE c.wants_stamp AND NOT EXISTS
            (SELECT FROM checkpoint_stamps s WHERE s.checkpoint_id = c.id)
        """,
    ),
}


def lag(session: Session) -> timedelta:
    """Return the age of the oldest entry that the sequencer has not seen."""
    _, query = _FIGURES["audiatur_ledger_lag_seconds"]
    return timedelta(seconds=float(session.scalar(text(query)) or 0))


class LogCollector:
    """Asks the database when asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        gauges = []
        with self._database.transaction() as session:
            for name, (meaning, query) in _FIGURES.items():
                value = float(session.scalar(text(query)) or 0)
                gauges.append(GaugeMetricFamily(name, meaning, value=value))
        return gauges
