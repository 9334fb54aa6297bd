from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.inspection.sandbox import Sandbox, Strength, Tools

CORPUS = Path(
    os.environ.get("AUDIATUR_CORPUS")
    or Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
)
needs_corpus = pytest.mark.skipif(
    not (CORPUS / "manifest.jsonl").is_file(),
    reason=f"NO TEST RECORDINGS at {CORPUS}: set AUDIATUR_CORPUS",
)

Opener = Callable[[bytes], int]


def corpus_lines(manifest: str) -> list[dict[str, Any]]:
    path = CORPUS / manifest
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


@pytest.fixture(scope="session")
def detected() -> Sandbox:
    return Sandbox.detect()


@pytest.fixture(scope="session")
def limited() -> Sandbox:
    return Sandbox.detect(replace(Tools.find(), bwrap=None))


@pytest.fixture(params=list(Strength))
def sandbox(request: pytest.FixtureRequest, detected: Sandbox, limited: Sandbox) -> Sandbox:
    """Give both kinds of sandbox in turn; where there are no namespaces, the weaker one twice."""
    return detected if request.param is Strength.NAMESPACES else limited


@pytest.fixture
def open_bytes() -> Iterator[Opener]:
    """Give a function that puts bytes into a nameless file and returns its descriptor."""
    with ExitStack() as opened:

        def open_(data: bytes) -> int:
            descriptor = os.memfd_create("upload")
            opened.callback(os.close, descriptor)
            os.write(descriptor, data)
            return descriptor

        yield open_
