"""Papers are printed beside the process that asks for them, within limits, and know no secret."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from app.core import printing
from app.core.printing import PrinterBusy, PrintingFailed

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))  # As the scripts themselves do.

from bench_tool.processes import rss_bytes  # Needs the line above.

ROWS = "".join(f"<tr><td>{n}</td><td>Звонок {n}</td><td>Белова</td></tr>" for n in range(400))
LONG = f"<h1>Отчёт</h1><table>{ROWS}</table>"
SHORT = "<h1>Отчёт</h1>"


def _printers() -> list[Path]:
    """Return the places in /proc of the programs that print for this process."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):
            for pid in (task / "children").read_text().split():
                command = Path(f"/proc/{pid}/cmdline")
                with suppress(FileNotFoundError):
                    if "printer.py" in command.read_text():
                        found.append(command.parent)
    return found


@contextmanager
def _printing(*, papers: int) -> Iterator[list[Path]]:
    """Have papers printed during the block, once it is seen that they are; give their printers."""
    threads = [threading.Thread(target=printing.pdf, args=([LONG] * 4,)) for _ in range(papers)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 30
    while len(found := _printers()) < papers:
        assert time.monotonic() < until, "nothing prints"
        time.sleep(0.01)
    yield found
    for thread in threads:
        thread.join()


def test_pages_become_one_paper(tmp_path: Path) -> None:
    path = tmp_path / "paper.pdf"
    path.write_bytes(printing.pdf([SHORT, "<p>Second page</p>"]))
    said = subprocess.run(  # noqa: S603 - a program of poppler-utils, no shell.
        ["pdftotext", str(path), "-"],  # noqa: S607 - wherever the system has it.
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    first, second, rest = said.split("\f")
    assert first.strip() == "Отчёт"
    assert second.strip() == "Second page"
    assert not rest


def test_a_long_paper_leaves_nothing_behind() -> None:
    printing.pdf([SHORT])
    before = rss_bytes(os.getpid())
    printing.pdf([LONG])
    # Laid out in this process it would take forty.
    assert rss_bytes(os.getpid()) - before < 5 * 2**20


def test_the_printer_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIATUR_DATABASE_URL", "postgresql://secret")
    with _printing(papers=1) as (printer,):
        told = (printer / "environ").read_bytes()
    assert b"PATH=" in told
    assert b"AUDIATUR" not in told


def test_a_paper_that_takes_too_long_is_ended() -> None:
    with pytest.raises(PrintingFailed, match="not done within"):
        printing.pdf([LONG] * 20, longest_s=0.7)
    assert _printers() == []
    assert printing.pdf([SHORT]).startswith(b"%PDF")


def test_whoever_comes_while_two_are_printed_is_told_to_come_again() -> None:
    with _printing(papers=2), pytest.raises(PrinterBusy):
        printing.pdf([SHORT], patience_s=0.01)
    assert printing.pdf([SHORT]).startswith(b"%PDF")


def test_what_broke_is_told_without_what_was_printed() -> None:
    with pytest.raises(PrintingFailed) as told:
        printing.pdf([])
    assert str(told.value) == "exit status 1: IndexError"
