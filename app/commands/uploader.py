"""The uploader, under the archive's own command line; its words are its own."""

from __future__ import annotations

import sys

import click

from app.uploader import main


@click.group()
def uploader() -> None:
    """Bring a softphone's recordings to an archive, from the machine of the softphone."""


def _added(name: str, says: str) -> None:
    @uploader.command(
        name,
        help=says,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def run(words: tuple[str, ...]) -> None:
        sys.exit(main.main([name, *words]))


for _name, _says in main.COMMANDS.items():
    _added(_name, _says)
