"""S8: the memory of the receiving process while uploads are in flight."""

from __future__ import annotations

from dataclasses import dataclass

from bench_tool import figures
from bench_tool.figures import MIB
from bench_tool.native import Load, Volley, run_load
from bench_tool.parts import Section
from bench_tool.processes import Growth, watched
from bench_tool.rounds import Options, say
from bench_tool.servers import Server, fresh, ours
from bench_tool.targets import Line

_SAMPLES_PER_S = 50
_MUST_BYTES = 40 * MIB
_STRETCH_BYTES = 20 * MIB
_WARM_UP = Volley(connections=1, requests=4, size=MIB)
_HEADER = ("path", "before MiB", "peak MiB", "after MiB", "growth", "samples", "verdict (40 / 20)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    name: str
    volley: Volley


_FLIGHTS = (
    _Flight(
        name="one upload of 1 GiB",
        volley=Volley(connections=1, requests=1, size=1024 * MIB),
    ),
    _Flight(
        name="64 uploads of 4 MiB in flight",
        volley=Volley(connections=64, requests=4, size=4 * MIB),
    ),
)


def run(options: Options) -> Section:
    """Send each flight to a server of its own and watch the process that receives."""
    rows, values, lines = [], [], []
    for flight in _FLIGHTS[-1:] if options.is_short else _FLIGHTS:
        say(f"memory: {flight.name}")
        with fresh(options.directory, "ours", ours) as server:
            growth, load = _fly(flight, server, options)
        rows.append(_row(flight, growth, load))
        values.append(_values(flight, growth, load))
        lines.append(_line(flight, growth, load))
    title = "S8: memory of the receiving process"
    return Section(title=title, text=figures.table(_HEADER, rows), values=values, lines=lines)


def _fly(flight: _Flight, server: Server, options: Options) -> tuple[Growth, Load]:
    run_load(options.load, server.address, _WARM_UP)
    with watched(server.receivers(), per_s=_SAMPLES_PER_S) as growth:
        load = run_load(options.load, server.address, flight.volley)
    return growth, load


def _verdict(growth: Growth, load: Load) -> figures.Verdict:
    if load.errors:
        return figures.Verdict.NONE
    if growth.peak_growth_bytes <= _STRETCH_BYTES:
        return figures.Verdict.STRETCH
    met = growth.peak_growth_bytes <= _MUST_BYTES
    return figures.Verdict.MET if met else figures.Verdict.MISSED


def _row(flight: _Flight, growth: Growth, load: Load) -> list[str]:
    sizes = (growth.before_bytes, growth.peak_bytes, growth.after_bytes, growth.peak_growth_bytes)
    shown = [f"{size / MIB:.1f}" for size in sizes]
    verdict = _verdict(growth, load).value
    why = f"{verdict}: {load.first_error}" if load.errors else verdict
    return [flight.name, *shown, str(growth.samples), why]


def _values(flight: _Flight, growth: Growth, load: Load) -> dict[str, object]:
    return {
        "target": "S8",
        "path": flight.name,
        "before_bytes": growth.before_bytes,
        "peak_bytes": growth.peak_bytes,
        "after_bytes": growth.after_bytes,
        "growth_bytes": growth.peak_growth_bytes,
        "wall_s": load.wall_s,
        "errors": load.errors,
        "verdict": _verdict(growth, load).value,
    }


def _line(flight: _Flight, growth: Growth, load: Load) -> Line:
    return Line(
        number="S8",
        path=f"memory growth, {flight.name}",
        against="–",
        figure=f"{growth.peak_growth_bytes / MIB:.1f} MiB",
        wanted="40 / 20 MiB",
        verdict=_verdict(growth, load).value,
        cost=f"peak {growth.peak_bytes / MIB:.0f} MiB",
    )
