"""Waking the workers: each burst of wishes ends with two words."""

from __future__ import annotations

import psycopg

from app.core.db import Database
from app.core.waking import Waker
from tests.conftest import Urls


def test_workers_are_told_twice_lest_one_was_looking_for_jobs(
    own_db: Database, own_database: Urls
) -> None:
    waker = Waker(own_db)
    try:
        with psycopg.connect(own_database.owner, autocommit=True) as listening:
            listening.execute("LISTEN procrastinate_any_queue_v1")
            waker.wake()
            heard = list(listening.notifies(timeout=30, stop_after=2))
    finally:
        waker.close()
    assert [notify.payload for notify in heard] == ['{"type": "job_inserted", "job_id": 0}'] * 2
