"""Whether two references share sound."""

from __future__ import annotations

import numpy as np

from app.inspection.notice.checks import Verdict
from app.inspection.notice.detector import Detector
from app.inspection.notice.reference import Reference


def shared_share(one: Reference, other: Reference) -> float:
    """Return which part of the speech of either is heard in the other, the larger of the two.

    What is shared can be told apart only by the rest: from about a half on, warn whoever registers
    the second of them.
    """
    return max(_heard_in(one, other), _heard_in(other, one))


def _heard_in(searched: Reference, sound: Reference) -> float:
    detector = Detector([searched], whole=True)
    detector.feed(np.ascontiguousarray(sound.pcm[:, None]))
    believed = [hit for hit in detector.finish() if hit.verdict is not Verdict.REJECTED]
    return max((hit.share for hit in believed), default=0.0)
