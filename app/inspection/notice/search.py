"""The search: where in a block of sound a reference, or a run of it, may begin.

One spectral correlation is taken per half second of the reference; for every place the best
contiguous run at that one lag counts, its correlation weighted by its length, so that whole and
interrupted announcements compete on one scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inspection.notice.features import SEARCH, Floats

# About a minute and two; the longer ones serve references of more than half a block.
SHORT_BLOCK_FRAMES: Final = 4_096
LONG_BLOCK_FRAMES: Final = 8_192
SEGMENT_S: Final = 0.5
MAX_SEGMENTS: Final = 24
_TINY: Final = 1e-6

Spectra = npt.NDArray[np.complex64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place where the reference may begin: its frame, and the score of its best run."""

    frame: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """A reference, cut and transformed for the search in blocks of one size."""

    frames: int
    segment_frames: int
    segments: int
    spectra: Spectra
    energies: npt.NDArray[np.float64]
    runs: tuple[int, ...]

    @classmethod
    def of(cls, rows: Floats, *, block_frames: int) -> Template:
        """Cut the reference's features; the last segment takes in what is left over."""
        wanted = round(SEGMENT_S / SEARCH.seconds)
        segments = min(max(len(rows) // wanted, 2), MAX_SEGMENTS)
        size = len(rows) // segments
        cut = rows[: size * segments].reshape(segments, size, -1)
        spectra = np.conj(np.fft.rfft(cut.transpose(0, 2, 1), block_frames, axis=2))
        return cls(
            frames=size * segments,
            segment_frames=size,
            segments=segments,
            spectra=np.ascontiguousarray(spectra.transpose(2, 0, 1), np.complex64),
            energies=np.square(cut, dtype=np.float64).sum(axis=(1, 2)),
            runs=tuple(_run_lengths(segments)),
        )


def _run_lengths(segments: int) -> list[int]:
    """Return which lengths are tried: all short ones, then about a quarter longer each."""
    lengths = []
    length = 2.0
    while length < segments:
        lengths.append(int(length))
        length = max(length + 1, length * 1.25)
    return [*lengths, segments]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchBlock:
    """A block of sound, transformed once for all references."""

    spectra: Spectra
    energy: npt.NDArray[np.float64]
    frames: int

    @classmethod
    def of(cls, rows: Floats, *, block_frames: int) -> SearchBlock:
        power = np.zeros(block_frames + 1)
        np.cumsum(np.einsum("fb,fb->f", rows, rows), out=power[1 : len(rows) + 1])
        power[len(rows) + 1 :] = power[len(rows)]
        spectra = np.fft.rfft(np.ascontiguousarray(rows.T), block_frames, axis=1)
        return cls(
            spectra=np.ascontiguousarray(spectra.T, np.complex64)[:, :, None],
            energy=power,
            frames=block_frames,
        )


def scores(template: Template, block: SearchBlock, *, exponent: float) -> Floats:
    """Return for every start the best `correlation * seconds ** exponent` over the runs."""
    starts = block.frames - template.frames + 1
    size, count = template.segment_frames, template.segments
    products = np.matmul(template.spectra, block.spectra)[:, :, 0]
    raw = np.fft.irfft(products.T, block.frames, axis=1)
    hits = np.zeros((count + 1, starts), np.float32)
    for segment in range(count):
        at = segment * size
        np.add(hits[segment], raw[segment, at : at + starts], out=hits[segment + 1])
    ours = np.concatenate([[0.0], np.cumsum(template.energies)])
    best = np.zeros(starts, np.float32)
    for run in template.runs:
        for first in range(count - run + 1):
            at, end = first * size, (first + run) * size
            theirs = block.energy[end : end + starts] - block.energy[at : at + starts]
            # What is quieter than a twentieth of the reference's mean counts as that loud.
            floor = 0.05 * (ours[first + run] - ours[first])
            weight = (run * size * SEARCH.seconds) ** exponent
            scale = (ours[first + run] - ours[first]) / weight**2
            root = np.sqrt((np.maximum(theirs, floor) + _TINY) * (scale + _TINY))
            np.maximum(best, (hits[first + run] - hits[first]) / root, out=best, casting="unsafe")
    return best


def candidates(best: Floats, *, least: float, apart: int, most: int) -> list[Candidate]:
    """Return the highest places at least `least` high and `apart` frames from a higher one."""
    above = np.flatnonzero(best >= least)
    found: list[Candidate] = []
    for frame in above[np.argsort(-best[above], kind="stable")]:
        if all(abs(int(frame) - other.frame) > apart for other in found):
            found.append(Candidate(frame=int(frame), score=float(best[frame])))
            if len(found) == most:
                break
    return found
