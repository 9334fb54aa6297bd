"""Files that only their owner reads, written by several at once."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.wiring import write_private


def test_a_file_that_several_write_at_once_is_one_of_theirs(tmp_path: Path) -> None:
    path = tmp_path / "database-url"
    texts = [f"{number}" * 2000 for number in range(8)]

    def write(text: str) -> None:
        for _ in range(50):
            write_private(path, text)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write, text) for text in texts]:
            done.result()
    assert path.read_text() in texts
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
