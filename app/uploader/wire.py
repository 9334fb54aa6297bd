"""Talking with the archive over HTTP: one request, one answer, and what an answer means."""

from __future__ import annotations

import base64
import http.client
import json
import re
import secrets
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from app.uploader.config import ArchiveAt

PIECE_BYTES: Final = 4 * 1024 * 1024
_BLOCK_BYTES: Final = 64 * 1024
_MOST_ANSWER_BYTES: Final = 1024 * 1024
_TUS: Final = {"Tus-Resumable": "1.0.0"}
_OK: Final = range(200, 300)
_LONGEST_WAIT_SECONDS: Final = 24 * 3600.0


class ArchiveAway(Exception):
    """The archive does not answer; nothing is known of what came of the request."""


class Means(StrEnum):
    """What an answer means for what was sent."""

    KEPT = "kept"
    LATER = "later"  # The archive's trouble: the same again, after a while.
    STUCK = "stuck"  # Nothing can be sent before somebody mends key or address.
    NEVER = "never"  # This item will be refused whenever it is sent.


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the archive said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """Return the object that the body is, empty where it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def means(self) -> Means:
        return meaning(self.status)

    @property
    def wait_seconds(self) -> float | None:
        """Return how long the archive asks to wait."""
        told = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d{1,6}", told):
            return min(float(told), _LONGEST_WAIT_SECONDS)
        until, at = _date(told), self.date
        if until is None or at is None:
            return None
        return min(max(0.0, (until - at).total_seconds()), _LONGEST_WAIT_SECONDS)

    @property
    def date(self) -> datetime | None:
        return _date(self.headers.get("date", ""))

    @property
    def problem(self) -> str:
        """Return what was wrong, in the archive's words."""
        told = self.json()
        words = [str(told[name]) for name in ("title", "detail") if told.get(name)]
        errors = told.get("errors")
        if isinstance(errors, list) and errors:
            words.append(json.dumps(errors, ensure_ascii=False)[:300])
        return f"{self.status} {': '.join(words)}" if words else f"HTTP status {self.status}"


def meaning(status: int) -> Means:
    """Return what a status means. Pure."""
    if status in _OK:
        return Means.KEPT
    if status in {401, 403, 404, 405} or 300 <= status < 400:  # noqa: PLR2004 - redirects: the address is wrong.
        return Means.STUCK
    if status in {408, 423, 425, 429, 460} or status >= 500:  # noqa: PLR2004 - the server's own.
        return Means.LATER
    return Means.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What is sent: a file under a digest, and what is told of it."""

    kind: str
    told: Mapping[str, object]
    file: Path
    name: str
    sha256: str
    size_bytes: int
    key: str

    @property
    def path(self) -> str:
        return "/v1/recordings" if self.kind == "recording" else "/v1/screenshots"

    @property
    def digest(self) -> str:
        return f"sha-256=:{base64.b64encode(bytes.fromhex(self.sha256)).decode()}:"


class Archive:
    """The archive, as this sender reaches it. A connection for each request: there are few."""

    def __init__(self, at: ArchiveAt) -> None:
        self._at = at
        self._parts = urlsplit(at.url)
        self._tls = (
            ssl.create_default_context(cafile=str(at.ca_file) if at.ca_file else None)
            if self._parts.scheme == "https"
            else None
        )

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Iterator[bytes] | bytes | None = None,
    ) -> Answer:
        """Send a request and return the answer.

        Raises:
            ArchiveAway: no answer came.
        """
        connection = self._connection()
        told = {"Authorization": f"Bearer {self._at.key}", "User-Agent": "audiatur-uploader"}
        try:
            connection.request(method, self._parts.path + path, body, told | dict(headers or {}))
            answer = connection.getresponse()
            return Answer(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.getheaders()},
                body=answer.read(_MOST_ANSWER_BYTES),
            )
        except (BrokenPipeError, ConnectionResetError) as exc:
            # A refusal may have come while the body was still on its way.
            return self._early(connection, exc)
        except (OSError, http.client.HTTPException) as exc:
            raise ArchiveAway(f"{self._at.url}: {exc or type(exc).__name__}") from exc
        finally:
            connection.close()

    def _early(self, connection: http.client.HTTPConnection, cut: OSError) -> Answer:
        try:
            answer = http.client.HTTPResponse(connection.sock, method="POST")
            answer.begin()
            return Answer(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.getheaders()},
                body=answer.read(_MOST_ANSWER_BYTES),
            )
        except (OSError, http.client.HTTPException, AttributeError) as exc:
            raise ArchiveAway(f"{self._at.url}: {cut}") from exc

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        wait = self._at.timeout_seconds
        if self._tls is not None:
            return http.client.HTTPSConnection(host, port, timeout=wait, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=wait)

    # At one go

    def send(self, sending: Sending) -> Answer:
        """Send a file at one go."""
        edge = secrets.token_hex(16)
        told = json.dumps(sending.told, ensure_ascii=False).encode()
        name = re.sub(r'[\x00-\x1f"\\\x7f]', "_", sending.name)
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="metadata"\r\n'
            "Content-Type: application/json\r\n\r\n"
        ).encode()
        middle = (
            f'\r\n--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{edge}--\r\n".encode()
        size = len(head) + len(told) + len(middle) + sending.size_bytes + len(tail)

        def pieces() -> Iterator[bytes]:
            yield head + told + middle
            with sending.file.open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    yield block
            yield tail

        headers = {
            "Content-Type": f"multipart/form-data; boundary={edge}",
            "Content-Length": str(size),
            "Repr-Digest": sending.digest,
            "Idempotency-Key": sending.key,
        }
        return self.ask("POST", sending.path, headers, pieces())

    # In pieces: tus 1.0

    def begin(self, sending: Sending) -> tuple[Answer, str | None]:
        """Begin an upload; return the answer and where it goes on."""
        named = {
            "metadata": json.dumps(sending.told, ensure_ascii=False),
            "kind": sending.kind,
            "filename": sending.name,
            "digest": sending.digest,
        }
        headers = _TUS | {
            "Upload-Length": str(sending.size_bytes),
            "Upload-Metadata": ",".join(
                f"{name} {base64.b64encode(value.encode()).decode()}"
                for name, value in named.items()
            ),
            "Content-Length": "0",
        }
        answer = self.ask("POST", "/v1/uploads", headers)
        found = re.fullmatch(r"\S*(/v1/uploads/[0-9a-fA-F-]+)", answer.headers.get("location", ""))
        return answer, found[1] if found and answer.means is Means.KEPT else None

    def offset(self, upload: str) -> tuple[Answer, int]:
        """Ask how much of an upload is durable."""
        answer = self.ask("HEAD", upload, _TUS)
        told = answer.headers.get("upload-offset", "")
        return answer, int(told) if told.isdigit() else 0

    def append(self, upload: str, sending: Sending, offset: int) -> Answer:
        """Send the next piece."""
        length = min(PIECE_BYTES, sending.size_bytes - offset)

        def pieces() -> Iterator[bytes]:
            left = length
            with sending.file.open("rb") as file:
                file.seek(offset)
                while left and (block := file.read(min(left, _BLOCK_BYTES))):
                    left -= len(block)
                    yield block

        headers = _TUS | {
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
            "Upload-Offset": str(offset),
        }
        return self.ask("PATCH", upload, headers, pieces())

    def outcome(self, upload: str) -> Answer:
        """Ask what became of an upload that is whole."""
        return self.ask("GET", upload)


def _date(told: str) -> datetime | None:
    try:
        return parsedate_to_datetime(told)
    except (TypeError, ValueError):
        return None
