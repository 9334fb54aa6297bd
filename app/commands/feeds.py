"""Commands around calls: taking call records in, and comparing days with their recordings."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TextIO, cast, get_args
from zoneinfo import ZoneInfo, available_timezones

import click

from app.commands.shared import open_archive
from app.core.errors import Conflict
from app.feeds import importing, jobs, mikopbx, siprec
from app.feeds.asterisk import Row
from app.feeds.calls import House
from app.feeds.importing import Form
from app.feeds.mikopbx import CallDatabaseUnreadable
from app.feeds.models import Statement
from app.feeds.reconciling import office_of
from app.feeds.siprec import Siprec, SiprecInvalid
from app.identity.actor import Actor
from app.recordings import call_events
from app.recordings.call_schemas import CallEventTold
from app.tools import Tools

_TOLD_LINES = 100


class DayNotOver(Conflict):
    """The day is not over at the office; its calls are not all known yet."""


@click.group()
def calls() -> None:
    """Take in which calls took place, as exchanges and devices know them."""


@calls.command("import")
@click.argument(
    "path",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Form)),
    required=True,
)
@click.option("--device", "name", required=True, help="The device in whose name they are kept.")
@click.option("--zone", help="Time zone of moments without one; the office's if not said.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, keep nothing.")
@click.option("--json", "as_json", is_flag=True)
def import_calls(
    path: Path,
    form: str,
    name: str,
    zone: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take in call records: Asterisk's Master.csv, AMI's events, MikoPBX's cdr.db, lines of JSON.

    FILE is - for what is piped in; each call is kept then as soon as it is told. MikoPBX's database
    is read as it lies and not changed; its log, cdr.db-wal, is read with it where it lies beside.
    Exit code 1 if a line was bad; the good ones are kept all the same.
    """
    if zone is not None and zone not in available_timezones():
        raise click.BadParameter(f"{zone} is no time zone, as Europe/Moscow is one.")
    told = 0

    def tell(number: int, wrong: str) -> None:
        nonlocal told
        told += 1
        if told <= _TOLD_LINES:
            click.echo(f"{'row' if form == 'mikopbx' else 'line'} {number}: {wrong}", err=True)

    with open_archive() as tools:
        settings = tools.settings
        house = House(office=office_of(settings), region=settings.region)
        source = importing.device(tools.database, name)
        is_piped = str(path) == "-"
        where = ZoneInfo(zone) if zone else settings.zone
        with _rows(path, cast("Form", form), where) as rows:
            done = importing.take(
                tools.database,
                tools.clock,
                source,
                rows,
                house,
                tell=tell,
                is_dry=dry_run,
                at_once=1 if is_piped else importing.AT_ONCE,
            )
        made = [] if dry_run else jobs.handle_reconcile(tools)
    if told > _TOLD_LINES:
        click.echo(f"… and {told - _TOLD_LINES} more bad lines.", err=True)
    facts = {
        "new": done.new,
        "corrected": done.corrected,
        "repeated": done.repeated,
        "bad": done.bad,
        "days": len(done.days),
        "statements": len(made),
        "dry_run": dry_run,
    }
    line = (
        f"{done.new} calls new, {done.corrected} corrected, {done.repeated} known already, "
        f"{done.bad} bad lines; {len(done.days)} days, {len(made)} statements."
    )
    if dry_run:
        line = f"{done.new} calls could be taken, {done.bad} bad lines; nothing was kept."
    click.echo(json.dumps(facts) if as_json else line)
    sys.exit(1 if done.bad else 0)


@calls.command("siprec")
@click.argument(
    "paths",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--device", "name", required=True, help="The exchange in whose name it is kept.")
@click.option("--call-id", help="The call that its recording has; the session's id if not said.")
@click.option("--zone", help="Time zone of moments without one; the office's if not said.")
@click.option("--dry-run", is_flag=True, help="Read everything, keep nothing.")
@click.option("--json", "as_json", is_flag=True)
def take_siprec(
    paths: tuple[Path, ...],
    name: str,
    call_id: str | None,
    zone: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take in who was on the line, from SIPREC metadata (RFC 7865 and the drafts before it).

    Each file is a text of one session; more texts of a session tell more of it. Exit code 1 if one
    could not be read; the others are kept all the same.
    """
    if zone is not None and zone not in available_timezones():
        raise click.BadParameter(f"{zone} is no time zone, as Europe/Moscow is one.")
    bad = 0
    with open_archive() as tools:
        source = importing.device(tools.database, name)
        where = ZoneInfo(zone) if zone else tools.settings.zone
        for path in paths:
            try:
                told = siprec.read(path.read_bytes(), zone=where)
            except SiprecInvalid as exc:
                bad += 1
                click.echo(f"{path.name}: {exc}", err=True)
                continue
            kept = 0 if dry_run else _keep_siprec(tools, source, told, call_id)
            _say_siprec(told, kept, as_json=as_json)
    sys.exit(1 if bad else 0)


def _keep_siprec(tools: Tools, source: Actor, told: Siprec, call_id: str | None) -> int:
    events = [CallEventTold.model_validate(one) for one in siprec.events(told)]
    if not events:
        return 0
    with tools.database.transaction() as session:
        return call_events.receive(
            session,
            source,
            events,
            call_id=call_id or told.session_id,
            sent_at=None,
            region=tools.settings.region,
            at=tools.clock.now(),
        ).kept


def _say_siprec(told: Siprec, kept: int, *, as_json: bool) -> None:
    if as_json:
        facts = {
            "session": told.session_id,
            "sip_session": told.sip_session_id,
            "partial": told.is_partial,
            "participants": [
                {"id": one.id, "number": one.number, "name": one.name} for one in told.participants
            ],
            "events": len(told.happened),
            "kept": kept,
            "unknown": dict(told.unknown),
            "sha256": told.sha256,
        }
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    people = ", ".join(one.name or one.number or one.id for one in told.participants)
    line = f"{told.session_id}: {people}; {len(told.happened)} events, {kept} of them new"
    click.echo(f"{line}; {len(told.unknown)} elements unknown here.")


@contextmanager
def _rows(path: Path, form: Form, zone: ZoneInfo) -> Iterator[Iterable[Row]]:
    if form == "mikopbx":
        try:
            yield mikopbx.rows(path, zone=zone)
        except CallDatabaseUnreadable as exc:
            raise click.ClickException(str(exc)) from exc
        return
    with _opened(path) as lines:
        yield importing.read(lines, form, zone=zone)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if str(path) == "-":
        yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors=_ESCAPED, newline="")
        return
    with path.open(encoding="utf-8-sig", errors=_ESCAPED, newline="") as lines:
        yield lines


_ESCAPED = "surrogateescape"


@click.command("reconcile")
@click.option("--day", "asked", type=click.DateTime(["%Y-%m-%d"]), help="One day of the office.")
@click.option("--json", "as_json", is_flag=True)
def reconcile(asked: datetime | None, *, as_json: bool) -> None:
    """Compare days that are over with their recordings, and print the statements that are new."""
    with open_archive() as tools:
        if asked is None:
            made = jobs.handle_hourly(tools)
        else:
            one = jobs.reconcile_day(tools, _over(tools, asked.date()))
            made = [one] if one else []
    if as_json:
        click.echo(json.dumps([_facts(row) for row in made], ensure_ascii=False))
        return
    for row in made:
        click.echo(_line(row))
    if not made:
        click.echo("Nothing differs from what was stated.")


def _over(tools: Tools, day: date) -> date:
    if office_of(tools.settings).bounds(day)[1] > tools.clock.now():
        raise DayNotOver
    return day


def _facts(row: Statement) -> dict[str, object]:
    said: dict[str, object] = json.loads(row.body)
    return {"statement": said, "sha256": row.sha256.hex(), "note": row.note}


def _line(row: Statement) -> str:
    said = json.loads(row.body)
    counts = said["counts"]
    gaps = ", ".join(f"{count} {reason}" for reason, count in said["gaps"].items()) or "no gaps"
    return (
        f"{row.day} version {row.version}: {counts['calls']} calls, {counts['answered']} answered, "
        f"{counts['recordings']} recordings, {counts['matched']} matched; {gaps}"
    )
