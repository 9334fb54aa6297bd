"""What the log costs: appending with the sequencer at work, and recounting the tree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import psycopg
from sqlalchemy import make_url, text

from app.core.db import APP_ROLE, Database
from app.custody.leaves import canonical
from app.custody.sequencer import Sequencer
from app.custody.tree import leaf_hashes
from app.custody.verification import Recount
from app.embedded.postgres import Cluster, EmbeddedPostgres, grant_roles, program
from app.migrate import migrate
from bench_tool import figures, native, targets
from bench_tool.figures import Spread, Target
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.processes import Family
from bench_tool.rounds import Options, say
from bench_tool.targets import Line

_CLIENTS = 8
_LEAVES, _SHORT_LEAVES = 200_000, 50_000
_PIECE = 1000  # As many as the verification reads at once.
_PAUSE_S = 1.0
_VALUES = (
    "(gen_random_uuid(), now(), 'media.played', 'recording', gen_random_uuid(), 'user', "
    "gen_random_uuid(), 'manager', 'success', '{\"leg\": \"mixed\", \"size_bytes\": 120764}', "
    "sha256('a'), sha256('b'))"
)
_COLUMNS = (
    "(id, at, act, object_kind, object_id, actor_kind, actor_id, actor_role, outcome, facts, "
    "content_commitment, detail_commitment)"
)
_TABLES = f"""
CREATE TABLE plain_entries (LIKE custody_entries INCLUDING ALL);
CREATE TABLE chained_entries (LIKE custody_entries INCLUDING ALL);
ALTER TABLE chained_entries ADD COLUMN hash bytea;
CREATE TABLE chain_head (hash bytea NOT NULL);
INSERT INTO chain_head VALUES (sha256(''));
CREATE FUNCTION append_chained() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    before bytea;
    made chained_entries;
BEGIN
    SELECT hash INTO before FROM chain_head FOR UPDATE;
    INSERT INTO chained_entries {_COLUMNS} VALUES {_VALUES} RETURNING * INTO made;
    before := sha256(before || convert_to(made::text, 'UTF8'));
    UPDATE chained_entries SET hash = before WHERE id = made.id;
    UPDATE chain_head SET hash = before;
END $$
"""  # noqa: S608 - put together of constants.
_SCRIPTS = {
    "ledger": f"INSERT INTO custody_entries {_COLUMNS} VALUES {_VALUES};\n",  # noqa: S608 - constants.
    "plain": f"INSERT INTO plain_entries {_COLUMNS} VALUES {_VALUES};\n",  # noqa: S608 - constants.
    "chain": "SELECT append_chained();\n",
}
_BEHIND = "SELECT (SELECT max(position) FROM custody_entries) - position FROM ledger_progress"
_HEADER = (
    "#",
    "what",
    "against",
    "ratio (range)",
    "must / stretch",
    "verdict",
    "a second",
    "CPU us each",
)
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """How many a second, and what each cost all processes together."""

    rate: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """Two ways that were taken in turn."""

    target: Target
    what: str
    ours: Sequence[_Pace]
    other: Sequence[_Pace]

    def line(self) -> Line:
        """Return the line of the targets."""
        ratio = Spread.of([a.rate / b.rate for a, b in zip(self.ours, self.other, strict=True)])
        target = self.target
        return Line(
            number=target.number,
            path=self.what,
            against=target.against,
            figure=targets.spread(ratio),
            wanted=f"{target.must:g} / {target.stretch:g}",
            verdict=targets.at_least(ratio.median, target.must, target.stretch).value,
            cost=f"{self._costs()} µs each",
        )

    def row(self) -> list[str]:
        """Return the row under `_HEADER`."""
        rates = (Spread.of([pace.rate for pace in each]).median for each in (self.ours, self.other))
        told = " / ".join(f"{rate:.0f}" for rate in rates)
        return [*self.line().cells()[:-1], told, self._costs()]

    def _costs(self) -> str:
        costs = (
            Spread.of([pace.cpu_s for pace in each]).median for each in (self.ours, self.other)
        )
        return " / ".join(f"{cost * _MICRO:.1f}" for cost in costs)


def run(options: Options) -> Section:
    """Append by pgbench in turn, then recount the same leaves in Python and in C."""
    appended = _append(options)
    recounted, counted_by_c = _recount(options)
    ledger, plain, chain = (appended[name] for name in ("ledger", "plain", "chain"))
    compared = [
        _Compared(
            target=Target(number="S13", against="plain INSERT", must=0.8, stretch=0.95),
            what="append, sequencer on",
            ours=ledger,
            other=plain,
        ),
        _Compared(
            target=Target(number="S13", against="serial hash chain", must=3, stretch=12),
            what="append, sequencer on",
            ours=ledger,
            other=chain,
        ),
        _Compared(
            target=Target(number="S14", against="C, one shot", must=0.85, stretch=1),
            what="recount of leaves and tree",
            ours=recounted,
            other=counted_by_c,
        ),
    ]
    alone = Spread.of([pace.rate for pace in appended["catch_up"]]).median
    left = Spread.of([pace.rate for pace in appended["left"]]).median
    note = (
        f"\n\nSequencer alone: {alone:.0f} entries a second; entries without a leaf when "
        f"appending ended: {left:.0f}."
    )
    values: dict[str, object] = {
        name: [asdict(pace) for pace in paces] for name, paces in appended.items()
    }
    return Section(
        title="The log: appending and recounting",
        text=figures.table(_HEADER, [one.row() for one in compared]) + note,
        values=[values, {"recount": [asdict(pace) for pace in recounted]}],
        lines=[one.line() for one in compared],
    )


def _append(options: Options) -> dict[str, list[_Pace]]:
    """Append in each way in turn. The cost of the ledger's entries is told with their leaves."""
    found: dict[str, list[_Pace]] = {
        name: [] for name in ("ledger", "plain", "chain", "catch_up", "left")
    }
    folder = options.directory / f"audit-{time.monotonic_ns()}"
    family = Family(root=os.getpid(), directory=folder)
    server = EmbeddedPostgres(folder)
    try:
        cluster = server.hold()
        migrate(cluster.owner_url)
        grant_roles(cluster)
        with psycopg.connect(cluster.owner_url, autocommit=True) as owner:
            owner.execute(_TABLES)
        database = Database(cluster.web_url, role=APP_ROLE)
        sequencer = Sequencer(database, "bench.example/log")

        for number in range(options.rounds):
            say(f"audit: appending, round {number + 1}")
            before_s = family.cpu_s()
            with _at_work(sequencer):
                rate, count = _pgbench(cluster, "ledger", options)
                left = _left_behind(database)
            sequencer.catch_up()
            found["ledger"].append(_Pace(rate=rate, cpu_s=(family.cpu_s() - before_s) / count))
            found["left"].append(_Pace(rate=left, cpu_s=0))
            _require_whole(database)
            _pgbench(cluster, "ledger", options)
            found["catch_up"].append(_catch_up(sequencer, family))
            _require_whole(database)
            for name in ("plain", "chain"):
                before_s = family.cpu_s()
                rate, count = _pgbench(cluster, name, options)
                found[name].append(_Pace(rate=rate, cpu_s=(family.cpu_s() - before_s) / count))
        database.close()
    finally:
        server.release_and_maybe_stop()
    return found


def _catch_up(sequencer: Sequencer, family: Family) -> _Pace:
    began, before_s = time.perf_counter(), family.cpu_s()
    count = sequencer.catch_up()
    wall_s = time.perf_counter() - began
    return _Pace(rate=count / wall_s, cpu_s=(family.cpu_s() - before_s) / count)


@contextmanager
def _at_work(sequencer: Sequencer) -> Iterator[None]:
    """Let the sequencer work as it does in a worker."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(_PAUSE_S):
            sequencer.catch_up_if_free()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _left_behind(database: Database) -> int:
    """Return how many positions the sequencer has not looked at; counting would cost too much."""
    with database.transaction() as session:
        return session.scalar(text(_BEHIND)) or 0


def _left_over(database: Database) -> int:
    with database.transaction() as session:
        count = session.scalar(text("SELECT count(*) FROM custody_entries")) or 0
        leaves = session.scalar(text("SELECT count(*) FROM ledger_leaves")) or 0
    return count - leaves


def _require_whole(database: Database) -> None:
    if _left_over(database):
        raise BenchmarkFailed("the sequencer has left entries out")


def _pgbench(cluster: Cluster, name: str, options: Options) -> tuple[float, int]:
    """Return how many appends a second there were, and how many in all."""
    script = options.directory / f"{name}.sql"
    script.write_text(_SCRIPTS[name])
    url = make_url(cluster.owner_url)
    command = [str(program("pgbench")), "-n", "-M", "prepared", "-c", str(_CLIENTS), "-j", "2"]
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
    counts = re.findall(r"transactions actually processed: (\d+)", done.stdout)
    if not rates or not counts:
        raise BenchmarkFailed(f"pgbench ended with {done.returncode}: {done.stderr.strip()}")
    return float(rates[0]), int(counts[0])


def _recount(options: Options) -> tuple[list[_Pace], list[_Pace]]:
    """Recount the same leaves by both in turn; a second is one of processor time."""
    program = native.compile_one("tree", options.directory / "tree")
    count = _SHORT_LEAVES if options.is_short else _LEAVES
    leaves = [_leaf(number) for number in range(count)]
    file = options.directory / "leaves"
    file.write_bytes(b"".join(len(leaf).to_bytes(4, "little") + leaf for leaf in leaves))
    ours: list[_Pace] = []
    other: list[_Pace] = []
    for number in range(options.rounds):
        say(f"audit: recounting, round {number + 1}")
        root, took = _timed(lambda: _root(leaves))
        told = subprocess.run([program, file], capture_output=True, text=True, check=True)  # noqa: S603 - compiled from the source beside this file.
        theirs, seconds = told.stdout.split()
        if theirs != root:
            raise BenchmarkFailed("the two trees differ")
        for paces, cpu_s in ((ours, took), (other, float(seconds))):
            paces.append(_Pace(rate=count / cpu_s, cpu_s=cpu_s / count))
    return ours, other


def _timed(work: Callable[[], str]) -> tuple[str, float]:
    began = time.process_time()
    found = work()
    return found, time.process_time() - began


def _root(leaves: Sequence[bytes]) -> str:
    tree = Recount(lambda _level, _index, _hashes, _root: None)
    for at in range(0, len(leaves), _PIECE):
        tree.extend(leaf_hashes(leaves[at : at + _PIECE]))
    return tree.root().hex()


def _leaf(number: int) -> bytes:
    facts = json.loads('{"leg": "mixed", "size_bytes": 120764}')
    return canonical(
        {"v": 1, "log": "bench.example/log", "seq": number, "facts": facts, "pad": "x" * 420}
    )
