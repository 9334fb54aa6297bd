"""The detector: sound in, playings of the notice texts out, in one pass and constant memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice import windows
from app.inspection.notice.align import MARGIN_SAMPLES, align
from app.inspection.notice.checks import Findings, Reason, Verdict, interrupted, judge
from app.inspection.notice.contrary import contradicted
from app.inspection.notice.coverage import level_of_line, typical_correlation
from app.inspection.notice.features import ALIGN, SAMPLE_RATE_HZ, SEARCH, Pcm, features
from app.inspection.notice.hits import Heard, Hit
from app.inspection.notice.holes import second_look
from app.inspection.notice.reference import Reference
from app.inspection.notice.search import (
    LONG_BLOCK_FRAMES,
    SHORT_BLOCK_FRAMES,
    SearchBlock,
    candidates,
    scores,
)
from app.inspection.notice.spans import bridged, runs
from app.inspection.notice.thresholds import Thresholds
from app.inspection.notice.vouched import vouched
from app.inspection.notice.waveform import band_limited, fine_match

MAX_CHANNELS: Final = 8
# A recording that repeats a prompt for hours gets no more hits than this per text and channel.
MAX_HITS: Final = 200
_CANDIDATES_PER_BLOCK: Final = 24
_APART_FRAMES: Final = 12
_MARGIN: Final = -(-MARGIN_SAMPLES // SEARCH.hop) * SEARCH.hop
# Quieter than this there is only the rounding of the coder.
_QUIET: Final = 12
_AGREEING: Final = round(0.3 / ALIGN.seconds)
_SWALLOWED: Final = round(0.25 / ALIGN.seconds)
_BREATH: Final = round(0.275 / ALIGN.seconds)
_MS: Final = 1000 / SAMPLE_RATE_HZ


class Detector:
    """Searches one call for all references; used once, by one thread.

    Channels are never mixed: each is searched by itself, as two-leg recordings hold the
    announcement in one leg only. How the sound is cut into blocks on its way in changes nothing.
    """

    def __init__(
        self,
        references: Sequence[Reference],
        *,
        joins_ms: Sequence[int] = (),
        whole: bool = False,
        limits: Thresholds | None = None,
    ) -> None:
        """Prepare the search: the first 180 s and as much after each join, or the `whole` call."""
        self._limits = limits or Thresholds()
        longest = max((len(reference.pcm) for reference in references), default=0)
        self._reach = -(-longest // SEARCH.hop) * SEARCH.hop + _MARGIN
        fits = self._reach * 2 < SHORT_BLOCK_FRAMES * SEARCH.hop
        frames = SHORT_BLOCK_FRAMES if fits else LONG_BLOCK_FRAMES
        self._searched = [
            (reference, reference.short_template if fits else reference.long_template)
            for reference in references
        ]
        self._frames = frames
        self._block = (frames - 1) * SEARCH.hop + SEARCH.window
        # Starts within the stride are this block's own; what follows is read again by the next.
        self._stride = (frames * SEARCH.hop - self._reach - _MARGIN) // SEARCH.hop * SEARCH.hop
        self._windows = windows.whole() if whole else windows.after_joins(joins_ms)
        self._window = 0
        self._seen = 0
        self._buffer: Pcm | None = None
        self._filled = 0
        self._buffer_at = 0
        self._hits: list[Hit] = []
        self._finished = False

    def feed(self, samples: Pcm) -> None:
        """Take the next samples, of shape `(n, channels)`, at 8 kHz."""
        if self._finished:
            raise ValueError("The search has been finished.")
        if samples.ndim != 2:  # noqa: PLR2004 - samples by channels.
            raise ValueError("Samples come as rows with one column for each channel.")
        if self._buffer is not None and samples.shape[1] != self._buffer.shape[1]:
            raise ValueError("The number of channels has changed.")
        if not self._searched:
            return
        if self._buffer is None:
            self._open(samples.shape[1])
        at = 0
        while at < len(samples) and self._window < len(self._windows):
            at += self._take(samples[at:])
        self._seen += len(samples) - at

    def finish(self) -> list[Hit]:
        """Search what is left and return all hits in the order of their beginning."""
        if not self._finished and self._buffer is not None and self._window < len(self._windows):
            self._end_window(min(self._seen, self._windows[self._window][1]))
        self._finished = True
        self._buffer = None
        found = _without_repeats(self._hits)
        return sorted(found, key=lambda hit: (hit.start_ms, hit.channel, hit.text_id, hit.version))

    def _open(self, channels: int) -> None:
        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"A recording has 1 to {MAX_CHANNELS} channels.")
        self._buffer = np.zeros((self._block, channels), np.int16)
        self._begin_window()

    def _begin_window(self) -> None:
        """Start a window with silence in front: its first words may have been cut off."""
        if self._window < len(self._windows):
            start = self._windows[self._window][0]
            assert self._buffer is not None  # noqa: S101 - opened by the first samples.
            self._buffer[: self._reach] = 0
            self._filled = self._reach
            self._buffer_at = start - self._reach

    def _take(self, samples: Pcm) -> int:
        """Take samples up to the end of block or window; return how many were used."""
        start, end = self._windows[self._window]
        if self._seen < start:
            skipped = min(start - self._seen, len(samples))
            self._seen += skipped
            return skipped
        assert self._buffer is not None  # noqa: S101 - opened by the first samples.
        last = end + self._reach
        count = min(len(samples), self._block - self._filled, last - self._seen)
        self._buffer[self._filled : self._filled + count] = samples[:count]
        self._filled += count
        self._seen += count
        if self._filled == self._block:
            self._search_block(self._stride)
            kept = self._block - self._stride
            self._buffer[:kept] = self._buffer[self._stride :].copy()
            self._filled = kept
            self._buffer_at += self._stride
        if self._seen == last:
            self._end_window(end)
        return count

    def _end_window(self, end: int) -> None:
        """Search the rest of the window, of which no start lies after `end`."""
        assert self._buffer is not None  # noqa: S101 - opened by the first samples.
        self._buffer[self._filled :] = 0
        while self._buffer_at + _MARGIN < end and self._filled > 0:
            self._search_block(min(self._stride, end - self._buffer_at - _MARGIN))
            kept = max(self._filled - self._stride, 0)
            self._buffer[:kept] = self._buffer[self._filled - kept : self._filled].copy()
            self._buffer[kept:] = 0
            self._filled = kept
            self._buffer_at += self._stride
        self._window += 1
        self._begin_window()

    def _search_block(self, starts: int) -> None:
        """Search the block in every channel for starts among the first `starts` samples.

        Starts are counted from `_MARGIN` on, which the alignment reads before them.
        """
        assert self._buffer is not None  # noqa: S101 - opened by the first samples.
        for channel in range(self._buffer.shape[1]):
            pcm = np.ascontiguousarray(self._buffer[:, channel])
            if int(np.abs(pcm.astype(np.int32)).max(initial=0)) < _QUIET:
                continue
            block = SearchBlock.of(features(pcm, SEARCH), block_frames=self._frames)
            for reference, template in self._searched:
                best = scores(template, block, exponent=self._limits.search_exponent)
                first = _MARGIN // SEARCH.hop
                places = candidates(
                    best[first : first + -(-starts // SEARCH.hop)],
                    least=self._limits.search_score,
                    apart=_APART_FRAMES,
                    most=_CANDIDATES_PER_BLOCK,
                )
                looked = [
                    self._look_closer(pcm, (place.frame + first) * SEARCH.hop, reference, channel)
                    for place in places
                ]
                self._keep_confirmed([one for one in looked if one is not None])

    def _look_closer(self, pcm: Pcm, at: int, reference: Reference, channel: int) -> _Looked | None:
        """Return what the first two looks find at sample `at` of the block, if it is anything."""
        end = at + len(reference.pcm) + MARGIN_SAMPLES
        sound = pcm[at - MARGIN_SAMPLES : end]
        sound = np.pad(sound, (0, end - at + MARGIN_SAMPLES - len(sound)))
        alignment = align(reference.prepared, sound)
        waveform = band_limited(sound)
        fine = fine_match(reference.waveform, waveform, lag=alignment.lag)
        speech = reference.speech[: len(fine.correlation)]
        findings = judge(alignment, fine, speech, limits=self._limits)
        if findings.verdict is Verdict.PARTIAL:
            level = level_of_line(typical_correlation(fine, speech), self._limits)
            fine = second_look(
                fine, reference.waveform, waveform, speech, level=level, limits=self._limits
            )
            findings = judge(alignment, fine, speech, limits=self._limits)
        if findings.verdict is Verdict.PARTIAL and findings.share >= self._limits.vouched_from:
            drowned = vouched(
                fine.lag, reference.pcm, sound, findings.heard, speech, limits=self._limits
            )
            if drowned.any():
                findings = judge(alignment, fine, speech, limits=self._limits, vouched=drowned)
        if not findings.heard.any():
            return None
        return _Looked(
            reference=reference,
            findings=findings,
            lag=fine.lag,
            sound=sound,
            hit=_hit(reference, findings, self._buffer_at + at, channel=channel),
            at=self._buffer_at + at,
        )

    def _keep_confirmed(self, looked: list[_Looked]) -> None:
        """Keep what was found of a text in a block, its whole playings looked at a third time.

        A playing is a candidate at several places. Where the strongest stands as complete, the
        others on the same sound are dropped in the end whatever the third look says of them.
        """
        confirmed: dict[int, Hit | None] = {}
        complete = [hit for hit in self._hits if hit.complete]
        whole = [number for number, one in enumerate(looked) if one.hit.complete]
        for number in sorted(whole, key=lambda n: _strength(looked[n].hit), reverse=True):
            one = looked[number]
            if any(_is_repeat(one.hit, other) for other in complete):
                confirmed[number] = None
                continue
            hit = self._confirmed(one)
            confirmed[number] = hit
            if hit is not None and hit.complete:
                complete.append(hit)
        for number, one in enumerate(looked):
            hit = confirmed.get(number, one.hit)
            if hit is not None:
                self._keep(hit)

    def _confirmed(self, one: _Looked) -> Hit | None:
        """Return the hit of a whole playing after the third look."""
        foreign = contradicted(
            one.lag, one.reference.pcm, one.sound, one.findings.heard, limits=self._limits
        )
        if not foreign.any():
            return one.hit
        speech = one.reference.speech[: len(foreign)]
        findings = interrupted(one.findings, foreign, speech)
        if not findings.heard.any():
            return None
        return _hit(one.reference, findings, one.at, channel=one.hit.channel)

    def _keep(self, found: Hit) -> None:
        same = [h for h in self._hits if _key(h) == _key(found)]
        if len(same) >= MAX_HITS:
            weakest = min(same, key=_strength)
            if _strength(weakest) >= _strength(found):
                return
            self._hits.remove(weakest)
        self._hits.append(found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Looked:
    """What the first two looks found at a candidate, and what the third needs.

    `sound` begins `MARGIN_SAMPLES` before the sample `at` of the call.
    """

    reference: Reference
    findings: Findings
    lag: npt.NDArray[np.float64]
    sound: Pcm
    hit: Hit
    at: int


def _hit(reference: Reference, findings: Findings, at: int, *, channel: int) -> Hit:
    """Put the findings of the candidate at sample `at` of the call into milliseconds."""
    heard = findings.heard
    stretches: list[Heard] = []
    # A breath of the announcer parts nothing, other sound in the place of a word does.
    for first, after in runs(bridged(heard, _BREATH) & ~findings.foreign):
        begin, end = first * ALIGN.hop, (after - 1) * ALIGN.hop + ALIGN.window
        call = [at + begin + findings.lag[first], at + end + findings.lag[after - 1]]
        stretches.append(
            Heard(
                start_ms=max(round(call[0] * _MS), 0),
                end_ms=max(round(call[1] * _MS), 0),
                reference_start_ms=round(begin * _MS + reference.trimmed_ms),
                reference_end_ms=round(end * _MS + reference.trimmed_ms),
            )
        )
    spoken = np.flatnonzero(reference.speech[: len(heard)])
    first, last = _whole_words(spoken, np.flatnonzero(heard))

    def call_ms(frame: int) -> float:
        return float(at + frame * ALIGN.hop + findings.lag[frame]) * _MS

    # Single frames may sit a period of the voice aside; the first 0.3 s heard agree.
    start_lag = float(np.median(findings.lag[np.flatnonzero(heard)[:_AGREEING]]))
    return Hit(
        text_id=reference.text_id,
        version=reference.version,
        channel=channel,
        start_ms=max(round(call_ms(first)), 0),
        end_ms=max(round(call_ms(last) + ALIGN.window * _MS), 0),
        origin_ms=(at + start_lag) * _MS - reference.trimmed_ms,
        share=round(findings.share, 4),
        score=round(findings.evidence, 4),
        sameness=round(findings.sameness, 4),
        complete=findings.verdict is Verdict.FULL,
        verdict=findings.verdict,
        reasons=findings.reasons,
        clock_ppm=round(findings.drift_ppm, 1),
        heard=tuple(stretches),
        reference_sha256=reference.sha256,
    )


def _whole_words(spoken: npt.NDArray[np.int64], heard: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Return the first and last frame of what was heard.

    A faint first or last syllable that noise has swallowed belongs to it: where less than a
    quarter of a second of speech is missing, the ends are those of the reference.
    """
    before = int(np.searchsorted(spoken, heard[0]))
    after = len(spoken) - int(np.searchsorted(spoken, heard[-1], side="right"))
    first = spoken[0] if before <= _SWALLOWED else heard[0]
    last = spoken[-1] if after <= _SWALLOWED else heard[-1]
    return int(first), int(last)


def _key(hit: Hit) -> tuple[str, int, int]:
    return hit.text_id, hit.version, hit.channel


_RANK: Final = {Verdict.FULL: 2, Verdict.PARTIAL: 1, Verdict.REJECTED: 0}


def _strength(hit: Hit) -> tuple[int, float]:
    return _RANK[hit.verdict], hit.share * hit.sameness


def _overlap_ms(one: Hit, other: Hit) -> int:
    return max(min(one.end_ms, other.end_ms) - max(one.start_ms, other.start_ms), 0)


def _length_ms(hit: Hit) -> int:
    return max(hit.end_ms - hit.start_ms, 1)


def _is_repeat(hit: Hit, stronger: Hit) -> bool:
    """Say whether a hit is on the same sound as a stronger one of the same text."""
    return (
        _key(hit) == _key(stronger)
        and _strength(hit) <= _strength(stronger)
        and _overlap_ms(hit, stronger) * 2 > _length_ms(hit)
    )


def _without_repeats(hits: list[Hit]) -> list[Hit]:
    """Keep the strongest of several hits on the same sound.

    Of one text the weaker go; a partial of another text, heard within a complete playing, is
    kept as rejected: the complete one explains the sound.
    """
    kept: list[Hit] = []
    for hit in sorted(hits, key=_strength, reverse=True):
        rivals = [
            k
            for k in kept
            if k.channel == hit.channel and _overlap_ms(k, hit) * 2 > _length_ms(hit)
        ]
        if any(_key(rival) == _key(hit) for rival in rivals):
            continue
        explained = any(rival.verdict is Verdict.FULL for rival in rivals)
        if hit.verdict is Verdict.PARTIAL and explained:
            kept.append(
                replace(
                    hit,
                    verdict=Verdict.REJECTED,
                    reasons=(*hit.reasons, Reason.EXPLAINED_BY_OTHER_TEXT),
                )
            )
        else:
            kept.append(hit)
    return kept
