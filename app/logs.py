"""Logs: an event name and fields, one JSON object a line, nobody's name, number or token."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import structlog

_MOST_FRAMES = 30
_ROOT = Path(__file__).parents[1]


def without_words(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace an exception by types, SQLSTATEs and frames: its words may hold names and numbers."""
    told = event.pop("exc_info", None)
    if told is True:
        told = sys.exc_info()
    exc = told[1] if isinstance(told, tuple) else told
    if isinstance(exc, BaseException):
        event["exception"] = list(_described(exc))
    return event


def _described(exc: BaseException) -> Iterator[dict[str, object]]:
    """Tell of an exception and of those that it came from, the outermost first."""
    seen: set[int] = set()
    waiting = [exc]
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        told: dict[str, object] = {"type": f"{type(found).__module__}.{type(found).__qualname__}"}
        if state := getattr(found, "sqlstate", None):
            told["sqlstate"] = str(state)
        frames = traceback.extract_tb(found.__traceback__)[-_MOST_FRAMES:]
        told["frames"] = [f"{_short(f.filename)}:{f.lineno} {f.name}" for f in frames]
        yield told
        if isinstance(found, BaseExceptionGroup):
            waiting.extend(found.exceptions)
        cause = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
        if cause is not None:
            waiting.append(cause)


def _short(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else filename


def _first_line(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Keep the first line of what a library says; asyncio shows exceptions below it."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def configure(level: str) -> None:
    """Send structured lines to standard error, those of the libraries too."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            without_words,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _first_line,
                without_words,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # What libraries say at lower levels holds statements, arguments of jobs and paths with tokens.
    root.setLevel(max(number, logging.WARNING))
    # Its errors show the words of exceptions; `worker.loop` tells of failed jobs without them.
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.access").disabled = True
