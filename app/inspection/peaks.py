"""The picture of a recording: the lowest and highest sample of every 20 ms, per channel."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Final

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ: Final = 8_000
SAMPLES_PER_POINT: Final = 160
MAX_CHANNELS: Final = 8

_MAGIC = b"PEAK"
_VERSION = 1
_HEAD = struct.Struct("<4sBBIII")
_MAX_POINTS = 10_000_000
_BATCH_BYTES = 64 * 1024

Int8 = npt.NDArray[np.int8]


class PeaksInvalid(Exception):
    """Stored peaks are not in the form that `to_bytes` writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """Lowest and highest values, -128 to 127: `values[point, channel, 0 low, 1 high]`.

    The last point may cover less sound than the others.
    """

    sample_rate_hz: int
    samples_per_point: int
    values: Int8

    @property
    def channels(self) -> int:
        return int(self.values.shape[1])

    @property
    def length(self) -> int:
        return int(self.values.shape[0])

    def to_bytes(self) -> bytes:
        """Return the compact form: a head and the compressed values."""
        head = _HEAD.pack(
            _MAGIC,
            _VERSION,
            self.channels,
            self.sample_rate_hz,
            self.samples_per_point,
            self.length,
        )
        return head + zlib.compress(self.values.tobytes(), 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> Peaks:
        """Read the compact form; never unpacks more than the head announces.

        Raises:
            PeaksInvalid: Another form, or values that do not fit the head.
        """
        if len(data) < _HEAD.size:
            raise PeaksInvalid("the head is cut off")
        magic, version, channels, rate_hz, samples, length = _HEAD.unpack_from(data)
        if magic != _MAGIC or version != _VERSION:
            raise PeaksInvalid("this is another form")
        if not 1 <= channels <= MAX_CHANNELS or length > _MAX_POINTS or not rate_hz or not samples:
            raise PeaksInvalid("the head cannot be true")
        size_bytes = length * channels * 2
        try:
            raw = zlib.decompressobj().decompress(data[_HEAD.size :], size_bytes + 1)
        except zlib.error as exc:
            raise PeaksInvalid("the values are damaged") from exc
        if len(raw) != size_bytes:
            raise PeaksInvalid("the values do not fit the head")
        values = np.frombuffer(raw, dtype=np.int8).reshape(length, channels, 2)
        return cls(sample_rate_hz=rate_hz, samples_per_point=samples, values=values)

    def resampled(self, points: int) -> Peaks:
        """Return the same picture with at most `points` points, each covering equally many."""
        if points < 1:
            raise ValueError("A picture has at least one point.")
        factor = -(-self.length // points)
        if factor <= 1:
            return self
        starts = np.arange(0, self.length, factor)
        low = np.minimum.reduceat(self.values[:, :, 0], starts, axis=0)
        high = np.maximum.reduceat(self.values[:, :, 1], starts, axis=0)
        return Peaks(
            sample_rate_hz=self.sample_rate_hz,
            samples_per_point=self.samples_per_point * factor,
            values=np.stack((low, high), axis=2),
        )

    def part(self, from_ms: int, to_ms: int | None) -> Peaks:
        """Return the picture from a moment on until before another; no point covers more."""
        per_ms = self.sample_rate_hz / self.samples_per_point / 1000
        first = ceil(from_ms * per_ms)
        last = self.length if to_ms is None else floor(to_ms * per_ms)
        return replace(self, values=self.values[first : max(first, last)])

    def to_waveform(self) -> dict[str, int | list[int]]:
        """Return the JSON form of audiowaveform, version 2, that players of waveforms read."""
        data: list[int] = self.values.reshape(-1).tolist()
        return {
            "version": 2,
            "channels": self.channels,
            "sample_rate": self.sample_rate_hz,
            "samples_per_pixel": self.samples_per_point,
            "bits": 8,
            "length": self.length,
            "data": data,
        }


def side_by_side(parts: Sequence[Peaks]) -> Peaks:
    """Return one picture with a channel for each part, its channels drawn over one another.

    Shorter parts end in silence. All are of one rate, as every picture here is.
    """
    length = max(part.length for part in parts)
    values = np.zeros((length, len(parts), 2), dtype=np.int8)
    for place, part in enumerate(parts):
        values[: part.length, place, 0] = part.values[:, :, 0].min(axis=1)
        values[: part.length, place, 1] = part.values[:, :, 1].max(axis=1)
    return Peaks(
        sample_rate_hz=parts[0].sample_rate_hz,
        samples_per_point=parts[0].samples_per_point,
        values=values,
    )


class PeakBuilder:
    """Make peaks from 16-bit big-endian samples at 8 kHz that arrive in pieces of any size.

    Holds two bytes per point and channel, and some 64 KiB of sound: numpy's cost is per call.
    """

    __slots__ = ("_channels", "_done", "_point_bytes", "_rest", "_size_bytes")

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._point_bytes = SAMPLES_PER_POINT * channels * 2
        self._done = bytearray()
        self._rest = bytearray()
        self._size_bytes = 0

    @property
    def frames(self) -> int:
        """How many whole samples of all channels have arrived."""
        return self._size_bytes // (2 * self._channels)

    def feed(self, samples: bytes) -> None:
        """Take the next samples, interleaved."""
        self._size_bytes += len(samples)
        self._rest += samples
        if len(self._rest) >= _BATCH_BYTES:
            self._flush()

    def finish(self) -> Peaks:
        """Return the picture; half a sample at the end is dropped."""
        self._flush()
        frames = len(self._rest) // (2 * self._channels)
        if frames:
            self._add(
                np.frombuffer(bytes(self._rest), dtype=">i2", count=frames * self._channels), frames
            )
            self._rest.clear()
        values = np.frombuffer(bytes(self._done), dtype=np.int8).reshape(-1, self._channels, 2)
        return Peaks(
            sample_rate_hz=SAMPLE_RATE_HZ, samples_per_point=SAMPLES_PER_POINT, values=values
        )

    def _flush(self) -> None:
        whole = len(self._rest) - len(self._rest) % self._point_bytes
        if whole:
            samples = np.frombuffer(self._rest[:whole], dtype=">i2")
            self._add(samples, SAMPLES_PER_POINT)
            del self._rest[:whole]

    def _add(self, samples: npt.NDArray[np.signedinteger[npt.NBitBase]], per_point: int) -> None:
        points = samples.reshape(-1, per_point, self._channels)
        extremes = np.stack((points.min(axis=1), points.max(axis=1)), axis=2)
        self._done += (extremes >> 8).astype(np.int8).tobytes()
