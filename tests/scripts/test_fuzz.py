"""The fuzzer reads each parser, keeps what breaks one, and what was not read is no pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/fuzz itself does.

from fuzz_tool import main  # noqa: E402  # Needs the line above.
from fuzz_tool.main import Fault, Result, fuzz, keep, table  # noqa: E402  # The same.
from fuzz_tool.targets import TARGETS  # noqa: E402  # The same.

pytest.importorskip("atheris", reason="atheris is made for Linux")


def result(*faults: Fault, executions: int = 5, covered: int = 3, is_read: bool = True) -> Result:
    return Result(
        target="tus",
        executions=executions,
        covered=covered,
        seconds=1.0,
        faults=faults,
        is_read=is_read,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_each_parser_is_read_and_none_breaks(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'scripts'}:{ROOT}")
    found = fuzz(target, seconds=2, seed=1)
    assert found.is_good, (found, [fault.why for fault in found.faults])


def test_a_fuzzer_that_does_not_end_is_ended() -> None:
    done = main._ran([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(99)"], 1)
    assert (done.returncode, done.stderr) == (-1, "It did not end within 1 s.")


def test_the_memory_of_the_caller_is_not_the_fuzzers() -> None:
    asks = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    calls = f"""
import sys
large = bytearray(b"x") * (400 * 2**20)
del large
from fuzz_tool.main import _ran
print(_ran([sys.executable, "-c", {asks!r}], 60).stdout)
"""
    done = subprocess.run(  # noqa: S603 - our own words.
        [sys.executable, "-c", calls],
        env={"PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT}", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 300


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_is_read_or_refused(target: str) -> None:
    ready = TARGETS[target].prepare()
    seeds = list(TARGETS[target].seeds())
    assert seeds
    for raw in seeds:
        try:
            ready.one(raw)
        except ready.refuses:
            continue


def test_what_broke_is_kept_and_fails(tmp_path: Path) -> None:
    broken = result(Fault(raw=b"x", why="ValueError a.py:1\n\nTraceback"))
    assert not broken.is_good
    (kept,) = keep(broken, tmp_path)
    assert (kept.name, kept.read_bytes()) == ("valueerror-a-py-1.bin", b"x")
    assert keep(result(Fault(raw=bytes(10_000), why="x")), tmp_path) == []


@pytest.mark.parametrize(
    "nothing", [result(executions=0), result(covered=0), result(is_read=False)]
)
def test_a_run_that_read_nothing_is_no_pass(nothing: Result) -> None:
    assert not nothing.is_good
    assert result().is_good


def test_the_table_names_what_was_done() -> None:
    assert "not run" in table([result(is_read=False)])
    assert table([result()]).splitlines()[1].split() == ["tus", "5", "3", "1", "0"]


def test_an_unknown_parser_is_refused() -> None:
    with pytest.raises(SystemExit):
        main.main(["nothing"])
