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

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.verifier import forge as forging
from tests.verifier.forge import RECORDING, Forge

Change = Callable[[Forge, dict[str, bytes]], dict[str, bytes]]
ORIGINAL = f"data/recordings/{RECORDING}/original.wav"
SHOT = f"data/screenshots/{forging.SHOT}.png"
SHOT_DECISION = f"metadata/decisions/{forging.SHOT}.01.json"
CLIP = f"data/recordings/{forging.CLIPPED}/clip-01.wav"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What is done, and the file that a verifier has to name."""

    name: str
    do: Change
    file: str


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
)
