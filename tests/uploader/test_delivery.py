"""From a folder to the archive: each call once, whatever lies there and whatever the answer is."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select

from app.custody.notes import Signer
from app.feeds.models import KnownCall
from app.uploader.spool import Spool, State
from tests.factories import wav
from tests.live import Live
from tests.uploader.house import ROOT, House, house, kept

MICROSIP = "20261130-101500-+74950008414-incoming-106.wav"
ENC, DEC = (f"dump-2026-11-30-10-15-00-{way}.wav" for way in ("enc", "dec"))


def silent(seconds: float) -> bytes:
    """Return other bytes than `wav` of the same length."""
    body = wav(seconds)
    return body[:44] + bytes(len(body) - 44)


def headless(seconds: float) -> bytes:
    """Return what a killed baresip leaves."""
    body = wav(seconds)
    return body[:4] + (8).to_bytes(4, "little") + body[8:40] + bytes(4) + body[44:]


def appended(first: bytes, second: bytes) -> bytes:
    """Return what linphonec makes of two calls with one file name."""
    samples = first[44:] + second[44:]
    sized = first[:4] + (36 + len(samples)).to_bytes(4, "little") + first[8:40]
    return sized + len(samples).to_bytes(4, "little") + samples


def test_a_finished_file_arrives_with_what_its_name_tells(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk")
    body = wav(2)
    at.put(MICROSIP, body)
    done = at.once()
    assert done.returncode == 0, done.stderr
    (found,) = kept(live)
    assert (found["direction"], found["agent"]) == ("inbound", "106")
    assert found["outside_number"] == "+74950008414"
    (item,) = at.items()
    assert item.is_proved
    assert item.answer is not None
    assert item.answer["id"] == found["id"]
    assert at.once().returncode == 0
    assert len(kept(live)) == 1
    assert found["legs"][0]["sha256"] == hashlib.sha256(body).hexdigest()


def test_two_directions_are_two_legs_of_one_recording(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", folder_lines=['direction = "inbound"'])
    at.put(ENC, wav(9))
    at.put(DEC, silent(3))
    assert at.once().returncode == 0
    (found,) = kept(live)
    assert {leg["leg"] for leg in found["legs"]} == {"sent", "received"}
    by_leg = {item.leg: item for item in at.items()}
    assert any("ends 6.0 s before" in note for note in by_leg["received"].notes)
    assert all("by the settings" in item.notes[0] for item in by_leg.values())


def test_what_nobody_tells_is_held_and_shown_until_it_is_told(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk")
    at.put(ENC, wav(1))
    assert at.once().returncode == 1
    assert kept(live) == []
    (shown,) = at.status()["items"]
    assert shown["state"] == "held"
    assert "direction" in shown["reason"]
    (at.calls / f"{ENC}.json").write_text('{"direction": "outbound", "to": "+74950008414"}')
    assert at.once().returncode == 0
    (found,) = kept(live)
    assert (found["direction"], found["outside_number"]) == ("outbound", "+74950008414")


def test_a_sidecar_that_says_something_unknown_is_not_guessed_at(
    live: Live, tmp_path: Path
) -> None:
    at = house(live, tmp_path / "desk")
    at.put(MICROSIP, wav(1))
    (at.calls / f"{MICROSIP}.json").write_text('{"agnet": "107"}')
    assert at.once().returncode == 1
    assert "agnet" in at.status()["items"][0]["reason"]
    assert kept(live) == []


def test_what_the_archive_refuses_is_kept_and_shown(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", after="delete")
    text = MICROSIP.replace(".wav", ".mp3")
    at.put(text, b"this is no sound " * 20)
    assert at.once().returncode == 1
    shown = at.status()
    (item,) = shown["items"]
    assert item["state"] == "refused"
    assert item["reason"].startswith("415 ")
    assert item["reason"] in shown["last_error"]["what"]
    assert (at.calls / text).exists()
    assert at.run("retry").returncode == 0
    assert at.once().returncode == 1
    assert at.run("retry", "99").returncode == 1


def test_other_bytes_under_a_known_call_never_take_its_place(live: Live, tmp_path: Path) -> None:
    first = house(live, tmp_path / "one")
    first.put(MICROSIP, wav(1))
    assert first.once().returncode == 0
    # The same device with an empty spool, and another file of the same name.
    second = house(live, tmp_path / "two")
    second.put(MICROSIP, silent(1))
    assert second.once().returncode == 1
    assert str(second.items()[0].reason).startswith("409 ")
    # With the same file the archive says that it has it.
    third = house(live, tmp_path / "three")
    third.put(MICROSIP, wav(1))
    assert third.once().returncode == 0
    assert len(kept(live)) == 1


def test_a_file_is_removed_only_after_a_receipt_of_the_pinned_key(
    live: Live, tmp_path: Path
) -> None:
    forged = Signer("elsewhere/receipt", bytes(32)).public.vkey()
    at = house(live, tmp_path / "desk", after="delete", receipt_key=forged)
    path = at.put(MICROSIP, wav(1))
    assert at.once().returncode == 1
    assert "no pinned key" in str(at.items()[0].last_error)
    assert path.exists()
    at.receipt_key = house(live, tmp_path / "other").receipt_key
    at.configure()
    assert at.once().returncode == 0
    assert not path.exists()
    assert list((at.spool / "files").iterdir()) == []
    assert len(kept(live)) == 1


def test_a_file_that_was_changed_since_is_not_removed(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", after="keep")
    path = at.put(MICROSIP, wav(1))
    assert at.once().returncode == 0
    other = tmp_path / "desk2"
    at = house(live, other, after="delete", grace_seconds=3600)
    path = at.put("20261130-101501-+74950008414-incoming-106.wav", wav(1))
    assert at.once().returncode == 1  # It is in the spool now, and waits.
    path.write_bytes(headless(1))
    at.grace_seconds = 0
    at.configure()
    at.once()
    assert path.exists()


def test_an_archive_that_is_away_loses_nothing(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", after="delete")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        at.url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        at.configure()
        at.put(MICROSIP, wav(1))
        assert at.once().returncode == 1
        assert at.once().returncode == 1
        shown = at.status()
        assert "again in" in shown["last_error"]["what"]
        assert shown["counts"]["waiting"] + shown["counts"]["ready"] == 1
    at.url = live.url
    at.configure()
    assert at.once().returncode == 0
    assert len(kept(live)) == 1


def test_a_wrong_key_refuses_nothing_for_good(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk")
    key, at.key = at.key, "audd_wrong"
    at.configure()
    at.put(MICROSIP, wav(1))
    assert at.once().returncode == 1
    assert at.items()[0].state is State.READY
    assert "401" in at.status()["last_error"]["what"]
    at.key = key
    at.configure()
    assert at.once().returncode == 0


def test_a_lost_header_is_sent_with_a_note_once_its_writer_is_gone(
    live: Live, tmp_path: Path
) -> None:
    at = house(live, tmp_path / "desk")
    path = at.put(MICROSIP, headless(2))
    process = at.start()
    try:
        with path.open("ab"):  # The phone is on hold: it writes nothing and has not ended.
            at.wait_for((at.spool / "spool.sqlite").exists)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(3)
            assert at.items() == []
        at.wait_for(lambda: [item.state for item in at.items()] == [State.SENT])
    finally:
        process.terminate()
        process.wait(30)
    assert "header lost" in at.items()[0].notes[0]
    assert len(kept(live)) == 1
    assert at.status()["warned"][0]["notes"]


def test_a_call_that_was_appended_brings_both_parties(live: Live, tmp_path: Path) -> None:
    at = house(
        live,
        tmp_path / "desk",
        more='[[pattern]]\nname = "line"\nregex = "(?P<at>[0-9]{8}).wav"\ntime = "%Y%m%d"',
        folder_lines=['names = "line"'],
    )
    path = at.put("20261130.wav", wav(2))
    told = at.calls / "20261130.wav.json"
    told.write_text('{"direction": "inbound", "from": "+74950008414"}')
    assert at.once().returncode == 0
    path.write_bytes(appended(wav(2), silent(3)))
    told.write_text('{"direction": "inbound", "from": "+74950008415"}')
    assert at.once().returncode == 0
    first, second = at.items()
    assert first.key != second.key
    assert any("two calls" in note for note in second.notes)
    by_call = {one["source_call_id"]: one for one in kept(live)}
    numbers = {party["number"] for party in by_call[second.key]["consent"]["parties"]}
    assert {"+74950008414", "+74950008415"} <= numbers


def test_two_files_of_one_name_are_two_calls(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", folder_lines=['direction = "inbound"'], after="delete")
    for body in (wav, silent):
        at.put(ENC, body(1))
        at.put(DEC, body(2))
        assert at.once().returncode == 0
    found = kept(live)
    assert len(found) == 2
    assert all({leg["leg"] for leg in one["legs"]} == {"sent", "received"} for one in found)


def test_a_hook_tells_what_names_do_not(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk")
    sent, received = at.put("a.wav", wav(1)), at.put("b.wav", silent(1))
    variables = {
        "CALL_ID": "2ee163b5ae4955ef",
        "CALL_DIRECTION": "incoming",
        "CALL_PEER": "sip:+74950008414@127.0.0.1:25060",
        "CALL_LOCAL": "sip:106@127.0.0.1",
        "CALL_STARTED_AT": "1796022900.5",
        "CALL_ENDED_AT": "1796022901.5",
        "REC_SENT": str(sent),
        "REC_RECEIVED": str(received),
    }
    assert at.run("hook", environment=variables).returncode == 0
    assert at.once().returncode == 0
    (found,) = kept(live)
    assert found["source_call_id"] == "2ee163b5ae4955ef"
    assert found["outside_number"] == "+74950008414"
    assert {leg["leg"] for leg in found["legs"]} == {"sent", "received"}
    assert at.run("hook").returncode == 1  # Nothing was told.


def test_a_private_call_is_not_sent_and_can_be_given_back(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", grace_seconds=3600)
    assert at.run("private").returncode == 1
    at.put(MICROSIP, wav(1))
    assert at.once().returncode == 1
    done = at.run("private")
    assert done.returncode == 0, done.stderr
    at.grace_seconds = 0
    at.configure()
    assert at.once().returncode == 0
    assert at.status()["counts"]["private"] == 1
    assert kept(live) == []
    assert at.run("private", "--undo").returncode == 0
    assert at.once().returncode == 0
    assert len(kept(live)) == 1
    late = at.run("private")
    assert late.returncode == 1
    assert "too late" in late.stderr
    assert at.run("private", "--undo").returncode == 1


def test_the_running_call_is_made_private_before_it_ends(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk")
    begun = {"CALL_ID": "c1", "CALL_DIRECTION": "in", "CALL_PEER": "+74950008414"}
    assert at.run("hook", environment=begun | {"CALL_EVENT": "begin"}).returncode == 0
    assert at.status()["call"]["peer"] == "+74950008414"
    assert at.run("private").returncode == 0
    ended = begun | {"CALL_ENDED_AT": "1796022901", "REC_MIXED": str(at.put("a.wav", wav(1)))}
    assert at.run("hook", environment=ended).returncode == 0
    assert at.once().returncode == 0
    assert at.status()["counts"]["private"] == 1
    assert kept(live) == []


def test_a_screenshot_goes_with_the_call_that_is_on(live: Live, tmp_path: Path) -> None:
    picture = ROOT.parent / "shared" / "corpus" / "screenshots"
    shots = sorted(picture.glob("*.png")) if picture.is_dir() else []
    if not shots:
        pytest.skip("No screenshots: ../shared/corpus is missing.")
    live.put_client("kompas", "+74950008414")
    live.put_event("EV-77", "kompas", "2026-11-30T10:14:00+03:00")
    command = json.dumps([shutil.which("cp"), str(shots[0]), "{file}"])
    at = house(live, tmp_path / "desk", more=f'[screenshot]\ncommand = {command}\nagent = "106"\n')
    begun = {"CALL_ID": "c1", "CALL_DIRECTION": "in", "CALL_PEER": "+74950008414"}
    at.run("hook", environment=begun | {"CALL_EVENT": "begin"})
    done = at.run("shot", "--note", "ошибка печати")
    assert done.returncode == 0, done.stderr
    assert "+74950008414" in done.stdout
    assert at.once().returncode == 1  # The call is still on.
    ended = begun | {
        "CALL_STARTED_AT": "2026-11-30T10:15:00+03:00",
        "CALL_ENDED_AT": "2026-11-30T10:15:02+03:00",
        "REC_MIXED": str(at.put("a.wav", wav(1))),
    }
    at.run("hook", environment=ended)
    assert at.once().returncode == 0, at.items()
    by_kind = {item.kind: item for item in at.items()}
    answer = by_kind["screenshot"].answer
    assert answer is not None
    assert answer["event"]["external_id"] == "EV-77"  # type: ignore[index]
    assert by_kind["screenshot"].is_proved
    missing = at.run("shot", str(tmp_path / "none.png"))
    assert missing.returncode == 1


def test_a_large_file_goes_in_pieces(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", spool_lines=["resumable_over_mib = 0.01"])
    body = wav(400)
    at.put(MICROSIP, body)
    assert at.once().returncode == 0
    (item,) = at.items()
    assert item.upload is not None
    assert item.is_proved
    (found,) = kept(live)
    assert found["legs"][0]["sha256"] == item.sha256


def test_a_full_disk_leaves_the_file_where_it_lies(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", after="delete")
    path = at.put(MICROSIP, wav(60))
    at.spool.mkdir()
    small = f'mount -t tmpfs -o size=300k none "{at.spool}" && exec "$@"'
    full = House(
        folder=at.folder,
        url=at.url,
        key=at.key,
        receipt_key=at.receipt_key,
        after="delete",
        program=["unshare", "-rm", "sh", "-c", small, "sh", *at.program],
    )
    done = full.once()
    assert "disk full" in done.stderr, done.stderr
    assert path.exists()
    assert kept(live) == []
    assert at.once().returncode == 0
    assert len(kept(live)) == 1
    assert not path.exists()


def test_one_uploader_at_a_time_works_on_a_spool(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk")
    process = at.start()
    try:
        at.wait_for(lambda: at.run("status", "--json").stdout.find('"is_running": true') > 0)
        assert "another uploader" in at.once().stderr
    finally:
        process.terminate()
        assert process.wait(30) == 0
    assert at.status()["is_running"] is False


def test_try_shows_what_is_understood_and_sends_nothing(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk")
    done = at.run("try", str(at.put(MICROSIP, wav(1))), "--json")
    told = json.loads(done.stdout)
    assert (told["pattern"], told["is_finished"], told["direction"]) == (
        "microsip",
        True,
        "inbound",
    )
    done = at.run("try", str(at.put("mikopbx-1796022900.12_aB3dE9.wav", wav(1))), "--json")
    told = json.loads(done.stdout)
    assert (told["pattern"], told["started_at"], told["direction"], told["capture"]) == (
        *("mikopbx", "2026-11-30T07:15:00+00:00"),
        *(None, "pbx"),
    )
    assert at.run("try", str(at.put("notes.wav", headless(1)))).returncode == 1
    assert kept(live) == []


def test_the_service_can_be_looked_at_before_it_is_installed(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk")
    home = {"HOME": str(tmp_path / "home")}
    shown = at.run("install", "--print", environment=home).stdout
    assert f"-m app.uploader run --config {at.config}" in shown
    assert not (tmp_path / "home").exists()
    assert at.run("install", environment=home).returncode == 0
    written = tmp_path / "home/.config/systemd/user/audiatur-uploader.service"
    assert written.read_text().rstrip() == shown.rstrip()


def test_it_runs_as_one_file_with_nothing_but_python(live: Live, tmp_path: Path) -> None:
    one = tmp_path / "audiatur-uploader.pyz"
    made = subprocess.run(  # noqa: S603 - our own script.
        [str(ROOT / "scripts/uploader-zipapp"), str(one)], check=False, capture_output=True
    )
    assert made.returncode == 0, made.stderr
    # Without site-packages there is no cryptography: receipts are checked by its own means.
    at = house(
        live, tmp_path / "desk", after="delete", program=[sys.executable, "-I", "-S", str(one)]
    )
    path = at.put(MICROSIP, wav(1))
    done = at.once()
    assert done.returncode == 0, done.stderr
    assert not path.exists()
    assert at.items()[0].is_proved
    assert str(one) in at.run("install", "--print").stdout


def test_it_is_a_command_of_the_archive_too(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", program=[sys.executable, "-m", "app.cli", "uploader"])
    assert at.status()["counts"]["sent"] == 0
    assert at.run("status", "--nonsense").returncode == 2
    at.config.write_text("[archive")
    done = at.run("status")
    assert done.returncode == 2
    assert "is no TOML" in done.stderr


def test_two_calls_of_one_second_need_the_consent_of_both(live: Live, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        control = f"127.0.0.1:{nobody.getsockname()[1]}"
        at = house(live, tmp_path / "desk")
        at.more = f'[[baresip]]\ncontrol = "{control}"\nfolder = "{at.calls}"'
        at.configure()
        began = datetime(2026, 11, 30, 10, 15).astimezone().timestamp()
        spool = Spool(at.spool)
        for number in (4, 5):
            spool.tell(
                f"baresip:{control}",
                f"call-{number}",
                began - 3,
                answered_at=began + number / 10,
                ended_at=began + 20,
                direction="inbound",
                peer=f"sip:+7495000841{number}@pbx",
                local="sip:106@pbx",
            )
        spool.close()
        at.put(ENC, wav(1))
        at.put(DEC, silent(1))
        assert at.once().returncode == 0, at.items()
    (found,) = kept(live)
    assert found["source_call_id"] == "call-4"
    numbers = {party["number"] for party in found["consent"]["parties"]}
    assert {"+74950008414", "+74950008415"} <= numbers
    assert all(any("two calls" in note for note in item.notes) for item in at.items())


def test_an_upload_goes_on_where_the_uploader_was_killed(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", spool_lines=["resumable_over_mib = 1"])
    whole = house(live, tmp_path / "whole", spool_lines=["resumable_over_mib = 1"])
    whole.put(MICROSIP.replace("1015", "1016"), wav(700))
    at.put(MICROSIP, wav(700))  # 11 MB: three pieces.
    dying = str(Path(__file__).with_name("dying.py"))
    whole.program = [sys.executable, dying, str(sys.maxsize), str(tmp_path / "count")]
    assert whole.once().returncode == 0
    steps = int((tmp_path / "count").read_text())
    program = at.program
    at.program = [sys.executable, dying, str(steps * 3 // 4), str(tmp_path / "count")]
    assert at.once().returncode == -signal.SIGKILL
    (item,) = at.items()
    assert item.upload is not None
    headers = {"Tus-Resumable": "1.0.0"}
    asked = live.call("HEAD", item.upload, who="phone", headers=headers)
    assert int(asked.headers["upload-offset"]) >= 4 * 1024 * 1024
    at.program = program
    assert at.once().returncode == 0
    (done,) = at.items()
    assert done.upload == item.upload
    assert done.is_proved
    assert len(kept(live)) == 2


def test_a_clock_that_is_wrong_is_found_out(live: Live, tmp_path: Path) -> None:
    an_hour = str(Path(__file__).with_name("skewed.py")), "3600"
    at = house(live, tmp_path / "desk", program=[sys.executable, *an_hour])
    at.put(MICROSIP, wav(1))
    assert at.once().returncode == 0
    (found,) = kept(live)
    written = datetime(2026, 11, 30, 10, 15).astimezone()
    assert datetime.fromisoformat(found["started_at"]) == pytest.approx(
        written - timedelta(hours=1), abs=timedelta(seconds=30)
    )
    assert "clock was wrong" in at.items()[0].notes[0]
    assert abs(at.status()["clock_offset_seconds"] + 3600) < 30


def test_pictures_of_a_folder_are_taken_too(live: Live, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "navy").save(picture, "PNG")
    (pictures / "a.png").write_bytes(picture.getvalue())
    at = house(live, tmp_path / "desk", more=f'[screenshot]\nfolder = "{pictures}"')
    assert at.once().returncode == 0, at.items()
    (item,) = at.items()
    assert (item.kind, item.is_proved) == ("screenshot", True)


def test_a_phone_that_hands_over_a_number_only_marks_the_call(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", grace_seconds=3600)
    assert (
        at.run("hook", "--event", "begin", "--direction", "inbound", "84950008414").returncode == 0
    )
    assert at.status()["call"]["peer"] == "84950008414"
    assert at.run("hook", "84950008414").returncode == 0
    assert at.status()["call"] is None


def test_a_file_that_was_only_moved_is_not_sent_twice(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", folder_lines=["recursive = true"])
    path = at.put(MICROSIP, wav(1))
    assert at.once().returncode == 0
    (at.calls / "old").mkdir()
    path.rename(at.calls / "old" / MICROSIP)
    assert at.once().returncode == 0
    assert [item.state for item in at.items()] == [State.SENT] * 2
    assert len(kept(live)) == 1


def test_names_in_any_letters_are_sent_and_such_as_are_none_are_said(
    live: Live, tmp_path: Path
) -> None:
    at = house(live, tmp_path / "desk", folder_lines=['direction = "inbound"'])
    at.put("Запись вызова Иван Петров_261130_101500.m4a", (ROOT / "tests/__init__.py").read_bytes())
    at.put("Иван(+74950008414)_20261130101500.mp3", wav(1))
    (at.calls / os.fsdecode(b"\xff\xfe.wav")).write_bytes(wav(1))
    at.once()
    assert "no UTF-8" in at.once().stderr
    assert [item.state for item in at.items()][-1] is State.SENT
    (found,) = kept(live)
    assert found["outside_number"] == "+74950008414"


def test_a_copy_that_was_changed_is_not_sent(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", grace_seconds=3600)
    at.put(MICROSIP, wav(1))
    assert at.once().returncode == 1
    (copy,) = (at.spool / "files").iterdir()
    copy.write_bytes(silent(1))
    at.grace_seconds = 0
    at.configure()
    assert at.once().returncode == 1
    assert at.once().returncode == 1
    (item,) = at.status()["items"]
    assert (item["state"], kept(live)) == ("held", [])
    assert "was changed" in item["reason"]


def test_calls_are_told_and_private_ones_as_private(live: Live, tmp_path: Path) -> None:
    at = house(live, tmp_path / "desk", archive_lines=["tell_calls = true"])
    for name in ("c1", "c2", "c3"):
        call = {
            "CALL_ID": name,
            "CALL_DIRECTION": "in",
            "CALL_PEER": "+74950008414",
            "CALL_STARTED_AT": "2026-11-30T10:15:00+03:00",
            "CALL_ENDED_AT": "2026-11-30T10:15:07+03:00",
        }
        assert at.run("hook", environment=call).returncode == 0
        if name == "c2":
            assert at.run("private").returncode == 0
    assert at.once().returncode == 0
    assert at.once().returncode == 0

    def told() -> dict[str, tuple[str | None, int]]:
        with live.tools.database.transaction() as session:
            rows = session.scalars(select(KnownCall)).all()
            return {row.call_id: (row.not_recorded, row.talk_ms) for row in rows}

    assert told() == {"c1": (None, 7000), "c2": ("private", 7000), "c3": (None, 7000)}
    assert at.run("private", "--undo").returncode == 0
    assert at.once().returncode == 0
    assert told()["c2"] == (None, 7000)
