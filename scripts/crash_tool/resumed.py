"""Sending by tus: what was told to be durable is not sent again, however often the line breaks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from crash_tool.book import Book
from crash_tool.uploads import Key, Upload

_TUS = {"Tus-Resumable": "1.0.0"}
_BODY = {**_TUS, "Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Ask = Callable[..., Answer]


@dataclass(slots=True)
class _Place:
    """Where an upload is, and up to where it was told to be durable."""

    path: str
    durable: int = 0


class Resumed:
    """The uploads of one sender, each gone on with until the archive says what became of it."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._places: dict[tuple[Key, bytes], _Place] = {}

    def exchange(self, ask: Ask, upload: Upload) -> Answer:
        """Begin or go on, send the rest, and return what `POST /v1/recordings` would answer."""
        key = (upload.key, upload.sha256)
        if key not in self._places:
            refused = self._begun(ask, upload, key)
            return refused or self._sent(ask, upload, key)
        place = self._places[key]
        told = ask("HEAD", place.path, _TUS)
        if told.status == HTTPStatus.NOT_FOUND and not place.durable:
            # Whoever begins is told an address alone; of that one the database knows nothing more.
            del self._places[key]
            return Answer(status=HTTPStatus.SERVICE_UNAVAILABLE, body=b"to be begun again")
        if told.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return told
        if told.status == HTTPStatus.OK:
            place.durable = self._durable(upload, place, told)
        if told.status != HTTPStatus.OK or place.durable == len(upload.content):
            return self._became(ask, key)
        return self._sent(ask, upload, key)

    def _sent(self, ask: Ask, upload: Upload, key: tuple[Key, bytes]) -> Answer:
        place = self._places[key]
        fields = {**_BODY, "Upload-Offset": str(place.durable)}
        sent = ask("PATCH", place.path, fields, upload.content[place.durable :])
        if sent.status == HTTPStatus.NO_CONTENT:
            place.durable = self._durable(upload, place, sent)
            return self._became(ask, key)
        return sent

    def _begun(self, ask: Ask, upload: Upload, key: tuple[Key, bytes]) -> Answer | None:
        named = {"metadata": upload.metadata, "filename": upload.file_name}
        told = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in named.items())
        fields = {**_TUS, "Upload-Length": str(len(upload.content)), "Upload-Metadata": told}
        answer = ask("POST", "/v1/uploads", fields)
        if answer.status != HTTPStatus.CREATED:
            return answer
        self._places[key] = _Place(answer.headers["location"])
        return None

    def _durable(self, upload: Upload, place: _Place, answer: Answer) -> int:
        durable = int(answer.headers["upload-offset"])
        if durable < place.durable:
            self._book.fault(f"{upload.key.name}: {place.durable} were durable, now {durable}")
        return durable

    def _became(self, ask: Ask, key: tuple[Key, bytes]) -> Answer:
        found = ask("GET", self._places[key].path, {})
        if found.status != HTTPStatus.OK:
            return found
        del self._places[key]
        told = json.loads(found.body)
        answer = json.dumps(told["answer"]).encode()
        if told["state"] == "kept":
            return Answer(status=HTTPStatus.OK, body=answer)
        status = int((told["answer"] or {}).get("status", HTTPStatus.INTERNAL_SERVER_ERROR))
        return Answer(status=status, body=answer)
