"""What a manager does in the browser, step by step, and how long each step takes.

The pages are asked for what they show; nothing is done that a person could not do with a mouse.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Page

_PLAYING = """() => {
  const sound = document.getElementById("audio");
  return !sound.paused && sound.currentTime > 0 && sound.readyState >= 2;
}"""
_READY = """() => document.getElementById("player")?.dataset.ready === "yes"
  && document.getElementById("player").dataset.drawn === "yes"
  && document.getElementById("audio").readyState >= 2
  && !document.getElementById("audio").seeking"""
_PLACE = """() => {
  const first = JSON.parse(document.getElementById("player").dataset.settings).part_from_ms;
  return first + Math.round(document.getElementById("audio").currentTime * 1000);
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that was done, and the seconds until the page showed what came of it."""

    does: str
    seconds: float
    is_click: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Where in the call it began to play, and where it was a moment later."""

    from_ms: int
    then_ms: int


@dataclass(slots=True)
class Journey:
    """The steps so far, in one page of the browser."""

    page: Page
    steps: list[Step] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)

    @property
    def clicks(self) -> int:
        return sum(step.is_click for step in self.steps)

    def does(self, what: str, act: Callable[[], object], *, is_click: bool = True) -> None:
        """Do it and write down how long it took."""
        began = time.monotonic()
        act()
        spent = time.monotonic() - began
        self.steps.append(Step(does=what, seconds=spent, is_click=is_click))

    def log_in(self, address: str, name: str, password: str) -> None:
        """Open the address and log in from the printed line."""

        def act() -> None:
            self.page.goto(f"{address}/login")
            self.page.fill("#name", name)
            self.page.fill("#password", password)
            self.page.keyboard.press("Enter")
            self.page.wait_for_selector("nav.sections", state="attached")

        self.does("open the address and log in as the manager", act, is_click=False)

    def open_disputes(self) -> None:
        self.does("inbox: click on the disputes", lambda: self._follow('main a[href="/disputes"]'))

    def open_complaint(self, subject: str) -> None:
        def act() -> None:
            self.page.locator("tbody a", has_text=subject).first.click()
            self.page.wait_for_selector("#exhibits")

        self.does(f"disputes: click on the complaint «{subject}»", act)

    def write_complaint(self, told: dict[str, str]) -> None:
        """Write a complaint down that nobody has written down yet."""

        def act() -> None:
            self._follow('a[href="/disputes/new"]')
            for name, value in told.items():
                self.page.fill(f"#open-{name}", value)
            self.page.locator("#open-said_by").press("Enter")
            self.page.wait_for_selector("#exhibits")

        self.does("disputes: open one, write the complaint down", act)

    def show(self, recording_id: str, place: str) -> None:
        """Take a call out of what happened, and say from where in it."""

        def act() -> None:
            self._follow(f'#timeline a[href*="show=recording:{recording_id}"]')
            self.page.fill("#exhibit-from", place)
            self.page.locator("#exhibit-from").press("Enter")
            self.page.wait_for_selector(".exhibit")

        self.does(f"complaint: take the call as an exhibit, from {place}", act)

    def open_exhibit(self) -> None:
        self.does("complaint: click on the exhibit", lambda: self._follow(".exhibit a"))

    def say_purpose(self) -> None:
        """Say for what one listens, where one has not said it in this dispute before."""
        if self.page.locator("#player").count():
            self.page.wait_for_function(_READY)
            return

        def act() -> None:
            self.page.locator('form[action$="/purpose"] button[type="submit"]').click()
            self.page.wait_for_function(_READY)

        self.does("call: click on «open the sound», for quality control", act)

    def play(self) -> Heard:
        """Press play; return what is heard."""
        began_at: int = self.page.evaluate(_PLACE)

        def act() -> None:
            self.page.locator("#toggle").click()
            self.page.wait_for_function(_PLAYING)

        self.does("call: click on play, and it sounds", act)
        self.page.wait_for_function(f"() => ({_PLACE})() > {began_at + 500}")
        return Heard(from_ms=began_at, then_ms=self.page.evaluate(_PLACE))

    def _follow(self, selector: str) -> None:
        self.page.locator(selector).first.click()
        self.page.wait_for_load_state()
