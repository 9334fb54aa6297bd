"""The archive on its hosts: what runs where, what keeps it running, how each is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

from app.embedded.postgres import EmbeddedPostgres, grant_roles
from app.migrate import migrate
from hosts_tool.network import Host, network
from storage.s3_client import S3Settings, make_clients

ROOT = Path(__file__).parents[2]
WEB, LINKS, S3_PORT, FRONT_LINKS = 8020, 8021, 7480, 8081
NAMES = (
    "database",
    "store",
    "web-1",
    "web-2",
    "links",
    "worker-1",
    "worker-2",
    "worker-3",
    "front",
)
_START_WITHIN_S = 600
_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_connect_timeout 1s; proxy_read_timeout 30s; proxy_buffering off;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_next_upstream error timeout;
  upstream archive {{
    server {web_1}:8020 max_fails=1 fail_timeout=1s;
    server {web_2}:8020 max_fails=1 fail_timeout=1s;
    keepalive 16;
  }}
  server {{
    listen {front}:8020; client_max_body_size 100m;
    proxy_request_buffering off; location / {{ proxy_pass http://archive; }}
    error_page 502 504 =503 @away;
    location @away {{ add_header Retry-After 1 always; return 503; }}
  }}
  server {{ listen {front}:8081; location / {{ proxy_pass http://{links}:8021; }} }}
}}
"""


class NotStarted(Exception):
    """A part of the town does not come up; it says nothing about what was lost."""


@dataclass(slots=True, kw_only=True)
class _Kept:
    """A program of a host, which is started again when it has ended."""

    host: Host
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]


class Town:
    """All hosts with what runs on them."""

    def __init__(self, folder: Path, hosts: dict[str, Host]) -> None:
        self.folder = folder
        self.hosts = hosts
        self.postgres = EmbeddedPostgres(folder / "postgres")
        self._kept: dict[str, _Kept] = {}
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self.settings: dict[str, str] = {}
        self.owner_url = ""

    @property
    def front(self) -> str:
        return f"http://{self.hosts['front'].address}:{WEB}"

    @property
    def front_links(self) -> str:
        return f"http://{self.hosts['front'].address}:{FRONT_LINKS}"

    def build(self) -> None:
        """Start everything, each on its host."""
        urls = self._start_database()
        store = self._start_store()
        keys = self.folder / "keys"
        keys.mkdir(mode=0o700)
        self.settings = {
            "AUDIATUR_DATA": str(self.folder / "data"),
            "AUDIATUR_DATABASE_URL": urls["web"],
            "AUDIATUR_PUBLIC_URL": "https://links.example",
            "AUDIATUR_ARCHIVE_KEY_FILE": str(keys / "archive.key"),
            "AUDIATUR_RELEASE_KEY_FILE": str(keys / "release.key"),
            "AUDIATUR_LEDGER_KEY_FILE": str(keys / "ledger.key"),
            "AUDIATUR_WORKERS": "0",
            **store,
        }
        program = [sys.executable, "-P", "-m", "app.cli"]
        for name in ("web-1", "web-2"):
            serve = [*program, "serve", "--host", self.hosts[name].address, "--port", str(WEB)]
            self._add(name, serve, self.settings)
            if name == "web-1":  # The first makes the keys.
                self.wait(name)
        serve = [*program, "serve", "--public", "--host", self.hosts["links"].address]
        outside = {k: v for k, v in self.settings.items() if "RELEASE" in k or "PUBLIC_URL" in k}
        outside |= {
            "AUDIATUR_DATA": str(self.folder / "links-data"),
            "AUDIATUR_PUBLIC_DATABASE_URL": urls["link"],
        }
        self._add("links", [*serve, "--port", str(LINKS)], outside)
        for name in ("worker-1", "worker-2", "worker-3"):
            self._add(name, [*program, "worker"], self.settings)
        self._add("front", self._nginx(), {})
        self._keeper.start()
        for name in ("web-2", "links", "front"):
            self.wait(name)

    def _start_database(self) -> dict[str, str]:
        host = self.hosts["database"]
        cluster = self.postgres.hold()
        migrate(cluster.owner_url)
        grant_roles(cluster)
        password = (self.folder / "postgres/passwords/postgres").read_text()
        superuser = f"postgresql://postgres:{password}@127.0.0.1:{cluster.port}/postgres"
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER SYSTEM SET listen_addresses = '*'"))
        with (self.folder / "postgres/server/data/pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.213.0.0/16 scram-sha-256\n")
        self.postgres.release_and_maybe_stop()
        keep = [sys.executable, "-P", "-m", "hosts_tool.database", self.folder / "postgres"]
        self._add("database", list(map(str, keep)), {})
        place = f"@{host.address}:{cluster.port}/"
        urls = {
            name: url.replace(f"@127.0.0.1:{cluster.port}/", place)
            for name, url in (
                ("owner", cluster.owner_url),
                ("web", cluster.web_url),
                ("link", cluster.link_url),
            )
        }
        self.owner_url = urls["owner"]
        self.wait("database")
        return urls

    def _start_store(self) -> dict[str, str]:
        """Start the S3 server; the released copies have a bucket and a user of their own."""
        place = self.folder / "store"
        found: dict[str, str] = {}
        for prefix, bucket, asked in (
            ("S3", "archive", ("start", place, str(S3_PORT))),
            ("RELEASE_S3", "release", ("user", place, "releaser")),
        ):
            words = self._store_script(*asked)
            found |= {
                f"AUDIATUR_{prefix}_ENDPOINT_URL": words["S3_ENDPOINT"],
                f"AUDIATUR_{prefix}_BUCKET": bucket,
                f"AUDIATUR_{prefix}_ACCESS_KEY_ID": words["S3_ACCESS"],
                f"AUDIATUR_{prefix}_SECRET_ACCESS_KEY": words["S3_SECRET"],
            }
            settings = S3Settings(
                endpoint_url=words["S3_ENDPOINT"],
                bucket=bucket,
                access_key=words["S3_ACCESS"],
                secret_key=words["S3_SECRET"],
                spool_folder=self.folder,
            )
            make_clients(settings)[0].create_bucket(Bucket=bucket)
        return found

    def _store_script(self, *words: str | Path) -> dict[str, str]:
        host, out = self.hosts["store"], self.folder / f"store-{words[0]}.out"
        env = {"S3_SERVER_HOST": host.address, "HOME": str(self.folder)}
        script = [ROOT / "scripts" / "s3-server", *words]
        if host.run(script, env, out, cwd=self.folder).wait(_START_WITHIN_S):
            raise NotStarted(out.read_text()[-2000:])
        return dict(w.split("=", 1) for w in out.read_text().split() if w.startswith("S3_"))

    def _nginx(self) -> list[str]:
        folder = self.folder / "nginx"
        folder.mkdir()
        places = {name.replace("-", "_"): host.address for name, host in self.hosts.items()}
        conf = folder / "nginx.conf"
        conf.write_text(f"user root;{_NGINX.format(folder=folder, **places)}")
        found = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
        if found is None:
            raise NotStarted("nginx is missing: apt-get install nginx-light")
        return [found, "-c", str(conf), "-p", str(folder)]

    def _add(self, name: str, argv: list[str], env: dict[str, str]) -> None:
        host = self.hosts[name]
        around = {"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}", "PYTHONUNBUFFERED": "1", **env}

        def start() -> subprocess.Popen[bytes]:
            return host.run(argv, around, self.folder / f"{name}.log", cwd=self.folder)

        self._kept[name] = _Kept(host=host, start=start, process=start())

    def _keep(self) -> None:
        """Start again what has ended, as the manager of services on each host does."""
        while not self._over.wait(0.2):
            for kept in self._kept.values():
                if kept.process.poll() is not None:
                    kept.process = kept.start()

    def kill(self, name: str) -> None:
        """Kill what a host is there for, without a word."""
        if name == "database":
            self.postgres.kill()
        elif name == "store":
            pid = int((self.folder / "store/gateway.pid").read_text())
            os.kill(pid, signal.SIGKILL)
            again = "echo $$ >gateway.pid; exec radosgw -c $PWD/ceph.conf -n client.rgw -f"
            log = self.folder / "store.log"
            self.hosts[name].run(["sh", "-c", again], {}, log, cwd=self.folder / "store")
        else:
            self._kept[name].process.kill()

    def answers(self, name: str) -> bool:
        """Tell whether the host does what it is there for, asked of it alone."""
        host = self.hosts[name]
        if name.startswith("worker"):
            return self._kept[name].process.poll() is None
        if name == "database":
            with suppress(psycopg.Error), psycopg.connect(self.owner_url, connect_timeout=2):
                return True
            return False
        port = {"store": S3_PORT, "links": LINKS}.get(name, WEB)
        path = "/" if name == "store" else "/healthz"
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://{host.address}:{port}{path}", timeout=2).status_code < 500  # noqa: PLR2004 - what it says does not matter.
        return False

    def wait(self, name: str) -> None:
        give_up_at = time.monotonic() + _START_WITHIN_S
        while not self.answers(name):
            if time.monotonic() > give_up_at:
                log = self.folder / f"{name}.log"
                raise NotStarted(f"{name}: {log.read_text()[-2000:] if log.exists() else ''}")
            time.sleep(0.05)

    def end_programs(self) -> None:
        """End web, workers, links and front; database and store stay."""
        self._over.set()
        self._keeper.join()
        for name, kept in self._kept.items():
            if name != "database":
                kept.host.end_all()

    def close(self) -> None:
        self._over.set()
        self.postgres.stop()


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """Give a built town; nothing of it runs afterwards."""
    with network(NAMES) as hosts:
        built = Town(folder, hosts)
        try:
            built.build()
            yield built
        finally:
            built.close()
