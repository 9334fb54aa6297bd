"""A server spares what lasts: a look for garbage does not hold requests up."""

from __future__ import annotations

import subprocess
import sys

_SERVED = """
import gc, os, signal
from fastapi import FastAPI
from app.core.server import serve
from app.embedded.supervisor import bind

def listening():
    print(gc.get_freeze_count() > len(gc.get_objects()), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

serve(FastAPI(), [bind("127.0.0.1", 0)], connections=10, listening=listening)
"""


def test_what_is_there_when_a_server_listens_is_not_looked_through_again() -> None:
    done = subprocess.run(  # noqa: S603 - this Python, and what stands above.
        [sys.executable, "-c", _SERVED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "True\n", done.stderr
