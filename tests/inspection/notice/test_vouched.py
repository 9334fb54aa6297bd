"""A syllable under louder sound was played or was not; six bands of the sound tell."""

from functools import lru_cache

import numpy as np
import pytest

from app.inspection.notice.checks import Reason, Verdict
from app.inspection.notice.detector import Detector
from app.inspection.notice.hits import Hit
from app.inspection.notice.reference import Reference
from app.inspection.notice.thresholds import Thresholds
from tests.inspection.notice import sounds

_NOTICE = sounds.speech(1, seconds=5)
_SECOND = sounds.RATE_HZ


@lru_cache(maxsize=1)
def _reference() -> Reference:
    return Reference.register(_NOTICE, text_id="notice", version=1, sha256="ab" * 32)


def _hit(announced: sounds.Pcm, **limits: float) -> Hit:
    talk = sounds.speech(101, seconds=4, pitch_hz=165)
    detector = Detector([_reference()], limits=Thresholds(**limits))
    detector.feed(np.asarray(sounds.call(talk, announced, talk), np.int16))
    (hit,) = [hit for hit in detector.finish() if hit.verdict is not Verdict.REJECTED]
    return hit


def _without(announced: sounds.Pcm) -> Hit:
    """Search without this look."""
    return _hit(announced, vouched_from=2.0)


def _hum(first: int, after: int, *, above_db: float, seed: int) -> np.ndarray:
    """Return noise from 200 to 1250 Hz, so much louder than the notice is there."""
    count = after - first
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    at_hz = np.fft.rfftfreq(count, 1 / _SECOND)
    spectrum[(at_hz < 200) | (at_hz > 1_250)] = 0
    made = np.fft.irfft(spectrum, count)
    level = np.sqrt(np.mean(np.square(_NOTICE[first:after].astype(float))))
    return np.asarray(made / np.sqrt(np.mean(made**2)) * level * 10 ** (above_db / 20))


def _covered(at_s: float, length_s: float, *, instead: sounds.Pcm | None = None) -> sounds.Pcm:
    first = int(at_s * _SECOND)
    after = first + int(length_s * _SECOND)
    made = _NOTICE.astype(float)
    if instead is not None:
        made[first:after] = instead[first:after]
    made[first:after] += _hum(first, after, above_db=20, seed=int(at_s * 10))
    return np.asarray(np.clip(made, -32_768, 32_767), np.int16)


@pytest.mark.parametrize("at_s", [0.8, 1.3, 1.9, 2.4, 3.1, 3.7])
@pytest.mark.parametrize("length_s", [0.3, 0.35])
def test_a_syllable_covered_where_waveforms_are_compared_is_heard_above(
    at_s: float, length_s: float
) -> None:
    covered = _covered(at_s, length_s)
    assert _without(covered).reasons == (Reason.GAP,)
    hit = _hit(covered)
    assert hit.complete
    assert hit.share == 1.0


@pytest.mark.parametrize("at_s", [0.8, 1.3, 1.9, 2.4, 3.1, 3.7])
@pytest.mark.parametrize(
    "instead",
    [sounds.speech(56, seconds=5), np.zeros_like(_NOTICE), np.roll(_NOTICE, _SECOND)],
    ids=["another word", "nothing", "another word of the notice"],
)
def test_under_the_same_sound_nothing_vouches_for_what_was_not_played(
    at_s: float, instead: sounds.Pcm
) -> None:
    # A gap still: it is this look that says no, and not the third one after it.
    assert _hit(_covered(at_s, 0.3, instead=instead)).reasons == (Reason.GAP,)


def test_a_hole_with_room_for_a_word_and_more_is_not_vouched_for() -> None:
    covered = _covered(1.3, 0.6)
    assert Reason.GAP in _hit(covered).reasons
    assert Reason.GAP not in _hit(covered, vouched_s=1.0).reasons


def test_of_an_announcement_only_so_much_is_believed_on_such_evidence() -> None:
    covered = _covered(0.8, 0.3)
    assert _hit(covered).complete
    assert _hit(covered, vouched_share=0.03).reasons == (Reason.GAP,)


def test_where_the_sound_is_so_loud_that_it_tells_nothing_nothing_is_believed() -> None:
    covered = _covered(0.8, 0.3)
    assert _hit(covered, vouched_power=100.0).reasons == (Reason.GAP,)
