"""The worker: fetches jobs, does them, gives those of dead workers to others."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import procrastinate
import structlog
from procrastinate import JobContext, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import JobAborted, UniqueViolation
from procrastinate.jobs import DeleteJobCondition, Status
from procrastinate.manager import JobManager

from app.core import traces
from app.core.db import APP_ROLE, LINE_LIMITS
from app.core.errors import Refusal
from app.core.garbage import spare_what_lasts
from app.core.jobs import QUEUE
from app.custody.checkpoints import LogTools
from app.tools import AWAY, Tools
from app.webhooks import outbox
from app.webhooks.sending import Sender
from app.webhooks.sending import Tools as TellingTools
from app.worker.handlers import AT_START, HANDLERS, MOST_ATTEMPTS, PERIODIC, Handler

_log = structlog.get_logger()

CONCURRENCY = 2
MAX_ATTEMPTS = 8
# What a wake-up costs that the queue forgets while it is just looking for jobs.
_POLLING_SECONDS = 0.25
_HEARTBEAT_SECONDS = 5.0
_STALLED_SECONDS = 20.0
_KEEP_DONE_HOURS = 72
_AWAY_PAUSES_SECONDS = (1.0, 3.0, 9.0)
_ABORT_SECONDS = 0.25
_SEQUENCING_SECONDS = 1.0
_WEBHOOK_SECONDS = 1.0
_WEBHOOK_LANES = 8


def queue_app(tools: Tools, url: str, *, has_clock: bool = True) -> procrastinate.App:
    """Return the queue with every job's handler, over connections of its own.

    Without `has_clock` nothing is started by the time of day.
    """
    app = procrastinate.App(
        connector=PsycopgConnector(
            conninfo=url,
            min_size=1,
            max_size=CONCURRENCY + 2,
            kwargs={
                **LINE_LIMITS,
                "options": f"-c role={APP_ROLE}",
                "application_name": "audiatur worker",
            },
        )
    )
    for name, handler in HANDLERS.items():
        attempts = MOST_ATTEMPTS.get(name, MAX_ATTEMPTS)
        retry = RetryStrategy(max_attempts=attempts, exponential_wait=3)
        app.task(name=name, queue=QUEUE, retry=retry)(_bound(tools, name, handler))
    if not has_clock:
        return app
    for name, (cron, work) in PERIODIC.items():
        task = app.task(name=name, queue=QUEUE, queueing_lock=name, pass_context=True)(
            _periodic(tools, name, work)
        )
        app.periodic(cron=cron)(task)
    _add_rescue(app)
    return app


def _bound(tools: Tools, name: str, handler: Handler) -> Callable[..., None]:
    def run(**args: str) -> None:
        traceparent = args.pop(traces.TRACEPARENT, None)
        try:
            with traces.job(name, traceparent):
                handler(tools, **args)
        except Exception as exc:
            _log.warning("job.failed", task=name, error=type(exc).__name__, **args)
            raise

    return run


def _periodic(tools: Tools, name: str, work: Callable[[Tools], object]) -> Callable[..., None]:
    """Return what the clock starts; what it needs may be away for a moment: it is tried again.

    It is not queued anew, as other jobs are: the next one by the clock may wait there already.
    """

    def run(context: JobContext, timestamp: int) -> None:
        del timestamp
        with traces.job(name, None):
            for pause_s in _AWAY_PAUSES_SECONDS:
                try:
                    work(tools)
                except AWAY as exc:
                    _log.warning("job.waits", task=name, error=type(exc).__name__, seconds=pause_s)
                    _pause(context, pause_s)
                else:
                    return
            work(tools)

    return run


def _pause(context: JobContext, seconds: float) -> None:
    """Wait, but for no worker that has been told to stop and let jobs end for long enough.

    Raises:
        JobAborted: it has; the clock starts the job again.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if context.should_abort():
            raise JobAborted
        time.sleep(min(left, _ABORT_SECONDS))


def _add_rescue(app: procrastinate.App) -> None:
    @app.periodic(cron="* * * * * */10")
    @app.task(name="worker.rescue", queue=QUEUE, queueing_lock="worker.rescue", pass_context=True)
    async def rescue(context: JobContext, timestamp: int) -> None:
        """Give the jobs of workers whose heart stopped to others, and forget old finished ones."""
        del context, timestamp
        await rescue_stalled(app.job_manager)

    @app.periodic(cron="41 * * * *")
    @app.task(name="worker.forget", queue=QUEUE, queueing_lock="worker.forget")
    async def forget(timestamp: int) -> None:
        del timestamp
        await app.job_manager.delete_old_jobs(nb_hours=_KEEP_DONE_HOURS)


async def rescue_stalled(manager: JobManager) -> None:
    """Give the jobs of workers whose heart stopped to others."""
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_SECONDS):
        try:
            await manager.retry_job(job)
        except UniqueViolation:
            # The next of a kind that is started by the clock waits already: it does the same.
            await manager.finish_job(job, Status.ABORTED, delete_job=False)
        _log.warning("job.rescued", task=job.task_name, job_id=job.id)


def run(tools: Tools, url: str) -> None:
    """Work until told to stop by SIGTERM or SIGINT; jobs in hand are finished first."""

    async def work() -> None:
        app = queue_app(tools, url)
        async with app.open_async():
            await app.run_worker_async(
                queues=[QUEUE],
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=_POLLING_SECONDS,
                update_heartbeat_interval=_HEARTBEAT_SECONDS,
                stalled_worker_timeout=_STALLED_SECONDS,
                shutdown_graceful_timeout=10,
                delete_jobs=DeleteJobCondition.NEVER,
            )

    for first in AT_START:
        first(tools)
    spare_what_lasts()
    _log.info("worker.started")
    with sequencing(tools.log), telling(tools):
        asyncio.run(work())


@contextmanager
def sequencing(log: LogTools) -> Iterator[None]:
    """Give numbers to new entries of the ledger for as long as the block lasts.

    A thread and no job: a row in the queue for each second would outgrow the ledger. All workers
    try, and the database lets one at a time.
    """
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(_SEQUENCING_SECONDS):
            try:
                log.sequencer().catch_up_if_free()
            except Refusal as exc:
                _log.warning("sequencer.waits", error=type(exc).__name__)
            except Exception:  # noqa: BLE001 - the thread goes on, whatever broke once.
                _log.exception("sequencer.failed")

    thread = threading.Thread(target=work, name="sequencer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=30)


@contextmanager
def telling(tools: TellingTools) -> Iterator[None]:
    """Follow the ledger and send what is due for as long as the block lasts.

    Threads and no jobs: a job each second would fill the queue, and endpoints that answer slowly
    would take the places of the jobs that look after evidence.
    """
    ended = threading.Event()
    sender = Sender(tools)
    busy: set[UUID] = set()

    def lane(endpoint_id: UUID) -> None:
        try:
            sender.send_all(endpoint_id, is_over=ended.is_set)
        except Refusal as exc:
            _log.warning("webhooks.wait", error=type(exc).__name__)
        except Exception:  # noqa: BLE001 - other endpoints are told, whatever broke here.
            _log.exception("webhooks.failed")
        finally:
            busy.discard(endpoint_id)

    def work() -> None:
        with ThreadPoolExecutor(_WEBHOOK_LANES, thread_name_prefix="webhook") as lanes:
            while not ended.wait(_WEBHOOK_SECONDS):
                try:
                    outbox.follow(tools.database, at=tools.clock.now())
                    for endpoint_id in set(sender.due()) - busy:
                        busy.add(endpoint_id)
                        lanes.submit(lane, endpoint_id)
                except Refusal as exc:
                    _log.warning("webhooks.wait", error=type(exc).__name__)
                except Exception:  # noqa: BLE001 - the thread goes on, whatever broke once.
                    _log.exception("webhooks.failed")

    thread = threading.Thread(target=work, name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=30)


def drain(tools: Tools, url: str) -> None:
    """Do every job that is due and return: for tests and commands."""

    async def work() -> Any:  # noqa: ANN401 - what the library returns is not looked at.
        app = queue_app(tools, url, has_clock=False)
        async with app.open_async():
            await app.run_worker_async(
                queues=[QUEUE],
                concurrency=CONCURRENCY,
                wait=False,
                listen_notify=False,
                install_signal_handlers=False,
            )

    asyncio.run(work())
