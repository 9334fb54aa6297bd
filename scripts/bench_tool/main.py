"""Print how fast the archive is beside its limits: `scripts/bench [PART] [--profile ci]`.

Figures are ratios in one run and are printed, not judged: the exit code is 0 whatever they are.
`all` ends with the table of all targets; `table FILE` prints it from what `--json FILE` has kept,
and `--write DOCUMENT` puts it between the marks of a document.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from bench_tool import (
    audit,
    bundle,
    fixity,
    ingest,
    inspect,
    memory,
    notice,
    pages,
    peers,
    playback,
    queue,
    search,
    slow,
    targets,
    tx,
)
from bench_tool.figures import MIB
from bench_tool.native import BenchmarkFailed, compile_programs
from bench_tool.parts import NotWanted, Part, Section
from bench_tool.rounds import Options, say
from bench_tool.targets import Line

PARTS: dict[str, Part] = {
    "ingest": ingest,
    "peers": peers,
    "memory": memory,
    "slow": slow,
    "tx": tx,
    "queue": queue,
    "audit": audit,
    "inspect": inspect,
    "playback": playback,
    "bundle": bundle,
    "fixity": fixity,
    "notice": notice,
    "pages": pages,
    "search": search,
}
_ALL, _TABLE = "all", "table"
# No target stands on them, and they take long: they are asked for by name.
_ASKED_BY_NAME = frozenset({"queue", "pages"})
_FEWEST_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Profile:
    rounds: int
    seconds: float
    max_run_bytes: int
    is_short: bool


_PROFILES = {
    "normal": _Profile(rounds=_FEWEST_ROUNDS, seconds=3, max_run_bytes=4096 * MIB, is_short=False),
    "ci": _Profile(rounds=2, seconds=0.8, max_run_bytes=1024 * MIB, is_short=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What a run has found, and why a part has found nothing."""

    sections: dict[str, Section]
    reasons: dict[str, str]

    def table(self) -> list[Line]:
        """Return the lines of all targets."""
        found = [line for section in self.sections.values() for line in section.lines]
        return targets.whole(found, self.reasons)


def main(arguments: Sequence[str]) -> int:
    """Run the parts that are asked for; return the exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if (asked.part == _TABLE) != (asked.file is not None):
        parser.error("table needs the file that --json has written, and nothing else takes one")
    if asked.part == _TABLE:
        return _tell(asked)
    signal.signal(signal.SIGTERM, _end)
    began, machine = time.monotonic(), _machine()
    print(machine, flush=True)
    try:
        measured = _measure(asked)
    except BenchmarkFailed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    kept = {
        "machine": machine,
        "command": shlex.join(["scripts/bench", *arguments]),
        "parts": {name: section.values for name, section in measured.sections.items()},
        "table": [line.as_json() for line in measured.table()],
    }
    if asked.part == _ALL:
        print(f"\n## All targets\n\n{_table_of(kept)}", flush=True)
    say(f"All in {time.monotonic() - began:.0f} s.")
    if asked.json:
        asked.json.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    if asked.write:
        _write(asked.write, kept)
    return 0


def _tell(asked: argparse.Namespace) -> int:
    """Print the table that a run has kept, and put it into the document."""
    kept = json.loads(asked.file.read_text(encoding="utf-8"))
    print(_table_of(kept))
    if asked.write:
        _write(asked.write, kept)
    return 0


def _write(document: Path, kept: Mapping[str, Any]) -> None:
    written = targets.written_into(document.read_text(encoding="utf-8"), _table_of(kept))
    document.write_text(written, encoding="utf-8")


def _table_of(kept: Mapping[str, Any]) -> str:
    lines = [Line(**line) for line in kept["table"]]
    return f"{kept['machine']}. `{kept['command']}`:\n\n{targets.shown(lines)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("part", nargs="?", default=_ALL, choices=[*PARTS, _ALL, _TABLE])
    parser.add_argument("file", nargs="?", type=Path, help="of table: what --json has written")
    parser.add_argument(
        "--profile", choices=_PROFILES, default="normal", help="ci: under 3 minutes"
    )
    parser.add_argument("--rounds", type=int, help=f"normally {_FEWEST_ROUNDS} or more")
    parser.add_argument("--seconds", type=float, help="length of one run")
    parser.add_argument(
        "--full", action="store_true", help="as many notices as scripts/notice-bench takes"
    )
    parser.add_argument("--rows", type=int, help="recordings of search, if not 1,000,000")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="fill the archives of search there, leave them, and take them again the next time",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument(
        "--write", type=Path, metavar="DOCUMENT", help="put the table between its marks"
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="on the disk to measure; up to 25 GiB are used and given back",
    )
    return parser


def _measure(asked: argparse.Namespace) -> _Measured:
    """Measure the parts that are asked for. Of all of them one may fail, and says so in its rows.

    Raises:
        BenchmarkFailed: nothing can be measured, or the one part that was asked for.
    """
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
            with_long_cells=asked.full or not profile.is_short,
            is_short=profile.is_short,
            is_full=asked.full,
            rows=asked.rows,
            keep=asked.keep,
        )
        return _measured(asked.part, options)


def _measured(asked: str, options: Options) -> _Measured:
    measured = _Measured(sections={}, reasons=_reasons(asked))
    for name, part in PARTS.items():
        if asked != name and (asked != _ALL or name in _ASKED_BY_NAME):
            continue
        began = time.monotonic()
        try:
            section = part.run(options)
        except NotWanted as why:
            measured.reasons[name] = str(why)
            print(f"\n## {name}: not measured: {why}", flush=True)
            continue
        except Exception as failure:
            if asked != _ALL:
                raise
            # What broke one part must not take away the hours of the others.
            told = str(failure) or type(failure).__name__
            measured.reasons[name] = f"it failed, {told.splitlines()[0]}"
            print(f"\n## {name}: it failed: {told}", flush=True)
            if not isinstance(failure, BenchmarkFailed):
                traceback.print_exc()
            continue
        # Whoever breaks it off has the tables that were done.
        print(f"\n## {section.title}\n\n{section.text}", flush=True)
        say(f"{name}: {time.monotonic() - began:.0f} s")
        measured.sections[name] = section
    return measured


def _reasons(part: str) -> dict[str, str]:
    """Return why a target has no figure where nothing else is known."""
    parts = {wanted.part for wanted in targets.TARGETS.values()}
    if part == _ALL:
        return dict.fromkeys(parts - PARTS.keys(), "no part measures it")
    return dict.fromkeys(parts - {part}, "another part was asked for")


def _room(directory: Path, rounds: int) -> int:
    """Return how much a run may write, so that half of what is free stays free.

    Ours keeps the runs of a whole cell, two for the warm-up among them; each other keeps one.
    """
    others, warm_ups = 2, 2
    return shutil.disk_usage(directory).free // 2 // (rounds + warm_ups + others)


def _machine() -> str:
    python = f"Python {platform.python_version()}"
    told = f"{os.cpu_count()} processors, Linux {platform.release()}, {python}"
    return f"{told}, load {os.getloadavg()[0]:.1f} before"


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
