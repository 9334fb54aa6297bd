"""What a baresip tells of its calls: events of its control port, as netstrings of JSON.

The events carry neither a moment nor a file name; the moment is when they are heard.
"""

from __future__ import annotations

import json
import logging
import socket
import sqlite3
import threading
from collections.abc import Mapping
from typing import Final

from app.uploader import clock
from app.uploader.config import Control
from app.uploader.spool import Spool

_MOST_BYTES: Final = 1024 * 1024
_LONGEST_HEAD: Final = 8
_PAUSE_SECONDS: Final = 1.0
_CONNECT_SECONDS: Final = 3.0
_DIRECTIONS: Final = {"incoming": "inbound", "outgoing": "outbound"}
_BEGINS: Final = frozenset({"CALL_INCOMING", "CALL_OUTGOING", "CALL_RINGING", "CALL_PROGRESS"})
_log = logging.getLogger("audiatur.uploader")


class FrameWrong(Exception):
    """What came is no netstring: something else listens on that port."""


def unframed(heard: bytes) -> tuple[bytes, bytes] | None:
    """Return the first whole message and what follows it, None while there is none. Pure.

    Raises:
        FrameWrong: it cannot become one.
    """
    length, colon, rest = heard.partition(b":")
    if len(length) > _LONGEST_HEAD or (length and not length.isdigit()):
        raise FrameWrong("no netstring")
    if not colon:
        return None
    size = int(length or 0)
    if size > _MOST_BYTES:
        raise FrameWrong("a message of more than 1 MiB")
    if len(rest) <= size:
        return None
    if rest[size : size + 1] != b",":
        raise FrameWrong("a netstring without its end")
    return rest[:size], rest[size + 1 :]


def note(spool: Spool, source: str, told: Mapping[str, object], at: float) -> None:
    """Note an event of a call; others are passed over."""
    kind, call_id = told.get("type"), told.get("id")
    if told.get("class") != "call" or not isinstance(call_id, str) or not call_id:
        return
    facts = {
        "direction": _DIRECTIONS.get(str(told.get("direction"))),
        "local": _text(told.get("accountaor")),
        "peer": _text(told.get("peeruri")),
        "peer_name": _text(told.get("peerdisplayname")),
    }
    if kind in _BEGINS:
        spool.tell(source, call_id, at, **facts)
    elif kind == "CALL_ESTABLISHED":
        spool.tell(source, call_id, at, answered_at=at, **facts)
    elif kind == "CALL_CLOSED":
        # Of a call that is not known yet the beginning was not heard.
        spool.tell(source, call_id, 0.0, ended_at=at, **facts)


def _text(value: object) -> str | None:
    return value[:255] if isinstance(value, str) and value else None


class Listener:
    """A thread that listens to one phone, and comes back when the phone does."""

    def __init__(self, control: Control, spool: Spool, ending: threading.Event) -> None:
        self._control = control
        self._spool = spool
        self._ending = ending
        self.thread = threading.Thread(target=self._run, name=control.source, daemon=True)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                with socket.create_connection(
                    (self._control.host, self._control.port), _CONNECT_SECONDS
                ) as line:
                    _log.info("hears the phone at %s:%s", self._control.host, self._control.port)
                    self._listen(line)
            except ConnectionRefusedError:
                self._end_calls()
            except FrameWrong as exc:
                _log.error("%s: %s", self._control.source, exc)
            except OSError as exc:
                _log.debug("%s: %s", self._control.source, exc)
            self._ending.wait(_PAUSE_SECONDS)
        self._spool.close()

    def _end_calls(self) -> None:
        """Note that nothing goes on at a phone that is not there any more."""
        try:
            for call in self._spool.calls("source = ? AND ended_at IS NULL", self._control.source):
                self._spool.end_call(call, clock.now().timestamp())
        except sqlite3.OperationalError as exc:
            _log.error("%s: %s", self._control.source, exc)

    def _listen(self, line: socket.socket) -> None:
        line.settimeout(_PAUSE_SECONDS)
        heard = b""
        while not self._ending.is_set():
            try:
                more = line.recv(65_536)
            except TimeoutError:
                continue
            if not more:
                return
            at = clock.now().timestamp()
            heard += more
            while (found := unframed(heard)) is not None:
                message, heard = found
                self._note(message, at)

    def _note(self, message: bytes, at: float) -> None:
        try:
            told = json.loads(message)
        except ValueError:
            return
        while isinstance(told, dict) and told.get("event"):
            try:
                note(self._spool, self._control.source, told, at)
            except sqlite3.OperationalError as exc:
                # The disk is full, or the spool is busy: the event is kept in mind until it is not.
                _log.error("%s: %s", self._control.source, exc)
                if self._ending.wait(_PAUSE_SECONDS):
                    return
            else:
                return
