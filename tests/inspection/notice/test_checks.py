"""Begin where the announcement was heard whole, break one thing, expect the reason."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from app.inspection.notice.align import Alignment
from app.inspection.notice.checks import Findings, Reason, Thresholds, Verdict, judge
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
    speech: np.ndarray[Any, Any] = field(default_factory=lambda: np.ones(_FRAMES, np.bool_))

    def judged(self) -> Findings:
        return judge(
            Alignment(lag=np.zeros(_FRAMES), constant=self.constant),
            FineMatch(
                correlation=self.correlation, gain=self.gain, lag=self.lag, pieces=self.pieces
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
        (0.3, (Reason.GAP,)),
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


@pytest.mark.parametrize("instead", [True, False])
def test_a_short_hole_counts_as_heard_unless_another_sound_stands_in_it(instead: bool) -> None:  # noqa: FBT001 - a parameter of the test.
    world = _World()
    world.correlation[500:525] = 0.1
    # As loud as the reference is another sound; a lost packet is silent, a cough much louder.
    world.gain[500:525] = 0.1 if instead else 0.4
    findings = world.judged()
    assert findings.verdict is Verdict.FULL
    assert bool(findings.heard[510]) is not instead


@pytest.mark.parametrize("moved_ms", [0, 20])
def test_a_word_replaced_by_one_of_nearly_its_length_interrupts(moved_ms: int) -> None:
    world = _World()
    world.correlation[500:530] = 0.1
    world.gain[500:530] = 0.1
    world.lag[530:] += moved_ms * 8
    findings = world.judged()
    assert (Reason.INTERRUPTED in findings.reasons) == (moved_ms > 0)
    assert (findings.verdict is Verdict.FULL) == (moved_ms == 0)


@pytest.mark.parametrize(
    ("jump_ms", "verdict"),
    [(20, Verdict.FULL), (40, Verdict.FULL), (60, Verdict.PARTIAL), (200, Verdict.PARTIAL)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_jump_long_enough_for_a_word_interrupts(
    jump_ms: int, verdict: Verdict, sign: int
) -> None:
    world = _World()
    world.lag[500:] += sign * jump_ms * 8
    findings = world.judged()
    assert findings.verdict is verdict
    assert (Reason.INTERRUPTED in findings.reasons) == (verdict is Verdict.PARTIAL)
