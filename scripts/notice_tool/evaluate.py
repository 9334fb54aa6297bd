"""Running the detector over generated calls and comparing with what is true of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from app.inspection.notice.checks import Verdict
from app.inspection.notice.detector import Detector
from app.inspection.notice.hits import Hit
from app.inspection.notice.reference import Reference
from notice_tool.calls import Case, Family, make
from notice_tool.prompts import Prompt, prompt_set, speech_set
from notice_tool.voices import RATE_HZ

# A hit this far from the truth found something else.
NEAR_MS: Final = 300.0
_BLOCK: Final = RATE_HZ * 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one case."""

    seed: int
    family: Family
    kind: str
    played: str | None
    share: float
    found: bool
    complete: bool
    start_error_ms: float | None
    found_share: float
    false_complete: tuple[str, ...]
    false_partial: tuple[str, ...]
    prompt_hours: float
    cpu_s: float
    rejected_because: tuple[str, ...] = field(default=())


@lru_cache(maxsize=2)
def references(*, final: bool) -> tuple[Reference, ...]:
    """Return the registered references of the set."""
    return tuple(registered(prompt) for prompt in prompt_set(final=final).prompts)


def registered(prompt: Prompt) -> Reference:
    """Return the announcement as it would be registered."""
    return Reference.register(
        np.rint(prompt.sound * 32767).astype(np.int16),
        text_id=prompt.name,
        version=1,
        sha256="0" * 64,
    )


def search(samples: np.ndarray, searched: Sequence[Reference]) -> list[Hit]:
    """Search a whole call."""
    detector = Detector(searched, whole=True)
    for at in range(0, len(samples), _BLOCK):
        detector.feed(samples[at : at + _BLOCK])
    return detector.finish()


def run(seed: int, family: Family, *, final: bool, own_text: bool = False) -> Outcome:
    """Make the call of the seed, search it for every text of the set, and compare.

    With `own_text` a call in which one is played is searched for that alone.
    """
    case = make(seed, family, prompt_set(final=final), speech_set(final=final))
    searched = references(final=final)
    if own_text and case.played is not None:
        searched = tuple(one for one in searched if one.text_id == case.played)
    before = time.process_time()
    hits = search(case.samples, searched)
    cpu_s = time.process_time() - before
    hours = len(case.samples) / RATE_HZ / 3600 * case.samples.shape[1]
    return compare(case, hits, prompt_hours=hours * len(searched), cpu_s=cpu_s)


def compare(case: Case, hits: Sequence[Hit], *, prompt_hours: float, cpu_s: float) -> Outcome:
    mine = [
        hit
        for hit in hits
        if hit.text_id == case.played
        and hit.channel == case.channel
        and abs(hit.origin_ms - case.start_ms) <= NEAR_MS
    ]
    believed = [hit for hit in mine if hit.verdict is not Verdict.REJECTED]
    best = max(believed, key=lambda hit: hit.share, default=None)
    whole = case.family in {Family.SINGLE, Family.COMPOUND}
    wrong = [hit for hit in hits if not (whole and hit in mine)]
    return Outcome(
        seed=case.seed,
        family=case.family,
        kind=case.kind,
        played=case.played,
        share=case.share,
        found=best is not None,
        complete=best is not None and best.complete,
        start_error_ms=None if best is None else abs(best.origin_ms - case.start_ms),
        found_share=0.0 if best is None else best.share,
        false_complete=tuple(hit.text_id for hit in wrong if hit.complete),
        false_partial=tuple(
            hit.text_id
            for hit in wrong
            if hit.verdict is Verdict.PARTIAL and hit.text_id != case.played
        ),
        prompt_hours=prompt_hours,
        cpu_s=cpu_s,
        rejected_because=tuple(reason for hit in mine for reason in hit.reasons),
    )
