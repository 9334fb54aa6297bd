"""The process of the public links."""

from __future__ import annotations

import click

from app import logs, settings
from app.processes import links


@click.command("run-public", hidden=True)
def run_public() -> None:
    """Serve the public links on sockets that were handed down."""
    found = settings.load()
    logs.configure(found.log_level)
    links.run(found)
