"""What a NOTIFY inside the transaction costs commits that enqueue a job."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from app.embedded.postgres import Cluster, EmbeddedPostgres, program
from app.migrate import migrate
from bench_tool import figures
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.rounds import Options, say

_CLIENTS = (1, 8, 32)
_TRIGGER = "procrastinate_jobs_notify_queue_job_inserted_v1"
_SCRIPT = (
    "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('audiatur', 'inspection.inspect', 0, NULL, NULL,"
    ' \'{"recording_id": "x"}\'::jsonb, NULL)::procrastinate_job_to_defer_v1]);\n'
)
_HEADER = ("clients", "commits/s with NOTIFY", "without", "without : with (range)")


def run(options: Options) -> Section:
    """Enqueue by pgbench with the queue's NOTIFY trigger on and off, in turn."""
    server = EmbeddedPostgres(options.directory / f"queue-{time.monotonic_ns()}")
    rows, values = [], []
    try:
        cluster = server.hold()
        migrate(cluster.owner_url)
        script = options.directory / "enqueue.sql"
        script.write_text(_SCRIPT)
        for clients in _CLIENTS:
            say(f"queue: {clients} clients")
            row, value = _compare(cluster, script, clients, options)
            rows.append(row)
            values.append(value)
    finally:
        server.release_and_maybe_stop()
    title = "Enqueueing: the queue's own NOTIFY in the transaction, or a wake-up after it"
    return Section(title=title, text=figures.table(_HEADER, rows), values=values)


def _compare(
    cluster: Cluster, script: Path, clients: int, options: Options
) -> tuple[list[str], dict[str, object]]:
    with_notify, without = [], []
    for _ in range(options.rounds):
        with_notify.append(_rate(cluster, script, clients, options, notify=True))
        without.append(_rate(cluster, script, clients, options, notify=False))
    ratios = [b / a for a, b in zip(with_notify, without, strict=True)]
    row = [
        str(clients),
        f"{statistics.median(with_notify):.0f}",
        f"{statistics.median(without):.0f}",
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
    ]
    return row, {"clients": clients, "with_notify": with_notify, "without": without}


def _rate(cluster: Cluster, script: Path, clients: int, options: Options, *, notify: bool) -> float:
    with psycopg.connect(cluster.owner_url, autocommit=True) as connection:
        state = "ENABLE" if notify else "DISABLE"
        connection.execute(f"ALTER TABLE procrastinate_jobs {state} TRIGGER {_TRIGGER}")
    url = make_url(cluster.owner_url)
    command = [str(program("pgbench")), "-n", "-M", "prepared", "-c", str(clients), "-j", "2"]
    command += ["-T", str(max(1, round(options.seconds))), "-f", str(script)]
    command += ["-h", str(url.host), "-p", str(url.port), "-U", str(url.username)]
    done = subprocess.run(  # noqa: S603 - the wheel's own program.
        [*command, str(url.database)],
        env={**os.environ, "PGPASSWORD": str(url.password)},
        capture_output=True,
        text=True,
        check=False,
    )
    rates = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("tps")]
    if not rates:
        raise BenchmarkFailed(f"pgbench ended with {done.returncode}: {done.stderr.strip()}")
    return float(rates[0])
