"""A running archive with a little of everything, to be tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.embedded.postgres import EmbeddedPostgres, grant_roles
from app.inspection.sandbox import Sandbox
from app.migrate import migrate
from tests.factories import wav
from tests.live import Live, live_archive, metadata


@contextmanager
def archive(folder: Path) -> Iterator[Live]:
    """Run an archive of its own in `folder`."""
    server = EmbeddedPostgres(folder / "postgres")
    cluster = server.hold()
    try:
        migrate(cluster.owner_url)
        grant_roles(cluster)
        with live_archive(folder, cluster.web_url, Sandbox.detect()) as live:
            furnish(live)
            yield live
    finally:
        server.release_and_maybe_stop()


def furnish(live: Live) -> None:
    """Keep a client, an event and a recording, so that something is found."""
    live.put_client("C-1", "+74950008414")
    live.put_event("E-1", "C-1", "2026-11-20T10:00:00+03:00")
    live.send(metadata("c1"), wav(0.5)).raise_for_status()
    live.work()
