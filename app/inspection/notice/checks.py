"""The verdict: what was heard of the reference, and whether that is the whole of it.

Every number of the decision stands in `Thresholds`, with the reason the calibration gave for it;
`scripts/notice-bench` repeats the calibration on prompts and voices that tuned nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.align import Alignment
from app.inspection.notice.coverage import (
    Coverage,
    coverage,
    gaps_s,
    is_replaced,
    level_of_line,
    typical_correlation,
)
from app.inspection.notice.features import ALIGN, SAMPLE_RATE_HZ
from app.inspection.notice.spans import Truths, bridged
from app.inspection.notice.thresholds import Thresholds
from app.inspection.notice.waveform import FineMatch

METHOD_VERSION: Final = "notice-5"

_MS_PER_SAMPLE: Final = 1000 / SAMPLE_RATE_HZ
_PPM: Final = 1e6
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What the measurements of one candidate amount to.

    `heard` holds one truth per 5 ms of the reference, `lag` the place in samples beside the
    candidate's start; `foreign` is where the third look found other sound in its place.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    heard: Truths
    lag: npt.NDArray[np.float64]
    share: float
    sameness: float
    evidence: float
    drift_ppm: float
    foreign: Truths


def judge(
    alignment: Alignment,
    fine: FineMatch,
    speech: Truths,
    *,
    limits: Thresholds,
    vouched: Truths | None = None,
) -> Findings:
    """Decide on one candidate; `vouched` is what counts as heard by evidence of another kind.

    1. Heard is each frame of speech whose waveform correlates as it usually does on this line.
    2. Where too little was heard, or its waveform is not the reference's, it is rejected.
    3. A clock no telephone has is another reading of the text.
    4. Complete needs the share, no gap long enough for a word and no jump long enough for one.
    """
    typical = typical_correlation(fine, speech)
    found = coverage(fine, speech, level=level_of_line(typical, limits), limits=limits)
    if vouched is not None:
        found = found.vouched_for(vouched)
    heard = found.heard & speech
    sure = found.sure & speech
    sure_s = float(sure.sum()) * ALIGN.seconds
    share = float(heard.sum() / max(int(speech.sum()), 1))
    sameness = float(fine.pieces[sure].mean()) if sure.any() else 0.0
    evidence = sameness * sure_s**0.5 + alignment.constant
    clock = _clock(fine, sure)
    reasons = _rejections(sure_s, sameness, evidence, clock.tempo_ppm, limits)
    verdict = Verdict.REJECTED
    if not reasons:
        if share < limits.complete_share:
            reasons.append(Reason.PART_MISSING)
        reasons += _breaks(found, fine, speech, clock, typical, limits)
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
        foreign=np.zeros_like(heard),
    )


def interrupted(findings: Findings, foreign: Truths, speech: Truths) -> Findings:
    """Return the findings of a whole playing in which other sound stands at the places."""
    heard = findings.heard & ~foreign
    return replace(
        findings,
        verdict=Verdict.PARTIAL,
        reasons=(Reason.INTERRUPTED,),
        heard=heard,
        share=float(heard.sum() / max(int(speech.sum()), 1)),
        foreign=foreign,
    )


def _breaks(
    found: Coverage,
    fine: FineMatch,
    speech: Truths,
    clock: _Clock,
    typical: float,
    limits: Thresholds,
) -> list[Reason]:
    """Return what could hide a word: a gap, or a jump."""
    # Closures within a word belong to it, the pauses between sentences do not.
    spoken = bridged(speech, round(limits.closure_s / ALIGN.seconds))
    lack_s = float(np.clip(limits.clean_correlation - typical, 0.0, limits.most_lack_s))
    longest_s, end_s = gaps_s(found.heard, spoken)
    # What the second look has followed is a jump or a lost packet, no other word.
    instead = found.instead & spoken & ~fine.followed
    reasons: list[Reason] = []
    if longest_s > limits.longest_gap_s + lack_s or end_s > limits.longest_end_s + lack_s:
        reasons.append(Reason.GAP)
    if clock.jump_ms > limits.longest_jump_ms or is_replaced(
        fine.lag, found.plain & speech, instead, limits
    ):
        reasons.append(Reason.INTERRUPTED)
    return reasons


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
    # The places go up, so that for each the others so far apart stand in one row.
    least, most = (math.ceil(least_s * SAMPLE_RATE_HZ), math.floor(most_s * SAMPLE_RATE_HZ))
    first = np.searchsorted(places, places + -(-least // ALIGN.hop), "left")
    after = np.searchsorted(places, places + most // ALIGN.hop, "right")
    counts = after - first
    total = int(counts.sum())
    if not total:
        return 0.0
    near = np.repeat(np.arange(len(places)), counts)
    far = np.arange(total) - np.repeat(np.cumsum(counts) - counts - first, counts)
    apart = (places[far] - places[near]) * ALIGN.hop
    return float(np.median((lag[far] - lag[near]) / apart)) * _PPM
