"""Silence or a tone in place of what must not be heard, on decoded samples, as they stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from app.disputes.redactions import How
from app.releases.recipes import Shape, Stretch, beep


def redacted(
    pieces: Iterator[bytes], stretches: Sequence[Stretch], shape: Shape, *, first_sample: int
) -> Iterator[bytes]:
    """Yield `pieces`, whole frames each, with every sample of `stretches` replaced.

    `first_sample` is the number that the first frame has in the recording. The memory held does
    not grow with the length.
    """
    tone = np.array(beep(shape.rate_hz), dtype="<i2")
    first = first_sample
    for piece in pieces:
        end = first + len(piece) // shape.frame_bytes
        touched = [s for s in stretches if s.first < end and s.end > first]
        if not touched:
            yield piece
        else:
            frames = np.frombuffer(piece, dtype="<i2").reshape(-1, shape.channels).copy()
            for stretch in touched:
                _replace(frames, stretch, tone, first=first)
            yield frames.tobytes()
        first = end


def _replace(
    frames: npt.NDArray[np.int16], stretch: Stretch, tone: npt.NDArray[np.int16], *, first: int
) -> None:
    begin = max(stretch.first - first, 0)
    end = min(stretch.end - first, len(frames))
    channel = stretch.redaction.channel
    columns = slice(None) if channel is None else slice(channel, channel + 1)
    if stretch.redaction.how is How.SILENCE:
        frames[begin:end, columns] = 0
    else:
        numbers = (np.arange(begin, end) + first) % len(tone)
        frames[begin:end, columns] = tone[numbers][:, np.newaxis]
