"""One target in a process of its own: reads what the fuzzer makes, keeps what breaks it.

Called by `main`: `python -m fuzz_tool.runner TARGET FOLDER SECONDS SEED`. The folder gets `faults`
with an input for each place that broke, and `figures.json` at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["app", "defusedxml", "python_multipart"]):
    from fuzz_tool.targets import ROOT, TARGETS, Ready, Target

_HANG_SECONDS = 10
_MEMORY_MIB = 2048


class Watched:
    """Calls a parser, and keeps one input for each place at which it broke."""

    def __init__(self, ready: Ready, faults: Path) -> None:
        self._ready = ready
        self._faults = faults
        self._places: set[str] = set()
        self.executions = 0
        self.refused = 0

    def __call__(self, raw: bytes) -> None:
        """Read one input; what the parser refuses is as it should be."""
        self.executions += 1
        try:
            self._ready.one(raw)
        except self._ready.refuses:
            self.refused += 1
        except Exception as exc:  # noqa: BLE001 - any other is what is looked for.
            self._keep(raw, exc)

    def _keep(self, raw: bytes, exc: BaseException) -> None:
        frames = traceback.extract_tb(exc.__traceback__)
        own = [one for one in frames if one.filename.startswith(str(ROOT / "app"))] or frames
        place = f"{type(exc).__name__} {Path(own[-1].filename).name}:{own[-1].lineno}"
        if place in self._places:
            return
        self._places.add(place)
        name = hashlib.sha256(raw).hexdigest()[:16]
        (self._faults / name).write_bytes(raw)
        (self._faults / f"{name}.why").write_text(
            f"{place}\n\n{''.join(traceback.format_exception(exc))}", encoding="utf-8"
        )


def run(target: Target, folder: Path, seconds: int, seed: int) -> None:
    """Fuzz `target` for so long, then write the figures down; does not return."""
    faults, corpus = folder / "faults", folder / "corpus"
    for place in (faults, corpus):
        place.mkdir(parents=True, exist_ok=True)
    for at, raw in enumerate(target.seeds()):
        (corpus / f"seed-{at:03}").write_bytes(raw[: target.most_bytes])
    with atheris.instrument_imports(include=["app", "defusedxml", "python_multipart"]):
        ready = target.prepare()
    watched = Watched(ready, faults)
    began = time.monotonic()
    _at_end(lambda: _tell(watched, folder, began))
    atheris.Setup(
        [
            "fuzz",
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-max_len={target.most_bytes}",
            f"-timeout={_HANG_SECONDS}",
            f"-rss_limit_mb={_MEMORY_MIB}",
            f"-artifact_prefix={faults}/",
            "-print_final_stats=1",
            str(corpus),
        ],
        watched,
    )
    atheris.Fuzz()


def _at_end(tell: Callable[[], None]) -> None:
    """Do `tell` when the fuzzer ends: it leaves by the exit of C, which calls what Python asks."""
    import atexit  # noqa: PLC0415 - here it is needed alone.

    atexit.register(tell)


def _tell(watched: Watched, folder: Path, began: float) -> None:
    figures = {
        "executions": watched.executions,
        "refused": watched.refused,
        "seconds": round(time.monotonic() - began, 1),
    }
    with contextlib.suppress(OSError):
        (folder / "figures.json").write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    name, folder_of, seconds_of, seed_of = sys.argv[1:]
    run(TARGETS[name], Path(folder_of), int(seconds_of), int(seed_of))
