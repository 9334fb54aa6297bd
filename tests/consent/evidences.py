"""Evidence of each kind that carries all it must, to leave one part out of."""

from __future__ import annotations

from typing import Any

from app.consent.purposes import Kind
from app.core.clock import Clock
from app.core.ids import new_id
from tests.factories import DAY, Make

ROW = "ab" * 32
PLAYED = {
    "call_id": "1732212177.42",
    "leg": "caller",
    "prompt": "n-main-v3",
    "start": "2026-11-20T10:00:00+03:00",
    "end": "2026-11-20T10:00:04+03:00",
    "row_sha256": ROW,
}
MATCHED = {
    "algo": "notice-1",
    "ref_sha256": ROW,
    "offset_ms": 12,
    "score": "17.400",
    "threshold": "share 0.9",
    "matched_share": "0.970",
}
SPOKEN: dict[Kind, dict[str, Any]] = {
    Kind.IVR_NOTICE: {
        "notice": {"id": str(new_id()), "version": 1},
        "played_ms": [0, 4000],
        "stayed_after_ms": 20_000,
        "heard": {"quote": "Разговор записывается."},
    },
    Kind.BEEP: {"frequency_hz": 1400, "interval_ms": 15_000, "first_offset_ms": 100},
    Kind.DTMF_CONSENT: {
        "prompt": {"version": 3},
        "digit": "1",
        "offset_ms": 4000,
        "pbx": {"row_sha256": ROW},
    },
    Kind.VERBAL_NOTICE: {
        "from_ms": 0,
        "to_ms": 4000,
        "speaker": "own",
        "quote": "Разговор записывается.",
        "reaction": "continued",
    },
    Kind.VERBAL_CONSENT: {
        "question": {"from_ms": 0, "quote": "Согласны ли вы?"},
        "answer": {"from_ms": 2000, "quote": "Да."},
        "identity_basis": "Назвал себя.",
    },
    Kind.REFUSAL: {"quote": "Не записывайте.", "scope": {"party": "cli"}},
    Kind.WITHDRAWAL: {
        "received_at": "2026-11-20T10:00:00+03:00",
        "channel": "письмо",
        "effective_at": "2026-11-20T10:00:00+03:00",
        "scope": {"party": "cli"},
        "identity_check": "Паспорт.",
    },
    Kind.NONE: {"searched": {"window": "0-60000", "prompts": [], "contracts": []}},
}
ON_PAPER: dict[Kind, dict[str, Any]] = {
    Kind.CONTRACT_CLAUSE: {
        "contract_id": str(new_id()),
        "clause_ref": "7.2",
        "scope": ["notice"],
        "wording": "Разговоры записываются.",
    },
    Kind.WRITTEN_CONSENT: {
        "person": "П. Петров",
        "operator": "ООО «Сервис»",
        "data": ["голос"],
        "actions": ["запись", "передача руководству"],
        "term": "3 года",
        "how_to_withdraw": "письмом",
        "signed_on": "2026-11-01",
        "signature_kind": "wet_scan",
    },
    Kind.OTHER_GROUND: {"code": "legal_claims", "author": "А. Б.", "matter": "А40-1/2026"},
    Kind.LEGAL_DEMAND: {
        "authority": "МВД",
        "number": "17",
        "date": "2026-11-01",
        "article": "21 УПК",
        "scope": "звонок целиком",
        "deadline": "2026-12-01",
        "verified_how": "обратный звонок",
        "may_tell_subjects": False,
    },
}
NAMED_BESIDE = ("purposes", "recipients")


def named(document_id: object, sha256: bytes) -> dict[str, str]:
    return {"document_id": str(document_id), "document_sha256": sha256.hex()}


def expiring(clock: Clock, days: int = 300) -> str:
    return (clock.now() + days * DAY).date().isoformat()


def complete(make: Make, kind: Kind) -> dict[str, Any]:
    """Return evidence of a kind with all that the kind must carry, documents kept."""
    if kind in SPOKEN:
        return dict(SPOKEN[kind])
    if kind == Kind.EMPLOYEE_ACK:
        paper = make.document(b"%PDF-1.7 signed", role="acknowledgement")
        signature = named(paper.id, paper.sha256)
        told = {"act_number": "7", "act_version": "1", "employee": "101"}
        return told | {"signed_on": "2026-01-10", "signature": signature}
    paper = make.document(f"%PDF-1.7 {kind}".encode())
    told = ON_PAPER[kind] | named(paper.id, paper.sha256)
    return told | ({"expires_on": expiring(make.clock)} if kind == Kind.OTHER_GROUND else {})
