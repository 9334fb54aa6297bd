"""Commands around clients: taking tables in."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import click

from app.clients import table_import
from app.clients.table_import import Done, Ways
from app.clients.tables import Fault, Kind, Wrong
from app.commands.shared import ACTOR, open_archive

_SAYS = {
    Fault.ENCODING: "neither UTF-8 nor UTF-16 nor Windows-1251",
    Fault.EMPTY: "nothing stands in it",
    Fault.TOO_LARGE: "the file is too large",
    Fault.TOO_MANY: "more lines than are taken at once",
    Fault.QUOTES: "its quotation marks cannot be read",
    Fault.COLUMN_MISSING: "the column is missing",
    Fault.COLUMN_TWICE: "the column stands twice",
    Fault.CELLS: "more cells than the first line has",
    Fault.CELL_MISSING: "the cell is empty",
    Fault.DATE: "no date, as 31.12.2026 or 2026-12-31 are",
    Fault.NUMBER: "no sum of money",
    Fault.YES_OR_NO: "neither yes nor no",
    Fault.WORD: "a word that is not known here",
    Fault.VALUE: "the value cannot be kept",
    Fault.TWICE: "stands in the file twice",
    Fault.DIFFERS: "the lines of this contract tell different things",
    Fault.PHONE: "no telephone number",
    Fault.CLIENT: "no such client",
    Fault.OFFICE: "no such office",
    Fault.PERIOD: "the contract ends before it begins",
    Fault.OTHER_CLIENT: "the event was told of as another client's",
}


@click.group()
def clients() -> None:
    """Take in clients, contacts, contracts and events from tables."""


@clients.command("import")
@click.argument(
    "path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--kind",
    type=click.Choice([one.value for one in Kind]),
    required=True,
    help="What its lines are.",
)
@click.option("--zone", help="Time zone of moments without one; the office's if not said.")
@click.option("--dry-run", is_flag=True, help="Do everything and take it back: every error shows.")
@click.option("--json", "as_json", is_flag=True)
def import_clients(
    path: Path, kind: str, zone: str | None, *, dry_run: bool, as_json: bool
) -> None:
    """Take a CSV file in: all of its lines, or none where one of them is wrong.

    The same file again changes nothing. Exit code 1 if a line was wrong.
    """
    if zone is not None and zone not in available_timezones():
        raise click.BadParameter(f"{zone} is no time zone, as Europe/Moscow is one.")
    with open_archive() as tools, tools.database.transaction() as session:
        ways = Ways(
            actor=ACTOR,
            at=tools.clock.now(),
            region=tools.settings.region,
            zone=ZoneInfo(zone) if zone else tools.settings.zone,
        )
        done = table_import.carry_out(session, ways, Kind(kind), path.read_bytes(), is_try=dry_run)
    if as_json:
        click.echo(json.dumps(asdict(done), ensure_ascii=False))
    else:
        _say(done, path.name)
    sys.exit(1 if done.wrong else 0)


def _say(done: Done, name: str) -> None:
    for one in done.wrong:
        click.echo(f"{name}, line {one.line}: {_said(one)}", err=True)
    if done.unknown:
        click.echo(f"Columns passed over: {', '.join(done.unknown)}.", err=True)
    line = f"{done.lines} lines: {done.things} {done.kind}, {done.new} of them new"
    if done.wrong:
        line += f"; {len(done.wrong)} errors, nothing was kept."
    else:
        line += "." if done.is_kept else "; nothing was kept."
    click.echo(line)


def _said(one: Wrong) -> str:
    parts = [one.column, _SAYS[one.fault], one.what]
    return ": ".join(part for part in parts if part)
