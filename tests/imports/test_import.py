"""What is taken in from a folder, what is skipped or refused, and why."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.errors import Unavailable
from app.core.ids import new_id
from app.feeds import asterisk, file_names, mikopbx
from app.identity.actor import Actor
from app.imports import queries, service
from app.imports.facts import Assumed
from app.imports.records import Records
from app.imports.running import Pace, Reading
from app.imports.service import ImportBusy, ImportRunNotFound, ImportRunOver
from app.recordings.models import Flag
from tests.factories import set_erased, wav
from tests.feeds.mikopbx import INBOUND, TRANSFERRED, keep
from tests.feeds.test_asterisk import AMI
from tests.feeds.test_siprec import RFC
from tests.imports.archive import MOSCOW, PATIENCE_SECONDS, ROOT, Old, name_of, tiny
from tests.live import metadata

CDR = (
    "calldate,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,"
    "disposition,amaflags,accountcode,uniqueid,userfield,recordingfile,linkedid\n"
    '2026-03-05 12:00:00,"X",89161234567,101,from-trunk,SIP/t-1,SIP/101-2,Dial,x,65,60,'
    "ANSWERED,3,,1772701200.15,,meeting.wav,1772701200.15\n"
    '2026-03-05 15:00:00,"X",102,89167654321,from-internal,SIP/102-1,SIP/t-2,Dial,x,20,15,'
    "ANSWERED,3,,1772712000.1,,,1772712000.1\n"
    "bad line\n"
)


def test_each_file_is_taken_or_told_why_not(old: Old) -> None:
    old.put(name_of(1), tiny(1))
    old.put("again/" + name_of(1), tiny(1))
    old.put("again/" + name_of(2), tiny(1))
    old.put("notes.txt", "no recording")
    old.put("call recording Иван_260305_120000.m4a", tiny(3))
    old.put("meeting.wav", tiny(4))
    old.put("20260305-120000-89161234567-incoming-office.wav", b"")
    old.put("20260305-120001-89161234567-incoming-office.wav", b"ID")
    old.put("broken.wav", tiny(5))
    old.put("broken.wav.json", "{")
    (old.folder / "link.wav").symlink_to(old.folder / "meeting.wav")
    (old.folder / "away").symlink_to("/etc")
    os.mkfifo(old.folder / "pipe.wav")
    result = old.take()
    became = old.became(result.run_id)
    assert became.pop("notes.txt") == ("refused", "no_moment")
    same = {became.pop(name) for name in (f"again/{name_of(1)}", name_of(1), f"again/{name_of(2)}")}
    assert {state for state, _ in same} == {"taken", "skipped"}
    assert {reason for _, reason in same} <= {None, "same_bytes", "same_call"}
    assert became == {
        "call recording Иван_260305_120000.m4a": ("refused", "no_direction"),
        "meeting.wav": ("refused", "no_moment"),
        "20260305-120000-89161234567-incoming-office.wav": ("refused", "empty-file"),
        "20260305-120001-89161234567-incoming-office.wav": ("refused", "not-audio"),
        "broken.wav": ("refused", "sidecar_invalid"),
        "link.wav": ("refused", "link"),
        "away": ("refused", "link"),
        "pipe.wav": ("refused", "not_a_file"),
    }
    counts = result.counts
    assert (counts.taken, counts.skipped, counts.refused, counts.waiting) == (1, 2, 9, 0)
    assert counts.found == sum(counts.reasons.values()) + counts.taken == 12


def test_a_telephones_recording_is_mobile_and_its_consent_unknown(old: Old) -> None:
    old.live.put_client("acme", "+79161234567")
    old.put("Иван(89161234567)_20260305120000.mp3", tiny(1))
    old.put("Иван(89161234567)_20260305130000.wav", tiny(2))
    claim = {"text_id": "ivr-ru", "version": 1, "played_at_ms": 0}
    old.put("Иван(89161234567)_20260305130000.wav.json", {"notice": claim})
    inbound = replace(old.reading, assumed=Assumed(direction="inbound"))
    assert old.take(reading=inbound).counts.taken == 2
    old.live.work()
    for row in old.recordings():
        assert (row.capture, row.flag, row.outside_number) == (
            "mobile",
            Flag.UNKNOWN,
            "+79161234567",
        )
        assert (row.from_party, row.to_party) == ("89161234567", None)


def test_both_directions_of_a_softphone_are_legs_of_one_recording(old: Old) -> None:
    name = "dump-sip:101@pbx=>sip:+74950008414@pbx-2026-03-05-12-00-00-"
    old.put(f"{name}enc.wav", tiny(1))
    old.put(f"{name}dec.wav", tiny(2))
    old.put(f"other/{name}dec.wav", tiny(3))
    # Such a name tells both ends, but not which of them has called.
    outbound = replace(old.reading, assumed=Assumed(direction="outbound"))
    assert old.take(reading=outbound).counts.taken == 3
    first, second = old.recordings()
    assert old.legs() == 3
    assert first.source_call_id != second.source_call_id
    assert (first.direction, first.agent, first.to_party) == ("outbound", "101", "+74950008414")


def test_what_the_exchange_wrote_of_a_call_is_believed_before_the_name(
    old: Old, tmp_path: Path
) -> None:
    old.put("meeting.wav", tiny(1))
    old.put("20260305-150030-89167654321-incoming-office.wav", tiny(2))
    with Records(tmp_path / "calls.sqlite") as records:
        wrong = records.fill(asterisk.rows(CDR.splitlines(keepends=True), zone=MOSCOW))
        assert [number for number, _ in wrong] == [4]
        assert old.take(reading=replace(old.reading, records=records)).counts.taken == 2
    first, second = old.recordings()
    assert (first.source_call_id, first.from_party, first.to_party, first.capture) == (
        *("1772701200.15", "89161234567", "101"),
        "pbx",
    )
    assert first.started_at.isoformat() == "2026-03-05T09:00:00+00:00"
    assert (second.source_call_id, second.direction, second.from_party) == (
        *("1772712000.1", "outbound"),
        "102",
    )


def test_records_find_a_file_whose_ending_or_direction_is_another(tmp_path: Path) -> None:
    file = keep(tmp_path / "cdr.db", INBOUND, TRANSFERRED)
    with Records(tmp_path / "calls.sqlite") as records:
        assert records.fill(mikopbx.rows(file, zone=MOSCOW)) == []
        for name, row in (
            ("mikopbx-1772701200.15_aB3dE9.webm", INBOUND),
            ("mikopbx-1772701200.15_aB3dE9.mp3", INBOUND),
            ("mikopbx-1772701200.15_aB3dE9_out.wav", INBOUND),
            ("transfer_89161234567_102_mikopbx-1772701200.15.mp3", TRANSFERRED),
            ("transfer_89161234567_102_mikopbx-1772701200.15_in.wav", TRANSFERRED),
        ):
            found = records.find(name, file_names.read(name, zone=MOSCOW))
            assert (found or {}).get("call_id") == row["UNIQUEID"], name
        # Without a preset too; but no name of another call fits.
        found = records.find("transfer_89161234567_102_mikopbx-1772701200.15.mp3", None)
        assert (found or {}).get("call_id") == TRANSFERRED["UNIQUEID"]
        other = "transfer_89161234567_103_mikopbx-1772701100.11.mp3"
        assert records.find(other, None) is None


def test_a_name_that_is_no_text_is_found_all_the_same(tmp_path: Path) -> None:
    lines = CDR.replace("meeting.wav", "\udcff.wav").splitlines(keepends=True)
    with Records(tmp_path / "calls.sqlite") as records:
        records.fill(asterisk.rows(lines, zone=MOSCOW))
        found = records.find("\udcff.wav", None)
        assert (found or {}).get("call_id") == "1772701200.15"


def test_a_sidecar_is_believed_before_all(old: Old) -> None:
    told = metadata("mine", started_at="2026-01-02T03:04:05+03:00", direction="outbound")
    old.put(name_of(1), tiny(1))
    old.put(name_of(1).replace(".wav", ".json"), told)
    hook = {
        "uuid": "fs-1",
        "recording_file": "/spool/a.wav",
        "caller_id_number": "101",
        "destination_number": "89161234567",
        "direction": "inbound",
        "duration": "65",
        "start_epoch": "1772701200",
        "record_seconds": "60",
    }
    old.put("a.wav", tiny(2))
    old.put("a.wav.json", hook)
    assert old.take().counts.taken == 2
    first, second = old.recordings()
    assert (first.source_call_id, first.direction, first.agent) == ("mine", "outbound", "106")
    assert (second.source_call_id, second.direction, second.to_party) == (
        *("fs-1", "outbound"),
        "89161234567",
    )
    assert (second.claimed_duration_ms, second.capture) == (60_000, "pbx")


def test_what_was_sent_before_is_skipped_and_other_bytes_of_a_call_are_refused(old: Old) -> None:
    old.put(name_of(1), tiny(1))
    old.put(name_of(2), tiny(2))
    old.put(name_of(3), tiny(3))
    told = {"source_call_id": "1772300001.1", "direction": "inbound"}
    for number, body in ((1, tiny(1)), (2, wav(0.1))):
        sent = metadata(f"{1_772_300_000 + number}.{number}", direction="inbound")
        assert old.live.send(sent, body, who="old").status_code == 201
    assert old.live.send(metadata("x") | told, tiny(3), who="phone").status_code == 201
    became = old.became(old.take().run_id)
    assert became == {
        name_of(1): ("skipped", "same_call"),
        name_of(2): ("refused", "other-bytes"),
        name_of(3): ("skipped", "same_bytes"),
    }
    assert old.legs() == 3


def test_what_was_erased_does_not_come_back_by_a_copy(old: Old) -> None:
    sent = old.live.send(metadata("x"), tiny(1), who="phone").json()
    set_erased(old.urls.owner, sent["id"])
    old.put(name_of(1), tiny(1))
    assert old.became(old.take().run_id) == {name_of(1): ("refused", "recording-erased")}


def test_what_a_file_was_called_goes_with_its_recording(old: Old) -> None:
    old.put(name_of(1), tiny(1))
    old.put("copy/" + name_of(1), tiny(1))
    old.put(name_of(2), tiny(2))
    run_id = old.take().run_id
    first, _ = old.recordings()
    set_erased(old.urls.owner, first.id)
    with old.live.tools.database.transaction() as session:
        rows = list(queries.every_file(session, run_id))
        counts = queries.counts(session, run_id)
    assert {(row.path, row.source_call_id) for row in rows} == {
        (b"", None),
        (name_of(2).encode(), "1772300002.2"),
    }
    assert (counts.found, counts.taken, counts.skipped) == (3, 2, 1)
    assert old.became(old.take().run_id)[name_of(1)] == ("refused", "recording-erased")


def test_a_dry_run_says_what_a_run_would_and_keeps_nothing(old: Old) -> None:
    old.put(name_of(1), tiny(1))
    old.put("b/" + name_of(1), tiny(1))
    old.put("c/" + name_of(1), tiny(2))
    old.put("x.txt", "x")
    dry = old.take(is_dry=True)
    assert old.recordings() == []
    really = old.take()
    assert dry.counts == really.counts
    assert (really.counts.taken, really.counts.skipped, really.counts.refused) == (1, 1, 2)


def test_a_name_that_is_no_text_is_taken_and_told(old: Old) -> None:
    raw = os.fsencode(old.folder) + b"/\xcf\xf0-" + name_of(1).encode()
    Path(os.fsdecode(raw)).write_bytes(tiny(1))
    own = file_names.pattern("{any}-{from}-{year}{month}{day}-{hour}{minute}{second}-{id}")
    reading = Reading(zone=MOSCOW, own=own, assumed=Assumed(direction="inbound"))
    result = old.take(reading=reading)
    assert old.became(result.run_id) == {"\\xcf\\xf0-" + name_of(1): ("taken", None)}


def test_two_at_once_are_one_and_a_folder_is_free_again_afterwards(old: Old) -> None:
    old.put(name_of(1), tiny(1))
    refused = []

    def moved(done: int, _: int) -> None:
        if done == 0:
            with pytest.raises(ImportBusy):
                old.take()
            refused.append(done)

    assert old.take(moved=moved).counts.taken == 1
    assert refused == [0]
    assert old.take().counts.skipped == 1


def test_a_run_that_is_cancelled_stops_where_it_stands(old: Old) -> None:
    for number in range(3):
        old.put(name_of(number), tiny(number))
    system = Actor.system("tests")
    tools = old.live.tools

    def cancel() -> None:
        with tools.database.transaction() as session:
            run = queries.runs(session, limit=1)[0]
            service.cancel(session, system, run.id, at=tools.clock.now())

    def moved(done: int, _: int) -> None:
        if done == 1:
            cancel()

    result = old.take(moved=moved)
    assert (result.is_over, result.counts.taken, result.counts.waiting) == (False, 2, 1)
    with tools.database.transaction() as session:
        with pytest.raises(ImportRunOver):
            service.cancel(session, system, result.run_id, at=tools.clock.now())
        with pytest.raises(ImportRunNotFound):
            service.cancel(session, system, new_id(), at=tools.clock.now())
    again = old.take()
    assert (again.counts.taken, again.counts.skipped, again.is_over) == (1, 2, True)


def test_files_that_come_and_go_between_two_tries_are_told(old: Old) -> None:
    for number in range(3):
        old.put(name_of(number), tiny(number))

    class Over(Exception):
        pass

    def moved(done: int, _: int) -> None:
        if done == 1:
            raise Over

    with pytest.raises(Over):
        old.take(moved=moved)
    for path in old.folder.glob("*.wav"):
        path.unlink()
    old.put(name_of(9), tiny(9))
    counts = old.take().counts
    assert (counts.found, counts.taken, counts.reasons) == (4, 2, {"vanished": 2})


def test_while_the_store_is_away_a_run_waits_and_gives_up_without_a_verdict(old: Old) -> None:
    old.put(name_of(1), tiny(1))
    store = old.home / "archive"
    aside = store.with_name("aside")
    store.rename(aside)
    store.write_text("no folder")
    with pytest.raises(Unavailable):
        old.take()
    assert old.done() == 0
    store.unlink()
    aside.rename(store)
    assert old.take().counts.taken == 1


def test_the_pace_lets_so_many_a_second_begin() -> None:
    at, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        at[0] += seconds

    pace = Pace(4, monotonic=lambda: at[0], sleep=sleep)
    for _ in range(3):
        pace()
    at[0] += 10
    pace()
    pace()
    assert slept == [0.25, 0.25, 0.25]


def test_the_command_tells_what_is_wrong_with_it(old: Old) -> None:
    old.put(name_of(1), tiny(1))
    folder = str(old.folder)
    assert old.ran("import", folder, "--device", "nobody")[0] == 1
    assert old.ran("import", folder, "--device", "old", "--pattern", "{number}")[0] == 2
    code, out, _ = old.ran(
        "import", folder, "--device", "old", "--dry-run", "--json", "--rate", "100"
    )
    assert (code, json.loads(out)["taken"], old.done()) == (0, 1, 0)
    old.put("89161234567_20260305120000.wav", tiny(2))
    words = ("--direction", "inbound", "--capture", "mobile", "--preset", "phone", "--json")
    code, out, _ = old.ran("import", folder, "--device", "old", *words)
    assert (code, json.loads(out)["taken"], json.loads(out)["refused"]) == (1, 1, 1)


def test_the_command_for_tables_tells_every_error_and_keeps_all_or_nothing(old: Old) -> None:
    table = old.put("clients.csv", "Код;Наименование\nacme;Заря\n;Без кода\n")
    words = ("clients", "import", str(table), "--kind", "clients")
    code, out, err = old.ran(*words)
    assert code == 1
    assert "line 3: external_id: the cell is empty" in err
    assert "nothing was kept" in out
    table.write_bytes("Код;Наименование\nacme;Заря\n".encode("cp1251"))
    code, out, _ = old.ran(*words, "--json")
    told = json.loads(out)
    assert (code, told["new"], told["is_kept"]) == (0, 1, True)
    assert old.live.call("GET", "/v1/clients/acme", who="manager").json()["name"] == "Заря"


def test_cdr_events_that_are_piped_in_become_calls_that_are_known(old: Old) -> None:
    words = ("calls", "import", "-", "--format", "asterisk-ami", "--device", "old", "--json")
    with old.command(*words) as process:
        out, err = process.communicate(AMI, timeout=PATIENCE_SECONDS)
    assert process.returncode == 1, err
    told = json.loads(out)
    assert (told["new"], told["bad"]) == (1, 2)
    assert "the event tells no billsec" in err


def test_calls_of_mikopbx_are_read_from_its_database_and_its_folders_with_them(
    old: Old, tmp_path: Path
) -> None:
    file = keep(tmp_path / "cdr.db", INBOUND, TRANSFERRED, {**INBOUND, "disposition": "PERHAPS"})
    words = ("--format", "mikopbx", "--device", "old", "--json")
    code, out, err = old.ran("calls", "import", str(file), *words)
    told = json.loads(out.splitlines()[-1])
    assert (code, told["new"], told["bad"]) == (1, 2, 1)
    assert err.splitlines()[0] == "row 3: the disposition 'PERHAPS' is not known"
    code, _, err = old.ran("calls", "import", "-", *words)
    assert (code, "cannot be piped in" in err) == (1, True)

    other = keep(tmp_path / "other.db", schema="CREATE TABLE cdr (id INTEGER)")
    code, _, err = old.ran("import", str(old.folder), "--device", "old", "--cdr", str(other))
    assert (code, "there is no table cdr_general" in err) == (2, True)

    # The folders of a day; the transfer's moment and ends are those of its record.
    for number, row in enumerate((INBOUND, TRANSFERRED)):
        old.put(str(row["recordingfile"]).partition("/monitor/")[2], tiny(number))
    more = ("--device", "old", "--preset", "mikopbx", "--cdr", str(file), "--json")
    code, out, err = old.ran("import", str(old.folder), *more)
    assert (code, json.loads(out)["taken"]) == (0, 2), err
    assert "cdr.db, row 3: " in err
    first, second = old.recordings()
    assert (first.source_call_id, first.direction, first.to_party, first.capture) == (
        *("mikopbx-1772701200.15_aB3dE9", "inbound", "101"),
        "pbx",
    )
    assert (second.direction, second.from_party, second.to_party) == (
        *("inbound", "89161234567"),
        "102",
    )
    assert second.started_at.isoformat() == "2026-03-05T09:01:05.789000+00:00"


def test_what_freeswitch_s_hook_writes_is_read(old: Old) -> None:
    recording = old.put("4f1c.wav", tiny(1))
    words = [
        f"recording_file={recording}",
        *("uuid=fs-7", "caller_id_number=89161234567", "destination_number=101"),
        *("direction=inbound", "duration=65", "start_epoch=1772701200", "record_seconds=${none}"),
    ]
    hook = ROOT / "docs" / "pbx" / "freeswitch-record"
    subprocess.run([sys.executable, str(hook), *words], check=True)  # noqa: S603 - ours.
    assert old.take().counts.taken == 1
    (row,) = old.recordings()
    assert (row.source_call_id, row.direction, row.from_party) == ("fs-7", "inbound", "89161234567")
    assert row.started_at.isoformat() == "2026-03-05T09:00:00+00:00"
    assert row.claimed_duration_ms is None
    refused = subprocess.run([sys.executable, str(hook), "uuid=x"], check=False)  # noqa: S603
    assert refused.returncode == 1


def test_freeswitch_s_hook_is_called_as_its_dialplan_says(old: Old, tmp_path: Path) -> None:
    # FreeSWITCH puts its variables into the words of `system:` and hands them to a shell. It is
    # not in Debian 12, so the line of the documentation is called here as it calls it.
    hook = ROOT / "docs" / "pbx" / "freeswitch-record"
    told = hook.read_text(encoding="utf-8")
    found = re.search(r'record_post_process_exec_api=system:(.*?)"/>', told, re.DOTALL)
    assert found
    recording = old.put("9a2b.wav", tiny(1))
    values = {
        "uuid": "9a2b",
        "$recordings_dir": str(recording.parent),
        "told_caller": "+79161234567",
        "told_called": "101",
        "direction": "inbound",
        "start_epoch": "1772701200",
        "duration": "65",
    }
    line = found[1].replace("/usr/local/bin/freeswitch-record", str(hook))
    line = re.sub(r"\$(\$?)\{(\w+)\}", lambda one: values.get(one[1] + one[2], ""), line)
    assert "$" not in line
    subprocess.run(["/bin/sh", "-c", " ".join(line.split())], check=True, cwd=tmp_path)  # noqa: S603
    assert old.take().counts.taken == 1
    (row,) = old.recordings()
    assert (row.source_call_id, row.direction) == ("9a2b", "inbound")
    assert (row.from_party, row.to_party) == ("+79161234567", "101")
    assert row.started_at.isoformat() == "2026-03-05T09:00:00+00:00"


def test_who_was_on_the_line_by_siprec_is_who_is_heard(old: Old) -> None:
    sent = metadata("s1", started_at="2026-03-05T12:00:00+03:00", **{"from": "+79161234567"})
    recording = old.live.send(sent | {"to": "101", "agent": "101"}, tiny(1), who="old").json()["id"]
    text = old.put("session.xml", RFC)
    broken = old.put("broken.xml", "<recording/>")
    words = ("calls", "siprec", str(text), str(broken), "--device", "old")
    dry = old.ran(*words, "--dry-run", "--json")
    assert (dry[0], json.loads(dry[1])["kept"], json.loads(dry[1])["events"]) == (1, 0, 6)
    code, out, err = old.ran(*words, "--json")
    told = json.loads(out)
    assert (code, told["kept"], told["session"]) == (1, 7, "s1")
    assert "broken.xml: " in err
    assert json.loads(old.ran(*words, "--json")[1])["kept"] == 0
    path = f"/v1/recordings/{recording}"
    kept = old.live.call("GET", f"{path}/call-events", who="manager").json()["items"]
    assert any("conv-77" in str(one["told"]) for one in kept)
    heard = old.live.call("GET", path, who="manager").json()["consent"]["parties"]
    third = [one for one in heard if one["number"] == "102" or one["label"].startswith("own-")]
    assert [one["present_from_ms"] for one in third] == [60_000]
