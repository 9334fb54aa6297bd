"""The fonts of what is printed, loaded once in a process.

What the libraries below WeasyPrint take for a set of fonts they never give back: a quarter of a MiB
for each paper that had a set of its own, which the soak found.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_one_at_a_time = threading.Lock()


@contextmanager
def fonts() -> Iterator[Any]:
    """Give the fonts for one printing; others wait, for Pango's objects are not for two at once."""
    with _one_at_a_time:
        yield _loaded()


@cache
def _loaded() -> Any:  # noqa: ANN401 - WeasyPrint tells no types.
    # Its libraries take a second to load, and only who prints needs them.
    from weasyprint.text.fonts import FontConfiguration  # noqa: PLC0415

    return FontConfiguration()
