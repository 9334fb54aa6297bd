"""Announcements that must never be called complete: negated, replaced, gapped, cut off; by number.

Half are of the tuning set, half of the held-out one. A quarter comes over a clean line; the rest
goes through everything that the compound calls go through, at once. Each is searched for the text
that it resembles. Beside them, `near_one`: one consonant or one word of a notice exchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.inspection.notice.checks import Verdict
from notice_tool import broken
from notice_tool.calls import denied, near_miss
from notice_tool.evaluate import references, registered, search
from notice_tool.prompts import prompt_set, speech_set

NEGATED: Final = "negated"
ITSELF: Final = "the notice itself"
# As many negated ones as of all the others together.
_KINDS: Final = (*broken.KINDS, *(NEGATED for _ in broken.KINDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """What became of one case."""

    seed: int
    final: bool
    what: str
    kind: str
    text: str
    found: bool
    complete: bool
    line: str = ""


def one(seed: int) -> Denied:
    """Make the case of the number, search it, and tell whether it was called complete."""
    final = seed % 2 == 1
    prompts, speech = prompt_set(final=final), speech_set(final=final)
    what = _KINDS[int(np.random.default_rng([seed, 1]).integers(0, len(_KINDS)))]
    case = denied(seed, what, prompts, speech)
    mine = [reference for reference in references(final=final) if reference.text_id == case.played]
    hits = search(case.samples, mine)
    return Denied(
        seed=seed,
        final=final,
        what=what,
        kind=case.kind,
        text=str(case.played),
        found=any(hit.verdict is not Verdict.REJECTED for hit in hits),
        complete=any(hit.complete for hit in hits),
    )


def near_one(seed: int) -> Denied:
    """Make a sentence beside a notice, or the notice itself: one in four; search it for that."""
    final = seed % 2 == 1
    is_exchanged = seed // 2 % 4 != 0
    case, prompt, other = near_miss(
        seed, prompt_set(final=final), speech_set(final=final), is_exchanged=is_exchanged
    )
    hits = search(case.samples, [registered(prompt)])
    return Denied(
        seed=seed,
        final=final,
        what=other.sorts if is_exchanged else ITSELF,
        kind=f"{case.kind}; {other.pair}" if is_exchanged else case.kind,
        text=other.text if is_exchanged else prompt.name,
        found=any(hit.verdict is not Verdict.REJECTED for hit in hits),
        complete=any(hit.complete for hit in hits),
        line=line_of(case.kind),
    )


def line_of(kind: str) -> str:
    """Return how much of a sound the line leaves: plain, a low rate, or noise and talk."""
    parts = [part.split()[0] for part in kind.split("; ")]
    if any(part in {"pink", "white", "babble", "overlap"} for part in parts):
        return "noise or talk"
    low = ("amr", "gsm", "opus-8", "mp3-16")
    return "low rate" if any(part.startswith(low) for part in parts) else "plain"


def run(cases: int, *, seed: int, jobs: int, near: bool = False) -> list[Denied]:
    """Run so many cases; the same seed gives the same outcomes."""
    make = near_one if near else one
    for final in (False, True):
        prompt_set(final=final)
        speech_set(final=final)
        references(final=final)
    numbers = [seed * 1_000_000 + number for number in range(cases)]
    if jobs == 1:
        return [make(number) for number in numbers]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(make, numbers, chunksize=4))


def table(outcomes: Iterable[Denied]) -> None:
    """Print how many of each kind were called complete, and each that was."""
    outcomes = list(outcomes)
    print("\nnever complete (searched for the text they resemble): cases, found, called complete")
    for final in (False, True):
        mine = [outcome for outcome in outcomes if outcome.final is final]
        cases = Counter(outcome.what for outcome in mine)
        found = Counter(outcome.what for outcome in mine if outcome.found)
        complete = Counter(outcome.what for outcome in mine if outcome.complete)
        print(f"  {'held-out' if final else 'TUNING'}")
        for what in sorted(cases):
            print(f"    {what:20} {cases[what]:5} {found[what]:5} {complete[what]:5}")
        print(f"    {'all':20} {len(mine):5} {found.total():5} {complete.total():5}")
    for line in sorted({outcome.line for outcome in outcomes if outcome.line}):
        mine = [outcome for outcome in outcomes if outcome.line == line]
        others = [outcome for outcome in mine if outcome.what != ITSELF]
        own = [outcome for outcome in mine if outcome.what == ITSELF]
        print(
            f"  line {line:15} others {len(others):4} complete {sum(o.complete for o in others):4}"
            f"   {ITSELF} {len(own):4} complete {sum(o.complete for o in own):4}"
        )
    for outcome in outcomes:
        if outcome.complete and outcome.what != ITSELF:
            print(f"  FALSE COMPLETE: {outcome.seed} {outcome.kind} {outcome.text}")
