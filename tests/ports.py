"""A port that stays free for whoever the tests start."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """Give a loopback port that only a server told of it can take while the block lasts.

    A socket that is bound and does not listen keeps the kernel from handing the port to anybody
    else, neither for an outgoing connection nor for "any free port". A server which asks for it by
    number, with SO_REUSEADDR as servers do, can still listen on it, and again after it has ended.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
