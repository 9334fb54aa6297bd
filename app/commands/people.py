"""Commands around people, and the first administrator."""

from __future__ import annotations

import click

from app import first_run
from app.commands.shared import ACTOR, open_archive, say
from app.identity import account
from app.identity import service as identity
from app.identity.permissions import Role


@click.group()
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
    with open_archive() as tools, tools.database.transaction() as session:
        at = tools.clock.now()
        person = identity.add_user(
            session,
            ACTOR,
            name,
            role=Role(role),
            full_name=full_name,
            agent_ref=agent_ref,
            password=password,
            at=at,
        )
        key = identity.add_api_key(session, ACTOR, person, at=at) if wants_key else None
    say(as_json, {"user": name, "role": role, "key": key}, key or f"{name} is {role}.")


@user.command("disable")
@click.argument("name")
def user_disable(name: str) -> None:
    """Shut a person out within seconds."""
    with open_archive() as tools, tools.database.transaction() as session:
        identity.disable_user(session, ACTOR, name, at=tools.clock.now())
    click.echo(f"{name} is disabled.")


@user.command("recovery-link")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def user_recovery_link(name: str, *, as_json: bool) -> None:
    """Print a link by which a person sets a new password, good once and for a day."""
    with open_archive() as tools, tools.database.transaction() as session:
        token = account.mint_recovery_link(session, ACTOR, name, at=tools.clock.now())
        url = account.recovery_url(tools.settings.base_url, token)
    say(as_json, {"user": name, "url": url}, url)


@click.group()
def admin() -> None:
    """Administrators, where there is none yet."""


@admin.command("link")
@click.option("--json", "as_json", is_flag=True)
def admin_link(*, as_json: bool) -> None:
    """Print a link by which the first administrator is made; good once and for a day."""
    with open_archive() as tools:
        url = first_run.new_link(tools.database, tools.settings, at=tools.clock.now())
    say(as_json, {"url": url}, url)
