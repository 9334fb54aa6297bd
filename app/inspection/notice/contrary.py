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

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
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
Spectra = npt.NDArray[np.complex64]
Lags = npt.NDArray[np.int64]

_WINDOW: Final = 128
_EDGES_HZ: Final = (250, 500, 800, 1_200, 1_700, 2_200, 2_800, 3_400)
_HZ: Final = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE_HZ)
# The angle by which one sample turns each bin.
_TURNS: Final = 2 * np.pi * _HZ / SAMPLE_RATE_HZ
# From bins to bands: which of them each band sums.
_BINS: Final = np.stack(
    [((low <= _HZ) & (high > _HZ)).astype(np.float64) for low, high in pairwise(_EDGES_HZ)], axis=1
)
# From 800 to 2800 Hz: below it the voice's own pitch makes words alike, above it coders guess.
_JUDGED: Final = slice(2, 6)
_TOLD: Final = slice(0, 6)
# These windows stand in the middle of those of the raster.
_FIRST: Final = (ALIGN.window - _WINDOW) // 2
# What stays in step is told from 0.2 s, the power from 65 ms; half of the frames, either side.
_GAIN_HALF: Final = 20
_POWER_HALF: Final = 6
# The sound's power in a band is, four times out of five, no more than this share of all tells.
_USUAL_POWER: Final = 0.8
# Within the path of lags a clock may be half a millisecond off; 0.15 s below 2 kHz tell it.
_NEAR: Final = np.arange(-4, 4.01, 0.25)
_FAR: Final = np.arange(-16, 16.01, 0.5)
_DELAY_HALF: Final = 15
_DELAY_HIGH_HZ: Final = 2_000
_DELAY_BINS: Final = slice(
    int(np.searchsorted(_HZ, _EDGES_HZ[0])), int(np.searchsorted(_HZ, _DELAY_HIGH_HZ, "right"))
)
# What each of the delays turns each bin by.
_NEAR_TURNS: Final = np.exp(1j * np.outer(_NEAR, _TURNS).astype(np.float32))
# The line's own filter: twelve milliseconds either way, told from windows of 64 ms.
_LONG: Final = 512
_TAPS: Final = 96
_EVERY: Final = 4
_BLOCK: Final = 256
# A stretch is followed in pieces of a second and a half.
_LONGEST: Final = 300
# What is fainter in a band than this share of its mean says nothing, nor does rounding.
_FAINT: Final = 1e-3
_ROUNDING: Final = 2e3
_LOUD: Final = 1e-2
# A tenth of a second with the windows. Where so much speaks against it, another course is sought,
# and so much around a doubtful place is followed with it.
_HALF: Final = 8
# A fifth of a second more: of a short word, in the mean.
_WORD_HALF: Final = 20
_DOUBT: Final = 0.1
_AROUND: Final = 40
_AGREEING: Final = 20
# Two milliseconds; of half a second a clock's slope can be told.
_JUMP: Final = 16
_LEAST_STRAIGHT: Final = 100
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
class Laid:
    """The announcement over the sound along a path of lags: a row every 5 ms, a column a band.

    `both` is the product of the two, `theirs` the power of the sound; `is_kept` tells where the
    line has not lost it.
    """

    both: Doubles
    theirs: Doubles
    is_kept: Truths


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
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
    look, path = aligned(lag, reference, sound, heard)
    laid = look.laid_over(path)
    line = look.line(laid, heard)
    explained = look.explained(laid, line)
    usual = float(np.median(explained[look.is_loud]))
    if usual < limits.contrary_usual:
        # Nothing of it can be told above 800 Hz, so nothing vouches for the words.
        return grown(explained <= explained.min(), _HALF)
    if not _against(explained, usual, limits).any():
        return np.zeros_like(heard)
    doubtful = grown(explained < -_DOUBT, _AROUND)
    other = look.followed(path, doubtful, line)
    explained = np.maximum(explained, look.explained(look.laid_over(other), line))
    return _against(explained, usual, limits)


def _against(explained: Doubles, usual: float, limits: Thresholds) -> Truths:
    """Return the frames against which too much speaks: in a syllable, or less of it in a word."""
    syllable = min(limits.contrary_share * usual - limits.contrary_least, -limits.contrary_clean)
    word = min(
        limits.contrary_word_share * usual - limits.contrary_word_least, -limits.contrary_word
    )
    for_long = _sum(explained, _WORD_HALF) / (2 * _WORD_HALF + 1)
    return grown(explained < syllable, _HALF) | grown(for_long < word, _WORD_HALF)


def aligned(lag: Doubles, reference: Pcm, sound: Pcm, heard: Truths) -> tuple[Look, Lags]:
    """Return the announcement as it comes through the line, and its path of lags there.

    The lags of a line that delays low tones depend on what is said; with its filter known, they are
    those of the clocks alone.
    """
    theirs = sound.astype(np.float64)
    lost = np.concatenate([[0], np.cumsum(_lost(theirs))])
    plain = Look(reference.astype(np.float64), theirs, lost)
    path = _straight(_steadied(lag), heard)
    late = Look(plain.through_line(path, heard), theirs, lost).delays(path)
    path = _straight(path + late, heard)
    return Look(plain.through_line(path, heard), theirs, lost), path


class Look:
    """One announcement and the sound around its candidate."""

    def __init__(self, reference: Doubles, sound: Doubles, lost: Lags) -> None:
        """Take the waveforms, and how many samples were lost before each of the sound."""
        self._reference, self._sound, self._lost = reference, sound, lost
        self.frames = ALIGN.frames(len(reference))
        self._starts = np.arange(self.frames) * ALIGN.hop + _FIRST

    @cached_property
    def is_loud(self) -> Truths:
        total = self._own.sum(axis=1)
        return np.asarray(total > _LOUD * total.mean())

    @cached_property
    def _spectra(self) -> Spectra:
        return _spectra(self._reference, self._starts)

    @cached_property
    def _own(self) -> Doubles:
        return _by_band(np.square(np.abs(self._spectra)))

    @cached_property
    def _mean(self) -> Doubles:
        return np.asarray(self._own.mean(axis=0))

    def through_line(self, lag: Lags, heard: Truths) -> Doubles:
        """Return the announcement as the line lets it through: the filter that explains it best.

        A telephone's filters delay low tones by a millisecond more than high ones.
        """
        among = np.flatnonzero(heard)[::_EVERY]
        starts = self._starts[among] + (_WINDOW - _LONG) // 2
        ours = _spectra(self._reference, starts, _LONG)
        theirs = _spectra(self._sound, starts + MARGIN_SAMPLES + lag[among], _LONG)
        # Each moment weighs as much, however loud what stands there.
        weights = 1 / (np.square(np.abs(theirs)).sum(axis=1, keepdims=True) + _ROUNDING)
        both = (np.conj(ours) * theirs * weights).sum(axis=0)
        own = (np.square(np.abs(ours)) * weights).sum(axis=0)
        echo = np.roll(np.fft.irfft(both / (own + _FAINT * own.mean()), _LONG), _LONG // 2)
        taps = echo[_LONG // 2 - _TAPS : _LONG // 2 + _TAPS + 1] * np.hanning(2 * _TAPS + 1)
        size = _quick_size(len(self._reference) + 2 * _TAPS)
        made = np.fft.irfft(np.fft.rfft(self._reference, size) * np.fft.rfft(taps, size), size)
        return np.asarray(made[_TAPS : _TAPS + len(self._reference)])

    def delays(self, lag: Lags) -> Doubles:
        """Return by how many samples the sound is late at each frame, beside its lag."""
        theirs = _spectra(self._sound, self._starts + MARGIN_SAMPLES + lag)
        return np.asarray(_FAR[self._delays(theirs, _FAR)])

    def laid_over(self, lag: Lags) -> Laid:
        """Lay the announcement over the sound, with the lag of each frame."""
        starts = self._starts + MARGIN_SAMPLES + lag
        theirs = _spectra(self._sound, starts)
        late = self._delays(theirs, _NEAR)
        both = np.conj(self._spectra)
        both *= theirs
        both *= _NEAR_TURNS[late]
        ends = np.clip(np.stack([starts, starts + _WINDOW]), 0, len(self._sound))
        lost = np.diff(self._lost[ends], axis=0)[0]
        return Laid(
            both=_by_band(both.real),
            theirs=_by_band(np.square(np.abs(theirs))),
            is_kept=lost <= _MOST_LOST * _WINDOW,
        )

    def _delays(self, theirs: Spectra, among: Doubles) -> Lags:
        """Return which of the delays each frame has."""
        bins = self._spectra[:, _DELAY_BINS]
        product = _sum(np.conj(bins) * theirs[:, _DELAY_BINS], _DELAY_HALF)
        power = _sum(np.square(np.abs(bins)), _DELAY_HALF)
        power *= _sum(np.square(np.abs(theirs[:, _DELAY_BINS])), _DELAY_HALF)
        product /= np.sqrt(power) + 1
        turns = np.exp(1j * np.outer(_TURNS[_DELAY_BINS], among))
        in_step = product.real @ turns.real - product.imag @ turns.imag
        return np.asarray(in_step.argmax(axis=1))

    def line(self, laid: Laid, heard: Truths) -> Line:
        """Return how the bands come through: the medians, weighed by the announcement's power."""
        own = _sum(self._own, _GAIN_HALF)
        gain = _quantile(_sum(laid.both, _GAIN_HALF) / (own + 1), own * heard[:, None], 0.5)
        gain = np.maximum(gain, 0.0)
        own = _sum(self._own, _POWER_HALF)
        ratio = _sum(laid.theirs, _POWER_HALF) / (own + 1)
        power = _quantile(ratio, own * laid.is_kept[:, None], _USUAL_POWER)
        return Line(gain=gain, power=np.maximum(power, np.square(gain)))

    def explained(self, laid: Laid, line: Line) -> Doubles:
        """Return by which share the sound gets quieter without the announcement, for each frame.

        The mean of the window, the sum of the bands that are judged: half of their number where
        the announcement is all of the sound, as much below 0 where the sound is another.
        """
        quieter = self._quieter(laid, line)[0]
        found = np.where(laid.is_kept, quieter[:, _JUDGED].sum(axis=1), 0.0)
        return np.asarray(_sum(found, _HALF) / (2 * _HALF + 1))

    def quieter(self, laid: Laid, line: Line) -> tuple[Doubles, Doubles]:
        """Return by which share each band of each frame gets quieter, and by which it would.

        The second is what the first would be on average if the announcement were in the sound.
        What the line has lost says nothing for it. Of all bands but the highest.
        """
        found, expected = self._quieter(laid, line)
        return np.where(laid.is_kept[:, None], found, 0.0)[:, _TOLD], expected[:, _TOLD]

    def _quieter(self, laid: Laid, line: Line) -> tuple[Doubles, Doubles]:
        power = np.maximum(laid.theirs, line.power * self._own)
        power += _FAINT * line.power * self._mean + _ROUNDING
        expected = np.square(line.gain) * self._own / 2 / power
        return laid.both * line.gain / power - expected, expected

    def followed(self, lag: Lags, doubtful: Truths, line: Line) -> Lags:
        """Return the path with another course in the doubtful stretches, wherever it may lead."""
        level = 1 / np.sqrt(line.power * self._mean / np.diff(_EDGES_HZ) + 1)
        # Up to 2.8 kHz: above it hardly a coder keeps the waveform.
        ours = _weighed(self._reference, level * line.gain)
        theirs = _weighed(self._sound, level)
        other = lag.copy()
        for first, after in _pieces(doubtful):
            begin = 0 if first < _AGREEING else first
            end = self.frames if after > self.frames - _AGREEING else after
            stretch = course.Stretch(
                first=begin,
                after=end,
                before=int(np.median(lag[max(first - _AGREEING, 0) : first + 1]))
                if begin
                else None,
                behind=int(np.median(lag[after - 1 : after + _AGREEING]))
                if end < self.frames
                else None,
                lowest=int(lag[begin:end].min()),
                highest=int(lag[begin:end].max()),
            )
            other[begin:end] = course.follow(ours, theirs, stretch)
        return other


def _spectra(sound: Doubles, starts: Lags, size: int = _WINDOW) -> Spectra:
    """Return the spectra of the windows that begin there; in blocks that stay in the cache."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)
    made = np.empty((len(starts), size // 2 + 1), np.complex64)
    if not len(starts):
        return made
    # Beyond an end the sound stands still.
    before = max(-int(starts.min()), 0)
    behind = max(int(starts.max()) + size - len(sound), 0)
    if before or behind:
        sound = np.pad(sound, (before, behind), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(sound, size)
    for first in range(0, len(starts), _BLOCK):
        made[first : first + _BLOCK] = np.fft.rfft(
            windows[starts[first : first + _BLOCK] + before] * hann, axis=1
        )
    return made


def _quick_size(least: int) -> int:
    """Return a length from `least` on that is transformed quickly: few factors, all small."""
    powers = [1 << (-(-least // odd) - 1).bit_length() for odd in (1, 3, 5, 9, 15)]
    return min(odd * power for odd, power in zip((1, 3, 5, 9, 15), powers, strict=True))


def _by_band(bins: npt.NDArray[np.float32]) -> Doubles:
    return bins.astype(np.float64) @ _BINS


def _pieces(truths: Truths) -> Iterator[tuple[int, int]]:
    for first, after in runs(truths):
        for begin in range(first, after, _LONGEST):
            yield begin, min(begin + _LONGEST, after)


def _steadied(lag: Doubles) -> Doubles:
    """Return the path without the frames that sit a period of the voice aside."""
    padded = np.pad(lag, _AGREEING, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AGREEING + 1)
    return np.asarray(np.median(around, axis=1))


def _straight(lag: Doubles, heard: Truths) -> Lags:
    """Return the path as clocks go: straight between the jumps."""
    result = lag.copy()
    jumps = np.flatnonzero(np.abs(np.diff(lag)) > _JUMP) + 1
    for first, after in pairwise([0, *jumps.tolist(), len(lag)]):
        places = first + np.flatnonzero(heard[first:after])
        if len(places) < _LEAST_STRAIGHT:
            result[first:after] = np.median(lag[first:after])
            continue
        slope, start = np.polyfit(places, lag[places], 1)
        for _ in range(2):
            beside = np.abs(lag[places] - slope * places - start)
            places = places[beside <= max(2 * float(np.median(beside)), 1.0)]
            slope, start = np.polyfit(places, lag[places], 1)
        result[first:after] = slope * np.arange(first, after) + start
    return np.asarray(np.rint(result), np.int64)


def _sum(rows: npt.NDArray[Any], half: int) -> npt.NDArray[Any]:
    """Return the sums over `half` rows before and after each."""
    kind = np.complex128 if np.iscomplexobj(rows) else np.float64
    count = len(rows)
    # The running sums, and beyond the ends their first and their last.
    total = np.zeros((count + 1 + 2 * half, *rows.shape[1:]), kind)
    np.cumsum(rows, axis=0, out=total[half + 1 : half + 1 + count])
    total[half + 1 + count :] = total[half + count]
    return np.asarray(total[2 * half + 1 :] - total[:count])


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
