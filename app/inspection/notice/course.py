"""The course of the announcement through a stretch of sound, over all lags a line may put it at.

At every lag it is measured, for each 5 ms, by which share the sound gets quieter when the
announcement is taken out. The course of the highest sum is taken; jumps and glides cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.align import MARGIN_SAMPLES
from app.inspection.notice.features import ALIGN
from app.inspection.notice.viterbi import Costs, Doubles, highest_course

Lags = npt.NDArray[np.int64]

# As far as a jitter buffer may jump, 56 ms.
_REACH: Final = 448
# The sound's power is that within so many frames on both sides.
_NEAR: Final = 2
_FAINT: Final = 1e-2
# What speaks against a lag counts half, or a lost packet would send the course elsewhere. A jump
# costs 25 ms of the announcement, an eighth of a millisecond 15 ms.
_LEAST: Final = -0.5
_COSTS: Final = Costs(jump=5.0, glide=3.0)
# So many samples beside a side's lag are that lag.
_SAME: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Frames `first` to `after` of the reference, and the lags known of it.

    `before` and `behind` are those of its sides, where it has them.
    """

    first: int
    after: int
    before: int | None
    behind: int | None
    lowest: int
    highest: int

    @property
    def lags(self) -> Lags:
        """Return the lags that are tried."""
        known = [
            self.lowest,
            self.highest,
            *(s for s in (self.before, self.behind) if s is not None),
        ]
        return np.arange(min(known) - _REACH, max(known) + _REACH + 1)


def follow(reference: Doubles, sound: Doubles, stretch: Stretch) -> Lags:
    """Return the lag of each frame of the stretch."""
    lags = stretch.lags
    every = np.arange(len(lags))
    course = highest_course(
        np.maximum(_explained(reference, sound, stretch, lags), _LEAST),
        begins=_away(every, stretch.before, lags),
        ends=_away(every, stretch.behind, lags),
        costs=_COSTS,
    )
    return np.asarray(lags[course])


def _explained(reference: Doubles, sound: Doubles, stretch: Stretch, lags: Lags) -> Doubles:
    """Return by which share the sound gets quieter without the reference, per frame and lag."""
    hop, frames, count = ALIGN.hop, stretch.after - stretch.first, len(lags)
    ours = reference[stretch.first * hop : stretch.after * hop].reshape(frames, hop)
    start = MARGIN_SAMPLES + stretch.first * hop + int(lags[0])
    wide = frames * hop + count - 1
    places = np.arange(start - _NEAR * hop, start + wide + (_NEAR + 1) * hop)
    is_there = (places >= 0) & (places < len(sound))
    around = np.where(is_there, sound[np.clip(places, 0, len(sound) - 1)], 0.0)
    view = np.lib.stride_tricks.sliding_window_view(around[_NEAR * hop :], hop)
    both = np.stack([view[at * hop : at * hop + count] @ ours[at] for at in range(frames)])
    total = np.concatenate([[0.0], np.cumsum(np.square(around))])
    starts = np.arange(frames)[:, None] * hop + np.arange(count)[None, :]
    spread = 2 * _NEAR + 1
    theirs = (total[starts + spread * hop] - total[starts]) / spread
    own = np.square(ours).sum(axis=1)
    mean = np.convolve(np.pad(own, _NEAR), np.ones(spread) / spread, "valid")
    faint = _FAINT * float(np.mean(np.square(reference))) * hop
    return np.asarray((2 * both - own[:, None]) / (np.maximum(theirs, mean[:, None]) + faint))


def _away(every: Lags, side: int | None, lags: Lags) -> Doubles:
    """Return the cost of each lag at a side: that of a jump unless it is the side's own."""
    if side is None:
        return np.zeros(len(every))
    return np.where(np.abs(every - (side - int(lags[0]))) <= _SAME, 0.0, _COSTS.jump)
