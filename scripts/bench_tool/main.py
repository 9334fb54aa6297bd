"""Print how fast the archive is beside its limits: `scripts/bench [PART] [--profile ci]`.

Figures are ratios in one run and are printed, not judged: the exit code is 0 whatever they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bench_tool import audit, bundle, fixity, ingest, inspect, memory, pages, queue
from bench_tool.figures import MIB
from bench_tool.native import BenchmarkFailed, compile_programs
from bench_tool.parts import Part, Section
from bench_tool.rounds import Options

PARTS: dict[str, Part] = {
    "ingest": ingest,
    "memory": memory,
    "queue": queue,
    "inspect": inspect,
    "audit": audit,
    "bundle": bundle,
    "fixity": fixity,
    "pages": pages,
}
_ALL = "all"
_FEWEST_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Profile:
    rounds: int
    seconds: float
    max_run_bytes: int
    is_short: bool


_PROFILES = {
    "normal": _Profile(rounds=_FEWEST_ROUNDS, seconds=3, max_run_bytes=4096 * MIB, is_short=False),
    "ci": _Profile(rounds=3, seconds=0.8, max_run_bytes=1024 * MIB, is_short=True),
}


def main(arguments: Sequence[str]) -> int:
    """Run the parts that are asked for; return the exit code."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    print(_machine(), flush=True)
    try:
        sections = _measure(asked)
    except BenchmarkFailed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    if asked.json:
        values = {
            name: section.values for name, section in zip(_names(asked), sections, strict=True)
        }
        asked.json.write_text(json.dumps({"machine": _machine(), "parts": values}, indent=2) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("part", nargs="?", default=_ALL, choices=[*PARTS, _ALL])
    parser.add_argument(
        "--profile", choices=_PROFILES, default="normal", help="ci: under 3 minutes"
    )
    parser.add_argument("--rounds", type=int, help=f"normally {_FEWEST_ROUNDS} or more")
    parser.add_argument("--seconds", type=float, help="length of one run")
    parser.add_argument("--full", action="store_true", help="the 100 MiB cell too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="on the disk to measure; up to 25 GiB are used and given back",
    )
    return parser


def _names(asked: argparse.Namespace) -> list[str]:
    return list(PARTS) if asked.part == _ALL else [asked.part]


def _measure(asked: argparse.Namespace) -> list[Section]:
    profile = _PROFILES[asked.profile]
    # The account of an embedded Postgres must be able to pass through to its own folder.
    with tempfile.TemporaryDirectory(prefix="audiatur-bench-", dir=asked.directory) as name:
        directory = Path(name)
        directory.chmod(0o711)
        programs = compile_programs(directory / "programs")
        rounds = asked.rounds or profile.rounds
        options = Options(
            directory=directory,
            load=programs.load,
            reference=programs.reference,
            rounds=rounds,
            seconds=asked.seconds or profile.seconds,
            max_run_bytes=min(profile.max_run_bytes, _room(directory, rounds)),
            with_long_cells=asked.full,
            is_short=profile.is_short,
        )
        sections = []
        for part in _names(asked):
            section = PARTS[part].run(options)
            # Whoever breaks it off has the tables that were done.
            print(f"\n## {section.title}\n\n{section.text}", flush=True)
            sections.append(section)
        return sections


def _room(directory: Path, rounds: int) -> int:
    """Return how much a run may write, so that half of what is free stays free.

    Ours keeps the runs of a whole cell, two for the warm-up among them; each other keeps one.
    """
    others, warm_ups = 2, 2
    return shutil.disk_usage(directory).free // 2 // (rounds + warm_ups + others)


def _machine() -> str:
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} processors, Linux {platform.release()}, {python}"


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
