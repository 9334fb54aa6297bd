"""S4 to S6: recordings received, beside a C program and beside what is first written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench_tool import figures, servers, targets
from bench_tool.figures import MIB, Comparison, Target
from bench_tool.native import Programs
from bench_tool.parts import Section
from bench_tool.rounds import Cell, Options, measure
from bench_tool.servers import Start

_REFERENCE, _NAIVE, _OURS = "reference", "naive", "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    cell: Cell
    targets: tuple[Target, ...]
    is_long: bool = False
    is_in_short_run: bool = False


def _small(connections: int, target: Target, *, is_in_short_run: bool = False) -> _Line:
    name = f"1 MiB, c = {connections}"
    return _Line(
        cell=Cell(name=name, size=MIB, connections=connections),
        targets=(target,),
        is_in_short_run=is_in_short_run,
    )


_LINES = (
    _small(1, Target(number="S4", against=_REFERENCE, must=0.55, stretch=0.8)),
    _small(
        8, Target(number="S4", against=_REFERENCE, must=0.50, stretch=0.75), is_in_short_run=True
    ),
    _small(64, Target(number="S4", against=_REFERENCE, must=0.40, stretch=0.7)),
    _small(16, Target(number="S6", against=_NAIVE, must=1.5, stretch=2.5)),
    _Line(
        cell=Cell(name="10 MiB, c = 8", size=10 * MIB, connections=8),
        targets=(
            Target(number="S5", against=_REFERENCE, must=0.55, stretch=0.85),
            Target(number="S6", against=_NAIVE, must=1.7, stretch=3.0),
        ),
        is_in_short_run=True,
    ),
    _Line(
        cell=Cell(name="100 MiB, c = 1", size=100 * MIB, connections=1),
        targets=(Target(number="S5", against=_REFERENCE, must=0.65, stretch=1.0),),
        is_long=True,
    ),
)


def run(options: Options) -> Section:
    """Measure every cell and compare."""
    programs = Programs(reference=options.reference, load=options.load)
    starts: dict[str, Start] = {
        _REFERENCE: servers.reference(programs),
        _NAIVE: servers.naive,
        _OURS: servers.ours_on_each_processor,
    }
    comparisons = [
        comparison
        for line in _LINES
        if _is_wanted(line, options)
        for comparison in _compare(line, starts, options)
    ]
    return Section(
        title=(
            "ingest: one durable recording after the other; "
            f"ours with {servers.web_processes()} web processes, as docs/deploy.md recommends"
        ),
        text="\n\n".join([_table(comparisons), *_complaints(comparisons)]),
        values=[figures.as_json(comparison) for comparison in comparisons],
        lines=[targets.of_comparison(comparison) for comparison in comparisons],
    )


def _is_wanted(line: _Line, options: Options) -> bool:
    if line.is_long:
        return options.with_long_cells
    return line.is_in_short_run or not options.is_short


def _compare(line: _Line, starts: Mapping[str, Start], options: Options) -> list[Comparison]:
    wanted = [*(target.against for target in line.targets), _OURS]
    runs = measure(line.cell, {name: starts[name] for name in wanted}, options)
    return [
        Comparison(cell=line.cell.name, target=target, ours=runs[_OURS], other=runs[target.against])
        for target in line.targets
    ]


def _table(comparisons: list[Comparison]) -> str:
    return figures.table(figures.HEADER, [figures.row(each) for each in comparisons])


def _complaints(comparisons: list[Comparison]) -> list[str]:
    """Return why a ratio is missing, so that a wrong answer is not taken for a slow one."""
    return [
        f"{each.cell}: {name} answered wrongly: {run.first_error}"
        for each in comparisons
        for name, runs in ((_OURS, each.ours), (each.target.against, each.other))
        for run in runs
        if not run.is_valid
    ]
