"""The alignment: where each tenth of a second of the reference lies in the sound, to milliseconds.

Around a candidate every 0.4 s piece of the reference gets a correlation for each lag; the path of
lags through the pieces is the one of the highest sum, bending at a cost, so that clock drift and
the jumps of a jitter buffer are followed and a merely similar sentence is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.features import (
    ALIGN,
    Floats,
    Pcm,
    features,
)

LAG_FRAMES: Final = 60
# The whitening looks a quarter of a second around; this much is read on both sides of the lags.
MARGIN_SAMPLES: Final = LAG_FRAMES * ALIGN.hop + 2_400
_PIECE: Final = 80
_STEP: Final = 20
_BEND_COST: Final = 0.03
_JUMP_COST: Final = 0.5
_BENT: Final = int(_JUMP_COST / _BEND_COST)
_TINY: Final = 1e-6

Lags = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """What the alignment needs of a reference, computed once."""

    rows: Floats
    speech: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, pcm: Pcm, speech: npt.NDArray[np.bool_]) -> Prepared:
        """Compute the features; `speech` holds one truth per frame of the align raster."""
        rows = features(pcm, ALIGN)
        return cls(
            rows=rows,
            speech=speech[: len(rows)],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """The reference laid over the sound.

    `lag` holds one value per 5 ms of the reference, in frames beside the candidate's start;
    `constant` is the best correlation of the whole reference at one unbending lag.
    """

    lag: npt.NDArray[np.float64]
    constant: float


def align(prepared: Prepared, sound: Pcm) -> Alignment:
    """Align; `sound` begins `MARGIN_SAMPLES` before the candidate's start, ends as much after."""
    margin = MARGIN_SAMPLES // ALIGN.hop
    rows = features(sound, ALIGN)
    count = len(prepared.rows)
    # From here on, frame `f` of the reference at lag `l` is frame `f + l` of the sound.
    first = margin - LAG_FRAMES
    rows = rows[first : first + count + 2 * LAG_FRAMES]
    near = np.lib.stride_tricks.sliding_window_view(rows, 2 * LAG_FRAMES + 1, axis=0)
    products = np.matmul(prepared.rows[:, None, :], near)[:, 0, :]
    ours = _energy(prepared.rows)
    theirs = _energy(rows)
    table = _piece_correlations(products, ours, theirs)
    weights = _piece_weights(prepared.speech)
    path = _best_path(table * weights[:, None])
    return Alignment(
        lag=_refined(table, path, count) - LAG_FRAMES,
        constant=_constant(products, ours, theirs),
    )


def _energy(rows: Floats) -> Floats:
    return np.asarray(np.einsum("fb,fb->f", rows, rows), np.float32)


def _sums(values: Floats, starts: Lags, size: int) -> npt.NDArray[np.float64]:
    """Return the sums of `size` values from each start."""
    total = np.zeros(len(values) + 1)
    np.cumsum(values, out=total[1:])
    return np.asarray(total[starts + size] - total[starts])


def _starts(count: int) -> Lags:
    return np.arange(0, max(count - _PIECE, 0) + 1, _STEP)


def _piece_correlations(products: Floats, ours: Floats, theirs: Floats) -> npt.NDArray[np.float64]:
    """Return the correlation of every piece of the reference at every lag."""
    starts = _starts(len(ours))
    steps = products[: len(products) // _STEP * _STEP].reshape(-1, _STEP, products.shape[1])
    sums = steps.sum(axis=1, dtype=np.float64)
    top = sum(sums[step : step + len(starts)] for step in range(_PIECE // _STEP))
    own = _sums(ours, starts, _PIECE)[:, None]
    places = starts[:, None] + np.arange(products.shape[1])[None, :]
    their = _sums(theirs, places.ravel(), _PIECE).reshape(places.shape)
    return np.asarray(top / np.sqrt(own * np.maximum(their, 0.05 * own) + _TINY))


def _piece_weights(speech: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    starts = _starts(len(speech))
    return _sums(speech.astype(np.float32), starts, _PIECE) / _PIECE


def _best_path(gains: npt.NDArray[np.float64]) -> Lags:
    """Return the lag of each piece on the path of the highest sum (Viterbi).

    Beyond `_BENT` lags a bend costs as much as a jump, which comes from the highest of all.
    """
    pieces, lags = gains.shape
    every = np.arange(lags)
    cost = np.abs(np.arange(-_BENT, _BENT + 1)) * _BEND_COST
    padded = np.full(lags + 2 * _BENT, -np.inf)
    near = np.lib.stride_tricks.sliding_window_view(padded, len(cost))
    total = padded[_BENT : _BENT + lags]
    total[:] = gains[0]
    came_from = np.zeros((pieces, lags), np.int64)
    for piece in range(1, pieces):
        options = near - cost
        beside = options.argmax(axis=1)
        best = options[every, beside]
        source = beside + every - _BENT
        highest = int(total.argmax())
        jumped = total[highest] - _JUMP_COST
        # Of equals the first: where nothing is said many are.
        jumps = (jumped > best) | ((jumped == best) & (highest < source))
        came_from[piece] = np.where(jumps, highest, source)
        total[:] = np.where(jumps, jumped, best) + gains[piece]
    path = np.empty(pieces, np.int64)
    path[-1] = int(total.argmax())
    for piece in range(pieces - 1, 0, -1):
        path[piece - 1] = came_from[piece, path[piece]]
    return path


def _refined(table: npt.NDArray[np.float64], path: Lags, count: int) -> npt.NDArray[np.float64]:
    """Return the lag of each frame between the steps of the raster, by a parabola."""
    pieces = np.arange(len(path))
    inner = np.clip(path, 1, table.shape[1] - 2)
    low, mid, high = (table[pieces, inner + step] for step in (-1, 0, 1))
    bend = low - 2 * mid + high
    offset = np.where(bend < -_TINY, 0.5 * (low - high) / np.where(bend < -_TINY, bend, -1), 0)
    exact = inner + np.clip(offset, -0.5, 0.5)
    centres = pieces * _STEP + _PIECE / 2
    return np.asarray(np.interp(np.arange(count), centres, exact))


def _constant(products: Floats, ours: Floats, theirs: Floats) -> float:
    """Return the best correlation of the whole reference at one unbending lag."""
    count, lags = products.shape
    top = products.sum(axis=0, dtype=np.float64)
    their = _sums(theirs, np.arange(lags), count)
    return float((top / np.sqrt(ours.sum(dtype=np.float64) * their + _TINY)).max())
