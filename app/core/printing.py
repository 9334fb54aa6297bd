"""Pages become a PDF in a process of its own, which fetches nothing and ends with the paper.

A paper of four hundred lines takes forty MiB while it is laid out, of which a process that goes on
gives back little, and a second and a half in which an interpreter does nothing else. See the
decision record 0050.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.core.errors import Unavailable

_PROGRAM: Final = Path(__file__).with_name("printer.py")
_LONGEST_S: Final = 60.0
_PATIENCE_S: Final = 15.0
# Who waits holds one of the threads that answer everybody else.
_AT_ONCE: Final = threading.BoundedSemaphore(2)
# Fontconfig looks for its settings and keeps its index by these; no secret is among them.
_TOLD: Final = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "FONTCONFIG_FILE")


class PrinterBusy(Unavailable):
    """Other papers are being printed; ask again in a moment."""


class PrintingFailed(Exception):
    """The pages did not become a paper; the words tell nothing of what they say."""


def pdf(
    pages: Sequence[str], *, longest_s: float = _LONGEST_S, patience_s: float = _PATIENCE_S
) -> bytes:
    """Return HTML pages as one PDF, each on a sheet of its own.

    What a page asks for outside of itself is left out. Two papers are printed at once, others wait.

    Raises:
        PrinterBusy: it was not begun within `patience_s`.
        PrintingFailed: it was not done within `longest_s`, or broke off.
    """
    if not _AT_ONCE.acquire(timeout=patience_s):
        raise PrinterBusy
    try:
        done = subprocess.run(  # noqa: S603 - a program of our own, no shell.
            # Isolated, so that neither this folder nor the caller's hides a library from it.
            [sys.executable, "-I", str(_PROGRAM)],
            input=json.dumps(list(pages)).encode(),
            capture_output=True,
            check=False,
            timeout=longest_s,
            env={name: os.environ[name] for name in _TOLD if name in os.environ},
        )
    except subprocess.TimeoutExpired as exc:
        raise PrintingFailed(f"not done within {longest_s} s") from exc
    finally:
        _AT_ONCE.release()
    if done.returncode:
        raise PrintingFailed(f"exit status {done.returncode}: {_kind_of_error(done.stderr)}")
    return done.stdout


def _kind_of_error(said: bytes) -> str:
    """Return the kind of the error that a traceback ends with, without what it says of."""
    lines = said.decode(errors="replace").split("\n")
    return next((line.partition(":")[0] for line in reversed(lines) if line.strip()), "")
