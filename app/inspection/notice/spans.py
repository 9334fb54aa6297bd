"""Runs of true values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Truths = npt.NDArray[np.bool_]


def runs(truths: Truths) -> list[tuple[int, int]]:
    """Return the runs of true values, each with its first index and the one after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], truths, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def bridged(truths: Truths, longest: int) -> Truths:
    """Return the truths with the holes of up to `longest` between two runs filled in."""
    result = truths.copy()
    for first, after in runs(~truths):
        if first > 0 and after < len(truths) and after - first <= longest:
            result[first:after] = True
    return result


def grown(truths: Truths, by: int) -> Truths:
    """Return the truths with every run longer by so much on both sides."""
    result = np.zeros_like(truths)
    for first, after in runs(truths):
        result[max(first - by, 0) : after + by] = True
    return result
