"""What is told of mails: to whom, of which kind, about what, and how far."""

from __future__ import annotations

from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from app.mail.models import Kind, MailState
from app.mail.queries import MailSeen


class MailRead(BaseModel):
    """A mail; `to` names a person of the house, `contact_id` one of a client."""

    id: UUID
    kind: Kind
    to: str | None
    contact_id: UUID | None
    about_kind: str
    about_id: UUID
    state: MailState
    attempts: int
    fault: str | None
    asked_at: AwareDatetime
    sent_at: AwareDatetime | None

    @classmethod
    def of(cls, seen: MailSeen) -> MailRead:
        told = {name: getattr(seen.row, name) for name in cls.model_fields if name != "to"}
        return cls(to=seen.to, **told)


class MailList(BaseModel):
    """How many mails there are in each state, and those of the state asked for."""

    counts: dict[MailState, int]
    items: list[MailRead]
    next_before: UUID | None
