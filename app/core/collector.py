"""How spans are made and sent to the collector of traces, and how little of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.core.errors import Refusal

KEPT: Final = frozenset(
    {
        "audiatur.request_id",
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "network.protocol.version",
        "url.scheme",
    }
)
"""What a span may tell. All else is cut off, whoever added it: path and query hold tokens."""
_IS_JOB: Final = contexts.create_key("audiatur.is_job")
_TRACEPARENT: Final = "traceparent"
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def tracing(process: str) -> Tracing:
    """Return what sends spans in batches, configured by OpenTelemetry's own environment."""
    told = {"audiatur.process": process}
    is_named = "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not (os.environ.get("OTEL_SERVICE_NAME") or is_named):
        told[SERVICE_NAME] = "audiatur"
    provider = TracerProvider(resource=Resource.create(told), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Bare(OTLPSpanExporter())))
    return Tracing(provider)


class Tracing:
    """Makes the spans of one process; see `core.traces`, which asks for them."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("audiatur")

    def close(self) -> None:
        """Send what waits, and no more."""
        self.provider.shutdown()

    def below(self, name: str, *, is_current: bool) -> AbstractContextManager[None]:
        """Open a span below the one that is open, or none."""
        if not trace.get_current_span().get_span_context().is_valid:
            return nullcontext()
        return self._opened(name, SpanKind.INTERNAL, contexts.get_current(), is_current=is_current)

    def job(self, task: str, traceparent: str | None) -> AbstractContextManager[None]:
        """Open the span of a job, which is the first of its trace or goes on with `traceparent`."""
        carrier = {_TRACEPARENT: traceparent} if traceparent else {}
        origin = contexts.set_value(
            _IS_JOB, value=True, context=_PROPAGATOR.extract(carrier, Context())
        )
        return self._opened(f"job {task}", SpanKind.CONSUMER, origin, is_current=True)

    @contextmanager
    def _opened(
        self, name: str, kind: SpanKind, context: Context, *, is_current: bool
    ) -> Iterator[None]:
        made = self._tracer.start_span(name, context, kind=kind)
        token = contexts.attach(trace.set_span_in_context(made, context)) if is_current else None
        try:
            yield
        except Exception as exc:
            made.set_attribute("error.type", f"{type(exc).__module__}.{type(exc).__qualname__}")
            if not isinstance(exc, Refusal):
                made.set_status(StatusCode.ERROR)
            raise
        finally:
            if token is not None:
                contexts.detach(token)
            made.end()

    def traceparent(self) -> str | None:
        """Return how others go on with the trace of this request.

        What a job asks for begins a trace of its own: some ask for the next of their kind for days.
        """
        told: dict[str, str] = {}
        if not contexts.get_value(_IS_JOB):
            _PROPAGATOR.inject(told)
        return told.get(_TRACEPARENT)

    def note_request(self, request_id: str) -> None:
        """Let the span of the request be found by what the log calls it."""
        trace.get_current_span().set_attribute("audiatur.request_id", request_id)


class Bare(SpanExporter):
    """Hands on of each span what is in `KEPT`, without the words of events and exceptions."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._inner.export([bare(span) for span in spans])

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


def bare(span: ReadableSpan) -> ReadableSpan:
    """Return `span` without what may name anybody."""
    return ReadableSpan(
        name=span.name,
        context=_without_state(span.get_span_context()),
        parent=_without_state(span.parent),
        resource=span.resource,
        attributes={k: v for k, v in (span.attributes or {}).items() if k in KEPT},
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _without_state(context: SpanContext | None) -> SpanContext | None:
    """Return `context` without what a caller may have written beside it."""
    if context is None:
        return None
    return SpanContext(
        context.trace_id, context.span_id, context.is_remote, trace_flags=context.trace_flags
    )
