"""What a connection plans while an archive is empty it keeps until the first statistics.

So the plans of the way in are looked at there too, where every table costs the planner the same.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from bench_tool.filling import superuser_url

from app.core.db import APP_ROLE, Database
from app.custody.ledger import DetailCipher
from app.embedded.postgres import Cluster
from app.recordings import ingest_sql
from tests.conftest import new_database
from tests.plans.watched import watch_database, watching

_TIMES_UNTIL_A_PLAN_IS_KEPT: Final = 12
_TOLD: Final = {
    "named": None,
    "number": "+74951234567",
    "started_at": datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
    "window": timedelta(hours=1),
    "device_id": UUID(int=1),
    "source_call_id": "call-1",
    "leg": "mixed",
}


def test_a_call_is_known_by_its_own_index(cluster: Cluster) -> None:
    with new_database(cluster) as urls:
        name = urlsplit(urls.web).path.strip("/")
        watch_database(superuser_url(cluster, name), name)
        database = Database(
            urls.web, role=APP_ROLE, pool_size=1, info={"detail_cipher": DetailCipher(bytes(32))}
        )
        with watching(database) as plans:
            for _ in range(_TIMES_UNTIL_A_PLAN_IS_KEPT):
                database.statement(ingest_sql.KNOWN_RECORDING, _TOLD)
            plans.clear()
            database.statement(ingest_sql.KNOWN_RECORDING, _TOLD)
            database.statement("SELECT 1", {})  # A plan is told when its statement is put away.
            gone_by = {step.index for step in plans.steps if step.table == "recordings"}
        database.close()
    assert gone_by == {"uq_recordings_call"}
