"""The parts of a bundle beside its exhibits: metadata, proofs, and the files they stand in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.custody import checkpoints, proofs
from app.custody.checkpoints import LogTools
from app.custody.ledger import Act
from app.custody.models import Checkpoint, LedgerLeaf
from app.custody.notes import PublicKey
from app.custody.proofs import Opened
from app.custody.signing import Purpose
from app.releases import bag as bags
from app.releases import completeness, dossier, papers, queries, subjects, timeline
from app.releases.bag import Bag
from app.releases.dossier import ZONE, Outgoing
from app.releases.enclosures import Enclosure
from app.releases.models import Release, ReleaseItem
from app.releases.papers import Cover, Exhibit, Happened, Step
from app.releases.passport import Json, moment

_CONTENT_SHOWN: Final = frozenset(
    {
        Act.RECORDING_INGESTED,
        Act.RECORDING_LEG_ADDED,
        Act.RECORDING_REBUILT,
        Act.SCREENSHOT_INGESTED,
    }
)
"""Acts whose `content` is what was received; that of a listening may be another copy."""
_DETAIL_SHOWN: Final = frozenset({Act.DERIVED_CREATED, Act.BUNDLE_CREATED})
"""Acts whose `detail` holds codes alone: neither names nor numbers, nor anybody's words."""
_WHAT: Final = {
    "inbound": {"ru": "входящий звонок", "en": "inbound call"},
    "outbound": {"ru": "исходящий звонок", "en": "outbound call"},
    "internal": {"ru": "внутренний звонок", "en": "internal call"},
}


_SCREENSHOT: Final = {"ru": "снимок экрана", "en": "screenshot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """What is told of a release."""

    release: Release
    at: datetime
    passports: Sequence[Json]
    consents: Sequence[Json]
    decisions: Mapping[str, tuple[Json, bytes]]
    policies: Mapping[str, bytes]
    completeness: Json
    statements: Mapping[str, bytes]
    vcons: Sequence[Json]
    directions: Mapping[UUID, str]
    around: Sequence[Happened]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event that is shown: its leaf, its audit path, and what is opened of it."""

    seq: int
    act: str
    at: str
    leaf: bytes
    path: Sequence[bytes]
    opened: Sequence[Opened]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """The head of the log with one signature, the events under it, and the stamps upon it.

    `earlier` are the other keys that the log has had; days of their time are signed by them.
    """

    note: bytes
    key: PublicKey
    earlier: Sequence[PublicKey]
    origin: str
    events: Sequence[Event]
    consistency: Json
    stamps: Sequence[bytes]
    authorities: bytes


def gather(  # noqa: PLR0913 - what there is to tell of; all but three are named.
    session: Session,
    release: Release,
    outgoing: Mapping[UUID, Outgoing],
    *,
    screenshots: Mapping[UUID, str],
    vcons: Sequence[Json],
    enclosures: Sequence[Enclosure],
    keys: Sequence[PublicKey],
    at: datetime,
) -> Tale:
    """Return what is told of the release, of each of its recordings and of each screenshot.

    `screenshots` names the recipe by which each was drawn; `keys` are those of the log.
    """
    recordings = [one for r in outgoing if (one := queries.recording(session, r)) is not None]
    whole = completeness.completeness(
        session,
        release,
        recordings,
        moments=[item.started_at for item in release.items],
        keys=keys,
        zone=ZONE,
        at=at,
    )
    numbers: dict[UUID, int] = {}
    decisions: dict[str, tuple[Json, bytes]] = {}
    for item in release.items:
        subject = subjects.of(item)
        number = numbers[subject.id] = numbers.get(subject.id, 0) + 1
        name = f"metadata/decisions/{subject.id}.{number:02}"
        decisions[name] = dossier.decision_of(session, item)
    return Tale(
        release=release,
        at=at,
        passports=[
            _with_documents(passport, enclosures)
            for passport in (
                *(dossier.passport_of(session, one, outgoing[one.id], at=at) for one in recordings),
                *(dossier.picture_passport_of(session, *one, at=at) for one in screenshots.items()),
            )
        ],
        consents=[
            *(dossier.consent_of(session, release, one.id, at=at) for one in recordings),
            *(
                dossier.picture_consent_of(session, release, subjects.of(item), at=at)
                for item in release.items
                if item.screenshot_id is not None
            ),
        ],
        decisions=decisions,
        policies=dossier.policies_of(session, release.items),
        completeness=whole,
        statements=completeness.signed_days(session, whole),
        vcons=vcons,
        directions={one.id: one.direction for one in recordings},
        around=timeline.around(
            session,
            release.client_id,
            [item.started_at for item in release.items],
            zone=ZONE,
            at=at,
        ),
    )


def _with_documents(passport: Json, enclosures: Sequence[Enclosure]) -> Json:
    """Return a passport that says which papers are inside, and which are only named."""
    about = passport.get("recording") or passport["screenshot"]
    papers_of_it = [one.told() for one in enclosures if str(one.about) == about]
    return passport | {"documents": papers_of_it or "none"}


def cut_proofs(
    session: Session,
    log: LogTools,
    checkpoint: Checkpoint,
    leaves: Sequence[LedgerLeaf],
    *,
    since: tuple[int, bytes] | None,
) -> Proofs:
    """Return the proofs that `leaves` are under `checkpoint`, and that the log grew to it.

    A bundle has one signature under the head: where two keys sign for a while, the newest one's,
    and then a stamp upon both is of something else and stays away.
    """
    key = log.ring.signers(Purpose.LOG)[0].public
    note = _signed_once(checkpoint.note, key)
    shown = _opened(session, leaves)
    is_stamped = note == checkpoint.note
    stamps = checkpoints.stamps_of(session, checkpoint.id) if is_stamped else []
    return Proofs(
        note=note.encode(),
        key=key,
        earlier=[one for one in log.ring.keys.public(Purpose.LOG) if one != key],
        origin=log.ring.origin,
        events=[
            Event(
                seq=leaf.seq,
                act=said["type"],
                at=said["at"],
                leaf=leaf.leaf,
                path=proofs.inclusion_proof(session, leaf.seq, checkpoint.size),
                opened=shown.get(leaf.entry_id, []),
            )
            for leaf in leaves
            for said in [json.loads(leaf.leaf)]
        ],
        consistency=_grown(session, since, checkpoint.size),
        stamps=[stamp.response for stamp in stamps],
        authorities=log.authorities.roots_pem() if stamps else b"",
    )


def _signed_once(note: str, key: PublicKey) -> str:
    text, _, lines = note.rpartition("\n\n")
    start = f"— {key.name} "
    found = [
        line
        for line in lines.splitlines()
        if line.startswith(start) and bags.key_id_of(line.removeprefix(start)) == key.key_id
    ]
    return f"{text}\n\n{found[0]}\n"


def _grown(session: Session, since: tuple[int, bytes] | None, size: int) -> Json:
    if since is None:
        return {"from": None}
    older, root = since
    hashes = proofs.consistency_proof(session, older, size)
    return {
        "from": {"size": older, "root": bags.base64_of(root)},
        "hashes": [one.hex() for one in hashes],
    }


def _opened(session: Session, leaves: Iterable[LedgerLeaf]) -> dict[UUID, list[Opened]]:
    """Return what may be opened of the events: digests of what came in, and codes."""
    acts = {leaf.entry_id: json.loads(leaf.leaf)["type"] for leaf in leaves}
    wanted = [entry for entry, act in acts.items() if act in _CONTENT_SHOWN | _DETAIL_SHOWN]
    found: dict[UUID, list[Opened]] = {}
    for one in proofs.opened_details(session, wanted):
        shown = _CONTENT_SHOWN if one.label == "content" else _DETAIL_SHOWN
        if acts[one.entry_id] in shown:
            found.setdefault(one.entry_id, []).append(one)
    return found


def write(bag: Bag, tale: Tale, cut: Proofs, *, fingerprint: str, software: str) -> None:
    """Write everything but the exhibits and what signs."""
    release = str(tale.release.id)
    info = {
        "External-Identifier": release,
        "Bagging-Date": tale.at.date().isoformat(),
        "Payload-Oxum": bag.payload_oxum(),
        "Bag-Software-Agent": software,
        "Audiatur-Bundle": "1",
    }
    bag.add("bag-info.txt", "".join(f"{k}: {v}\n" for k, v in info.items()).encode())
    cover = _cover(bag, tale, cut, fingerprint)
    for name, value in (
        ("passport", tale.passports),
        ("consent", tale.consents),
        ("completeness", tale.completeness),
        ("vcon", tale.vcons),
    ):
        bag.add(f"metadata/{name}.json", bags.canonical(value))
    for path, note in tale.statements.items():
        bag.add(path, note)
    for name, (decision, inputs) in tale.decisions.items():
        bag.add(f"{name}.json", bags.canonical(decision))
        bag.add(f"{name}.inputs.jcs", inputs)
    for digest, body in sorted(tale.policies.items()):
        bag.add(f"metadata/policies/{digest}.json", body)
    bag.add("metadata/custody.jsonl", b"".join(map(_row, cut.events)))
    for language in papers.LANGUAGES:
        page = papers.passport_page(tale.passports, language)
        bag.add(f"metadata/passport.{language}.html", page)
        bag.add(f"metadata/cover.{language}.html", papers.cover_page(cover, language))
        bag.add(f"VERIFY.{language}.md", papers.steps(language, release=release))
    bag.add("metadata/cover.pdf", papers.cover_pdf(cover))
    bag.add("metadata/certificate-902.html", papers.certificate_902(cover, tale.passports))
    bag.add("metadata/spravka-77gpk.html", papers.spravka_77(cover, tale.passports))
    _write_proofs(bag, cut)


def _write_proofs(bag: Bag, cut: Proofs) -> None:
    bags.write_log_proofs(bag, cut.note, [(one.seq, one.leaf, one.path) for one in cut.events])
    for number, stamp in enumerate(cut.stamps, start=1):
        suffix = "" if number == 1 else f"-{number}"
        bag.add(f"proof/checkpoint{suffix}.tsr", stamp)
    if cut.stamps:
        bag.add("proof/tsa/roots.pem", cut.authorities)
    bag.add("proof/consistency.json", bags.canonical(cut.consistency))
    bag.add("proof/keys/log.pub.pem", cut.key.pem.encode())
    bag.add("proof/keys/log.vkey", f"{cut.key.vkey()}\n".encode())


def predicate(tale: Tale, cut: Proofs) -> Json:
    """Return what the statement says beside the digests."""
    return {
        "release": str(tale.release.id),
        "created_at": moment(tale.at),
        "origin": cut.origin,
        "log_vkey": cut.key.vkey(),
        "earlier_log_vkeys": [one.vkey() for one in cut.earlier],
        "log_key_spki_sha256": cut.key.fingerprint,
        "checkpoint_sha256": hashlib.sha256(cut.note).hexdigest(),
        "events": [{"act": one.act, "seq": one.seq} for one in cut.events],
        "timestamp": "stamped" if cut.stamps else "pending",
    }


def _row(event: Event) -> bytes:
    """Return an event as a line: the leaf byte for byte, as a text."""
    opened = [
        {"label": one.label, "salt": one.salt.hex(), "value": one.value.hex()}
        for one in event.opened
    ]
    return bags.canonical({"leaf": event.leaf.decode(), "opened": opened, "seq": event.seq}) + b"\n"


def _cover(bag: Bag, tale: Tale, cut: Proofs, fingerprint: str) -> Cover:
    release, counts = tale.release, tale.completeness["counts"]
    copies = {item.sha256.hex(): item for item in release.items}
    whole = {
        str(subjects.of(item).id): item
        for item in release.items
        if not item.redactions and item.from_ms == 0 and item.to_ms is None
    }
    exhibits = [
        _exhibit(path, found, copies.get(found.sha256) or whole[path.split("/")[2]], tale)
        for path, found in bag.listed.items()
        if path.startswith(("data/recordings/", "data/screenshots/")) and not path.endswith(".json")
    ]
    inside = [Happened(at=one.when, what=one.what) for one in exhibits]
    return Cover(
        release=str(release.id),
        created_at=_local(tale.at),
        sender=release.sender_name or release.sender_person,
        sender_person=release.sender_person,
        client=release.client_name,
        purpose=release.purpose,
        fingerprint=fingerprint,
        manifest_sha256=bag.listed["manifest-sha256.txt"].sha256,
        origin=cut.origin,
        exhibits=exhibits,
        documents=sorted(path for path in bag.listed if path.startswith("data/documents/")),
        around=sorted([*tale.around, *inside], key=lambda one: datetime.fromisoformat(one.at)),
        timeline=[
            Step(at=_local(datetime.fromisoformat(one.at)), act=one.act, seq=one.seq)
            for one in cut.events
        ],
        included=counts["included"],
        withheld=sum(counts["withheld"].values()),
        lost=sum(counts["lost"].values()),
    )


def _exhibit(path: str, found: bags.Digests, item: ReleaseItem, tale: Tale) -> Exhibit:
    is_picture = item.recording_id is None
    return Exhibit(
        path=path,
        what=_SCREENSHOT if is_picture else _WHAT[tale.directions[subjects.of(item).id]],
        when=_local(item.started_at),
        part="" if is_picture or "/original" in path else path.rpartition("/")[2],
        sha256=found.sha256,
        taken_out={
            language: timeline.taken_out(item.redactions, item.areas, item.from_ms, language)
            for language in papers.LANGUAGES
        },
    )


def _local(at: datetime) -> str:
    return at.astimezone(ZONE).isoformat(timespec="seconds")
