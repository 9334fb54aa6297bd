"""Keep an archive busy for an hour; memory, sockets, files and transactions must not grow.

The sample company is played in, then all goes on at once: softphones send, in pieces too, and lose
their lines; people read pages, play, search, work on disputes; directors open links; another
program takes webhooks. After a warm-up samples are taken, and the median of the first quarter of
them is compared with that of the last, and that of the third: what was filled and grows no further
is told, and is no fault. The exit status is 1 if anything has grown more than its bound and goes
on, or something was answered that must not be.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg
from bench_tool.processes import Family
from demo_company import archive
from demo_company import main as demo
from demo_company.api import Unexpected
from demo_company.archive import Accounts, CannotRun
from demo_company.report import Report

from app.embedded.postgres import EmbeddedPostgres
from soak_tool import growth, life
from soak_tool.growth import Line
from soak_tool.life import Life
from soak_tool.samples import Series, Watched, sampling
from tests.web.table import merged

_LEAKS = ("memory", "sockets", "files", "threads", "transactions")
_READERS = ("manager", "reviewer", "approver", "admin")
_LEAST_WARM_UP_S, _MOST_WARM_UP_S = 30.0, 300.0
_SAMPLES = 240
_SHORTEST_PAUSE_S = 1.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=60, help="after warming up (60)")
    parser.add_argument("--seed", type=int, default=None, help="does what an earlier run did")
    parser.add_argument(
        "--leak", action="append", choices=_LEAKS, default=[], help="let it leak, to see it found"
    )
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    for name in [name for name in os.environ if name.startswith("AUDIATUR_")]:
        del os.environ[name]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder = Path(tempfile.mkdtemp(prefix="audiatur-soak-"))
    folder.chmod(0o711)
    try:
        is_sound = _run(folder, given)
    except (CannotRun, Unexpected, ValueError) as exc:
        print(f"soak: {exc}\nsoak: what there is lies in {folder}", file=sys.stderr)
        return 2
    if is_sound:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"what there is lies in {folder}")
    return 0 if is_sound else 1


def _run(folder: Path, given: argparse.Namespace) -> bool:
    data, temporary = folder / "data", folder / "tmp"
    temporary.mkdir(mode=0o1777)
    more = {
        "TMPDIR": str(temporary),
        "AUDIATUR_OUTBOUND_HTTP": "true",
        "AUDIATUR_OUTBOUND_NETWORKS": "127.0.0.0/8",
    }
    if given.leak:
        leak = Path(__file__).parent / "leak"
        more |= {"SOAK_LEAK": " ".join(given.leak), "PYTHONPATH": f"{archive.ROOT}:{leak}"}
    tally = life.Tally()
    with ExitStack() as stack:
        lock = stack.enter_context(archive.data_folder(data, keep=False))
        running = stack.enter_context(archive.served(data, port=0, lock=lock, more=more))
        report = Report()
        accounts = demo.play(data, running, report)
        if report.differences:
            raise CannotRun("; ".join(report.differences))
        hook = stack.enter_context(life.hearing(tally))
        archive.asked(data, "webhook", "add", "soak", hook, more=more)
        lived = Life(
            running=running,
            accounts=accounts,
            pages=_pages(accounts),
            tally=tally,
            seed=secrets.randbelow(1_000_000) if given.seed is None else given.seed,
        )
        postgres = EmbeddedPostgres(data / "postgres")
        watched = Watched(
            family=Family(root=running.process.pid, directory=data / "postgres"),
            temporary=(
                temporary,
                data / "spool",
                data / "archive" / ".drafts",
                data / "public" / "release" / ".drafts",
                data / "postgres/server/data/base/pgsql_tmp",
            ),
            database=lambda: _superuser(data, postgres),
        )
        print(f"seed {lived.seed}; the load begins", flush=True)
        stack.enter_context(life.going_on(lived))
        series, first, last = _watch(
            watched, lived, given.minutes, leaks="transactions" in given.leak
        )
        lines = growth.compare(series.samples)
    return _told(lines, lived, series, requests=last - first)


def _watch(
    watched: Watched, lived: Life, minutes: float, *, leaks: bool
) -> tuple[Series, int, int]:
    """Warm up, then take samples; return also how many requests there were before and after."""
    length_s = minutes * 60
    time.sleep(min(max(length_s / 4, _LEAST_WARM_UP_S), _MOST_WARM_UP_S))
    first, kept = lived.tally.requests, []
    with sampling(watched, every_s=max(_SHORTEST_PAUSE_S, length_s / _SAMPLES)) as series:
        over_at = time.monotonic() + length_s
        while time.monotonic() < over_at or len(series.samples) < growth.LEAST_SAMPLES:
            time.sleep(min(5.0, length_s / 20))
            if leaks:
                left_open = psycopg.connect(watched.database())
                left_open.execute("SELECT 1")
                kept.append(left_open)
    for one in kept:
        one.close()
    return series, first, lived.tally.requests


def _told(lines: list[Line], lived: Life, series: Series, *, requests: int) -> bool:
    for row in growth.table(lines):
        print(row)
    for line in lines:
        if line.is_more:
            parts = growth.course(line.name, series.samples)
            unit = growth.MIB if line.name.startswith("memory") else 1
            print(f"{line.name}, in eight parts: {', '.join(f'{one / unit:.1f}' for one in parts)}")
    for bound in (growth.MEMORY, growth.POOLED, growth.TEMPORARY, growth.NONE):
        print(f"allowed {bound.absolute / _unit(bound):.0f} or {bound.share:.0%}: {bound.why}")
    took = timedelta(seconds=round(series.samples[-1].at - series.samples[0].at))
    of_each = requests * 3 / 4 * 1024 / growth.MIB
    print(f"one KiB kept of each request would be {of_each:.1f} MiB between the quarters")
    print(", ".join(f"{what} {n}" for what, n in sorted(lived.tally.done.items())))
    for failure in series.failures:
        print(f"fault: no sample: {failure}")
    grown = [line.name for line in lines if line.is_grown]
    levelled = [line.name for line in lines if line.is_more and not line.is_grown]
    memory = {line.name: line for line in lines if line.name.startswith("memory")}
    told = ", ".join(
        f"{name.removeprefix('memory of ')} {(one.last - one.first) / growth.MIB:+.1f}"
        for name, one in memory.items()
    )
    faults = len(lived.tally.faults) + len(series.failures)
    verdict = f"grown: {', '.join(grown)}" if grown else "nothing grows on"
    if levelled:
        verdict += f"; levelled off: {', '.join(levelled)}"
    print(
        f"R10 {took} of mixed load, {requests} requests, {len(series.samples)} samples, "
        f"{faults} faults, memory MiB {told}: {verdict}"
    )
    return not grown and not faults


def _unit(bound: growth.Bound) -> int:
    return growth.MIB if bound is growth.MEMORY else 1


def _pages(accounts: Accounts) -> dict[str, list[str]]:
    """Return for each person the pages without parameters that his role sees."""
    every = {path: roles for path, roles in merged("PAGES").items() if "{" not in path}
    return {
        who: sorted(path for path, roles in every.items() if accounts.roles[who] in roles)
        for who in _READERS
    }


def _superuser(data: Path, postgres: EmbeddedPostgres) -> str:
    password = (data / "postgres" / "passwords" / "postgres").read_text()
    return f"postgresql://postgres:{password}@127.0.0.1:{postgres.status().port}/audiatur"


if __name__ == "__main__":
    sys.exit(main())
