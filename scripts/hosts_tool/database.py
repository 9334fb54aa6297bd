"""What runs on the host of the database: its server, started again whenever it is gone."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from app.embedded.errors import EmbeddedPostgresFailed
from app.embedded.postgres import EmbeddedPostgres


def main() -> None:
    server = EmbeddedPostgres(Path(sys.argv[1]))
    server.hold()
    while True:
        time.sleep(0.2)
        if not server.status().running:
            with suppress(EmbeddedPostgresFailed):
                server.ensure()


if __name__ == "__main__":
    main()
