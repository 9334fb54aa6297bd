"""Fuzz the parsers of the archive, the uploader and the verifier, each for a while.

An input that breaks a parser is kept in tests/attacks/found/TARGET, where a test reads it again
each time. The exit status is 1 if there is any, and if a parser was not read at all.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz_tool.targets import ROOT, TARGETS

FOUND: Final = ROOT / "tests/attacks/found"
_MOST_KEPT_BYTES: Final = 8192
_GRACE_SECONDS: Final = 600
_COVERED = re.compile(r"\bcov: (\d+)")
_KILLED: Final = 128 + signal.SIGKILL
_TOOK = re.compile(r"^Done \d+ runs in (\d+) second", re.MULTILINE)
_DONE = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An input that broke a parser."""

    raw: bytes
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one target. `covered` counts the edges of the code that were reached."""

    target: str
    executions: int
    covered: int
    seconds: float
    faults: tuple[Fault, ...]
    is_read: bool

    @property
    def is_good(self) -> bool:
        return self.is_read and self.executions > 0 and self.covered > 0 and not self.faults


def fuzz(target: str, *, seconds: int, seed: int) -> Result:
    """Fuzz one target in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        command = [sys.executable, "-P", "-m", "fuzz_tool.runner", target, place]
        done = _ran([*command, str(seconds), str(seed)], seconds + _GRACE_SECONDS)
        said = done.stdout + done.stderr
        figures = folder / "figures.json"
        told = json.loads(figures.read_text(encoding="utf-8")) if figures.is_file() else {}
        faults = tuple(_faults(folder / "faults", said))
        covered = [int(found) for found in _COVERED.findall(said)]
        executed = [int(found) for found in _DONE.findall(said)]
        # A fuzzer that leaves without a farewell has told its figures by its own lines alone.
        took = [float(found) for found in _TOOK.findall(said)]
        result = Result(
            target=target,
            executions=max([told.get("executions", 0), *executed]),
            covered=max(covered, default=0),
            seconds=max([told.get("seconds", 0.0), *took]),
            faults=faults,
            is_read=done.returncode == 0,
        )
        if not result.is_read and not faults:
            print(f"{target}: the fuzzer ended with {done.returncode}\n{said[-3000:]}", flush=True)
        return result


def _ran(command: list[str], seconds: int) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer; one that does not end is ended, and has read nothing.

    A program counts the most memory that its caller ever had as its own, which the fuzzer compares
    with its limit. One that `timeout` has begun in between does not.
    """
    limit = ["timeout", "--foreground", "--signal=KILL", str(seconds)]
    done = subprocess.run(  # noqa: S603 - our own runner.
        [*limit, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode in {-signal.SIGKILL, _KILLED}:
        return subprocess.CompletedProcess(command, -1, "", f"It did not end within {seconds} s.")
    return done


def _faults(folder: Path, said: str) -> Iterator[Fault]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.suffix == ".why":
            continue
        why = path.with_suffix(".why")
        words = why.read_text(encoding="utf-8") if why.is_file() else said[-3000:]
        # What hangs or fills the memory is kept by the fuzzer itself, under such a name.
        kind = f"{path.name.partition('-')[0]}: " if "-" in path.name else ""
        yield Fault(raw=path.read_bytes(), why=kind + words)


def keep(result: Result, found: Path = FOUND) -> list[Path]:
    """Keep the inputs that broke a parser; what is too large is said and not kept."""
    kept = []
    for fault in result.faults:
        if len(fault.raw) > _MOST_KEPT_BYTES:
            print(f"{result.target}: an input of {len(fault.raw)} bytes is too large to be kept")
            continue
        folder = found / result.target
        folder.mkdir(parents=True, exist_ok=True)
        name = fault.why.partition("\n")[0].lower()
        path = folder / (re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:80] + ".bin")
        path.write_bytes(fault.raw)
        kept.append(path)
    return kept


def table(results: Sequence[Result]) -> str:
    """Return the table of what was done."""
    lines = [f"{'target':<12} {'executions':>12} {'coverage':>9} {'seconds':>8} {'crashes':>8}"]
    lines += [
        f"{one.target:<12} {one.executions:>12,} {one.covered:>9,} {one.seconds:>8.0f} "
        f"{len(one.faults):>8}{'' if one.is_read or one.faults else '  not run'}"
        for one in results
    ]
    return "\n".join(lines)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=600, help="for each target (600)")
    parser.add_argument("--seed", type=int, help="the same seed draws the same; else a new one")
    parser.add_argument("--jobs", type=int, default=2, help="how many targets at once (2)")
    found = parser.parse_args(given)
    if unknown := [name for name in found.targets if name not in TARGETS]:
        parser.error(f"there is no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Fuzz what was asked for; return 1 if anything broke or was not read."""
    asked = _arguments(given)
    seed = asked.seed if asked.seed is not None else secrets.randbelow(1 << 31)
    names = asked.targets or list(TARGETS)
    print(f"seed {seed}, {asked.seconds} s for each of {len(names)} targets", flush=True)
    results = []
    with ThreadPoolExecutor(asked.jobs) as pool:
        running = [pool.submit(fuzz, name, seconds=asked.seconds, seed=seed) for name in names]
        for one in running:
            result = one.result()
            results.append(result)
            for path, fault in zip(keep(result), result.faults, strict=False):
                print(f"\n{result.target}: {path.relative_to(ROOT)}\n{fault.why}", flush=True)
    print(table(results))
    return 0 if all(one.is_good for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
