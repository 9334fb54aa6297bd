"""Figures of providers' messages and recordings, for Prometheus."""

from __future__ import annotations

from prometheus_client.core import GaugeMetricFamily

from app.core.db import Database
from app.providers import service


class ProviderCollector:
    """Asks the database when asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        notices = GaugeMetricFamily(
            "audiatur_provider_notices", "Kept messages, by state.", labels=["provider", "state"]
        )
        media = GaugeMetricFamily(
            "audiatur_provider_media", "Recordings told of, by state.", labels=["provider", "state"]
        )
        with self._database.transaction() as session:
            for one in service.seen(session):
                for state, count in one.notices.items():
                    notices.add_metric([one.account.name, state], count)
                for state, count in one.media.items():
                    media.add_metric([one.account.name, state], count)
        return [notices, media]
