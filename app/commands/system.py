"""Commands around the installation: its parts, its jobs, and what was left behind."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import click
from sqlalchemy import text

from app.commands.shared import open_archive, say, settings_of
from app.releases import sweeping
from app.system import doctor as system
from app.uploads import jobs as uploads


@click.command()
@click.option("--json", "as_json", is_flag=True)
def doctor(*, as_json: bool) -> None:
    """Look at every part and say how to mend what is wrong."""
    findings = system.examine(settings_of())
    if as_json:
        click.echo(json.dumps([f.as_dict() for f in findings], ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(finding.as_line())
    sys.exit(1 if any(f.is_wrong for f in findings) else 0)


@click.group()
def jobs() -> None:
    """Background jobs that need a person."""


@jobs.command("list")
@click.option("--state", default="failed", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def jobs_list(state: str, *, as_json: bool) -> None:
    """List jobs of a state; failed ones have been given up after all retries."""
    with open_archive() as tools, tools.database.transaction() as session:
        rows = session.execute(
            text(
                "SELECT id, task_name, attempts, args FROM procrastinate_jobs "
                "WHERE status::text = :state ORDER BY id LIMIT 1000"
            ),
            {"state": state},
        ).all()
    for job_id, task, attempts, args in rows:
        facts = {"id": job_id, "task": task, "attempts": attempts, "args": args}
        say(as_json, facts, f"{job_id}  {task}  {attempts} attempts  {json.dumps(args)}")
    if not rows and not as_json:
        click.echo(f"No job is {state}.")


@jobs.command("retry")
@click.argument("job_id", type=int)
def jobs_retry(job_id: int) -> None:
    """Try a job that was given up once more."""
    with open_archive() as tools, tools.database.transaction() as session:
        session.execute(
            text(
                "SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL) "
                "FROM procrastinate_jobs WHERE id = :id AND status = 'failed'"
            ),
            {"id": job_id},
        )
    click.echo(f"Job {job_id} waits again.")


@click.command()
@click.option("--older-than-hours", type=click.IntRange(min=0), default=6, show_default=True)
def sweep(older_than_hours: int) -> None:
    """Remove what was broken off and lies in the stores: objects that no row names."""
    with open_archive() as tools:
        older_than = tools.clock.now() - timedelta(hours=older_than_hours)
        removed = uploads.sweep(tools, older_than=older_than)
        removed += sweeping.sweep_store(tools, older_than=older_than)
    click.echo(f"{removed} objects without a row were removed.")
