"""The process of the web."""

from __future__ import annotations

import click

from app.commands.shared import settings_of
from app.processes import web


@click.command("run-web", hidden=True)
def run_web() -> None:
    """Serve the archive on sockets that were handed down."""
    web.run(settings_of())
