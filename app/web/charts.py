"""Charts as pictures in SVG, drawn by a library; what they show stands in a table beside them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pygal
from fastapi import Response
from pygal.style import Style

# The library's importer of plugins, of which there are none, answers to no import since 3.12 and
# warns before.
sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, pygal.PluginImportFixer)]

_WIDTH: Final = 960
_HEIGHT: Final = 260
_ROW: Final = 44
_LEAST_TOP: Final = 4
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_STYLE: Final = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#45484f",
    foreground_strong="#1c1e22",
    foreground_subtle="#c4c8cf",
    colors=("#b3261e", "#1f5fa8", "#6b6f76"),
    opacity="0.9",
    transition="0s",
    font_family="system-ui, 'DejaVu Sans', sans-serif",
    label_font_size=13,
    major_label_font_size=13,
    value_label_font_size=12,
    legend_font_size=14,
)
_THICK: Final = "inline:{{ id }} .series .line {stroke-width: 3}"
_DARK: Final = (
    "inline:@media (prefers-color-scheme: dark) {"
    "{{ id }} text {fill: #dfe2e7 !important}"
    "{{ id }} .guide.line {stroke: #4a4e57 !important}"
    "{{ id }} .color-0 {fill: #ff8a80 !important; stroke: #ff8a80 !important}"
    "{{ id }} .color-1 {fill: #8ab8f0 !important; stroke: #8ab8f0 !important}"
    "{{ id }} .line {fill: none !important}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Numbers of one kind, one for each label."""

    name: str
    values: Sequence[float | None]


def line(labels: Sequence[str], series: Series) -> Response:
    """Draw a line on an axis that begins at nought."""
    chart = pygal.Line(range=(0, _top(series)), **_settings(_HEIGHT))
    chart.x_labels = list(labels)
    chart.add(series.name, list(series.values))
    return _answer(chart)


def bars(labels: Sequence[str], series: Sequence[Series]) -> Response:
    """Draw bars that lie, so that long names can be read."""
    height = 110 + _ROW * max(1, len(labels))
    chart = pygal.HorizontalBar(**_settings(height))
    chart.x_labels = list(reversed(labels))
    for one in series:
        chart.add(one.name, list(reversed(one.values)))
    return _answer(chart)


def _settings(height: int) -> dict[str, Any]:
    return {
        "width": _WIDTH,
        "height": height,
        "explicit_size": True,
        "style": _STYLE,
        "css": ["file://style.css", "file://graph.css", _THICK, _DARK],
        "js": [],
        "legend_at_bottom": True,
        "show_y_guides": True,
        "truncate_label": 34,
        "dots_size": 4,
        "order_min": 0,
        "max_scale": 8,
        "value_formatter": _written,
        "no_data_text": "—",
    }


def _written(value: float) -> str:
    """Return a number of an axis, its thousands apart by a narrow space."""
    return f"{value:,.0f}".replace(",", "\u202f")


def _top(series: Series) -> float:
    """Return a little more than the greatest value, so that no line lies on the edge."""
    return max([value for value in series.values if value is not None] + [_LEAST_TOP]) * 1.1


def _answer(chart: Any) -> Response:  # noqa: ANN401 - the library has no types.
    return Response(
        chart.render(),
        media_type="image/svg+xml",
        headers={"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"},
    )
