"""Figures of several web processes as one: kept in files that each of them reads."""

from __future__ import annotations

import shutil

from app.settings import Settings

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # Read by the library of the figures as it is imported.


def shared(settings: Settings) -> dict[str, str]:
    """Make the folder of the figures anew; return what tells a process to keep its own there.

    A process that is started again adds to what the one before it had counted.
    """
    folder = settings.data / "figures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return {_FOLDER: str(folder.resolve())}
