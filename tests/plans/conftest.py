"""One archive with 100,000 recordings for all tests of a module, and a door that tells plans."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest

from app.core.clock import SetClock
from app.core.db import APP_ROLE, Database
from app.custody.ledger import DetailCipher
from app.embedded.postgres import Cluster
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from tests.conftest import new_database
from tests.plans.watched import Plans, watch_database, watching
from tests.review.house import House, opened
from tests.web.table import SUBJECTS

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))  # As scripts/bench does.

from bench_tool.filling import fill, superuser_url  # Needs the line above.

RECORDINGS = 100_000
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What is asked, and of what."""

    house: House
    database: Database
    plans: Plans
    client: UUID
    recording: UUID

    def person(self, role: Role) -> Actor:
        return self.house.people[str(role)]


@pytest.fixture(scope="module")
def archive(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox
) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("plans")
    with (
        new_database(cluster) as urls,
        opened(
            folder,
            web_url=urls.web,
            owner_url=urls.owner,
            sandbox=sandbox,
            clock=SetClock(NOW),
        ) as house,
    ):
        house.person("agent", Role.AGENT)
        there: dict[str, str] = {}
        for subject in SUBJECTS:
            if hasattr(subject, "fill"):
                there |= subject.fill(house)
        house.tools.log.sequencer().catch_up()
        name = urlsplit(urls.web).path.strip("/")
        superuser = superuser_url(cluster, name)
        with psycopg.connect(superuser) as connection:
            row = connection.execute(
                "SELECT client_id FROM disputes WHERE id = %s", [there["dispute_id"]]
            ).fetchone()
        assert row is not None
        fill(
            superuser,
            recordings=RECORDINGS,
            recording=there["recording_id"],
            client=str(row[0]),
            dispute=there["dispute_id"],
            now=NOW,
        )
        watch_database(superuser, name)
        cipher = DetailCipher(bytes(32))
        database = Database(urls.web, role=APP_ROLE, info={"detail_cipher": cipher})
        with psycopg.connect(superuser) as connection:
            found = connection.execute(
                "SELECT (SELECT id FROM clients WHERE external_id = 'bench-7'),"
                " (SELECT id FROM recordings WHERE source_call_id = 'bench-50000')"
            ).fetchone()
        assert found is not None
        with watching(database) as plans:
            yield Archive(
                house=house,
                database=database,
                plans=plans,
                client=found[0],
                recording=found[1],
            )
        database.close()
