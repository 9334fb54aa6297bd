"""Kill and cut off each host of a town in turn under load, and see that nothing is lost.

Two web processes, the process of the links, three workers, one Postgres, one S3 server and an nginx
before them, each in a network namespace of its own; senders upload all the while, and one person
stays logged in. Each host's program is killed and started again, and each cable is pulled for some
seconds. A cut is over when the cable is plugged in; a kill of what there is one of when its program
answers again by itself, and of what there are several of at once. From then on the service has five
seconds until a new upload, the session and the links all work again; when the senders of the load
get on, whose packets were lost on the way, is told beside it. In the end everything that was
acknowledged is compared with what is kept, and jobs are counted. The exit status is 1 unless all
holds. It must be run as root.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
import psycopg
from crash_tool import uploads
from crash_tool.book import Book
from crash_tool.checker import Evidence, Findings, check
from crash_tool.sender import Address, Load, Sender, TrialFailed
from crash_tool.uploads import Key

from app.core.clock import SystemClock
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.authenticator import SESSION_COOKIE
from app.identity.permissions import Role
from app.settings import Settings
from app.tools import Tools
from app.uploads import jobs
from app.wiring import configured_urls, open_tools
from hosts_tool.network import NoNamespaces
from hosts_tool.town import NAMES, WEB, NotStarted, Town, town

BACK_WITHIN_S = 5.0
_GIVE_UP_S = 60.0
_CALLER_WAITS_S = 2.0
_SENDERS, _PAUSE_S = 6, 0.5  # What is tried is faults, not how much the machine takes.
_PASSWORD = "a long walk along the old canal"  # noqa: S105 - of a person who lives for minutes.
_SEVERAL = frozenset({"web-1", "web-2", "worker-1", "worker-2", "worker-3"})
_SHORT = ("kill web-1", "cut web-2", "kill worker-1", "kill database", "cut database", "cut store")
_TWICE = """
SELECT count(*) FROM (
    SELECT FROM custody_entries WHERE act = 'derived.created' AND object_kind = 'recording'
    GROUP BY object_id, facts->>'leg', facts->>'derived' HAVING count(*) > 1) found
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One fault and what came of it; `back` is the slowest of three things, after the fault's end.

    `senders` is not among them: what was under way goes on when TCP sends its lost packets again,
    which after eight seconds of silence it does another four and a half later.
    """

    name: str
    lasted: float
    taken: int
    uploads: float
    session: float
    links: float
    senders: float

    @property
    def back(self) -> float:
        return max(self.uploads, self.session, self.links)


@dataclass(slots=True, kw_only=True)
class Course:
    """What a run found out."""

    told: list[Told] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    jobs: dict[str, int] = field(default_factory=dict)


class Visitor:
    """A person who logged in once, and whoever opens links."""

    def __init__(self, built: Town) -> None:
        self._built = built
        body = {"name": "anna", "password": _PASSWORD}
        answer = httpx.post(f"{built.front}/v1/session", json=body, timeout=30)
        answer.raise_for_status()
        cookie = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
        self._headers = {"Cookie": f"{SESSION_COOKIE}={cookie}"}

    def is_known(self) -> bool:
        """Tell whether the session works; one that is gone is a fault of its own."""
        answer = httpx.get(f"{self._built.front}/v1/session", headers=self._headers, timeout=2)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise TrialFailed("The session is gone.")
        return answer.is_success

    def has_links(self) -> bool:
        return httpx.get(f"{self._built.front_links}/readyz", timeout=2).is_success


class Caller:
    """Sends one new recording at a time, each attempt over a connection of its own."""

    def __init__(self, address: Address, book: Book) -> None:
        self.keys: set[Key] = set()
        self._book = book
        chance = random.Random("caller")  # noqa: S311 - no secret.
        self._sender = Sender(address, book, chance, answer_within_s=_CALLER_WAITS_S)

    def sends(self) -> Callable[[], bool]:
        """Return what tries to send a recording that was not sent before, once at each call."""
        upload = uploads.upload(self._book.seed, self._book.draw())
        self.keys.add(upload.key)

        def is_taken() -> bool:
            self._sender.close()
            answer = self._sender.attempt(upload)
            if answer is None or not answer.status < HTTPStatus.BAD_REQUEST:
                return False
            self._sender.deliver(upload, is_repeat=True)
            return True

        return is_taken


def _first(is_so: Callable[[], bool], since: float) -> float:
    """Return how long after `since` it is so for the first time."""
    while time.monotonic() < since + _GIVE_UP_S:
        try:
            if is_so():
                return time.monotonic() - since
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    return _GIVE_UP_S


def _fault(
    built: Town, name: str, book: Book, visitor: Visitor, caller: Caller, *, seconds: float
) -> Told:
    kind, _, host = name.partition(" ")
    for other in NAMES:  # One fault at a time: what died before is back.
        built.wait(other)

    def taken() -> int:
        return len(book.promises.keys() - caller.keys)

    before, began = taken(), time.monotonic()
    if kind == "cut":
        built.hosts[host].pull()
        time.sleep(seconds)
        built.hosts[host].plug()
    else:
        built.kill(host)
        if host not in _SEVERAL:
            time.sleep(0.3)  # What is dead must be seen to be dead first.
            built.wait(host)
    ended, at_end = time.monotonic(), taken()
    # All at once: in turn, each would have the time of those before it added.
    with ThreadPoolExecutor(4) as pool:
        call = pool.submit(_first, caller.sends(), ended)
        senders = pool.submit(_first, lambda: taken() > at_end, ended)
        session = pool.submit(_first, visitor.is_known, ended)
        links = pool.submit(_first, visitor.has_links, ended)
    return Told(
        name=name,
        lasted=ended - began,
        taken=at_end - before,
        uploads=call.result(),
        session=session.result(),
        links=links.result(),
        senders=senders.result(),
    )


def _people(tools: Tools) -> str:
    """Make one person and one device known; return the device's key."""
    at = tools.clock.now()
    with tools.database.transaction() as session:
        actor = Actor.system("hosts")
        identity.add_user(session, actor, "anna", role=Role.REVIEWER, password=_PASSWORD, at=at)
        return identity.add_device(session, actor, "phone", at=at)


def run(folder: Path, faults: list[str], *, seconds: float) -> Course:
    """Build a town in `folder`, let each fault happen, and look through what is kept."""
    course = Course()
    book = Book(secrets.randbelow(1_000_000))
    with ExitStack() as stack:
        built = stack.enter_context(town(folder))
        names = {k.removeprefix("AUDIATUR_").lower(): v for k, v in built.settings.items()}
        settings = Settings(_env_file=None, **names)  # type: ignore[arg-type]  # as the environment is.
        tools = stack.enter_context(open_tools(settings, configured_urls(settings)))
        key = _people(tools)
        visitor = Visitor(built)
        address = Address(host=built.hosts["front"].address, port=WEB, key=key)
        load = Load(address, book, senders=_SENDERS, count=10**9, pause_s=_PAUSE_S)
        load.start()
        caller = Caller(address, book)
        print(
            f"{'fault':<16} {'lasted':>7} {'taken':>6} {'uploads':>8} {'session':>8} {'links':>6} "
            f"{'senders':>8}"
        )
        for name in faults:
            told = _fault(built, name, book, visitor, caller, seconds=seconds)
            course.told.append(told)
            late = "" if told.back <= BACK_WITHIN_S else "  late"
            print(
                f"{told.name:<16} {told.lasted:>6.1f}s {told.taken:>6} {told.uploads:>7.2f}s "
                f"{told.session:>7.2f}s {told.links:>5.2f}s {told.senders:>7.2f}s{late}",
                flush=True,
            )
            load.check()
            time.sleep(1)
        load.count = 0
        load.join()
        with psycopg.connect(built.owner_url, autocommit=True) as connection:
            course.jobs = _jobs(connection)
            built.end_programs()
            # With connections of its own: those of before have seen the database die.
            looking = stack.enter_context(open_tools(settings, configured_urls(settings)))
            jobs.sweep(looking, older_than=SystemClock().now() + timedelta(hours=1))
            evidence = Evidence(connection=connection, store=looking.archive, cipher=looking.cipher)
            course.findings = check(evidence, book)
    course.wrong += book.faults
    course.wrong += [
        f"{one.name}: back after {one.back:.1f} s"
        for one in course.told
        if one.back > BACK_WITHIN_S
    ]
    course.wrong += [f"jobs {what}: {n}" for what, n in course.jobs.items() if n and what != "done"]
    return course


def _jobs(connection: psycopg.Connection) -> dict[str, int]:
    """Wait until the inspections are done; count those that are not, and those done twice."""
    give_up_at = time.monotonic() + 5 * _GIVE_UP_S

    def one(query: str) -> int:
        row = connection.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0

    open_ones = "SELECT count(*) FROM recordings WHERE inspection_state = 'pending'"
    least = one(open_ones)
    while least and time.monotonic() < give_up_at:
        time.sleep(0.5)
        if (left := one(open_ones)) < least:  # A slow machine is one that still gets on.
            least, give_up_at = left, time.monotonic() + 5 * _GIVE_UP_S
    return {
        "done": one("SELECT count(*) FROM recordings WHERE inspection_state = 'done'"),
        "not done": one(open_ones),
        "done twice": one(_TWICE),
        "given up": one("SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'"),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/hosts", description=__doc__)
    parser.add_argument("--short", action="store_true", help="six faults instead of all")
    parser.add_argument("--fault", action="append", help="as 'kill web-1' or 'cut database'")
    parser.add_argument("--worker-kills", type=int, default=0, help="kill workers so often alone")
    parser.add_argument("--seconds", type=float, default=None, help="how long a cable is out (8)")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    for name in [name for name in os.environ if name.startswith("AUDIATUR_")]:
        del os.environ[name]
    every = [f"{kind} {name}" for kind in ("kill", "cut") for name in NAMES]
    faults = given.fault or (list(_SHORT) if given.short else every)
    if given.worker_kills:
        faults = [f"kill worker-{number % 3 + 1}" for number in range(given.worker_kills)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder = Path(tempfile.mkdtemp(prefix="audiatur-hosts-"))
    folder.chmod(0o711)
    began = datetime.now(UTC)
    try:
        course = run(folder, faults, seconds=given.seconds or (3.0 if given.short else 8.0))
    except NoNamespaces as exc:
        print(f"hosts: no network namespaces here: {exc}", file=sys.stderr)
        return 3
    except (NotStarted, TrialFailed) as exc:
        print(f"hosts: {exc}\nhosts: what there is lies in {folder}", file=sys.stderr)
        return 2
    took = (datetime.now(UTC) - began).total_seconds()
    print(f"jobs: {', '.join(f'{n} {what}' for what, n in course.jobs.items())}")
    checked = ", ".join(f"{n} {what}" for what, n in sorted(course.findings.checked.items()))
    print(f"checked: {checked}; {took:.0f} s")
    for line in [*course.findings.lines(), *course.wrong][:50]:
        print(line)
    is_sound = course.findings.verdict() == "0 lost, 0 altered, 0 half" and not course.wrong
    slowest = max(one.back for one in course.told)
    late = sum(one.back > BACK_WITHIN_S for one in course.told)
    print(
        f"{'R6' if given.worker_kills else 'R4'} {len(course.told)} faults, "
        f"{course.findings.checked.get('acknowledged', 0)} acknowledged, "
        f"{course.jobs.get('done', 0)} jobs done, {course.jobs.get('not done', 0)} not done, "
        f"{course.jobs.get('done twice', 0)} done twice, "
        f"slowest back after {slowest:.1f} s, {late} later than {BACK_WITHIN_S:.0f} s"
    )
    print(f"{course.findings.verdict()}; slowest back after {slowest:.1f} s; session kept")
    if is_sound:
        shutil.rmtree(folder)
    else:
        print(f"what there is lies in {folder}")
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
