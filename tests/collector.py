"""Stands for a collector of traces: takes OTLP over HTTP as one does, and keeps what was sent."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A span as it came, and which process told of it."""

    span: Span
    resource: dict[str, str]

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def trace_id(self) -> str:
        return self.span.trace_id.hex()

    @property
    def told(self) -> dict[str, str]:
        return _read(self.span.attributes)


@dataclass(slots=True)
class Collector:
    """What came: each body as it is, and the paths that it was sent to."""

    url: str
    bodies: list[bytes] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def spans(self) -> list[Sent]:
        found = []
        for body in list(self.bodies):
            for batch in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = _read(batch.resource.attributes)
                found += [
                    Sent(span=span, resource=resource)
                    for scope in batch.scope_spans
                    for span in scope.spans
                ]
        return found


def _read(pairs: object) -> dict[str, str]:
    told: dict[str, str] = {}
    for pair in pairs:  # type: ignore[attr-defined]  # a repeated field iterates
        assert isinstance(pair, KeyValue)
        which = pair.value.WhichOneof("value")
        told[pair.key] = str(getattr(pair.value, which)) if which else ""
    return told


@contextmanager
def collector() -> Iterator[Collector]:
    """Listen on a port of its own for as long as the block lasts."""

    class Taken(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            kept.paths.add(self.path)
            kept.bodies.append(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taken)
    kept = Collector(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
