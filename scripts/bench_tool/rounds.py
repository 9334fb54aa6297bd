"""Variants in turn, A B C A B C, each run long enough to mean something."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench_tool.figures import MIB, Run
from bench_tool.native import Load, Volley, run_load
from bench_tool.processes import watched
from bench_tool.servers import Server, Start, fresh

_WARM_UP_REQUESTS = 16
_TRIAL_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller asked for, and where there is room to work."""

    directory: Path
    load: Path
    reference: Path
    rounds: int
    seconds: float
    max_run_bytes: int
    with_long_cells: bool
    is_short: bool = False
    is_full: bool = False
    rows: int | None = None
    keep: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One load: recordings of `size` bytes over `connections` at once."""

    name: str
    size: int
    connections: int


def measure(
    cell: Cell, starts: Mapping[str, Start], options: Options
) -> dict[str, tuple[Run, ...]]:
    """Return the runs of each variant, one per round.

    A variant that fails while it is warmed up has that one failed run and is left out of the
    rounds, so that the others may still be compared.
    """
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(fresh(options.directory, name, start))
            for name, start in starts.items()
        }
        runs: dict[str, list[Run]] = {name: [] for name in servers}
        counts: dict[str, int] = {}
        for name, server in servers.items():
            trial = _warm_up(cell, server, options)
            if trial.errors:
                runs[name].append(run_of(trial, cpu_s=0, growth_bytes=0))
                say(f"{cell.name}: {name} answers wrongly: {trial.first_error}")
            else:
                counts[name] = count_for(cell, trial, options.seconds, options.max_run_bytes)
        for number in range(options.rounds):
            for name, count in counts.items():
                run = _measure_one(cell, servers[name], count, options)
                runs[name].append(run)
                say(f"{cell.name}, round {number + 1}: {name} {told(run)}")
    return {name: tuple(each) for name, each in runs.items()}


def say(line: str) -> None:
    """Tell how far the benchmark is, beside the table on standard output."""
    print(line, file=sys.stderr, flush=True)


def _warm_up(cell: Cell, server: Server, options: Options) -> Load:
    """Return a short trial; the one before it filled pools and caches and is not counted."""
    first = _send(cell, server, max(1, _WARM_UP_REQUESTS // cell.connections), options)
    if first.errors:
        return first
    seconds = options.seconds * _TRIAL_SHARE
    return _send(cell, server, count_for(cell, first, seconds, options.max_run_bytes), options)


def _measure_one(cell: Cell, server: Server, count: int, options: Options) -> Run:
    os.sync()  # What the run before left to be written is not this one's burden.
    server.tidy()
    cpu_before_s = server.family.cpu_s()
    with watched(server.receivers()) as growth:
        load = _send(cell, server, count, options)
    cpu_s = server.family.cpu_s() - cpu_before_s
    return run_of(load, cpu_s=cpu_s, growth_bytes=growth.peak_growth_bytes)


def _send(cell: Cell, server: Server, count: int, options: Options) -> Load:
    volley = Volley(connections=cell.connections, requests=count, size=cell.size)
    return run_load(options.load, server.address, volley)


def count_for(cell: Cell, seen: Load, seconds: float, max_run_bytes: int) -> int:
    """Return how many requests per connection fill `seconds` at the rate that was seen."""
    wanted = seconds * seen.requests / seen.wall_s
    most = max_run_bytes / cell.size
    return max(1, round(min(wanted, most) / cell.connections))


def run_of(load: Load, *, cpu_s: float, growth_bytes: int) -> Run:
    """Return the run of a load, with what the server spent meanwhile."""
    return Run(
        requests=load.requests,
        wall_s=load.wall_s,
        cpu_s=cpu_s,
        growth_bytes=growth_bytes,
        p50_ms=load.p50_ms,
        p95_ms=load.p95_ms,
        p99_ms=load.p99_ms,
        errors=load.errors,
        first_error=load.first_error,
    )


def told(run: Run) -> str:
    """Return a line about a run."""
    if not run.is_valid:
        return f"answers wrongly: {run.first_error}"
    growth = run.growth_bytes / MIB
    return (
        f"{run.rate:.0f}/s, {run.requests} in {run.wall_s:.1f} s, "
        f"{run.cpu_ms:.2f} ms of CPU each, {growth:.0f} MiB"
    )
