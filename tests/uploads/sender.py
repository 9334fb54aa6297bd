"""A sender that speaks tus by hand, so that each test sees the fields and the statuses."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.live import PATIENCE_SECONDS, Live, metadata

TUS = {"Tus-Resumable": "1.0.0"}
BODY = {"Content-Type": "application/offset+octet-stream"}


def field(**told: str) -> str:
    """Return Upload-Metadata."""
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items()
    )


def told_of(call: str, **more: object) -> str:
    """Return Upload-Metadata of a recording."""
    return field(metadata=json.dumps(metadata(call, **more)), filename="call.wav")


class Sender:
    """A device that sends by tus."""

    def __init__(self, live: Live, who: str = "phone") -> None:
        self.live = live
        self.who = who

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,  # noqa: ANN401 - httpx's own arguments.
    ) -> httpx.Response:
        return self.live.call(method, path, who=self.who, headers=TUS | dict(headers or {}), **more)

    def begin(self, call: str, length: int, **headers: str) -> str:
        """Open an upload and return its path."""
        answer = self.ask(
            "POST",
            "/v1/uploads",
            {"Upload-Length": str(length), "Upload-Metadata": told_of(call)} | headers,
        )
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def append(
        self,
        path: str,
        offset: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        says_length: bool = True,
    ) -> httpx.Response:
        """Send the next bytes; where it is not said how many, they become pieces."""
        return self.ask(
            "PATCH",
            path,
            BODY | {"Upload-Offset": str(offset)} | dict(headers or {}),
            content=body if says_length else iter([body]),
        )

    def offset(self, path: str) -> int:
        answer = self.ask("HEAD", path)
        assert answer.status_code == 200, answer.headers
        return int(answer.headers["Upload-Offset"])

    def cut(
        self,
        path: str,
        offset: int,
        body: bytes,
        declared: int,
        *,
        headers: Mapping[str, str] | None = None,
        hangs_up: bool = False,
    ) -> str:
        """Send `body` of a PATCH that declares `declared` bytes, and fall silent.

        Return the status line that comes then, or nothing where the sender hangs up at once.
        """
        fields = {
            "Tus-Resumable": "1.0.0",
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            **(headers or {}),
        }
        return send_and_fall_silent(
            self.live,
            "PATCH",
            path,
            fields,
            body,
            declared=declared,
            who=self.who,
            hangs_up=hangs_up,
        )


def send_and_fall_silent(
    live: Live,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    declared: int,
    who: str = "phone",
    hangs_up: bool = False,
) -> str:
    """Send `body` of a request that declares `declared` bytes, and fall silent.

    Return the status line that comes then, or nothing where the sender hangs up at once.
    """
    to = urlsplit(live.url)
    head = "\r\n".join(
        [
            f"{method} {path} HTTP/1.1",
            f"Host: {to.netloc}",
            f"Authorization: Bearer {live.key(who)}",
            f"Content-Length: {declared}",
            *(f"{name}: {value}" for name, value in headers.items()),
            "\r\n",
        ]
    )
    with socket.create_connection((str(to.hostname), to.port or 80), PATIENCE_SECONDS) as line:
        line.sendall(head.encode() + body)
        return "" if hangs_up else line.makefile("rb").readline().decode()
