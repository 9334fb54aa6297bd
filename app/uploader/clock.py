"""What time it is, and by how much the machine's clock was set since: it may be wrong here."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def now() -> datetime:
    """Return the moment as this machine has it."""
    return datetime.fromtimestamp(time.time(), UTC)


def seconds() -> float:
    """Return a time that nobody sets; it only goes forwards."""
    return time.monotonic()


def base() -> float:
    """Return the difference between the wall clock and one that nobody sets, over sleep too."""
    kind = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() - (time.monotonic() if kind is None else time.clock_gettime(kind))


def boot_id() -> str:
    """Return what names this start of the machine, empty where nothing does."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
