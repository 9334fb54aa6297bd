"""What is refused when somebody praises, appraises or calibrates."""

from __future__ import annotations

from app.core.errors import Conflict, Forbidden, Invalid, NotFound


class AgentNotFound(NotFound):
    """There is no such agent."""


class ExemplaryCallNotFound(NotFound):
    """There is no such call in the library."""


class AlreadyExemplary(Conflict):
    """The call is in the library already.

    `exemplary_id` tells where.
    """


class StartBeyondEnd(Conflict):
    """The place to begin at lies after the end of the recording."""


class FormNotFound(NotFound):
    """There is no such form, or it is not offered any more."""


class FormInvalid(Invalid):
    """A form has a name and one to thirty questions, each once, and one of them has weight."""


class AnswersDiffer(Invalid):
    """Each question of the form is answered once, and nothing else.

    `missing` and `unknown` name the questions.
    """


class CallUnheard(Conflict):
    """Listen to the call before you appraise it."""


class OwnCall(Forbidden):
    """Nobody appraises a call that he is heard in."""


class AppraisalNotFound(NotFound):
    """There is no such appraisal."""


class AppraisalOfAnother(Forbidden):
    """Only who wrote an appraisal replaces it."""


class AppraisalReplaced(Conflict):
    """The appraisal was replaced by another.

    `by` is its id.
    """


class ReplyOfAnother(Forbidden):
    """Only the agent whom it is about answers an appraisal."""


class AlreadyReplied(Conflict):
    """The appraisal was answered already."""


class CalibrationNotFound(NotFound):
    """There is no such calibration."""


class CalibrationClosed(Conflict):
    """The calibration is closed."""


class CalibrationFilled(Conflict):
    """You have appraised this call for the calibration already."""


class CalibrationAlone(Conflict):
    """A calibration is closed when two people have appraised the call."""
