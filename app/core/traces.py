"""Traces by OpenTelemetry: where a request or a job spends its time, if a collector is configured.

Without one nothing of OpenTelemetry is imported here, and a span costs a call. Nothing may name
anybody: names of spans are routes, tasks and words of ours, and `core.collector` cuts off what else
would be sent. Spans lie below a request or a job; what is done below neither is not traced.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import structlog

if TYPE_CHECKING:  # At run time an extra that need not be there, and a framework not always wanted.
    from fastapi.telemetry import TelemetryConfig

    from app.core.collector import Tracing

_log = structlog.get_logger()
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

TRACEPARENT: Final = "traceparent"
"""The argument of a job by which it goes on with the trace of the request that asked for it."""
MEND: Final = "pip install 'audiatur[traces]'"
_PROTOCOL: Final = "http/protobuf"
_WATCHED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_NOTHING: Final = nullcontext()

OFF: Final[TelemetryConfig] = {
    # What the framework would send by itself holds paths, queries and the words of exceptions.
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


@dataclass(slots=True)
class _Live:
    """What this process traces with: nothing, until `sent` finds a collector."""

    tracing: Tracing | None = None


_live = _Live()


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment names a collector, by OpenTelemetry's own names."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if (environ.get("OTEL_TRACES_EXPORTER") or "otlp").strip().lower() != "otlp":
        return False
    return bool(
        environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    )


def _is_spoken(environ: Mapping[str, str]) -> bool:
    asked = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    return (asked or _PROTOCOL) == _PROTOCOL


@contextmanager
def sent(process: str) -> Iterator[None]:
    """Send the spans of this process to the collector, if there is one, while the block lasts.

    Nobody is refused the archive for the sake of traces: what is missing is logged.
    """
    tracing = _tracing(process) if is_wanted(os.environ) else None
    if tracing is None:
        yield
        return
    _live.tracing = tracing
    try:
        yield
    finally:
        _live.tracing = None
        tracing.close()


def _tracing(process: str) -> Tracing | None:
    if not _is_spoken(os.environ):
        _log.warning("traces.not_sent", mend=f"OTEL_EXPORTER_OTLP_PROTOCOL={_PROTOCOL}")
        return None
    try:
        from app.core import collector  # noqa: PLC0415 - an extra that need not be there.
    except ImportError:
        _log.warning("traces.not_installed", mend=MEND)
        return None
    return collector.tracing(process)


def is_sent() -> bool:
    """Tell whether this process sends spans."""
    return _live.tracing is not None


def telemetry() -> TelemetryConfig:
    """Return how the framework traces requests: where a collector is, and nothing but spans."""
    if _live.tracing is None:
        return OFF
    return {
        **OFF,
        "tracing": True,
        "tracer_provider": _live.tracing.provider,
        "exclude": _is_watching,
    }


def _is_watching(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in _WATCHED


def span(name: str) -> AbstractContextManager[None]:
    """Open a span below the request or job that is under way; those opened within lie below it."""
    return _NOTHING if _live.tracing is None else _live.tracing.below(name, is_current=True)


def leaf(name: str) -> AbstractContextManager[None]:
    """Open a span that nothing lies below; it may end in another thread than it began in."""
    return _NOTHING if _live.tracing is None else _live.tracing.below(name, is_current=False)


def job(task: str, traceparent: str | None) -> AbstractContextManager[None]:
    """Open the span of a job, in the trace of the request that asked for it."""
    return _NOTHING if _live.tracing is None else _live.tracing.job(task, traceparent)


def marks() -> dict[str, str]:
    """Return what a job is given to go on with the trace of this request: mostly nothing."""
    traceparent = _live.tracing.traceparent() if _live.tracing is not None else None
    return {} if traceparent is None else {TRACEPARENT: traceparent}


def carried(work: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Return `work` for another thread, below the span that is open here."""
    return work if _live.tracing is None else partial(copy_context().run, work)


def note_request(request_id: str) -> None:
    """Let the span of the request be found by what the log calls it."""
    if _live.tracing is not None:
        _live.tracing.note_request(request_id)
