"""Demo data: loading it into an archive that has nothing real yet, and unloading it."""

from __future__ import annotations

import sys

import click

from app.commands.shared import ACTOR, open_archive, say
from app.demo import loading, queries, service
from app.demo.story import Language


@click.group()
def demo() -> None:
    """Demo data: made-up clients, calls and a dispute, to look at the archive by."""


@demo.command("load")
@click.option("--language", type=click.Choice(["ru", "en"]), default="ru", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def demo_load(*, language: Language, as_json: bool) -> None:
    """Load it, where no real recording is; a worker inspects its calls afterwards."""
    with open_archive() as tools:
        with tools.database.transaction() as session:
            row = service.ask_load(
                session, ACTOR, language=language, at=tools.clock.now(), by_job=False
            )
            set_id, device_id = row.id, row.device_id
        loading.load(tools, set_id)
        with tools.database.transaction() as session:
            counts = queries.counts(session, device_id)
    facts: dict[str, object] = {"id": str(set_id), "language": language, **counts}
    said = f"Demo data is loaded: {counts['clients']} clients, {counts['recordings']} calls, "
    said += f"{counts['disputes']} dispute. It is marked wherever it is seen, and handed to nobody."
    say(as_json, facts, said)


@demo.command("unload")
@click.option("--json", "as_json", is_flag=True)
def demo_unload(*, as_json: bool) -> None:
    """Unload it: its recordings are destroyed as by any erasure, their tombstones stay."""
    with open_archive() as tools:
        with tools.database.transaction() as session:
            row = service.ask_unload(session, ACTOR, at=tools.clock.now(), by_job=False)
            set_id = row.id
            counts = queries.counts(session, row.device_id)
        is_gone = loading.unload(tools, set_id)
    facts: dict[str, object] = {"id": str(set_id), "unloaded": is_gone, **counts}
    if not is_gone:
        say(as_json, facts, "Demo data stays: something has hindered it meanwhile.")
        sys.exit(1)
    said = f"Demo data is unloaded: {counts['recordings']} calls are destroyed, their tombstones "
    said += f"and the ledger's entries stay; {counts['clients']} clients are emptied and unseen."
    say(as_json, facts, said)
