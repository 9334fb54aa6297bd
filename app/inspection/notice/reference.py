"""A reference: the announcement as it is played, taken in once and searched for ever after."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from app.core.errors import Invalid
from app.inspection.notice.align import Prepared
from app.inspection.notice.features import (
    ALIGN,
    SAMPLE_RATE_HZ,
    SEARCH,
    Floats,
    Pcm,
    band_power,
    features,
    frame_power,
)
from app.inspection.notice.search import LONG_BLOCK_FRAMES, SHORT_BLOCK_FRAMES, Template
from app.inspection.notice.spans import bridged
from app.inspection.notice.waveform import band_limited

LEAST_SPEECH_S: Final = 2.5
LONGEST_S: Final = 60.0
# A longer pause between two sentences stays in; only both ends are trimmed.
_KEPT_AROUND: Final = 400
_SPEECH_BELOW_DB: Final = 24.0
_CLOSURE_S: Final = 0.2
_SILENT_DBFS: Final = -50.0
_MAGIC: Final = b"NREF"
_HEAD: Final = struct.Struct("<4sBI")
_FORM: Final = 1


class ReferenceRefused(Invalid):
    """The reference audio cannot be searched for."""

    slug: ClassVar[str] = "reference-refused"


class ReferenceTooShort(ReferenceRefused):
    """The reference audio holds too little speech to be told from other speech."""


class ReferenceTooLong(ReferenceRefused):
    """The reference audio is longer than an announcement may be."""


class ReferenceSilent(ReferenceRefused):
    """The reference audio is silent."""


class ReferenceNotSpeech(ReferenceRefused):
    """The reference audio is music, a tone or noise, not speech."""


class ReferenceDamaged(ReferenceRefused):
    """The kept reference is not in the form that `to_bytes` writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What tells speech from other sound.

    On 200 announcements of people and synthesisers, also behind GSM, AMR and Opus, the strongest
    partial stood still in at most 7 % of the frames (music and tones: 35 % and more), the balance
    of high to low bands ranged over at least 16 dB (noise: below 5 dB) and the level varied by
    at least 5 dB (music on hold and noise mostly by less).
    """

    standing: float
    balance_range_db: float
    level_deviation_db: float

    MOST_STANDING: ClassVar[float] = 0.15
    LEAST_BALANCE_RANGE_DB: ClassVar[float] = 10.0
    LEAST_LEVEL_DEVIATION_DB: ClassVar[float] = 3.5

    @property
    def are_of_speech(self) -> bool:
        return (
            self.standing <= self.MOST_STANDING
            and self.balance_range_db >= self.LEAST_BALANCE_RANGE_DB
            and self.level_deviation_db >= self.LEAST_LEVEL_DEVIATION_DB
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """A notice text's audio, trimmed to its speech; `sha256` is that of the trimmed samples.

    `source_sha256` is the digest of the file it was taken from, as the archive keeps it.
    `trimmed_ms` is how much was cut off in front.
    """

    text_id: str
    version: int
    source_sha256: str
    pcm: Pcm = field(repr=False)
    trimmed_ms: float = 0.0

    @classmethod
    def register(cls, pcm: Pcm, *, text_id: str, version: int, sha256: str) -> Self:
        """Take the decoded audio (8 kHz, one channel) in.

        Raises:
            ReferenceTooLong: more than a minute.
            ReferenceSilent: nothing above -50 dBFS.
            ReferenceTooShort: less than 2.5 s of speech: a few words occur in other sentences too.
            ReferenceNotSpeech: music, a tone or noise.
        """
        length_s = len(pcm) / SAMPLE_RATE_HZ
        if length_s > LONGEST_S:
            raise ReferenceTooLong(
                f"An announcement lasts at most {LONGEST_S:.0f} s; this lasts {length_s:.1f} s.",
                length_s=round(length_s, 3),
                longest_s=LONGEST_S,
            )
        if not len(pcm) or _loudest_dbfs(pcm) < _SILENT_DBFS:
            raise ReferenceSilent("No sound was found in it.")
        speech = speech_frames(pcm)
        # The closed lips of a "p" are a part of the speech.
        speech_s = float(bridged(speech, round(_CLOSURE_S / ALIGN.seconds)).sum()) * ALIGN.seconds
        if speech_s < LEAST_SPEECH_S:
            raise ReferenceTooShort(
                f"It takes at least {LEAST_SPEECH_S} s of speech; here there are {speech_s:.1f} s.",
                speech_s=round(speech_s, 3),
                least_s=LEAST_SPEECH_S,
            )
        traits = traits_of(pcm)
        if not traits.are_of_speech:
            raise ReferenceNotSpeech("What is heard in it does not vary as speech does.")
        spoken = np.flatnonzero(speech)
        first = max(int(spoken[0]) * ALIGN.hop - _KEPT_AROUND, 0)
        last = min(int(spoken[-1]) * ALIGN.hop + ALIGN.window + _KEPT_AROUND, len(pcm))
        return cls(
            text_id=text_id,
            version=version,
            source_sha256=sha256,
            pcm=np.ascontiguousarray(pcm[first:last], np.int16),
            trimmed_ms=first * 1000 / SAMPLE_RATE_HZ,
        )

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.pcm.astype("<i2").tobytes()).hexdigest()

    @property
    def length_ms(self) -> float:
        return len(self.pcm) * 1000 / SAMPLE_RATE_HZ

    @cached_property
    def speech(self) -> npt.NDArray[np.bool_]:
        """Return for every 5 ms whether there is speech."""
        return speech_frames(self.pcm)

    @cached_property
    def prepared(self) -> Prepared:
        return Prepared.of(self.pcm, self.speech)

    @cached_property
    def waveform(self) -> Floats:
        return band_limited(self.pcm)

    @cached_property
    def short_template(self) -> Template:
        return Template.of(features(self.pcm, SEARCH), block_frames=SHORT_BLOCK_FRAMES)

    @cached_property
    def long_template(self) -> Template:
        return Template.of(features(self.pcm, SEARCH), block_frames=LONG_BLOCK_FRAMES)

    def to_bytes(self) -> bytes:
        """Return the trimmed samples with a head; the rest of the facts is kept beside them."""
        trimmed = round(self.trimmed_ms * SAMPLE_RATE_HZ / 1000)
        return _HEAD.pack(_MAGIC, _FORM, trimmed) + self.pcm.astype("<i2").tobytes()

    @classmethod
    def from_bytes(cls, kept: bytes, *, text_id: str, version: int, sha256: str) -> Self:
        """Return what `to_bytes` wrote; `sha256` is that of the source, as at `register`.

        Raises:
            ReferenceDamaged: it was not written by `to_bytes`.
        """
        if len(kept) < _HEAD.size or len(kept) % 2 != _HEAD.size % 2:
            raise ReferenceDamaged("The kept reference is cut off.")
        magic, form, trimmed = _HEAD.unpack_from(kept)
        if magic != _MAGIC or form != _FORM:
            raise ReferenceDamaged("The kept reference has another form.")
        return cls(
            text_id=text_id,
            version=version,
            source_sha256=sha256,
            pcm=np.frombuffer(kept, "<i2", offset=_HEAD.size).astype(np.int16),
            trimmed_ms=trimmed * 1000 / SAMPLE_RATE_HZ,
        )


def speech_frames(pcm: Pcm) -> npt.NDArray[np.bool_]:
    """Return for every 5 ms whether it lies within 24 dB of the level of the speech."""
    power = frame_power(pcm, ALIGN).astype(np.float64)
    if not len(power):
        return np.zeros(0, np.bool_)
    active = power[power > power.max() * 1e-2].mean()
    return np.asarray(power > max(active * 10 ** (-_SPEECH_BELOW_DB / 10), 1e4))


def traits_of(pcm: Pcm) -> Traits:
    """Measure what tells speech from other sound."""
    power = band_power(pcm, SEARCH)
    total = power.sum(axis=1)
    active = total > total.max() * 1e-3
    half = power.shape[1] // 2
    balance = 10 * np.log10(
        (power[:, half + 4 :].sum(axis=1) + 1e3) / (power[:, : half - 2].sum(axis=1) + 1e3)
    )
    low, high = np.percentile(balance[active], (5, 95))
    return Traits(
        standing=_standing(pcm),
        balance_range_db=float(high - low),
        level_deviation_db=float((10 * np.log10(total[active] + 1e3)).std()),
    )


def _standing(pcm: Pcm) -> float:
    """Return in which share of the frames the strongest partial stays where it is for 130 ms."""
    size, hop = 1024, 128
    if len(pcm) < size + 8 * hop:
        return 0.0
    views = np.lib.stride_tricks.sliding_window_view(pcm, size)[::hop]
    spectra = np.abs(np.fft.rfft(views * np.hanning(size).astype(np.float32), axis=1))[:, 12:330]
    energy = np.square(spectra).sum(axis=1)
    active = energy > energy.max() * 1e-2
    strongest = spectra.argmax(axis=1)
    both = active[8:] & active[:-8]
    stays = (strongest[8:] == strongest[:-8]) & (strongest[4:-4] == strongest[:-8]) & both
    return float(stays.sum() / max(int(both.sum()), 1))


def _loudest_dbfs(pcm: Pcm) -> float:
    """Return the level of the loudest tenth of a second."""
    size = min(len(pcm), SAMPLE_RATE_HZ // 10)
    frames = pcm[: len(pcm) // size * size].reshape(-1, size).astype(np.float64)
    return float(10 * np.log10(np.square(frames).mean(axis=1).max() / 32768**2 + 1e-12))
