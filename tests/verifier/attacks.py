"""What is done to a bundle by people who lack its key; every verifier must see each of these.

Each attack takes a forge and the files of its bundle, and returns other files. Where it is `deep`,
the attacker has repaired the manifests, so that only what is signed can betray him.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.verifier import forge as forging
from tests.verifier.forge import RECORDING, Forge

Change = Callable[[Forge, dict[str, bytes]], dict[str, bytes]]
ORIGINAL = f"data/recordings/{RECORDING}/original.wav"
SHOT = f"data/screenshots/{forging.SHOT}.png"
SHOT_DECISION = f"metadata/decisions/{forging.SHOT}.01.json"
CLIP = f"data/recordings/{forging.CLIPPED}/clip-01.wav"
CLIP_RECIPE = f"data/recordings/{forging.CLIPPED}/clip-01.derivation.json"
COMPLETENESS = "metadata/completeness.json"
PASSPORT = "metadata/passport.json"
DAY_NOTE = forging.DAY_NOTES[1]
GROWN = "proof/consistency.json"
ABSENT_PAPER = forging.DOCUMENT.replace("-000000000006", "-000000000008")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What is done, the file that a verifier has to name, and by which check it sees it."""

    name: str
    do: Change
    file: str
    check: str = ""


def _flip(path: str) -> Change:
    def flip(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
        content = files[path]
        middle = len(content) // 2
        changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        return files | {path: changed}

    return flip


def _deep(
    do: Change,
) -> Change:
    return lambda forge, files: forging.repaired(do(forge, files))


def _without(path: str) -> Change:
    return lambda _, files: {p: c for p, c in files.items() if p != path}


def _swap(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {ORIGINAL: files[CLIP], CLIP: files[ORIGINAL]}


def _resigned(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    """Sign everything anew with a key of one's own, but leave the right one in the bundle."""
    return files | forging.signed(files["proof/statement.json"], Ed25519PrivateKey.generate())


def _other_key(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    """Sign everything anew and put the own key into the bundle."""
    key = Ed25519PrivateKey.generate()
    mine = forging.signed(files["proof/statement.json"], key)
    return files | mine | {"proof/keys/bundle.pub.pem": forging.pem(key.public_key())}


def _second_signature(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    path = "proof/statement.dsse.json"
    envelope = json.loads(files[path])
    theirs = json.loads(
        forging.signed(files["proof/statement.json"], Ed25519PrivateKey.generate())[path]
    )
    envelope["signatures"] += theirs["signatures"]
    return files | {path: forging.jcs(envelope)}


def _payload_type(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    path = "proof/statement.dsse.json"
    envelope = json.loads(files[path]) | {"payloadType": "application/json"}
    return files | {path: forging.jcs(envelope)}


def _pae_type(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    path = "proof/statement.pae"
    changed = files[path].replace(
        b"28 application/vnd.in-toto+json", b"28 application/vnd.in-toto+JSON"
    )
    return files | {path: changed}


def _head(origin: str, count: int) -> Change:
    """Put another head of the log in, signed by the log's own key."""

    def do(forge: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
        note = forging.note(origin, forge.leaves[:count], forge.log_key)
        return files | {
            "proof/checkpoint": note,
            "proof/checkpoint.body": note.partition(b"\n\n")[0] + b"\n",
            "proof/checkpoint.sig": base64.b64decode(note.split()[-1])[4:],
        }

    return do


def _events(change: Callable[[list[dict[str, object]]], None]) -> Change:
    def do(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
        path = "metadata/custody.jsonl"
        rows = [json.loads(line) for line in files[path].splitlines()]
        change(rows)
        kept = {f"proof/events/{row['seq']}." for row in rows}
        left = {
            p: c
            for p, c in files.items()
            if not p.startswith("proof/events/") or p.startswith(tuple(kept))
        }
        return left | {path: b"".join(forging.jcs(row) + b"\n" for row in rows)}

    return do


def _drop_middle(rows: list[dict[str, object]]) -> None:
    rows[:] = [row for row in rows if row["seq"] != 5]


def _wrong_salt(rows: list[dict[str, object]]) -> None:
    opened = rows[0]["opened"]
    assert isinstance(opened, list)
    opened[0]["salt"] = hashlib.sha256(b"another salt").hexdigest()


def _other_leaf(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    """Change what an event says, in the leaf and in the story alike."""
    leaf = files["proof/events/0.jcs"]
    changed = leaf.replace(b"success", b"SUCCESS")
    path = "metadata/custody.jsonl"
    story = files[path].replace(b'\\"success\\"', b'\\"SUCCESS\\"', 1)
    return files | {"proof/events/0.jcs": changed, path: story}


def _json(path: str, change: Callable[[Any], None]) -> Change:
    """Change what a JSON file says."""

    def do(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
        told = json.loads(files[path])
        change(told)
        return files | {path: forging.jcs(told)}

    return do


def _day_changed(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {DAY_NOTE: files[DAY_NOTE].replace(b"\ngaps 1\n", b"\ngaps 0\n")}


def _day_by_another(forge: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    """Let a key that the statement does not name sign a day under the log's name."""
    stranger = Ed25519PrivateKey.generate()
    return files | {DAY_NOTE: forging.day_note(forge.origin, DAY_NOTE, stranger)}


def _day_of_another_log(forge: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    """Put the statement of another log in, though the right key signs it under the right name."""
    body = forging.day_note("rec.example/log2", DAY_NOTE, forge.log_key).rpartition(b"\n\n")[0]
    line = forging.signature_line(forge.origin, body + b"\n", forge.log_key)
    return files | {DAY_NOTE: body + b"\n\n" + line}


def _day_for_another(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    """Show the statement of another day in the place of this one's."""
    return files | {DAY_NOTE: files[forging.DAY_NOTES[0]]}


def _unsigned_day(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {DAY_NOTE: files[DAY_NOTE].rpartition(b"\n\n")[0] + b"\n\n"}


def _growth(change: Callable[[dict[str, Any]], None]) -> Change:
    """Show a proof that the log grew from its first six events on, and change it."""

    def do(forge: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
        root = base64.b64encode(forging.tree_hash(forge.leaves[:6])).decode()
        hashes = [one.hex() for one in forging.consistency(6, forge.leaves)]
        told = {"from": {"size": 6, "root": root}, "hashes": hashes}
        change(told)
        return files | {GROWN: forging.jcs(told)}

    return do


def _cut_growth(told: dict[str, Any]) -> None:
    del told["hashes"][-1]


def _growth_from_another(told: dict[str, Any]) -> None:
    told["from"]["root"] = base64.b64encode(hashlib.sha256(b"another log").digest()).decode()


def _growth_from_another_size(told: dict[str, Any]) -> None:
    told["from"]["size"] = 5


def _other_contract(_: Forge, files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {forging.DOCUMENT: b"%PDF-1.7 another contract"}


def _names_more(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told["included"].append({"recording": forging.STRANGER, "files": ["00" * 32]})
    told["counts"]["included"] += 1


def _names_less(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    del told["included"][0]
    told["counts"]["included"] -= 1


def _withholds_what_is_inside(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told["withheld"][0]["files"] = [hashlib.sha256(forging.ORIGINAL).hexdigest()]


def _without_a_lost_call(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    del told["lost"][0]


def _without_a_withheld_call(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told["withheld"].clear()


def _other_file_of_a_call(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told["included"][1]["files"] = ["00" * 32]


def _without_a_day(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    del told["compared_with_calls_made"]["days"][1]


def _other_version(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told["compared_with_calls_made"]["days"][1]["version"] = 3


def _other_paper(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told[0]["documents"][0]["sha256"] = "00" * 32


def _unnamed_paper(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told[0]["documents"] = told[2]["documents"] = "none"


def _missing_paper(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told[0]["documents"][0]["inside"] = ABSENT_PAPER


def _other_original(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told[0]["files"][0]["sha256"] = "00" * 32


def _other_sha512(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told[0]["files"][0]["sha512"] = "00" * 64


def _no_passport(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    del told[1]


def _no_recipe(told: Any) -> None:  # noqa: ANN401 - what a JSON file holds.
    told[1]["transformations"] = "none"


ATTACKS = (
    Attack(name="flipped-byte", do=_flip(ORIGINAL), file=ORIGINAL),
    Attack(name="flipped-byte-deep", do=_deep(_flip(ORIGINAL)), file=ORIGINAL),
    Attack(name="missing-file", do=_without(CLIP), file=CLIP),
    Attack(name="missing-file-deep", do=_deep(_without(CLIP)), file=CLIP),
    Attack(
        name="extra-file", do=lambda _, f: f | {"data/notes.txt": b"more"}, file="data/notes.txt"
    ),
    Attack(
        name="extra-file-deep",
        do=_deep(lambda _, f: f | {"metadata/notes.txt": b"more"}),
        file="metadata/notes.txt",
    ),
    Attack(name="flipped-byte-of-a-screenshot", do=_flip(SHOT), file=SHOT),
    Attack(name="flipped-byte-of-a-screenshot-deep", do=_deep(_flip(SHOT)), file=SHOT),
    Attack(name="missing-screenshot", do=_without(SHOT), file=SHOT),
    Attack(name="missing-document", do=_without(forging.DOCUMENT), file=forging.DOCUMENT),
    Attack(
        name="missing-document-deep",
        do=_deep(_without(forging.DOCUMENT)),
        file=forging.DOCUMENT,
    ),
    Attack(
        name="flipped-byte-of-a-document-deep",
        do=_deep(_flip(forging.DOCUMENT)),
        file=forging.DOCUMENT,
    ),
    Attack(name="swapped-files", do=_swap, file=ORIGINAL),
    Attack(name="swapped-files-deep", do=_deep(_swap), file=ORIGINAL),
    Attack(name="signed-by-a-wrong-key", do=_deep(_resigned), file="proof/statement.sig"),
    Attack(name="with-another-key", do=_deep(_other_key), file="proof/keys/bundle.pub.pem"),
    Attack(name="second-signature", do=_deep(_second_signature), file="proof/statement.dsse.json"),
    Attack(name="payload-type", do=_deep(_payload_type), file="proof/statement.dsse.json"),
    Attack(name="payload-type-signed", do=_deep(_pae_type), file="proof/statement.pae"),
    Attack(name="other-origin", do=_deep(_head("rec.example/log2", 11)), file="proof/checkpoint"),
    Attack(name="shorter-tree", do=_deep(_head(forging.ORIGIN, 9)), file="proof/checkpoint"),
    Attack(name="event-removed", do=_deep(_events(_drop_middle)), file="metadata/custody.jsonl"),
    Attack(name="wrong-salt", do=_deep(_events(_wrong_salt)), file="metadata/custody.jsonl"),
    Attack(name="other-event", do=_deep(_other_leaf), file="proof/events/0.path.hex"),
    Attack(name="other-instructions", do=_deep(_flip("VERIFY.en.md")), file="VERIFY.en.md"),
    Attack(name="statement-of-a-day-changed", do=_day_changed, file=DAY_NOTE, check="digests"),
    Attack(
        name="statement-of-a-day-changed-deep",
        do=_deep(_day_changed),
        file=DAY_NOTE,
        check="statement",
    ),
    Attack(
        name="statement-of-a-day-removed-deep",
        do=_deep(_without(DAY_NOTE)),
        file=DAY_NOTE,
        check="statement",
    ),
    Attack(
        name="completeness-changed-deep",
        do=_deep(_json(COMPLETENESS, _without_a_withheld_call)),
        file=COMPLETENESS,
        check="statement",
    ),
    Attack(
        name="passport-changed-deep",
        do=_deep(_json(PASSPORT, _other_paper)),
        file=PASSPORT,
        check="statement",
    ),
)


def _resealed(
    change: Change,
) -> Change:
    return lambda forge, files: forge.seal(change(forge, files))


# What even the holder of the bundle's key cannot do: the statement is his, but not what it says.
INSIDE = (
    Attack(name="event-removed", do=_resealed(_events(_drop_middle)), file="custody.jsonl"),
    Attack(name="wrong-salt", do=_resealed(_events(_wrong_salt)), file="custody.jsonl"),
    Attack(name="other-event", do=_resealed(_other_leaf), file="proof/events/0.path.hex"),
    Attack(name="shorter-tree", do=_resealed(_head(forging.ORIGIN, 9)), file="proof/events/"),
    Attack(
        name="other-recording",
        do=_resealed(_flip(ORIGINAL)),
        file=ORIGINAL,
    ),
    Attack(
        name="other-screenshot",
        do=_resealed(_flip(SHOT)),
        file=SHOT,
    ),
    Attack(
        name="screenshot-without-a-decision",
        do=_resealed(
            lambda forge, files: (
                _without(SHOT_DECISION)(forge, files)
                | {SHOT_DECISION.replace(".json", ".inputs.jcs"): b"{}"}
            )
        ),
        file=f"metadata/decisions/{forging.SHOT}",
    ),
    Attack(
        name="other-clip",
        do=_resealed(_flip(CLIP)),
        file=CLIP,
    ),
    *(
        Attack(name=name, do=_resealed(do), file=DAY_NOTE, check="reconciliation")
        for name, do in (
            ("statement-of-a-day-changed", _day_changed),
            ("statement-of-a-day-signed-by-another", _day_by_another),
            ("statement-of-a-day-of-another-log", _day_of_another_log),
            ("statement-of-another-day", _day_for_another),
            ("statement-of-a-day-unsigned", _unsigned_day),
            ("statement-of-a-day-removed", _without(DAY_NOTE)),
            ("statement-of-a-day-unnamed", _json(COMPLETENESS, _without_a_day)),
        )
    ),
    Attack(
        name="statement-of-a-day-in-another-version",
        do=_resealed(_json(COMPLETENESS, _other_version)),
        file=COMPLETENESS,
        check="reconciliation",
    ),
    *(
        Attack(
            name=f"completeness-{name}",
            do=_resealed(_json(COMPLETENESS, change)),
            file=COMPLETENESS,
            check="completeness",
        )
        for name, change in (
            ("names-what-is-missing", _names_more),
            ("omits-what-is-inside", _names_less),
            ("withholds-what-is-inside", _withholds_what_is_inside),
            ("names-another-file-of-a-call", _other_file_of_a_call),
            ("lacks-a-lost-call", _without_a_lost_call),
            ("lacks-a-withheld-call", _without_a_withheld_call),
        )
    ),
    *(
        Attack(name=name, do=_resealed(_growth(change)), file=GROWN, check="consistency")
        for name, change in (
            ("growth-cut-short", _cut_growth),
            ("growth-from-another-log", _growth_from_another),
            ("growth-from-another-size", _growth_from_another_size),
        )
    ),
    *(
        Attack(name=f"passport-{name}", do=_resealed(do), file=file, check="passport")
        for name, do, file in (
            ("of-another-paper", _json(PASSPORT, _other_paper), forging.DOCUMENT),
            ("of-a-changed-paper", _other_contract, forging.DOCUMENT),
            ("of-a-missing-paper", _json(PASSPORT, _missing_paper), ABSENT_PAPER),
            ("without-a-paper", _json(PASSPORT, _unnamed_paper), forging.DOCUMENT),
            ("of-another-original", _json(PASSPORT, _other_original), ORIGINAL),
            ("of-a-file-that-never-came", _json(PASSPORT, _other_original), PASSPORT),
            ("of-another-sha512", _json(PASSPORT, _other_sha512), ORIGINAL),
            ("lacking", _json(PASSPORT, _no_passport), PASSPORT),
            ("without-a-recipe", _json(PASSPORT, _no_recipe), CLIP_RECIPE),
        )
    ),
)
