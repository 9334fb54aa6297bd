"""Reading the documents of the repository as a reader does: sections, tables, blocks, links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def documents() -> list[Path]:
    """Return every document of the repository."""
    return [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def section(document: Path, title: str) -> str:
    """Return what stands under the heading `title` of the second level."""
    _, found, rest = document.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    assert found, f"{document.name} has no section {title}"
    return rest.split("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [body for kind, body in _BLOCK.findall(text) if kind == language]


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables in `text`, heads left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = {at for at, row in enumerate(cells) if set("".join(row)) <= set("-: ")}
    return [row for at, row in enumerate(cells) if at not in rules and at + 1 not in rules]


def relative_links(document: Path) -> list[str]:
    """Return the links of `document` that lead to other files of the repository."""
    prose = _BLOCK.sub("", document.read_text(encoding="utf-8"))
    found = [link.partition("#")[0] for link in _LINK.findall(prose)]
    return [link for link in found if link and "://" not in link]
