"""Begin where the announcement was heard whole, break one thing, expect the reason."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from app.inspection.notice.align import Alignment
from app.inspection.notice.checks import Findings, Reason, Verdict, interrupted, judge
from app.inspection.notice.thresholds import Thresholds
from app.inspection.notice.waveform import FineMatch

# Five seconds in steps of 5 ms.
_FRAMES = 1_000


@dataclass
class _World:
    """A whole playing on a clean line; a test spoils what it is about."""

    constant: float = 0.9
    correlation: np.ndarray[Any, Any] = field(default_factory=lambda: np.full(_FRAMES, 0.95))
    gain: np.ndarray[Any, Any] = field(default_factory=lambda: np.ones(_FRAMES))
    lag: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros(_FRAMES))
    pieces: np.ndarray[Any, Any] = field(default_factory=lambda: np.full(_FRAMES, 0.95))
    brief: np.ndarray[Any, Any] = field(default_factory=lambda: np.full(_FRAMES, 0.3))
    brief_gain: np.ndarray[Any, Any] = field(default_factory=lambda: np.full(_FRAMES, 0.3))
    speech: np.ndarray[Any, Any] = field(default_factory=lambda: np.ones(_FRAMES, np.bool_))
    followed: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros(_FRAMES, np.bool_))

    def judged(self) -> Findings:
        return judge(
            Alignment(lag=np.zeros(_FRAMES), constant=self.constant),
            FineMatch(
                correlation=self.correlation,
                gain=self.gain,
                brief=self.brief,
                brief_gain=self.brief_gain,
                lag=self.lag,
                pieces=self.pieces,
                followed=self.followed,
            ),
            self.speech,
            limits=Thresholds(),
        )


def test_all_of_it_is_full() -> None:
    findings = _World().judged()
    assert (findings.verdict, findings.reasons) == (Verdict.FULL, ())
    assert findings.share == 1


@pytest.mark.parametrize("sameness", [0.0, 0.3, 0.45])
def test_a_re_reading_is_another_recording(sameness: float) -> None:
    findings = _World(pieces=np.full(_FRAMES, sameness)).judged()
    assert findings.verdict is Verdict.REJECTED
    assert Reason.OTHER_RECORDING in findings.reasons


def test_little_evidence_is_another_recording() -> None:
    world = _World(constant=0.05, pieces=np.full(_FRAMES, 0.55))
    world.correlation[220:] = 0
    world.gain[220:] = 0
    findings = world.judged()
    assert findings.reasons == (Reason.OTHER_RECORDING,)


def test_half_a_second_is_too_little() -> None:
    world = _World()
    world.correlation[100:] = 0
    world.gain[100:] = 0
    assert Reason.TOO_LITTLE_HEARD in world.judged().reasons


def test_a_tempo_is_no_clock() -> None:
    slow = _World(lag=np.arange(_FRAMES) * 40 * 0.0014).judged()
    assert slow.verdict is Verdict.FULL
    assert slow.drift_ppm == pytest.approx(1_400, rel=0.05)
    findings = _World(lag=np.arange(_FRAMES) * 40 * 0.02).judged()
    assert findings.verdict is Verdict.REJECTED
    assert Reason.OTHER_TEMPO in findings.reasons


@pytest.mark.parametrize(
    ("missing_s", "reasons"),
    [
        (0.1, ()),
        (0.22, (Reason.GAP,)),
        (0.6, (Reason.PART_MISSING, Reason.GAP)),
    ],
)
def test_what_is_missing_is_told(missing_s: float, reasons: tuple[Reason, ...]) -> None:
    world = _World()
    world.correlation[500 : 500 + round(missing_s * 200)] = 0.1
    assert world.judged().reasons == reasons


def test_a_pause_of_the_announcer_is_no_gap() -> None:
    world = _World()
    world.correlation[500:600] = 0
    world.speech[500:600] = False
    assert world.judged().verdict is Verdict.FULL


def test_a_drowned_word_counts_and_a_replaced_one_does_not() -> None:
    drowned, replaced = _World(), _World()
    drowned.correlation[500:600] = replaced.correlation[500:600] = 0.3
    replaced.gain[500:600] = 0.3
    assert drowned.judged().verdict is Verdict.FULL
    assert replaced.judged().verdict is Verdict.PARTIAL


@dataclass(frozen=True)
class _Hole:
    """A hole of so many frames: how much of the reference is in it, and how loud it is there."""

    frames: int
    contained: float
    times_as_loud: float

    def cut_into(self, world: _World, first: int = 500) -> None:
        world.gain[first : first + self.frames] = self.contained
        world.correlation[first : first + self.frames] = self.contained / self.times_as_loud


@pytest.mark.parametrize(
    ("hole", "is_believed"),
    [
        # Drowned: some of it is left in sound three times as loud.
        (_Hole(frames=60, contained=0.5, times_as_loud=3.0), True),
        # Gone, and something else stands there: as loud, louder, much louder.
        (_Hole(frames=60, contained=0.1, times_as_loud=1.0), False),
        (_Hole(frames=60, contained=0.1, times_as_loud=3.0), False),
        (_Hole(frames=60, contained=0.36, times_as_loud=1.5), False),
        # So loud that whatever is found in it may be chance.
        (_Hole(frames=60, contained=0.5, times_as_loud=6.0), False),
        # Longer than a short word.
        (_Hole(frames=75, contained=0.5, times_as_loud=3.0), False),
    ],
)
def test_a_drowned_syllable_is_told_from_one_that_is_gone(
    hole: _Hole,
    is_believed: bool,  # noqa: FBT001 - a parameter of the test.
) -> None:
    world = _World()
    hole.cut_into(world)
    findings = world.judged()
    assert (findings.verdict is Verdict.FULL) == is_believed
    assert (Reason.GAP in findings.reasons) != is_believed
    assert bool(findings.heard[520]) == is_believed


def test_of_drowned_syllables_no_more_than_a_tenth_is_believed() -> None:
    few, many = _World(), _World()
    drowned = _Hole(frames=50, contained=0.5, times_as_loud=3.0)
    for first in (100, 500):
        drowned.cut_into(few, first)
    for first in (100, 500, 800):
        drowned.cut_into(many, first)
    assert few.judged().verdict is Verdict.FULL
    findings = many.judged()
    assert findings.verdict is Verdict.PARTIAL
    assert findings.share == pytest.approx(0.85)


def test_drowned_syllables_are_no_evidence_of_the_recording() -> None:
    world = _World()
    _Hole(frames=60, contained=0.5, times_as_loud=3.0).cut_into(world)
    world.pieces[500:560] = 0
    assert world.judged().sameness == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("frames", "contained", "is_believed"),
    [
        # Little of the reference in the hole, whatever moments of it look like.
        (64, 0.1, False),
        (64, 0.3, False),
        # A drowned word.
        (64, 0.4, True),
        # No room for a word.
        (48, 0.1, True),
    ],
)
def test_moments_that_look_masked_by_chance_do_not_split_the_hole_of_a_word(
    frames: int,
    contained: float,
    is_believed: bool,  # noqa: FBT001 - a parameter of the test.
) -> None:
    world = _World()
    _Hole(frames=frames, contained=contained, times_as_loud=1.2).cut_into(world)
    # As louder sound over the word would look; without it two holes short enough for lost packets.
    world.gain[520:540] = 0.9
    world.correlation[520:540] = 0.3
    findings = world.judged()
    assert (findings.verdict is Verdict.FULL) == is_believed
    assert bool(findings.heard[530]) == is_believed


@pytest.mark.parametrize(("frames", "is_whole"), [(30, True), (36, False)])
@pytest.mark.parametrize("at_start", [True, False])
def test_an_end_may_lack_less_than_the_middle(
    frames: int,
    is_whole: bool,  # noqa: FBT001 - parameters of the test.
    at_start: bool,  # noqa: FBT001
) -> None:
    world, middle = _World(), _World()
    hole = _Hole(frames=frames, contained=0.05, times_as_loud=1.0)
    hole.cut_into(world, 0 if at_start else _FRAMES - frames)
    hole.cut_into(middle)
    assert (world.judged().verdict is Verdict.FULL) == is_whole
    assert middle.judged().verdict is Verdict.FULL


@pytest.mark.parametrize("close", [True, False])
def test_a_tenth_of_a_second_that_matches_closely_was_heard(close: bool) -> None:  # noqa: FBT001 - a parameter of the test.
    world = _World()
    _Hole(frames=60, contained=0.2, times_as_loud=1.0).cut_into(world)
    if close:
        world.brief[520:540] = 0.9
        world.brief_gain[520:540] = 1.0
    assert (world.judged().verdict is Verdict.FULL) == close


@pytest.mark.parametrize("is_another_lag", [True, False])
def test_a_short_hole_counts_as_heard_unless_the_lag_is_another_behind_it(
    is_another_lag: bool,  # noqa: FBT001 - a parameter of the test.
) -> None:
    world = _World()
    world.correlation[500:518] = 0.1
    world.gain[500:518] = 0.1
    if is_another_lag:
        world.lag[518:] += 5 * 8
    findings = world.judged()
    assert findings.verdict is Verdict.FULL
    assert bool(findings.heard[510]) is not is_another_lag


@pytest.mark.parametrize("moved_ms", [0, 20, -45])
def test_a_word_replaced_by_one_of_nearly_its_length_interrupts(moved_ms: int) -> None:
    world = _World()
    world.correlation[500:530] = 0.1
    world.gain[500:530] = 0.1
    world.lag[530:] += moved_ms * 8
    findings = world.judged()
    assert (Reason.INTERRUPTED in findings.reasons) == (moved_ms != 0)
    assert (findings.verdict is Verdict.FULL) == (moved_ms == 0)


@pytest.mark.parametrize("is_moved", [True, False])
def test_the_lag_beside_a_hole_is_that_of_what_correlates_plainly(
    is_moved: bool,  # noqa: FBT001 - a parameter of the test.
) -> None:
    world = _World()
    _Hole(frames=60, contained=0.2, times_as_loud=1.0).cut_into(world)
    # A tenth of a second matches closely, at a lag that only the frames behind it tell.
    world.brief[546:560] = 0.9
    world.brief_gain[546:560] = 1.0
    world.lag[560:] -= 45 * 8 * is_moved
    assert world.judged().reasons == ((Reason.INTERRUPTED,) if is_moved else ())


@pytest.mark.parametrize("is_followed", [True, False])
def test_a_jump_that_the_second_look_has_followed_is_no_other_word(
    is_followed: bool,  # noqa: FBT001 - a parameter of the test.
) -> None:
    world = _World()
    world.correlation[500:530] = 0.1
    world.gain[500:530] = 0.1
    world.lag[530:] -= 40 * 8
    world.followed[480:550] = is_followed
    assert (world.judged().verdict is Verdict.FULL) == is_followed


@pytest.mark.parametrize(
    ("jump_ms", "verdict"),
    [
        (20, Verdict.FULL),
        (50, Verdict.FULL),
        (60, Verdict.PARTIAL),
        (200, Verdict.PARTIAL),
        (-50, Verdict.FULL),
        (-60, Verdict.PARTIAL),
        (-160, Verdict.PARTIAL),
    ],
)
def test_a_jump_long_enough_for_a_word_interrupts(jump_ms: int, verdict: Verdict) -> None:
    world = _World()
    world.lag[500:] += jump_ms * 8
    findings = world.judged()
    assert findings.verdict is verdict
    assert (Reason.INTERRUPTED in findings.reasons) == (verdict is Verdict.PARTIAL)


def test_a_whole_playing_with_other_sound_in_a_syllable_is_interrupted_there() -> None:
    world = _World()
    foreign = np.zeros(_FRAMES, np.bool_)
    foreign[500:520] = True
    findings = interrupted(world.judged(), foreign, world.speech)
    assert (findings.verdict, findings.reasons) == (Verdict.PARTIAL, (Reason.INTERRUPTED,))
    assert not findings.heard[500:520].any()
    assert findings.share == pytest.approx(0.98)
