"""Read the source by bandit and by semgrep with our own rules; return 1 for what nobody explained.

What bandit finds is explained where its line says so to ruff, which has the same rules under the
letter S. semgrep's rules have to find each line of a sample first: rules that find nothing there
have read nothing here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
RULES: Final = ROOT / "scripts/audit_tool/rules.yaml"
SAMPLE: Final = ROOT / "scripts/audit_tool/sample.py.txt"
_READ: Final = ("app", "storage")
_LEAST_LINES: Final = 50_000
# `assert` in our code tells the type checker what is known; tests make sure that it is.
_NOT_ASKED: Final = ("B101", "B404", "B405")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that a tool has found."""

    path: str
    line: int
    what: str


def _ran(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - tools of our own environments.
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        raise SystemExit(f"{command[0]} ended with {done.returncode}\n{done.stderr}") from None


def is_explained(finding: dict[str, Any], lines: list[str]) -> bool:
    """Tell whether a line of what was found, or that before it, excuses this very rule to ruff."""
    rule = finding["test_id"].replace("B", "S", 1)
    first = max(0, min(finding["line_range"]) - 2)
    return any(
        re.search(rf"noqa: [A-Z0-9, ]*\b{rule}\b.* - ", line)
        for line in lines[first : max(finding["line_range"]) + 3]
    )


def bandit() -> tuple[int, int, list[Found]]:
    """Return how many lines were read, how many findings are explained, and the others."""
    told = _ran(
        [
            *(sys.executable, "-m", "bandit", "--quiet", "--recursive", *_READ),
            *("--skip", ",".join(_NOT_ASKED), "--format", "json", "--exit-zero"),
        ]
    )
    explained, left = 0, []
    for one in told["results"]:
        lines = (ROOT / one["filename"]).read_text(encoding="utf-8").splitlines()
        if is_explained(one, lines):
            explained += 1
        else:
            what = f"{one['test_id']} {one['issue_text']}"
            left.append(Found(path=one["filename"], line=one["line_number"], what=what))
    return told["metrics"]["_totals"]["loc"], explained, left


def semgrep(program: str, *places: str) -> tuple[int, list[Found]]:
    """Return how many files were read by our rules, and what they found."""
    told = _ran(
        [
            *(program, "scan", "--config", str(RULES), "--json", "--quiet", "--metrics=off"),
            *("--disable-version-check", "--no-git-ignore", *places),
        ]
    )
    if told["errors"]:
        raise SystemExit(json.dumps(told["errors"])[:3000])
    found = [
        Found(
            path=one["path"],
            line=one["start"]["line"],
            what=f"{one['check_id'].rpartition('.')[2]} {one['extra']['message']}",
        )
        for one in told["results"]
    ]
    return len(told["paths"]["scanned"]), found


def missed(program: str) -> set[str]:
    """Return the rules that do not find what they are for."""
    rules = set(re.findall(r"^  - id: (\S+)", RULES.read_text(encoding="utf-8"), re.MULTILINE))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "sample.py")
        place.write_text(SAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
        _, found = semgrep(program, str(place))
    return rules - {one.what.partition(" ")[0] for one in found}


def main(program: str) -> int:
    """Read everything with both tools, and print what was read and found."""
    if unfound := missed(program):
        print(f"rules that find nothing in the sample: {', '.join(sorted(unfound))}")
        return 1
    files, by_rules = semgrep(program, *_READ)
    lines, explained, by_bandit = bandit()
    for one in (*by_rules, *by_bandit):
        print(f"{one.path}:{one.line}: {one.what}")
    print(f"semgrep: {files} files, {len(by_rules)} found")
    print(f"bandit: {lines:,} lines, {explained} explained, {len(by_bandit)} found")
    return 1 if by_rules or by_bandit or lines < _LEAST_LINES or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
