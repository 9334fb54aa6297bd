"""Multipart bodies parsed on their way in: metadata first, then the file, nothing held back."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from typing import Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.core.errors import Invalid, Malformed, TooLarge, UnsupportedMedia

MAX_METADATA_BYTES = 64 * 1024
_MAX_NAME = 1024

Told = TypeVar("Told", bound=BaseModel)


class NotMultipart(UnsupportedMedia):
    """An upload is a multipart/form-data body: part "metadata" (JSON), then part "file"."""


class MultipartBroken(Invalid):
    """The multipart body is broken off or not well-formed; nothing was kept."""


class PartsWrong(Malformed):
    """An upload has the part "metadata" first, then the part "file", and no other."""


class MetadataInvalid(Malformed):
    """The metadata does not have the shape asked for."""


class MetadataTooLarge(TooLarge):
    """The metadata is larger than allowed."""


class FileTooLarge(TooLarge):
    """The file is larger than allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """What the head of the file's part says; the name is a hint and never a path."""

    name: str | None
    declared_type: str | None


class Receiver(Protocol):
    """Takes what the parser finds, in the order of the body."""

    def metadata(self, raw: bytes) -> None: ...
    def file_begins(self, part: FilePart) -> None: ...
    def file_bytes(self, chunk: memoryview) -> None: ...


def boundary_of(content_type: str | None) -> bytes:
    """Return the boundary that a request's Content-Type names.

    Raises:
        NotMultipart: it is another type, or names none.
    """
    kind, options = parse_options_header(content_type or "")
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise NotMultipart
    return boundary


def parse_metadata(kind: type[Told], raw: bytes) -> Told:
    """Return the metadata that `raw` is the JSON of.

    Raises:
        MetadataInvalid: `errors` says where and what.
    """
    try:
        return kind.model_validate_json(raw)
    except ValidationError as exc:
        raise MetadataInvalid(
            "The part metadata is not what is asked for.",
            errors=[
                {"where": "/".join(("metadata", *map(str, e["loc"]))), "what": e["msg"]}
                for e in exc.errors(include_url=False, include_context=False, include_input=False)
            ],
        ) from exc


class Upload:
    """Parses the pieces of a body as they come and hands what it finds to a receiver."""

    def __init__(self, boundary: bytes, receiver: Receiver, *, max_file_bytes: int) -> None:
        self._receiver = receiver
        self._max_file_bytes = max_file_bytes
        self._file_bytes = 0
        self._part: str | None = None
        self._seen: list[str] = []
        self._metadata = bytearray()
        self._field = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
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
            raise NotMultipart(str(exc)) from exc

    def feed(self, chunk: bytes) -> None:
        """Parse the next piece of the body.

        Raises:
            MultipartBroken: it is not well-formed.
            PartsWrong: parts other than asked for, or in another order.
            MetadataTooLarge: more than 64 KiB of metadata.
            FileTooLarge: the file is longer than allowed.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as exc:
            raise MultipartBroken(str(exc)) from exc

    def end(self) -> None:
        """Say that the body is over.

        Raises:
            MultipartBroken: it was broken off.
            PartsWrong: a part is missing.
        """
        if not self._is_whole:
            raise MultipartBroken("The body ends before its last boundary.")
        if self._seen != ["metadata", "file"]:
            raise PartsWrong("The part file is missing.")

    def _on_part_begin(self) -> None:
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        part = options.get(b"name", b"").decode("utf-8", "replace")
        self._seen.append(part)
        if self._seen != ["metadata", "file"][: len(self._seen)]:
            raise PartsWrong(f"The part {part!r} stands where it is not expected.")
        self._part = part
        if part == "file":
            declared = self._headers.get(b"content-type", b"").decode("latin-1").strip()
            self._receiver.file_begins(
                FilePart(name=_file_name(options, disposition), declared_type=declared or None)
            )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self._file_bytes += end - start
            if self._file_bytes > self._max_file_bytes:
                raise FileTooLarge(
                    f"More than {self._max_file_bytes} bytes.", max_bytes=self._max_file_bytes
                )
            self._receiver.file_bytes(memoryview(data)[start:end])
            return
        if len(self._metadata) + end - start > MAX_METADATA_BYTES:
            raise MetadataTooLarge(max_bytes=MAX_METADATA_BYTES)
        self._metadata += data[start:end]

    def _on_part_end(self) -> None:
        if self._part == "metadata":
            self._receiver.metadata(bytes(self._metadata))
        self._part = None

    def _on_end(self) -> None:
        self._is_whole = True


def _file_name(options: dict[bytes, bytes], disposition: bytes) -> str | None:
    """Return the file's name as a string that a database can keep, in the form it was sent."""
    raw = options.get(b"filename")
    if raw is None:
        return None
    if b"filename*" in disposition:
        message = Message()
        message["Content-Disposition"] = disposition.decode("latin-1")
        decoded = message.get_filename()
        name = decoded if decoded is not None else raw.decode("utf-8", "replace")
    else:
        name = raw.decode("utf-8", "replace")
    kept = name.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return kept.encode("utf-8", "replace").decode()[:_MAX_NAME]
