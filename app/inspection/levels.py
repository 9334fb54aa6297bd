"""How loud a channel is, how often it is cut off at full scale, how long nothing is on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.inspection.loudness import FRAME_SAMPLES, Floats, Gate, KWeighting
from app.inspection.peaks import SAMPLE_RATE_HZ

FULL_SCALE: Final = 32_768
# The highest that mu-law can say is 32,124 and A-law 32,256; all full scales lie above this.
CEILING: Final = 32_100
# One sample at the ceiling is a peak that just fits, three in a row are a top that was cut off.
CLIPPED_RUN: Final = 3
# A telephone line with somebody on it has more noise than this, and a coder's zero has less.
SILENCE_DBFS: Final = -60.0
_SILENT_SQUARES: Final = FRAME_SAMPLES * (FULL_SCALE * 10 ** (SILENCE_DBFS / 20)) ** 2

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The levels of a channel.

    Loudness is None where nothing passes the gate, the peak where every sample is zero. Clipped
    are samples in runs of three or more at full scale; silent is what is below -60 dBFS (RMS).
    """

    loudness_lufs: float | None
    peak_dbfs: float | None
    clipped_samples: int
    clipped_runs: int
    silent_ms: int
    longest_silence_ms: int


class LevelMeter:
    """Measures one channel from batches of whole frames and a rest at the end."""

    __slots__ = (
        "_clipped",
        "_gate",
        "_longest",
        "_peak",
        "_run",
        "_runs",
        "_silence",
        "_silent",
        "_weighting",
    )

    def __init__(self) -> None:
        self._weighting = KWeighting()
        self._gate = Gate()
        self._peak = 0
        self._run = 0
        self._runs = 0
        self._clipped = 0
        self._silence = 0
        self._silent = 0
        self._longest = 0

    def feed(self, samples: Samples, frames: Floats) -> npt.NDArray[np.float64]:
        """Take whole frames, as they came and as rows; return the weighted energy of each."""
        self._take_peak(samples)
        self._take_silence(np.einsum("fs,fs->f", frames, frames) < _SILENT_SQUARES)
        energies = self._weighting.energies(frames)
        self._gate.feed(energies)
        return energies

    def feed_rest(self, samples: Samples) -> None:
        """Take what is left at the end, less than a frame; loudness is of whole blocks alone."""
        self._take_peak(samples)
        squares = float(np.square(samples, dtype=np.float64).mean()) * FRAME_SAMPLES
        self._take_silence(np.array([squares < _SILENT_SQUARES]), samples_each=len(samples))

    def finish(self) -> Level:
        self._end_run()
        self._end_silence()
        return Level(
            loudness_lufs=rounded(self._gate.loudness_lufs()),
            peak_dbfs=rounded(20 * math.log10(self._peak / FULL_SCALE)) if self._peak else None,
            clipped_samples=self._clipped,
            clipped_runs=self._runs,
            silent_ms=_ms(self._silent),
            longest_silence_ms=_ms(self._longest),
        )

    def _take_peak(self, samples: Samples) -> None:
        highest = max(int(samples.max()), -int(samples.min()))
        self._peak = max(self._peak, highest)
        if highest < CEILING:
            self._end_run()
            return
        cut = (samples >= CEILING) | (samples <= -CEILING)
        # A run is at one side: from the highest to the lowest value there is no flat top.
        side = np.where(cut, np.sign(samples), 0)
        bounds = np.array(_bounds(side))
        runs = np.diff(bounds) * side[bounds[:-1]].astype(np.int64)
        if self._run * int(runs[0]) <= 0:
            self._end_run()
        # The first may go on with the batch before, and the last is not at its end yet.
        runs[0] += self._run
        self._run = int(runs[-1])
        ended = np.abs(runs[:-1])
        clipped = ended[ended >= CLIPPED_RUN]
        self._runs += len(clipped)
        self._clipped += int(clipped.sum())

    def _end_run(self) -> None:
        if abs(self._run) >= CLIPPED_RUN:
            self._runs += 1
            self._clipped += abs(self._run)
        self._run = 0

    def _take_silence(
        self, silent: npt.NDArray[np.bool_], *, samples_each: int = FRAME_SAMPLES
    ) -> None:
        self._silent += int(silent.sum()) * samples_each
        for first, after in pairwise(_bounds(silent)):
            if silent[first]:
                self._silence += (after - first) * samples_each
            else:
                self._end_silence()

    def _end_silence(self) -> None:
        self._longest = max(self._longest, self._silence)
        self._silence = 0


def _bounds(values: npt.NDArray[Any]) -> list[int]:
    """Return where each run of equal values begins, and the end."""
    return [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]


def rounded(value: float | None) -> float | None:
    """Return a figure in decibels to a hundredth, which is more than anybody hears."""
    return None if value is None else round(value, 2)


def _ms(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE_HZ
