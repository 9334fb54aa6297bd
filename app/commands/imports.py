"""The command that takes an old archive in."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import click

from app.commands.shared import open_archive
from app.core.db import Database
from app.feeds import asterisk, file_names, importing, mikopbx
from app.feeds.file_names import PRESETS, PatternInvalid
from app.feeds.mikopbx import CallDatabaseUnreadable
from app.imports import queries, service
from app.imports.facts import Assumed
from app.imports.models import ImportFile
from app.imports.records import Records
from app.imports.running import Pace, Reading, Result, Surroundings, take
from app.imports.service import Wanted
from app.recordings.ingest import ingest_tools
from app.recordings.models import Capture, Direction
from app.recordings.stages import Measured
from app.tools import Tools
from app.uploader.names import Pattern

_RISKY = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    *("path", "size_bytes", "state", "reason", "detail", "told_by", "source_call_id", "leg"),
    *("sha256", "recording", "at"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command was told."""

    folder: Path
    device: str
    cdr: Path | None
    preset: str | None
    pattern: Pattern | None
    zone: str | None
    direction: str | None
    capture: str | None
    rate: float | None
    resume: bool
    dry_run: bool
    report: Path | None


@click.command("import")
@click.argument(
    "folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
)
@click.option("--device", required=True, help="The device in whose name recordings are kept.")
@click.option(
    "--cdr",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Call records of the exchange, for facts: Master.csv, FreePBX's table, MikoPBX's cdr.db.",
)
@click.option(
    "--preset", type=click.Choice(PRESETS), help="Whose names these are; any if not said."
)
@click.option("--pattern", help="A pattern of names of one's own, as {year}{month}{day}-{hour}….")
@click.option("--zone", help="Time zone of moments without one; the office's if not said.")
@click.option(
    "--direction",
    type=click.Choice([one.value for one in Direction]),
    help="Of files that tell none themselves.",
)
@click.option(
    "--capture",
    type=click.Choice([one.value for one in Capture]),
    help="What recorded all of these files.",
)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Files a second at most.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on with the folder's run that was broken off, or begin anew.",
)
@click.option("--dry-run", is_flag=True, help="Read and check everything, keep nothing.")
@click.option("--json", "as_json", is_flag=True)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what became of each file: CSV, or lines of JSON where the name ends so.",
)
def import_folder(pattern: str | None, *, as_json: bool, **told: Any) -> None:  # noqa: ANN401 - click hands them over by name.
    """Take in an old archive: folders of recordings, with what records, sidecars, names tell.

    Interrupted at any moment, it goes on when given again. Exit code 1 if a file was refused.
    """
    options = Options(pattern=_pattern(pattern), **told)
    if options.zone is not None and options.zone not in available_timezones():
        raise click.BadParameter(f"{options.zone} is no time zone, as Europe/Moscow is one.")
    if options.pattern is not None and options.preset is not None:
        raise click.UsageError("Either --preset or --pattern.")
    with open_archive() as tools:
        result = _import(tools, options)
        if options.report is not None:
            write_report(tools.database, result.run_id, options.report)
        if options.dry_run:
            with tools.database.transaction() as session:
                service.forget(session, result.run_id)
    _say(result, options, as_json=as_json)
    sys.exit(1 if result.counts.refused or not result.is_over else 0)


def _pattern(written: str | None) -> Pattern | None:
    try:
        return file_names.pattern(written) if written is not None else None
    except PatternInvalid as exc:
        raise click.BadParameter(str(exc)) from exc


def _import(tools: Tools, options: Options) -> Result:
    settings = tools.settings
    zone = ZoneInfo(options.zone) if options.zone else settings.zone
    wanted = Wanted(
        device=importing.device(tools.database, options.device),
        folder=options.folder,
        asked={"preset": options.preset, "cdr": str(options.cdr) if options.cdr else None},
        is_dry=options.dry_run,
    )
    with _records(options.cdr, zone) as records, _progress() as moved:
        reading = Reading(
            zone=zone,
            preset=options.preset,
            own=options.pattern,
            assumed=Assumed(direction=options.direction, capture=options.capture),
            records=records,
            max_bytes=settings.max_upload_bytes,
        )
        pace = (
            Pace(options.rate, monotonic=time.monotonic, sleep=time.sleep) if options.rate else None
        )
        around = Surroundings(
            ingest=ingest_tools(tools, Measured()),
            sleep=time.sleep,
            moved=moved,
            pace=pace or (lambda: None),
        )
        try:
            return take(around, wanted, reading, is_fresh=not options.resume)
        except KeyboardInterrupt as exc:
            raise click.ClickException(
                "Interrupted. Give the same command again: it goes on where it stood."
            ) from exc


@contextmanager
def _records(cdr: Path | None, zone: ZoneInfo) -> Iterator[Records | None]:
    if cdr is None:
        yield None
        return
    with (
        tempfile.TemporaryDirectory(prefix="audiatur-import-") as place,
        Records(Path(place) / "calls.sqlite") as records,
    ):
        if mikopbx.is_database(cdr):
            said = "row"
            try:
                bad = records.fill(mikopbx.rows(cdr, zone=zone))
            except CallDatabaseUnreadable as exc:
                raise click.BadParameter(str(exc), param_hint="--cdr") from exc
        else:
            with cdr.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
                said = "line"
                bad = records.fill(asterisk.rows(lines, zone=zone))
        for number, wrong in bad:
            click.echo(f"{cdr.name}, {said} {number}: {wrong}", err=True)
        yield records


@contextmanager
def _progress() -> Iterator[Any]:
    """Show on standard error how far the run is, where somebody looks."""
    with click.progressbar(length=1, label="files", file=sys.stderr, show_pos=True) as bar:

        def moved(done: int, every: int) -> None:
            bar.length = max(every, 1)
            bar.update(done - bar.pos)

        yield moved


def _say(result: Result, options: Options, *, as_json: bool) -> None:
    counts = result.counts
    if as_json:
        told = {"run": str(result.run_id), "is_over": result.is_over, "dry_run": options.dry_run}
        click.echo(json.dumps(told | counts.as_facts()))
        return
    click.echo(
        f"{counts.found} files: {counts.taken} {'could be ' if options.dry_run else ''}taken, "
        f"{counts.skipped} skipped, {counts.refused} refused, {counts.waiting} not yet."
    )
    for reason, number in counts.reasons.items():
        click.echo(f"  {number} {reason}")
    if not result.is_over:
        click.echo("The run was cancelled.")


def write_report(database: Database, run_id: UUID, path: Path) -> None:
    """Write a line for each file of a run."""
    with (
        path.open("w", encoding="utf-8", newline="") as out,
        database.transaction() as session,
    ):
        is_json = path.suffix.lower() in {".json", ".jsonl"}
        writer = csv.writer(out)
        if not is_json:
            out.write("\ufeff")  # Without it a spreadsheet takes Cyrillic for something else.
            writer.writerow(_COLUMNS)
        for row in queries.every_file(session, run_id):
            told = _told(row)
            if is_json:
                out.write(json.dumps(told, ensure_ascii=False) + "\n")
            else:
                writer.writerow([_tame(told[column]) for column in _COLUMNS])


def _told(row: ImportFile) -> dict[str, Any]:
    return {
        "path": service.readable(row.path),
        "size_bytes": row.size_bytes,
        "state": row.state,
        "reason": row.reason,
        "detail": row.detail,
        "told_by": row.told_by,
        "source_call_id": row.source_call_id,
        "leg": row.leg,
        "sha256": row.sha256.hex() if row.sha256 else None,
        "recording": str(row.recording_id) if row.recording_id else None,
        "at": row.at.isoformat() if row.at else None,
    }


def _tame(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula; numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_RISKY) else cell
