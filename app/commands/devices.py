"""Commands around devices that send."""

from __future__ import annotations

import click

from app.commands.shared import ACTOR, open_archive, say
from app.identity import service as identity


@click.group()
def device() -> None:
    """Devices that send."""


@device.command("add")
@click.argument("name")
@click.option("--exchange", is_flag=True, help="A telephone exchange, whose log is evidence.")
@click.option("--json", "as_json", is_flag=True)
def device_add(name: str, *, exchange: bool, as_json: bool) -> None:
    """Make a device known; its key is the last line, shown this once."""
    with open_archive() as tools, tools.database.transaction() as session:
        key = identity.add_device(session, ACTOR, name, is_exchange=exchange, at=tools.clock.now())
    say(as_json, {"device": name, "key": key}, key)


@device.command("rotate")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def device_rotate(name: str, *, as_json: bool) -> None:
    """Give a device a new key; the old one works for seven more days."""
    with open_archive() as tools, tools.database.transaction() as session:
        key = identity.rotate_device(session, ACTOR, name, at=tools.clock.now())
    say(as_json, {"device": name, "key": key}, key)


@device.command("disable")
@click.argument("name")
def device_disable(name: str) -> None:
    """Take nothing more from a device."""
    with open_archive() as tools, tools.database.transaction() as session:
        identity.disable_device(session, ACTOR, name, at=tools.clock.now())
    click.echo(f"{name} is disabled.")
