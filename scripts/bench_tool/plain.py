"""One plain file by Starlette's `FileResponse`: no caller, no decision, no ledger, no cipher.

Served by uvicorn; `PLAIN_FILE` names the file.
"""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

_FILE = os.environ["PLAIN_FILE"]


async def _given(_request: Request) -> FileResponse:
    return FileResponse(_FILE, media_type="audio/wav")


app = Starlette(routes=[Route("/", _given)])
