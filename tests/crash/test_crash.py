"""The short form of the crash trial, on the real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHIN_SECONDS = 900


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    # The script's own Python is this one; what it does besides is to set up what is set up here.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "crash_tool.main", "--short"],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert done.stdout.splitlines()[-1] == "0 lost, 0 altered, 0 half", said
    for window in ("body", "fsync", "store", "transaction", "answer"):
        row = re.search(rf"^{window} .* (\d+)$", done.stdout, re.MULTILINE)
        assert row is not None, said
        assert int(row[1]) > 0, said
    assert list(tmp_path.iterdir()) == []
    # A trial that checked nothing would find nothing.
    checked = re.search(r"^checked: (\d+) acknowledged", done.stdout, re.MULTILINE)
    assert checked is not None, said
    assert int(checked[1]) >= 400, said
