"""Comparing what came out with what must, and printing it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from demo_company.story import Call

_WIDTHS = (4, 9, 20, 7, 7, 19)
_HEADS = ("CALL", "SENT BY", "CLIENT", "EVENT", "TIED BY", "FLAG", "HANDING OVER")
LINE = 120
_MADE = "(made)"


def say(text: str = "") -> None:
    """Print a line at once, so that whoever watches a pipe sees it."""
    print(text, flush=True)


@dataclass(slots=True)
class Report:
    """What was checked, and what differs from what must be."""

    differences: list[str] = field(default_factory=list)
    checks: int = 0

    def expect(self, what: str, expected: object, found: object) -> None:
        """Note a difference, if there is one."""
        self.checks += 1
        if expected != found:
            self.differences.append(f"{what}: {expected!r} expected, {found!r} found")


@dataclass(slots=True, kw_only=True)
class Row:
    """A call as it stands in the end."""

    call: Call
    recording: dict[str, Any]
    client_name: str | None
    outcome: str = "not asked"
    reasons: list[str] = field(default_factory=list)

    def compare(self, report: Report) -> None:
        """Compare with what must be."""
        name, expect = self.call.id, self.call.expect
        event = self.recording["event"]
        report.expect(f"{name} event", expect.event, event["external_id"])
        report.expect(f"{name} linked by", expect.linked_by, event["linked_by"])
        report.expect(f"{name} client", expect.client, event["client"])
        report.expect(f"{name} flag", expect.flag, self.recording["consent"]["flag"])
        report.expect(f"{name} outcome", expect.outcome, self.outcome)
        report.expect(f"{name} reasons", expect.reasons, self.reasons)
        report.expect(f"{name} inspection", "done", self.recording["inspection"]["state"])

    def line(self) -> str:
        """Return the line of the table."""
        event = self.recording["event"]
        verdict = " ".join([self.outcome, ", ".join(self.reasons)]).strip()
        return _line(
            self.call.id,
            self.call.told["capture"],
            self.client_name or "-",
            event["external_id"] or _MADE,
            event["linked_by"],
            self.recording["consent"]["flag"],
            verdict,
        )


def _line(*cells: str) -> str:
    told = [cell[:width].ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return " ".join([*told, cells[-1]]).rstrip()[:LINE]


def table(rows: list[Row]) -> list[str]:
    """Return the lines of the table."""
    return [_line(*_HEADS), "-" * LINE, *(row.line() for row in rows), "-" * LINE]


def counts(rows: list[Row], *, screenshots: int) -> list[str]:
    """Return how many there are of what."""
    legs = sum(len(row.call.files) for row in rows)
    flags = Counter(row.recording["consent"]["flag"] for row in rows)
    ties = Counter(row.recording["event"]["linked_by"] for row in rows)
    ends = Counter(row.outcome for row in rows)
    return [
        f"{len(rows)} calls of {legs} files and {screenshots} screenshots are kept.",
        f"tied by: {_counted(ties)}",
        f"flags: {_counted(flags)}",
        f"handing over: {_counted(ends)}",
    ]


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
