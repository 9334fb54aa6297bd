"""A syllable exchanged is no longer than a lost packet; the third look tells the two apart."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from app.inspection.notice.align import MARGIN_SAMPLES
from app.inspection.notice.checks import Reason, Verdict
from app.inspection.notice.contrary import contradicted
from app.inspection.notice.course import Stretch, follow
from app.inspection.notice.detector import Detector
from app.inspection.notice.features import ALIGN
from app.inspection.notice.hits import Hit
from app.inspection.notice.reference import Reference
from app.inspection.notice.thresholds import Thresholds
from tests.inspection.notice import sounds

Frames = np.ndarray[Any, np.dtype[np.float64]]

_NOTICE = sounds.speech(1, seconds=5)
_SECOND = sounds.RATE_HZ


@lru_cache(maxsize=1)
def _reference() -> Reference:
    return Reference.register(_NOTICE, text_id="notice", version=1, sha256="ab" * 32)


def _call(announced: sounds.Pcm) -> sounds.Pcm:
    """Return a call in which it begins after four seconds."""
    talk = sounds.speech(101, seconds=4, pitch_hz=165)
    return sounds.call(talk, announced, talk)


def _hit(announced: sounds.Pcm) -> Hit:
    return _heard_in(_call(announced))


def _heard_in(samples: sounds.Pcm) -> Hit:
    detector = Detector([_reference()])
    detector.feed(np.asarray(samples, np.int16))
    (hit,) = [hit for hit in detector.finish() if hit.verdict is not Verdict.REJECTED]
    return hit


def _exchanged(at_s: float, length_s: float, *, seed: int = 56, take_s: float = 0.3) -> sounds.Pcm:
    """Return the notice with other sound of that voice, as loud, in the place of so much of it."""
    first, length = int(at_s * _SECOND), int(length_s * _SECOND)
    begin = int(take_s * _SECOND)
    other = sounds.speech(seed, seconds=2)[begin : begin + length].astype(float)
    gone = _NOTICE[first : first + length].astype(float)
    made = _NOTICE.copy()
    made[first : first + length] = other * np.sqrt(np.mean(gone**2) / np.mean(other**2))
    return made


@pytest.mark.parametrize("at_s", [0.8, 1.3, 1.9, 2.4, 3.1, 3.7])
@pytest.mark.parametrize("length_s", [0.1, 0.13])
def test_a_syllable_exchanged_for_one_as_long_is_never_complete(
    at_s: float, length_s: float
) -> None:
    hit = _hit(_exchanged(at_s, length_s))
    assert hit.verdict is Verdict.PARTIAL
    assert hit.reasons == (Reason.INTERRUPTED,)
    assert hit.share > 0.9


@pytest.mark.parametrize("at_s", [0.8, 2.4, 3.7])
def test_the_place_of_the_other_sound_is_named(at_s: float) -> None:
    hit = _hit(_exchanged(at_s, 0.1))
    (before, behind) = hit.heard
    assert before.reference_end_ms == pytest.approx(at_s * 1000, abs=60)
    assert behind.reference_start_ms == pytest.approx((at_s + 0.1) * 1000, abs=60)
    assert behind.start_ms - before.end_ms == pytest.approx(100, abs=60)


def _other_above(at_hz: float, first: int, after: int) -> sounds.Pcm:
    """Return the notice with other sound above the frequency, as loud, between two samples."""
    window = slice(first - 400, after + 400)
    spectra = [np.fft.rfft(sound[window].astype(float)) for sound in (_NOTICE, _backwards())]
    above = np.fft.rfftfreq(after - first + 800, 1 / _SECOND) > at_hz
    spectra[0][above] = 0
    spectra[1][~above] = 0
    low, high = (np.fft.irfft(spectrum, after - first + 800) for spectrum in spectra)
    whole = np.asarray(np.clip(low + high, -32_768, 32_767), np.int16)
    made = _NOTICE.copy()
    made[first:after] = whole[400:-400]
    return made


def _backwards() -> sounds.Pcm:
    return np.asarray(_NOTICE[::-1], np.int16)


def test_a_consonant_is_told_by_what_lies_above_the_compared_waveform() -> None:
    first = int(2.0 * _SECOND)
    hit = _hit(_other_above(1_250, first, first + 1_200))
    assert hit.reasons == (Reason.INTERRUPTED,)


@pytest.mark.parametrize("packets", [1, 2, 3])
@pytest.mark.parametrize("is_repeated", [True, False])
@pytest.mark.parametrize("at_s", [0.9, 2.1, 3.4])
def test_packets_lost_are_no_other_sound(
    packets: int,
    is_repeated: bool,  # noqa: FBT001 - a parameter of the test.
    at_s: float,
) -> None:
    lossy = _call(_NOTICE)
    first = int((4 + at_s) * _SECOND)
    for at in range(first, first + packets * 160, 160):
        lossy[at : at + 160] = lossy[at - 160 : at] * 0.6 if is_repeated else 0
    assert _heard_in(lossy).complete


def _moved(*jumps: tuple[float, int]) -> sounds.Pcm:
    pieces, begin = [], 0
    for at_s, ms in jumps:
        at = int(at_s * _SECOND)
        pieces += [_NOTICE[begin:at], np.zeros(max(ms, 0) * 8, np.int16)]
        begin = at - min(ms, 0) * 8
    return np.concatenate([*pieces, _NOTICE[begin:]])


@pytest.mark.parametrize(
    "jumps",
    [
        ((2.0, -20), (2.2, 40)),
        ((1.0, 40), (1.2, -20)),
        ((3.0, 20), (3.15, 20), (3.3, -40)),
    ],
)
def test_jumps_that_follow_each_other_closely_are_no_other_sound(
    jumps: tuple[tuple[float, int], ...],
) -> None:
    assert _hit(_moved(*jumps)).complete


def _through_an_exchange(sound: sounds.Pcm) -> sounds.Pcm:
    """Return it through filters from 300 to 3400 Hz that delay low tones by a millisecond."""
    at = 1j * np.maximum(np.fft.rfftfreq(len(sound), 1 / _SECOND), 1e-3)
    passed = np.ones(len(at), np.complex128)
    for damping in (0.7654, 1.8478):
        low, high = at / 300, at / 3_400
        passed *= low**2 / (low**2 + damping * low + 1) / (high**2 + damping * high + 1)
    made = np.fft.irfft(np.fft.rfft(sound) * passed, len(sound))
    return np.asarray(np.clip(made, -32_768, 32_767), np.int16)


def test_a_line_that_delays_low_tones_contradicts_nothing() -> None:
    assert _hit(_through_an_exchange(_NOTICE)).complete


@pytest.mark.parametrize("at_s", [0.8, 1.9, 3.1])
def test_a_syllable_exchanged_is_told_on_such_a_line_too(at_s: float) -> None:
    hit = _hit(_through_an_exchange(_exchanged(at_s, 0.13)))
    assert hit.reasons == (Reason.INTERRUPTED,)


def _coded(kept: float) -> sounds.Pcm:
    """Return the notice by a coder that guesses the phases above 800 Hz of most of its frames."""
    random = np.random.default_rng(1)
    made, window = np.zeros(len(_NOTICE)), np.hanning(161)[:160]
    guessed = np.fft.rfftfreq(160, 1 / _SECOND) > 800
    for at in range(0, len(_NOTICE) - 160, 80):
        spectrum = np.fft.rfft(_NOTICE[at : at + 160] * window)
        if random.random() > kept:
            spectrum[guessed] *= np.exp(1j * random.uniform(-np.pi, np.pi, guessed.sum()))
        made[at : at + 160] += np.fft.irfft(spectrum, 160)
    return np.asarray(np.clip(made, -32_768, 32_767), np.int16)


def _contradicted(sound: sounds.Pcm, *, lag: Callable[[Frames], Frames]) -> bool:
    """Tell whether the sound, found along the path, is contradicted as the notice."""
    margin = sounds.silence(MARGIN_SAMPLES / _SECOND)
    frames = np.arange(ALIGN.frames(len(_NOTICE)))
    foreign = contradicted(
        lag(frames.astype(float)),
        _NOTICE,
        np.concatenate([margin, sound, margin]),
        np.ones(len(frames), np.bool_),
        limits=Thresholds(),
    )
    return bool(foreign.any())


@pytest.mark.parametrize("kept", [0.35, 0.5])
def test_how_much_may_speak_against_it_depends_on_how_the_rest_came_through(kept: float) -> None:
    assert not _contradicted(_coded(kept), lag=np.zeros_like)


@pytest.mark.parametrize("at_s", [1.9, 2.4, 3.1])
def test_on_a_clean_line_little_is_enough(at_s: float) -> None:
    assert _contradicted(_exchanged(at_s, 0.07), lag=np.zeros_like)


@pytest.mark.parametrize("period", [8_000, 16_000])
def test_a_clock_that_wavers_within_half_a_millisecond_contradicts_nothing(period: int) -> None:
    places = np.arange(len(_NOTICE))
    wavering = places + 3 * np.sin(2 * np.pi * places / period)
    sound = np.asarray(np.interp(wavering, places, _NOTICE), np.int16)
    assert not _contradicted(sound, lag=np.zeros_like)


@pytest.mark.parametrize("at_s", [0.8, 1.9, 2.4, 3.7])
def test_a_path_that_wavers_with_what_is_said_is_straightened(at_s: float) -> None:
    def wavering(frames: Frames) -> Frames:
        # Single frames sit a period of the voice aside, too.
        return 10 * np.sin(frames / 25) + np.where(frames % 25 < 2, 67, 0)

    assert not _contradicted(_NOTICE, lag=wavering)
    assert _contradicted(_exchanged(at_s, 0.08), lag=wavering)


def test_where_the_announcement_lies_nowhere_nothing_vouches_for_the_words() -> None:
    astray = np.random.default_rng(2).choice((-300, -200, -100, 100, 200, 300), 50)
    assert _contradicted(_NOTICE, lag=lambda frames: astray[frames.astype(int) // 40] * 1.0)
    assert not _contradicted(_NOTICE, lag=np.zeros_like)


@pytest.mark.parametrize("frames", [1, 3, 300])
def test_a_stretch_of_any_length_is_followed(frames: int) -> None:
    margin = np.zeros(MARGIN_SAMPLES + 100)
    notice = _NOTICE.astype(float)
    stretch = Stretch(
        first=400, after=400 + frames, before=100, behind=None, lowest=95, highest=105
    )
    course = follow(notice, np.concatenate([margin, notice, margin]), stretch)
    assert course.tolist() == [100] * frames
