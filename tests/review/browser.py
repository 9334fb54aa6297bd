"""A reviewer's browser: what fills his queues, and the steps that every story takes."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from sqlalchemy import text

from app.inspection.jobs import inspect
from tests.factories import wav
from tests.review.house import PASSWORD, House

# Beside the crash trial a request may wait for the disk longer than the library's five seconds.
expect.set_options(timeout=30_000)


def fill(house: House, count: int) -> list[str]:
    """Make recordings with words that somebody proposed as a notice; return the proposals."""
    made = []
    for _ in range(count):
        recording = house.recording(body=wav(8.0))
        picture(house, str(recording.id))
        made.append(str(house.propose(recording.id)))
    return made


def picture(house: House, recording_id: str) -> None:
    """Let the inspection make the picture of the sound."""
    with house.database.transaction() as session:
        session.execute(
            text("UPDATE legs SET inspection_state = 'pending' WHERE recording_id = :id"),
            {"id": recording_id},
        )
    inspect(house.tools, recording_id)


def log_in(page: Page, name: str = "reviewer") -> None:
    """Log in from the form, by keyboard."""
    page.goto("/review")
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("nav.sections")).to_be_visible()


def shown(page: Page) -> str:
    """Return the item that is shown."""
    return str(page.locator("#desk").get_attribute("data-item"))


def wait_for_item(page: Page, item: str) -> None:
    """Wait until an item is shown and takes a verdict."""
    page.wait_for_function(
        "item => { const at = document.querySelector('#desk').dataset;"
        " return at.item === item && at.ready === 'yes'; }",
        arg=item,
    )
