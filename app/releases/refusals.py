"""What a release can be refused for."""

from __future__ import annotations

from app.core.errors import Conflict, Forbidden, NotFound, Unavailable


class ReleaseNotFound(NotFound):
    """There is no such release."""


class ReleaseContactUnknown(NotFound):
    """There is no such contact to release to."""


class ReleaseRecordingUnknown(NotFound):
    """There is no such recording to release."""


class DemoNotReleased(Conflict):
    """Demo data is handed to nobody; it is no evidence of anything."""


class ReleaseRefused(Conflict):
    """The consent rules do not allow this release.

    `outcome` is the worst of all parts, `reasons` say why for each recording, and `remedies` what
    would make it possible.
    """


class NothingAsked(Conflict):
    """A release needs at least one recording or screenshot; the dispute has none that may go."""


class MixedRecipients(Conflict):
    """The recordings or screenshots belong to different firms.

    Ask for a release of its own for each firm.
    """


class ConsentChanged(Conflict):
    """The consent state changed while the copies were made; look again and approve again."""


class RequesterApproves(Forbidden):
    """Who asked for a release cannot approve it.

    Another person with the right to approve must look at it.
    """


class ApproverInvolved(Forbidden):
    """Who is heard in a recording cannot approve its release.

    The person whose conduct may be in question never decides on it.
    """


class RoleCannotApprove(Forbidden):
    """Only an approver or legal can approve a release."""


class ReleaseNotRequested(Conflict):
    """The release is not waiting for an approval.

    `state` tells how far it has come.
    """


class ReleaseEnded(Conflict):
    """The release has ended already."""


class RecordingNotReady(Unavailable):
    """The recording cannot be copied now; try again when its inspection is done."""


class SegmentNotSupported(Conflict):
    """A part of this recording cannot be cut out.

    Its kind of file has no decoder here that keeps exact time.
    """


class PictureUnreadable(Conflict):
    """The screenshot cannot be drawn anew.

    Its bytes cannot be decoded, or are not the picture that its header declares.
    """


class ReleaseScreenshotUnknown(NotFound):
    """There is no such screenshot."""


class ScreenshotTwice(Conflict):
    """A screenshot is handed over once in a release.

    Two exhibits show it with other areas black; let one of them take the place of the other.
    """


class ScreenshotDamaged(Conflict):
    """The screenshot in the store is not what came in; nothing of it leaves."""
