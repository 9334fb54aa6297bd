"""What is printed again and again takes no more memory each time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))  # As the scripts themselves do.

from bench_tool.processes import rss_bytes  # Needs the line above.

from app.disputes.papers import printed  # The same.

PAGE = "<h1>Отчёт</h1>" + "".join(f"<p>Строка {number} о звонке</p>" for number in range(60))


def test_papers_leave_nothing_behind() -> None:
    for _ in range(10):
        assert printed(PAGE).startswith(b"%PDF-")
    before = rss_bytes(os.getpid())
    for _ in range(60):
        printed(PAGE)
    # With fonts of its own each, they would have kept fifteen.
    assert rss_bytes(os.getpid()) - before < 5 * 2**20
