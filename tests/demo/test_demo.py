"""The demo plays its story in through the public API and says what came of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.verifier.test_verify_html import PAGE, result

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/demo itself does.

from demo_company import archive, bundles, story  # noqa: E402  # Needs the line above.
from demo_company.archive import CannotRun  # noqa: E402  # The same.
from demo_company.report import Report, Row  # noqa: E402  # The same.

LATER = datetime(2027, 3, 1, tzinfo=UTC)
WIDTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A demo that has ended."""

    folder: Path
    status: int
    lines: list[str]
    log: str

    def row(self, call: str) -> str:
        """Return the line of the table about a call."""
        return next(line for line in self.lines if re.match(rf"{call} +\w", line))


def play(folder: Path, *options: str) -> Played:
    """Run the demo as scripts/demo does once everything is set up."""
    settings = {"AUDIATUR_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing"}
    words = ["--once", "--port", "0", "--data", str(folder), *options]
    done = subprocess.run(  # noqa: S603 - our own program, no shell.
        [sys.executable, "-P", "-m", "demo_company.main", *words],
        cwd="/",
        env=os.environ | settings | {"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    log = (folder / "archive.log").read_text(encoding="utf-8")
    return Played(
        folder=folder,
        status=done.returncode,
        lines=done.stdout.splitlines() + done.stderr.splitlines(),
        log=log,
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Give a demo that was played once, by a user with settings for another archive."""
    return play(tmp_path_factory.mktemp("with space") / "demo")


def test_the_demo_ends_well(played: Played) -> None:
    assert played.lines[-1] == "demo: ok", played.lines
    assert played.status == 0


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("d07", ["EV-1002", "sender", "notified", "released"]),
        ("s01", ["softphone", "EV-1100", "sender", "notified", "released"]),
        ("d19", ["EV-1003", "number", "withdrawal_proposed", "released, ended by withdrawal"]),
        ("s02", ["softphone", "EV-1101", "manual", "unknown", "DENY C_UNKNOWN:cli"]),
        ("d04", ["EV-1004", "adopted", "unknown", "DENY C_UNKNOWN:cli"]),
        ("d05", ["mobile", "created", "unknown", "DENY C_UNKNOWN:cli"]),
        ("d13", ["EV-1005", "number", "refusal_proposed", "DENY C_REFUSAL_PROPOSED:cli"]),
        ("d12", ["created", "refused", "DENY C_REFUSED:cli"]),
        ("d03", ["EV-2001", "notified", "DENY C_PURPOSE_NOT_ANNOUNCED:cli, G_NONE"]),
        ("d23", ["EV-1007", "notified", "REVIEW S_SCREEN_REQUIRED"]),
        ("d15", ["triage", "pending", "not asked"]),
        ("d24", ["ООО «Маяк-Трейд»", "created", "pending", "not asked"]),
        ("d09", ["created", "unknown", "not asked"]),
    ],
)
def test_the_table_tells_of_each_call_what_became_of_it(
    played: Played, call: str, told: list[str]
) -> None:
    row = played.row(call)
    assert all(word in row for word in told), row


def test_the_table_fits_a_terminal(played: Played) -> None:
    row = played.lines.index("-" * WIDTH)
    table = played.lines[row - 1 : row + 20]
    assert max(map(len, table)) == WIDTH


def test_repeats_other_bytes_and_playlists_are_answered_as_they_must_be(played: Played) -> None:
    told = "\n".join(played.lines)
    assert "The same call again: 200\n" in told
    assert "Other bytes in its name: 409 " in told
    assert "A playlist named call.mp3: 415 " in told


def test_nothing_of_the_demo_runs_on_when_it_has_ended(played: Played) -> None:
    address = next(line.split()[1] for line in played.lines if line.startswith("address: "))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz", timeout=5)
    assert '"supervisor.stopped"' in played.log
    assert not (played.folder / "postgres" / "data" / "postmaster.pid").exists()


def test_no_key_password_or_number_is_in_the_log_of_the_archive(played: Played) -> None:
    accounts = json.loads((played.folder / "log-ins.json").read_text(encoding="utf-8"))
    secret = [*accounts["keys"].values(), *accounts["passwords"].values()]
    assert len(secret) == 17
    assert not [one for one in [*secret, "+7495000"] if one in played.log]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOut:
    """The bundle that the demo left on the disk, unpacked, and the key from outside of it."""

    zipped: Path
    top: Path
    key: str
    key_file: Path

    def audiatur(self, bundle: Path, *key: str) -> tuple[int, list[str]]:
        return _said(*archive.command("verify", str(bundle), *key), folder=self.zipped.parent)

    def openssl(self, *words: Path) -> tuple[int, list[str]]:
        script = str(ROOT / "scripts" / "verify-openssl")
        status, lines = _said(script, *map(str, words), folder=self.zipped.parent)
        return status, [line for line in lines if not line.startswith("note: ")]


def _said(*words: str, folder: Path) -> tuple[int, list[str]]:
    done = subprocess.run(  # noqa: S603 - our own programs, no shell of ours.
        words,
        cwd=folder,
        env=archive.environment(folder),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.fixture(scope="module")
def bundle(played: Played, tmp_path_factory: pytest.TempPathFactory) -> TakenOut:
    taken = bundles.found(played.folder)
    assert taken is not None
    assert f"bundle: {taken.path}" in played.lines
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(taken.path) as packed:
        packed.extractall(folder / "unpacked")
    (top,) = (folder / "unpacked").iterdir()
    key_file = folder / "key.pem"
    key_file.write_text(archive.asked(played.folder, "bundle", "key", "--pem") + "\n")
    return TakenOut(zipped=taken.path, top=top, key=taken.key, key_file=key_file)


def test_the_bundle_is_valid_with_the_key_and_unverifiable_without(bundle: TakenOut) -> None:
    for path in (bundle.zipped, bundle.top):
        status, lines = bundle.audiatur(path, "--key", bundle.key)
        assert (status, lines[-1]) == (0, "VALID"), lines
        assert bundle.openssl(path, bundle.key_file) == (0, ["VALID"])
    status, lines = bundle.audiatur(bundle.zipped)
    assert (status, lines[-1]) == (3, "UNVERIFIABLE")
    status, lines = bundle.openssl(bundle.zipped)
    assert (status, lines[-1]) == (3, "UNVERIFIABLE")


def test_a_byte_more_in_a_file_of_the_bundle_is_seen_and_the_file_named(
    bundle: TakenOut,
) -> None:
    inside = sorted(one for one in bundle.top.rglob("*") if one.is_file())
    exhibit = next(one for one in inside if "/data/recordings/" in one.as_posix())
    told = (bundle.top / name for name in ("metadata/completeness.json", "proof/checkpoint.sig"))
    for path in (exhibit, *told):
        before = path.read_bytes()
        with path.open("ab") as file:
            file.write(b"x")
        name = path.relative_to(bundle.top).as_posix()
        status, lines = bundle.audiatur(bundle.top, "--key", bundle.key)
        assert (status, lines[-1]) == (2, "INVALID")
        assert any(line.strip().startswith(f"{name}: ") for line in lines), (name, lines)
        status, lines = bundle.openssl(bundle.top, bundle.key_file)
        assert (status, lines[-1]) == (2, "INVALID")
        assert any(line.startswith(f"{name}: ") for line in lines), (name, lines)
        path.write_bytes(before)
    assert bundle.openssl(bundle.top, bundle.key_file) == (0, ["VALID"])


def test_the_page_that_verifies_says_the_same_of_the_bundle(
    bundle: TakenOut, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(bundle.zipped) as before, zipfile.ZipFile(changed, "w") as after:
        exhibit = next(name for name in before.namelist() if "/data/recordings/" in name)
        for one in before.infolist():
            more = b"x" if one.filename == exhibit else b""
            after.writestr(one, before.read(one) + more)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = chromium.new_page()
        page.goto(PAGE.as_uri())
        assert result(page, bundle.zipped, bundle.key) == ("VALID", [])
        assert result(page, bundle.zipped, "") == ("UNVERIFIABLE", [])
        word, problems = result(page, changed, bundle.key)
        chromium.close()
    assert word == "INVALID"
    assert any(one.startswith(exhibit.partition("/")[2]) for one in problems), problems


def test_a_kept_demo_is_served_again_with_the_same_log_ins(played: Played) -> None:
    again = play(played.folder, "--keep")
    assert (again.status, again.lines[-1]) == (0, "demo: ok")
    log_ins = [line for line in played.lines if " password " in line]
    assert len(log_ins) == 10
    assert [line for line in again.lines if " password " in line] == log_ins
    assert not any("tells of" in line for line in again.lines)


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with (
        pytest.raises(CannotRun, match="not this demo's"),
        archive.data_folder(tmp_path, keep=False),
    ):
        pass
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_an_earlier_demo_is_emptied_and_two_at_once_are_refused(tmp_path: Path) -> None:
    with archive.data_folder(tmp_path / "demo", keep=False):
        (tmp_path / "demo" / "old").mkdir()
        with (
            pytest.raises(CannotRun, match="another demo"),
            archive.data_folder(tmp_path / "demo", keep=False),
        ):
            pass
        assert (tmp_path / "demo" / "old").exists()
    with archive.data_folder(tmp_path / "demo", keep=False):
        assert not (tmp_path / "demo" / "old").exists()


def test_a_slow_clock_makes_the_story_earlier_by_whole_weeks() -> None:
    now = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    told, moved = story.read(now=LATER), story.read(now=now)
    starts = [datetime.fromisoformat(call.told["started_at"]) for call in told.calls]
    moved_starts = [datetime.fromisoformat(call.told["started_at"]) for call in moved.calls]
    by = {a - b for a, b in zip(starts, moved_starts, strict=True)}
    assert len(by) == 1
    assert by.pop() == timedelta(weeks=30)
    assert max(moved_starts) < now
    signed = [s.company["clients"][0]["told"]["contracts"][0]["signed_on"] for s in (told, moved)]
    assert signed == ["2026-01-12", "2025-06-16"]


def test_what_differs_is_told() -> None:
    call = story.read(now=LATER).call("d07")
    recording = {
        "event": {"external_id": "EV-1002", "linked_by": "sender", "client": "vasilek"},
        "consent": {"flag": "notified"},
        "inspection": {"state": "done"},
    }
    good = Row(call=call, recording=recording, client_name=None, outcome="released")
    as_it_must_be, wrong = Report(), Report()
    good.compare(as_it_must_be)
    assert as_it_must_be.differences == []
    good.outcome = "DENY"
    good.compare(wrong)
    assert wrong.differences == ["d07 outcome: 'released' expected, 'DENY' found"]


def test_the_company_is_small_and_every_file_of_it_is_told_of() -> None:
    told = story.read(now=LATER)
    named = {file["file"] for call in told.calls for file in call.files}
    named |= {shot["file"] for shot in told.company["screenshots"]}
    named.add(told.company["notice"]["audio"])
    files = {
        str(path.relative_to(story.FOLDER)): path.stat().st_size
        for folder in ("calls", "notice", "screenshots")
        for path in (story.FOLDER / folder).iterdir()
    }
    assert named == set(files)
    assert sum(files.values()) < 4_000_000
    assert len(told.calls) >= 14
    assert len([call for call in told.calls if len(call.files) == 2]) == 2
