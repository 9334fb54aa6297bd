"""What is sent of a span, whoever added what to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from app.core import collector, traces
from app.core.errors import NotFound

WORD = "Vasilisa"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def kept() -> Iterator[InMemorySpanExporter]:
    """Trace into memory, by what stands before every exporter."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(collector.Bare(memory)))
    traces._live.tracing = collector.Tracing(provider)
    try:
        yield memory
    finally:
        traces._live.tracing = None
        provider.shutdown()


def test_a_span_is_cut_down_to_what_is_ours(kept: InMemorySpanExporter) -> None:
    tracing = traces._live.tracing
    assert tracing is not None
    with tracing.provider.get_tracer("another").start_as_current_span("GET /v1/clients") as span:
        span.set_attributes({"url.path": WORD, "http.route": "/v1/clients", "server.address": WORD})
        span.add_event("exception", {"exception.message": WORD})
        span.set_status(Status(StatusCode.ERROR, WORD))
    [sent] = kept.get_finished_spans()
    assert dict(sent.attributes or {}) == {"http.route": "/v1/clients"}
    assert not sent.events
    assert (sent.status.status_code, sent.status.description) == (StatusCode.ERROR, None)
    assert WORD not in sent.to_json()


def test_what_breaks_is_told_by_its_kind_and_a_refusal_is_no_error(
    kept: InMemorySpanExporter,
) -> None:
    with traces.job("a.job", None):
        with pytest.raises(KeyError), traces.span("breaks"):
            raise KeyError(WORD)
        with pytest.raises(NotFound), traces.span("refuses"):
            raise NotFound(WORD)
    breaks, refuses, _ = kept.get_finished_spans()
    assert dict(breaks.attributes or {}) == {"error.type": "builtins.KeyError"}
    assert breaks.status.status_code == StatusCode.ERROR
    assert dict(refuses.attributes or {}) == {"error.type": "app.core.errors.NotFound"}
    assert refuses.status.status_code == StatusCode.UNSET


def test_spans_lie_below_a_request_or_a_job_alone(kept: InMemorySpanExporter) -> None:
    with traces.span("of the sequencer"), traces.leaf("of a command"):
        pass
    assert kept.get_finished_spans() == ()


def test_a_job_goes_on_with_the_trace_of_its_request_and_what_it_asks_for_does_not(
    kept: InMemorySpanExporter,
) -> None:
    with traces.job("first", PARENT):
        assert traces.marks() == {}
    with traces.job("damaged", "00-nonsense"):
        pass
    first, damaged = kept.get_finished_spans()
    assert first.context is not None
    assert damaged.context is not None
    assert f"{first.context.trace_id:032x}" == PARENT.split("-")[1]
    assert damaged.parent is None


def test_a_span_is_carried_to_another_thread(kept: InMemorySpanExporter) -> None:
    def work() -> None:
        with traces.span("within"):
            pass

    with traces.job("outer", None):
        thread = threading.Thread(target=traces.carried(work))
        thread.start()
        thread.join()
    within, outer = kept.get_finished_spans()
    assert within.parent is not None
    assert outer.context is not None
    assert within.parent.span_id == outer.context.span_id
