"""The soak counts what processes hold, and tells what grows from what breathes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.embedded.postgres import Cluster

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/soak itself does.

from bench_tool.processes import Family  # noqa: E402  # Needs the line above.
from soak_tool import growth  # noqa: E402  # The same.
from soak_tool.growth import MIB, compare, table  # noqa: E402  # The same.
from soak_tool.samples import Sample, Watched  # noqa: E402  # The same.

WEB = "memory of web"
# Named as the web process of an archive is, and holding this much of each.
HOLDS = """
import os, socket, sys, tempfile, threading
kept = [os.urandom(64 * 2**20), [socket.socketpair() for _ in range(7)]]
kept += [tempfile.NamedTemporaryFile(dir=sys.argv[3]) for _ in range(5)]
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
if os.fork() == 0:
    os._exit(0)
print("ready", flush=True)
sys.stdin.read()
"""


def samples(**series: Sequence[float]) -> list[Sample]:
    names = [name.replace("_", " ") for name in series]
    rows = zip(*series.values(), strict=True)
    return [
        Sample(at=number, values=dict(zip(names, row, strict=True)))
        for number, row in enumerate(rows)
    ]


def grown(**series: Sequence[float]) -> list[str]:
    return [line.name for line in compare(samples(**series)) if line.is_grown]


def test_what_grows_with_time_is_found_whatever_it_is() -> None:
    straight = [float(n) for n in range(40)]
    found = grown(
        memory_of_web=[300 * MIB + n * MIB for n in straight],
        sockets_of_links=[20 + n for n in straight],
        temporary_files=straight,
        threads_of_workers=[9 + n for n in straight],
        connections_to_the_database=[12 + n for n in straight],
    )
    assert found == [
        WEB,
        "sockets of links",
        "temporary files",
        "threads of workers",
        "connections to the database",
    ]


def test_what_breathes_and_what_is_the_machines_is_not() -> None:
    steady = [300 * MIB + (n % 5) * 6 * MIB for n in range(40)]
    once = [400 * MIB if n == 38 else 300 * MIB for n in range(40)]
    assert not grown(memory_of_web=steady, memory_of_links=[float(one) for one in once])
    assert not grown(sockets_of_web=[20.0 + n % 9 for n in range(40)])
    assert not grown(jobs_that_are_due=[float(n * 10) for n in range(40)])


def test_a_cache_that_was_filled_is_more_and_does_not_grow_on() -> None:
    filled = [min(140.0 + 8 * n, 216.0) * MIB for n in range(40)]
    (line,) = compare(samples(memory_of_Postgres=filled))
    assert line.is_more
    assert not line.is_grown
    assert line.text()[-1] == "levelled off"
    half_as_fast = [(140.0 + 2 * n if n < 20 else 180.0 + (n - 20)) * MIB for n in range(40)]
    assert grown(memory_of_Postgres=half_as_fast) == ["memory of Postgres"]


def test_a_transaction_that_stays_idle_is_too_many_and_one_that_ends_is_none() -> None:
    name = "transactions_idle_for_5_s_and_more"
    assert grown(**{name: [1.0] * 40}) == [name.replace("_", " ")]
    assert grown(**{name: [0.0] * 30 + [1.0] * 10}) == [name.replace("_", " ")]
    assert not grown(**{name: [float(n % 3 == 0) for n in range(40)]})


def test_too_few_samples_are_no_verdict() -> None:
    with pytest.raises(ValueError, match="too few"):
        compare(samples(memory_of_web=[1.0] * 15))


def test_the_table_says_what_was_allowed() -> None:
    lines = compare(samples(memory_of_web=[200.0 * MIB] * 12 + [260.0 * MIB] * 4))
    (row,) = table(lines)[2:]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "memory of web, MiB",
        "200.0",
        "200.0",
        "260.0",
        "+60.0",
        "16.0",
        "GROWN",
    ]
    assert growth.MEMORY.above(200.0 * MIB) == 16 * MIB


def test_the_course_of_what_grows_is_told_in_eight_parts() -> None:
    found = growth.course(WEB, samples(memory_of_web=[float(n // 3) for n in range(24)]))
    assert found == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def test_what_a_process_holds_is_counted(cluster: Cluster, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    watched = Watched(
        family=Family(root=0, directory=cluster.directory),
        temporary=(temporary, tmp_path / "missing"),
        database=lambda: cluster.owner_url,
    )
    before = watched.sample().values
    assert before[WEB] == 0
    assert before["temporary files"] == 0
    assert before["memory of Postgres"] > MIB
    argv = [sys.executable, "-c", HOLDS, "app.cli", "run-web", str(temporary)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:  # noqa: S603 - our own words.
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        family = Family(root=holder.pid, directory=cluster.directory)
        held = Watched(
            family=family, temporary=watched.temporary, database=watched.database
        ).sample()
    assert held.values[WEB] > 64 * MIB
    assert held.values["sockets of web"] == 14
    assert held.values["open files of web"] >= 14 + 5
    assert held.values["threads of web"] == 4
    assert held.values["temporary files"] == 5
    assert held.values["ended processes that nobody has waited for"] == 1
    assert held.values["memory of links"] == 0
