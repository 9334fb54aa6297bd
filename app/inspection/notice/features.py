"""What of the sound is compared: mel bands, whitened so that only the spoken words are left.

Loudness, the colour of the line and steady noise are taken out, and so is what all speech has in
common; two different sentences then hardly correlate, however alike the voices are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ: Final = 8_000

Floats = npt.NDArray[np.float32]
Pcm = npt.NDArray[np.int16]

_WINDOW: Final = 256
_BANDS: Final = 24
_LOW_HZ: Final = 200.0
_HIGH_HZ: Final = 3_600.0
# The mean of a band's power is taken over this time, and what lies this far below it is floor. On
# the tuning set 6 to 8 dB kept 0-dB noise apart best (10, 15 and 20 dB were worse in this order).
_LOCAL_S: Final = 0.5
_RANGE_DB: Final = 8.0
# A click or the edge of a lost packet must not outweigh a syllable.
_LARGEST: Final = 2.5
# Power of a band below which there is only the rounding of 16-bit samples.
_ROUNDING_POWER: Final = 3e3
_ACROSS_BANDS: Final = 9
_DIFFERENCE_S: Final = 0.032
# So many windows are transformed at once: their spectra stay in the cache of the core.
_BLOCK: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A spectrogram's raster: windows of `window` samples, one every `hop`, in bands."""

    hop: int
    window: int
    bands: int
    across: int

    @property
    def seconds(self) -> float:
        return self.hop / SAMPLE_RATE_HZ

    def frames(self, samples: int) -> int:
        """Return how many frames that many samples give."""
        return max((samples - self.window) // self.hop + 1, 0)


SEARCH: Final = Grid(hop=128, window=_WINDOW, bands=_BANDS, across=_ACROSS_BANDS)
ALIGN: Final = Grid(hop=40, window=_WINDOW, bands=_BANDS, across=_ACROSS_BANDS)


def features(pcm: Pcm, grid: Grid) -> Floats:
    """Return one whitened row for every frame of the raster."""
    return _whitened(band_power(pcm, grid), grid)


def frame_power(pcm: Pcm, grid: Grid) -> Floats:
    """Return the mean power of every frame within the telephone band."""
    return np.asarray(band_power(pcm, grid).sum(axis=1), np.float32)


def band_power(pcm: Pcm, grid: Grid) -> Floats:
    first, weights = _bank(grid)
    if grid.frames(len(pcm)) == 0:
        return np.zeros((0, grid.bands), np.float32)
    views = np.lib.stride_tricks.sliding_window_view(pcm, grid.window)[:: grid.hop]
    used, window = slice(first, first + len(weights)), _hann(grid.window)
    power = np.empty((len(views), len(weights)), np.float32)
    for at in range(0, len(views), _BLOCK):
        spectra = np.fft.rfft(views[at : at + _BLOCK] * window, axis=1)[:, used]
        here = power[at : at + _BLOCK]
        np.square(spectra.real, out=here)
        here += np.square(spectra.imag)
    return np.asarray(power @ weights, np.float32)


def _whitened(power: Floats, grid: Grid) -> Floats:
    if not len(power):
        return power
    local = max(round(_LOCAL_S / grid.seconds) // 2, 1)
    floor = _moving_mean(power, local)
    floor *= np.float32(10 ** (-_RANGE_DB / 10))
    floor += np.float32(_ROUNDING_POWER)
    floor += power
    rows = np.log(floor, out=floor)
    rows = rows @ _across(grid)
    step = max(round(_DIFFERENCE_S / grid.seconds), 1)
    result = np.zeros_like(rows)
    np.subtract(rows[2 * step :], rows[: -2 * step], out=result[step:-step])
    return np.clip(result, -_LARGEST, _LARGEST, out=result)


def _moving_mean(rows: Floats, half: int) -> Floats:
    """Return the mean over `half` rows before and after each, fewer at the ends."""
    count = len(rows)
    # In double precision: a loud second must not leave its rounding in the quiet that follows.
    sums = np.zeros((count + 1, rows.shape[1]))
    np.cumsum(rows, axis=0, out=sums[1:])
    places = np.arange(count)
    low, high = np.maximum(places - half, 0), np.minimum(places + half + 1, count)
    return np.asarray(
        (sums[high] - sums[low]) / (high - low)[:, None].astype(np.float64), np.float32
    )


@lru_cache(maxsize=4)
def _hann(size: int) -> Floats:
    return (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)


@lru_cache(maxsize=4)
def _across(grid: Grid) -> Floats:
    """Return the matrix that takes from each band the mean of its neighbours."""
    half = grid.across // 2
    matrix = np.eye(grid.bands)
    for band in range(grid.bands):
        low, high = max(band - half, 0), min(band + half + 1, grid.bands)
        matrix[low:high, band] -= 1 / (high - low)
    return matrix.astype(np.float32)


@lru_cache(maxsize=4)
def _bank(grid: Grid) -> tuple[int, Floats]:
    """Return the first bin used and the triangular weights from bins to bands."""
    at_hz = np.fft.rfftfreq(grid.window, 1 / SAMPLE_RATE_HZ)
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (_LOW_HZ, _HIGH_HZ))
    edges_hz = 700 * (10 ** (np.linspace(low, high, grid.bands + 2) / 2595) - 1)
    rising = (at_hz[:, None] - edges_hz[None, :-2]) / np.diff(edges_hz)[None, :-1]
    falling = (edges_hz[None, 2:] - at_hz[:, None]) / np.diff(edges_hz)[None, 1:]
    weights = np.maximum(np.minimum(rising, falling), 0)
    used = np.flatnonzero(weights.sum(axis=1))
    first, last = int(used[0]), int(used[-1]) + 1
    return first, weights[first:last].astype(np.float32)
