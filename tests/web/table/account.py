"""One's own account, and the ways back to it."""

from __future__ import annotations

from tests.web.table import EVERYBODY

PAGES = {
    "/account": EVERYBODY,
    "/account/proof": EVERYBODY,
    "/account/second-factor": EVERYBODY,
}
_SENT = (
    "address",
    "password",
    "proof",
    "recovery-codes",
    "second-factor/begin",
    "second-factor/confirm",
    "second-factor/remove",
    "sessions/end",
    "sessions/end-others",
)
FORMS = {f"/account/{path}": EVERYBODY for path in _SENT}
OPEN = {
    "/login/code",
    "/login/provider",
    "/login/provider/back",
    "/account/proof/provider",
    "/recovery/{token}",
    "/first-run/{token}",
}
