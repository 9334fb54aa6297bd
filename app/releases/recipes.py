"""The recipe of a derived file: from which originals, which samples, by which steps. Pure.

A recipe is what anybody who has the originals needs to make the same bytes again. Its sample
numbers count from the first decoded sample of the original. A cut never holds a sample from
outside of the asked milliseconds, a redaction never leaves one inside of its own: where a
millisecond is no whole number of samples, a cut is rounded inwards and a redaction outwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd, pi, sin
from typing import Any, Final

import rfc8785

from app.disputes.redactions import How, Redaction

VERSION: Final = 1
SAMPLE_BYTES: Final = 2
RATES_HZ: Final = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
COMMON_RATE_HZ: Final = 16_000
BEEP_HZ: Final = 1_000
BEEP_AMPLITUDE: Final = 3_276
"""A tenth of full scale, -20 dBFS. Even, so that the half of it is no case for rounding."""

_MS: Final = 1_000
_JOIN: Final = "the legs side by side, the sent one left, the shorter one filled up with zeros"
_NUMBERS: Final = "samples are counted from the first of the recording; nothing fades"
_BEEP: Final = (
    f"beep: round({BEEP_AMPLITUDE} * sin(2 pi * {BEEP_HZ} * n / rate)) for the sample n (-20 dBFS)"
)
_WAV: Final = "head of 44 bytes: RIFF, WAVE, fmt (PCM, 16 bits), data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A file as it was received, and what it was recognised as."""

    recording: str
    leg: str
    sha256: str
    size_bytes: int
    container: str
    codec: str | None
    sample_rate_hz: int | None
    channels: int | None

    @property
    def rate_hz(self) -> int:
        """Its own rate, or the common one where its own is none that a WAV of ours has."""
        return self.sample_rate_hz if self.sample_rate_hz in RATES_HZ else COMMON_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How samples of 16 bits follow each other."""

    rate_hz: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        return SAMPLE_BYTES * self.channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Which samples are cut out: from `first` until before `end`, or all that follow."""

    first: int
    end: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The samples of a redaction, clipped to nothing: it may begin before the cut does."""

    redaction: Redaction
    first: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that was run or done, with exactly the arguments it was given."""

    tool: str
    version: str
    arguments: tuple[str, ...]
    source: int | None = None

    def told(self) -> dict[str, Any]:
        """Return it as the derivation holds it."""
        told: dict[str, Any] = {
            "tool": self.tool,
            "version": self.version,
            "arguments": list(self.arguments),
        }
        return told if self.source is None else told | {"source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The derived file."""

    sha256: str
    size_bytes: int
    media_type: str


def shape_of(originals: Sequence[Original]) -> Shape:
    """Return the form of the cut: a leg's own, or two legs side by side at the higher rate."""
    if len(originals) == 1:
        one = originals[0]
        return Shape(rate_hz=one.rate_hz, channels=1 if one.channels == 1 else 2)
    return Shape(rate_hz=max(one.rate_hz for one in originals), channels=len(originals))


def samples_of(from_ms: int, to_ms: int | None, rate_hz: int) -> Samples:
    """Return the samples that lie whole within the milliseconds."""
    end = None if to_ms is None else to_ms * rate_hz // _MS
    return Samples(first=-(-from_ms * rate_hz // _MS), end=end)


def stretches_of(redactions: Sequence[Redaction], rate_hz: int) -> tuple[Stretch, ...]:
    """Return every sample that a redaction touches."""
    return tuple(
        Stretch(
            redaction=one,
            first=one.from_ms * rate_hz // _MS,
            end=-(-one.to_ms * rate_hz // _MS),
        )
        for one in redactions
    )


def beep(rate_hz: int) -> tuple[int, ...]:
    """Return the samples of the tone after which it repeats; that of number n is `n % length`."""
    length = rate_hz // gcd(rate_hz, BEEP_HZ)
    return tuple(round(BEEP_AMPLITUDE * sin(2 * pi * BEEP_HZ * n / rate_hz)) for n in range(length))


def own_steps(*, joined: bool, stretches: Sequence[Stretch], version: str) -> tuple[Step, ...]:
    """Return what is done to the decoded samples here."""
    found: list[tuple[str, ...]] = []
    if joined:
        found.append(("join", _JOIN))
    if stretches:
        hows = {stretch.redaction.how for stretch in stretches}
        words = [("silence: 0", How.SILENCE), (_BEEP, How.BEEP)]
        found.append(("redact", *(text for text, how in words if how in hows), _NUMBERS))
    found.append(("wav", _WAV))
    return tuple(Step(tool="audiatur", version=version, arguments=words) for words in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """A cut that was made: its recipe, and what came out."""

    originals: tuple[Original, ...]
    shape: Shape
    from_ms: int
    to_ms: int | None
    first_sample: int
    end_sample: int
    stretches: tuple[Stretch, ...]
    steps: tuple[Step, ...]
    output: Output

    def told(self, *, operator: str | None) -> dict[str, Any]:
        """Return the members of `derivation.json`; `operator` is who let it be made."""
        return {
            "v": VERSION,
            "kind": "clip",
            "sources": [_original(one) for one in self.originals],
            "range": {
                "from_ms": self.from_ms,
                "to_ms": self.to_ms,
                "from_sample": self.first_sample,
                "to_sample": self.end_sample,
                "sample_rate_hz": self.shape.rate_hz,
                "channels": self.shape.channels,
            },
            "redactions": [
                s.redaction.kept() | {"from_sample": s.first, "to_sample": s.end}
                for s in self.stretches
            ],
            "steps": [step.told() for step in self.steps],
            "output": _output(self.output),
            "operator": operator,
        }


def canonical(told: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of a derivation. Source: RFC 8785."""
    return rfc8785.dumps(dict(told))


def _original(one: Original) -> dict[str, Any]:
    return {
        "recording": one.recording,
        "leg": one.leg,
        "sha256": one.sha256,
        "size_bytes": one.size_bytes,
        "container": one.container,
        "codec": one.codec,
        "sample_rate_hz": one.sample_rate_hz,
        "channels": one.channels,
    }


def _output(output: Output) -> dict[str, Any]:
    return {
        "sha256": output.sha256,
        "size_bytes": output.size_bytes,
        "media_type": output.media_type,
    }
