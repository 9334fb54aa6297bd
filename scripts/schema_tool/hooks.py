"""Loaded by schemathesis: how bodies are written whose kinds it does not know."""

from __future__ import annotations

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/vcon", "application/vcon+gzip", "application/zip")
def plain(_: schemathesis.SerializationContext, value: Any) -> bytes:  # noqa: ANN401
    """Write what was drawn as JSON, unless it is bytes: it is refused or read."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()
