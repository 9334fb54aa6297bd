"""What a search reports."""

from __future__ import annotations

from dataclasses import dataclass

from app.inspection.notice.checks import METHOD_VERSION, Reason, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A stretch of the announcement that was heard: in the call, and in the reference file."""

    start_ms: int
    end_ms: int
    reference_start_ms: int
    reference_end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One playing of a notice text in one channel.

    `start_ms` and `end_ms` span what was heard; `origin_ms` is where the first sample of the
    reference file lies, before the beginning of the call where the beginning was not recorded.
    `share` is the part of the reference's speech that was heard. A partial playing is evidence of
    the words in `heard` and of nothing else: it is never consent.
    """

    text_id: str
    version: int
    channel: int
    start_ms: int
    end_ms: int
    origin_ms: float
    share: float
    score: float
    sameness: float
    complete: bool
    verdict: Verdict
    reasons: tuple[Reason, ...]
    clock_ppm: float
    heard: tuple[Heard, ...]
    reference_sha256: str
    method_version: str = METHOD_VERSION
