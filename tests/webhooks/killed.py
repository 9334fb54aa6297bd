"""A sender that is killed after the answer and before its note: `killed.py URL FOLDER ENDPOINT`."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from uuid import UUID

from app.core.clock import SetClock
from app.core.db import Database
from app.custody.ledger import DetailCipher
from app.webhooks.sending import Sender
from tests.webhooks.office import Part, settings_of

if __name__ == "__main__":
    url, folder, endpoint, now = sys.argv[1:]
    database = Database(
        url, role="audiatur_app", info={"detail_cipher": DetailCipher(bytes(range(32)))}
    )
    clock = SetClock(datetime.fromisoformat(now))
    tools = Part(settings=settings_of(Path(folder)), database=database, clock=clock)
    Sender(tools, between=lambda: os.kill(os.getpid(), signal.SIGKILL)).send_one(UUID(endpoint))
