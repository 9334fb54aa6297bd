"""The page that verifies in a browser, opened from the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.verifier import verify
from tests.verifier import forge as forging
from tests.verifier.attacks import ATTACKS, INSIDE, ORIGINAL, Attack
from tests.verifier.conftest import Authority
from tests.verifier.forge import TOP, Forge, fingerprint, rotated, write_zip

PAGE = Path(verify.__file__).with_name("verify.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", viewport={"width": 390, "height": 844})
    found = context.new_page()
    asked: list[str] = []
    found.on("request", lambda request: asked.append(request.url))
    found.goto(PAGE.as_uri())
    yield found
    # What a director opens from his disk must not tell anybody that he did.
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    context.close()


def result(page: Page, bundle: Path, key: str) -> tuple[str, list[str]]:
    page.locator("#file").set_input_files(bundle)
    page.locator("#key").fill(key)
    page.locator("button[type=submit]").click()
    expect(page.locator("#meaning")).not_to_be_empty()
    return page.locator("#result").inner_text(), page.locator("#problems li").all_inner_texts()


def test_a_right_bundle_is_valid(page: Page, forge: Forge, tmp_path: Path) -> None:
    packed = write_zip(tmp_path / "a.zip", forging.members(forge.bundle()))
    key = fingerprint(forge.bundle_key)
    assert result(page, packed, key) == ("VALID", [])
    assert page.locator("#facts").inner_text().count(key) == 1
    assert result(page, packed, "") == ("UNVERIFIABLE", [])
    assert result(page, packed, "0" * 64)[0] == "INVALID"


def test_a_story_that_begins_with_a_rebuilding_is_told_of(page: Page, tmp_path: Path) -> None:
    forge = Forge(is_rebuilt=True)
    packed = write_zip(tmp_path / "a.zip", forging.members(forge.bundle()))
    word, problems = result(page, packed, fingerprint(forge.bundle_key))
    assert (word, problems) == ("VALID_WITH_WARNINGS", [])
    notes = page.locator("#notes").inner_text()
    assert all(about in notes for about in (forging.RECORDING, forging.CLIPPED))


def test_days_that_an_earlier_key_of_the_log_signed_are_known_by_the_statement(
    page: Page, tmp_path: Path
) -> None:
    forge, files = rotated()
    packed = write_zip(tmp_path / "a.zip", forging.members(files))
    assert result(page, packed, fingerprint(forge.bundle_key)) == ("VALID", [])


@pytest.mark.parametrize("older", [1, 2, 3, 4, 6, 7, 8, 10, 11])
def test_the_log_is_shown_to_have_only_grown(page: Page, tmp_path: Path, older: int) -> None:
    forge = Forge(older=older)
    packed = write_zip(tmp_path / "a.zip", forging.members(forge.bundle()))
    assert result(page, packed, fingerprint(forge.bundle_key)) == ("VALID", [])
    assert "verify.py --since" in page.locator("#notes").inner_text()


@pytest.mark.parametrize("attack", [*ATTACKS, *INSIDE], ids=lambda a: a.name)
def test_an_attack_is_seen(page: Page, forge: Forge, tmp_path: Path, attack: Attack) -> None:
    files = attack.do(forge, forge.bundle())
    packed = write_zip(tmp_path / "a.zip", forging.members(files))
    word, problems = result(page, packed, fingerprint(forge.bundle_key))
    assert word == "INVALID"
    assert any(attack.file in one and attack.check in one for one in problems), problems


def test_a_byte_more_in_any_file_is_seen_and_the_file_named(
    page: Page, forge: Forge, tmp_path: Path
) -> None:
    files = forge.bundle()
    for path in files:
        changed = files | {path: files[path] + b"x"}
        packed = write_zip(tmp_path / "a.zip", forging.members(changed))
        word, problems = result(page, packed, fingerprint(forge.bundle_key))
        assert word == "INVALID", path
        assert any(problem.startswith(path) for problem in problems), (path, problems)


@pytest.mark.parametrize(
    "name",
    [f"{TOP}/../evil.txt", "/etc/passwd", f"{TOP}/{ORIGINAL}", f"{TOP}/{ORIGINAL.upper()}"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_that_leads_astray_is_refused(
    page: Page, forge: Forge, tmp_path: Path, name: str
) -> None:
    members = [*forging.members(forge.bundle()), (name, b"evil")]
    packed = write_zip(tmp_path / "a.zip", iter(members))
    assert result(page, packed, "")[0] == "INVALID"


def test_a_time_stamp_of_another_checkpoint_is_seen(
    page: Page, tmp_path: Path, authority: Authority
) -> None:
    forge = Forge()
    key = fingerprint(forge.bundle_key)
    for content, word in ((forge.checkpoint(), "VALID"), (b"something else", "INVALID")):
        forge.stamp, forge.tsa_pem = authority.stamp(content), authority.root_pem
        packed = write_zip(tmp_path / "a.zip", forging.members(forge.bundle()))
        found, problems = result(page, packed, key)
        assert found == word
        assert [one.partition(":")[0] for one in problems] == ["proof/checkpoint.tsr"] * (
            word == "INVALID"
        )


def test_it_speaks_russian_and_says_what_is_no_bundle(page: Page, tmp_path: Path) -> None:
    page.locator("[data-language=ru]").click()
    assert page.locator("h1").inner_text() == "Проверка пакета материалов"
    assert page.locator("html").get_attribute("lang") == "ru"
    other = tmp_path / "a.zip"
    other.write_bytes(b"%PDF-1.7 and nothing that a zip would begin with")
    assert result(page, other, "") == ("UNVERIFIABLE", [])
    assert page.locator("#meaning").inner_text() == "Это не пакет материалов."
