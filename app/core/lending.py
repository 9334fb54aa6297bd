"""A body that comes fast is read from its socket by the thread that works on it.

Each piece that comes by the event loop costs the interpreter some dozens of calls, however long it
is. Whoever reads a long body asks here for a loan: the connection is read by nobody else meanwhile.
A sender that pauses is left to the event loop again, so a thread waits for nobody.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import Final, Protocol

from fastapi import Request

# Longer pauses are the event loop's.
_PATIENCE_MILLISECONDS: Final = 2
# A sender that never pauses and sends a byte at a time is too.
_BATCH_SECONDS: Final = 0.05
# Then others are let at the thread.
MOST_LENT_BYTES: Final = 8 * 1024 * 1024
# How much waits in a connection until it is read; the kernel doubles it.
USUAL_BUFFER_BYTES: Final = 64 * 1024


def limit_waiting(one: socket.socket, limit_bytes: int) -> None:
    """Say how many bytes may wait in a connection until they are read."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limit_bytes)


class Loan:
    """At most `left` bytes of one body, which nobody else reads while the loan lasts.

    `unread` came before them. Used by one thread at a time; ended by `end`.
    """

    __slots__ = ("_is_over", "_lock", "_poll", "_socket", "left", "taken", "unread")

    def __init__(self, descriptor: int, *, unread: bytes, left: int) -> None:
        """Take over `descriptor`, a duplicate that is closed with the loan."""
        self._socket = socket.socket(fileno=descriptor)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._lock = threading.Lock()
        self._is_over = False
        self.unread = unread
        self.left = left
        self.taken = 0

    def let_wait(self, limit_bytes: int) -> None:
        """Let so much of a body wait while the thread works, from now on until the line ends.

        Then each read brings much: it lets go of the interpreter, and waits until it gets it again.
        Less is never asked for: the sender was told of the room, and what comes for which there is
        none any more is dropped, and sent again after a fifth of a second.
        """
        # The kernel tells the double of what it was given.
        if limit_bytes > self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2:
            limit_waiting(self._socket, limit_bytes)

    def batch(self, wanted_bytes: int) -> list[bytes]:
        """Return what comes, as long as it comes quickly: fewer bytes than wanted are the last.

        They are also the last where the line has ended: whoever reads it next finds that out.
        """
        pieces: list[bytes] = []
        wanted_bytes = min(wanted_bytes, self.left)
        due = time.monotonic() + _BATCH_SECONDS
        while wanted_bytes and (piece := self._read(wanted_bytes)):
            pieces.append(piece)
            wanted_bytes -= len(piece)
            self.left -= len(piece)
            self.taken += len(piece)
            if time.monotonic() > due:
                break
        return pieces

    def _read(self, at_most: int) -> bytes:
        try:
            return self._socket.recv(at_most)
        except BlockingIOError:
            self._poll.poll(_PATIENCE_MILLISECONDS)
        except OSError:  # The line broke; the event loop is told the same.
            return b""
        try:
            return self._socket.recv(at_most)
        except OSError:
            return b""

    def end(self) -> None:
        """Say that nothing more is read; does nothing the second time."""
        with self._lock:
            if not self._is_over:
                self._is_over = True
                self._socket.close()

    @property
    def is_over(self) -> bool:
        """Tell whether whoever had the loan has ended it."""
        return self._is_over


class Lender(Protocol):
    """A connection that can be read by somebody else than its server for a while."""

    def lend(self) -> Loan | None: ...
    def give_back(self, loan: Loan) -> None: ...


def offer(state: dict[str, object], lender: Lender) -> None:
    """Say in the state of a request that its connection can be lent."""
    state["lender"] = lender


def lender_of(request: Request) -> Lender | None:
    """Return who lends the connection of a request; None where its server cannot."""
    found: Lender | None = getattr(request.state, "lender", None)
    return found
