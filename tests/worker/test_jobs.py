"""Jobs: enqueued with their change, done once in effect, retried, and seen when given up."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import procrastinate
import psycopg
import pytest
from procrastinate import JobContext
from procrastinate.exceptions import JobAborted
from procrastinate.job_context import AbortReason
from sqlalchemy import text

from app.core.db import Database, DatabaseAway
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.tools import Tools
from app.uploads.jobs import sweep
from app.worker import handlers, loop
from app.worker.loop import MAX_ATTEMPTS, queue_app, rescue_stalled
from storage.errors import StoreUnavailable
from tests.conftest import Urls
from tests.factories import wav
from tests.live import Live, metadata

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60


def _states(database: Database) -> dict[str, int]:
    with database.transaction() as session:
        rows = session.execute(
            text("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status")
        )
        return {str(state): int(count) for state, count in rows}


def test_a_job_is_there_only_if_its_change_is(own_db: Database) -> None:
    job = Job(task="recordings.adopt", args={"event_id": "x"})

    def change_and_fail() -> None:
        with own_db.transaction() as session:
            enqueue(session, job)
            raise LookupError

    with pytest.raises(LookupError):
        change_and_fail()
    assert _states(own_db) == {}
    with own_db.transaction() as session:
        enqueue(session, job)
    assert _states(own_db) == {"todo": 1}


def test_enqueueing_notifies_nobody_inside_the_transaction(
    own_db: Database, own_database: Urls
) -> None:
    with psycopg.connect(own_database.web, autocommit=True) as listener:
        listener.execute("LISTEN procrastinate_any_queue_v1")
        with own_db.transaction() as session:
            enqueue(session, Job(task="recordings.adopt", args={}))
        assert list(listener.notifies(timeout=0.5)) == []


def test_the_waker_is_called_after_a_commit_with_jobs(own_db: Database) -> None:
    called: list[str] = []
    own_db.after_jobs = lambda: called.append("woken")
    with own_db.transaction() as session:
        session.execute(text("SELECT 1"))
    assert called == []
    with own_db.transaction() as session:
        enqueue(session, Job(task="recordings.adopt", args={}))
        assert called == []
    assert called == ["woken"]


def test_an_inspection_makes_the_recording_playable(live: Live) -> None:
    sent = live.send(metadata("c1"), wav(1.5)).json()
    live.work()
    found = live.call("GET", f"/v1/recordings/{sent['id']}", who="manager").json()
    assert found["inspection"]["state"] == "done"
    assert found["inspection"]["duration_ms"] == 1500
    assert found["inspection"]["codec"] == "pcm_s16le"
    assert _states(live.tools.database) == {"succeeded": 1}


def test_what_cannot_be_decoded_says_so_and_keeps_its_bytes(live: Live) -> None:
    body = wav(0.1)[:44] + b"\x00"
    sent = live.send(metadata("c1"), body)
    assert sent.status_code == 201
    live.work()
    found = live.call("GET", f"/v1/recordings/{sent.json()['id']}", who="manager").json()
    assert found["inspection"]["duration_ms"] in {0, None}
    assert found["consent"]["flag"] == "unknown"
    assert found["legs"][0]["sha256"] == sent.json()["sha256"]


def test_an_inspection_done_twice_changes_nothing(live: Live) -> None:
    sent = live.send(metadata("c1"), wav(0.5)).json()
    live.work()
    before = live.call("GET", f"/v1/recordings/{sent['id']}", who="manager").json()
    with live.tools.database.transaction() as session:
        enqueue(session, Job(task="inspection.inspect", args={"recording_id": sent["id"]}))
    live.work()
    assert live.call("GET", f"/v1/recordings/{sent['id']}", who="manager").json() == before


def test_a_failing_job_is_retried_later_and_shown_when_given_up(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(tools: object, **args: str) -> None:
        raise ConnectionError(str((tools, args)))

    monkeypatch.setitem(handlers.HANDLERS, "tests.broken", broken)
    with live.tools.database.transaction() as session:
        enqueue(session, Job(task="tests.broken", args={}))
    waits = []
    for _ in range(MAX_ATTEMPTS + 1):
        live.work()
        with live.tools.database.transaction() as session:
            row = session.execute(
                text(
                    "SELECT status::text, scheduled_at - now() FROM procrastinate_jobs "
                    "WHERE task_name = 'tests.broken'"
                )
            ).one()
            if row[0] == "failed":
                break
            waits.append(row[1])
            session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now()"))
    assert _states(live.tools.database) == {"failed": 1}
    assert waits == sorted(waits)
    assert len(waits) >= MAX_ATTEMPTS - 1


def test_the_sweep_removes_what_no_row_names_and_nothing_else(live: Live) -> None:
    sent = live.send(metadata("c1"), wav(0.3)).json()
    live.work()
    orphan = live.tools.archive.begin(new_id())
    orphan.write(b"lost a race")
    orphan.keep()
    now = live.tools.clock.now()
    assert sweep(live.tools, older_than=now) in {0, 1}
    time.sleep(0.05)
    sweep(live.tools, older_than=live.tools.clock.now())
    with live.tools.database.transaction() as session:
        rows = set(session.scalars(text("SELECT object_id FROM sealed_objects")))
    assert set(live.tools.archive.listed(live.tools.clock.now())) == rows
    assert live.call("GET", f"/v1/recordings/{sent['id']}", who="manager").status_code == 200


def test_jobs_of_a_killed_worker_are_done_by_another(tmp_path: Path) -> None:
    """A worker is killed with jobs in hand; the next one does them, each once in effect."""
    environment = {**os.environ, "AUDIATUR_DATA": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app.cli"]
    keeper = subprocess.Popen(  # noqa: S603 - the product's own command.
        [*command, "serve", "--port", "0"],
        env=environment | {"AUDIATUR_WORKERS": "0"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert keeper.stdout is not None
        address = keeper.stdout.readline().split()[-1]
        _run_killed_worker(command, environment, address)
    finally:
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(PATIENCE_SECONDS) == 0
        if keeper.stdout is not None:
            keeper.stdout.close()


def test_a_dead_workers_job_whose_like_waits_holds_no_other_up(
    live: Live, own_database: Urls
) -> None:
    put = "INSERT INTO procrastinate_jobs (queue_name, task_name, status, queueing_lock)"
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("DELETE FROM procrastinate_jobs")
        for status, lock in (("doing", "sweep"), ("todo", "sweep"), ("doing", None)):
            owner.execute(f"{put} VALUES ('audiatur', 'some', %s, %s)", (status, lock))

    async def rescued() -> None:
        app = queue_app(live.tools, own_database.web, has_clock=False)
        async with app.open_async():
            await rescue_stalled(app.job_manager)

    asyncio.run(rescued())
    with psycopg.connect(own_database.owner) as owner:
        rows = owner.execute("SELECT status, queueing_lock FROM procrastinate_jobs ORDER BY id")
        assert rows.fetchall() == [("aborted", "sweep"), ("todo", "sweep"), ("todo", None)]


@pytest.mark.parametrize(
    ("fails", "refusal", "tries"),
    [
        (2, DatabaseAway(), 3),
        (3, DatabaseAway(), 4),
        (3, StoreUnavailable("the bucket is away"), 4),
        (99, DatabaseAway(), 4),  # Then it is given up, and shown.
        (99, LookupError(), 1),  # What is wrong stays so.
    ],
)
def test_what_the_clock_starts_outlasts_what_is_away_for_a_moment(
    live: Live,
    own_database: Urls,
    monkeypatch: pytest.MonkeyPatch,
    fails: int,
    refusal: Exception,
    tries: int,
) -> None:
    tried: list[int] = []

    def work(_: Tools) -> None:
        tried.append(1)
        if len(tried) <= fails:
            raise refusal

    monkeypatch.setattr(loop, "PERIODIC", {"some.thing": ("* * * * *", work)})
    monkeypatch.setattr(loop, "_AWAY_PAUSES_SECONDS", (0.0, 0.0, 0.0))
    app = queue_app(live.tools, own_database.web)
    if fails < tries:
        app.tasks["some.thing"](_context(app), timestamp=0)
    else:
        with pytest.raises(type(refusal)):
            app.tasks["some.thing"](_context(app), timestamp=0)
    assert len(tried) == tries


def _context(app: procrastinate.App, reason: AbortReason | None = None) -> JobContext:
    job = procrastinate.jobs.Job(
        id=1, queue="", lock=None, queueing_lock=None, task_name="some.thing"
    )
    return JobContext(app=app, job=job, start_timestamp=0, abort_reason=lambda: reason)


def test_a_worker_that_is_to_stop_does_not_wait_for_the_database(
    live: Live, own_database: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def work(_: Tools) -> None:
        tried.append(1)
        raise DatabaseAway

    monkeypatch.setattr(loop, "PERIODIC", {"some.thing": ("* * * * *", work)})
    app = queue_app(live.tools, own_database.web)
    with pytest.raises(JobAborted):
        app.tasks["some.thing"](_context(app, AbortReason.SHUTDOWN), timestamp=0)
    assert len(tried) == 1


def _worker(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - the product's own command.
        [*command, "worker"], env=environment, cwd=ROOT, stderr=subprocess.DEVNULL
    )


def _run_killed_worker(command: list[str], environment: dict[str, str], address: str) -> None:
    added = subprocess.run(  # noqa: S603
        [*command, "device", "add", "phone"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    key = added.stdout.strip().splitlines()[-1]
    deadline = time.monotonic() + PATIENCE_SECONDS
    for number in range(6):
        while True:
            try:
                sent = httpx.post(
                    f"{address}/v1/recordings",
                    headers={"Authorization": f"Bearer {key}"},
                    files=[
                        ("metadata", (None, json.dumps(metadata(f"c{number}")))),
                        ("file", ("c.wav", wav(20))),
                    ],
                    timeout=30,
                )
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert sent.status_code == 201, sent.text
    kills = 0
    while kills < 3:
        worker = _worker(command, environment)
        while not _jobs(command, environment, "doing"):
            assert time.monotonic() < deadline * 2
            if not _jobs(command, environment, "todo"):
                break
        worker.kill()
        worker.wait()
        kills += 1
    worker = _worker(command, environment)
    try:
        until = time.monotonic() + 2 * PATIENCE_SECONDS
        while len(_jobs(command, environment, "succeeded")) < 6:
            assert time.monotonic() < until
            time.sleep(0.5)
        assert _jobs(command, environment, "failed") == []
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE_SECONDS)


def _jobs(command: list[str], environment: dict[str, str], state: str) -> list[str]:
    listed = subprocess.run(  # noqa: S603
        [*command, "jobs", "list", "--state", state, "--json"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in listed.stdout.splitlines() if "inspection.inspect" in line]


def test_the_queue_keeps_the_function_that_we_call(own_db: Database) -> None:
    with own_db.transaction() as session:
        signature = session.scalar(
            text(
                "SELECT pg_get_function_arguments(oid) FROM pg_proc "
                "WHERE proname = 'procrastinate_defer_jobs_v1'"
            )
        )
        fields = session.scalars(
            text(
                "SELECT attname FROM pg_attribute WHERE attrelid = "
                "'procrastinate_job_to_defer_v1'::regclass ORDER BY attnum"
            )
        ).all()
    assert signature == "jobs procrastinate_job_to_defer_v1[]"
    assert fields == [
        "queue_name",
        "task_name",
        "priority",
        "lock",
        "queueing_lock",
        "args",
        "scheduled_at",
    ]
