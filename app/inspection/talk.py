"""Who talks when: speech activity of each channel, and what the channels do together."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from webrtcvad import Vad

from app.inspection.levels import FULL_SCALE, Samples
from app.inspection.loudness import FRAME_SAMPLES
from app.inspection.peaks import SAMPLE_RATE_HZ

FRAME_MS: Final = FRAME_SAMPLES * 1000 // SAMPLE_RATE_HZ
BRIDGED_MS: Final = 240
SHORTEST_MS: Final = 100
_MODE: Final = 2
_PERCENTILE: Final = 0.995
_SPEECH_LEVEL: Final = 6_000
# A quieter channel is raised as if it had this level: below it there is only the coder's rounding.
_LOWEST_LEVEL: Final = 50
# Steady noise has its loudest half percent at 4.2 times its median. Speech stands higher above the
# pauses between its sounds: ten times even with 5 dB of noise, and 30 to 1,000 times as a rule. The
# detector of speech takes any noise that is raised to the level of a voice for one.
_LEAST_ABOVE_MEDIAN: Final = 6
# No tone of a telephone has its samples at the same places of each period in steps of this.
_LEVEL_STEP: Final = 7
_AHEAD_SAMPLES: Final = 60 * SAMPLE_RATE_HZ

Spans = tuple[tuple[int, int], ...]


class TalkMeter:
    """Finds the talk of one channel, fed in batches of whole frames.

    The detector of speech wants speech at its usual level, which is known only when the whole call
    was heard. A minute is held back: the level that a frame is raised to is that of everything up
    to a minute after it. Calls of up to a minute are so levelled by the whole of them, and later
    in a long one the level has long settled. A level of the last minutes alone would raise the
    noise of a long pause to that of a voice.
    """

    __slots__ = ("_ahead", "_ahead_samples", "_counts", "_frame", "_spans", "_vad")

    def __init__(self) -> None:
        self._vad = Vad(_MODE)
        self._counts = np.zeros(FULL_SCALE + 1, np.int64)
        self._ahead: deque[Samples] = deque()
        self._ahead_samples = 0
        self._frame = 0
        self._spans = _SpanList()

    def feed(self, samples: Samples) -> None:
        heard = np.abs(samples[::_LEVEL_STEP].astype(np.int32))
        self._counts += np.bincount(heard, minlength=FULL_SCALE + 1)
        self._ahead.append(samples)
        self._ahead_samples += len(samples)
        if self._ahead_samples - len(self._ahead[0]) >= _AHEAD_SAMPLES:
            self._listen(self._gain())

    def finish(self, rest: Samples, duration_ms: int) -> Spans:
        """Judge what was held back and a last frame that `rest` begins; return the talk in ms."""
        if len(rest):
            self._ahead.append(np.pad(rest, (0, FRAME_SAMPLES - len(rest))))
        gain = self._gain()
        while self._ahead:
            self._listen(gain)
        return self._spans.finish(duration_ms)

    def _gain(self) -> float:
        """Return what raises the loudest half percent to a voice's level; steady noise is cut."""
        below = np.cumsum(self._counts)
        total = int(below[-1])
        # Whole numbers: for a fraction the search would first turn all of them into fractions.
        wanted = [math.ceil(total * _PERCENTILE), -(-total // 2)]
        level, median = np.searchsorted(below, wanted)
        if level < _LEAST_ABOVE_MEDIAN * median:
            return 0.0
        return _SPEECH_LEVEL / max(int(level), _LOWEST_LEVEL)

    def _listen(self, gain: float) -> None:
        samples = self._ahead.popleft()
        self._ahead_samples -= len(samples)
        raised = samples * np.float32(gain)
        sound = np.clip(raised, -FULL_SCALE, FULL_SCALE - 1, out=raised).astype("<i2").tobytes()
        is_speech, size = self._vad.is_speech, FRAME_SAMPLES * 2
        for at in range(0, len(sound), size):
            if is_speech(sound[at : at + size], SAMPLE_RATE_HZ):
                self._spans.add(self._frame * FRAME_MS)
            self._frame += 1


class _SpanList:
    """Spans of talk: short gaps are bridged as they come, and what stays a burst is dropped."""

    __slots__ = ("_bounds",)

    def __init__(self) -> None:
        self._bounds = array("q")

    def add(self, at_ms: int) -> None:
        """Take the next frame of speech."""
        bounds = self._bounds
        if bounds and at_ms - bounds[-1] < BRIDGED_MS:
            bounds[-1] = at_ms + FRAME_MS
            return
        self._drop_burst()
        bounds.extend((at_ms, at_ms + FRAME_MS))

    def finish(self, duration_ms: int) -> Spans:
        self._drop_burst()
        ends = [min(end, duration_ms) for end in self._bounds[1::2]]
        return tuple(zip(self._bounds[::2], ends, strict=True))

    def _drop_burst(self) -> None:
        if self._bounds and self._bounds[-1] - self._bounds[-2] < SHORTEST_MS:
            del self._bounds[-2:]


def talk_ms(spans: Spans) -> int:
    return sum(end - start for start, end in spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """What several voices do at once: nobody, one, or more of them talk.

    `shares` are the parts of all the talking that each did, in the order given.
    """

    overlap_ms: int
    silence_ms: int
    longest_silence_ms: int
    shares: tuple[float, ...]


def together(voices: Sequence[Spans], duration_ms: int) -> Together:
    """Lay the talk of several voices over each other."""
    changes = sorted(
        change for spans in voices for start, end in spans for change in ((start, 1), (end, -1))
    )
    overlap_ms = silence_ms = longest_ms = talking = quiet_from_ms = 0
    for (at_ms, change), (next_ms, _) in pairwise([(0, 0), *changes, (duration_ms, 0)]):
        talking += change
        if talking > 1:
            overlap_ms += next_ms - at_ms
        if talking:
            quiet_from_ms = next_ms
        else:
            silence_ms += next_ms - at_ms
            longest_ms = max(longest_ms, next_ms - quiet_from_ms)
    talked = [talk_ms(spans) for spans in voices]
    whole = sum(talked)
    return Together(
        overlap_ms=overlap_ms,
        silence_ms=silence_ms,
        longest_silence_ms=longest_ms,
        shares=tuple(round(each / whole, 4) if whole else 0.0 for each in talked),
    )
