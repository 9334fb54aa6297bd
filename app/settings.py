"""Every setting: read once from the environment, refused at start when wrong."""

from __future__ import annotations

import os
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.core.addresses import is_address
from app.core.errors import Invalid

MEBIBYTE = 1024 * 1024
ROLES = ("agent", "manager", "reviewer", "approver", "legal", "admin", "auditor")
"""The roles of people, which this floor does not know; a test compares."""
_PREFIX = "AUDIATUR_"
_MOST_AUTHORITIES = 2
_ARCHIVE_BUCKET = ("s3_bucket", "s3_access_key_id", "s3_secret_access_key")
_RELEASE_BUCKET = (
    "release_s3_bucket",
    "release_s3_access_key_id",
    "release_s3_secret_access_key",
)


class SettingsInvalid(Invalid):
    """A setting is wrong."""


class _FileBelowEnvironment(DotEnvSettingsSource):
    """The file `.env`, but for what the environment names: an empty variable is a setting unset.

    Else a process that is given less than its parent would find the rest in the file.
    """

    def __call__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in super().__call__().items()
            if f"{_PREFIX}{name.upper()}" not in os.environ
        }


class Settings(BaseSettings):
    """The settings; each is the environment variable `AUDIATUR_` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
    )

    data: Path = Field(default=Path("data"), description="Folder of everything that is kept here.")
    database_url: SecretStr | None = Field(
        default=None, description="Postgres to use instead of the embedded one."
    )
    database_owner_url: SecretStr | None = Field(
        default=None, description="The same database as its owner, for migrations."
    )
    public_database_url: SecretStr | None = Field(
        default=None, description="The same database for the process of the public links."
    )
    database_pool: Annotated[int, Field(ge=2, le=100)] = Field(
        default=10, description="Connections kept open per process."
    )

    s3_endpoint_url: str | None = Field(
        default=None, description="S3 server to use instead of a folder."
    )
    s3_region: str = Field(default="us-east-1", description="Region of the S3 server.")
    s3_bucket: str | None = Field(default=None, description="Bucket of the archive.")
    s3_access_key_id: SecretStr | None = Field(
        default=None, description="Credentials of the archive's bucket."
    )
    s3_secret_access_key: SecretStr | None = Field(
        default=None, description="Credentials of the archive's bucket."
    )
    release_s3_endpoint_url: str | None = Field(
        default=None, description="S3 server of released copies, if another."
    )
    release_s3_bucket: str | None = Field(default=None, description="Bucket of released copies.")
    release_s3_access_key_id: SecretStr | None = Field(
        default=None,
        description="Credentials of the bucket of released copies, never the archive's.",
    )
    release_s3_secret_access_key: SecretStr | None = Field(
        default=None, description="Credentials of the bucket of released copies."
    )
    s3_object_lock: Literal["off", "governance", "compliance"] = Field(
        default="governance",
        description="How originals are locked in a bucket that was seen to keep locks.",
    )
    s3_object_lock_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=30, description="How long a lock lasts; it is extended while an object is kept."
    )
    archive_key_file: Path | None = Field(
        default=None, description="Master key of the archive; in the data folder if not given."
    )
    release_key_file: Path | None = Field(
        default=None, description="Master key of released copies; in the data folder if not given."
    )
    tombstone_file: Path | None = Field(
        default=None,
        description="Journal of what was erased; beside the archive's key if not given.",
    )

    ledger_key_file: Path | None = Field(
        default=None, description="Signing keys of the ledger; in the data folder if not given."
    )
    ledger_origin: str | None = Field(
        default=None,
        pattern=r"^[^\s+/:][^\s+:]*$",
        description="Name of the ledger, as `example.com/ledger`; fixed at the first start.",
    )
    tsa_urls: str | None = Field(
        default=None, description="Up to two time stamp authorities (RFC 3161), parted by a space."
    )
    tsa_roots_file: Path | None = Field(
        default=None, description="Root certificates of the time stamp authorities, as PEM."
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8020, description="Port of the archive."
    )
    public_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        default=None, description="Port of the public links; the next one if not given."
    )
    public_url: str | None = Field(
        default=None, description="Address under which recipients reach the public links."
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+/?$",
        description="Address under which people reach the archive; host and port if not given.",
    )
    proxy_addresses: str | None = Field(
        default=None,
        description="Proxies, parted by a space, whose `X-Forwarded-For` says who really calls.",
    )
    totp_roles: str = Field(
        default="admin approver legal",
        description="Roles that need a code from a telephone at a browser; `none` for no role.",
    )
    oidc_issuer: str | None = Field(
        default=None, description="Log-in provider (OpenID Connect), as its own document names it."
    )
    oidc_client_id: str | None = Field(
        default=None, description="How the archive is known to the log-in provider."
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="What the archive shows to the log-in provider."
    )
    oidc_match: Literal["none", "email", "preferred_username"] = Field(
        default="none",
        description="What binds an account of the same name at first use; by `none` only an admin.",
    )
    smtp_host: str | None = Field(
        default=None, description="Mail server; without one no mail is sent and all else works."
    )
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=587, description="Port of the mail server."
    )
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the way to the mail server is encrypted."
    )
    smtp_ca_file: Path | None = Field(
        default=None, description="Root certificates for the mail server, if not the machine's."
    )
    smtp_user: str | None = Field(default=None, description="Log-in at the mail server.")
    smtp_password: SecretStr | None = Field(default=None, description="Password of that log-in.")
    smtp_from: str | None = Field(
        default=None, description="Sender of mail, as `Archive <archive@example.com>`."
    )
    checkpoint_mail: Literal["none", "own", "clients"] = Field(
        default="clients", description="Who is mailed the checkpoint of each month."
    )
    outbound_http: bool = Field(
        default=False, description="Whether addresses that others name may be plain `http`."
    )
    outbound_networks: str | None = Field(
        default=None,
        description="Networks that are not public and may be called, parted by a space.",
    )
    vcon_roots_file: Path | None = Field(
        default=None, description="Root certificates of those who sign vCons, as PEM."
    )
    vcon_hosts: str | None = Field(
        default=None,
        description="Hosts of contents of vCons that may be fetched, parted by a space.",
    )
    web_processes: Annotated[int, Field(ge=1, le=32)] = Field(
        default=1, description="Web processes that `serve` starts; they share its address."
    )
    workers: Annotated[int, Field(ge=0, le=32)] = Field(
        default=1, description="Worker processes that `serve` starts."
    )

    max_upload_bytes: Annotated[int, Field(ge=MEBIBYTE)] = Field(
        default=2048 * MEBIBYTE, description="Largest recording taken, in bytes."
    )
    max_screenshot_bytes: Annotated[int, Field(ge=65536)] = Field(
        default=32 * MEBIBYTE, description="Largest screenshot taken, in bytes."
    )
    max_document_bytes: Annotated[int, Field(ge=65536)] = Field(
        default=64 * MEBIBYTE, description="Largest document taken, in bytes."
    )
    max_pixels: Annotated[int, Field(ge=1)] = Field(
        default=50_000_000, description="Most pixels a screenshot or document may declare."
    )
    upload_idle_seconds: Annotated[int, Field(ge=1)] = Field(
        default=30, description="Longest silence of a sender in the middle of a body."
    )
    upload_expires_hours: Annotated[int, Field(ge=1, le=24 * 30)] = Field(
        default=72, description="How long an upload that was cut off waits to be gone on with."
    )
    region: str = Field(
        default="RU",
        min_length=2,
        max_length=2,
        description="Country whose way of writing telephone numbers is the home one.",
    )
    jurisdiction: str = Field(
        default="RU", description="Consent pack of the establishment and of the home country."
    )
    office_zone: str = Field(
        default="Europe/Moscow", description="Time zone of the office, in whose days periods end."
    )
    reconcile_after_hours: Annotated[int, Field(ge=0, le=168)] = Field(
        default=6, description="How long after a day its calls are compared with its recordings."
    )
    call_tolerance_seconds: Annotated[int, Field(ge=1, le=900)] = Field(
        default=60, description="How far the clocks of an exchange and a telephone may be apart."
    )
    shortest_call_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(
        default=0, description="Shortest talk of which a recording is expected."
    )
    source_silent_hours: Annotated[int, Field(ge=1, le=8760)] = Field(
        default=72, description="How long a source of call records may be silent unnoticed."
    )
    event_window_hours: Annotated[int, Field(ge=1)] = Field(
        default=24, description="How far from a call its event may lie to be tied to it."
    )
    link_days: Annotated[int, Field(ge=1, le=366)] = Field(
        default=14, description="Life of a share link if the request names none."
    )
    max_audio_hours: Annotated[int, Field(ge=1, le=48)] = Field(
        default=12, description="Longest audio that is decoded."
    )
    master_key_backed_up: bool = Field(
        default=False, description="Set when the master keys are in a backup apart from the data."
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="How much is logged."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        if isinstance(dotenv_settings, DotEnvSettingsSource):
            dotenv_settings = _FileBelowEnvironment(settings_cls, env_file=dotenv_settings.env_file)
        return init_settings, env_settings, dotenv_settings, file_secret_settings

    @field_validator("office_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("it is no time zone, as Europe/Moscow is one")
        return name

    @field_validator("outbound_networks")
    @classmethod
    def _known_networks(cls, names: str | None) -> str | None:
        for name in (names or "").split():
            ip_network(name)
        return names

    @field_validator("totp_roles")
    @classmethod
    def _known_roles(cls, names: str) -> str:
        unknown = set(names.split()) - set(ROLES) - {"none"}
        if unknown:
            raise ValueError(f"there is no role {', '.join(sorted(unknown))}")
        return names

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        has_archive_bucket = self._is_any_set("s3_endpoint_url", *_ARCHIVE_BUCKET)
        # The process of the links is given the released copies alone, so they ask for nothing more.
        has_release_bucket = self._is_any_set("release_s3_endpoint_url", *_RELEASE_BUCKET)
        needed: tuple[str, ...] = _ARCHIVE_BUCKET if has_archive_bucket else ()
        needed += _RELEASE_BUCKET if has_archive_bucket or has_release_bucket else ()
        missing = [f"{_PREFIX}{name.upper()}" for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"with an S3 store these are needed too: {', '.join(missing)}")
        if has_archive_bucket and self.s3_bucket == self.release_s3_bucket:
            raise ValueError("the archive and the released copies need buckets of their own")
        if has_archive_bucket and self.s3_access_key_id == self.release_s3_access_key_id:
            raise ValueError("the archive and the released copies need credentials of their own")
        if len((self.tsa_urls or "").split()) > _MOST_AUTHORITIES:
            raise ValueError("AUDIATUR_TSA_URLS names more than two authorities")
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_client_secret):
            raise ValueError(
                "with AUDIATUR_OIDC_ISSUER, AUDIATUR_OIDC_CLIENT_ID and "
                "AUDIATUR_OIDC_CLIENT_SECRET are needed too"
            )
        self._must_have_whole_mail()
        if self.tsa_urls and self.tsa_roots_file is None:
            raise ValueError("with AUDIATUR_TSA_URLS, AUDIATUR_TSA_ROOTS_FILE is needed too")
        return self

    def _must_have_whole_mail(self) -> None:
        """Refuse a mail server without a sender, and a password that would go in the clear."""
        sender = parseaddr(self.smtp_from or "")[1]
        is_one_line = (self.smtp_from or "").isprintable()
        if self.smtp_from and not (is_one_line and is_address(sender)):
            raise ValueError("AUDIATUR_SMTP_FROM is no address of mail")
        if self.smtp_host and not self.smtp_from:
            raise ValueError("with AUDIATUR_SMTP_HOST, AUDIATUR_SMTP_FROM is needed too")
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError("AUDIATUR_SMTP_USER and AUDIATUR_SMTP_PASSWORD go together")
        if self.smtp_password and self.smtp_tls == "none":
            raise ValueError("AUDIATUR_SMTP_TLS=none would send the password in the clear")

    def _is_any_set(self, *names: str) -> bool:
        return any(getattr(self, name) is not None for name in names)

    @property
    def base_url(self) -> str:
        """Return the address of the archive's own pages, without a slash at its end."""
        return (self.url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def archive_key_path(self) -> Path:
        return self.archive_key_file or self.data / "keys" / "archive.key"

    @property
    def ledger_key_path(self) -> Path:
        return self.ledger_key_file or self.data / "keys" / "ledger.key"

    @property
    def ledger_key_marker(self) -> Path:
        """Where it is noted which signing keys this installation has."""
        return self.data / "ledger-key.json"

    @property
    def public_dir(self) -> Path:
        """Everything that the process of the public links may see."""
        return self.data / "public"

    @property
    def release_key_path(self) -> Path:
        return self.release_key_file or self.public_dir / "release.key"

    @property
    def tombstones_path(self) -> Path:
        """Return the journal of erasures, which no backup of the data holds."""
        return self.tombstone_file or self.archive_key_path.parent / "tombstones.jsonl"

    @property
    def zone(self) -> ZoneInfo:
        """Return the time zone of the office."""
        return ZoneInfo(self.office_zone)

    @property
    def spool_dir(self) -> Path:
        return self.data / "spool"


def load(**overrides: object) -> Settings:
    """Return the settings of the environment, with `overrides` from the command line.

    Raises:
        SettingsInvalid: says which setting is wrong and why.
    """
    given = {k: v for k, v in overrides.items() if v is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks the values itself
    except ValidationError as exc:
        wrong = "; ".join(
            f"{_PREFIX}{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}"
            if e["loc"]
            else e["msg"].removeprefix("Value error, ")
            for e in exc.errors()
        )
        raise SettingsInvalid(wrong) from exc
