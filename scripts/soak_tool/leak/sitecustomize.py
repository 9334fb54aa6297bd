"""A leak put into the web process on purpose: Python loads this where `--leak` leads its path here.

Nothing of the archive knows it. It stands outside its code so that no switch for it is in there.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time

_KINDS = frozenset(os.environ.get("SOAK_LEAK", "").split())
_EVERY_S = 1.0
_BYTES = 512 * 1024
_kept: list[object] = []


def _leak() -> None:
    while True:
        time.sleep(_EVERY_S)
        if "memory" in _KINDS:
            _kept.append(os.urandom(_BYTES))
        if "sockets" in _KINDS:
            _kept.append(socket.socketpair())
        if "files" in _KINDS:
            _kept.append(tempfile.NamedTemporaryFile())  # noqa: SIM115 - kept open on purpose.
        if "threads" in _KINDS:
            threading.Thread(target=threading.Event().wait, daemon=True).start()


if _KINDS and "run-web" in sys.orig_argv:
    threading.Thread(target=_leak, daemon=True).start()
