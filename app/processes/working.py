"""The process that does background jobs."""

from __future__ import annotations

from app.core import traces
from app.embedded.supervisor import die_with_parent
from app.settings import Settings
from app.wiring import database_urls, open_tools
from app.worker import loop


def run(settings: Settings) -> None:
    """Do background jobs."""
    die_with_parent()
    with (
        traces.sent("worker"),
        database_urls(settings) as urls,
        open_tools(settings, urls) as tools,
    ):
        loop.run(tools, urls.web)
