"""The log for everybody: checkpoints, tiles, proofs and keys.

Nothing here is personal and nothing needs an account: a receipt, a checkpoint or a bundle is to be
checked by people who have none. What they learn beside hashes is how many entries there are. The
entry of a receipt is named by an id that cannot be guessed, and its leaf holds codes alone.
"""

from __future__ import annotations

import base64
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.orm import Session

from app.core.deps import SessionDep
from app.core.errors import Conflict, Invalid, NotFound
from app.core.problems import problems
from app.custody import checkpoints, notes, proofs, tiles
from app.custody.checkpoints import NoCheckpoint
from app.custody.models import Checkpoint, CustodyEntry, LedgerKey, LedgerLeaf
from app.custody.notes import PublicKey
from app.custody.schemas import ConsistencyRead, InclusionRead, LedgerKeyRead, LedgerKeys

router = APIRouter(tags=["ledger"])
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_BRIEFLY = {"Cache-Control": "public, max-age=5"}
_LARGEST = (1 << 63) - 1
Size = Annotated[int, Query(ge=0, le=_LARGEST)]


class EntryUnknown(NotFound):
    """The ledger has no such entry."""


class EntryNotCovered(Conflict):
    """No checkpoint covers this entry yet; ask again in five minutes."""


class TileUnknown(NotFound):
    """The tree has no such tile."""


class SizeUnknown(Invalid):
    """No tree of this size can be proved.

    A proof of inclusion is for the size of a checkpoint; a proof of consistency leads from a size
    to one that is not smaller, up to that of the newest checkpoint.
    """


@router.get(
    "/v1/ledger/checkpoint", response_class=PlainTextResponse, responses=problems(NoCheckpoint)
)
def checkpoint(session: SessionDep) -> Response:
    """Give the newest signed head of the ledger."""
    return PlainTextResponse(_newest(session).note, headers=_BRIEFLY)


@router.get(
    "/v1/ledger/tile/{level}/{rest:path}",
    response_class=Response,
    responses={**problems(TileUnknown), 200: {"content": {"application/octet-stream": {}}}},
)
def tile(level: str, rest: str, session: SessionDep) -> Response:
    """Give hashes of the tree, as tlog-tiles has them; what is given never changes."""
    try:
        asked = tiles.parse(level, rest)
    except tiles.TilePathInvalid as exc:
        raise TileUnknown from exc
    content = proofs.tile_bytes(session, asked)
    if content is None:
        raise TileUnknown
    return Response(content, media_type="application/octet-stream", headers=_FOREVER)


@router.get(
    "/v1/ledger/proof/inclusion",
    responses=problems(EntryUnknown, EntryNotCovered, SizeUnknown, NoCheckpoint),
)
def inclusion(
    session: SessionDep,
    entry: UUID | None = None,
    seq: Size | None = None,
    size: Size | None = None,
) -> InclusionRead:
    """Prove that an entry is in the ledger: by the id on a receipt, or by its number."""
    leaf = _leaf(session, entry, seq)
    signed = _newest(session) if size is None else checkpoints.of_size(session, size)
    if signed is None:
        raise SizeUnknown(f"No checkpoint was signed at size {size}.", size=size)
    if leaf.seq >= signed.size:
        raise EntryNotCovered(retry_after_seconds=int(checkpoints.DUE_AFTER.total_seconds()))
    path = proofs.inclusion_proof(session, leaf.seq, signed.size)
    return InclusionRead(
        seq=leaf.seq,
        entry=entry,
        leaf=bytes(leaf.leaf).decode() if entry is not None else None,
        leaf_hash=_base64(leaf.leaf_hash),
        path=[_base64(step) for step in path],
        checkpoint=signed.note,
        tlog_proof=notes.proof_text(leaf.seq, path, signed.note),
    )


@router.get("/v1/ledger/proof/consistency", responses=problems(SizeUnknown, NoCheckpoint))
def consistency(
    session: SessionDep,
    from_size: Annotated[int, Query(alias="from", ge=0, le=_LARGEST)],
    to_size: Annotated[int | None, Query(alias="to", ge=0, le=_LARGEST)] = None,
) -> ConsistencyRead:
    """Prove that the ledger only grew between two sizes; the later is the newest if not given."""
    newest = _newest(session)
    last = newest.size if to_size is None else to_size
    if not from_size <= last <= newest.size:
        raise SizeUnknown(newest_size=newest.size)
    path = proofs.consistency_proof(session, from_size, last)
    return ConsistencyRead(from_size=from_size, to_size=last, path=[_base64(step) for step in path])


@router.get("/v1/ledger/keys")
def keys(session: SessionDep) -> LedgerKeys:
    """List the keys that sign checkpoints and receipts, those that have ended too."""
    rows = checkpoints.key_list(session)
    ended = {row.public_key: row for row in rows if row.state == "ended"}
    return LedgerKeys(
        keys=[_key(row, ended.get(row.public_key)) for row in rows if row.state == "begun"]
    )


def _newest(session: Session) -> Checkpoint:
    found = checkpoints.newest(session)
    if found is None:
        raise NoCheckpoint
    return found


def _leaf(session: Session, entry: UUID | None, seq: int | None) -> LedgerLeaf:
    if (entry is None) == (seq is None):
        raise SizeUnknown("Name either an entry or a number.")
    if entry is None:
        found = proofs.leaf_at(session, seq or 0)
        if found is None:
            raise EntryUnknown
        return found
    found = proofs.leaf_of_entry(session, entry)
    if found is None and session.get(CustodyEntry, entry) is None:
        raise EntryUnknown
    if found is None:
        raise EntryNotCovered(retry_after_seconds=int(checkpoints.DUE_AFTER.total_seconds()))
    return found


def _key(row: LedgerKey, ended: LedgerKey | None) -> LedgerKeyRead:
    public = PublicKey(name=row.name, raw=bytes(row.public_key))
    return LedgerKeyRead(
        purpose=row.purpose,
        name=row.name,
        vkey=public.vkey(),
        fingerprint=public.fingerprint,
        pem=public.pem,
        begun_at=row.at,
        begun_at_size=row.at_size,
        ended_at=ended.at if ended else None,
        ended_at_size=ended.at_size if ended else None,
    )


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
