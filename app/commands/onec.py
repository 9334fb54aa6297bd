"""Commands around 1C: sources, reading them, checking them, and what is written back."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from app.commands.shared import ACTOR, open_archive, say
from app.onec import checking, pulling, returning, service
from app.onec.checking import Check
from app.onec.mapping import Infobase, MappingInvalid, parse
from app.onec.pulling import Pulled
from app.onec.reasons import FAULTS, REASONS, Reason
from app.onec.service import Login

_LOGIN = (
    "The log-in of 1C as lines user=NAME and password=WORD on standard input, so that no list of "
    "processes has it."
)
_MOST_TOLD = 20
_MAPPING = click.option(
    "--mapping",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file: which entities are read, and what their fields are.",
)


@click.group(epilog=_LOGIN)
def onec() -> None:
    """Take from 1C what it sends and what is read of it, and write links back."""


@onec.command("add")
@click.argument("name")
@click.option("--url", "base_url", help="Address of the infobase, as https://1c.example.com/base.")
@_MAPPING
@click.option("--json", "as_json", is_flag=True)
def add(name: str, base_url: str | None, path: Path | None, *, as_json: bool) -> None:
    """Make a source. Without --url it only sends; with it, standard input has the log-in."""
    infobase = _infobase(path) if path is not None else Infobase()
    login = _login() if base_url is not None else None
    with open_archive() as tools, tools.database.transaction() as session:
        source = service.add(
            session,
            ACTOR,
            name,
            base_url=base_url,
            infobase=infobase,
            login=login,
            settings=tools.settings,
            at=tools.clock.now(),
        )
        address = f"{tools.settings.base_url}/v1/1c/{source.name}/items"
    say(as_json, {"source": name, "address": address}, address)


@onec.command("change")
@click.argument("name")
@_MAPPING
@click.option("--login", "has_login", is_flag=True, help="Read another log-in.")
def change(name: str, path: Path | None, *, has_login: bool) -> None:
    """Give a source another mapping, or another log-in from standard input."""
    infobase = _infobase(path) if path is not None else None
    login = _login() if has_login else None
    if infobase is None and not has_login:
        raise click.UsageError("Say --mapping FILE, --login, or both.")
    with open_archive() as tools, tools.database.transaction() as session:
        service.change(session, ACTOR, name, infobase=infobase, login=login, at=tools.clock.now())
    click.echo(f"{name} is changed.")


@onec.command("list")
@click.option("--json", "as_json", is_flag=True)
def list_(*, as_json: bool) -> None:
    """Show the sources: when each was read, what was refused, and what waits to be written back."""
    with open_archive() as tools, tools.database.transaction() as session:
        facts = [
            {
                "source": one.source.name,
                "url": one.source.base_url,
                "sent_at": _moment(one.source.sent_at),
                "pulled_at": _moment(one.source.pulled_at),
                "fault": one.source.fault,
                "detail": one.source.detail,
                "things": dict(one.things),
                "returns": dict(one.returns),
                "entities": [
                    {"entity": cursor.entity, "kind": cursor.kind, "fault": cursor.fault}
                    for cursor in one.cursors
                ],
            }
            for one in service.seen(session)
        ]
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for one in facts:
        counts = {**one["things"], **one["returns"]}  # type: ignore[dict-item]  # both are counts
        said = " ".join(f"{state}={count}" for state, count in counts.items() if count)
        fault = f" fault={one['fault']}" if one["fault"] else ""
        click.echo(f"{one['source']} {one['url'] or 'sends'}{fault} {said}".rstrip())


@onec.command("refused")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 1000), default=100)
def refused(name: str, limit: int) -> None:
    """Show what was refused of a source and is still not here, each with its reasons."""
    with open_archive() as tools, tools.database.transaction() as session:
        source = service.named(session, name)
        for one in service.refused(session, source.id, limit=limit):
            why = "; ".join(_why(told) for told in one.reasons)
            click.echo(f"{one.kind} {one.ref}: {why}")


@onec.command("check")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def check(name: str, *, as_json: bool) -> None:
    """Ask 1C what it publishes, and say what of the mapping is not switched on in OData.

    Exit code 1 if anything is missing or does not answer.
    """
    with open_archive() as tools:
        found = checking.check(tools, name)
    if as_json:
        click.echo(json.dumps(asdict(found), ensure_ascii=False))
    else:
        _say_check(found)
    sys.exit(0 if found.is_good else 1)


@onec.command("pull")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Do everything and take it back.")
@click.option("--json", "as_json", is_flag=True)
def pull(name: str, *, dry_run: bool, as_json: bool) -> None:
    """Read what is new in a source now. A worker does it by itself.

    Exit code 1 if 1C did not answer as it should, or something was refused.
    """
    with open_archive() as tools:
        done = pulling.pull(tools, name, is_dry=dry_run)
    if as_json:
        click.echo(json.dumps(asdict(done), ensure_ascii=False))
    else:
        _say_pulled(done)
    is_good = done.fault is None and not any(one.fault or one.refused for one in done.entities)
    sys.exit(0 if is_good else 1)


@onec.command("retry")
@click.argument("name")
def retry(name: str) -> None:
    """Write once more into 1C what was given up."""
    with open_archive() as tools, tools.database.transaction() as session:
        source = service.named(session, name)
        count = returning.ask_again(session, source.id, at=tools.clock.now())
    click.echo(f"{count} to be written again.")


@onec.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Take nothing more from a source, and forget its log-in; what it told stays."""
    with open_archive() as tools, tools.database.transaction() as session:
        service.remove(session, ACTOR, name, at=tools.clock.now())
    click.echo(f"{name} is removed.")


def _infobase(path: Path) -> Infobase:
    try:
        return parse(path.read_text(encoding="utf-8-sig"))
    except (MappingInvalid, UnicodeDecodeError) as exc:
        raise click.ClickException(f"{path}: {exc}") from exc


def _login() -> Login:
    found = {}
    for number, line in enumerate(sys.stdin, start=1):
        name, equals, value = line.rstrip("\r\n").partition("=")
        if not line.strip():
            continue
        if not equals or name.strip() not in {"user", "password"}:
            raise click.ClickException(f"line {number} is neither user=NAME nor password=WORD")
        found[name.strip()] = value
    if not found.get("user") or "password" not in found:
        raise click.ClickException("give two lines on standard input: user=NAME and password=WORD")
    return Login(user=found["user"], password=found["password"])


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _why(told: dict[str, str]) -> str:
    words = REASONS[Reason(told["reason"])].en
    return ": ".join(part for part in (told["field"], words.rstrip("."), told["what"]) if part)


def _say_check(found: Check) -> None:
    if found.fault is not None:
        click.echo(f"{found.source}: {FAULTS[found.fault][1]} {found.detail}".rstrip(), err=True)
    else:
        click.echo(f"{found.source} publishes {found.published} entities.")
    for one in found.entities:
        if one.fault is not None:
            said = f"{FAULTS[one.fault][1]} {one.detail}".rstrip()
        elif one.missing:
            said = f"has no {', '.join(one.missing)}"
        else:
            said = "answers" if one.rows is None else f"answers, {one.rows} rows"
        click.echo(f"{one.entity} ({one.kind}): {said}", err=not one.is_good)


def _say_pulled(done: Pulled) -> None:
    for one in done.entities:
        said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(one.counts.items()))
        kept = "; nothing was kept" if done.is_dry else ""
        click.echo(f"{one.entity} ({one.kind}): {one.rows} rows, {said or 'nothing new'}{kept}")
        for refusal in one.refused[:_MOST_TOLD]:
            why = "; ".join(
                _why({"reason": problem.reason, "field": problem.field, "what": problem.what})
                for problem in refusal.problems
            )
            click.echo(f"  {refusal.ref}: {why}", err=True)
        if len(one.refused) > _MOST_TOLD:
            click.echo(f"  and {len(one.refused) - _MOST_TOLD} more", err=True)
        if one.fault is not None:
            click.echo(f"{one.entity}: {FAULTS[one.fault][1]} {one.detail}".rstrip(), err=True)
    if done.fault is not None and not any(one.fault == done.fault for one in done.entities):
        click.echo(f"{done.source}: {FAULTS[done.fault][1]} {done.detail}".rstrip(), err=True)
