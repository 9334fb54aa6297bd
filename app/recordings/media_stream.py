"""Feeding a header parser piece by piece, however the pieces are cut.

A parser is a generator. It yields what it wants next, `Take` or `Skip`, and is sent the bytes. It
sees the same bytes for any chunking, so its answer cannot depend on how a network cut the body.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from app.recordings.media_facts import MediaFacts

MAX_TAKE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Take:
    """Ask for `count` bytes; with `short_ok` fewer come where the body ends before."""

    count: int
    short_ok: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """Ask to pass over `count` bytes; they are not kept. The answer is empty."""

    count: int


class EndOfBody(Exception):
    """Thrown into a parser that wants more bytes than there are."""


Parser = Generator[Take | Skip, bytes, MediaFacts]
Part = Generator[Take | Skip, bytes, None]


class PulledParser:
    """Run one parser over a body that arrives in chunks.

    At most 64 KiB are held, and only while the parser waits for them. Once it has answered,
    feeding costs a comparison.
    """

    __slots__ = ("_facts", "_held", "_parser", "_to_skip", "_wanted")

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._held = bytearray()
        self._facts: MediaFacts | None = None
        self._to_skip = 0
        self._wanted = Take(0)
        self._ask(None)

    @property
    def facts(self) -> MediaFacts | None:
        return self._facts

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Give the next bytes of the body; raises what the parser refuses."""
        if self._facts is not None:
            return
        view = memoryview(chunk)
        while self._facts is None:
            if self._to_skip:
                passed = min(self._to_skip, len(view))
                self._to_skip -= passed
                view = view[passed:]
                if self._to_skip:
                    return
                self._ask(b"")
                continue
            missing = self._wanted.count - len(self._held)
            self._held += view[:missing]
            view = view[missing:]
            if len(self._held) < self._wanted.count:
                return
            self._answer()

    def finish(self) -> MediaFacts:
        """Say that the body is over and return the facts; raises what the parser refuses."""
        while self._facts is None:
            wanted = self._wanted
            if not self._to_skip and (wanted.short_ok or not wanted.count):
                self._answer()
            else:
                self._ask(EndOfBody())
        return self._facts

    def _answer(self) -> None:
        data = bytes(self._held)
        self._held.clear()
        self._ask(data)

    def _ask(self, answer: bytes | EndOfBody | None) -> None:
        try:
            if isinstance(answer, EndOfBody):
                request = self._parser.throw(answer)
            elif answer is None:
                request = next(self._parser)
            else:
                request = self._parser.send(answer)
        except StopIteration as over:
            self._facts = over.value
            self._held.clear()
            return
        if isinstance(request, Skip):
            self._to_skip = request.count
            self._wanted = Take(0)
        elif request.count > MAX_TAKE_BYTES:
            raise ValueError(f"A parser may hold {MAX_TAKE_BYTES} bytes, not {request.count}.")
        else:
            self._to_skip = 0
            self._wanted = request
