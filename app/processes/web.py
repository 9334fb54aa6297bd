"""The process that serves the archive to people, softphones and programs."""

from __future__ import annotations

import os
from pathlib import Path

from app.core import traces
from app.core.server import WEB_CONNECTIONS, serve
from app.embedded.supervisor import die_with_parent, inherited_sockets
from app.main import create_app
from app.recordings.stages import Mapped, Measured, Stages
from app.settings import Settings
from app.wiring import database_urls, open_tools

_STAGES_FILE = "AUDIATUR_STAGES_FILE"


def run(settings: Settings) -> None:
    """Serve the archive on the sockets that were handed down."""
    die_with_parent()
    with traces.sent("web"), database_urls(settings) as urls, open_tools(settings, urls) as tools:
        app = create_app(tools, stages=_stages())
        serve(app, inherited_sockets(), connections=WEB_CONNECTIONS)


def _stages() -> Stages:
    """Return the counter of stages; a crash trial names a file to see them from outside."""
    path = os.environ.get(_STAGES_FILE)
    return Mapped(Path(path)) if path else Measured()
