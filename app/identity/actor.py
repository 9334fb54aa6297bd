"""Who is acting, as the rooms see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from app.core.errors import Forbidden
from app.identity.permissions import DEVICE_PERMISSIONS, PERMISSIONS, Permission, Role

ActorKind = Literal["user", "device", "system", "link"]

PROOF_LASTS = timedelta(minutes=10)
"""How long after password or code a person at a browser may do what binds others."""


class PermissionMissing(Forbidden):
    """Your role does not include this permission.

    `permission` names it. An administrator can give another role.
    """


class SecondFactorMissing(Forbidden):
    """Your role asks for a code from a telephone; set that up first.

    At `/account`, or by `POST /v1/session/totp`. Keys for programs are not concerned.
    """


class ProofNeeded(Forbidden):
    """Give your password or a code once more for this.

    `POST /v1/session/proof`; what binds others is taken from a browser for ten minutes after it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """The log-in from a browser by which somebody acts.

    `is_enrolling`: the role asks for a second factor that is not there yet, and until then there
    is nothing else to do.
    """

    session_id: UUID
    proved_at: datetime | None
    is_enrolling: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person, a device, a part of this system, or the holder of a share link.

    `offices` are those whose clients a manager sees; None is all there are.
    """

    kind: ActorKind
    id: UUID | None
    role: Role | None = None
    name: str = ""
    agent_ref: str | None = None
    permissions: frozenset[Permission] = frozenset()
    offices: frozenset[UUID] | None = None
    browser: Browser | None = field(default=None, compare=False)

    @classmethod
    def user(
        cls,
        user_id: UUID,
        role: Role,
        name: str,
        agent_ref: str | None = None,
        *,
        offices: frozenset[UUID] | None = None,
        browser: Browser | None = None,
    ) -> Actor:
        return cls(
            kind="user",
            id=user_id,
            role=role,
            name=name,
            agent_ref=agent_ref,
            permissions=PERMISSIONS[role],
            offices=offices,
            browser=browser,
        )

    @classmethod
    def device(cls, device_id: UUID, name: str) -> Actor:
        return cls(kind="device", id=device_id, name=name, permissions=DEVICE_PERMISSIONS)

    @classmethod
    def system(cls, part: str) -> Actor:
        """Return the actor for what the archive does by itself; `part` is for people to read."""
        return cls(kind="system", id=None, name=part)

    def must(self, permission: Permission) -> None:
        """Refuse unless this actor has `permission`.

        Raises:
            PermissionMissing: it has not.
            SecondFactorMissing: at a browser, before the second factor that the role asks for.
        """
        if permission not in self.permissions:
            raise PermissionMissing(f"This needs {permission}.", permission=str(permission))
        is_enrolling = self.browser is not None and self.browser.is_enrolling
        if is_enrolling and permission is not Permission.SESSION_SELF:
            raise SecondFactorMissing

    def proved(self, *, at: datetime) -> str:
        """Return by what this actor acts, for the ledger; refuse a browser without a fresh proof.

        Source: OWASP ASVS 5.0, V7.5.3. A key for programs is asked for nothing more.

        Raises:
            ProofNeeded: neither password nor code was given within the last ten minutes.
        """
        if self.browser is None:
            return "key" if self.kind == "user" else self.kind
        proved_at = self.browser.proved_at
        if proved_at is None or at - proved_at > PROOF_LASTS:
            raise ProofNeeded
        return "browser"
