"""Starting the archive, and bringing its database up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from app.commands.shared import settings_of
from app.processes import links, supervised
from app.wiring import database_urls, prepare


@click.command()
@click.option("--host", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port of the archive; 0 takes a free one."
)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of everything kept here.")
@click.option("--public", "is_public", is_flag=True, help="Serve the public links alone.")
def serve(host: str | None, port: int | None, data: Path | None, *, is_public: bool) -> None:
    """Start the archive: Postgres and store if none are configured, web, links and worker."""
    if is_public:
        links.serve_alone(settings_of(host=host, public_port=port, data=data))
        return
    sys.exit(supervised.serve(settings_of(host=host, port=port, data=data)))


@click.command()
def migrate() -> None:
    """Bring the database up to date."""
    found = settings_of()
    with database_urls(found) as urls:
        prepare(found, urls)
    click.echo("The database is up to date.")
