"""What a part of the benchmark is; `main.py` lists the parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from bench_tool import figures
from bench_tool.rounds import Options
from bench_tool.targets import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What a part has measured: text for people, plain values for programs.

    `lines` are its figures of the targets, for the table of all of them.
    """

    title: str
    text: str
    values: list[dict[str, object]]
    lines: Sequence[Line] = ()


class NotWanted(Exception):
    """A run of this profile leaves the part out; the message says why."""


class Part(Protocol):
    """A module with this function is a part."""

    def run(self, options: Options) -> Section:
        """Measure, and return what was found.

        Raises:
            NotWanted: a run of this profile leaves it out.
        """


@contextmanager
def told_when_cut(title: str, header: Sequence[str], rows: list[list[str]]) -> Iterator[None]:
    """Print the rows that are there where the measuring within is broken off."""
    try:
        yield
    except BaseException:
        if rows:
            print(f"\n## {title}: broken off\n\n{figures.table(header, rows)}", flush=True)
        raise
