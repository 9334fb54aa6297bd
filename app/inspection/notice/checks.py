"""The verdict: what was heard of the reference, and whether that is the whole of it.

Every number of the decision stands in `Thresholds` with the reason the calibration gave for it;
`scripts/notice-bench` repeats the calibration on prompts and voices that tuned nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.align import Alignment
from app.inspection.notice.features import ALIGN, SAMPLE_RATE_HZ
from app.inspection.notice.spans import Truths, bridged, runs
from app.inspection.notice.waveform import FineMatch

METHOD_VERSION: Final = "notice-1"

_MS_PER_SAMPLE: Final = 1000 / SAMPLE_RATE_HZ
_PPM: Final = 1e6
_TINY: Final = 1e-3
# One millisecond, in samples: no clock drifts that far between two pieces.
_JUMP: Final = 8


class Verdict(StrEnum):
    """What was found."""

    FULL = "full"
    PARTIAL = "partial"
    REJECTED = "rejected"


class Reason(StrEnum):
    """Why it is no complete playing, or none at all."""

    TOO_LITTLE_HEARD = "too_little_heard"
    OTHER_RECORDING = "other_recording"
    OTHER_TEMPO = "other_tempo"
    PART_MISSING = "part_missing"
    GAP = "gap"
    INTERRUPTED = "interrupted"
    EXPLAINED_BY_OTHER_TEXT = "explained_by_other_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The calibration, on the tuning set of the bench (32 prompts, half of them by people)."""

    # Of 16 s of other speech, one in a hundred scores above 0.38, as do prompts in noise as loud as
    # they are. What is let through here costs 15 ms of a processor.
    search_score: float = 0.38
    # Weighs the length of a run against its correlation; 0.5 and 0.8 kept less apart.
    search_exponent: float = 0.6
    # What was heard: the share of the waveform's usual correlation (its upper quartile, squared)
    # that a fifth of a second must reach. Chance gives 0.05 to 0.3, a clean line 0.95.
    heard_share: float = 0.7
    heard_least: float = 0.3
    heard_most: float = 0.6
    # Under another sound: the reference is contained in it about as loud as elsewhere. Of other
    # words there is less than a third, unless they are twice as loud.
    masked_least: float = 0.25
    contained_least: float = 0.6
    contained_most: float = 1.7
    # Holes up to this length are the losses of a packet network or drowned, not a word; but where
    # something about as loud as the reference (in power) stands instead, it may be another word.
    bridged_s: float = 0.14
    instead_least: float = 0.3
    instead_most: float = 2.0
    # Shorter pieces occur in other sentences of the same synthesiser.
    least_heard_s: float = 0.7
    # The mean correlation of the waveforms where they were heard: other voices, the same voice at
    # another pitch and other tempi reach 0.2 to 0.48, once 0.58 under overlapping speech; true
    # prompts in noise as loud as they are 0.5 to 0.7. Times the root of the seconds heard, and
    # with the correlation at one lag, the former reach 0.91 and the latter begin at 1.05.
    sameness: float = 0.5
    evidence: float = 0.93
    # No telephone's clock is 2500 ppm off; a re-reading is, by per cents.
    drift_ppm: float = 2_500.0
    # Complete: the definition of the project; and no gap that could hide a word. On a clean line
    # a quarter of a second; in noise, where syllables drown, longer by what the correlation lacks.
    complete_share: float = 0.9
    longest_gap_s: float = 0.25
    clean_correlation: float = 0.85
    # A jitter buffer moves by tens of milliseconds; an inserted "not" by eighty and more.
    longest_jump_ms: float = 48.0
    # Closed lips and tongues within a word last no longer.
    closure_s: float = 0.15
    # Another word in place of one has seldom its length: a jump across a hole in clean sound. Such
    # a pair told "no conversations are recorded" from "all conversations are recorded".
    replaced_jump_ms: float = 15.0
    replaced_gap_s: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What the measurements of one candidate amount to.

    `heard` holds one truth per 5 ms of the reference, `lag` the place in samples beside the
    candidate's start; `typical` is the upper quartile of the correlation.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    heard: Truths
    lag: npt.NDArray[np.float64]
    share: float
    sameness: float
    evidence: float
    drift_ppm: float


def judge(alignment: Alignment, fine: FineMatch, speech: Truths, *, limits: Thresholds) -> Findings:
    """Decide on one candidate.

    1. Heard is each frame of speech whose waveform correlates as it usually does on this line.
    2. Where too little was heard, or its waveform is not the reference's, it is rejected.
    3. A clock no telephone has is another reading of the text.
    4. Complete needs the share, no gap long enough for a word and no jump long enough for one.
    """
    correlation = fine.correlation
    typical = float(np.percentile(correlation[speech], 75))
    level = float(np.clip(limits.heard_share * typical**2, limits.heard_least, limits.heard_most))
    covered, holes = _heard(fine, speech, level=level, limits=limits)
    heard = covered & speech
    # Closures within a word belong to it, the pauses between sentences do not.
    spoken = bridged(speech, round(limits.closure_s / ALIGN.seconds))
    heard_s = float(heard.sum()) * ALIGN.seconds
    share = float(heard.sum() / max(int(speech.sum()), 1))
    sameness = float(fine.pieces[heard].mean()) if heard.any() else 0.0
    evidence = sameness * heard_s**0.5 + alignment.constant
    clock = _clock(fine, heard)
    reasons = _rejections(heard_s, sameness, evidence, clock.tempo_ppm, limits)
    verdict = Verdict.REJECTED
    if not reasons:
        allowed_gap_s = limits.longest_gap_s + max(limits.clean_correlation - typical, 0.0)
        if share < limits.complete_share:
            reasons.append(Reason.PART_MISSING)
        if _longest_gap_s(covered, spoken) > allowed_gap_s:
            reasons.append(Reason.GAP)
        if clock.jump_ms > limits.longest_jump_ms or _replaced(
            fine.lag, heard, holes & spoken, limits
        ):
            reasons.append(Reason.INTERRUPTED)
        verdict = Verdict.PARTIAL if reasons else Verdict.FULL
    return Findings(
        verdict=verdict,
        reasons=tuple(reasons),
        heard=heard,
        lag=fine.lag,
        share=share,
        sameness=sameness,
        evidence=evidence,
        drift_ppm=clock.drift_ppm,
    )


def _heard(
    fine: FineMatch, speech: Truths, *, level: float, limits: Thresholds
) -> tuple[Truths, Truths]:
    """Return where it was heard, short holes filled in, and where another sound stood instead."""
    plain = fine.correlation >= level
    if not (plain & speech).any():
        return plain & speech, ~plain
    contained = fine.gain / float(np.median(fine.gain[plain & speech]))
    masked = (fine.correlation >= limits.masked_least) & (contained >= limits.contained_least)
    masked &= contained <= limits.contained_most
    clear = plain | masked
    # The power of the sound beside that of the reference in it, as loud as it usually is.
    power = np.square(contained / np.maximum(np.abs(fine.correlation), _TINY))
    instead = ~clear & (power >= limits.instead_least) & (power <= limits.instead_most)
    result = bridged(clear, round(limits.bridged_s / ALIGN.seconds))
    for first, after in runs(~clear):
        if 2 * int(instead[first:after].sum()) > after - first:
            result[first:after] = False
            instead[first:after] = True
        else:
            instead[first:after] = False
    return result, instead


def _replaced(
    lag: npt.NDArray[np.float64], heard: Truths, holes: Truths, limits: Thresholds
) -> bool:
    """Return whether the lag jumps across a hole."""
    least = round(limits.replaced_gap_s / ALIGN.seconds)
    jump = limits.replaced_jump_ms / _MS_PER_SAMPLE
    for first, after in runs(holes):
        before, behind = np.flatnonzero(heard[:first]), np.flatnonzero(heard[after:])
        if after - first < least or not len(before) or not len(behind):
            continue
        # A little away from the hole, where the lag is that of the words around it.
        near = before[-min(len(before), 20) :]
        far = after + behind[: min(len(behind), 20)]
        if abs(float(np.median(lag[far]) - np.median(lag[near]))) > jump:
            return True
    return False


def _rejections(
    heard_s: float, sameness: float, evidence: float, tempo_ppm: float, limits: Thresholds
) -> list[Reason]:
    reasons: list[Reason] = []
    if heard_s < limits.least_heard_s:
        reasons.append(Reason.TOO_LITTLE_HEARD)
    if sameness < limits.sameness or evidence < limits.evidence:
        reasons.append(Reason.OTHER_RECORDING)
    if abs(tempo_ppm) > limits.drift_ppm:
        reasons.append(Reason.OTHER_TEMPO)
    return reasons


def _longest_gap_s(heard: Truths, speech: Truths) -> float:
    """Return the longest stretch of speech of which nothing was heard; pauses do not count."""
    spoken = heard[speech]
    return max((after - first for first, after in runs(~spoken)), default=0) * ALIGN.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """How the two clocks go: the largest jump, the tempo with the jumps left in, and without."""

    jump_ms: float = 0.0
    tempo_ppm: float = 0.0
    drift_ppm: float = 0.0


def _clock(fine: FineMatch, heard: Truths) -> _Clock:
    """Compare the clocks along what was heard.

    The tempo is the median slope over a fifth of a second: few such stretches hold a jump, which
    would pass for a tempo. The drift is the slope over half a second and more without the jumps.
    """
    places = np.flatnonzero(heard)[:: max(int(heard.sum()) // 400, 1)]
    if len(places) < 2:  # noqa: PLR2004 - between two places there is one step.
        return _Clock()
    lag = fine.lag[places]
    steps = np.diff(lag)
    smooth = lag - np.concatenate([[0.0], np.cumsum(np.where(np.abs(steps) > _JUMP, steps, 0.0))])
    return _Clock(
        jump_ms=float(np.abs(steps).max()) * _MS_PER_SAMPLE,
        tempo_ppm=_slope(places, lag, least_s=0.15, most_s=0.25),
        drift_ppm=_slope(places, smooth, least_s=0.5, most_s=60.0),
    )


def _slope(
    places: npt.NDArray[np.int64], lag: npt.NDArray[np.float64], *, least_s: float, most_s: float
) -> float:
    """Return the median slope, in millionths, between places that far apart; 0 without any."""
    apart = (places[None, :] - places[:, None]) * ALIGN.hop
    near = (apart >= least_s * SAMPLE_RATE_HZ) & (apart <= most_s * SAMPLE_RATE_HZ)
    if not near.any():
        return 0.0
    return float(np.median((lag[None, :] - lag[:, None])[near] / apart[near])) * _PPM
