"""Kill the archive at every sync and at random moments under load, and count what is lost.

One archive with its embedded Postgres and a folder store is started in a folder of its own. First
it is killed before each system call that an upload makes on its way to the disk, then at random
moments while senders upload, repeat and contest; it is started again each time and the senders go
on. In the end it is stopped, swept and looked through. The last line is the verdict; the exit
status is 1 unless it says three noughts and no answer was a wrong one.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import secrets
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psycopg

from app.settings import Settings
from app.wiring import database_urls, open_tools
from crash_tool import house as houses
from crash_tool import moments, steps, windows
from crash_tool.book import Book
from crash_tool.checker import Evidence, Findings, check
from crash_tool.house import House
from crash_tool.sender import Address, Load, TrialFailed
from crash_tool.windows import Kill

_SENDERS = 8
_SHORT_UPLOADS, _SHORT_KILLS = 400, 12
_MOST_LINES = 50
_SWEPT = re.compile(r"^(\d+) objects without a row", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one trial does."""

    uploads: int
    kills: int
    seed: int
    is_short: bool


@dataclass(slots=True, kw_only=True)
class Course:
    """What came of it."""

    book: Book
    kills: list[Kill] = field(default_factory=list)
    starts: int = 0
    swept: int = 0
    load_s: float = 0.0


def run(plan: Plan, data: Path) -> tuple[Course, Findings]:
    """Run one trial in the folder `data`; nothing runs afterwards."""
    course = Course(book=Book(plan.seed))
    with houses.running(data) as house:
        key = house.command("device", "add", "crash-trial").split()[-1]
        address = Address(port=house.port, key=key)
        for by_tus in (False, True):
            enumeration = steps.Steps(
                house=house, address=address, book=course.book, scratch=data, by_tus=by_tus
            )
            for kill in steps.enumerate_kills(enumeration, is_short=plan.is_short):
                course.kills.append(kill)
                print(f"killed {kill.kind}: before {kill.call}, in {_names(kill)}", flush=True)
        _under_load(plan, house, address, course)
        status = house.stop()
        if status != 0:
            raise TrialFailed(f"The server ended with status {status}.")
        course.starts = house.starts
        told = house.command("sweep", "--older-than-hours", "0")
        found = _SWEPT.search(told)
        if found is None:
            raise TrialFailed(f"The sweep said {told!r}.")
        course.swept = int(found[1])
        return course, inspect(house, course.book)


def inspect(house: House, book: Book) -> Findings:
    """Look through what a stopped archive holds."""
    settings = Settings(data=house.data / "archive-data", _env_file=None)
    with (
        database_urls(settings) as urls,
        open_tools(settings, urls) as tools,
        psycopg.connect(urls.owner) as connection,
    ):
        evidence = Evidence(connection=connection, store=tools.archive, cipher=tools.cipher)
        findings = check(evidence, book)
    drafts = list((settings.data / "archive" / ".drafts").iterdir())
    findings.half += [f"draft left: {draft.name}" for draft in drafts]
    return findings


def _under_load(plan: Plan, house: House, address: Address, course: Course) -> None:
    began = time.monotonic()
    chance = random.Random(f"{plan.seed}/kills")  # noqa: S311 - the same again from the same seed.
    load = Load(address, course.book, senders=_SENDERS, count=course.book.drawn + plan.uploads)
    load.start()
    for kill in moments.random_kills(house, course.book, load, kills=plan.kills, chance=chance):
        course.kills.append(kill)
        number = len(course.kills)
        print(
            f"kill {number}: {kill.kind} in {_names(kill)}, upload {course.book.drawn}", flush=True
        )
    load.join()
    course.load_s = time.monotonic() - began


def _names(kill: Kill) -> str:
    return ", ".join(str(w) for w in windows.Window if w in kill.windows)


def _report(course: Course, findings: Findings, *, took: timedelta) -> None:
    counts = course.book.counts
    print("\nKills in each window; one that met several uploads counts in each of theirs.")
    print(windows.table(course.kills))
    answers = ", ".join(f"{n} × {k}" for k, n in sorted(counts.items()) if k.startswith("answers"))
    checked = ", ".join(f"{n} {what}" for what, n in sorted(findings.checked.items()))
    print(
        f"\nuploads: {len(course.book.sent)} sent in {counts['attempts']} attempts, "
        f"{len(course.book.promises)} acknowledged\n"
        f"attempts without an answer: {counts['unanswered']}; "
        f"refused for now: {answers or 'none'}\n"
        f"beside them {counts['repeats']} repeats, {counts['conflicts']} refusals of other bytes\n"
        f"kills: {len(course.kills)}; starts of the whole archive: {course.starts}\n"
        f"objects without a row, swept: {course.swept}\n"
        f"checked: {checked}\n"
        f"time: {took.total_seconds():.0f} s, of it under load {course.load_s:.0f} s"
    )
    for line in [*findings.lines(), *(f"fault: {f}" for f in course.book.faults)][:_MOST_LINES]:
        print(line)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/crash", description=__doc__)
    parser.add_argument("--uploads", type=int, default=None, help="uploads under load (10000)")
    parser.add_argument("--kills", type=int, default=None, help="random kills under load (200)")
    parser.add_argument("--seed", type=int, default=None, help="repeats what an earlier run sent")
    parser.add_argument("--data", type=Path, default=None, help="an empty folder, which is kept")
    parser.add_argument("--short", action="store_true", help="about a minute: 400 and 12")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    # What configures another archive must not reach the one under trial.
    for name in [name for name in os.environ if name.startswith("AUDIATUR_")]:
        del os.environ[name]
    plan = Plan(
        uploads=given.uploads or (_SHORT_UPLOADS if given.short else 10_000),
        kills=given.kills or (_SHORT_KILLS if given.short else 200),
        seed=secrets.randbelow(1_000_000) if given.seed is None else given.seed,
        is_short=given.short,
    )
    print(f"seed {plan.seed}", flush=True)
    data = given.data or Path(tempfile.mkdtemp(prefix="audiatur-crash-"))
    data = data.resolve()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(data.iterdir()):
        print(f"crash: {data} is not empty", file=sys.stderr)
        return 2
    # Told to stop, it ends the archive first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began = time.monotonic()
    try:
        course, findings = run(plan, data)
    except TrialFailed as exc:
        print(f"crash: {exc}\ncrash: what there is lies in {data}", file=sys.stderr)
        return 2
    _report(course, findings, took=timedelta(seconds=time.monotonic() - began))
    is_sound = findings.verdict() == "0 lost, 0 altered, 0 half" and not course.book.faults
    if is_sound and given.data is None:
        shutil.rmtree(data)
    elif not is_sound:
        print(f"what there is lies in {data}")
    print(
        f"R1 {len(course.book.promises)} acknowledged, {len(course.kills)} kills, "
        f"{course.book.counts['unanswered']} attempts without an answer: {findings.verdict()}"
    )
    print(findings.verdict())
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
