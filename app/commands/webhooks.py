"""Commands around webhooks."""

from __future__ import annotations

import json
from uuid import UUID

import click

from app.commands.shared import ACTOR, open_archive, say
from app.webhooks import queries, sending, service
from app.webhooks.models import Kind
from app.webhooks.schemas import EndpointRead
from app.webhooks.service import Asked


@click.group()
def webhook() -> None:
    """Endpoints of other systems that are told what happens."""


@webhook.command("add")
@click.argument("name")
@click.argument("url")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([str(kind) for kind in Kind]),
    help="What it is told of, more than once if wanted; everything without it.",
)
@click.option("--json", "as_json", is_flag=True)
def webhook_add(name: str, url: str, *, kinds: tuple[str, ...], as_json: bool) -> None:
    """Tell an endpoint what happens; its secret is the last line, shown this once."""
    with open_archive() as tools, tools.database.transaction() as session:
        row, secret = service.add(
            session,
            ACTOR,
            Asked(name=name, url=url, kinds=[Kind(kind) for kind in kinds] or list(Kind)),
            policy=sending.policy_of(tools.settings),
            at=tools.clock.now(),
        )
        facts: dict[str, object] = {"webhook": name, "id": str(row.id), "secret": secret}
    say(as_json, facts, secret)


@webhook.command("list")
@click.option("--json", "as_json", is_flag=True)
def webhook_list(*, as_json: bool) -> None:
    """List the endpoints, and how many deliveries stand how."""
    with open_archive() as tools, tools.database.transaction() as session:
        rows = [
            EndpointRead.of(row, queries.counts_of(session, row.id))
            for row in queries.endpoints(session)
        ]
    for row in rows:
        if as_json:
            click.echo(json.dumps(row.model_dump(mode="json")))
        else:
            click.echo(
                f"{row.name}  {row.url}  {row.state}  {row.waiting} waiting"
                f" ({row.failing} in vain so far), {row.delivered} delivered, {row.dead} given up"
            )


@webhook.command("rotate")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def webhook_rotate(name: str, *, as_json: bool) -> None:
    """Give an endpoint another secret; for a day the one before signs too."""
    with open_archive() as tools, tools.database.transaction() as session:
        row = service.named(session, name)
        secret = service.rotate(session, ACTOR, row.id, at=tools.clock.now())
    say(as_json, {"webhook": name, "secret": secret}, secret)


@webhook.command("remove")
@click.argument("name")
def webhook_remove(name: str) -> None:
    """Tell an endpoint nothing more; its secret is destroyed."""
    with open_archive() as tools, tools.database.transaction() as session:
        service.remove(session, ACTOR, service.named(session, name).id, at=tools.clock.now())
    click.echo(f"{name} is told nothing more.")


@webhook.command("replay")
@click.argument("name")
@click.option("--delivery", type=click.UUID, help="One delivery; without it all given up.")
def webhook_replay(name: str, *, delivery: UUID | None) -> None:
    """Deliver once more what was given up, under the same ids."""
    with open_archive() as tools, tools.database.transaction() as session:
        row, at = service.named(session, name), tools.clock.now()
        if delivery is None:
            count = service.replay_dead(session, ACTOR, row.id, at=at)
        else:
            service.replay(session, ACTOR, row.id, delivery, at=at)
            count = 1
    click.echo(f"{count} to be delivered again.")
