"""Which parts of the reference were heard: surely, drowned but contained, or not at all.

What tells a drowned word from a missing one is the reference's own waveform. Noise or speech over
it adds sound and leaves it in; where a word is gone or replaced, no part of it is left, however
loud the sound is that stands there. Where the sound is so loud that nothing could be found in it,
nothing is believed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.features import ALIGN, SAMPLE_RATE_HZ
from app.inspection.notice.spans import Truths, bridged, grown, runs
from app.inspection.notice.thresholds import Thresholds
from app.inspection.notice.waveform import FineMatch

_MS_PER_SAMPLE: Final = 1000 / SAMPLE_RATE_HZ
_TINY: Final = 1e-3
# A lag is the median of this many frames: single ones sit a period of the voice aside.
_AGREEING: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coverage:
    """One truth for every 5 ms of the reference.

    `plain` correlates as it usually does on this line; `sure` was heard, short holes filled in;
    `faint` is contained in louder sound; `instead` is where another sound, about as loud, stood in
    its place.
    """

    plain: Truths
    sure: Truths
    faint: Truths
    instead: Truths

    @property
    def heard(self) -> Truths:
        return self.sure | self.faint

    def vouched_for(self, vouched: Truths) -> Coverage:
        """Return the same with what another look found in louder sound."""
        return replace(self, faint=self.faint | vouched, instead=self.instead & ~vouched)


def typical_correlation(fine: FineMatch, speech: Truths) -> float:
    """Return the upper quartile of the correlation where there is speech."""
    return float(np.percentile(fine.correlation[speech], 75))


def level_of_line(typical: float, limits: Thresholds) -> float:
    """Return the correlation that is enough on a line where it is typically so high."""
    return float(np.clip(limits.heard_share * typical**2, limits.heard_least, limits.heard_most))


def coverage(fine: FineMatch, speech: Truths, *, level: float, limits: Thresholds) -> Coverage:
    """Return what was heard; `level` is the correlation that is enough on this line."""
    plain = fine.correlation >= level
    nothing = np.zeros_like(plain)
    if not (plain & speech).any():
        return Coverage(plain=nothing, sure=nothing, faint=nothing, instead=~plain)
    usual = float(np.median(fine.gain[plain & speech]))
    contained = fine.gain / usual
    masked = (fine.correlation >= limits.masked_least) & _is_as_loud(contained, limits)
    close = (fine.brief >= limits.close_least) & _is_as_loud(fine.brief_gain / usual, limits)
    near = grown(close, round(limits.close_reach_s / ALIGN.seconds))
    # The power of the sound beside that of the reference in it, as loud as it usually is.
    power = np.square(contained / np.maximum(np.abs(fine.correlation), _TINY))
    weight = np.where(speech, 1 / np.maximum(power, 1.0), 0.0)
    clear = plain | near
    for first, after in _words(plain | near, speech, fine.lag, limits):
        if _within(contained[first:after], weight[first:after]) < limits.masked_hole_least:
            masked[first:after] = False
    clear |= masked
    instead = ~clear & (power >= limits.instead_least) & (power <= limits.instead_most)
    sure = bridged(clear, round(limits.bridged_s / ALIGN.seconds))
    for first, after in runs(~clear):
        instead[first:after] = 2 * int(instead[first:after].sum()) > after - first
        if instead[first] and (
            abs(jump_ms(fine.lag, clear & speech, first, after)) > limits.same_lag_ms
        ):
            sure[first:after] = False
    faint = _faint(sure, speech, contained, weight, limits)
    return Coverage(plain=plain, sure=sure, faint=faint, instead=instead)


def _is_as_loud(contained: npt.NDArray[np.float32], limits: Thresholds) -> Truths:
    return (contained >= limits.contained_least) & (contained <= limits.contained_most)


def _words(
    sure: Truths, speech: Truths, lag: npt.NDArray[np.float64], limits: Thresholds
) -> list[tuple[int, int]]:
    """Return the holes that may hide a word: with room for one, or with another lag behind them.

    In such a hole some moments look masked by chance; the whole of it must contain the reference.
    """
    found = []
    for first, after in runs(~sure):
        spoken_s = int(speech[first:after].sum()) * ALIGN.seconds
        is_moved = abs(jump_ms(lag, sure & speech, first, after)) > limits.replaced_jump_ms
        if spoken_s >= limits.word_s or (is_moved and spoken_s >= limits.replaced_gap_s):
            found.append((first, after))
    return found


def _within(contained: npt.NDArray[np.float32], weight: npt.NDArray[np.float64]) -> float:
    """Return how much of the reference a hole contains.

    The mean weighs each moment by the power the reference would have there, the most likely value
    under noise.
    """
    return float((weight * contained).sum() / max(float(weight.sum()), _TINY))


def _faint(
    sure: Truths,
    speech: Truths,
    contained: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float64],
    limits: Thresholds,
) -> Truths:
    """Return the drowned holes that contain the reference; none when they are too much."""
    faint = np.zeros_like(sure)
    for first, after in runs(~sure):
        hole = slice(first, after)
        spoken = int(speech[hole].sum())
        if not 0 < spoken <= limits.faint_s / ALIGN.seconds:
            continue
        within = _within(contained[hole], weight[hole])
        power = float(weight[hole].sum())
        faint[hole] = within >= limits.faint_least and power >= limits.faint_power_least * spoken
    is_too_much = int((faint & speech).sum()) > limits.faint_share * int(speech.sum())
    return np.zeros_like(sure) if is_too_much else faint


def is_replaced(
    lag: npt.NDArray[np.float64], plain: Truths, holes: Truths, limits: Thresholds
) -> bool:
    """Return whether the lag jumps across a hole with room for a word in reference and sound.

    Only what correlates plainly has a lag to be sure of.
    """
    for first, after in runs(holes):
        missing_ms = (after - first) * ALIGN.hop * _MS_PER_SAMPLE
        jump = jump_ms(lag, plain, first, after)
        if (
            abs(jump) > limits.replaced_jump_ms
            and missing_ms >= limits.replaced_gap_s * 1000
            and missing_ms + jump >= limits.replacing_s * 1000
        ):
            return True
    return False


def jump_ms(lag: npt.NDArray[np.float64], heard: Truths, first: int, after: int) -> float:
    """Return by how much the lag grows across a hole; 0 at the ends."""
    before, behind = np.flatnonzero(heard[:first]), np.flatnonzero(heard[after:])
    if not len(before) or not len(behind):
        return 0.0
    # A little away from the hole, where the lag is that of the words around it.
    near, far = lag[before[-_AGREEING:]], lag[after + behind[:_AGREEING]]
    return float(np.median(far) - np.median(near)) * _MS_PER_SAMPLE


def gaps_s(heard: Truths, speech: Truths) -> tuple[float, float]:
    """Return the longest stretch of speech of which nothing was heard, and the longest at an end.

    Pauses do not count.
    """
    gaps = runs(~heard[speech])
    count = int(speech.sum())
    longest = max((after - first for first, after in gaps), default=0)
    at_ends = [after - first for first, after in gaps if first == 0 or after == count]
    return longest * ALIGN.seconds, max(at_ends, default=0) * ALIGN.seconds
