"""Alive, ready, measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import BaseModel
from sqlalchemy import text

from app.core.db import Database
from app.core.errors import Refusal
from app.fixity import queries as fixity
from app.system.call_figures import CallCollector
from app.system.log_figures import LogCollector
from app.system.onec_figures import OnecCollector
from app.system.provider_figures import ProviderCollector
from app.system.waiting_figures import WaitingCollector
from app.system.webhook_figures import WebhookCollector
from storage.errors import StoreError

router = APIRouter(tags=["system"])


class Alive(BaseModel):
    status: str


class PartState(BaseModel):
    status: str
    detail: str | None = None


class Ready(BaseModel):
    """`ok` only if every part is."""

    status: str
    parts: dict[str, PartState]


@router.get("/healthz")
def healthz() -> Alive:
    """Say that the process answers."""
    return Alive(status="ok")


@router.get("/readyz", response_model=Ready, responses={503: {"model": Ready}})
def readyz(request: Request) -> Response:
    """Say whether uploads can be taken, and which part is down if not."""
    checks: dict[str, Callable[[], None]] = request.app.state.ready_checks
    parts = {name: _state(check) for name, check in checks.items()}
    is_ready = all(part.status == "ok" for part in parts.values())
    ready = Ready(status="ok" if is_ready else "unavailable", parts=parts)
    headers = {} if is_ready else {"Retry-After": "5"}
    return JSONResponse(ready.model_dump(), 200 if is_ready else 503, headers=headers)


def _state(check: Callable[[], None]) -> PartState:
    try:
        check()
    except (Refusal, StoreError) as exc:
        return PartState(status="down", detail=str(exc))
    return PartState(status="ok")


def database_check(database: Database) -> Callable[[], None]:
    """Return a check that asks the database something small."""

    def check() -> None:
        database.statement("SELECT 1", {})

    return check


@router.api_route("/s/{token}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
def share_link(token: str, request: Request) -> Response:
    """Send whoever came here with a share link to the process that serves them."""
    base: str = request.app.state.public_url
    return RedirectResponse(f"{base.rstrip('/')}/s/{quote(token, safe='')}", status_code=307)


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """Give the figures of the web processes of this `serve` and of the queue, for Prometheus."""
    queue = CollectorRegistry()
    queue.register(_QueueCollector(request.app.state.database))
    queue.register(LogCollector(request.app.state.database))
    queue.register(CallCollector(request.app.state.database, request.app.state.clock))
    queue.register(WebhookCollector(request.app.state.database, request.app.state.clock))
    queue.register(ProviderCollector(request.app.state.database))
    queue.register(OnecCollector(request.app.state.database, request.app.state.clock))
    queue.register(WaitingCollector(request.app.state.database))
    body = _counted()
    try:
        body += generate_latest(queue)
        body += _answers(is_up=True)
    except Refusal:
        body += _answers(is_up=False)
        body += b"# the database does not answer; the queue is not counted\n"
    return Response(body, media_type=CONTENT_TYPE_LATEST)


def _counted() -> bytes:
    """Return what is counted here, and beside it by the processes that share the address."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # it has no types
    return generate_latest(together)


def _answers(*, is_up: bool) -> bytes:
    told = CollectorRegistry()
    told.register(_Answers(is_up=is_up))
    return generate_latest(told)


class _Answers:
    """Whether the database answered."""

    def __init__(self, *, is_up: bool) -> None:
        self._is_up = is_up

    def collect(self) -> list[GaugeMetricFamily]:
        name, told = "audiatur_database_up", "Whether the database answered."
        return [GaugeMetricFamily(name, told, value=float(self._is_up))]


class _QueueCollector:
    """Counts the jobs by state, and what is damaged, when asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("audiatur_jobs", "Jobs by state.", labels=["state"])
        damaged = GaugeMetricFamily(
            "audiatur_damaged_objects", "Objects that are damaged or missing and not mended."
        )
        locks = GaugeMetricFamily(
            "audiatur_lock_differences", "Locks that differ from what the store had said."
        )
        overdue = GaugeMetricFamily(
            "audiatur_fixity_overdue_seconds", "How late the check is that is longest due."
        )
        with self._database.transaction() as session:
            found = fixity.figures(session)
            damaged.add_metric([], found.damaged)
            locks.add_metric([], found.lock_differences)
            overdue.add_metric([], found.overdue_seconds)
            for state, count in session.execute(
                text("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status")
            ):
                jobs.add_metric([state], count)
        return [jobs, damaged, locks, overdue]
