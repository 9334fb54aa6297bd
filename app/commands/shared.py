"""What commands share: the settings, an open archive, and how results are said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from app import logs, settings
from app.identity.actor import Actor
from app.settings import Settings
from app.tools import Tools
from app.wiring import database_urls, open_tools, prepare

ACTOR = Actor.system("command line")


def settings_of(**overrides: Any) -> Settings:  # noqa: ANN401 - pydantic checks them.
    """Return the settings, and log as they say."""
    found = settings.load(**overrides)
    logs.configure(found.log_level)
    return found


def settings_of_archive() -> Settings:
    """Return the settings where there is an archive: none is begun by a mistyped folder."""
    found = settings_of()
    if found.database_url is None and not (found.data / "postgres").is_dir():
        folder = found.data.resolve()
        raise click.ClickException(
            f"{folder} holds no archive: name its folder in AUDIATUR_DATA, "
            f"or begin one there with `audiatur serve --data {folder}`"
        )
    return found


@contextmanager
def open_archive() -> Iterator[Tools]:
    """Open what commands work with, as the settings say."""
    found = settings_of_archive()
    with database_urls(found) as urls:
        prepare(found, urls)
        with open_tools(found, urls) as tools:
            yield tools


def say(as_json: bool, facts: dict[str, object], line: str) -> None:  # noqa: FBT001 - a flag of the command line.
    """Print what was done, for programs or for people."""
    click.echo(json.dumps(facts) if as_json else line)
