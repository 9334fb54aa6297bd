import tracemalloc
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.inspection.notice.checks import METHOD_VERSION, Reason, Verdict
from app.inspection.notice.detector import Detector
from app.inspection.notice.hits import Hit
from app.inspection.notice.reference import Reference
from tests.inspection.notice import sounds

_NOTICE = sounds.speech(1, seconds=5)
_SECOND = sounds.RATE_HZ


def _registered(pcm: sounds.Pcm, text_id: str = "notice") -> Reference:
    return Reference.register(pcm, text_id=text_id, version=2, sha256="ab" * 32)


@lru_cache(maxsize=1)
def _reference() -> Reference:
    return _registered(_NOTICE)


def _talk(seed: int, seconds: float = 6) -> sounds.Pcm:
    return sounds.speech(100 + seed, seconds=seconds, pitch_hz=165)


def _search(
    samples: sounds.Pcm,
    *references: Reference,
    block: int = 10**9,
    joins_ms: tuple[int, ...] = (),
    whole: bool = False,
) -> list[Hit]:
    detector = Detector(references or (_reference(),), joins_ms=joins_ms, whole=whole)
    for at in range(0, len(samples), block):
        detector.feed(samples[at : at + block])
    return detector.finish()


def _believed(hits: list[Hit]) -> list[Hit]:
    return [hit for hit in hits if hit.verdict is not Verdict.REJECTED]


def test_a_notice_is_found_whole_where_it_was_played() -> None:
    (hit,) = _believed(_search(sounds.call(_talk(1, 7), _NOTICE, _talk(2))))
    assert hit.verdict is Verdict.FULL
    assert hit.complete
    assert hit.reasons == ()
    assert hit.origin_ms == pytest.approx(7_000, abs=2)
    assert hit.start_ms == pytest.approx(7_000, abs=150)
    assert hit.end_ms == pytest.approx(12_000, abs=150)
    assert hit.share > 0.98
    assert (hit.text_id, hit.version, hit.channel) == ("notice", 2, 0)
    assert (hit.method_version, hit.reference_sha256) == (METHOD_VERSION, _reference().sha256)


def test_a_second_playing_is_a_second_hit() -> None:
    hits = _believed(_search(sounds.call(_talk(1), _NOTICE, _talk(2), _NOTICE, _NOTICE)))
    assert [round(hit.origin_ms / 1000) for hit in hits] == [6, 17, 22]
    assert all(hit.complete for hit in hits)


def test_each_playing_of_many_is_found_wherever_blocks_end() -> None:
    samples = sounds.call(*[_NOTICE] * 30)
    origins = [round(hit.origin_ms) for hit in _believed(_search(samples)) if hit.complete]
    assert origins == [5_000 * number for number in range(30)]


def test_channels_are_searched_each_by_itself() -> None:
    near = sounds.call(_talk(1, 3), _NOTICE, _talk(2))
    far = sounds.call(_talk(3, len(near) / _SECOND))
    (hit,) = _believed(_search(np.hstack([far, near])))
    assert hit.channel == 1
    both = _believed(_search(np.hstack([near, near])))
    assert sorted(hit.channel for hit in both) == [0, 1]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.85])
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_part_is_never_complete(share: float, end: str) -> None:
    length = int(share * len(_NOTICE))
    part = _NOTICE[:length] if end == "first" else _NOTICE[-length:]
    hits = _search(sounds.call(_talk(1), part, _talk(2)))
    (hit,) = _believed(hits)
    assert hit.verdict is Verdict.PARTIAL
    assert not hit.complete
    assert Reason.PART_MISSING in hit.reasons
    assert hit.share == pytest.approx(share, abs=0.08)


def test_a_notice_cut_off_by_the_ends_of_the_recording_is_partial() -> None:
    late = _believed(_search(sounds.call(_NOTICE[2 * _SECOND :], _talk(1))))
    early = _believed(_search(sounds.call(_talk(1), _NOTICE[: 3 * _SECOND])))
    assert [hit.verdict for hit in late + early] == [Verdict.PARTIAL] * 2
    assert late[0].origin_ms == pytest.approx(-2_000, abs=2)
    assert late[0].start_ms < 300
    assert late[0].heard[0].reference_start_ms == pytest.approx(2_000, abs=300)


def _level(pcm: sounds.Pcm) -> float:
    return float(np.sqrt(np.mean(np.square(pcm.astype(float)))))


def _instead(kind: str, gone: sounds.Pcm) -> sounds.Pcm:
    """Return what stands in the place of a word: as loud as it was, or as loud as is said."""
    seconds = len(gone) / _SECOND
    loud = 3.0 if kind.startswith("loud") else 1.0
    if kind == "silence":
        return np.zeros_like(gone)
    if kind.endswith("noise"):
        made = sounds.noise(91, seconds=seconds, level=0.1)
    elif kind.endswith("beep"):
        made = np.sin(2 * np.pi * 800 * np.arange(len(gone)) / _SECOND) * 3_000
    elif kind == "other voice":
        made = sounds.speech(55, seconds=seconds, pitch_hz=165)
    else:
        made = sounds.speech(56, seconds=seconds)
    made = np.asarray(made[: len(gone)], float)
    return np.asarray(np.clip(made * loud * _level(gone) / _level(made), -32_768, 32_767), np.int16)


@pytest.mark.parametrize(
    "kind", ["silence", "noise", "loud noise", "beep", "loud beep", "other voice", "same voice"]
)
@pytest.mark.parametrize("at_s", [1.0, 2.0, 3.2])
@pytest.mark.parametrize("snr_db", [None, 5])
def test_a_word_that_is_gone_is_never_complete(kind: str, at_s: float, snr_db: int | None) -> None:
    gapped = _NOTICE.copy()
    first, length = int(at_s * _SECOND), int(0.45 * _SECOND)
    gapped[first : first + length] = _instead(kind, gapped[first : first + length])
    samples = sounds.call(_talk(1), gapped, _talk(2))
    if snr_db is not None:
        level = _level(_NOTICE) / 32_767 * 10 ** (-snr_db / 20)
        hum = sounds.noise(92, seconds=len(samples) / _SECOND + 1, level=level)
        samples = np.asarray(samples + hum[: len(samples), None], np.int16)
    hits = _believed(_search(samples))
    assert hits
    assert not any(hit.complete for hit in hits)
    assert all(Reason.GAP in hit.reasons for hit in hits if hit.share > 0.6)


@pytest.mark.parametrize("at_s", [1.0, 2.0, 3.2])
def test_the_same_sounds_over_a_word_that_was_played_leave_it_complete(at_s: float) -> None:
    covered = _NOTICE.copy()
    first, length = int(at_s * _SECOND), int(0.45 * _SECOND)
    word = covered[first : first + length]
    over = _instead("noise", word)
    covered[first : first + length] = np.clip(word.astype(int) + over, -32_768, 32_767)
    (hit,) = _believed(_search(sounds.call(_talk(1), covered, _talk(2))))
    assert hit.complete


@pytest.mark.parametrize("shift_ms", [-40, -20, 20, 40])
def test_a_jitter_buffer_and_lost_packets_beside_its_jump_leave_it_complete(shift_ms: int) -> None:
    at, shift = int(2.1 * _SECOND), shift_ms * 8
    moved = np.concatenate(
        [_NOTICE[:at], np.zeros(max(shift, 0), np.int16), _NOTICE[at - min(shift, 0) :]]
    )
    # One packet is lost, the next a repetition.
    moved[at + 480 : at + 640] = 0
    moved[at - 640 : at - 480] = moved[at - 800 : at - 640] // 2
    (hit,) = _believed(_search(sounds.call(_talk(1), moved, _talk(2))))
    assert hit.complete


def _moved(pcm: sounds.Pcm, *jumps: tuple[float, int]) -> sounds.Pcm:
    """Return the sound with silence inserted (ms above 0) or some dropped at the places."""
    pieces, begin = [], 0
    for at_s, ms in jumps:
        at = int(at_s * _SECOND)
        pieces += [pcm[begin:at], np.zeros(max(ms, 0) * 8, np.int16)]
        begin = at - min(ms, 0) * 8
    return np.concatenate([*pieces, pcm[begin:]])


@pytest.mark.parametrize(
    "jumps",
    [
        # Between two jumps, too short for the first look to find.
        ((2.0, -40), (2.45, 40)),
        # The last words at a lag of their own.
        ((4.75, 40),),
        ((4.7, -40),),
    ],
)
def test_words_at_a_lag_of_their_own_are_heard_by_the_second_look(
    jumps: tuple[tuple[float, int], ...],
) -> None:
    (hit,) = _believed(_search(sounds.call(_talk(1), _moved(_NOTICE, *jumps), _talk(2))))
    assert hit.complete
    assert hit.share > 0.99


@pytest.mark.parametrize("kind", ["silence", "noise", "loud noise", "other voice", "same voice"])
@pytest.mark.parametrize("shift_ms", [-40, 40])
def test_other_sound_between_two_jumps_is_never_complete(kind: str, shift_ms: int) -> None:
    replaced = _NOTICE.copy()
    first, after = 2 * _SECOND, int(2.45 * _SECOND)
    replaced[first:after] = _instead(kind, replaced[first:after])
    moved = _moved(replaced, (2.0, shift_ms), (2.45, -shift_ms))
    hits = _believed(_search(sounds.call(_talk(1), moved, _talk(2))))
    assert hits
    assert not any(hit.complete for hit in hits)


# A word by the same voice in place of one 40 ms longer or shorter, as a jitter buffer might jump.
@pytest.mark.parametrize(
    ("at_s", "longer_ms"), [(1.0, -40), (3.2, -40), (3.2, 40), (2.0, 40), (2.0, -40)]
)
def test_a_word_exchanged_for_one_of_another_length_is_never_complete(
    at_s: float, longer_ms: int
) -> None:
    first, after = int(at_s * _SECOND), int((at_s + 0.25) * _SECOND)
    other = sounds.speech(56, seconds=1)[1_200 : 1_200 + after - first + longer_ms * 8]
    other = np.asarray(other * (_level(_NOTICE[first:after]) / _level(other)), np.int16)
    exchanged = np.concatenate([_NOTICE[:first], other, _NOTICE[after:]])
    hits = _believed(_search(sounds.call(_talk(1), exchanged, _talk(2))))
    assert hits
    assert not any(hit.complete for hit in hits)
    assert all(Reason.INTERRUPTED in hit.reasons for hit in hits if hit.share > 0.6)


@pytest.mark.parametrize("pause_s", [0.08, 0.1, 0.25, 1.0, 4.0])
@pytest.mark.parametrize("pitch_hz", [120.0, 165.0])
def test_an_interrupted_notice_is_never_complete(pause_s: float, pitch_hz: float) -> None:
    half = len(_NOTICE) // 2
    word = sounds.speech(77, seconds=pause_s, pitch_hz=pitch_hz)
    hits = _search(sounds.call(_talk(1), _NOTICE[:half], word, _NOTICE[half:], _talk(2)))
    assert _believed(hits)
    assert not any(hit.complete for hit in hits)


def test_other_words_of_the_same_voice_are_no_match() -> None:
    for seed in range(2, 6):
        other = sounds.speech(seed, seconds=5)
        assert _believed(_search(sounds.call(_talk(1), other, _talk(2)))) == []


def test_the_same_words_at_another_pitch_are_no_match() -> None:
    again = sounds.speech(1, seconds=5, pitch_hz=128)
    assert _believed(_search(sounds.call(_talk(1), again, _talk(2)))) == []


def test_the_same_words_faster_are_not_complete() -> None:
    places = np.arange(0, len(_NOTICE) - 1, 1.08)
    faster = np.interp(places, np.arange(len(_NOTICE)), _NOTICE).astype(np.int16)
    assert not any(hit.complete for hit in _search(sounds.call(_talk(1), faster, _talk(2))))


def test_a_clock_that_drifts_is_followed_and_told() -> None:
    places = np.arange(0, len(_NOTICE) - 1, 1 - 0.0012)
    slower = np.interp(places, np.arange(len(_NOTICE)), _NOTICE).astype(np.int16)
    (hit,) = _believed(_search(sounds.call(_talk(1), slower, _talk(2))))
    assert hit.complete
    assert hit.clock_ppm == pytest.approx(1_200, abs=400)


def test_a_quiet_notice_under_noise_as_loud_is_found() -> None:
    quiet = np.asarray(_NOTICE * 0.1, np.int16)
    level = float(np.sqrt(np.mean(np.square(quiet.astype(float))))) / 32767
    lead = sounds.silence(4)
    made = np.concatenate([lead, quiet, lead])
    made = made + sounds.noise(5, seconds=len(made) / _SECOND + 1, level=level)[: len(made)]
    (hit,) = _believed(_search(np.asarray(made, np.int16)[:, None]))
    assert hit.origin_ms == pytest.approx(4_000, abs=20)


def test_a_partial_of_one_text_within_a_complete_other_is_explained_by_it() -> None:
    half_way = np.concatenate([_NOTICE[: 3 * _SECOND], sounds.speech(31, seconds=3)])
    sibling = _registered(half_way, "sibling")
    hits = _search(sounds.call(_talk(1), _NOTICE, _talk(2)), _reference(), sibling)
    by_text = {hit.text_id: hit for hit in hits}
    assert by_text["notice"].complete
    assert by_text["sibling"].verdict is Verdict.REJECTED
    assert Reason.EXPLAINED_BY_OTHER_TEXT in by_text["sibling"].reasons


def test_only_the_windows_are_searched() -> None:
    long = np.concatenate([_talk(k, 40) for k in range(10)])
    samples = sounds.call(_talk(11), _NOTICE, long[: 340 * _SECOND], _NOTICE, _talk(12))
    first, second = 6_000, 351_000
    origins = [round(hit.origin_ms, -2) for hit in _believed(_search(samples))]
    assert origins == [first]
    after_join = _believed(_search(samples, joins_ms=(345_000,)))
    assert [round(hit.origin_ms, -2) for hit in after_join] == [first, second]
    everything = _believed(_search(samples, whole=True))
    assert [round(hit.origin_ms, -2) for hit in everything] == [first, second]


@lru_cache(maxsize=1)
def _long_call() -> tuple[sounds.Pcm, list[Hit]]:
    talk = [_talk(seed, 25) for seed in range(3)]
    samples = sounds.call(talk[0], _NOTICE, talk[1], _NOTICE[: 3 * _SECOND], talk[2], _NOTICE)
    return samples, _search(samples)


@given(block=st.integers(min_value=700, max_value=900_000))
@settings(max_examples=6, deadline=None)
def test_how_the_samples_are_cut_changes_nothing(block: int) -> None:
    samples, expected = _long_call()
    assert len(_believed(expected)) == 3
    assert _search(samples, block=block) == expected


def test_a_search_repeated_gives_the_same() -> None:
    samples, expected = _long_call()
    assert _search(samples) == expected


def test_memory_does_not_grow_with_the_call() -> None:
    minute = sounds.call(_talk(1, 60))

    def peak(minutes: int) -> int:
        detector = Detector([_reference()], whole=True)
        tracemalloc.start()
        for _ in range(minutes):
            detector.feed(minute)
        detector.finish()
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(3)
    assert peak(15) < peak(3) * 1.1 + 200_000


def test_no_reference_finds_nothing_and_silence_holds_none() -> None:
    detector = Detector([])
    detector.feed(sounds.call(_NOTICE))
    assert detector.finish() == []
    assert _search(sounds.silence(30)[:, None]) == []
    assert Detector([_reference()]).finish() == []


def test_samples_of_another_shape_are_refused() -> None:
    detector = Detector([_reference()])
    with pytest.raises(ValueError, match="one column"):
        detector.feed(_NOTICE)
    detector.feed(np.zeros((10, 2), np.int16))
    with pytest.raises(ValueError, match="number of channels"):
        detector.feed(np.zeros((10, 1), np.int16))
    detector.finish()
    with pytest.raises(ValueError, match="finished"):
        detector.feed(np.zeros((10, 2), np.int16))
    with pytest.raises(ValueError, match="channels"):
        Detector([_reference()]).feed(np.zeros((10, 9), np.int16))
