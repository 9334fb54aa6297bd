"""Traces of a running archive: from request to job and store, and of nobody in particular.

`tests.collector` stands for a collector: it reads OTLP by the published definition.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.embedded.postgres import Cluster
from tests.collector import Collector, Sent, collector
from tests.factories import wav
from tests.journeys.deployment import Deployment, deployed
from tests.live import metadata
from tests.s3_server import S3Server

ROOT = Path(__file__).parents[2]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PATIENCE_SECONDS = 120
FED = {
    "name": "Vasilisa Premudraya",
    "file": "Premudraya Vasilisa",
    "number": "4957654321",
    "mail": "vasilisa@premudraya.example",
    "token": "auds_ThisIsATokenOfNobody0123456789",
    "text": "what-was-said-in-confidence",
    "agent": "browser-of-vasilisa",
    "state": "vasilisa-state",
    "method": "VASILISA",
    "host": "vasilisa.example",
}


def _until(reached: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever was waited for.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := reached()):
        assert time.monotonic() < deadline, "this never came"
        time.sleep(0.1)
    return found


@contextmanager
def _traced(s3: S3Server, cluster: Cluster, folder: Path, at: Collector) -> Iterator[Deployment]:
    more = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": at.url,
        "OTEL_SERVICE_NAME": "archive-of-the-test",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        # By itself the framework would send bodies that were refused and words of exceptions.
        "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
    }
    with deployed(s3, cluster, folder, more) as found:
        yield found


def _feed(deployment: Deployment) -> str:
    """Send what nobody may see in many ways; return the id of the recording."""
    live = deployment.live
    spoken = {
        "traceparent": PARENT,
        "tracestate": f"house={FED['state']}",
        "baggage": f"who={FED['state']}",
        "User-Agent": FED["agent"],
        "Host": FED["host"],
    }
    client = {
        "name": FED["name"],
        "contacts": [{"name": FED["name"], "phones": [f"+7{FED['number']}"], "email": FED["mail"]}],
    }
    live.call("PUT", "/v1/clients/C-1", who="manager", json=client, headers=spoken)
    told = metadata("c1", **{"from": f"+7{FED['number']}"})
    kept = live.send(told, wav(0.2), name=f"{FED['file']}.wav", headers=spoken)
    assert kept.status_code == 201, kept.text
    for method, path in [
        ("GET", f"/v1/clients?q={FED['name']}&phone=+7{FED['number']}"),
        ("GET", f"/v1/nowhere/{FED['token']}"),
        ("GET", f"/s/{FED['token']}?who={FED['mail']}"),
        ("PUT", f"/v1/clients/{FED['text']}"),
        ("POST", f"/v1/hooks/{FED['token']}"),
        (FED["method"], "/v1/clients"),
    ]:
        content = f'{{"name": "{FED["name"]}", "{FED["text"]}": 1'
        live.call(method, path, who="manager", content=content, headers=spoken)
    stranger = {**spoken, "Authorization": f"Bearer {FED['token']}"}
    httpx.get(f"{live.url}/v1/recordings", headers=stranger, timeout=60)
    # What nobody may see reaches the database, too long for an index: it answers with the value.
    live.call("PUT", f"/v1/clients/{'x' * 250}", who="manager", json=client, headers=spoken)
    return str(kept.json()["id"])


def _depth(span: Sent, spans: dict[bytes, Sent]) -> list[str]:
    """Return the names of the spans that `span` lies below, the nearest first."""
    names = []
    while (above := spans.get(span.span.parent_span_id)) is not None:
        names.append(above.name)
        span = above
    return names


def test_an_upload_is_traced_through_request_job_and_store_without_a_word_of_anybody(
    s3_server: S3Server, cluster: Cluster, tmp_path: Path
) -> None:
    with collector() as at:
        with _traced(s3_server, cluster, tmp_path, at) as deployment:
            recording = _feed(deployment)
            _until(lambda: any(s.name == "job inspection.inspect" for s in at.spans()))
            token = deployment.live.key("manager")
        found = at.spans()
    of_upload = {
        s.span.span_id: s
        for s in found
        if s.trace_id == TRACE and "POST /v1/recordings" in _names(s, found)
    }
    above = {s.name: _depth(s, of_upload) for s in of_upload.values()}
    request = "POST /v1/recordings"
    assert above["upload body"] == [request]
    assert above["upload store"] == [request]
    assert above["upload transaction"] == [request]
    assert above["database statement"][-1] == request
    assert above["job inspection.inspect"][-1] == request
    assert above["inspection decode"][:1] == ["job inspection.inspect"]
    stores = [_depth(s, of_upload) for s in of_upload.values() if s.name.startswith("store ")]
    assert any(names[0] == "upload store" for names in stores)
    assert any("inspection decode" in names for names in stores)
    told = next(s.told for s in of_upload.values() if s.name == request)
    assert told["http.route"] == "/v1/recordings"
    assert told["http.response.status_code"] == "201"
    assert told["audiatur.request_id"]
    # Whatever a span has beside times is words of ours, whoever asked for what.
    assert at.paths == {"/v1/traces"}
    assert {s.resource["audiatur.process"] for s in found} == {"web", "worker"}
    assert {s.resource["service.name"] for s in found} == {"archive-of-the-test"}
    sent = b"".join(at.bodies)
    leaked = [what for what, word in {**FED, "key": token}.items() if word.encode() in sent]
    assert leaked == []
    assert recording.encode() not in sent


def _names(span: Sent, found: list[Sent]) -> list[str]:
    return [span.name, *_depth(span, {s.span.span_id: s for s in found})]


def _python(code: str, **environ: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own program.
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_nothing_of_the_sdk_is_imported_where_no_collector_is_named() -> None:
    code = """
import sys
from app.core import traces
assert not [m for m in sys.modules if m.startswith("opentelemetry")]
import app.processes.web, app.processes.working, app.processes.links
with traces.sent("web"), traces.span("a"), traces.job("b", None), traces.leaf("c"):
    assert traces.marks() == {} and not traces.is_sent()
    assert traces.carried(len) is len and traces.telemetry() is traces.OFF
print([m for m in sys.modules if m.startswith("opentelemetry.sdk") or m == "app.core.collector"])
"""
    assert _python(code, PATH="/usr/bin:/bin").strip() == "[]"


@pytest.mark.parametrize(
    ("environ", "event"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "traces.not_sent"),
        ({"MISSING": "yes"}, "traces.not_installed"),
    ],
)
def test_what_is_asked_for_and_cannot_be_is_said_and_refuses_nobody(
    environ: dict[str, str], event: str | None
) -> None:
    code = """
import os, sys
if os.environ.get("MISSING"):
    sys.modules["opentelemetry.sdk"] = None  # As where the extra was not installed.
from app.core import traces
with traces.sent("web"):
    print("sent" if traces.is_sent() else "not sent")
"""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    told = _python(code, **endpoint, **environ)
    assert "not sent" in told
    assert ("traces." in told) is (event is not None)
    assert event is None or event in told
