"""The process of the background jobs."""

from __future__ import annotations

import click

from app.commands.shared import settings_of_archive
from app.processes import working


@click.command()
def worker() -> None:
    """Do background jobs until stopped."""
    working.run(settings_of_archive())
