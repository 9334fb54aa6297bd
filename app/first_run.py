"""The first run: an empty archive hands whoever has started it a link to become administrator."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from app.core.db import Database
from app.identity import account
from app.identity.actor import Actor
from app.settings import Settings
from app.wiring import write_private

_ACTOR = Actor.system("command line")


def link_file(settings: Settings) -> Path:
    """Return the file that holds the newest link, for its owner alone."""
    return settings.data / "first-admin-link"


def new_link(
    database: Database, settings: Settings, *, at: datetime, base_url: str | None = None
) -> str:
    """Return a new link by which the first administrator is made, and write it down.

    Raises:
        AdministratorThere: there is one.
    """
    with database.transaction() as session:
        token = account.mint_first_admin_link(session, _ACTOR, at=at)
    url = f"{base_url or settings.base_url}/first-run/{token}"
    write_private(link_file(settings), f"{url}\n")
    return url


def forget_link(settings: Settings) -> None:
    """Remove the file; its link makes nobody an administrator any more."""
    link_file(settings).unlink(missing_ok=True)
