"""The README's table of settings is that of the program."""

from __future__ import annotations

import re

from pydantic_core import PydanticUndefined

from app.settings import Settings
from tests.docs.markdown import README, ROOT, rows, section


def _written(default: object) -> str:
    if default is None:
        return "—"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    table = {row[0]: row for row in rows(section(README, "Settings"))}
    wanted = {
        f"`AUDIATUR_{name.upper()}`": _written(field.default)
        for name, field in Settings.model_fields.items()
        if field.default is not PydanticUndefined
    }
    assert len(wanted) == len(Settings.model_fields) > 20
    assert {name: row[1] for name, row in table.items()} == wanted


def test_every_setting_says_what_it_means() -> None:
    for name, _, meaning in rows(section(README, "Settings")):
        assert len(meaning.split()) > 2, name


def test_every_name_of_opentelemetry_that_is_read_here_is_in_the_readme() -> None:
    told = set(re.findall(r"`(OTEL_\w+)`", section(README, "Traces")))
    sources = [*(ROOT / "app/core").glob("*.py"), ROOT / "app/processes/supervised.py"]
    read = {name for path in sources for name in re.findall(r"\bOTEL_\w+", path.read_text("utf-8"))}
    assert len(read) > 5
    assert read - told == set()
