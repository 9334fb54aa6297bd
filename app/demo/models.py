"""The table of the demo sets."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base


class DemoSet(Base):
    """Demo data that was loaded, or is being, by whom; and that it was unloaded again.

    One is here at most. `device_id` is the one that brought its recordings; `owner_id` is whose
    dispute it has.
    """

    __tablename__ = "demo_sets"
    __table_args__ = (
        CheckConstraint("language IN ('ru', 'en')", name="language"),
        CheckConstraint("unloaded_at IS NULL OR unload_at IS NOT NULL", name="unloaded"),
        Index(
            "uq_demo_sets_here",
            text("(true)"),
            unique=True,
            postgresql_where=text("unloaded_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    language: Mapped[str]
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    asked_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime]
    loaded_at: Mapped[datetime | None]
    unload_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    unload_at: Mapped[datetime | None]
    unloaded_at: Mapped[datetime | None]
