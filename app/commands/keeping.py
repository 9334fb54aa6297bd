"""Commands around backups: of the data, of the keys apart from it, and coming back from both."""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta
from pathlib import Path

import click

from app.commands.shared import settings_of
from app.core.errors import Invalid
from app.retention import holds
from app.retention.preview import foresee
from app.retention.rules import Kind
from app.settings import Settings
from app.system import backup as backups
from app.system import restore as restores
from app.wiring import database_urls, open_tools, prepare, write_private

_FOLDER = click.Path(file_okay=False, path_type=Path)


class KeysBesideData(Invalid):
    """The keys are kept apart from the data: choose a place outside of the data folder."""


class KeyFileInTheWay(Invalid):
    """A file of this name is there already; keys are never written over."""


class NothingToBackUp(Invalid):
    """There is no archive in the data folder."""


def _must_be_archive(found: Settings) -> None:
    if found.database_url is None and not (found.data / "postgres").is_dir():
        raise NothingToBackUp(f"{found.data.resolve()} holds no archive.")


@click.command("backup")
@click.argument("folder", type=_FOLDER)
@click.option(
    "--objects",
    "how",
    type=click.Choice(["copy", "list"]),
    default="copy",
    show_default=True,
    help="Copy the sealed bytes of every object, or list them: their store is backed up apart.",
)
def backup(folder: Path, how: str) -> None:
    """Write a backup of the database and the objects into an empty folder, without the keys.

    One that was broken off is gone on with by the same command.
    """
    found = settings_of()
    _must_be_archive(found)
    with database_urls(found) as urls:
        prepare(found, urls)
        with open_tools(found, urls) as tools:
            made = backups.create(tools, urls, folder, with_objects=how == "copy")
    again = f", {made.reused} of them before" if made.reused else ""
    click.echo(f"{folder}: the database and {made.copied} of {made.objects} objects{again}.")
    if made.copied < made.objects:
        click.echo("Objects were listed, not copied: back their store up by its own means.")
    click.echo("The master keys are not included: audiatur keys backup copies them elsewhere.")
    for key in made.damaged:
        click.echo(f"not what came in, copied as it is: {key}", err=True)
    sys.exit(1 if made.damaged else 0)


@click.command("restore")
@click.argument("folder", type=_FOLDER)
@click.option(
    "--nothing-was-erased",
    is_flag=True,
    help="Do without the journal of erasures: nothing was ever erased here.",
)
def restore(folder: Path, *, nothing_was_erased: bool) -> None:
    """Restore a backup into an empty data folder, and erase again what was erased since."""
    done = restores.restore(settings_of(), folder, nothing_was_erased=nothing_was_erased)
    click.echo(
        f"{done.objects} objects are back; "
        f"{done.erased_again} recordings and screenshots were erased again."
    )
    if done.listed:
        click.echo(f"{done.listed} objects were listed alone: their store must have them.")
    click.echo(f"{done.checked} objects were read, {done.failed} are damaged or missing.")
    sys.exit(1 if done.failed else 0)


@click.command("retention")
@click.option("--days", type=click.IntRange(0, 3650), default=14, show_default=True)
def retention(days: int) -> None:
    """Show what would be erased within some days, and what a hold keeps; nothing is changed."""
    found = settings_of()
    _must_be_archive(found)
    with database_urls(found) as urls:
        prepare(found, urls)
        with open_tools(found, urls) as tools, tools.database.transaction() as session:
            by = tools.clock.now() + timedelta(days=days)
            for one in foresee(session, zone=found.zone, by=by):
                held = "; ".join(holds.words(one.holds))
                why = held or f"{one.because}: {', '.join(one.rules) or '-'}"
                begins = f", begins {one.due_at.isoformat()}" if one.due_at else ""
                kind = "" if one.subject.kind is Kind.RECORDING else f"{one.subject.kind} "
                click.echo(f"{kind}{one.subject.id} {one.outcome} ({why}){begins}")


@click.group()
def keys() -> None:
    """Keep the keys of this installation, apart from its data."""


@keys.command("backup")
@click.argument("folder", type=_FOLDER)
def keys_backup(folder: Path) -> None:
    """Copy every key file and the journal of erasures to a place apart from the data."""
    found = settings_of()
    _must_be_archive(found)
    if folder.resolve().is_relative_to(found.data.resolve()):
        raise KeysBesideData
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = [path for path in backups.key_files(found) if path.exists()]
    journal = found.tombstones_path
    for path in paths:
        place = folder / path.name
        if path == journal:
            continue
        if place.exists() and place.read_bytes() != path.read_bytes():
            raise KeyFileInTheWay(f"{place} is there already, and another.")
        write_private(place, path.read_text(encoding="utf-8"))
    if journal.exists():
        # The journal only grows, so a later copy holds whatever an earlier one does.
        shutil.copyfile(journal, folder / journal.name)
        (folder / journal.name).chmod(0o600)
    click.echo(f"{folder}: {', '.join(path.name for path in paths)}.")
    click.echo("Once this is apart from the data, say AUDIATUR_MASTER_KEY_BACKED_UP=true.")
