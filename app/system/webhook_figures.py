"""Figures of webhooks, for Prometheus."""

from __future__ import annotations

from prometheus_client.core import GaugeMetricFamily

from app.core.clock import Clock
from app.core.db import Database
from app.webhooks import queries


class WebhookCollector:
    """Asks the database when asked."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        deliveries = GaugeMetricFamily(
            "audiatur_webhook_deliveries",
            "Deliveries by endpoint: waiting, those of them tried in vain, delivered, given up.",
            labels=["webhook", "state"],
        )
        overdue = GaugeMetricFamily(
            "audiatur_webhook_overdue_seconds",
            "How long the attempt is due that waits longest.",
            labels=["webhook"],
        )
        behind = GaugeMetricFamily(
            "audiatur_webhook_unread_entries", "Entries of the ledger's sequence not read yet."
        )
        at = self._clock.now()
        with self._database.transaction() as session:
            counts = queries.counts(session)
            behind.add_metric([], queries.unread(session))
            for row in queries.endpoints(session):
                found = counts.get(row.id, queries.NONE)
                deliveries.add_metric([row.name, "waiting"], found.waiting)
                deliveries.add_metric([row.name, "failing"], found.failing)
                deliveries.add_metric([row.name, "delivered"], found.delivered)
                deliveries.add_metric([row.name, "dead"], found.dead)
                late = (at - found.oldest_due).total_seconds() if found.oldest_due else 0
                overdue.add_metric([row.name], max(0, late))
        return [deliveries, overdue, behind]
