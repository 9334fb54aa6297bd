"""Ports of the loopback address that nobody uses."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from dataclasses import dataclass

HOST = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_000  # Below where the kernel takes ports for outgoing connections.
_RTP_PORTS = 12
_ROW = 4 + _RTP_PORTS
_TRIALS = 200


class NoRoom(Exception):
    """No row of free ports was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports of one phone: `sip` and the one after it, `control`, and a range for the voice."""

    sip: int
    control: int
    rtp_first: int
    rtp_last: int


def free_ports() -> Ports:
    """Return a row of ports that are free at this moment.

    Raises:
        NoRoom: there is none.
    """
    for _ in range(_TRIALS):
        # Voice and its reports take an even port and the odd one after it.
        first = random.randrange(_FIRST, _LAST, 2)  # noqa: S311 - to keep two runs apart, no secret.
        if _are_free(first):
            rtp = first + _ROW - _RTP_PORTS
            return Ports(sip=first, control=first + 2, rtp_first=rtp, rtp_last=rtp + _RTP_PORTS - 1)
    raise NoRoom("no row of free ports was found on this machine")


def _are_free(first: int) -> bool:
    with ExitStack() as held:
        try:
            for port in range(first, first + _ROW):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    probe = held.enter_context(socket.socket(type=kind))
                    probe.bind((HOST, port))
        except OSError:
            return False
    return True
