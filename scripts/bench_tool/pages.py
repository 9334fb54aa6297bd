"""How long each page takes over 100,000 recordings, for each role that sees it."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from app.core.clock import SetClock
from app.core.garbage import spare_what_lasts
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.roles import grant_roles
from app.identity.authenticator import SESSION_COOKIE
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from app.migrate import migrate
from bench_tool import figures
from bench_tool.filling import fill, superuser_url
from bench_tool.native import BenchmarkFailed
from bench_tool.parts import Section
from bench_tool.processes import Family
from bench_tool.rounds import Options, say
from tests.review.house import opened
from tests.web.conftest import Site
from tests.web.table import SUBJECTS, merged

RECORDINGS = 100_000
LIMIT_MS = 300
_OK = 200
_NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_HEADER = ("page", "slowest role", "CPU ms", "p50 ms", "p95 ms", "")
_QUERIES = (
    "/recordings?q=сеть",
    "/recordings?agent=101&flag=notified",
    "/recordings?number=%2B7495",
    "/clients?q=клиент",
    "/events?kind=complaint",
    "/disputes?state=closed",
    "/figures?quarters=20",
)
"""Lists narrowed, beside the pages as they stand."""


def run(options: Options) -> Section:
    """Ask for each page as each role that sees it, and tell which take too long."""
    server = EmbeddedPostgres(options.directory / f"pages-{time.monotonic_ns()}")
    values: list[dict[str, object]] = []
    slowest: dict[str, list[str]] = {}
    try:
        cluster = server.hold()
        migrate(cluster.owner_url)
        grant_roles(cluster)
        superuser = superuser_url(cluster, urlsplit(cluster.owner_url).path.strip("/"))
        with _site(options.directory, cluster.web_url, cluster.owner_url) as site:
            say(f"pages: making {RECORDINGS} recordings")
            _multiply(superuser, site)
            spare_what_lasts()  # As the server does; here is what the tests load as well.
            family = Family(root=os.getpid(), directory=cluster.directory)
            for path, roles in sorted(_pages().items()):
                say(f"pages: {path}")
                for role in sorted(roles):
                    took, cpu = _took(site, family, path, role, times=2 * options.rounds)
                    p50, p95 = _share(took, 0.5), _share(took, 0.95)
                    late = f"over {LIMIT_MS}" if p95 > LIMIT_MS else ""
                    row = [f"`{path}`", str(role), f"{cpu:.0f}", f"{p50:.0f}", f"{p95:.0f}", late]
                    slowest[path] = max(slowest.get(path, row), row, key=lambda one: int(one[2]))
                    values.append({"path": path, "role": str(role), "ms": took, "cpu_ms": cpu})
    finally:
        server.release_and_maybe_stop()
    rows = sorted(slowest.values(), key=lambda row: -int(row[2]))
    title = f"Pages over {RECORDINGS:,} recordings, {LIMIT_MS} ms at most"
    return Section(title=title, text=figures.table(_HEADER, rows), values=values)


def _pages() -> dict[str, frozenset[Role]]:
    pages = merged("PAGES")
    narrowed = {path: pages[path.partition("?")[0]] for path in _QUERIES}
    return pages | narrowed


@contextmanager
def _site(directory: Path, web_url: str, owner_url: str) -> Iterator[Site]:
    """Give an archive with something on every page, as the tests of the pages have it."""
    folder = directory / f"site-{time.monotonic_ns()}"
    folder.mkdir()
    with opened(
        folder,
        web_url=web_url,
        owner_url=owner_url,
        sandbox=Sandbox.detect(),
        clock=SetClock(_NOW),
    ) as house:
        house.person("agent", Role.AGENT)
        site = Site(house=house)
        for subject in SUBJECTS:
            if hasattr(subject, "fill"):
                site.parameters |= subject.fill(house)
        house.tools.log.sequencer().catch_up()
        for role in Role:
            site.cookies[role] = site.log_in(role)
        yield site


def _multiply(superuser: str, site: Site) -> None:
    """Copy what the tests made, many times."""
    with psycopg.connect(superuser) as connection:
        row = connection.execute(
            "SELECT client_id FROM disputes WHERE id = %s", [site.parameters["dispute_id"]]
        ).fetchone()
    fill(
        superuser,
        recordings=RECORDINGS,
        recording=site.parameters["recording_id"],
        client=str(row[0]) if row else "",
        dispute=site.parameters["dispute_id"],
        now=_NOW,
    )


def _took(
    site: Site, family: Family, path: str, role: Role, *, times: int
) -> tuple[list[float], float]:
    """Return the milliseconds of each answer after one that warms up, and of CPU on average.

    CPU is that of Postgres and of this process, which asks and answers.
    """
    url = urlsplit(site.house.url)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=60)
    where = re.sub(r"\s", "+", site.path(path)).encode().decode("latin-1")
    where = "".join(one if one.isascii() else f"%{ord(one):02X}" for one in where)
    headers = {"Cookie": f"{SESSION_COOKIE}={site.cookies[role]}", "Sec-Fetch-Site": "same-origin"}
    took = []
    spent = 0.0
    for turn in range(times + 1):
        if turn == 1:
            spent = family.cpu_s()
        began = time.perf_counter()
        connection.request("GET", where, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != _OK:
            raise BenchmarkFailed(f"{where} as {role}: {answer.status} {body[:200]!r}")
        if turn:
            took.append((time.perf_counter() - began) * 1000)
    connection.close()
    return took, (family.cpu_s() - spent) * 1000 / times


def _share(took: list[float], share: float) -> float:
    return sorted(took)[max(0, math.ceil(len(took) * share) - 1)]
