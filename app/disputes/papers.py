"""The printed report on a dispute. It fetches nothing: not from a network, nor from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.core import printing
from app.disputes import wording

_FOLDER: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A statement as it is printed: what it says, and by whom and when in one line."""

    head: str
    words: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a table."""

    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A happening on the time axis, `place` in hundredths from its beginning."""

    place: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The happenings of one kind."""

    name: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """All happenings over one axis of time; `ticks` are days and their places."""

    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that is printed, in the words and times of its reader."""

    language: str
    dispute: str
    subject: str
    facts: Sequence[tuple[str, str]]
    complaints: Sequence[Said]
    steps: Sequence[Row]
    axis: Axis
    timeline: Sequence[Row]
    left_out: int
    exhibits: Sequence[Row]
    requests: Sequence[Row]
    findings: Sequence[Said]
    verdicts: Sequence[Said]
    hours: Sequence[Row]
    total: str
    bases: Sequence[Said]
    answers: Sequence[Said]
    outcomes: Sequence[Said]
    lessons: Sequence[Said]
    praise: Sequence[Said]


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def report_page(report: Report) -> str:
    """Return the report as a page."""
    found = _templates().get_template("report.html")
    return found.render(report=report, words=wording.page(report.language))


def report_pdf(report: Report) -> bytes:
    """Return the report to be printed.

    Raises:
        PrinterBusy: too many are being printed.
    """
    return printing.pdf([report_page(report)])
