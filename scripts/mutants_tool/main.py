"""Mutation testing of the pure decision: which small changes of it no test notices.

The rules and their pure tests are copied to a folder of their own, so that nothing here changes and
a mutant needs no database. The random properties are left out: what no named example notices is
told. Survivors are compared with docs/mutants.md by what they change, not by their number, which
changes with every line of the code.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "docs" / "mutants.md"
ROOM = Path("app/consent")
MODULES = ("rules", "gates", "grounds", "states", "spans", "purposes", "packs")
TESTS = (
    "test_decision_table",
    "test_edges",
    "test_rules",
    "test_packs",
    "test_proof",
    "test_reasons",
)
_SETTINGS = """
[mutmut]
source_paths=app
only_mutate=
{modules}
also_copy=
    storage
    tests
pytest_add_cli_args=
    -p
    no:cacheprovider
    --assert=plain
    -p
    no:xdist
pytest_add_cli_args_test_selection=
    tests/consent
timeout_constant=3
timeout_multiplier=2
"""
_CONFTEST = '''
def pytest_collection_modifyitems(items):
    """Leave the random properties out: each would run hundreds of cases for every mutant."""
    named = [i for i in items if not i.name.startswith("test_decision_") or "[" in i.name]
    items[:] = named
'''
# How the test run of a mutant ended. Source: mutmut 3, its states by exit code.
_KILLED, _SURVIVED = frozenset({1, 3}), frozenset({0})
_UNTESTED, _TIMED_OUT = frozenset({5, 33}), frozenset({24, 36, 152, 255, -24})
_NUMBER = re.compile(r"__mutmut_\d+$")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A small change of one function, and how the tests ended with it."""

    module: str
    function: str
    change: str
    end: str

    @property
    def place(self) -> str:
        return f"{self.module}.{self.function}"


def lay_out(folder: Path) -> None:
    """Copy what a run needs to `folder`."""
    for name in ("app", "storage"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    tests = folder / "tests" / "consent"
    tests.mkdir(parents=True)
    (folder / "tests" / "__init__.py").touch()
    for name in ("__init__", "worlds", *TESTS):
        shutil.copy(ROOT / "tests" / "consent" / f"{name}.py", tests)
    (tests / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    modules = "\n".join(f"    {ROOM / name}.py" for name in MODULES)
    (folder / "setup.cfg").write_text(_SETTINGS.format(modules=modules), encoding="utf-8")


def run(folder: Path, children: int) -> None:
    """Let mutmut try every mutant; its own talk goes to a file beside them."""
    command = [
        str(Path(sys.executable).with_name("mutmut")),
        "run",
        "--max-children",
        str(children),
    ]
    with (folder / "run.log").open("wb") as log:
        done = subprocess.run(  # noqa: S603 - our own words.
            command,
            cwd=folder,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise SystemExit((folder / "run.log").read_text(errors="replace")[-3000:])


def _bodies(source: str) -> dict[str, list[str]]:
    """Return the lines of every function by name, without the line of its name."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            text = ast.get_source_segment(source, node) or ""
            found[node.name] = [line.strip() for line in text.splitlines() if "def " not in line]
    return found


def _change(before: list[str], after: list[str]) -> str:
    """Return what is other in `after`, on one line."""
    lines = [
        line
        for line in difflib.unified_diff(before, after, n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]
    gone = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    come = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    return f"{gone} → {come}"


def _end(code: int | None) -> str:
    ends = (
        ("killed", _KILLED),
        ("survived", _SURVIVED),
        ("untested", _UNTESTED),
        ("timeout", _TIMED_OUT),
    )
    return next((name for name, codes in ends if code in codes), f"broken ({code})")


def mutants(folder: Path) -> Iterator[Mutant]:
    """Return every mutant of a run that is over."""
    for module in MODULES:
        path = folder / "mutants" / ROOM / f"{module}.py"
        told = path.with_name(f"{module}.py.meta")
        if not told.exists():
            continue  # A module without a function has no mutant.
        bodies = _bodies(path.read_text(encoding="utf-8"))
        codes = json.loads(told.read_text(encoding="utf-8"))["exit_code_by_key"]
        for key, code in codes.items():
            name = key.rpartition(".")[2]
            original = _NUMBER.sub("__mutmut_orig", name)
            yield Mutant(
                module=module,
                function=_NUMBER.sub("", name).removeprefix("x").strip("ǁ_").replace("ǁ", "."),
                change=_change(bodies.get(original, []), bodies.get(name, [])),
                end=_end(code),
            )


def listed(text: str) -> dict[tuple[str, str], str]:
    """Return the reasons of docs/mutants.md by place and change."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 3:  # noqa: PLR2004 - place, change, reason.
            found[cells[0].strip("`"), cells[1].strip("`")] = cells[2]
    return found


def written(mutant: Mutant) -> tuple[str, str]:
    """Return place and change as a cell of a table can hold them."""
    return mutant.place, mutant.change.replace("|", "¦").replace("`", "'")


def report(found: list[Mutant], known: dict[tuple[str, str], str]) -> int:
    """Print the figures and what is not explained; return the exit status."""
    ends = Counter(one.end for one in found)
    for module in MODULES:
        of_module = Counter(one.end for one in found if one.module == module)
        told = ", ".join(f"{name} {number}" for name, number in sorted(of_module.items()))
        print(f"{module}: {told or 'no function, no mutant'}")
    left = [one for one in found if one.end not in {"killed", "timeout"}]
    open_ones = sorted({written(one) for one in left if written(one) not in known})
    for place, change in open_ones:
        print(f"not explained: {place}: {change}")
    for place, change in sorted(set(known) - {written(one) for one in left}):
        print(f"explained and not there: {place}: {change}")
    print(
        f"mutants {len(found)}, killed {ends['killed']}, survived {ends['survived']}, "
        f"untested {ends['untested']}, timeout {ends['timeout']}, not explained {len(open_ones)}"
    )
    return 1 if open_ones else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=__doc__)
    parser.add_argument("--children", type=int, default=2, help="how many mutants at once")
    parser.add_argument("--keep", type=Path, help="work in this new folder, and leave it there")
    asked = parser.parse_args()
    known = listed(LIST.read_text(encoding="utf-8")) if LIST.exists() else {}
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="audiatur-mutants-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lay_out(folder)
        run(folder, asked.children)
        return report(list(mutants(folder)), known)
    finally:
        if asked.keep is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
