"""Who is acting, as the rooms see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from app.core.errors import Forbidden
from app.identity.permissions import DEVICE_PERMISSIONS, PERMISSIONS, Permission, Role

ActorKind = Literal["user", "device", "system", "link"]


class PermissionMissing(Forbidden):
    """Your role does not include this permission.

    `permission` names it. An administrator can give another role.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person, a device, a part of this system, or the holder of a share link."""

    kind: ActorKind
    id: UUID | None
    role: Role | None = None
    name: str = ""
    agent_ref: str | None = None
    permissions: frozenset[Permission] = frozenset()

    @classmethod
    def user(cls, user_id: UUID, role: Role, name: str, agent_ref: str | None = None) -> Actor:
        return cls(
            kind="user",
            id=user_id,
            role=role,
            name=name,
            agent_ref=agent_ref,
            permissions=PERMISSIONS[role],
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
        """
        if permission not in self.permissions:
            raise PermissionMissing(f"This needs {permission}.", permission=str(permission))
