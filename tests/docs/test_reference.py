"""What the documents list is what the program has: routes, reasons, acts of both."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi.routing import APIRoute

from app.consent.gates import CODES, Findings, Reason
from app.consent.reasons import remedies_of
from app.main import ROUTERS
from app.settings import Settings
from app.worker.handlers import HANDLERS, PERIODIC
from tests.docs.markdown import ROOT, rows, section

DOCS = ROOT / "docs"


def _paths() -> Iterator[str]:
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield route.path


def test_every_route_is_in_the_reference() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    paths = set(_paths())
    assert len(paths) > 25
    assert {path for path in paths if f"{path}`" not in text} == set()


def test_every_route_of_the_reference_is_there() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:GET|POST|PUT|DELETE) (/[^\s`]+)`", text))
    outside = {"/openapi.json", "/s/{token}"}  # The framework's, and the link process's.
    assert named - set(_paths()) <= outside


def test_every_reason_is_explained_with_its_outcome_and_remedies() -> None:
    table = {row[0].strip("`"): row for row in rows(section(DOCS / "consent.md", "Reasons"))}
    assert set(table) == CODES
    for code, (_, outcome, meaning, helps) in table.items():
        assert outcome == Findings().adding([Reason(code)]).outcome, code
        assert tuple(re.findall(r"`(\w+)`", helps)) == remedies_of(code), code
        assert meaning, code


def test_every_job_is_named() -> None:
    named = {row[0].strip("`") for row in rows(section(DOCS / "architecture.md", "Jobs"))}
    assert named == set(HANDLERS) | set(PERIODIC)


def test_settings_that_the_documents_name_exist() -> None:
    known = {f"AUDIATUR_{name.upper()}" for name in Settings.model_fields}
    named = {
        name
        for document in DOCS.rglob("*.md")
        for name in re.findall(r"AUDIATUR_[A-Z0-9_]+", document.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    assert named <= known
