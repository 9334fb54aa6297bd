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
from app.inspection.notice.spans import Truths

_LOW_HZ: Final = 250
_HIGH_HZ: Final = 1_200
_PIECE: Final = 2_400
_STEP: Final = 800
_FREEDOM: Final = 40
# A clock 1500 ppm off moves by four samples within a piece.
_PLAY: Final = 4
_WINDOW: Final = 1_600
_BRIEF: Final = 800
_SURE: Final = 0.35
# A piece across a jump reaches about half of what the others do.
_USUAL: Final = 0.7
_MOST_DRIFT: Final = 2.5e-3
_TINY: Final = 1.0

Doubles = npt.NDArray[np.float64]
Lags = npt.NDArray[np.int64]
Both = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FineMatch:
    """The two waveforms laid over each other.

    One value for every 5 ms of the reference: `correlation` within 0.2 s around, `gain` (the factor
    with which the reference is contained in the sound) and `lag` (samples beside the candidate's
    start); `brief` and `brief_gain` are those of 0.1 s; `pieces` the best correlation of each
    0.3 s, a tenth of a second apart. `followed` is where the second look found the course of the
    reference, with nothing else in its place.
    """

    correlation: Floats
    gain: Floats
    brief: Floats
    brief_gain: Floats
    lag: Doubles
    pieces: Doubles
    followed: Truths


def band_limited(pcm: Pcm) -> Floats:
    """Return the waveform between 250 and 1200 Hz."""
    spectrum = np.fft.rfft(pcm.astype(np.float32))
    at_hz = np.fft.rfftfreq(len(pcm), 1 / SAMPLE_RATE_HZ)
    spectrum[(at_hz < _LOW_HZ) | (at_hz > _HIGH_HZ)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(pcm)), np.float32)


def fine_match(reference: Floats, sound: Floats, *, lag: Doubles) -> FineMatch:
    """Lay the waveforms over each other, near the path `lag` (in frames) of the alignment.

    Both are band-limited; `sound` begins `MARGIN_SAMPLES` before the candidate's start.
    """
    starts = np.arange(0, max(len(reference) - _PIECE, 0) + 1, _STEP)
    centres = np.minimum((starts + _PIECE // 2) // ALIGN.hop, len(lag) - 1)
    coarse = np.rint(lag[centres] * ALIGN.hop).astype(np.int64)
    found = _correlations(reference, sound, starts, MARGIN_SAMPLES + starts + coarse - _FREEDOM)
    offsets = found.argmax(axis=1) - _FREEDOM
    peaks = found.max(axis=1)
    exact = _believed(coarse + offsets, peaks)
    places = np.arange(len(lag)) * ALIGN.hop - _PIECE // 2 + _STEP // 2
    nearest = np.clip(places // _STEP, 0, len(exact) - 1)
    laid = _LaidOver(reference, sound, len(lag))
    frame_lag = exact[nearest]
    laid.take(frame_lag)
    # Beside a jump the lag of the piece before, or of the one after, is the right one; or neither
    # where the pieces are longer than what lies between two jumps.
    beside = [exact[np.clip(nearest + step, 0, len(exact) - 1)] for step in (-1, 1)]
    for other in (*beside, _course(starts, coarse + offsets, peaks, laid)):
        if np.abs(other - frame_lag).max(initial=0) > _PLAY:
            laid.take(other)
    return FineMatch(
        correlation=laid.wide.correlation.astype(np.float32),
        gain=laid.wide.gain.astype(np.float32),
        brief=laid.brief.correlation.astype(np.float32),
        brief_gain=laid.brief.gain.astype(np.float32),
        lag=laid.lag,
        pieces=peaks[nearest],
        followed=np.zeros(len(lag), np.bool_),
    )


def retaken(
    fine: FineMatch,
    reference: Floats,
    sound: Floats,
    *,
    lag: Lags,
    among: Truths,
) -> FineMatch:
    """Return the match with another lag tried in the frames of `among`; the better one counts."""
    laid = _LaidOver(reference, sound, len(lag))
    laid.take(lag)
    wide = among & (laid.wide.correlation > fine.correlation)
    brief = among & (laid.brief.correlation > fine.brief)
    return FineMatch(
        correlation=np.where(wide, laid.wide.correlation, fine.correlation).astype(np.float32),
        gain=np.where(wide, laid.wide.gain, fine.gain).astype(np.float32),
        brief=np.where(brief, laid.brief.correlation, fine.brief).astype(np.float32),
        brief_gain=np.where(brief, laid.brief.gain, fine.brief_gain).astype(np.float32),
        lag=np.where(wide, laid.lag, fine.lag),
        pieces=fine.pieces,
        followed=among,
    )


def _correlations(reference: Floats, sound: Floats, starts: Lags, places: Lags) -> Doubles:
    """Return how each piece of the reference correlates with the sound from its place on."""
    pieces = np.lib.stride_tricks.sliding_window_view(reference, min(_PIECE, len(reference)))
    pieces = pieces[starts]
    size = pieces.shape[1]
    around = np.lib.stride_tricks.sliding_window_view(sound, size + 2 * _FREEDOM)[places]
    total = np.zeros((len(starts), around.shape[1] + 1))
    np.cumsum(np.square(around, dtype=np.float64), axis=1, out=total[:, 1:])
    energy = total[:, size:] - total[:, :-size]
    for row, piece, near in zip(energy, pieces, around, strict=True):
        product = np.correlate(near, piece, "valid")
        np.divide(product, np.sqrt(row * float(np.dot(piece, piece)) + _TINY), out=row)
    return energy


def _course(
    starts: Lags,
    lags: Lags,
    peaks: Doubles,
    laid: _LaidOver,
) -> Lags:
    """Return the lag of each frame: that of the pieces that match well, and its course between.

    As far as a clock may drift it goes straight from one to the next; farther, it jumps where the
    products of the waveforms, at the one lag before and at the other behind, add up to the most.
    """
    least = max(_SURE, _USUAL * float(np.percentile(peaks, 75)))
    sure = np.flatnonzero(peaks >= min(least, float(peaks.max())))
    centres, lags = (starts[sure] + _PIECE // 2) // ALIGN.hop, lags[sure]
    result = np.rint(np.interp(np.arange(laid.frames), centres, lags)).astype(np.int64)
    drifts = np.diff(centres) * ALIGN.hop * _MOST_DRIFT + _PLAY
    for index in np.flatnonzero(np.abs(np.diff(lags)) > drifts):
        first, after = int(centres[index]), int(centres[index + 1])
        before = np.cumsum(laid.products(first, after, int(lags[index])))
        behind = np.cumsum(laid.products(first, after, int(lags[index + 1])))
        change = first + 1 + int((before - behind).argmax())
        result[first:change], result[change:after] = lags[index], lags[index + 1]
    return result


def _believed(lags: Lags, peaks: Doubles) -> Lags:
    """Replace the lag of pieces that match nothing by that of the nearest that does."""
    sure = np.flatnonzero(peaks >= min(_SURE, float(peaks.max())))
    nearest = sure[np.abs(np.arange(len(lags))[:, None] - sure[None, :]).argmin(axis=1)]
    return np.asarray(lags[nearest], np.int64)


class _Best:
    """The best correlation within one length around each frame, and the gain there."""

    def __init__(self, own: Doubles, *, frames: int, window: int) -> None:
        centre = np.arange(frames) * ALIGN.hop + ALIGN.window // 2
        self._low = np.clip(centre - window // 2, 0, len(own) - 1)
        self._high = np.clip(centre + window // 2, 0, len(own) - 1)
        self._own = own[self._high] - own[self._low]
        self.correlation = np.full(frames, -1.0)
        self.gain = np.zeros(frames)

    def take(self, total: Both) -> Truths:
        """Take the running sums in; return where they are better than those before."""
        within = total[self._high] - total[self._low]
        both, theirs = within.real, within.imag
        found = both / np.sqrt(self._own * theirs + _TINY)
        better = found > self.correlation
        self.correlation[better] = found[better]
        self.gain[better] = (both / (self._own + _TINY))[better]
        return np.asarray(better)


class _LaidOver:
    """The correlations around each frame, at the best of the lags tried."""

    def __init__(self, reference: Floats, sound: Floats, frames: int) -> None:
        self._reference, self._sound = reference.astype(np.float64), sound.astype(np.float64)
        self.frames = frames
        own = np.concatenate([[0.0], np.cumsum(np.square(self._reference))])
        self.wide = _Best(own, frames=frames, window=_WINDOW)
        self.brief = _Best(own, frames=frames, window=_BRIEF)
        self.lag = np.zeros(frames)

    def products(self, first: int, after: int, lag: int) -> Doubles:
        """Return the sum of the products of the waveforms within each of the frames, at the lag."""
        start, end = first * ALIGN.hop, after * ALIGN.hop
        places = np.arange(start, end) + MARGIN_SAMPLES + lag
        both = self._reference[start:end] * self._at(places)
        return np.asarray(both.reshape(-1, ALIGN.hop).sum(axis=1))

    def take(self, frame_lag: Lags) -> None:
        """Try the lags, one for each frame, give or take half a millisecond."""
        length = len(self._reference)
        lag = np.repeat(frame_lag, ALIGN.hop)[:length]
        lag = np.pad(lag, (0, length - len(lag)), mode="edge")
        places = np.arange(length) + MARGIN_SAMPLES + lag
        # The running sums of both and of theirs, as the two parts of one number: added up at once.
        each, total = np.empty(length, np.complex128), np.zeros(length + 1, np.complex128)
        for play in range(-_PLAY, _PLAY + 1, 2):
            laid = self._at(places + play)
            np.multiply(self._reference, laid, out=each.real)
            np.square(laid, out=each.imag)
            np.cumsum(each, out=total[1:])
            better = self.wide.take(total)
            self.lag[better] = frame_lag[better]
            self.brief.take(total)

    def _at(self, places: Lags) -> Doubles:
        return self._sound.take(places, mode="clip")
