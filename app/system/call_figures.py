"""Figures of calls and gaps, for Prometheus."""

from __future__ import annotations

from prometheus_client.core import GaugeMetricFamily

from app.core.clock import Clock
from app.core.db import Database
from app.feeds import queries


class CallCollector:
    """Asks the database when asked."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        gaps = GaugeMetricFamily(
            "audiatur_call_gaps", "What is missing now, by reason.", labels=["reason"]
        )
        alarms = GaugeMetricFamily(
            "audiatur_unexplained_gaps", "What is missing now and nobody has explained."
        )
        known = GaugeMetricFamily(
            "audiatur_calls_known", "Calls of the last seven days.", labels=["source"]
        )
        matched = GaugeMetricFamily(
            "audiatur_calls_matched", "Those of them with a recording.", labels=["source"]
        )
        age = GaugeMetricFamily(
            "audiatur_call_record_age_seconds",
            "How long ago a source told of a call.",
            labels=["source"],
        )
        with self._database.transaction() as session:
            found = queries.figures(session, at=self._clock.now())
        alarms.add_metric([], found.alarms)
        for reason, count in sorted(found.gaps.items()):
            gaps.add_metric([reason], count)
        for source in found.sources:
            known.add_metric([source.name], source.known)
            matched.add_metric([source.name], source.matched)
            age.add_metric([source.name], source.silent_seconds)
        return [gaps, alarms, known, matched, age]
