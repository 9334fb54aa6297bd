"""What loading and unloading demo data can be refused for."""

from __future__ import annotations

from app.core.errors import Conflict


class DemoLoadedAlready(Conflict):
    """Demo data is loaded already; unload it first."""


class DemoNotLoaded(Conflict):
    """No demo data is loaded."""


class RealRecordingsThere(Conflict):
    """Real recordings are here; demo data is loaded into an archive that has none yet."""


class NobodyForDemo(Conflict):
    """Nobody is known who could own the demo's dispute; make the first administrator first."""


class DemoHindered(Conflict):
    """Something hinders the unloading of the demo data.

    `because` names what, each with its number: what is held, what of the real has come among the
    demo data or the other way round, what people have kept beside it.
    """


class DemoGoing(Conflict):
    """The demo data is being unloaded."""
