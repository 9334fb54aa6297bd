"""Recognising documents by their bytes while they stream in: PDF, PNG, JPEG, WebP. Pure.

Nothing is parsed but the first bytes and the last: whether a file is whole is told by its end. What
stands in between is looked for by `inspection.papers`, in the sandbox.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.core.errors import UnsupportedMedia
from app.documents.models import DocumentKind
from app.recordings.media import ImageRecogniser
from app.recordings.media_facts import Container, EmptyFile, MediaFacts, NotAnImage
from app.recordings.media_images import HEAD_BYTES

_TAIL_BYTES = 1024
_PDF = re.compile(rb"%PDF-\d\.\d")
_ENDS = {
    DocumentKind.PDF: b"%%EOF",
    DocumentKind.PNG: b"IEND\xaeB`\x82",
    DocumentKind.JPEG: b"\xff\xd9",
}
"""How a whole file of the kind ends. A WebP tells its length in its head."""


class NotADocument(UnsupportedMedia):
    """The content is no document of a kind that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts(MediaFacts):
    """What head and end say. `examined` names what was looked at, `oddities` what was odd."""

    kind: DocumentKind
    examined: tuple[str, ...]
    oddities: tuple[str, ...]


class DocumentRecogniser:
    """Tell, from the bytes as they pass, what document this is.

    `feed` raises as soon as the answer is no, as for a picture of too many pixels.
    """

    __slots__ = ("_head", "_image", "_is_pdf", "_size", "_tail")

    def __init__(self, max_pixels: int) -> None:
        self._image = ImageRecogniser(max_pixels)
        self._is_pdf: bool | None = None
        self._head = b""
        self._tail = b""
        self._size = 0

    def feed(self, chunk: bytes | memoryview) -> None:
        """Look at the next bytes.

        Raises:
            NotADocument: it is none of the kinds.
            TooManyPixels: a picture declares more than is allowed.
        """
        self._size += len(chunk)
        self._tail = (self._tail + bytes(chunk[-_TAIL_BYTES:]))[-_TAIL_BYTES:]
        if self._is_pdf is None:
            self._head += bytes(chunk)
            if len(self._head) >= HEAD_BYTES:
                self._decide()
        elif not self._is_pdf:
            self._feed_image(chunk)

    def finish(self) -> DocumentFacts:
        """Return what was recognised, at the end of the body.

        Raises:
            NotADocument, EmptyFile: there is nothing that could be kept.
        """
        if self._size == 0:
            raise EmptyFile("The file is empty.")
        if self._is_pdf is None:
            self._decide()
        if self._is_pdf:
            return self._facts(
                MediaFacts(media_type="application/pdf", container=Container.PDF, codec="pdf"),
                DocumentKind.PDF,
            )
        try:
            found = self._image.finish()
        except NotAnImage as exc:
            raise NotADocument(str(exc)) from exc
        return self._facts(found, DocumentKind(found.container.value))

    def _decide(self) -> None:
        held, self._head = self._head, self._head[:HEAD_BYTES]
        self._is_pdf = _PDF.match(held) is not None
        if not self._is_pdf:
            self._feed_image(held)

    def _feed_image(self, chunk: bytes | memoryview) -> None:
        try:
            self._image.feed(chunk)
        except NotAnImage as exc:
            raise NotADocument("The file is no PDF, PNG, JPEG or WebP.") from exc

    def _facts(self, found: MediaFacts, kind: DocumentKind) -> DocumentFacts:
        examined = ["header"] if kind == DocumentKind.PDF else ["header", "declared_pixels"]
        return DocumentFacts(
            media_type=found.media_type,
            container=found.container,
            codec=found.codec,
            width=found.width,
            height=found.height,
            kind=kind,
            examined=(*examined, "end"),
            oddities=self._oddities(kind),
        )

    def _oddities(self, kind: DocumentKind) -> tuple[str, ...]:
        if kind == DocumentKind.WEBP:
            told = int.from_bytes(self._head[4:8], "little") + 8
            if told + told % 2 == self._size or told == self._size:
                return ()
            return ("no_end_marker",) if told > self._size else ("data_after_end",)
        _, end, after = self._tail.rpartition(_ENDS[kind])
        if not end:
            return ("no_end_marker",)
        return ("data_after_end",) if after.strip(b"\r\n\x00 \t") else ()
