"""The service of the user's systemd that keeps the uploader running."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

NAME: Final = "audiatur-uploader.service"
_TEXT: Final = """\
[Unit]
Description=Audiatur uploader: brings recorded calls to the archive
After=network-online.target

[Service]
ExecStart={command}
Restart=always
RestartSec=1
TimeoutStopSec=30
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=default.target
"""


def text(command: Sequence[str]) -> str:
    """Return the file of a service that runs `command`; systemd's own marks are escaped."""
    words = (shlex.quote(word).replace("%", "%%").replace("$", "$$") for word in command)
    return _TEXT.format(command=" ".join(words))


def folder() -> Path:
    """Return where the user's own services lie."""
    return Path("~/.config/systemd/user").expanduser()
