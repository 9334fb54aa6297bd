"""The form of a request parsed on its way in: files and words, cut as soon as they are too much."""

from __future__ import annotations

from typing import Final, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.core.errors import Invalid, TooLarge, UnsupportedMedia

MAX_FILE_BYTES: Final = 20 * 1024 * 1024
MAX_FILES: Final = 10
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_WORDS: Final = 20_000
_MAX_WORDS_BYTES: Final = 4 * MAX_WORDS
_MAX_HEAD_BYTES: Final = 8 * 1024
_MAX_PARTS: Final = MAX_FILES + 5
_HEAD_BYTES: Final = 12
_MAX_NAME: Final = 255


class FormBroken(Invalid):
    """The form did not come whole."""


class FileTooLarge(TooLarge):
    """A file, or all of them together, is larger than is taken."""


class TooManyFiles(TooLarge):
    """More files came at once than are taken."""


class WordsTooLong(TooLarge):
    """The words are longer than is taken."""


class WrongKind(UnsupportedMedia):
    """A file is neither a picture (PNG, JPEG, WebP) nor a PDF."""


class Receiver(Protocol):
    """Takes the files that the parser finds, one after another."""

    def file_begins(self, name: str | None) -> None: ...
    def file_bytes(self, chunk: memoryview) -> None: ...
    def file_ends(self) -> None: ...


class Form:
    """Parses the pieces of a body as they come; of a file the first bytes tell its kind.

    `max_bytes` is what all files together may have.
    """

    def __init__(self, content_type: str | None, receiver: Receiver, *, max_bytes: int) -> None:
        kind, options = parse_options_header(content_type or "")
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise FormBroken
        self._receiver = receiver
        self._left = max_bytes
        self._files = self._parts = self._file_bytes = self._head_bytes = 0
        self._field = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._file_name: str | None = None
        self._head = b""
        self._is_file_begun = False
        self._words = bytearray()
        self._is_whole = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as exc:
            raise FormBroken from exc

    def feed(self, chunk: bytes) -> None:
        """Parse the next piece.

        Raises:
            FormBroken: it is not well-formed.
            FileTooLarge, TooManyFiles, WordsTooLong: there is too much of it.
            WrongKind: a file is of no kind that is taken.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as exc:
            raise FormBroken from exc

    def end(self) -> str:
        """Say that the body is over; return the words.

        Raises:
            FormBroken: it was broken off.
            WordsTooLong: there are too many.
        """
        if not self._is_whole:
            raise FormBroken
        words = _clean(self._words.decode("utf-8", "replace")).replace("\r\n", "\n").strip()
        if len(words) > MAX_WORDS:
            raise WordsTooLong
        return words

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise TooManyFiles
        self._headers = {}
        self._head_bytes = 0

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_head(end - start)
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_head(end - start)
        self._value += data[start:end]

    def _count_head(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > _MAX_HEAD_BYTES:
            raise FormBroken

    def _on_header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"")
        name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._file_name = _clean(name).strip()[:_MAX_NAME] or None
        self._head, self._file_bytes, self._is_file_begun = b"", 0, False

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == b"steps":
            self._words += data[start:end]
            if len(self._words) > _MAX_WORDS_BYTES:
                raise WordsTooLong
        elif self._name == b"files":
            self._file_bytes += end - start
            self._left -= end - start
            if self._file_bytes > MAX_FILE_BYTES or self._left < 0:
                raise FileTooLarge
            if self._is_file_begun:
                self._receiver.file_bytes(memoryview(data)[start:end])
                return
            self._head += data[start:end]
            if len(self._head) >= _HEAD_BYTES:
                self._begin_file()
        else:
            raise FormBroken

    def _begin_file(self) -> None:
        if not _is_taken(self._head):
            raise WrongKind
        self._files += 1
        if self._files > MAX_FILES:
            raise TooManyFiles
        self._receiver.file_begins(self._file_name)
        self._is_file_begun = True
        self._receiver.file_bytes(memoryview(self._head))

    def _on_part_end(self) -> None:
        if self._name != b"files":
            return
        if self._is_file_begun:
            self._receiver.file_ends()
        elif self._head or self._file_name:
            raise WrongKind  # Shorter than any picture; an empty choice has no name.

    def _on_end(self) -> None:
        self._is_whole = True


def _is_taken(head: bytes) -> bool:
    """Tell whether a file begins as one of the kinds; what it really is, is looked at later."""
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"%PDF-")) or (
        head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    )


def _clean(text: str) -> str:
    """Return what a database can keep: no zero, no half of a pair."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
