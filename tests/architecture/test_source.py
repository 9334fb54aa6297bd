"""Rules of the house that the source itself must keep. Each proves that it saw something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # its form is looked at, nothing else has it.
from typing import Any

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for top in ("app", "storage") for p in (ROOT / top).rglob("*.py"))

# Versions below these have faults that matter here.
FLOORS = {
    "starlette": "1.3.1",
    "fastapi": "0.133",
    "python-multipart": "0.0.31",
    "pillow": "13.0.0",
    "urllib3": "2.7.0",
    "uvicorn": "0.49",
    "httptools": "0.8",
    "h11": "0.16",
    "jinja2": "3.1.6",
    "requests": "2.32.4",
    "authlib": "1.6.9",
    "weasyprint": "70.0",
    "rfc3161-client": "1.0.6",
}


def _calls(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            yield name, node.lineno


def _where(name: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for called, _ in _calls(path)
        if called == name
    }


def test_the_rules_look_at_the_whole_source() -> None:
    assert len(SOURCES) > 80


@pytest.mark.parametrize("name", ["commit", "rollback"])
def test_nobody_commits_or_rolls_back_by_hand(name: str) -> None:
    assert _where(name) == set()


def test_permits_are_made_by_the_rules_alone() -> None:
    assert _where("Permit") == {"app/consent/rules.py"}


def test_the_clock_is_asked_in_one_place() -> None:
    allowed = {
        "app/core/clock.py",
        "app/system/doctor.py",  # Looks at the machine's clock itself.
    }
    found = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.is_relative_to(ROOT / "app") and "datetime.now(" in path.read_text()
    }
    assert "app/core/clock.py" in found
    assert found <= allowed


def test_pydub_never_reads_files() -> None:
    for path in SOURCES:
        text = path.read_text()
        assert "from_file(" not in text, path
        assert "mediainfo(" not in text, path


def test_v1_3_2_v1_3_7_no_text_becomes_a_program_or_a_template() -> None:
    assert len(_where("compile")) > 5, "Calls are found by their names."
    assert {name: _where(name) for name in ("eval", "exec", "__import__")} == {
        "eval": set(),
        "exec": set(),
        "__import__": set(),
    }
    templates = [
        node
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "from_string"
    ]
    assert len(templates) == 1
    assert all(isinstance(one.args[0], ast.Constant) for one in templates)


def test_everything_broken_is_caught_in_few_places() -> None:
    allowed = {
        "app/worker/loop.py",
        "app/consent/service.py",  # Fails closed: whatever breaks is a denial.
        "app/core/collector.py",  # Notes in the span by what it broke, and raises it again.
        "app/public/main.py",
        "app/releases/jobs.py",  # Notes by what a bundle's making broke, and raises it again.
        "app/verifier/verify.py",  # Its exit status would mean something else.
        "app/main.py",  # Answers what broke, with nothing of what it was.
    }
    found = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if re.search(r"except Exception|exception_handler\(Exception\)", path.read_text())
    }
    assert found <= allowed, found - allowed


def test_the_lock_keeps_the_floors() -> None:
    locked = dict(
        re.findall(
            r"^([a-z0-9-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
        )
    )
    for name, floor in FLOORS.items():
        assert Version(locked[name]) >= Version(floor), name


def test_the_lock_names_no_index_and_every_line_has_a_hash() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert text.count("==") < text.count("--hash=sha256:")


def test_no_file_speaks_of_the_machine_it_was_written_on() -> None:
    pattern = re.compile(r"/(?:wor[k]/|far[m]/|roo[t]/\.)")
    looked = 0
    for top in ("app", "storage", "migrations", "scripts", "docs", "tests"):
        for path in (ROOT / top).rglob("*"):
            if path.suffix in {".py", ".md", ".sh", ".html", ".sql"} and path.is_file():
                looked += 1
                assert not pattern.search(path.read_text()), path
    assert looked > 100


_RE_CALLS = frozenset({"compile", "fullmatch", "match", "search", "sub", "split", "findall"})
_MANY = 50


def _expressions(path: Path) -> Iterator[str | bytes]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr=name),
                args=[ast.Constant(value=str() | bytes() as text), *_],
            ) if name in _RE_CALLS:
                yield text


def _runs_away(parsed: Any, *, is_inside: bool = False) -> bool:  # noqa: ANN401 - the form of `re` itself.
    """Tell whether something that may repeat often stands in something that may repeat often."""
    for kind, told in parsed:
        match str(kind):
            case "MAX_REPEAT" | "MIN_REPEAT":
                is_long = int(told[1]) > _MANY
                if (is_long and is_inside) or _runs_away(told[2], is_inside=is_inside or is_long):
                    return True
            case "SUBPATTERN":
                if _runs_away(told[3], is_inside=is_inside):
                    return True
            case "BRANCH":
                if any(_runs_away(one, is_inside=is_inside) for one in told[1]):
                    return True
    return False


def test_v1_3_12_no_expression_repeats_what_repeats() -> None:
    """Such a one may take hours over a text of some dozen letters."""
    # What repeats there ends at a dot, and has none itself.
    known = {r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"}
    found = [one for path in SOURCES for one in _expressions(path)]
    assert len(found) > 40
    assert _runs_away(_parser.parse(r"(?:a+)+$"))
    assert {one for one in found if _runs_away(_parser.parse(one))} <= known
