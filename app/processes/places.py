"""Where processes listen, and how people are told."""

from __future__ import annotations

import socket
import sys

from app.settings import Settings


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket is bound to."""
    return int(listener.getsockname()[1])


def public_port(settings: Settings, web_port: int) -> int:
    """Return the port of the links: the one after the web's, or a free one, if none is set."""
    if settings.public_port is not None:
        return settings.public_port
    return web_port + 1 if settings.port else 0


def tell(*lines: str) -> None:
    """Print lines for whoever has started the process, at once."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
