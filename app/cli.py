"""The command line: a command opens a transaction and calls one service.

Exit codes: 0 done, 1 refused, 2 used wrongly.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from sqlalchemy import text

from app import first_run, logs, processes, settings
from app.cli_feeds import calls, reconcile
from app.cli_keeping import backup, keys, restore, retention
from app.cli_ledger import ledger, receipt
from app.consent import shipped
from app.consent.reference import ReferenceTools
from app.core.errors import Refusal
from app.custody.signing import Purpose
from app.embedded.errors import EmbeddedPostgresFailed
from app.fixity import checks, rebuilding
from app.fixity.repair import repair as repair_recording
from app.identity import account, passwords
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.people_routes import recovery_url
from app.identity.permissions import Permission, Role
from app.inspection import searches
from app.inspection.examiner import examiner
from app.inspection.sandbox import Sandbox
from app.inspection.schemas import SearchRunRead
from app.inspection.searches import Scope
from app.recordings import jobs as recordings
from app.releases import derive
from app.retention import tombstones
from app.settings import Settings
from app.system import doctor as system
from app.tools import Tools
from app.verifier import verify as verifier
from app.wiring import database_urls, open_tools, prepare, signing_keys
from storage.errors import StoreError

_ACTOR = Actor.system("command line")
_NEXT_STEPS: dict[type[Refusal], str] = {
    identity.UserNotFound: "mind the spelling, or add one: audiatur user add NAME --role ROLE",
    identity.DeviceNotFound: "mind the spelling, or add one: audiatur device add NAME",
    identity.NameTaken: (
        "choose another name; a device gets a new key with: audiatur device rotate NAME"
    ),
    identity.NameInvalid: "choose such a name and run the command again",
    shipped.TemplateNotFound: "see which there are: audiatur notices templates",
    account.AdministratorThere: "make him a link: audiatur user recovery-link NAME",
    searches.SearchRunNotFound: "see which there are: audiatur notices searches",
    passwords.PasswordTooShort: "choose a longer one and run the command again",
    passwords.PasswordCommon: "choose another and run the command again",
    passwords.PasswordNamesYou: "choose another and run the command again",
}


@click.group()
@click.version_option(package_name="audiatur")
@click.pass_context
def audiatur(context: click.Context) -> None:
    """Keep call recordings as evidence, and let none out without consent."""
    context.obj = _tools


audiatur.add_command(ledger)
audiatur.add_command(receipt)
audiatur.add_command(backup)
audiatur.add_command(restore)
audiatur.add_command(retention)
audiatur.add_command(keys)
audiatur.add_command(calls)
audiatur.add_command(reconcile)


def _settings(**overrides: Any) -> Settings:  # noqa: ANN401 - pydantic checks them.
    found = settings.load(**overrides)
    logs.configure(found.log_level)
    return found


def _settings_of_archive() -> Settings:
    """Return the settings where there is an archive: none is begun by a mistyped folder."""
    found = _settings()
    if found.database_url is None and not (found.data / "postgres").is_dir():
        folder = found.data.resolve()
        raise click.ClickException(
            f"{folder} holds no archive: name its folder in AUDIATUR_DATA, "
            f"or begin one there with `audiatur serve --data {folder}`"
        )
    return found


@contextmanager
def _tools() -> Iterator[Tools]:
    found = _settings_of_archive()
    with database_urls(found) as urls:
        prepare(found, urls)
        with open_tools(found, urls) as tools:
            yield tools


def _print(as_json: bool, facts: dict[str, object], line: str) -> None:  # noqa: FBT001 - a flag of the command line.
    click.echo(json.dumps(facts) if as_json else line)


@audiatur.command()
@click.option("--host", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port of the archive; 0 takes a free one."
)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of everything kept here.")
@click.option("--public", "is_public", is_flag=True, help="Serve the public links alone.")
def serve(host: str | None, port: int | None, data: Path | None, *, is_public: bool) -> None:
    """Start the archive: Postgres and store if none are configured, web, links and worker."""
    if is_public:
        processes.serve_public(_settings(host=host, public_port=port, data=data))
        return
    sys.exit(processes.serve(_settings(host=host, port=port, data=data)))


@audiatur.command("run-web", hidden=True)
def run_web() -> None:
    """Serve the archive on sockets that were handed down."""
    processes.run_web(_settings())


@audiatur.command("run-public", hidden=True)
def run_public() -> None:
    """Serve the public links on sockets that were handed down."""
    processes.run_public(_settings())


@audiatur.command()
def worker() -> None:
    """Do background jobs until stopped."""
    processes.run_worker(_settings_of_archive())


@audiatur.command()
def migrate() -> None:
    """Bring the database up to date."""
    found = _settings()
    with database_urls(found) as urls:
        prepare(found, urls)
    click.echo("The database is up to date.")


@audiatur.group()
def device() -> None:
    """Devices that send."""


@device.command("add")
@click.argument("name")
@click.option("--exchange", is_flag=True, help="A telephone exchange, whose log is evidence.")
@click.option("--json", "as_json", is_flag=True)
def device_add(name: str, *, exchange: bool, as_json: bool) -> None:
    """Make a device known; its key is the last line, shown this once."""
    with _tools() as tools, tools.database.transaction() as session:
        key = identity.add_device(session, _ACTOR, name, is_exchange=exchange, at=tools.clock.now())
    _print(as_json, {"device": name, "key": key}, key)


@device.command("rotate")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def device_rotate(name: str, *, as_json: bool) -> None:
    """Give a device a new key; the old one works for seven more days."""
    with _tools() as tools, tools.database.transaction() as session:
        key = identity.rotate_device(session, _ACTOR, name, at=tools.clock.now())
    _print(as_json, {"device": name, "key": key}, key)


@device.command("disable")
@click.argument("name")
def device_disable(name: str) -> None:
    """Take nothing more from a device."""
    with _tools() as tools, tools.database.transaction() as session:
        identity.disable_device(session, _ACTOR, name, at=tools.clock.now())
    click.echo(f"{name} is disabled.")


@audiatur.group()
def user() -> None:
    """People."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([str(r) for r in Role]), required=True)
@click.option("--full-name", help="How the person is called.")
@click.option("--agent", "agent_ref", help="How softphones and 1C name this person.")
@click.option("--api-key", "wants_key", is_flag=True, help="Print a key on the last line, once.")
@click.option("--password", "wants_password", is_flag=True, help="Read a password from the input.")
@click.option("--json", "as_json", is_flag=True)
def user_add(  # noqa: PLR0913 - what the person may say of somebody.
    name: str,
    role: str,
    full_name: str | None,
    agent_ref: str | None,
    *,
    wants_key: bool,
    wants_password: bool,
    as_json: bool,
) -> None:
    """Make a person known."""
    password = click.prompt("Password", hide_input=True, err=True) if wants_password else None
    with _tools() as tools, tools.database.transaction() as session:
        at = tools.clock.now()
        person = identity.add_user(
            session,
            _ACTOR,
            name,
            role=Role(role),
            full_name=full_name,
            agent_ref=agent_ref,
            password=password,
            at=at,
        )
        key = identity.add_api_key(session, _ACTOR, person, at=at) if wants_key else None
    _print(as_json, {"user": name, "role": role, "key": key}, key or f"{name} is {role}.")


@user.command("disable")
@click.argument("name")
def user_disable(name: str) -> None:
    """Shut a person out within seconds."""
    with _tools() as tools, tools.database.transaction() as session:
        identity.disable_user(session, _ACTOR, name, at=tools.clock.now())
    click.echo(f"{name} is disabled.")


@user.command("recovery-link")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def user_recovery_link(name: str, *, as_json: bool) -> None:
    """Print a link by which a person sets a new password, good once and for a day."""
    with _tools() as tools, tools.database.transaction() as session:
        token = account.mint_recovery_link(session, _ACTOR, name, at=tools.clock.now())
        url = recovery_url(tools.settings.base_url, token)
    _print(as_json, {"user": name, "url": url}, url)


@audiatur.group()
def admin() -> None:
    """Administrators, where there is none yet."""


@admin.command("link")
@click.option("--json", "as_json", is_flag=True)
def admin_link(*, as_json: bool) -> None:
    """Print a link by which the first administrator is made; good once and for a day."""
    with _tools() as tools:
        url = first_run.new_link(tools.database, tools.settings, at=tools.clock.now())
    _print(as_json, {"url": url}, url)


@audiatur.group()
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
        _print(as_json, facts, f"{found.key}  {found.title} ({found.mark})")


@notices.command("install")
@click.argument("key")
@click.option("--by", "name", required=True, help="The administrator in whose name it is added.")
@click.option("--line", "lines", multiple=True, help="A line it is played on; all if not said.")
@click.option("--json", "as_json", is_flag=True)
def notices_install(key: str, name: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """Take over an announcement as a draft; another person approves it."""
    found = shipped.template(key)
    with _tools() as tools:
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
    _print(as_json, facts, "\n".join(said))


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
    with _tools() as tools, tools.database.transaction() as session:
        run = searches.begin_asked(session, _ACTOR, scope, at=tools.clock.now())
        _print_run(as_json, SearchRunRead.of(run, at=tools.clock.now()))


@notices.command("searches")
@click.option("--json", "as_json", is_flag=True)
def notices_searches(*, as_json: bool) -> None:
    """Say how far the newest runs over the old recordings are."""
    with _tools() as tools, tools.database.transaction() as session:
        found = [SearchRunRead.of(run, at=tools.clock.now()) for run in searches.runs(session)]
    for run in found:
        _print_run(as_json, run)
    if not found and not as_json:
        click.echo("No run was ever begun.")


@notices.command("cancel")
@click.argument("run_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True)
def notices_cancel(run_id: UUID, *, as_json: bool) -> None:
    """End a run where it stands; what it has found stays."""
    with _tools() as tools, tools.database.transaction() as session:
        run = searches.cancel(session, _ACTOR, run_id, at=tools.clock.now())
        _print_run(as_json, SearchRunRead.of(run, at=tools.clock.now()))


def _print_run(as_json: bool, run: SearchRunRead) -> None:  # noqa: FBT001 - a flag of the command line.
    total = "?" if run.total is None else run.total
    said = f"{run.id}  {run.state}  {run.done} of {total} recordings, {run.failed} failed, "
    said += f"{run.found_complete} complete, {run.found_partial} partial, {run.differing} differing"
    if run.remaining_seconds is not None:
        said += f", about {timedelta(seconds=run.remaining_seconds)} more"
    _print(as_json, run.model_dump(mode="json"), said)


@audiatur.command()
@click.option("--json", "as_json", is_flag=True)
def doctor(*, as_json: bool) -> None:
    """Look at every part and say how to mend what is wrong."""
    findings = system.examine(_settings())
    if as_json:
        click.echo(json.dumps([f.as_dict() for f in findings], ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(finding.as_line())
    sys.exit(1 if any(f.is_wrong for f in findings) else 0)


@audiatur.group()
def jobs() -> None:
    """Background jobs that need a person."""


@jobs.command("list")
@click.option("--state", default="failed", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def jobs_list(state: str, *, as_json: bool) -> None:
    """List jobs of a state; failed ones have been given up after all retries."""
    with _tools() as tools, tools.database.transaction() as session:
        rows = session.execute(
            text(
                "SELECT id, task_name, attempts, args FROM procrastinate_jobs "
                "WHERE status::text = :state ORDER BY id LIMIT 1000"
            ),
            {"state": state},
        ).all()
    for job_id, task, attempts, args in rows:
        facts = {"id": job_id, "task": task, "attempts": attempts, "args": args}
        _print(as_json, facts, f"{job_id}  {task}  {attempts} attempts  {json.dumps(args)}")
    if not rows and not as_json:
        click.echo(f"No job is {state}.")


@jobs.command("retry")
@click.argument("job_id", type=int)
def jobs_retry(job_id: int) -> None:
    """Try a job that was given up once more."""
    with _tools() as tools, tools.database.transaction() as session:
        session.execute(
            text(
                "SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL) "
                "FROM procrastinate_jobs WHERE id = :id AND status = 'failed'"
            ),
            {"id": job_id},
        )
    click.echo(f"Job {job_id} waits again.")


@audiatur.command()
@click.option("--older-than-hours", type=click.IntRange(min=0), default=6, show_default=True)
def sweep(older_than_hours: int) -> None:
    """Remove what interrupted uploads left in the store: objects that no row names."""
    with _tools() as tools:
        removed = recordings.sweep(
            tools, older_than=tools.clock.now() - timedelta(hours=older_than_hours)
        )
    click.echo(f"{removed} objects without a row were removed.")


@audiatur.group()
def bundle() -> None:
    """Evidence bundles."""


@bundle.command("key")
@click.option("--pem", "as_pem", is_flag=True, help="Print the public key itself.")
def bundle_key(*, as_pem: bool) -> None:
    """Print the fingerprint of the key that signs bundles, for contracts and letters."""
    key = signing_keys(_settings_of_archive()).keys.public(Purpose.BUNDLE)[0]
    click.echo(key.pem if as_pem else key.fingerprint, nl=not as_pem)


@audiatur.command()
@click.argument("recording", type=click.UUID)
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A copy of the recording, bit for bit; without it the store is only looked at again.",
)
@click.option("--json", "as_json", is_flag=True)
def repair(recording: UUID, file: Path | None, *, as_json: bool) -> None:
    """Put a damaged recording right, from a copy with the same digest and from nothing else."""
    with _tools() as tools:
        done = repair_recording(tools, _ACTOR, recording, file=file)
    facts: dict[str, object] = {"mended": done.mended, "made_anew": done.made_anew}
    said = f"{recording} is whole; put back: {', '.join(done.mended) or 'nothing'}"
    _print(as_json, facts, f"{said}; made anew: {', '.join(done.made_anew) or 'nothing'}.")


@audiatur.command("check-fixity")
def check_fixity() -> None:
    """Read everything that is kept and compare it with its digests, as after a restore."""
    with _tools() as tools:
        looked, failed = checks.check_all(tools)
    click.echo(f"{looked} objects were read, {failed} are damaged or missing.")
    sys.exit(1 if failed else 0)


@audiatur.command("rebuild-index")
@click.option(
    "--erased",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The journal of erasures, or ids, a line for each; nothing of them comes back.",
)
def rebuild_index(erased: Path | None) -> None:
    """Restore an empty database's recordings from the notes in the store and the master key."""
    ids = tombstones.ids_in(erased) if erased else set()
    with _tools() as tools:
        done = rebuilding.rebuild(tools, _ACTOR, erased=ids)
    click.echo(
        f"{done.recordings} recordings and {done.screenshots} screenshots are back; "
        f"{done.erased} notes of erased ones were passed over, {len(done.unreadable)} unreadable."
    )
    for object_id in done.unreadable:
        click.echo(f"unreadable: {object_id}", err=True)
    sys.exit(1 if done.unreadable else 0)


@audiatur.command(
    "verify",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    short_help="Verify an evidence bundle; neither a database nor a network is needed.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def verify_bundle(arguments: tuple[str, ...]) -> None:
    """Hand everything to the single-file verifier: what experts run is what we run."""
    sys.exit(verifier.main(arguments, program="audiatur verify"))


@audiatur.command("derive")
@click.argument("derivation", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument(
    "originals",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "-o", "--output", "out", required=True, type=click.Path(path_type=Path), help="What to write."
)
def derive_file(derivation: Path, originals: tuple[Path, ...], out: Path) -> None:
    """Make a clip or a redacted screenshot again from its ORIGINALS, as its DERIVATION says.

    Neither a database nor a network is needed. Ends with 1 where other bytes come out.
    """
    made = derive.rederive(derivation, originals, Sandbox.detect(), out=out)
    for difference in made.differences:
        click.echo(f"note: {difference}")
    click.echo(f"sha256 {made.sha256}")
    if not made.is_same:
        click.echo(f"DIFFERENT: the derivation says {made.stated_sha256}")
        sys.exit(1)
    click.echo("SAME")


def main() -> None:
    """Run a command; a refusal is one line on standard error."""
    try:
        audiatur()
    except Refusal as exc:
        step = _NEXT_STEPS.get(type(exc))
        click.echo(f"audiatur: {exc}" + (f"; {step}" if step else ""), err=True)
        sys.exit(1)
    except (EmbeddedPostgresFailed, StoreError) as exc:
        click.echo(f"audiatur: {exc}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
