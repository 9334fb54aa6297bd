"""Commands around announcements: texts that come with the product, searches of old recordings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import click

from app.commands.shared import ACTOR, open_archive, say
from app.consent import shipped
from app.consent.reference import ReferenceTools
from app.identity import service as identity
from app.identity.permissions import Permission
from app.inspection import searches
from app.inspection.examiner import examiner
from app.inspection.schemas import SearchRunRead
from app.inspection.searches import Scope


@click.group()
def notices() -> None:
    """Announcements: the texts that come with the product, and searching old recordings."""


@notices.command("templates")
@click.option("--json", "as_json", is_flag=True)
def notices_templates(*, as_json: bool) -> None:
    """List the texts that come with the product; each is to be approved by your lawyer."""
    for found in shipped.templates():
        facts: dict[str, object] = {
            "key": found.key,
            "kind": found.kind,
            "language": found.language,
            "title": found.title,
            "mark": found.mark,
        }
        say(as_json, facts, f"{found.key}  {found.title} ({found.mark})")


@notices.command("install")
@click.argument("key")
@click.option("--by", "name", required=True, help="The administrator in whose name it is added.")
@click.option("--line", "lines", multiple=True, help="A line it is played on; all if not said.")
@click.option("--json", "as_json", is_flag=True)
def notices_install(key: str, name: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """Take over an announcement as a draft; another person approves it."""
    found = shipped.template(key)
    with open_archive() as tools:
        with tools.database.transaction() as session:
            person = identity.actor_named(session, name)
        person.must(Permission.NOTICE_WRITE)
        ways = ReferenceTools(
            database=tools.database,
            store=tools.archive,
            clock=tools.clock,
            examine=examiner(tools),
            spool=tools.settings.spool_dir,
        )
        row = shipped.take_over(ways, person, found, lines=lines, valid_from=tools.clock.now())
    facts: dict[str, object] = {"id": str(row.id), "version": row.version, "shares": row.shares}
    said = [f"{row.id} is a draft: {found.mark}."]
    said += [
        f"Its sound shares {one['percent']} % with text {one['text_id']} version {one['version']}."
        for one in row.shares
    ]
    say(as_json, facts, "\n".join(said))


@notices.command("search-again")
@click.option("--text", "text_id", type=click.UUID, help="One text; all if not said.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Only calls since this day (UTC); all if not said.",
)
@click.option("--whole", "is_whole", is_flag=True, help="In all of each call, not its beginning.")
@click.option("--json", "as_json", is_flag=True)
def notices_search_again(
    text_id: UUID | None, since: datetime | None, *, is_whole: bool, as_json: bool
) -> None:
    """Search old recordings for what was not searched for in them yet; workers do it."""
    day = since.replace(tzinfo=UTC) if since else None
    scope = Scope(text_id=text_id, since=day, is_whole=is_whole)
    with open_archive() as tools, tools.database.transaction() as session:
        run = searches.begin_asked(session, ACTOR, scope, at=tools.clock.now())
        _say_run(as_json, SearchRunRead.of(run, at=tools.clock.now()))


@notices.command("searches")
@click.option("--json", "as_json", is_flag=True)
def notices_searches(*, as_json: bool) -> None:
    """Say how far the newest runs over the old recordings are."""
    with open_archive() as tools, tools.database.transaction() as session:
        found = [SearchRunRead.of(run, at=tools.clock.now()) for run in searches.runs(session)]
    for run in found:
        _say_run(as_json, run)
    if not found and not as_json:
        click.echo("No run was ever begun.")


@notices.command("cancel")
@click.argument("run_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True)
def notices_cancel(run_id: UUID, *, as_json: bool) -> None:
    """End a run where it stands; what it has found stays."""
    with open_archive() as tools, tools.database.transaction() as session:
        run = searches.cancel(session, ACTOR, run_id, at=tools.clock.now())
        _say_run(as_json, SearchRunRead.of(run, at=tools.clock.now()))


def _say_run(as_json: bool, run: SearchRunRead) -> None:  # noqa: FBT001 - a flag of the command line.
    total = "?" if run.total is None else run.total
    said = f"{run.id}  {run.state}  {run.done} of {total} recordings, {run.failed} failed, "
    said += f"{run.found_complete} complete, {run.found_partial} partial, {run.differing} differing"
    if run.remaining_seconds is not None:
        said += f", about {timedelta(seconds=run.remaining_seconds)} more"
    say(as_json, run.model_dump(mode="json"), said)
