"""The files of a deployment agree with the program, and the process of the links gets no more."""

from __future__ import annotations

import re
import tomllib

import pytest

from app.settings import Settings
from tests.docs.markdown import ROOT

COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
_ARCHIVE_ALONE = (
    "archive",
    "AUDIATUR_DATABASE",
    "AUDIATUR_S3_BUCKET",
    "AUDIATUR_S3_ACCESS",
    "AUDIATUR_S3_SECRET",
    "AUDIATUR_S3_ENDPOINT",
    "OWNER_PASSWORD",
    "WEB_PASSWORD",
    "POSTGRES_PASSWORD",
)
_UNITS = {"m": 1024**2, "MiB": 1024**2}


def _service(name: str) -> str:
    """Return the lines of a service, without comments."""
    _, found, rest = COMPOSE.partition(f"\n  {name}:\n")
    assert found, name
    body = re.split(r"\n(?=  \w|\w)", rest, maxsplit=1)[0]
    return "\n".join(line for line in body.splitlines() if not line.lstrip().startswith("#"))


def test_the_links_get_nothing_of_the_archive() -> None:
    public, web = _service("public"), _service("web")
    assert [word for word in _ARCHIVE_ALONE if word in public] == []
    assert "archive" in web
    assert "AUDIATUR_PUBLIC_DATABASE_URL" in public
    assert "release-key:/keys/release:ro" in public


def test_only_the_migrations_log_in_as_the_owner() -> None:
    services = ("database", "migrate", "web", "worker", "public")
    assert [name for name in services if "OWNER_PASSWORD" in _service(name)] == [
        "database",
        "migrate",
    ]


@pytest.mark.parametrize("text", [COMPOSE, DOCKERFILE], ids=["compose.yaml", "Dockerfile"])
def test_every_setting_that_is_named_exists(text: str) -> None:
    named = set(re.findall(r"AUDIATUR_[A-Z0-9_]+", text))
    known = {f"AUDIATUR_{name.upper()}" for name in Settings.model_fields}
    assert named
    assert named <= known


def test_the_example_names_what_the_services_ask_for() -> None:
    example = (ROOT / "docs/compose.env.example").read_text(encoding="utf-8")
    offered = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert offered == set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
    assert re.findall(r"^\w+(?:PASSWORD|KEY|SECRET)=\S", example, re.MULTILINE) == []


def test_the_roles_of_the_database_are_made_with_the_passwords_that_compose_hands_over() -> None:
    roles = (ROOT / "docs/roles.sql").read_text(encoding="utf-8")
    wanted = re.findall(r"^\\getenv \w+ (\w+)$", roles, re.MULTILINE)
    assert wanted == ["OWNER_PASSWORD", "WEB_PASSWORD", "LINK_PASSWORD"]
    assert all(f"{name}: ${{{name}:?}}" in _service("database") for name in wanted)


def test_the_image_keeps_no_tool_of_the_developers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tools = {re.split(r"[\[>=]", line)[0] for line in project["optional-dependencies"]["dev"]}
    _, _, removal = DOCKERFILE.partition("pip uninstall --yes")
    removed = set(removal.partition("&&")[0].replace("\\", " ").split())
    assert removed == tools


def test_the_image_has_the_packages_of_the_set_up_and_no_root() -> None:
    setup = (ROOT / "scripts/setup").read_text(encoding="utf-8")
    packages = re.search(r"^packages=\(([^)]*)\)", setup, re.MULTILINE)
    _, _, installed = DOCKERFILE.partition("--no-install-recommends")
    assert packages is not None
    listed = installed.partition("&&")[0].replace("\\", " ")
    assert set(listed.split()) == set(packages[1].split())
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_the_proxies_let_the_largest_recording_pass(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    sizes = re.findall(r"(?:client_max_body_size|max_size) (\d+)(m|MiB)\b", text)
    largest = max(int(number) * _UNITS[unit] for number, unit in sizes)
    assert largest > Settings.model_fields["max_upload_bytes"].default


def test_the_proxy_writes_no_path_of_a_link_down() -> None:
    text = (ROOT / "docs/nginx.conf").read_text(encoding="utf-8")
    archive, _, links = text.partition("server_name listen.example.com;\n    ssl_certificate ")
    _, _, redirect = archive.partition("location /s/ {")
    for place in (links, redirect.partition("}")[0]):
        assert "access_log off;" in place
        assert re.search(r"error_log \S+ crit;", place)
    assert text.count("proxy_buffering off;") == text.count("listen 443 ssl")


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_v3_4_1_the_proxies_tell_browsers_to_come_by_tls_alone(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    said = re.findall(r'Strict-Transport-Security "max-age=(\d+)(; includeSubDomains)"', text)
    assert said
    assert all(int(seconds) >= 365 * 86_400 and below for seconds, below in said)
    assert text.count("Strict-Transport-Security") == len(said)


def test_v4_1_2_a_program_that_comes_without_tls_is_refused_and_not_led_on() -> None:
    plain, _, _ = (ROOT / "docs/nginx.conf").read_text(encoding="utf-8").partition("listen 443")
    assert "location ~ ^/(v1|hooks|api|vcon)(/|$) { return 403; }" in plain
    caddy = (ROOT / "docs/Caddyfile").read_text(encoding="utf-8")
    _, _, unsafe = caddy.partition("http://archive.example.com {")
    assert "@programs path /v1/* /hooks/* /api/* /vcon" in unsafe.partition("redir")[0]
    assert "respond 403" in unsafe.partition("redir")[0]


def test_v12_1_1_the_proxies_speak_tls_of_1_2_and_1_3_alone_with_forward_secrecy() -> None:
    nginx = (ROOT / "docs/nginx.conf").read_text(encoding="utf-8")
    assert re.findall(r"^ssl_protocols (.+);$", nginx, re.MULTILINE) == ["TLSv1.2 TLSv1.3"]
    (suites,) = re.findall(r"^ssl_ciphers (\S+);$", nginx, re.MULTILINE)
    assert all(re.match(r"ECDHE-.*(GCM|POLY1305)", suite) for suite in suites.split(":"))
    caddy = (ROOT / "docs/Caddyfile").read_text(encoding="utf-8")
    assert caddy.count("protocols tls1.2 tls1.3") == 2


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_the_proxies_let_in_whatever_is_sent_in_files(name: str) -> None:
    """A way in that a proxy does not know is refused by it, with words that nobody understands."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    archive, _, links = text.partition(
        "listen.example.com;\n    ssl" if "nginx" in name else "\nlisten."
    )
    for path in ("v1/recordings", "v1/uploads", "vcon", "hooks"):
        assert path in archive.partition("listen 443")[2 if "nginx" in name else 0], path
    assert "/r/" in links
