"""What a dispute can refuse."""

from __future__ import annotations

from app.core.errors import Conflict, Forbidden, Invalid, NotFound


class DisputeEventUnknown(NotFound):
    """The client has no such event."""


class DisputeContactUnknown(NotFound):
    """The client has no such contact."""


class DisputePersonUnknown(NotFound):
    """No such person works here."""


class MoveNotAllowed(Conflict):
    """The dispute cannot be moved there from where it stands.

    `state` is where it stands, `allowed` where you may move it.
    """


class MoveLacks(Conflict):
    """Something must be there first.

    `missing` names it: a `reason`, the step `first_validity` done or skipped, a `verdict`, an
    `answer` of the client, an `outcome`.
    """


class ConductInQuestion(Forbidden):
    """Whose conduct is in question in a dispute decides nothing in it."""


class ConductUnknown(NotFound):
    """Nobody's conduct is in question here by this id."""


class ConductCleared(Conflict):
    """It was cleared already."""


class PeriodInvalid(Invalid):
    """The period ends before it begins."""


class StatementUnknown(NotFound):
    """The dispute has no such statement to replace."""


class StatementReplaced(Conflict):
    """Another statement has taken the place of this one.

    `by` is its id.
    """


class ClauseUnknown(NotFound):
    """The client has no contract with this clause."""


class StepNotFound(NotFound):
    """The dispute has no such step."""


class StepSettled(Conflict):
    """The step does not stand so that this can be done with it.

    `state` tells how it stands.
    """


class StepsIncomplete(Invalid):
    """An order of steps names each step of the dispute once."""


class RequestNotFound(NotFound):
    """The dispute has no such request."""


class RequestCannot(Conflict):
    """The request does not stand so that this can be done with it.

    `state` is how it stands, `allowed` what it can become.
    """


class RequestDocumentUnknown(NotFound):
    """The client has no such document."""


class HoursUnknown(NotFound):
    """The dispute has no such hours to replace."""


class HoursReplaced(Conflict):
    """Other hours have taken the place of these.

    `by` is their id.
    """
