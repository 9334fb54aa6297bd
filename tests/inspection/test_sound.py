"""Levels and talk: known sounds give known figures, however the samples arrive."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.inspection.levels import Level
from app.inspection.sound import (
    ChannelSound,
    Sound,
    SoundMeter,
    TalkInvalid,
    talk_from_bytes,
    talk_to_bytes,
)
from app.inspection.talk import Spans, together
from tests.inspection.conftest import CORPUS, corpus_lines, needs_corpus
from tests.inspection.sounds import RATE_HZ, Samples, decoded, noise, sine

MIXED = [
    line
    for line in corpus_lines("manifest.jsonl")
    if line["origin"] == "synthetic" and line["channels"] == 1 and not line["file"].endswith("amr")
]
# Ringing, music and voices in the background are no talk of a party, and the meter hears them so.
QUIET_AROUND = [
    line
    for line in MIXED
    if line["lead_in"]["type"] in {"silence", "ring"} and "babble" not in line["degradation"]
]
SPEECH = CORPUS / "d01.wav"


def measured(samples: Samples) -> Sound:
    meter = SoundMeter()
    meter.feed(samples)
    return meter.finish()


def only(samples: Samples) -> ChannelSound:
    (channel,) = measured(samples[:, None]).channels
    return channel


def long_sound(seconds: int) -> Samples:
    """Return two channels with all that is measured in them: tones, clipping, noise, silence."""
    parts = [
        sine(440, seconds=3.3, peak_dbfs=-12),
        np.zeros(RATE_HZ * 2 + 77, np.int16),
        np.clip(noise(seconds=2.1, dbfs=-6).astype(np.int32) * 3, -32_768, 32_767).astype(np.int16),
        noise(seconds=1.7, dbfs=-40),
    ]
    one = np.resize(np.concatenate(parts), seconds * RATE_HZ + 91)
    return np.stack((one, np.roll(one, 30_011)), axis=1)


LONG = long_sound(80)
LONG_MEASURED = measured(LONG)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 90_000), min_size=1, max_size=12))
def test_how_the_samples_arrive_changes_nothing(sizes: list[int]) -> None:
    meter, at, turn = SoundMeter(), 0, 0
    while at < len(LONG):
        size = sizes[turn % len(sizes)] + 997
        meter.feed(LONG[at : at + size])
        at, turn = at + size, turn + 1
    assert meter.finish() == LONG_MEASURED


def test_an_hour_in_odd_pieces_is_an_hour_in_one() -> None:
    hour = np.tile(LONG[:, :1], (45, 1))[: 3600 * RATE_HZ - 13]
    meter = SoundMeter()
    for at in range(0, len(hour), 77_777):
        meter.feed(hour[at : at + 77_777])
    found = meter.finish()
    assert found == measured(hour)
    assert found.duration_ms == round(len(hour) / 8)
    assert found.channels[0].level.clipped_runs > 1_000


def test_no_sound_has_no_figures() -> None:
    assert SoundMeter().finish() == Sound(
        duration_ms=0, loudness_lufs=None, channels=(), same=False
    )
    (channel,) = measured(np.zeros((0, 1), np.int16)).channels
    assert (channel.level.peak_dbfs, channel.level.silent_ms, channel.talk) == (None, 0, ())


@pytest.mark.parametrize("samples", [1, 159, 160, 161])
def test_less_than_a_frame_is_measured_too(samples: int) -> None:
    found = only(np.full(samples, 16_384, np.int16))
    assert found.level.peak_dbfs == -6.02
    assert found.level.silent_ms == 0
    assert only(np.zeros(samples, np.int16)).level.silent_ms == samples // 8


def test_the_channels_of_a_file_must_stay_as_many_and_be_eight_at_most() -> None:
    meter = SoundMeter()
    meter.feed(np.zeros((10, 2), np.int16))
    with pytest.raises(ValueError, match="has changed"):
        meter.feed(np.zeros((10, 1), np.int16))
    assert len(measured(np.ones((RATE_HZ, 8), np.int16)).channels) == 8
    with pytest.raises(ValueError, match="1 to 8"):
        SoundMeter().feed(np.zeros((10, 9), np.int16))


def clipping(*runs: list[int]) -> Level:
    """Return the levels of runs of samples, with a quiet sample between each two."""
    spaced: list[int] = []
    for run in runs:
        spaced += [100, *run]
    return only(np.array([*spaced, 100], np.int16)).level


def test_clipping_is_three_samples_in_a_row_at_one_end() -> None:
    top, bottom, a_law, mu_law = 32_767, -32_768, 32_256, -32_124
    assert clipping([top, top]).clipped_runs == 0
    found = clipping([top] * 3, [bottom] * 5, [top, top, bottom, bottom])
    assert (found.clipped_runs, found.clipped_samples) == (2, 8)
    assert clipping([a_law] * 3, [mu_law] * 3).clipped_runs == 2
    assert clipping([top] * 3 + [bottom] * 3).clipped_runs == 2
    assert clipping([31_000] * 9).clipped_runs == 0
    assert found.peak_dbfs == 0.0


def test_a_run_over_the_end_of_a_batch_is_one() -> None:
    sound = np.full(80_000, 100, np.int16)
    sound[39_990:40_010] = 32_767
    level = only(sound).level
    assert (level.clipped_runs, level.clipped_samples) == (1, 20)


def test_sound_driven_too_hard_is_clipped_and_the_same_sound_is_not() -> None:
    fine = sine(300, seconds=2, peak_dbfs=-1)
    hard = np.clip(fine.astype(np.int32) * 2, -32_768, 32_767).astype(np.int16)
    assert only(fine).level.clipped_runs == 0
    # Two tops in each of 600 periods.
    assert only(hard).level.clipped_runs == pytest.approx(1_200, abs=2)


def test_silence_is_counted_and_its_longest_stretch_found() -> None:
    tone = sine(440, seconds=1, peak_dbfs=-20)
    still = noise(seconds=1, dbfs=-75)
    sound = np.concatenate((still, tone, still, still, still, tone, still[:4_000]))
    level = only(sound).level
    assert level.silent_ms == 4_500
    assert level.longest_silence_ms == 3_000
    assert only(noise(seconds=3, dbfs=-50)).level.silent_ms == 0
    # Over the border of two batches it is one stretch.
    assert only(np.zeros(90_000, np.int16)).level.longest_silence_ms == 11_250


@pytest.mark.parametrize("dbfs", [-75, -60, -45, -30, -20])
def test_steady_noise_is_nobody(dbfs: float) -> None:
    assert only(noise(seconds=90, dbfs=dbfs)).talk == ()


def overlap_ms(one: Spans, other: Spans) -> int:
    return sum(max(min(a_end, b_end) - max(a, b), 0) for a, a_end in one for b, b_end in other)


def segments(line: dict[str, Any], *speakers: str) -> Spans:
    return tuple(
        (round(s["start_s"] * 1000), round(s["end_s"] * 1000))
        for s in line["segments"]
        if not speakers or s["speaker"] in speakers
    )


@needs_corpus
@pytest.mark.parametrize("line", QUIET_AROUND, ids=lambda line: line["file"])
def test_talk_is_where_the_manifest_says(line: dict[str, Any]) -> None:
    """Of 20 ms frames at most an eighth is said otherwise: ends of words and breaths in noise."""
    sound = measured(decoded(CORPUS / line["file"], 1))
    talk, truth = sound.channels[0].talk, segments(line)
    both = overlap_ms(talk, truth)
    missed = sum(b - a for a, b in truth) - both
    added = sum(b - a for a, b in talk) - both
    assert missed / sound.duration_ms < 0.13
    assert added / sound.duration_ms < 0.09


@needs_corpus
@pytest.mark.parametrize("gain_db", [-10, -20, -30])
def test_a_quiet_call_has_the_talk_of_a_loud_one(gain_db: float) -> None:
    loud = decoded(SPEECH, 1)
    quiet = np.rint(loud * 10 ** (gain_db / 20)).astype(np.int16)
    talk_ms = measured(quiet).channels[0].talk_ms
    assert talk_ms == pytest.approx(measured(loud).channels[0].talk_ms, rel=0.03)


@needs_corpus
def test_a_voice_after_two_minutes_of_noise_is_heard_and_the_noise_is_not() -> None:
    speech = decoded(SPEECH, 1)[:, 0]
    wait = noise(seconds=120, dbfs=-55)
    talk = only(np.concatenate((wait, speech))).talk
    alone = only(speech).talk
    assert talk[0][0] >= 120_000
    assert sum(b - a for a, b in talk) == pytest.approx(sum(b - a for a, b in alone), rel=0.05)


@needs_corpus
@pytest.mark.parametrize("other", ["zeros", "noise"])
def test_a_silent_side_of_a_stereo_call_says_nothing(other: str) -> None:
    speech = decoded(SPEECH, 1)[:, 0]
    rest = np.zeros_like(speech) if other == "zeros" else noise(seconds=60, dbfs=-58)[: len(speech)]
    sound = measured(np.stack((speech, rest), axis=1))
    assert sound.channels[0].talk == only(speech).talk
    assert sound.channels[1].talk == ()
    assert not sound.same
    assert (sound.channels[1].level.silent_ms == sound.duration_ms) == (other == "zeros")


@needs_corpus
def test_each_side_of_a_stereo_call_is_measured_by_itself() -> None:
    line = next(x for x in corpus_lines("manifest.jsonl") if x["file"] == "d21.au")
    sound = measured(decoded(CORPUS / "d21.au", 2))
    assert sound.same is False
    # The announcement comes from the called side.
    sides = {"caller": ("caller",), "callee": ("callee", "ivr")}
    for channel, role in zip(sound.channels, line["channel_roles"], strict=True):
        truth = segments(line, *sides[role])
        said = sum(b - a for a, b in truth)
        assert overlap_ms(channel.talk, truth) / said > 0.9
        assert channel.talk_ms / said < 1.1
    found = together([channel.talk for channel in sound.channels], sound.duration_ms)
    assert found.overlap_ms < 500
    assert found.shares[0] == pytest.approx(0.34, abs=0.05)


@needs_corpus
def test_the_same_sound_on_both_channels_tells_nobody_apart() -> None:
    assert measured(decoded(CORPUS / "d22.opus", 2)).same
    once = decoded(SPEECH, 1)
    twice = np.repeat(once, 2, axis=1)
    assert measured(twice).same
    twice[-1, 1] += 1
    assert not measured(twice).same


def test_together_counts_one_several_and_nobody() -> None:
    found = together([((0, 1_000), (3_000, 5_000)), ((500, 1_500), (4_000, 4_500))], 10_000)
    assert found.overlap_ms == 500 + 500
    assert found.silence_ms == 1_500 + 5_000
    assert found.longest_silence_ms == 5_000
    assert found.shares == (0.6667, 0.3333)
    nobody = together([(), ()], 4_000)
    assert (nobody.silence_ms, nobody.longest_silence_ms, nobody.shares) == (4_000, 4_000, (0, 0))
    assert together([((0, 10),)], 10).silence_ms == 0


spans = st.lists(st.integers(0, 500), max_size=14, unique=True).map(
    lambda bounds: tuple(zip(*[iter(sorted(bounds))] * 2, strict=False))
)


@given(st.lists(spans, min_size=1, max_size=4))
def test_together_agrees_with_counting_each_millisecond(voices: list[Spans]) -> None:
    talking = np.zeros(501, int)
    for voice in voices:
        for start, end in voice:
            talking[start:end] += 1
    found = together(voices, 501)
    assert found.overlap_ms == (talking > 1).sum()
    assert found.silence_ms == (talking == 0).sum()
    runs = "".join("s" if count == 0 else "t" for count in talking).split("t")
    assert found.longest_silence_ms == max(map(len, runs))


@given(st.lists(spans, max_size=8))
def test_kept_talk_is_read_again(voices: list[Spans]) -> None:
    assert talk_from_bytes(talk_to_bytes(voices)) == tuple(voices)


@pytest.mark.parametrize("data", [b"", b"PEAK", talk_to_bytes([])[:-3]])
def test_what_is_no_talk_is_refused(data: bytes) -> None:
    with pytest.raises(TalkInvalid):
        talk_from_bytes(data)
