"""The course of the highest sum through a table of gains, where jumps and glides cost.

Source: A. J. Viterbi, Error bounds for convolutional codes, 1967.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What it costs to go on anywhere else (`jump`), and one column beside (`glide`)."""

    jump: float
    glide: float


def highest_course(gains: Doubles, *, begins: Doubles, ends: Doubles, costs: Costs) -> Indices:
    """Return the column of each row of `gains`, (rows, columns), for which the sum is highest.

    `begins` and `ends` are the costs of each column in the first row and in the last.
    """
    rows, columns = gains.shape
    every = np.arange(columns)
    came_from = np.zeros((rows, columns), np.int64)
    total = gains[0] - begins
    for row in range(1, rows):
        best, source = total.copy(), every.copy()
        for step in (-1, 1):
            other = np.full(columns, -np.inf)
            other[max(step, 0) : columns + min(step, 0)] = total[
                max(-step, 0) : columns - max(step, 0)
            ]
            better = other - costs.glide > best
            best[better] = (other - costs.glide)[better]
            source[better] = every[better] - step
        highest = int(total.argmax())
        better = total[highest] - costs.jump > best
        best[better] = total[highest] - costs.jump
        source[better] = highest
        came_from[row], total = source, best + gains[row]
    total = total - ends
    course = np.empty(rows, np.int64)
    course[-1] = int(total.argmax())
    for row in range(rows - 1, 0, -1):
        course[row - 1] = came_from[row, course[row]]
    return course
