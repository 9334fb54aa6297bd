"""The archive as others see it: requests with a key, and answers that must be as they should."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

_TIMEOUT_SECONDS = 120
_PAUSE_SECONDS = 0.2


class Unexpected(Exception):
    """The archive answered something that the story does not go on from."""


class Api:
    """The public API, asked by somebody with a key."""

    def __init__(self, address: str, keys: dict[str, str]) -> None:
        self._client = httpx.Client(base_url=address, timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._keys = keys

    def close(self) -> None:
        self._client.close()

    def ask(
        self,
        who: str,
        method: str,
        path: str,
        *,
        body: object = None,
        query: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Return whatever the archive answers."""
        return self._client.request(
            method, path, json=body, params=query, headers=self._headers(who)
        )

    def must(
        self,
        who: str,
        method: str,
        path: str,
        *,
        body: object = None,
        query: dict[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON of any shape.
        """Return what the archive answers when it does what was asked.

        Raises:
            Unexpected: it refused.
        """
        return _done(self.ask(who, method, path, body=body, query=query))

    def upload(
        self, who: str, path: str, told: object, file: Path | tuple[str, bytes]
    ) -> httpx.Response:
        """Send metadata and a file, as a softphone or `curl -F` does."""
        name, data = (file.name, file.read_bytes()) if isinstance(file, Path) else file
        text = json.dumps(told, ensure_ascii=False).encode()
        parts: list[tuple[str, tuple[str | None, bytes, str]]] = [
            ("metadata", (None, text, "application/json")),
            ("file", (name, data, "application/octet-stream")),
        ]
        return self._client.post(path, files=parts, headers=self._headers(who))

    def must_upload(self, who: str, path: str, told: object, file: Path) -> Any:  # noqa: ANN401 - JSON of any shape.
        """Return the answer to an upload that is taken.

        Raises:
            Unexpected: it was refused.
        """
        return _done(self.upload(who, path, told, file))

    def _headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys[who]}"}


def _done(answer: httpx.Response) -> Any:  # noqa: ANN401 - JSON of any shape.
    if not answer.is_success:
        request = answer.request
        raise Unexpected(
            f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:600]}"
        )
    return answer.json()


def wait_until(is_so: Callable[[], bool], *, patience_seconds: float) -> bool:
    """Ask again and again; say whether it came true in time."""
    give_up_at = time.monotonic() + patience_seconds
    while not is_so():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True
