"""Who starts the processes of the archive, and starts them again."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import select

from app import first_run
from app.core.db import Database
from app.custody.checkpoints import register_keys
from app.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresFailed
from app.embedded.supervisor import ChildSpec, Supervisor, bind
from app.identity.models import User
from app.processes import figures
from app.processes.places import port_of, public_port, tell
from app.settings import Settings
from app.wiring import database_urls, embedded, open_tools, prepare

_log = structlog.get_logger()

_OTHERS_LOG_INS = ("AUDIATUR_DATABASE_OWNER_URL", "AUDIATUR_PUBLIC_DATABASE_URL")
_ARCHIVE_ONLY = (
    "AUDIATUR_DATABASE_URL",
    "AUDIATUR_DATABASE_OWNER_URL",
    "AUDIATUR_S3_ENDPOINT_URL",
    "AUDIATUR_S3_BUCKET",
    "AUDIATUR_S3_ACCESS_KEY_ID",
    "AUDIATUR_S3_SECRET_ACCESS_KEY",
    "AUDIATUR_ARCHIVE_KEY_FILE",
    "AUDIATUR_LEDGER_KEY_FILE",
    "AUDIATUR_OIDC_ISSUER",
    "AUDIATUR_OIDC_CLIENT_ID",
    "AUDIATUR_OIDC_CLIENT_SECRET",
    "AUDIATUR_SMTP_HOST",
    "AUDIATUR_SMTP_USER",
    "AUDIATUR_SMTP_PASSWORD",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
)
_LOOK_AFTER_SECONDS = 1.0


def serve(settings: Settings) -> int:
    """Run everything until told to stop; return the exit status.

    The embedded Postgres is shared by all processes, outlives any of them, and is stopped by the
    last one in order. Nothing is made in the data folder where a port cannot be had.
    """
    web = bind(settings.host, settings.port)
    public = None
    if settings.database_url is None or settings.public_database_url is not None:
        public = bind(settings.host, public_port(settings, port_of(web)))
    with database_urls(settings) as urls:
        prepare(settings, urls)
        with open_tools(settings, urls) as tools:  # Keys and stores are refused here, once.
            address = settings.url or f"http://{settings.host}:{port_of(web)}"
            link = None
            if _has_users(tools.database):
                first_run.forget_link(settings)
            else:
                link = first_run.new_link(
                    tools.database, settings, at=tools.clock.now(), base_url=address.rstrip("/")
                )
            with tools.database.transaction() as session:
                register_keys(session, tools.log.ring.keys, at=tools.clock.now())
        address = f"http://{settings.host}:{port_of(web)}"
        public_address = settings.public_url or (
            f"http://{settings.host}:{port_of(public)}" if public else ""
        )
        children = _children(settings, web, public, public_address)
        _greet(settings, address, public_address, link=link)
        with _looked_after(embedded(settings)):
            return Supervisor(children).run()


def _children(
    settings: Settings,
    web: socket.socket,
    public: socket.socket | None,
    public_address: str,
) -> list[ChildSpec]:
    """Return the processes to run; the links only where their own database role is known."""
    env = {
        "AUDIATUR_DATA": str(settings.data.resolve()),
        "AUDIATUR_PUBLIC_URL": public_address,
        "AUDIATUR_PORT": str(port_of(web)),
    }
    inside = env | dict.fromkeys(_OTHERS_LOG_INS, "")
    command = [sys.executable, "-m", "app.cli"]
    children = _web_children(settings, [*command, "run-web"], inside, web)
    if public is not None:
        children.append(
            ChildSpec(
                name="public",
                argv=[*command, "run-public"],
                env=_without_archive(env, settings),
                sockets=[public],
            )
        )
    children += [
        ChildSpec(name=f"worker-{n}", argv=[*command, "worker"], env=inside)
        for n in range(1, settings.workers + 1)
    ]
    return children


def _web_children(
    settings: Settings, argv: list[str], env: dict[str, str], listener: socket.socket
) -> list[ChildSpec]:
    """Return the web processes: whichever is free takes the next connection."""
    if settings.web_processes == 1:
        return [ChildSpec(name="web", argv=argv, env=env, sockets=[listener])]
    shared = env | figures.shared(settings)
    return [
        ChildSpec(name=f"web-{n}", argv=argv, env=shared, sockets=[listener])
        for n in range(1, settings.web_processes + 1)
    ]


def _without_archive(env: dict[str, str], settings: Settings) -> dict[str, str]:
    """Return `env` with what names the archive's database, bucket and keys emptied.

    What is empty in the environment counts as not set, whatever a file `.env` says of it.
    """
    endpoint = settings.release_s3_endpoint_url or settings.s3_endpoint_url or ""
    has_bucket = settings.release_s3_bucket is not None
    return env | {
        **dict.fromkeys(_ARCHIVE_ONLY, ""),
        "AUDIATUR_RELEASE_S3_ENDPOINT_URL": endpoint if has_bucket else "",
    }


def _has_users(database: Database) -> bool:
    with database.transaction() as session:
        return session.scalar(select(User.id).limit(1)) is not None


def _greet(settings: Settings, address: str, public_address: str, *, link: str | None) -> None:
    lines = [f"Audiatur listens on {address}"]
    if public_address:
        lines.append(f"Public links are served on {public_address}")
    else:
        lines.append("Public links are served elsewhere: see `audiatur serve --public`.")
    data = settings.data.resolve()
    if link is None:
        lines.append(f"Log in at {address}/login, or send a key as a bearer token.")
    else:
        lines += [
            "Nobody can log in yet. Become the administrator, once and within a day:",
            f"  {link}",
            f"It also stands in {first_run.link_file(settings).resolve()}. Or in another terminal:",
            f"  AUDIATUR_DATA={data} audiatur user add NAME --role manager --api-key",
            f"  AUDIATUR_DATA={data} audiatur device add PHONE",
        ]
    tell(*lines)


@contextmanager
def _looked_after(server: EmbeddedPostgres | None) -> Iterator[None]:
    """Start the embedded Postgres again if it is killed, for as long as the block lasts."""
    if server is None:
        yield
        return
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(_LOOK_AFTER_SECONDS):
            if server.status().running:
                continue
            _log.warning("postgres.gone")
            try:
                server.ensure()
            except EmbeddedPostgresFailed as exc:
                _log.exception("postgres.not_started", reason=str(exc))
            else:
                _log.info("postgres.started_again")

    thread = threading.Thread(target=look, name="postgres-keeper", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(timeout=30)
