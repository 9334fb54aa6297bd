"""What is taken out is out to the sample, nothing else changes, and anybody can repeat it."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import subprocess
import sys
import tempfile
import warnings
import wave
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.consent.rules import Segment
from app.disputes.redactions import How, Redaction, Why, in_order
from app.disputes.service import ChannelMissing
from app.inspection.sandbox import Sandbox
from app.releases import cutting, derive, recipes
from app.releases.cutting import Cut, Source
from app.releases.derive import OriginalMissing, RecipeUnreadable
from app.releases.recipes import RATES_HZ, Original, Shape
from app.releases.redacting import redacted
from tests.factories import wav
from tests.inspection.conftest import CORPUS, corpus_lines, needs_corpus

SILENCE, BEEP = How.SILENCE, How.BEEP


def _redaction(
    from_ms: int, to_ms: int, how: How = SILENCE, channel: int | None = None
) -> Redaction:
    return Redaction(from_ms=from_ms, to_ms=to_ms, how=how, reason=Why.CARD_NUMBER, channel=channel)


def _source(
    body: bytes,
    *,
    leg: str = "mixed",
    form: tuple[str, str] = ("wav", "pcm_s16le"),
    rate_hz: int = 8000,
    channels: int = 1,
) -> Source:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - `_cut` closes it.
    file.write(body)
    file.flush()
    original = Original(
        recording="r",
        leg=leg,
        sha256=hashlib.sha256(body).hexdigest(),
        size_bytes=len(body),
        container=form[0],
        codec=form[1],
        sample_rate_hz=rate_hz,
        channels=channels,
    )
    return Source(original=original, file=file)


def _cut(
    sources: Sequence[Source],
    sandbox: Sandbox,
    spool: Path,
    *,
    segment: Segment | None = None,
    redactions: Sequence[Redaction] = (),
) -> tuple[bytes, Cut]:
    try:
        made = cutting.cut(
            sources,
            segment or Segment(0, None),
            redactions=redactions,
            sandbox=sandbox,
            spool=spool,
        )
    finally:
        for source in sources:
            source.file.close()
    with made.file as file:
        return file.read(), made


def _frames(body: bytes) -> npt.NDArray[np.int16]:
    with wave.open(io.BytesIO(body)) as opened:
        samples = np.frombuffer(opened.readframes(1 << 24), dtype="<i2")
        return samples.reshape(-1, opened.getnchannels())


def _loud(seconds: float, rate_hz: int, *, channels: int = 1) -> bytes:
    """Return a WAV in which no sample is zero or one of the tone's."""
    count = int(seconds * rate_hz)
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        ramp = 10_000 + np.arange(count * channels) % 5000
        file.writeframes(ramp.astype("<i2").tobytes())
    return written.getvalue()


def test_silence_is_exactly_as_long_as_asked(sandbox: Sandbox, tmp_path: Path) -> None:
    body = _loud(1.0, 8000)
    made, _ = _cut([_source(body)], sandbox, tmp_path, redactions=[_redaction(250, 500)])
    before, after = _frames(body), _frames(made)
    assert not after[2000:4000].any()
    assert np.array_equal(after[:2000], before[:2000])
    assert np.array_equal(after[4000:], before[4000:])


def test_a_beep_on_one_channel_leaves_the_other_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    body = _loud(1.0, 16_000, channels=2)
    asked = [_redaction(100, 200, BEEP, channel=1), _redaction(300, 400, channel=0)]
    source = _source(body, rate_hz=16_000, channels=2)
    made, _ = _cut([source], sandbox, tmp_path, redactions=asked)
    before, after = _frames(body), _frames(made)
    changed = before != after
    assert [list(np.flatnonzero(changed[:, n])[[0, -1]]) for n in (0, 1)] == [
        [4800, 6399],
        [1600, 3199],
    ]
    assert changed[:, 0].sum() == changed[:, 1].sum() == 1600
    tone = np.round(3276 * np.sin(2 * np.pi * 1000 * np.arange(1600, 3200) / 16_000))
    assert np.array_equal(after[1600:3200, 1], tone)


@given(
    pieces=st.lists(st.integers(1, 50), min_size=1, max_size=12),
    first=st.integers(0, 40),
    spans=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20)), max_size=3),
    channel=st.sampled_from([None, 0, 1]),
    how=st.sampled_from(How),
)
def test_pieces_do_not_matter(
    pieces: list[int],
    first: int,
    spans: list[tuple[int, int]],
    channel: int | None,
    how: How,
) -> None:
    shape = Shape(rate_hz=8000, channels=2)
    asked = in_order(_redaction(a, a + n, how, channel) for a, n in spans)
    stretches = recipes.stretches_of(asked, 8000)
    sound = np.full((sum(pieces), 2), 9, dtype="<i2").tobytes()
    edges = np.cumsum([0, *pieces]) * 4
    cut = [sound[a:b] for a, b in itertools.pairwise(edges)]
    whole = b"".join(redacted(iter([sound]), stretches, shape, first_sample=first))
    assert b"".join(redacted(iter(cut), stretches, shape, first_sample=first)) == whole
    for number, frame in enumerate(np.frombuffer(whole, dtype="<i2").reshape(-1, 2), start=first):
        hidden = any(one.first <= number < one.end for one in stretches)
        tone = 0 if how is SILENCE else recipes.beep(8000)[number % 8]
        expected = [tone if hidden and channel in (None, n) else 9 for n in (0, 1)]
        assert list(frame) == expected


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_cut_is_rounded_inwards_and_a_redaction_outwards(rate_hz: int) -> None:
    for ms in range(0, 2000, 7):
        cut = recipes.samples_of(ms, ms + 3, rate_hz)
        assert cut.end is not None
        assert cut.first * 1000 >= ms * rate_hz > (cut.first - 1) * 1000
        assert cut.end * 1000 <= (ms + 3) * rate_hz < (cut.end + 1) * 1000
        (out,) = recipes.stretches_of([_redaction(ms, ms + 3)], rate_hz)
        assert out.first <= cut.first
        assert out.end >= cut.end
        assert (out.first + 1) * 1000 > ms * rate_hz >= out.first * 1000


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_tone_does_not_hang_on_the_last_digit_of_a_sine(rate_hz: int) -> None:
    """Another library's sine differs by less than 1e-9; no sample lies so near to a half."""
    tone = recipes.beep(rate_hz)
    exact = [3276 * np.sin(2 * np.pi * 1000 * n / rate_hz) for n in range(len(tone))]
    assert min(abs(abs(value % 1) - 0.5) for value in exact) > 1e-6
    assert max(abs(a - b) for a, b in zip(tone, exact, strict=True)) <= 0.5
    assert len(tone) * 1000 % rate_hz == 0


def test_redactions_that_are_alike_are_merged_and_others_may_not_overlap() -> None:
    merged = in_order([_redaction(500, 700), _redaction(100, 300), _redaction(300, 400)])
    assert [(r.from_ms, r.to_ms) for r in merged] == [(100, 400), (500, 700)]
    apart = in_order([_redaction(0, 10, channel=0), _redaction(5, 15, BEEP, channel=1)])
    assert len(apart) == 2
    for other in (_redaction(5, 15, BEEP), _redaction(5, 15, channel=1)):
        with pytest.raises(ValueError, match="overlap"):
            in_order([_redaction(0, 10, channel=None), other])


def test_a_channel_that_is_not_there_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ChannelMissing):
        _cut([_source(wav())], sandbox, tmp_path, redactions=[_redaction(0, 5, channel=1)])


def test_a_clip_holds_the_samples_of_the_whole_even_where_a_leg_is_resampled(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    def legs() -> list[Source]:
        slow = _source(_loud(1.0, 8000), leg="sent")
        return [slow, _source(_loud(1.0, 16_000), leg="received", rate_hz=16_000)]

    whole, _ = _cut(legs(), sandbox, tmp_path)
    clip, made = _cut(legs(), sandbox, tmp_path, segment=Segment(301, 457))
    assert np.array_equal(_frames(clip), _frames(whole)[4816:7312])
    assert (made.derivation.first_sample, made.derivation.end_sample) == (4816, 7312)


def test_pydub_agrees_only_where_a_millisecond_is_whole_samples(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """So clips are not cut by it: at 44.1 kHz its cut begins before the part that was allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It imports a module that Python 3.13 left out.
        from pydub import AudioSegment  # noqa: PLC0415 - where its warning is let pass.
    for rate_hz, agrees in ((8000, True), (44_100, False)):
        body = _loud(0.5, rate_hz)
        source = _source(body, rate_hz=rate_hz)
        made, _ = _cut([source], sandbox, tmp_path, segment=Segment(101, 203))
        sound = AudioSegment(
            _frames(body).tobytes(), frame_rate=rate_hz, sample_width=2, channels=1
        )
        assert (sound[101:203].raw_data == _frames(made).tobytes()) is agrees


def _kept(tmp_path: Path, made: Cut) -> Path:
    path = tmp_path / "derivation.json"
    path.write_bytes(recipes.canonical(made.derivation.told(operator="p")))
    return path


def test_a_recipe_makes_the_same_bytes_again(sandbox: Sandbox, tmp_path: Path) -> None:
    bodies = {"sent": _loud(1.0, 8000), "received": _loud(0.9, 16_000)}
    rates = {"sent": 8000, "received": 16_000}
    sources = [_source(b, leg=leg, rate_hz=rates[leg]) for leg, b in bodies.items()]
    body, made = _cut(
        sources,
        sandbox,
        tmp_path,
        segment=Segment(100, 800),
        redactions=[_redaction(150, 250, BEEP), _redaction(400, 500, channel=1)],
    )
    recipe = _kept(tmp_path, made)
    told = json.loads(recipe.read_text())
    assert told["output"]["sha256"] == hashlib.sha256(body).hexdigest()
    assert told["output"]["size_bytes"] == len(body)
    assert [s["sha256"] for s in told["sources"]] == [
        hashlib.sha256(bodies[leg]).hexdigest() for leg in ("sent", "received")
    ]
    paths = []
    for leg, original in bodies.items():
        paths.append(tmp_path / leg)
        paths[-1].write_bytes(original)
    out = tmp_path / "again.wav"
    again = derive.rederive(recipe, [*reversed(paths), recipe], sandbox, out=out)
    assert again.is_same
    assert not again.differences
    assert out.read_bytes() == body
    told["redactions"][0]["to_ms"] += 1
    told["steps"][0]["version"] = "0"
    recipe.write_text(json.dumps(told))
    other = derive.rederive(recipe, paths, sandbox, out=out)
    assert not other.is_same
    assert len(other.differences) == 1
    with pytest.raises(OriginalMissing):
        derive.rederive(recipe, paths[:1], sandbox, out=out)


@pytest.mark.parametrize("text", ["", "[]", '{"v":2}', "[" * 100_000, '{"kind":"picture"}'])
def test_what_is_no_recipe_is_refused(sandbox: Sandbox, tmp_path: Path, text: str) -> None:
    recipe = tmp_path / "r"
    recipe.write_text(text)
    with pytest.raises(RecipeUnreadable):
        derive.rederive(recipe, [recipe], sandbox, out=tmp_path / "out")


def test_the_command_says_whether_it_is_the_same(sandbox: Sandbox, tmp_path: Path) -> None:
    body = _loud(0.5, 8000)
    made, cut = _cut([_source(body)], sandbox, tmp_path, redactions=[_redaction(10, 20)])
    recipe, original, out = _kept(tmp_path, cut), tmp_path / "call.wav", tmp_path / "out.wav"
    original.write_bytes(body)
    program = Path(sys.executable).with_name("audiatur")
    command: list[str | Path] = [program, "derive", recipe, original, "-o", out]
    done = _run(command)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "SAME"), done.stderr
    assert out.read_bytes() == made
    told = json.loads(recipe.read_text())
    told["output"]["sha256"] = "0" * 64
    recipe.write_text(json.dumps(told))
    done = _run(command)
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout


def _run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program.


@needs_corpus
def test_real_calls_are_derived_again_to_the_byte(tmp_path: Path) -> None:
    """Compressed calls too, in another sandbox than the first: nothing hangs on the run."""
    lines = {line["container"]: line for line in corpus_lines("manifest.jsonl")}
    wanted = {"wav": "wav", "mp3": "mp3", "ogg": "ogg"}
    assert wanted.keys() <= lines.keys()
    sandbox = Sandbox.detect()
    for container, form in wanted.items():
        line = lines[container]
        path = CORPUS / line["file"]
        source = _source(
            path.read_bytes(),
            form=(form, line["codec"]),
            rate_hz=line["sample_rate"],
            channels=line["channels"],
        )
        redactions = [_redaction(2500, 3500, BEEP), _redaction(4000, 4100)]
        body, made = _cut(
            [source], sandbox, tmp_path, segment=Segment(2000, 9000), redactions=redactions
        )
        assert made.duration_ms == 7000
        rate_hz = made.derivation.shape.rate_hz
        assert not _frames(body)[2 * rate_hz : 2 * rate_hz + rate_hz // 10].any()
        limited = Sandbox.detect(replace(sandbox.tools, bwrap=None))
        again = derive.rederive(_kept(tmp_path, made), [path], limited, out=tmp_path / "out")
        assert again.is_same
        assert not again.differences
