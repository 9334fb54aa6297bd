"""Identifiers, and how a new one is made."""

from __future__ import annotations

import os
import time
from typing import NewType
from uuid import UUID

RecordingId = NewType("RecordingId", UUID)
ScreenshotId = NewType("ScreenshotId", UUID)
ClientId = NewType("ClientId", UUID)
ContactId = NewType("ContactId", UUID)
EventId = NewType("EventId", UUID)
UserId = NewType("UserId", UUID)
DeviceId = NewType("DeviceId", UUID)
PartyId = NewType("PartyId", UUID)
AssertionId = NewType("AssertionId", UUID)
ReleaseId = NewType("ReleaseId", UUID)
DisputeId = NewType("DisputeId", UUID)

_RANDOM_BYTES = 10


def new_id() -> UUID:
    """Return a fresh UUID of version 7, so that rows made together lie together.

    Source: RFC 9562, 5.7.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = int.from_bytes(milliseconds.to_bytes(6, "big") + os.urandom(_RANDOM_BYTES), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return UUID(int=value)
