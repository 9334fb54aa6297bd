"""The tables of import runs and their files."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, desc, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject, one_of


class RunState(StrEnum):
    """How far a run is."""

    RUNNING = "running"  # Under way, or broken off: the same command goes on with it.
    DONE = "done"
    CANCELLED = "cancelled"


class FileState(StrEnum):
    """What became of a file."""

    WAITING = "waiting"
    TAKEN = "taken"
    SKIPPED = "skipped"
    REFUSED = "refused"


class FileReason(StrEnum):
    """Why a file was skipped or refused, where the run decides it itself.

    What the way in refuses has that refusal's own word instead.
    """

    SAME_CALL = "same_call"  # This call and leg came before with these bytes.
    SAME_BYTES = "same_bytes"  # Another recording has exactly these bytes.
    LINK = "link"
    NOT_A_FILE = "not_a_file"
    VANISHED = "vanished"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    CHANGED = "changed"  # It was written to while it was read.
    NO_MOMENT = "no_moment"
    NO_DIRECTION = "no_direction"
    FACTS_INVALID = "facts_invalid"
    SIDECAR_INVALID = "sidecar_invalid"
    CAPTURE_OPEN = "capture_open"  # The call of these packets may still be on.
    CAPTURE_INVALID = "capture_invalid"


class ImportRun(Base):
    """One going through a folder. `asked` is what the command was told, for going on with it.

    A dry run keeps nothing, and its rows are removed when it ends.
    """

    __tablename__ = "import_runs"
    __table_args__ = (
        CheckConstraint(one_of("state", RunState), name="state"),
        CheckConstraint("(state = 'running') = (ended_at IS NULL)", name="ended"),
        Index("ix_import_runs_started", desc("started_at"), desc("id")),
        Index(
            "uq_import_runs_running",
            "device_id",
            text("md5(folder)"),
            "is_dry",
            unique=True,
            postgresql_where=text("state = 'running'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    folder: Mapped[str]
    asked: Mapped[JsonObject]
    is_dry: Mapped[bool]
    state: Mapped[str]
    is_listed: Mapped[bool] = mapped_column(server_default=text("false"))
    started_at: Mapped[datetime]
    moved_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    cancelled_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))


class ImportFile(Base):
    """A file that a run has found. `path` is as the folder has it, in bytes; files are no text.

    When its recording is erased the database empties path, detail and call.
    """

    __tablename__ = "import_files"
    __table_args__ = (
        CheckConstraint(one_of("state", FileState), name="state"),
        CheckConstraint("(state = 'waiting') = (at IS NULL)", name="ended"),
        CheckConstraint("(state IN ('skipped', 'refused')) = (reason IS NOT NULL)", name="reason"),
        CheckConstraint("octet_length(path_sha256) = 32", name="path_sha256"),
        Index(
            "ix_import_files_waiting",
            "run_id",
            "path_sha256",
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_import_files_state", "run_id", "state", "reason"),
        Index("ix_import_files_sha256", "run_id", "sha256"),
        Index("ix_import_files_recording", "recording_id"),
        Index("ix_import_files_call", "run_id", "source_call_id"),
    )

    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("import_runs.id", ondelete="CASCADE"), primary_key=True
    )
    path_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    path: Mapped[bytes]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(server_default=FileState.WAITING)
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    told_by: Mapped[str | None]
    source_call_id: Mapped[str | None]
    leg: Mapped[str | None]
    sha256: Mapped[bytes | None]
    recording_id: Mapped[UUID | None]
    at: Mapped[datetime | None]
