"""The second look: where the reference goes in the holes that the first one left.

A jitter buffer that jumps twice within half a second leaves a stretch at a lag of its own, and a
jump beside a lost packet looks like a word exchanged. Here every hole is followed in steps of 5 ms:
at each lag near those of its sides it is measured how much quieter the sound gets when the
announcement, as loud as on this line, is taken out of it. Where it is in the sound, the sound gets
quieter; where other words stand, it gets louder by as much. The lags of the highest sum are
believed only when hardly anything in the hole speaks against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.align import MARGIN_SAMPLES
from app.inspection.notice.features import ALIGN, SAMPLE_RATE_HZ, Floats
from app.inspection.notice.spans import Truths, bridged, runs
from app.inspection.notice.thresholds import Thresholds
from app.inspection.notice.viterbi import Costs, highest_course
from app.inspection.notice.waveform import FineMatch, retaken

_FRAME_S: Final = ALIGN.seconds
# Holes this close are one, and so much on both sides is followed with them.
_APART: Final = round(0.1 / _FRAME_S)
_AROUND: Final = round(0.15 / _FRAME_S)
# A side's lag is the median of this many frames.
_AGREEING: Final = 20
_LEAST_SPOKEN: Final = round(0.04 / _FRAME_S)
_LONGEST: Final = round(1.0 / _FRAME_S)
_STEP: Final = 2
_SMOOTHED: Final = 8
_REACH: Final = 10
# The sound's power is that within so many frames on both sides.
_NEAR: Final = 2
# Below this there is only the rounding of 16-bit samples.
_ROUNDING: Final = 25.0
# A frame that speaks against a lag counts half of one that speaks for it: else a lost packet would
# send the course to a lag by chance. A jump costs 80 ms of the announcement, a quarter of a
# millisecond 30 ms: clocks drift, words do not glide.
_LEAST_EXPLAINED: Final = -0.5
_COSTS: Final = Costs(jump=16.0, glide=6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hole:
    """Frames `first` to `after` of the reference; `before` and `behind` are the sides' lags."""

    first: int
    after: int
    before: float | None
    behind: float | None

    @property
    def sides(self) -> list[float]:
        return [lag for lag in (self.before, self.behind) if lag is not None]


def second_look(
    fine: FineMatch,
    reference: Floats,
    sound: Floats,
    speech: Truths,
    *,
    level: float,
    limits: Thresholds,
) -> FineMatch:
    """Follow the reference through the holes; `level` is the correlation that is enough.

    Both waveforms are band-limited; `sound` begins `MARGIN_SAMPLES` before the candidate's start.
    """
    plain = fine.correlation >= level
    heard = plain & speech
    if not heard.any():
        return fine
    usual = float(np.median(fine.gain[heard]))
    lag = fine.lag.copy()
    followed = np.zeros_like(plain)
    for hole in _holes(fine, plain, speech, limits):
        first = max(hole.first - _AROUND, 0) if hole.before is not None else 0
        after = min(hole.after + _AROUND, len(lag)) if hole.behind is not None else len(lag)
        lags = _lags(hole, limits)
        explained = _explained(reference * np.float32(usual), sound, first, after, lags)
        course = _course(explained, lags, hole)
        along = np.where(speech[first:after], explained[np.arange(len(course)), course], 0.0)
        within = slice(max(hole.first - first - _REACH, 0), hole.after - first + _REACH)
        if _is_believed(along, within, limits):
            lag[first:after] = lags[course]
            followed[first:after] = True
    if not followed.any():
        return fine
    return retaken(fine, reference, sound, lag=np.rint(lag).astype(np.int64), among=followed)


def _holes(fine: FineMatch, plain: Truths, speech: Truths, limits: Thresholds) -> list[_Hole]:
    """Return the holes in which something is said, those short enough to be no missing word."""
    without = np.zeros_like(plain)
    for first, after in runs(~plain):
        without[first:after] = int(speech[first:after].sum()) >= _LEAST_SPOKEN
    holes: list[_Hole] = []
    places = np.flatnonzero(plain & speech)
    for first, after in runs(bridged(without, _APART - 1)):
        before = places[places < first][-_AGREEING:]
        behind = places[places >= after][:_AGREEING]
        hole = _Hole(
            first=first,
            after=after,
            before=float(np.median(fine.lag[before])) if len(before) else None,
            behind=float(np.median(fine.lag[behind])) if len(behind) else None,
        )
        if after - first > _LONGEST or not hole.sides:
            continue
        if max(hole.sides) - min(hole.sides) <= 2 * _jump_samples(limits):
            holes.append(hole)
    return holes


def _jump_samples(limits: Thresholds) -> int:
    return round(limits.longest_jump_ms * SAMPLE_RATE_HZ / 1000)


def _lags(hole: _Hole, limits: Thresholds) -> npt.NDArray[np.int64]:
    """Return the lags that are tried: as far from the sides as a jitter buffer may jump."""
    reach = _jump_samples(limits)
    return np.arange(int(min(hole.sides)) - reach, int(max(hole.sides)) + reach + 1, _STEP)


def _explained(
    reference: Floats, sound: Floats, first: int, after: int, lags: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return by which share of it the sound gets quieter without the reference, per frame and lag.

    Where neither is louder than the other, 1 is all of the sound, and -1 another sound as loud.
    """
    hop, frames = ALIGN.hop, after - first
    ours = reference[first * hop : after * hop].astype(np.float64).reshape(frames, hop)
    start = MARGIN_SAMPLES + first * hop + int(lags[0])
    wide = frames * hop + int(lags[-1] - lags[0])
    places = np.arange(start - _NEAR * hop, start + wide + (_NEAR + 1) * hop)
    around = sound[np.clip(places, 0, len(sound) - 1)].astype(np.float64)
    view = np.lib.stride_tricks.sliding_window_view(around[_NEAR * hop :], hop)
    offsets = lags - lags[0]
    both = np.stack(
        [
            view[at * hop : at * hop + int(offsets[-1]) + 1 : _STEP] @ ours[at]
            for at in range(frames)
        ]
    )
    total = np.concatenate([[0.0], np.cumsum(np.square(around))])
    starts = np.arange(frames)[:, None] * hop + offsets[None, :]
    spread = 2 * _NEAR + 1
    theirs = (total[starts + spread * hop] - total[starts]) / spread
    own = np.square(ours).sum(axis=1)
    mean = np.convolve(own, np.ones(spread) / spread, "same")
    power = np.maximum(theirs, mean[:, None]) + _ROUNDING * hop
    return np.asarray((2 * both - own[:, None]) / power)


def _course(
    explained: npt.NDArray[np.float64], lags: npt.NDArray[np.int64], hole: _Hole
) -> npt.NDArray[np.int64]:
    """Return the index of each frame's lag: the course of the highest sum between the sides."""
    every = np.arange(len(lags))
    return highest_course(
        np.maximum(explained, _LEAST_EXPLAINED),
        begins=_away(every, hole.before, lags),
        ends=_away(every, hole.behind, lags),
        costs=_COSTS,
    )


def _away(
    every: npt.NDArray[np.int64], side: float | None, lags: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the cost of each lag beside the hole: that of a jump unless it is the side's own."""
    if side is None:
        return np.zeros(len(every))
    own = round((side - float(lags[0])) / _STEP)
    return np.where(np.abs(every - own) <= _STEP, 0.0, _COSTS.jump)


def _is_believed(explained: npt.NDArray[np.float64], within: slice, limits: Thresholds) -> bool:
    """Return whether no more speaks against the course than a jump or lost packets leave."""
    smooth = np.convolve(explained, np.ones(_SMOOTHED) / _SMOOTHED, "same")[within]
    against = int((smooth < -limits.foreign_least).sum())
    return against <= limits.foreign_s / _FRAME_S
