"""Documents for tests: small PDFs that are whole, and ways of making them odd."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.live import Live


def pdf(*extra: str, text: str = "Документ", whole: bool = True) -> bytes:
    """Return a PDF of one empty page; each of `extra` stands in the dictionary of its catalogue."""
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {' '.join(extra)} >>".encode("latin-1"),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        b"(" + text.encode() + b")",
    ]
    body, places = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    end = b"startxref\n%d\n%%%%EOF\n" % len(body)
    return body + table + trailer + end if whole else body


def told(upload_id: str = "u-1", role: str = "other", **more: object) -> dict[str, object]:
    return {"upload_id": upload_id, "role": role, "title": "Документ"} | more


def upload(
    live: Live,
    body: bytes,
    *,
    who: str | None = "reviewer",
    name: str = "paper.pdf",
    **more: Any,  # noqa: ANN401 - metadata of any type.
) -> httpx.Response:
    """Upload a document as somebody."""
    return live.send(told(**more), body, who=who, name=name, path="/v1/documents")


def parts(body: bytes, **more: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - metadata of any type.
    """Return the parts of an upload, for a client in this process."""
    return [
        ("metadata", (None, json.dumps(told(**more)))),
        ("file", ("paper.pdf", body, "application/pdf")),
    ]
