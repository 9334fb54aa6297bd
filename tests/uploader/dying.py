"""Run the uploader and kill it before one of its steps, chosen by number.

A step is a statement to the database, a byte to the archive, an answer of it, or a change of a
file. `python dying.py NUMBER COUNT_FILE WORDS…`: with a number past the last step it lives, and
writes into COUNT_FILE how many steps there were.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from app.uploader.main import main

STEPS = frozenset(
    {"execute", "__exit__", "fsync", "rename", "replace", "unlink", "link", "sendall", "recv_into"}
)
_count = 0


def _before(last: int) -> None:
    def watch(_frame: FrameType, event: str, argument: object) -> None:
        global _count  # noqa: PLW0603 - the one number that this program is about.
        if event == "c_call" and getattr(argument, "__name__", "") in STEPS:
            _count += 1
            if _count == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


if __name__ == "__main__":
    _before(int(sys.argv[1]))
    status = main(sys.argv[3:])
    sys.setprofile(None)
    Path(sys.argv[2]).write_text(str(_count))
    sys.exit(status)
