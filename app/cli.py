"""The command line: a command opens a transaction and calls one service.

What a command needs is imported when it is run. Exit codes: 0 done, 1 refused, 2 used wrongly.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final, NamedTuple

import click

from app.core.errors import Refusal
from app.embedded.errors import EmbeddedPostgresFailed
from storage.errors import StoreError


class Place(NamedTuple):
    """Where a command stands: its module in `app/commands`, its name there, what help says."""

    module: str
    name: str
    says: str


COMMANDS: Final = {
    "admin": Place("people", "admin", "Administrators, where there is none yet."),
    "backup": Place(
        "keeping",
        "backup",
        "Write a backup of the database and the objects into an empty folder, without the keys.",
    ),
    "bundle": Place("bundles", "bundle", "Evidence bundles."),
    "calls": Place(
        "feeds", "calls", "Take in which calls took place, as exchanges and devices know them."
    ),
    "check-fixity": Place(
        "fixity",
        "check_fixity",
        "Read everything that is kept and compare it with its digests, as after a restore.",
    ),
    "clients": Place(
        "clients", "clients", "Take in clients, contacts, contracts and events from tables."
    ),
    "demo": Place(
        "demo",
        "demo",
        "Demo data: made-up clients, calls and a dispute, to look at the archive by.",
    ),
    "derive": Place(
        "derive",
        "derive_file",
        "Make a clip or a redacted screenshot again from its ORIGINALS, as its DERIVATION says.",
    ),
    "device": Place("devices", "device", "Devices that send."),
    "doctor": Place("system", "doctor", "Look at every part and say how to mend what is wrong."),
    "import": Place(
        "imports",
        "import_folder",
        "Take in an old archive: folders of recordings, with what records, sidecars, names tell.",
    ),
    "jobs": Place("system", "jobs", "Background jobs that need a person."),
    "keys": Place("keeping", "keys", "Keep the keys of this installation, apart from its data."),
    "ledger": Place(
        "ledger", "ledger", "Check the ledger, sign it, and change the keys that sign."
    ),
    "migrate": Place("serve", "migrate", "Bring the database up to date."),
    "notices": Place(
        "notices",
        "notices",
        "Announcements: the texts that come with the product, and searching old recordings.",
    ),
    "onec": Place(
        "onec", "onec", "Take from 1C what it sends and what is read of it, and write links back."
    ),
    "provider": Place(
        "providers", "provider", "Telephony services that send notices, and whose media is fetched."
    ),
    "rebuild-index": Place(
        "fixity",
        "rebuild_index",
        "Restore an empty database's recordings from the notes in the store and the master key.",
    ),
    "receipt": Place("ledger", "receipt", "Check receipts of what the archive has taken."),
    "reconcile": Place(
        "feeds",
        "reconcile",
        "Compare days that are over with their recordings, and print the statements that are new.",
    ),
    "repair": Place(
        "fixity",
        "repair",
        "Put a damaged recording right, from a copy with the same digest and from nothing else.",
    ),
    "restore": Place(
        "keeping",
        "restore",
        "Restore a backup into an empty data folder, and erase again what was erased since.",
    ),
    "retention": Place(
        "keeping",
        "retention",
        "Show what would be erased within some days, and what a hold keeps; nothing is changed.",
    ),
    "serve": Place(
        "serve",
        "serve",
        "Start the archive: Postgres and store if none are configured, web, links and worker.",
    ),
    "sweep": Place(
        "system",
        "sweep",
        "Remove what was broken off and lies in the stores: objects that no row names.",
    ),
    "uploader": Place(
        "uploader",
        "uploader",
        "Bring a softphone's recordings to an archive, from the machine of the softphone.",
    ),
    "user": Place("people", "user", "People."),
    "verify": Place(
        "verify",
        "verify_bundle",
        "Verify an evidence bundle; neither a database nor a network is needed.",
    ),
    "webhook": Place(
        "webhooks", "webhook", "Endpoints of other systems that are told what happens."
    ),
    "worker": Place("worker", "worker", "Do background jobs until stopped."),
}
PROCESSES: Final = {
    "run-public": Place("links", "run_public", "Serve the public links."),
    "run-web": Place("web", "run_web", "Serve the archive."),
}
"""What `serve` starts by itself and nobody types; help leaves them out."""

_NEXT_STEPS: Final = {
    "endpoint-not-found": "see which there are: audiatur webhook list",
    "address-refused": "see AUDIATUR_OUTBOUND_HTTP and AUDIATUR_OUTBOUND_NETWORKS in the README",
    "user-not-found": "mind the spelling, or add one: audiatur user add NAME --role ROLE",
    "device-not-found": "mind the spelling, or add one: audiatur device add NAME",
    "provider-not-found": "see which there are: audiatur provider list",
    "onec-source-not-found": "see which there are: audiatur onec list",
    "onec-login-missing": "give two lines on standard input: user=NAME and password=WORD",
    "onec-not-asked": "a source with an address is made by: audiatur onec add NAME --url URL",
    "name-taken": "choose another name; a device gets a new key with: audiatur device rotate NAME",
    "name-invalid": "choose such a name and run the command again",
    "template-not-found": "see which there are: audiatur notices templates",
    "demo-loaded-already": "by: audiatur demo unload",
    "nobody-for-demo": "by: audiatur admin link",
    "administrator-there": "make him a link: audiatur user recovery-link NAME",
    "search-run-not-found": "see which there are: audiatur notices searches",
    "password-too-short": "choose a longer one and run the command again",
    "password-common": "choose another and run the command again",
    "password-names-you": "choose another and run the command again",
}
"""By the slug of the refusal."""


class Commands(click.Group):
    """Commands that are imported when they are asked for: one never waits for another's imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names that help tells of."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name, or None."""
        place = COMMANDS.get(cmd_name) or PROCESSES.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        found = getattr(import_module(f"app.commands.{place.module}"), place.name)
        assert isinstance(found, click.Command)  # noqa: S101 - the table is wrong otherwise.
        return found

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - the library hands it over.
        formatter: click.HelpFormatter,
    ) -> None:
        """Write what each command is for, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.says) for name, place in sorted(COMMANDS.items())])


@click.command(cls=Commands)
@click.version_option(package_name="audiatur")
def audiatur() -> None:
    """Keep call recordings as evidence, and let none out without consent."""


def main() -> None:
    """Run a command; a refusal is one line on standard error."""
    try:
        audiatur()
    except Refusal as exc:
        step = _NEXT_STEPS.get(exc.slug)
        click.echo(f"audiatur: {exc}" + (f"; {step}" if step else ""), err=True)
        sys.exit(1)
    except (EmbeddedPostgresFailed, StoreError) as exc:
        click.echo(f"audiatur: {exc}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
