"""One running archive with something on every page, and each role's log-in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from app.core.clock import SetClock
from app.embedded.postgres import Cluster
from app.identity.authenticator import SESSION_COOKIE
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from tests.conftest import new_database
from tests.review.conftest import CHROMIUM, IS_CI
from tests.review.house import PASSWORD, House, opened
from tests.web.looking import AXE, SIZES, Look
from tests.web.table import SUBJECTS

OURS = {"Sec-Fetch-Site": "same-origin"}


@dataclass(kw_only=True)
class Site:
    """The archive, a value for each parameter of a path, and a cookie for each role."""

    house: House
    parameters: dict[str, str] = field(default_factory=dict)
    cookies: dict[Role, str] = field(default_factory=dict)

    def path(self, template: str) -> str:
        """Return the path of a page about what is there."""
        return re.sub(r"\{(\w+)[^}]*\}", lambda found: self.parameters[found[1]], template)

    def headers(self, role: Role | None) -> dict[str, str]:
        return OURS | ({"Cookie": f"{SESSION_COOKIE}={self.cookies[role]}"} if role else {})

    def get(self, path: str, role: Role | None, **more: str) -> httpx.Response:
        """Ask for a page as a browser does; `more` are headers."""
        return httpx.get(self.house.url + path, headers=self.headers(role) | more, timeout=60)

    def post(
        self, path: str, role: Role | None, data: dict[str, str] | None = None, **more: str
    ) -> httpx.Response:
        """Send a form."""
        headers = self.headers(role) | more
        return httpx.post(self.house.url + path, data=data or {}, headers=headers, timeout=60)

    def log_in(self, role: Role) -> str:
        """Return the cookie of a new log-in."""
        form = {"name": str(role), "password": PASSWORD}
        answer = httpx.post(f"{self.house.url}/login", data=form, headers=OURS, timeout=60)
        return answer.headers["set-cookie"].split("=", 1)[1].split(";")[0]


@pytest.fixture(scope="session")
def site(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox
) -> Iterator[Site]:
    """Give an archive with something on every page; tests leave it as they find it."""
    clock = SetClock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    folder = tmp_path_factory.mktemp("site")
    with (
        new_database(cluster) as urls,
        opened(
            folder, web_url=urls.web, owner_url=urls.owner, sandbox=sandbox, clock=clock
        ) as house,
    ):
        house.person("agent", Role.AGENT)
        made = Site(house=house)
        for subject in SUBJECTS:
            if hasattr(subject, "fill"):
                made.parameters |= subject.fill(house)
        for role in Role:
            made.cookies[role] = made.log_in(role)
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if IS_CI:
            pytest.fail("Chromium is missing.")
        pytest.skip("Chromium is missing.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        if IS_CI:
            pytest.fail("axe-core is missing: run scripts/setup.")
        pytest.skip("axe-core is missing: run scripts/setup.")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
def open_page(site: Site, chromium: Browser) -> Iterator[Callable[[Role, Look], Page]]:
    """Give a function that opens a browser as a role looks at pages."""
    contexts = []

    def opened(role: Role, look: Look) -> Page:
        width, height = SIZES[look.size]
        context = chromium.new_context(
            base_url=site.house.url,
            locale="ru-RU" if look.lang == "ru" else "en-GB",
            viewport={"width": width, "height": height},
            color_scheme="dark" if look.scheme == "dark" else "light",
        )
        contexts.append(context)
        context.add_cookies(
            [
                {
                    "name": SESSION_COOKIE,
                    "value": site.cookies[role],
                    "url": site.house.url.replace("http:", "https:"),  # It is sent to loopback too.
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
