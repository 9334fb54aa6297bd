"""What vouches for a hole in what was heard: the announcement is in the louder sound, or it is not.

A syllable under noise, under a caller who speaks, or beside lost packets leaves a hole where the
waveforms are compared up to 1200 Hz. Here six bands up to 2.8 kHz are asked, each weighed by how
much the announcement is of its sound, and only along the clock of what was heard on both sides: no
lag is sought, at which other words might match.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from app.inspection.notice.contrary import Doubles, Lags, Laid, Line, Look, aligned
from app.inspection.notice.features import ALIGN, Pcm
from app.inspection.notice.spans import Truths, runs
from app.inspection.notice.thresholds import Thresholds

_AGREEING: Final = 20
# So much must have been heard for the line and its clock to be known.
_LEAST_HEARD: Final = round(0.5 / ALIGN.seconds)
_LEAST_SPOKEN: Final = round(0.03 / ALIGN.seconds)


def vouched(
    lag: Doubles, reference: Pcm, sound: Pcm, heard: Truths, speech: Truths, *, limits: Thresholds
) -> Truths:
    """Return the holes in `heard` in which the announcement was played all the same.

    `sound` begins `MARGIN_SAMPLES` before the candidate's start; `lag` is the path found for what
    was heard, `speech` where the announcement speaks.
    """
    nothing = np.zeros_like(heard)
    if int(heard.sum()) < _LEAST_HEARD:
        return nothing
    count = min(len(heard), ALIGN.frames(len(reference)))
    holes = [
        (first, after)
        for first, after in runs(~heard[:count])
        if _LEAST_SPOKEN <= int(speech[first:after].sum()) <= limits.vouched_s / ALIGN.seconds
    ]
    if not holes:
        return nothing
    look, path = aligned(lag, reference, sound, heard)
    line = look.line(look.laid_over(path), heard)
    sides = [
        _weighed(look, look.laid_over(_from_side(path, heard, holes, is_behind=is_behind)), line)
        for is_behind in (False, True)
    ]
    found = nothing.copy()
    for first, after in holes:
        (before, expected), (behind, _) = ((a[first:after], b[first:after]) for a, b in sides)
        power = float(expected.sum())
        if power < limits.vouched_power:
            continue
        if _at_best(before, behind) >= limits.vouched_least * power:
            found[first:after] = True
    is_too_much = int((found & speech).sum()) > limits.vouched_share * int(speech.sum())
    return nothing if is_too_much else found


def _from_side(path: Lags, heard: Truths, holes: list[tuple[int, int]], *, is_behind: bool) -> Lags:
    """Return the path with each hole at the lag of what was heard before it, or behind it."""
    result = path.copy()
    places = np.flatnonzero(heard)
    for first, after in holes:
        before, behind = places[places < first][-_AGREEING:], places[places >= after][:_AGREEING]
        side = behind if (is_behind and len(behind)) or not len(before) else before
        result[first:after] = int(np.median(path[side]))
    return result


def _weighed(look: Look, laid: Laid, line: Line) -> tuple[Doubles, Doubles]:
    """Return what speaks for the announcement in each frame, and what would if it were there."""
    quieter, expected = look.quieter(laid, line)
    return quieter.sum(axis=1), expected.sum(axis=1)


def _at_best(before: Doubles, behind: Doubles) -> float:
    """Return the highest sum with one change from the lag before to that behind."""
    first = np.concatenate([[0.0], np.cumsum(before)])
    second = np.concatenate([[0.0], np.cumsum(behind)])
    return float((first + second[-1] - second).max())
