"""Senders, each of which keeps a file until the archive has answered with its digest."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from crash_tool import uploads
from crash_tool.book import Book, Promise
from crash_tool.resumed import Answer, Resumed
from crash_tool.uploads import Upload

_ANSWER_WITHIN_S = 30.0
_PAUSES_S = (0.02, 0.3)
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.SERVICE_UNAVAILABLE})
_GIVE_UP_AFTER_S = 300.0
_REPEATED, _CONTESTED, _DRIPPED = 0.05, 0.03, 0.3


class TrialFailed(Exception):
    """The trial itself could not go on; it says nothing about what was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    port: int
    key: str
    host: str = "127.0.0.1"


class Sender:
    """One connection to the archive, opened again after each loss."""

    def __init__(
        self,
        address: Address,
        book: Book,
        chance: random.Random,
        *,
        answer_within_s: float = _ANSWER_WITHIN_S,
    ) -> None:
        self._address = address
        self._answer_within_s = answer_within_s
        self._book = book
        self._chance = chance
        self._connection: http.client.HTTPConnection | None = None
        self._resumed = Resumed(book)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def attempt(self, upload: Upload) -> Answer | None:
        """Send once; return the whole answer, or None where none came."""
        self._book.begins(upload)
        self._book.count("attempts")
        return self._attempt(upload)

    def _attempt(self, upload: Upload) -> Answer | None:
        try:
            return self._exchange(upload)
        except (OSError, http.client.HTTPException):
            self.close()
            self._book.count("unanswered")
            return None

    def _exchange(self, upload: Upload) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self._address.host, self._address.port, timeout=self._answer_within_s
            )
        if upload.by_tus:
            return self._resumed.exchange(self._ask, upload)
        return self._ask("POST", upload.path, {"Content-Type": uploads.CONTENT_TYPE}, upload.body())

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        connection = self._connection
        if connection is None:
            raise http.client.NotConnected
        connection.putrequest(method, path)
        connection.putheader("Authorization", f"Bearer {self._address.key}")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body and self._chance.random() < _DRIPPED:
            # A body that comes in two parts, so that kills meet uploads that are half here.
            half = self._chance.randrange(len(body))
            connection.send(body[:half])
            time.sleep(self._chance.uniform(0, 0.02))
            body = body[half:]
        connection.send(body)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(status=response.status, body=response.read(), headers=headers)
        if response.will_close:
            self.close()
        return answer

    def deliver(self, upload: Upload, *, is_repeat: bool = False) -> None:
        """Send until it is acknowledged, and remember that."""
        answer = self._insist(upload)
        if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            self._book.fault(f"{upload.key.name}: {answer.status} {answer.body[:200]!r}")
            return
        told = json.loads(answer.body)
        promise = Promise(
            id=told["id"], sha256=bytes.fromhex(told["sha256"]), size_bytes=told["size_bytes"]
        )
        self._book.promised(upload.key, promise)
        if is_repeat and answer.status != HTTPStatus.OK:
            self._book.fault(f"{upload.key.name}: a repeat was answered with {answer.status}")
        self._book.count("repeats" if is_repeat else "acknowledged")

    def contest(self, upload: Upload) -> None:
        """Send other bytes for what is acknowledged until they are refused."""
        answer = self._insist(uploads.with_other_bytes(upload), is_new=False)
        if answer.status != HTTPStatus.CONFLICT:
            self._book.fault(f"{upload.key.name}: other bytes were answered with {answer.status}")
        self._book.refused(upload.key)
        self._book.count("conflicts")

    def _insist(self, upload: Upload, *, is_new: bool = True) -> Answer:
        began = time.monotonic()
        if is_new:
            self._book.begins(upload)
        while time.monotonic() < began + _GIVE_UP_AFTER_S:
            self._book.count("attempts")
            answer = self._attempt(upload)
            if answer is not None and not _is_for_later(answer):
                return answer
            if answer is not None:
                self._book.count(f"answers {answer.status}")
                if answer.status not in _LATER:
                    self._book.fault(f"{upload.key.name}: {answer.status} {answer.body[:200]!r}")
            time.sleep(self._chance.uniform(*_PAUSES_S))
        raise TrialFailed(f"{upload.key.name} was not answered within {_GIVE_UP_AFTER_S} s")


def _is_for_later(answer: Answer) -> bool:
    slow = answer.status == HTTPStatus.REQUEST_TIMEOUT
    return slow or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class Load:
    """Senders in threads that take the next upload until `count` were taken."""

    def __init__(
        self, address: Address, book: Book, *, senders: int, count: int, pause_s: float = 0
    ) -> None:
        self.count = count
        self._pause_s = pause_s
        self._book = book
        self._errors: list[Exception] = []
        self._threads = [
            threading.Thread(target=self._run, args=(address, n), name=f"sender-{n}", daemon=True)
            for n in range(senders)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Pass on what went wrong in a thread."""
        if self._errors:
            raise TrialFailed(str(self._errors[0])) from self._errors[0]

    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        self.check()

    def _run(self, address: Address, name: int) -> None:
        chance = random.Random(f"{self._book.seed}/sender/{name}")  # noqa: S311 - no secret.
        sender = Sender(address, self._book, chance)
        try:
            while self._book.drawn < self.count:
                self._one(sender, chance)
                time.sleep(self._pause_s)
        except Exception as exc:  # noqa: BLE001 - told to the main thread, which ends the trial.
            self._errors.append(exc)
        finally:
            sender.close()

    def _one(self, sender: Sender, chance: random.Random) -> None:
        number = self._book.draw()
        upload = uploads.upload(self._book.seed, number)
        sender.deliver(upload)
        drawn = chance.random()
        if drawn < _REPEATED:
            # Another sender may have this one in hand still; both must get the same answer.
            earlier = number - chance.randrange(min(number, 40) + 1)
            known = uploads.upload(self._book.seed, earlier)
            if known.key in self._book.promises:
                sender.deliver(known, is_repeat=True)
        elif drawn < _REPEATED + _CONTESTED and upload.key.kind is uploads.Kind.RECORDING:
            sender.contest(upload)
