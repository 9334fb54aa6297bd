"""Logs: an event name and fields, one JSON object a line, nobody's name, number or token."""

from __future__ import annotations

import logging
import sys

import structlog


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
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
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
