"""The process that serves the public links."""

from __future__ import annotations

from app.core.server import PUBLIC_CONNECTIONS, serve
from app.embedded.supervisor import bind, die_with_parent, inherited_sockets
from app.processes.places import port_of, public_port, tell
from app.public.main import create_public_app
from app.public.server import tools_of
from app.settings import Settings


def run(settings: Settings) -> None:
    """Serve the public links on the sockets that were handed down.

    Only the link process's own database role, store and key are opened.
    """
    die_with_parent()
    app = create_public_app(tools_of(settings))
    serve(app, inherited_sockets(), connections=PUBLIC_CONNECTIONS)


def serve_alone(settings: Settings) -> None:
    """Serve the public links alone, on an address of their own."""
    listener = bind(settings.host, public_port(settings, settings.port))
    app = create_public_app(tools_of(settings))
    serve(
        app,
        [listener],
        connections=PUBLIC_CONNECTIONS,
        listening=lambda: tell(
            f"Public links are served on http://{settings.host}:{port_of(listener)}"
        ),
    )
