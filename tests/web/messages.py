"""The messages of the source and the templates, and their translations, for the tests of words."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from app.system import doctor
from app.web import words

ROOM = Path(words.__file__).parent
KEYWORDS = {
    "_": None,
    "N_": None,
    "Said": None,
    "gettext": None,
    "ngettext": (1, 2),
    "counted": (1, 2),
}
Message = str | tuple[str, ...]


def of_file(path: Path) -> Iterator[Message]:
    """Give the messages that stand in a module or a template."""
    method = "python" if path.suffix == ".py" else "jinja2"
    options = {"trimmed": "false", "newstyle_gettext": "true", "extensions": "jinja2.ext.i18n"}
    found = extract(method, io.BytesIO(path.read_bytes()), keywords=KEYWORDS, options=options)
    for _line, message, _comments, _context in found:
        yield message if isinstance(message, str) else tuple(message)


def sources() -> list[Path]:
    ours = [*ROOM.rglob("*.py"), *(ROOM / "templates").rglob("*.html")]
    return sorted([*ours, Path(doctor.__file__)])


def used() -> dict[str, Message]:
    """Return every message by its singular, as the source has it."""
    found: dict[str, Message] = {}
    for path in sources():
        for message in of_file(path):
            found[message if isinstance(message, str) else message[0]] = message
    return found


def catalogs(language: str = "ru") -> dict[str, Catalog]:
    """Return the translations, by the name of their file."""
    found = {}
    for path in words.po_files(language):
        with path.open("rb") as file:
            found[path.name] = read_po(file, locale=language)
    return found


_TITLES = """
import json
import app.main
from app.core.errors import Refusal
found, waiting = {}, Refusal.__subclasses__()
while waiting:
    kind = waiting.pop()
    waiting += kind.__subclasses__()
    found[f"{kind.__module__}.{kind.__name__}"] = kind.title()
print(json.dumps(found))
"""


def titles_of_refusals() -> dict[str, str]:
    """Return the title of every refusal that a route may raise, by its class.

    Asked of a process of its own: what other tests import here is none of a page's.
    """
    asked = [sys.executable, "-c", _TITLES]
    told = subprocess.run(  # noqa: S603 - this very Python.
        asked, cwd=ROOM.parents[1], capture_output=True, check=True, timeout=120
    )
    return dict(json.loads(told.stdout))
