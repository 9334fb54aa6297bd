"""Commands around telephony providers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from app.commands.shared import ACTOR, open_archive, say
from app.providers import service
from app.providers.models import Kind
from app.providers.schemas import ProviderWrite

_SECRETS = (
    "Its secrets as lines NAME=VALUE on standard input, so that no list of processes has them."
)


@click.group(epilog=_SECRETS)
def provider() -> None:
    """Telephony services that send notices, and whose media is fetched."""


@provider.command("add")
@click.argument("name")
@click.option("--kind", type=click.Choice([str(kind) for kind in Kind]), required=True)
@click.option("--url", "public_url", required=True, help="How the service reaches this archive.")
@click.option("--host", "hosts", multiple=True, help="A host of its media, as api.example.com.")
@click.option("--direction", default="inbound", help="Of calls whose direction is not told.")
@click.option(
    "--mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A JSON file."
)
@click.option("--json", "as_json", is_flag=True)
def add(  # noqa: PLR0913 - one parameter for each option.
    name: str,
    kind: str,
    public_url: str,
    hosts: tuple[str, ...],
    direction: str,
    mapping: Path | None,
    *,
    as_json: bool,
) -> None:
    """Make a connection; secrets come from standard input. Its address is the last line."""
    said: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "public_url": public_url,
        "secrets": _secrets(),
        "media_hosts": hosts,
        "direction": direction,
    }
    try:
        if mapping is not None:
            said["mapping"] = json.loads(mapping.read_text(encoding="utf-8"))
        body = ProviderWrite.model_validate(said)
    except ValidationError as exc:
        wrong = exc.errors(include_input=False, include_url=False)[0]
        where = "/".join(map(str, wrong["loc"]))
        raise click.ClickException(f"{where}: {wrong['msg']}") from exc
    except ValueError as exc:
        raise click.ClickException(f"{mapping}: no JSON: {exc}") from exc
    with open_archive() as tools, tools.database.transaction() as session:
        account = service.add(session, ACTOR, body, at=tools.clock.now())
        address = f"{account.public_url}/hooks/{account.id}"
    say(as_json, {"provider": name, "id": str(account.id), "address": address}, address)


@provider.command("list")
@click.option("--json", "as_json", is_flag=True)
def list_(*, as_json: bool) -> None:
    """Show the connections, and what became of their messages and recordings."""
    with open_archive() as tools, tools.database.transaction() as session:
        rows = service.seen(session)
        facts = [
            {
                "provider": one.account.name,
                "kind": one.account.kind,
                "address": f"{one.account.public_url}/hooks/{one.account.id}",
                "removed": one.account.removed_at is not None,
                "notices": dict(one.notices),
                "media": dict(one.media),
            }
            for one in rows
        ]
    if as_json:
        click.echo(json.dumps(facts))
        return
    for one in facts:
        counts = " ".join(f"{name}={n}" for name, n in dict(one["media"]).items() if n)  # type: ignore[call-overload]  # a mapping, as above
        gone = " removed" if one["removed"] else ""
        click.echo(f"{one['provider']} {one['kind']}{gone} {one['address']} {counts}".rstrip())


@provider.command("rotate")
@click.argument("name")
def rotate(name: str) -> None:
    """Give a connection other secrets, from standard input; the old ones count for another day."""
    secrets = _secrets()
    with open_archive() as tools, tools.database.transaction() as session:
        account = service.named(session, name)
        service.rotate(session, ACTOR, account.id, secrets, at=tools.clock.now())
    click.echo(f"{name} has other secrets.")


@provider.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Take nothing more from a connection."""
    with open_archive() as tools, tools.database.transaction() as session:
        account = service.named(session, name)
        service.remove(session, ACTOR, account.id, at=tools.clock.now())
    click.echo(f"{name} is removed.")


def _secrets() -> dict[str, str]:
    found = {}
    for number, line in enumerate(sys.stdin, start=1):
        name, equals, value = line.strip().partition("=")
        if not line.strip():
            continue
        if not equals or not name.strip() or not value.strip():
            raise click.ClickException(f"line {number} of the secrets is not NAME=VALUE")
        found[name.strip()] = value.strip()
    return found
