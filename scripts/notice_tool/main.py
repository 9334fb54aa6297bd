"""The command: generated calls, the corpus, the cost, and the table of the targets."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from notice_tool import corpus, cost, denied, report
from notice_tool.calls import Family
from notice_tool.evaluate import Outcome, references, run
from notice_tool.prompts import prompt_set, speech_set

# Out of twenty cases: how many of each family.
_SHARES: Final = {
    Family.SINGLE: 6,
    Family.COMPOUND: 5,
    Family.PARTIAL: 3,
    Family.BROKEN: 3,
    Family.NEGATIVE: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How much is made and measured."""

    calls: int
    cost_minutes: int
    memory_hours: float
    rounds: int


PROFILES: Final = {
    "ci": Profile(calls=40, cost_minutes=4, memory_hours=1, rounds=1),
    "full": Profile(calls=1_200, cost_minutes=60, memory_hours=10, rounds=5),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/notice-bench", description=__doc__)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="full")
    parser.add_argument("--calls", type=int, help="generated calls; by default the profile's")
    parser.add_argument("--seed", type=int, default=1, help="the calls are the seed's")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument(
        "--tuning",
        action="store_true",
        help="take the prompts and voices of the calibration instead of the held-out ones",
    )
    parser.add_argument(
        "--denied",
        type=int,
        metavar="CASES",
        help="only so many negated, replaced, gapped and cut off ones: never complete",
    )
    parser.add_argument(
        "--near",
        type=int,
        metavar="CASES",
        help="only so many with one consonant or one word of the notice exchanged",
    )
    parser.add_argument(
        "--own-text",
        action="store_true",
        help="search each call for the text played in it alone: all but N3, in a tenth of the time",
    )
    parser.add_argument("--without-cost", action="store_true", help="measure no time and memory")
    return parser.parse_args()


def _work(calls: int, seed: int) -> Iterator[tuple[int, Family]]:
    order = [family for family, share in _SHARES.items() for _ in range(share)]
    for number in range(calls):
        yield seed * 1_000_000 + number, order[number * 7 % len(order)]


def _one(task: tuple[int, Family, bool, bool]) -> Outcome:
    seed, family, final, own_text = task
    return run(seed, family, final=final, own_text=own_text)


def generated(
    calls: int, *, seed: int, final: bool, jobs: int, own_text: bool = False
) -> list[Outcome]:
    """Run the generated cases; the same seed gives the same outcomes."""
    # Made before the processes part, so that each has the voices already.
    prompt_set(final=final)
    speech_set(final=final)
    references(final=final)
    tasks = [(number, family, final, own_text) for number, family in _work(calls, seed)]
    if jobs == 1:
        return [_one(task) for task in tasks]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(_one, tasks, chunksize=4))


def main() -> None:
    arguments = _arguments()
    profile = PROFILES[arguments.profile]
    jobs = max(arguments.jobs, 1)
    if arguments.denied is not None or arguments.near is not None:
        is_near = arguments.near is not None
        cases = arguments.near if is_near else arguments.denied
        denied.table(denied.run(cases, seed=arguments.seed, jobs=jobs, near=is_near))
        return
    calls = arguments.calls if arguments.calls is not None else profile.calls
    began = time.monotonic()
    final = not arguments.tuning
    outcomes = generated(
        calls, seed=arguments.seed, final=final, jobs=jobs, own_text=arguments.own_text
    )
    made_s = time.monotonic() - began
    spent = None
    if not arguments.without_cost:
        spent = cost.measure(
            minutes=profile.cost_minutes, hours=profile.memory_hours, rounds=profile.rounds
        )
    report.cases(outcomes, texts=len(references(final=final)), held_out=final)
    report.targets(outcomes, spent)
    if spent is not None:
        report.costs(spent)
    corpus.table()
    print(
        f"\n{calls} calls in {made_s:.0f} s, all in {time.monotonic() - began:.0f} s; "
        f"seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
