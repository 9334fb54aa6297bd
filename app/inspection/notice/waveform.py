"""The fine structure: whether it is the reference's own recording, and which words were heard.

Two readings of a sentence, by another voice or by the same, agree in their spectra but not in
their waveforms. Along the path of the alignment the waveforms between 250 and 1200 Hz, which every
telephone coder keeps, are correlated over 0.3 s with five milliseconds of freedom: the mean says
whether it is the same recording, the best lags lay the two over each other to the sample, and the
correlation at these lags tells what was heard, even where noise is as loud as the speech.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.align import MARGIN_SAMPLES
from app.inspection.notice.features import ALIGN, SAMPLE_RATE_HZ, Floats, Pcm

_LOW_HZ: Final = 250
_HIGH_HZ: Final = 1_200
_PIECE: Final = 2_400
_STEP: Final = 800
_FREEDOM: Final = 40
# A clock 1500 ppm off moves by four samples within a piece.
_PLAY: Final = 4
_WINDOW: Final = 1_600
_SURE: Final = 0.35
_TINY: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FineMatch:
    """The two waveforms laid over each other.

    `correlation`, `gain` (the factor with which the reference is contained in the sound) and `lag`
    (samples beside the candidate's start) hold one value for every 5 ms of the reference; `pieces`
    the best correlation of each 0.3 s, a tenth of a second apart.
    """

    correlation: Floats
    gain: Floats
    lag: npt.NDArray[np.float64]
    pieces: npt.NDArray[np.float64]


def band_limited(pcm: Pcm) -> Floats:
    """Return the waveform between 250 and 1200 Hz."""
    spectrum = np.fft.rfft(pcm.astype(np.float32))
    at_hz = np.fft.rfftfreq(len(pcm), 1 / SAMPLE_RATE_HZ)
    spectrum[(at_hz < _LOW_HZ) | (at_hz > _HIGH_HZ)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(pcm)), np.float32)


def fine_match(reference: Floats, sound: Floats, *, lag: npt.NDArray[np.float64]) -> FineMatch:
    """Lay the waveforms over each other, near the path `lag` (in frames) of the alignment.

    Both are band-limited; `sound` begins `MARGIN_SAMPLES` before the candidate's start.
    """
    starts = np.arange(0, max(len(reference) - _PIECE, 0) + 1, _STEP)
    centres = np.minimum((starts + _PIECE // 2) // ALIGN.hop, len(lag) - 1)
    coarse = np.rint(lag[centres] * ALIGN.hop).astype(np.int64)
    peaks, offsets = np.zeros(len(starts)), np.zeros(len(starts), np.int64)
    for index, (start, shift) in enumerate(zip(starts, coarse, strict=True)):
        at = MARGIN_SAMPLES + int(start) + int(shift) - _FREEDOM
        around = sound[at : at + _PIECE + 2 * _FREEDOM]
        found = _correlate(reference[start : start + _PIECE], around)
        offsets[index] = int(found.argmax()) - _FREEDOM
        peaks[index] = found.max()
    exact = _believed(coarse + offsets, peaks)
    places = np.arange(len(lag)) * ALIGN.hop - _PIECE // 2 + _STEP // 2
    nearest = np.clip(places // _STEP, 0, len(exact) - 1)
    laid = _LaidOver(reference, sound, len(lag))
    frame_lag = exact[nearest]
    laid.take(frame_lag)
    for neighbour in (nearest - 1, nearest + 1):
        # Beside a jump the lag of the piece before, or of the one after, is the right one.
        other = exact[np.clip(neighbour, 0, len(exact) - 1)]
        if np.abs(other - frame_lag).max(initial=0) > _PLAY:
            laid.take(other)
    return FineMatch(
        correlation=laid.best.astype(np.float32),
        gain=laid.gain.astype(np.float32),
        lag=laid.lag,
        pieces=peaks[nearest],
    )


def _correlate(piece: Floats, around: Floats) -> npt.NDArray[np.float64]:
    product = np.correlate(around, piece, "valid")
    total = np.concatenate([[0.0], np.cumsum(np.square(around, dtype=np.float64))])
    energy = total[len(piece) :] - total[: -len(piece)]
    return np.asarray(product / np.sqrt(energy * float(np.dot(piece, piece)) + _TINY))


def _believed(lags: npt.NDArray[np.int64], peaks: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Replace the lag of pieces that match nothing by that of the nearest that does."""
    sure = np.flatnonzero(peaks >= min(_SURE, float(peaks.max())))
    nearest = sure[np.abs(np.arange(len(lags))[:, None] - sure[None, :]).argmin(axis=1)]
    return np.asarray(lags[nearest], np.int64)


class _LaidOver:
    """The correlation within 0.2 s around each frame, at the best of the lags tried."""

    def __init__(self, reference: Floats, sound: Floats, frames: int) -> None:
        self._reference, self._sound, self._frames = reference, sound, frames
        self._own = _windowed(np.square(reference, dtype=np.float64), frames)
        self.best = np.full(frames, -1.0)
        self.gain = np.zeros(frames)
        self.lag = np.zeros(frames)

    def take(self, frame_lag: npt.NDArray[np.int64]) -> None:
        """Try the lags, one for each frame, give or take half a millisecond."""
        length = len(self._reference)
        lag = np.repeat(frame_lag, ALIGN.hop)[:length]
        lag = np.pad(lag, (0, length - len(lag)), mode="edge")
        places = np.arange(length) + MARGIN_SAMPLES + lag
        for play in range(-_PLAY, _PLAY + 1, 2):
            laid = self._sound[np.clip(places + play, 0, len(self._sound) - 1)]
            product = _windowed(self._reference.astype(np.float64) * laid, self._frames)
            energy = _windowed(np.square(laid, dtype=np.float64), self._frames)
            found = product / np.sqrt(self._own * energy + _TINY)
            better = found > self.best
            self.best[better] = found[better]
            self.gain[better] = (product / (self._own + _TINY))[better]
            self.lag[better] = frame_lag[better]


def _windowed(values: npt.NDArray[np.float64], frames: int) -> npt.NDArray[np.float64]:
    total = np.concatenate([[0.0], np.cumsum(values)])
    centre = np.arange(frames) * ALIGN.hop + ALIGN.window // 2
    low = np.clip(centre - _WINDOW // 2, 0, len(values))
    high = np.clip(centre + _WINDOW // 2, 0, len(values))
    return np.asarray(total[high] - total[low])
