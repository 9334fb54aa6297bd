"""Where an upload is on its way in: counted for `/metrics`, and seen by the crash trial."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from prometheus_client import Histogram

from app.core import traces

_SECONDS = Histogram(
    "audiatur_ingest_stage_seconds",
    "Time that uploads spend in each stage of the way in.",
    ["stage"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30),
)


class Stage(StrEnum):
    """The stages of an upload, in their order."""

    BODY = "body"  # Bytes arrive, are hashed, sealed and written.
    STORE = "store"  # The object is made durable under its name; the syncs lie in here.
    TRANSACTION = "transaction"  # Row, link, entry and job are committed.
    ANSWER = "answer"  # Durable, and the sender does not know it yet.


class Stages(Protocol):
    """Is told when an upload enters and leaves a stage."""

    def enter(self, stage: Stage) -> None: ...
    def leave(self, stage: Stage, seconds: float) -> None: ...
    def inside(self, stage: Stage) -> int: ...


class Measured:
    """Counts the uploads in each stage, and their time there."""

    def __init__(self) -> None:
        self._inside = dict.fromkeys(Stage, 0)
        self._lock = threading.Lock()

    def enter(self, stage: Stage) -> None:
        with self._lock:
            self._inside[stage] += 1

    def leave(self, stage: Stage, seconds: float) -> None:
        with self._lock:
            self._inside[stage] -= 1
        _SECONDS.labels(stage).observe(seconds)

    def inside(self, stage: Stage) -> int:
        """Return how many uploads of this process are in `stage`."""
        return self._inside[stage]


class Mapped(Measured):
    """Keeps beside the counts how many uploads are in each stage, in a file others can map.

    The file outlives a killed process, so that a crash trial can tell what it interrupted:
    one byte for each of `Stage`, in their order.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, len(Stage))
        self._map = mmap.mmap(descriptor, len(Stage))
        os.close(descriptor)
        self._map[:] = bytes(len(Stage))
        self._places = {stage: place for place, stage in enumerate(Stage)}

    def enter(self, stage: Stage) -> None:
        super().enter(stage)
        self._show(stage)

    def leave(self, stage: Stage, seconds: float) -> None:
        super().leave(stage, seconds)
        self._show(stage)

    def _show(self, stage: Stage) -> None:
        with self._lock:
            self._map[self._places[stage]] = min(255, self._inside[stage])


def staying(stages: Stages, stage: Stage) -> ExitStack:
    """Tell `stages` of an upload in `stage` until what is returned is closed, by any thread."""
    began = time.perf_counter()
    stages.enter(stage)
    stay = ExitStack()
    stay.callback(lambda: stages.leave(stage, time.perf_counter() - began))
    stay.enter_context(traces.leaf(f"upload {stage}"))
    return stay


@contextmanager
def in_stage(stages: Stages, stage: Stage) -> Iterator[None]:
    """Tell `stages` that what happens inside belongs to `stage`."""
    began = time.perf_counter()
    stages.enter(stage)
    try:
        with traces.span(f"upload {stage}"):
            yield
    finally:
        stages.leave(stage, time.perf_counter() - began)
