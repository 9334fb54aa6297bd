"""The log over HTTP, checked without an account; and receipts, as senders keep them."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from app.commands.ledger import receipt as receipt_commands
from app.core.ids import new_id
from app.custody import ledger, notes, tiles, tree
from app.custody.checkpoints import checkpoint_now
from app.custody.receipts import Accepted, check
from app.custody.signing import Purpose
from app.custody.tiles import Tile
from app.custody.tree import Head
from app.identity.actor import Actor
from app.worker.loop import sequencing
from tests.custody import naive
from tests.factories import wav
from tests.live import PATIENCE_SECONDS, Live, metadata
from tests.logs import ORIGIN
from tests.recordings.test_receiving import PNG

ROOT = Path(__file__).parents[2]


def _get(live: Live, path: str, **query: object) -> httpx.Response:
    return live.call("GET", f"/v1/ledger/{path}", who=None, params=query)


def _receipt(live: Live, answer: httpx.Response) -> Accepted:
    return check(answer.json()["receipt"], live.tools.log.ring.keys.public(Purpose.RECEIPT))


def _head(live: Live, note: str) -> Head:
    return notes.open_checkpoint(note, live.tools.log.ring.keys.public(Purpose.LOG), origin=ORIGIN)


def test_before_the_first_checkpoint_there_is_none(live: Live) -> None:
    assert _get(live, "checkpoint").status_code == 404
    assert _get(live, "proof/consistency", **{"from": 0}).status_code == 404
    assert _get(live, "keys").json() == {"keys": []}


def test_the_holder_of_a_receipt_finds_it_in_the_log(live: Live) -> None:
    accepted = _receipt(live, live.send(metadata("c1"), wav(0.2)))
    asked = {"entry": str(accepted.entry_id)}
    early = _get(live, "proof/inclusion", **asked)
    assert early.status_code == 409
    assert early.json()["type"] == "/problems/entry-not-covered"
    checkpoint_now(live.tools.log, wants_stamp=False)
    told = _get(live, "proof/inclusion", **asked).json()
    head = _head(live, told["checkpoint"])
    leaf = told["leaf"].encode()
    assert base64.b64decode(told["leaf_hash"]) == tree.leaf_hash(leaf)
    path = [base64.b64decode(step) for step in told["path"]]
    tree.check_inclusion(tree.leaf_hash(leaf), told["seq"], path, head)
    facts = json.loads(leaf)
    assert facts["id"] == str(accepted.entry_id)
    assert facts["c"]["content"] == base64.b64encode(accepted.commitment).decode()
    assert facts["object"]["id"] == str(accepted.object_id)
    proof = notes.parse_proof(told["tlog_proof"])
    assert (proof.index, list(proof.path)) == (told["seq"], path)
    assert proof.checkpoint == told["checkpoint"] == _get(live, "checkpoint").text


def test_by_number_the_leaf_itself_is_not_given(live: Live) -> None:
    live.send(metadata("c1"), wav(0.2))
    checkpoint_now(live.tools.log, wants_stamp=False)
    told = _get(live, "proof/inclusion", seq=0).json()
    assert (told["leaf"], told["entry"], told["seq"]) == (None, None, 0)


def test_a_client_that_held_an_older_head_checks_that_the_log_only_grew(live: Live) -> None:
    heads = []
    for call in range(3):
        live.send(metadata(f"c{call}"), wav(0.2))
        checkpoint_now(live.tools.log, wants_stamp=False)
        heads.append(_head(live, _get(live, "checkpoint").text))
    for before in heads:
        told = _get(live, "proof/consistency", **{"from": before.size}).json()
        assert told["to_size"] == heads[-1].size
        path = [base64.b64decode(step) for step in told["path"]]
        tree.check_consistency(before, heads[-1], path)
    older = _get(live, "proof/inclusion", seq=0, size=heads[0].size).json()
    assert _head(live, older["checkpoint"]) == heads[0]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("proof/inclusion", {}, 400),
        ("proof/inclusion", {"seq": 0, "entry": "00000000-0000-7000-8000-000000000000"}, 400),
        ("proof/inclusion", {"entry": "00000000-0000-7000-8000-000000000000"}, 404),
        ("proof/inclusion", {"entry": "nonsense"}, 422),
        ("proof/inclusion", {"seq": 99999}, 404),
        ("proof/inclusion", {"seq": -1}, 422),
        ("proof/inclusion", {"seq": 1 << 63}, 422),
        ("proof/inclusion", {"seq": 0, "size": 99999}, 400),
        ("proof/consistency", {"from": 1, "to": 99999}, 400),
        ("proof/consistency", {"from": 2, "to": 1}, 400),
        ("proof/consistency", {}, 422),
        ("tile/0/001", {}, 404),
        ("tile/0/000", {}, 404),
        ("tile/0/000.p/255", {}, 404),
        ("tile/1/000.p/1", {}, 404),
        ("tile/x/../../etc/passwd", {}, 404),
        ("tile/0/x999/x999/x999/x999/x999/999", {}, 404),
        ("tile/63/x999/x999/x999/x999/x999/999.p/1", {}, 404),
    ],
)
def test_what_cannot_be_proved_is_refused(
    live: Live, path: str, query: dict[str, object], status: int
) -> None:
    live.send(metadata("c1"), wav(0.2))
    checkpoint_now(live.tools.log, wants_stamp=False)
    assert _get(live, path, **query).status_code == status


def test_the_tree_is_built_again_from_tiles_alone(live: Live) -> None:
    with live.tools.database.transaction() as session:
        for _ in range(300):
            ledger.append(
                session,
                Actor.system("tests"),
                ledger.Act.MEDIA_PLAYED,
                ("recording", new_id()),
                at=live.tools.clock.now(),
            )
    checkpoint_now(live.tools.log, wants_stamp=False)
    note = _get(live, "checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    head = _head(live, note.text)
    hashes = []
    for tile in (Tile(level=0, index=0), Tile(level=0, index=1, width=head.size - 256)):
        answer = _get(live, f"tile/{tiles.path_of(tile)}")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "application/octet-stream"
        hashes += tiles.split(answer.content)
    growing = tree.Growing()
    for hashed in hashes:
        growing.add(hashed)
    assert (growing.size, growing.root()) == (head.size, head.root)
    above = _get(live, "tile/1/000.p/1").content
    assert above == tree.fold(hashes[:256])
    assert naive.split(head.size) == 256


def test_a_worker_gives_numbers_by_itself_and_the_figures_follow(live: Live) -> None:
    live.send(metadata("c1"), wav(0.2))

    def figure(name: str) -> float:
        lines = live.call("GET", "/metrics", who=None).text.splitlines()
        (line,) = (line for line in lines if line.startswith(f"{name} "))
        return float(line.split()[1])

    assert figure("audiatur_ledger_leaves") == 0
    assert figure("audiatur_ledger_lag_seconds") > 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    with sequencing(live.tools.log):
        while not figure("audiatur_ledger_leaves") and time.monotonic() < deadline:
            pass
    assert figure("audiatur_ledger_leaves") > 0
    assert figure("audiatur_ledger_lag_seconds") == 0
    assert figure("audiatur_checkpoint_age_seconds") == 0
    checkpoint_now(live.tools.log, wants_stamp=True)
    assert figure("audiatur_checkpoint_age_seconds") > 0
    assert figure("audiatur_stamps_pending") == 1


def test_the_keys_are_listed_with_their_fingerprints(live: Live) -> None:
    live.send(metadata("c1"), wav(0.2))
    checkpoint_now(live.tools.log, wants_stamp=False)
    listed = {key["purpose"]: key for key in _get(live, "keys").json()["keys"]}
    for purpose in Purpose:
        (key,) = live.tools.log.ring.keys.public(purpose)
        told = listed[purpose]
        assert (told["vkey"], told["fingerprint"], told["pem"]) == (
            key.vkey(),
            key.fingerprint,
            key.pem,
        )
        assert told["ended_at"] is None


def test_every_leg_and_every_screenshot_has_a_receipt_and_a_repeat_the_same(live: Live) -> None:
    sent, received = wav(0.2), wav(0.3)
    first = live.send(metadata("c1", leg="sent"), sent)
    second = live.send(metadata("c1", leg="received"), received)
    assert (first.status_code, second.status_code) == (201, 201)
    assert _receipt(live, first).leg == "sent"
    assert _receipt(live, second).leg == "received"
    assert _receipt(live, first).entry_id != _receipt(live, second).entry_id
    for told, body, answer in ((metadata("c1", leg="sent"), sent, first),
                               (metadata("c1", leg="received"), received, second)):  # fmt: skip
        again = live.send(told, body)
        assert (again.status_code, again.json()["receipt"]) == (200, answer.json()["receipt"])
    shot = {"captured_at": "2026-11-20T10:00:00+03:00", "agent": "106"}
    taken = [
        live.send(json.dumps(shot), PNG, path="/v1/screenshots", name="s.png") for _ in range(2)
    ]
    assert [answer.status_code for answer in taken] == [201, 200]
    assert taken[0].json()["receipt"] == taken[1].json()["receipt"]
    assert _receipt(live, taken[0]).object_kind == "screenshot"
    assert _receipt(live, taken[0]).received_at.utcoffset() == timedelta(0)


def test_a_receipt_is_checked_offline(live: Live, tmp_path: Path) -> None:
    body = wav(0.2)
    answer = live.send(metadata("c1"), body)
    (tmp_path / "answer.json").write_text(answer.text)
    (tmp_path / "receipt.txt").write_text(answer.json()["receipt"])
    (tmp_path / "call.wav").write_bytes(body)
    (tmp_path / "other.wav").write_bytes(wav(0.3))
    (key,) = live.tools.log.ring.keys.public(Purpose.RECEIPT)
    (tmp_path / "key").write_text(key.vkey() + "\n")
    runner = CliRunner()

    def run(*arguments: object) -> tuple[int, str]:
        done = runner.invoke(receipt_commands, ["verify", *map(str, arguments)])
        return done.exit_code, done.output + str(done.exception or "")

    for file in ("answer.json", "receipt.txt"):
        for given in (key.vkey(), tmp_path / "key"):
            code, said = run(tmp_path / file, "--key", given, "--recording", tmp_path / "call.wav")
            assert code == 0, said
            assert answer.json()["id"] in said
    (tmp_path / "forged.txt").write_text(answer.json()["receipt"].replace("leg mixed", "leg sent"))
    other = notes.Signer(key.name, bytes(32)).public.vkey()
    for arguments in (
        (tmp_path / "forged.txt", "--key", key.vkey()),
        (tmp_path / "receipt.txt", "--key", other),
        (tmp_path / "key", "--key", key.vkey()),
        (tmp_path / "receipt.txt", "--key", key.vkey(), "--recording", tmp_path / "other.wav"),
    ):
        code, said = run(*arguments)
        assert code == 1, said
    outside = subprocess.run(  # noqa: S603 - the product's own command.
        [sys.executable, "-m", "app.cli", "receipt", "verify", str(tmp_path / "forged.txt"),
         "--key", key.vkey()],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert (outside.returncode, len(outside.stderr.splitlines())) == (1, 1)
    assert not (tmp_path / "data").exists()
