"""Looking for what a PDF could do to its reader, in the sandbox; it is never shown or run here.

What is looked for are names outside of compressed objects, in any of the ways of writing them:
`/JavaScript` may be written `/J#61vaScript`. What lies inside of compressed objects is not seen,
and `compressed_objects` says that there are such. Source: ISO 32000-1, 7.3.5 and 7.5.7.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from app.inspection.sandbox import Budget, DecodeLimit, Sandbox

NAMES = {
    "Encrypt": "encrypted",
    "JavaScript": "javascript",
    "JS": "javascript",
    "EmbeddedFile": "embedded_files",
    "EmbeddedFiles": "embedded_files",
    "Launch": "launches_programs",
    "SubmitForm": "sends_or_loads",
    "ImportData": "sends_or_loads",
    "GoToR": "sends_or_loads",
    "OpenAction": "acts_on_opening",
    "AA": "acts_on_opening",
    "RichMedia": "rich_media",
    "XFA": "dynamic_form",
    "ObjStm": "compressed_objects",
}
LOOKED_FOR = "names_outside_compressed_objects"
UNEXAMINED = "names_not_examined"
_BUDGET = Budget(wall_s=60, cpu_s=30, address_space_bytes=1_000_000_000)
_MOST_FOUND_BYTES = 64 * 1024
_ESCAPE = re.compile(r"#([0-9A-Fa-f]{2})")


def _either_way(letter: str) -> str:
    digits = "".join(f"[{d.upper()}{d.lower()}]" for d in f"{ord(letter):02x}")
    return f"({letter}|#{digits})"


_PATTERN = "|".join(f"/{''.join(map(_either_way, name))}" for name in NAMES)
_WANTED = f"({_PATTERN})([^[:alnum:]#_.+-]|$)"
# Each name once, however often it stands there: the answer stays short.
_STEPS = (
    ("env", "LC_ALL=C", "grep", "-a", "-o", "-E", _WANTED, "/proc/self/fd/0"),
    ("awk", "!seen[$0]++"),
)
_FOUND_OR_NOT = frozenset({0, 1})


def examine(descriptor: int, sandbox: Sandbox) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what was looked for in a PDF, and what of it was found.

    What cannot be examined within its limits is kept nevertheless, and said to be so.
    """
    found = bytearray()

    def keep(piece: bytes) -> None:
        found.extend(piece[: _MOST_FOUND_BYTES - len(found)])

    own = os.open(Path("/proc/self/fd") / str(descriptor), os.O_RDONLY)
    try:
        outcome = sandbox.run(_STEPS, source=own, to=[keep], budget=_BUDGET)
    except DecodeLimit:
        return (), (UNEXAMINED,)
    finally:
        os.close(own)
    if outcome.exit_codes[0] not in _FOUND_OR_NOT or outcome.exit_codes[1] != 0:
        return (), (UNEXAMINED,)
    written = found.decode("latin-1").splitlines()
    return (LOOKED_FOR,), tuple(sorted({NAMES[name] for name in map(_name, written) if name}))


def _name(written: str) -> str | None:
    plain = _ESCAPE.sub(lambda code: chr(int(code[1], 16)), written).lstrip("/")
    kept = re.match(r"[A-Za-z]+", plain)
    return kept[0] if kept and kept[0] in NAMES else None
