import numpy as np
import pytest

from app.core.errors import Invalid
from app.inspection.notice.reference import (
    Reference,
    ReferenceDamaged,
    ReferenceNotSpeech,
    ReferenceSilent,
    ReferenceTooLong,
    ReferenceTooShort,
)
from app.inspection.notice.sharing import shared_share
from tests.inspection.notice import sounds

_TIME_S = np.arange(8 * sounds.RATE_HZ) / sounds.RATE_HZ


def _register(pcm: sounds.Pcm) -> Reference:
    return Reference.register(pcm, text_id="text", version=3, sha256="ab" * 32)


def _chords() -> sounds.Pcm:
    notes = sum(
        np.sin(2 * np.pi * hz * _TIME_S) * np.exp(-3 * (_TIME_S % 0.5)) for hz in (220, 277, 330)
    )
    return np.asarray(notes * 6_000, np.int16)


@pytest.mark.parametrize(
    ("pcm", "refusal"),
    [
        (np.zeros(0, np.int16), ReferenceSilent),
        (sounds.silence(5), ReferenceSilent),
        (sounds.noise(1, seconds=5, level=0.0005), ReferenceSilent),
        (sounds.speech(1, seconds=0.2), ReferenceTooShort),
        (np.concatenate([sounds.speech(1, seconds=2), sounds.silence(20)]), ReferenceTooShort),
        (np.tile(sounds.speech(1, seconds=30), 20), ReferenceTooLong),
        (_chords(), ReferenceNotSpeech),
        (np.asarray(8_000 * np.sin(2 * np.pi * 440 * _TIME_S), np.int16), ReferenceNotSpeech),
        (sounds.noise(1, seconds=5, level=0.2), ReferenceNotSpeech),
    ],
    ids=["empty", "silence", "hum", "0.2 s", "2 s", "10 minutes", "music", "tone", "noise"],
)
def test_what_cannot_be_searched_for_is_refused(pcm: sounds.Pcm, refusal: type[Invalid]) -> None:
    with pytest.raises(refusal) as refused:
        _register(pcm)
    assert refused.type is refusal
    assert refused.value.detail


def test_silence_around_the_speech_is_cut_off_and_remembered() -> None:
    spoken = sounds.speech(4, seconds=4)
    padded = np.concatenate([sounds.silence(1), spoken, sounds.silence(2)])
    reference = _register(padded)
    assert 900 <= reference.trimmed_ms <= 1_200
    assert reference.length_ms <= 4_200
    first = round(reference.trimmed_ms * 8)
    assert np.array_equal(reference.pcm, padded[first : first + len(reference.pcm)])


def test_a_kept_reference_comes_back_the_same() -> None:
    reference = _register(np.concatenate([sounds.silence(1), sounds.speech(4, seconds=4)]))
    again = Reference.from_bytes(
        reference.to_bytes(), text_id="text", version=3, sha256=reference.source_sha256
    )
    assert np.array_equal(again.pcm, reference.pcm)
    assert (again.sha256, again.trimmed_ms) == (reference.sha256, reference.trimmed_ms)


@pytest.mark.parametrize(
    "kept", [b"", b"NREF", b"RIFF\x01\x00\x00\x00\x00\x01", b"NREF\x01\0\0\0\0a"]
)
def test_a_damaged_reference_is_refused(kept: bytes) -> None:
    with pytest.raises(ReferenceDamaged):
        Reference.from_bytes(kept, text_id="text", version=1, sha256="")


def test_references_that_share_their_sound_are_noticed() -> None:
    first, rest, other = (sounds.speech(seed, seconds=3) for seed in (1, 2, 3))
    one = _register(np.concatenate([first, rest]))
    half = _register(np.concatenate([first, other]))
    assert 0.35 < shared_share(one, half) < 0.65
    assert shared_share(one, one) > 0.99
    assert shared_share(one, _register(sounds.speech(7, seconds=6))) == 0
