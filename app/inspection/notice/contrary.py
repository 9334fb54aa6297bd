"""The third look: whether other sound stands in the place of a syllable of what seems whole.

A consonant lasts no longer than a lost packet, and much of it lies above the band in which the
waveforms are compared. So where everything seems to have been heard, the announcement is laid over
the sound once more, up to 2.8 kHz and every 5 ms. In each of four bands it is measured whether the
sound gets quieter when the announcement, as loud as it comes through there, is taken out: where it
is in the sound it does, where other sound stands it gets louder. The mean over a tenth of a second
says what speaks for it, and against it.

What a line does is no contradiction: lost packets are left out, a jitter buffer's jumps are
followed over all lags, and how much may speak against it depends on how faithfully the rest of the
announcement came through.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice import course
from app.inspection.notice.align import MARGIN_SAMPLES
from app.inspection.notice.features import ALIGN, SAMPLE_RATE_HZ, Pcm
from app.inspection.notice.spans import Truths, grown, runs
from app.inspection.notice.thresholds import Thresholds

Doubles = npt.NDArray[np.float64]
Spectra = npt.NDArray[np.complex128]
Lags = npt.NDArray[np.int64]

_WINDOW: Final = 128
_EDGES_HZ: Final = (250, 500, 800, 1_200, 1_700, 2_200, 2_800, 3_400)
_HZ: Final = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE_HZ)
_BINS: Final = tuple(
    np.flatnonzero((low <= _HZ) & (high > _HZ)) for low, high in pairwise(_EDGES_HZ)
)
# From 800 to 2800 Hz: below it the voice's own pitch makes words alike, above it coders guess.
_JUDGED: Final = slice(2, 6)
_HANN: Final = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(_WINDOW) + 0.5) / _WINDOW)
# These windows stand in the middle of those of the raster.
_FIRST: Final = (ALIGN.window - _WINDOW) // 2
# What stays in step is told from 0.2 s, the power from 65 ms; half of the frames, either side.
_GAIN_HALF: Final = 20
_POWER_HALF: Final = 6
# The sound's power in a band is, four times out of five, no more than this share of all tells.
_USUAL_POWER: Final = 0.8
# Within the path of lags a clock may be half a millisecond off; 0.15 s below 2 kHz tell it.
_DELAYS: Final = np.arange(-4, 4.01, 0.25)
_DELAY_HALF: Final = 15
_DELAY_HIGH_HZ: Final = 2_000
_DELAY_BINS: Final = (_EDGES_HZ[0] <= _HZ) & (_HZ <= _DELAY_HIGH_HZ)
# What is fainter in a band than this share of its mean says nothing, nor does rounding.
_FAINT: Final = 1e-3
_ROUNDING: Final = 2e3
_LOUD: Final = 1e-2
# A tenth of a second with the windows. Where so much speaks against it, another course is sought,
# and so much around a doubtful place is followed with it.
_HALF: Final = 8
_DOUBT: Final = 0.1
_AROUND: Final = 40
_AGREEING: Final = 20
# Of a window, how much may be a lost packet; a packet repeated comes softer, and exactly so.
_MOST_LOST: Final = 0.25
_SILENT: Final = 3.0
_SILENT_SHARE: Final = 0.003
_SILENT_HALF: Final = 40
_PACKET: Final = 160
_REPEATED: Final = (0.3, 0.8)
_REPEATED_HALF: Final = 30
_REPEATED_REST: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Laid:
    """The announcement over the sound along a path of lags: a row every 5 ms, a column a band.

    `both` is the product of the two, `theirs` the power of the sound; `is_kept` tells where the
    line has not lost it.
    """

    both: Doubles
    theirs: Doubles
    is_kept: Truths


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Line:
    """How each band comes through: the factor of what stays in step, and that of the power."""

    gain: Doubles
    power: Doubles


def contradicted(
    lag: Doubles, reference: Pcm, sound: Pcm, heard: Truths, *, limits: Thresholds
) -> Truths:
    """Return the frames in whose place other sound stands.

    `sound` begins `MARGIN_SAMPLES` before the candidate's start; `heard` is what was believed of
    the reference, `lag` the path found for it.
    """
    look = _Look(reference, sound)
    path = np.rint(lag).astype(np.int64)
    laid = look.laid_over(path)
    line = look.line(laid, heard)
    explained = look.explained(laid, line)
    usual = float(np.median(explained[look.is_loud]))
    least = min(limits.contrary_share * usual - limits.contrary_least, -limits.contrary_clean)
    if explained.min() >= least:
        return np.zeros_like(heard)
    doubtful = grown(explained < -_DOUBT, _AROUND)
    other = look.followed(path, doubtful, line)
    explained = np.maximum(explained, look.explained(look.laid_over(other), line))
    return grown(explained < least, _HALF)


class _Look:
    """One announcement and the sound around its candidate."""

    def __init__(self, reference: Pcm, sound: Pcm) -> None:
        self._reference = reference.astype(np.float64)
        self._sound = sound.astype(np.float64)
        self._frames = max((len(reference) - ALIGN.window) // ALIGN.hop + 1, 0)
        self._starts = np.arange(self._frames) * ALIGN.hop + _FIRST
        self._spectra = _spectra(self._reference, self._starts)
        self._own = _by_band(np.square(np.abs(self._spectra)))
        self._mean = self._own.mean(axis=0)
        self._lost = np.concatenate([[0], np.cumsum(_lost(self._sound))])
        total = self._own.sum(axis=1)
        self.is_loud = total > _LOUD * total.mean()

    def laid_over(self, lag: Lags) -> _Laid:
        """Lay the announcement over the sound, with the lag of each frame."""
        starts = self._starts + MARGIN_SAMPLES + lag
        theirs = _spectra(self._sound, starts)
        both = np.conj(self._spectra) * theirs
        turned = np.exp(2j * np.pi * np.outer(self._delays(both, theirs), _HZ / SAMPLE_RATE_HZ))
        ends = np.clip(np.stack([starts, starts + _WINDOW]), 0, len(self._sound))
        lost = np.diff(self._lost[ends], axis=0)[0]
        return _Laid(
            both=_by_band(np.real(both * turned)),
            theirs=_by_band(np.square(np.abs(theirs))),
            is_kept=lost <= _MOST_LOST * _WINDOW,
        )

    def _delays(self, both: Spectra, theirs: Spectra) -> Doubles:
        """Return by how many samples the sound is late at each frame, near its lag."""
        product = _sum(both[:, _DELAY_BINS], _DELAY_HALF)
        ours = _sum(np.square(np.abs(self._spectra[:, _DELAY_BINS])), _DELAY_HALF)
        power = ours * _sum(np.square(np.abs(theirs[:, _DELAY_BINS])), _DELAY_HALF)
        turns = np.exp(2j * np.pi * np.outer(_HZ[_DELAY_BINS] / SAMPLE_RATE_HZ, _DELAYS))
        in_step = np.real((product / (np.sqrt(power) + 1)) @ turns)
        return np.asarray(_DELAYS[in_step.argmax(axis=1)])

    def line(self, laid: _Laid, heard: Truths) -> _Line:
        """Return how the bands come through: the medians, weighed by the announcement's power."""
        own = _sum(self._own, _GAIN_HALF)
        gain = _quantile(_sum(laid.both, _GAIN_HALF) / (own + 1), own * heard[:, None], 0.5)
        gain = np.maximum(gain, 0.0)
        own = _sum(self._own, _POWER_HALF)
        ratio = _sum(laid.theirs, _POWER_HALF) / (own + 1)
        power = _quantile(ratio, own * laid.is_kept[:, None], _USUAL_POWER)
        return _Line(gain=gain, power=np.maximum(power, np.square(gain)))

    def explained(self, laid: _Laid, line: _Line) -> Doubles:
        """Return by which share the sound gets quieter without the announcement, for each frame.

        The mean of the window, the sum of the bands that are judged: half of their number where
        the announcement is all of the sound, as much below 0 where the sound is another.
        """
        power = np.maximum(laid.theirs, line.power * self._own)
        power += _FAINT * line.power * self._mean + _ROUNDING
        quieter = laid.both * line.gain - np.square(line.gain) * self._own / 2
        found = np.where(laid.is_kept, (quieter / power)[:, _JUDGED].sum(axis=1), 0.0)
        return np.asarray(_sum(found, _HALF) / (2 * _HALF + 1))

    def followed(self, lag: Lags, doubtful: Truths, line: _Line) -> Lags:
        """Return the path with another course in the doubtful stretches, wherever it may lead."""
        level = 1 / np.sqrt(line.power * self._mean / np.diff(_EDGES_HZ) + 1)
        # Up to 2.8 kHz: above it hardly a coder keeps the waveform.
        ours = _weighed(self._reference, level * line.gain)
        theirs = _weighed(self._sound, level)
        other = lag.copy()
        for first, after in runs(doubtful):
            begin = 0 if first < _AGREEING else first
            end = self._frames if after > self._frames - _AGREEING else after
            stretch = course.Stretch(
                first=begin,
                after=end,
                before=int(np.median(lag[max(first - _AGREEING, 0) : first + 1]))
                if begin
                else None,
                behind=int(np.median(lag[after - 1 : after + _AGREEING]))
                if end < self._frames
                else None,
                lowest=int(lag[begin:end].min()),
                highest=int(lag[begin:end].max()),
            )
            other[begin:end] = course.follow(ours, theirs, stretch)
        return other


def _spectra(sound: Doubles, starts: Lags) -> Spectra:
    places = np.clip(starts[:, None] + np.arange(_WINDOW), 0, len(sound) - 1)
    return np.asarray(np.fft.rfft(sound[places] * _HANN, axis=1))


def _by_band(bins: Doubles) -> Doubles:
    return np.stack([bins[:, those].sum(axis=1) for those in _BINS], axis=1)


def _sum(rows: npt.NDArray[Any], half: int) -> npt.NDArray[Any]:
    """Return the sums over `half` rows before and after each."""
    total = np.concatenate([np.zeros((1, *rows.shape[1:]), rows.dtype), np.cumsum(rows, axis=0)])
    places = np.arange(len(rows))
    high = np.minimum(places + half + 1, len(rows))
    return np.asarray(total[high] - total[np.maximum(places - half, 0)])


def _quantile(values: Doubles, weights: Doubles, share: float) -> Doubles:
    """Return, for each column, the value below which that share of the weight lies."""
    order = values.argsort(axis=0)
    total = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    places = (total < total[-1] * share).sum(axis=0)
    places = np.minimum(places, len(values) - 1)
    chosen = np.take_along_axis(order, places[None], axis=0)
    return np.asarray(np.take_along_axis(values, chosen, axis=0)[0])


def _weighed(sound: Doubles, level: Doubles) -> Doubles:
    """Return the sound with each band but the highest at such a level, without the rest."""
    spectrum = np.fft.rfft(sound)
    at_hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    weights = np.zeros(len(spectrum))
    for (low, high), wanted in zip(pairwise(_EDGES_HZ[:-1]), level[:-1], strict=True):
        weights[(low <= at_hz) & (at_hz < high)] = wanted
    return np.asarray(np.fft.irfft(spectrum * weights, len(sound)))


def _lost(sound: Doubles) -> Truths:
    """Return the samples that a network has lost: silence, or the last packet again, softer."""
    quiet = max(_SILENT, _SILENT_SHARE * float(np.sqrt(np.mean(np.square(sound)))))
    wide = 2 * _SILENT_HALF
    silent = _sum((np.abs(sound) <= quiet).astype(np.float64), _SILENT_HALF) >= wide
    before = np.concatenate([np.zeros(_PACKET), sound[:-_PACKET]])
    both, own, theirs = (
        _sum(product, _REPEATED_HALF)
        for product in (sound * before, np.square(before), np.square(sound))
    )
    share = both / (own + 1)
    rest = theirs - share * both
    wide = 2 * _REPEATED_HALF + 1
    again = (share > _REPEATED[0]) & (share < _REPEATED[1]) & (theirs > 50 * wide)
    again &= rest < _REPEATED_REST * theirs + 2 * wide
    return grown(silent, _SILENT_HALF) | grown(again, _REPEATED_HALF)
