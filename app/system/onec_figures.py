"""Figures of 1C: what was refused, and what waits to be written into its documents."""

from __future__ import annotations

from prometheus_client.core import GaugeMetricFamily

from app.core.clock import Clock
from app.core.db import Database
from app.onec import returning, service
from app.onec.models import ThingState


class OnecCollector:
    """Asks the database when asked."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        returns = GaugeMetricFamily(
            "audiatur_onec_returns",
            "Documents of 1C to be written: waiting, those of them tried in vain, given up.",
            labels=["source", "state"],
        )
        oldest = GaugeMetricFamily(
            "audiatur_onec_oldest_return_seconds",
            "How long the document waits that waits longest.",
            labels=["source"],
        )
        refused = GaugeMetricFamily(
            "audiatur_onec_refused", "Things of 1C that were refused and wait.", labels=["source"]
        )
        at = self._clock.now()
        with self._database.transaction() as session:
            queues = returning.queues(session)
            for one in service.seen(session):
                name, queue = one.source.name, queues.get(one.source.id, returning.NOTHING)
                returns.add_metric([name, "waiting"], queue.waiting)
                returns.add_metric([name, "failing"], queue.failing)
                returns.add_metric([name, "dead"], queue.dead)
                waits = (at - queue.since).total_seconds() if queue.since else 0
                oldest.add_metric([name], max(0, waits))
                refused.add_metric([name], one.things[ThingState.REFUSED])
        return [returns, oldest, refused]
