"""A line that breaks: a proxy on loopback that hangs up after so many bytes, again and again."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

_PIECE_BYTES = 64 * 1024


class Line:
    """Carries bytes to a server, and breaks where `cuts` have gone up in all."""

    def __init__(self, to: str, cuts: Sequence[int]) -> None:
        self._target = urlsplit(to)
        self._cuts = sorted(cuts)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent_bytes = 0
        self.made_cuts = 0

    def listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _carry(self, client: socket.socket) -> None:
        address = (str(self._target.hostname), self._target.port or 80)
        with client, socket.create_connection(address) as server:
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                self._up(client, server)
            for one in (client, server):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            back.join()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        while piece := client.recv(_PIECE_BYTES):
            sent, is_cut = self._until_the_cut(piece)
            server.sendall(sent)
            if is_cut:
                return

    def _until_the_cut(self, piece: bytes) -> tuple[bytes, bool]:
        with self._lock:
            room = max(0, self._cuts[0] - self.sent_bytes) if self._cuts else len(piece) + 1
            is_cut = len(piece) >= room
            if is_cut:
                self._cuts.pop(0)
                self.made_cuts += 1
            self.sent_bytes += len(piece[:room])
            return piece[:room], is_cut


def _copy(from_socket: socket.socket, to_socket: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := from_socket.recv(_PIECE_BYTES):
            to_socket.sendall(piece)
        to_socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting(to: str, cuts: Sequence[int]) -> Iterator[Line]:
    """Give a line to the server at `to`."""
    line = Line(to, cuts)
    threading.Thread(target=line.listen, daemon=True).start()
    try:
        yield line
    finally:
        line.close()
