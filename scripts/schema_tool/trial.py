"""One trial: schemathesis against a running archive, and what it counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
ALONE, CHAINED = "examples,coverage,fuzzing", "stateful"
_HOOKS: Final = "schema_tool.hooks"
_GRACE_SECONDS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How much is tried: `seconds` for each way, and of each operation so many cases."""

    seconds: int
    seed: int
    examples: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of a trial; `told` says what failed, and how."""

    who: str
    phases: str
    operations: int
    tested: int
    cases: int
    failures: int
    told: str = field(repr=False)

    @property
    def is_good(self) -> bool:
        """Tell whether all was called and nothing failed: what was not called is no pass.

        Chains are made only of operations whose answers lead to others.
        """
        least = 1 if self.phases == CHAINED else self.operations
        return self.failures == 0 and self.tested >= least > 0 and self.cases > 0


def run(url: str, folder: Path, asked: Asked, *, who: str, key: str, phases: str) -> Trial:
    """Try the API at `url` as the holder of `key`."""
    report = folder / f"{who}-{phases.partition(',')[0]}.json"
    # Taken here, since the tool gives a busy machine too little time for it.
    description = folder / "openapi.json"
    description.write_bytes(httpx.get(f"{url}/openapi.json", timeout=120).content)
    command = [
        *(sys.executable, "-P", "-m", "schemathesis.cli", "run", str(description), "--url", url),
        *("--header", f"Authorization: Bearer {key}"),
        *("--checks", ",".join(CHECKS), "--phases", phases, "--seed", str(asked.seed)),
        *("--max-examples", str(asked.examples), "--max-time", str(asked.seconds)),
        *("--continue-on-failure", "--no-color", "--warnings", "off", "--request-timeout", "30"),
        *("--suppress-health-check", "all", "--generation-database", "none"),
        *("--report", "json", "--report-json-path", str(report)),
    ]
    scripts = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(  # noqa: S603 - the tool of our own environment.
        command,
        cwd=folder,
        env=os.environ | {"SCHEMATHESIS_HOOKS": _HOOKS, "PYTHONPATH": scripts},
        capture_output=True,
        text=True,
        check=False,
        timeout=asked.seconds + _GRACE_SECONDS,
    )
    told = done.stdout + done.stderr
    if not report.is_file():
        raise RuntimeError(f"schemathesis ended with {done.returncode}\n{told[-5000:]}")
    found = json.loads(report.read_text(encoding="utf-8"))
    operations, cases = found["operations"], found["test_cases"]
    if operations is None:
        raise RuntimeError(f"schemathesis did not begin\n{told[-5000:]}")
    return Trial(
        who=who,
        phases=phases,
        operations=operations["selected"],
        tested=operations["tested"],
        cases=cases["generated"],
        failures=cases["unique_failures"] + operations["errored"] + len(found["errors"]),
        told=_failures(found, told),
    )


def _failures(report: Mapping[str, Any], told: str) -> str:
    failed = [f"{one['title']}: {', '.join(one['operations'])}" for one in report["failures"]]
    for heading in ("= ERRORS =", "= FAILURES ="):
        _, found, more = told.partition(heading)
        if found:
            return "\n".join([*failed, more])
    return "\n".join(failed)


def table(trials: list[Trial]) -> str:
    """Return the table of what was tried."""
    lines = [f"{'as':<11} {'phases':<27} {'operations':>11} {'cases':>7} {'failures':>9}"]
    lines += [
        f"{one.who:<11} {one.phases:<27} {one.tested:>5}/{one.operations:<5} {one.cases:>7,} "
        f"{one.failures:>9}"
        for one in trials
    ]
    return "\n".join(lines)
