"""The styles and scripts that `scripts/setup` builds, under names that hold their digest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
BUILT: Final = STATIC / "built"
MEND: Final = "Run scripts/setup, which builds it (it needs Node's npm), then start again."
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Front:
    """What was built: the name of each entry's file, and the files."""

    names: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    @property
    def is_built(self) -> bool:
        return bool(self.names)

    def url(self, entry: str) -> str:
        """Return the address of what was built from `static/src/{entry}`."""
        return f"/static/{self.names.get(entry, entry)}"


def load(folder: Path = BUILT) -> Front:
    """Return what was built into a folder; nothing where nothing was."""
    files = {"icon.svg": ((STATIC / "icon.svg").read_bytes(), _KINDS[".svg"])}
    try:
        outputs = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["outputs"]
        names = {
            Path(made["entryPoint"]).name: Path(path).name
            for path, made in outputs.items()
            if "entryPoint" in made
        }
        for name in names.values():
            path = folder / name
            files[name] = (path.read_bytes(), _KINDS[path.suffix])
    except FileNotFoundError:
        return Front(files=files)
    return Front(names=names, files=files)
