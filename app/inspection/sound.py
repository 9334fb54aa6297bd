"""Everything that is measured on the sound of a leg, from one stream of samples.

Each figure comes from batches of the same size whatever pieces the samples arrive in, so that how
a decoder writes changes nothing. Held are a minute of sound per channel, the spans of talk, and
counts.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.inspection.levels import Level, LevelMeter, Samples, rounded
from app.inspection.loudness import FRAME_SAMPLES, Gate
from app.inspection.peaks import MAX_CHANNELS, SAMPLE_RATE_HZ
from app.inspection.talk import Spans, TalkMeter, talk_ms

METHOD_VERSION: Final = "sound-1"
_BATCH: Final = 250 * FRAME_SAMPLES
_MOST_BYTES: Final = 64 * 1024 * 1024


class TalkInvalid(Exception):
    """Stored spans of talk are not in the form that `talk_to_bytes` writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSound:
    """What a channel sounds like, and when somebody talks on it."""

    level: Level
    talk: Spans

    @property
    def talk_ms(self) -> int:
        return talk_ms(self.talk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What a leg sounds like; loudness is that of its channels together.

    `same` says that there are several channels and each has the same samples as the others: then
    they tell no voices apart.
    """

    duration_ms: int
    loudness_lufs: float | None
    channels: tuple[ChannelSound, ...]
    same: bool


class SoundMeter:
    """Measures a leg; used once, by one thread."""

    __slots__ = ("_energies", "_filled", "_levels", "_rows", "_same", "_samples", "_talk")

    def __init__(self) -> None:
        self._levels: list[LevelMeter] = []
        self._talk: list[TalkMeter] = []
        self._energies = Gate()
        self._rows: Samples = np.zeros((0, 0), np.int16)
        self._filled = 0
        self._same = True
        self._samples = 0

    def feed(self, samples: Samples) -> None:
        """Take the next samples, of shape `(n, channels)`, at 8 kHz."""
        if not self._levels:
            channels = samples.shape[1]
            if not 1 <= channels <= MAX_CHANNELS:
                raise ValueError(f"A recording has 1 to {MAX_CHANNELS} channels.")
            self._levels = [LevelMeter() for _ in range(channels)]
            self._talk = [TalkMeter() for _ in range(channels)]
            self._rows = np.zeros((_BATCH, channels), np.int16)
        if samples.shape[1] != len(self._levels):
            raise ValueError("The number of channels has changed.")
        self._samples += len(samples)
        at = 0
        while at < len(samples):
            count = min(len(samples) - at, _BATCH - self._filled)
            self._rows[self._filled : self._filled + count] = samples[at : at + count]
            self._filled += count
            at += count
            if self._filled == _BATCH:
                self._measure(self._rows)
                self._filled = 0

    def finish(self) -> Sound:
        """Measure the last, shorter batch and return the figures."""
        rows = self._rows[: self._filled]
        whole = self._filled - self._filled % FRAME_SAMPLES
        if whole:
            self._measure(rows[:whole])
        rest = rows[whole:]
        duration_ms = (self._samples * 1000 + SAMPLE_RATE_HZ // 2) // SAMPLE_RATE_HZ
        channels = []
        for channel, (level, talk) in enumerate(zip(self._levels, self._talk, strict=True)):
            left = np.ascontiguousarray(rest[:, channel])
            if len(left):
                level.feed_rest(left)
            channels.append(ChannelSound(level=level.finish(), talk=talk.finish(left, duration_ms)))
        return Sound(
            duration_ms=duration_ms,
            loudness_lufs=channels[0].level.loudness_lufs
            if len(channels) == 1
            else rounded(self._energies.loudness_lufs()),
            channels=tuple(channels),
            same=len(channels) > 1 and self._are_same(rest),
        )

    def _measure(self, rows: Samples) -> None:
        self._same = self._are_same(rows)
        energies = np.zeros(len(rows) // FRAME_SAMPLES)
        for channel, (level, talk) in enumerate(zip(self._levels, self._talk, strict=True)):
            samples = rows[:, channel].copy()
            frames = samples.reshape(-1, FRAME_SAMPLES).astype(np.float32)
            energies += level.feed(samples, frames)
            talk.feed(samples)
        # Of one channel alone they are measured already.
        if len(self._levels) > 1:
            self._energies.feed(energies)

    def _are_same(self, rows: Samples) -> bool:
        return self._same and bool((rows == rows[:, :1]).all())


def talk_to_bytes(channels: Sequence[Spans]) -> bytes:
    """Return the spans of each channel in their compact form."""
    text = json.dumps({"version": 1, "talk": channels}, separators=(",", ":"))
    return zlib.compress(text.encode())


def talk_from_bytes(data: bytes) -> tuple[Spans, ...]:
    """Read the compact form.

    Raises:
        TalkInvalid: It is another form.
    """
    try:
        unpacker = zlib.decompressobj()
        told = json.loads(unpacker.decompress(data, _MOST_BYTES))
        if not unpacker.eof or told["version"] != 1:
            raise TalkInvalid("this is another form")
        return tuple(
            tuple((int(start), int(end)) for start, end in spans) for spans in told["talk"]
        )
    except (zlib.error, ValueError, KeyError, TypeError) as exc:
        raise TalkInvalid("the spans are damaged") from exc
