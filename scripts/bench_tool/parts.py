"""What a part of the benchmark is; `main.py` lists the parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bench_tool.rounds import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What a part has measured: text for people, plain values for programs."""

    title: str
    text: str
    values: list[dict[str, object]]


class Part(Protocol):
    """A module with this function is a part."""

    def run(self, options: Options) -> Section:
        """Measure, and return what was found."""
