"""What others read of the consent of a recording: the shape of the drafts, and the worst wins."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import rfc8785

from app.consent.casefile import Asserted
from app.consent.purposes import Kind, Purpose, Status
from app.consent.vcon import Backing, Exported, Leg, export
from tests.consent.test_decision_table import REFUSED
from tests.consent.worlds import (
    ACK,
    ALLOWED,
    CLIENT,
    DAY,
    NOW,
    World,
    agreed,
    asserted,
    assessed,
    clause,
    told,
    uid,
)

LEG = Leg(media_type="audio/wav", sha256=bytes(range(32)), duration_ms=600_000, channels=1)
SPOKEN: dict[str, Any] = {"quote": "Не записывайте", "offset_ms": 83_000}

STRING, NUMBER, INDEX, TRUTH = {"type": str}, {"type": (int, float)}, {"type": int}, {"type": bool}
TIME = {"type": str, "ends": "Z"}
GRANT = {
    "members": {
        "purpose": STRING,
        "granted": TRUTH,
        "granted_at": TIME,
        "conditions": {"items": STRING},
    }
}
PROOF = {
    "members": {
        "proof_type": {
            "one_of": {
                "verbal_confirmation",
                "signed_document",
                "cryptographic_signature",
                "external_system",
            }
        },
        "timestamp": TIME,
        "proof_data": {"type": dict},
    }
}
BODY = {
    "members": {
        "lawful_basis": {
            "one_of": {
                "consent",
                "contract",
                "legal_obligation",
                "vital_interests",
                "public_task",
                "legitimate_interests",
            }
        },
        "expiration": {"type": (str, type(None))},
        "purpose_grants": {"items": GRANT},
        "proof_mechanisms": {"items": PROOF},
        "content_hash": {
            "members": {
                "algorithm": {"one_of": {"sha-256"}},
                "canonicalization": {"one_of": {"jcs"}},
                "value": STRING,
            }
        },
        "metadata": {"type": dict},
    }
}
SHAPE = {
    "members": {
        "vcon": {"one_of": {"0.4.0"}},
        "uuid": STRING,
        "extensions": {"items": {"one_of": {"lawful_basis"}}},
        "created_at": TIME,
        "subject": STRING,
        "parties": {"items": {"members": {"name": STRING, "uuid": STRING, "type": STRING}}},
        "dialog": {
            "items": {
                "members": {
                    "type": {"one_of": {"recording"}},
                    "start": TIME,
                    "parties": {"type": list},
                    "mediatype": STRING,
                    "content_hash": STRING,
                    "duration": NUMBER,
                },
                "may_lack": {"duration"},
            }
        },
        "analysis": {"items": {}},
        "attachments": {
            "items": {
                "members": {
                    "purpose": {"one_of": {"lawful_basis"}},
                    "start": TIME,
                    "party": INDEX,
                    "dialog": INDEX,
                    "encoding": {"one_of": {"json"}},
                    "body": BODY,
                },
                "may_lack": {"dialog"},
            }
        },
    }
}


def check(value: Any, shape: Mapping[str, Any], where: str = "") -> None:  # noqa: ANN401 - JSON.
    """Compare `value` with the shape that the drafts give it: no member more, none less."""
    if "members" in shape:
        assert isinstance(value, dict), where
        assert set(value) <= set(shape["members"]), where
        assert set(shape["members"]) - set(value) <= shape.get("may_lack", set()), where
        for name, inner in value.items():
            check(inner, shape["members"][name], f"{where}/{name}")
    elif "items" in shape:
        assert isinstance(value, list), where
        for place, inner in enumerate(value):
            check(inner, shape["items"], f"{where}/{place}")
    else:
        assert isinstance(value, shape.get("type", object)), where
        assert str(value).endswith(shape.get("ends", "")), where
        assert "one_of" not in shape or value in shape["one_of"], where


def exported(world: World, *legs: Leg, evidence: Mapping[str, Any] = SPOKEN) -> dict[str, Any]:
    backing = Backing(
        evidence=evidence, evidence_sha256=bytes(32), decided_at=NOW - DAY, reviewers=1
    )
    return export(
        Exported(
            uuid=uid("export"),
            created_at=NOW,
            case=world.case,
            legs=legs,
            backings={a.id: backing for a in world.case.assertions},
        )
    )


def granted(found: dict[str, Any], index: int) -> list[tuple[str, str, bool]]:
    """Return every statement on a party: basis, purpose, granted."""
    return [
        (one["body"]["lawful_basis"], grant["purpose"], grant["granted"])
        for one in found["attachments"]
        if one["party"] == index
        for grant in one["body"]["purpose_grants"]
    ]


NOTIFIED = {
    "purpose": "lawful_basis",
    "start": "2026-03-02T10:00:00.000Z",
    "party": 1,
    "dialog": 0,
    "encoding": "json",
    "body": {
        "lawful_basis": "legitimate_interests",
        "expiration": None,
        "purpose_grants": [
            {
                "purpose": purpose,
                "granted": True,
                "granted_at": "2026-03-02T10:00:00.000Z",
                "conditions": ["recipient:client_same_entity"],
            }
            for purpose in ("internal_quality", "dispute_client")
        ],
        "proof_mechanisms": [
            {
                "proof_type": "external_system",
                "timestamp": "2026-03-09T12:00:00.000Z",
                "proof_data": {"evidence_sha256": "00" * 32},
            }
        ],
        "metadata": {
            "audiatur": {
                "assertion": str(uid("told cli")),
                "party": "cli",
                "side": "client",
                "kind": "ivr_notice",
                "strength": "NOTICE",
                "status": "verified",
                "is_consent": False,
                "state": {"internal_quality": "notified", "dispute_client": "notified"},
                "segment": {"from_ms": 4000, "to_ms": None},
                "recipients": ["client_same_entity"],
                "valid_from": None,
                "reviewers": 1,
                "supersedes": None,
            }
        },
    },
}


def test_a_notified_call_to_the_letter() -> None:
    found = exported(ALLOWED.with_evidence(told()), LEG)
    check(found, SHAPE)
    (one,) = found["attachments"]
    body = dict(one["body"])
    said = body.pop("content_hash")["value"]
    assert hashlib.sha256(rfc8785.dumps(body)).hexdigest() == said
    assert len(body["metadata"]["audiatur"].pop("policy_sha256")) == 64
    assert one | {"body": body} == NOTIFIED
    assert found["parties"] == [
        {"name": "anonymous", "uuid": str(party.id), "type": "person"}
        for party in ALLOWED.case.parties
    ]
    assert found["dialog"] == [
        {
            "type": "recording",
            "start": "2026-03-02T09:00:00.000Z",
            "parties": [0, 1],
            "mediatype": "audio/wav",
            "content_hash": "sha256-"
            + base64.urlsafe_b64encode(LEG.sha256).rstrip(b"=").decode("ascii"),
            "duration": 600.0,
        }
    ]


@pytest.mark.parametrize("status", [Status.PROPOSED, Status.VERIFIED])
@pytest.mark.parametrize("party", [CLIENT.id, None])
def test_a_refusal_ends_what_was_granted_before_it(status: Status, party: UUID | None) -> None:
    no = replace(REFUSED, status=status, party_id=party, proposed_at=NOW - 2 * DAY)
    found = exported(ALLOWED.with_evidence(told(), no), LEG)
    check(found, SHAPE)
    said = granted(found, 1)
    assert said[:2] == [
        ("legitimate_interests", "internal_quality", False),
        ("legitimate_interests", "dispute_client", False),
    ]
    assert said[2:] == [("consent", purpose.value, False) for purpose in Purpose]
    assert bool(granted(found, 0)) is (party is None)
    proof = found["attachments"][1]["body"]["proof_mechanisms"][0]
    assert proof["proof_type"] == "verbal_confirmation"
    assert proof["proof_data"] == {
        "dialog_reference": 0,
        "time_offset": "00:01:23",
        "evidence_sha256": "00" * 32,
    }


def test_a_withdrawal_ends_its_purpose_alone_and_a_later_consent_lifts_it() -> None:
    taken = asserted(
        "no",
        Kind.WITHDRAWAL,
        party_id=CLIENT.id,
        purposes=frozenset({"dispute_client"}),
        proposed_at=NOW - 2 * DAY,
    )
    found = exported(ALLOWED.with_evidence(told(), taken), LEG)
    assert granted(found, 1) == [
        ("legitimate_interests", "internal_quality", True),
        ("legitimate_interests", "dispute_client", False),
        ("consent", "dispute_client", False),
    ]
    anew = agreed(proposed_at=NOW - DAY)
    found = exported(ALLOWED.with_evidence(told(), taken, anew), LEG)
    check(found, SHAPE)
    assert granted(found, 1)[2:] == [
        ("consent", "dispute_client", False),
        ("consent", "dispute_client", True),
    ]


@pytest.mark.parametrize(
    ("evidence", "basis", "proof"),
    [
        (clause(), "contract", "signed_document"),
        (agreed(), "consent", "verbal_confirmation"),
        (replace(agreed(), kind=Kind.WRITTEN_CONSENT), "consent", "signed_document"),
        (replace(assessed(), party_id=CLIENT.id), "legitimate_interests", "signed_document"),
    ],
)
def test_each_kind_has_the_nearest_basis_and_proof(
    evidence: Asserted, basis: str, proof: str
) -> None:
    found = exported(ALLOWED.with_evidence(evidence), LEG)
    check(found, SHAPE)
    (one,) = found["attachments"]
    assert one["body"]["lawful_basis"] == basis
    assert one["body"]["proof_mechanisms"][0]["proof_type"] == proof


def test_a_demand_speaks_of_everybody() -> None:
    order = asserted("order", Kind.LEGAL_DEMAND, purposes=frozenset({"legal_demand"}))
    found = exported(ALLOWED.with_evidence(order), LEG)
    check(found, SHAPE)
    assert [one["party"] for one in found["attachments"]] == [0, 1]
    assert {one["body"]["lawful_basis"] for one in found["attachments"]} == {"legal_obligation"}


def test_what_is_only_proposed_rejected_or_nothing_is_not_stated() -> None:
    several = (
        told(status=Status.PROPOSED),
        replace(agreed(), status=Status.REJECTED),
        replace(REFUSED, status=Status.REJECTED),
        asserted("none", Kind.NONE, party_id=CLIENT.id),
    )
    assert exported(ALLOWED.with_evidence(*several), LEG)["attachments"] == []
    back = exported(ALLOWED.with_evidence(told(status=Status.INVALIDATED)), LEG)
    assert granted(back, 1) == [
        ("legitimate_interests", "internal_quality", False),
        ("legitimate_interests", "dispute_client", False),
    ]


def test_what_has_ended_is_not_granted_and_says_when() -> None:
    found = exported(ALLOWED.with_evidence(agreed(valid_to=NOW)), LEG)
    assert granted(found, 1) == [("consent", "dispute_client", False)]
    assert found["attachments"][0]["body"]["expiration"] == "2026-03-10T12:00:00.000Z"


def test_a_screenshot_has_no_dialog() -> None:
    world = ALLOWED.about(object_kind="screenshot", parties=(CLIENT,)).with_evidence(clause())
    found = exported(world, evidence={"document_sha256": "ab" * 32})
    check(found, SHAPE)
    assert found["dialog"] == []
    assert "dialog" not in found["attachments"][0]
    proof = found["attachments"][0]["body"]["proof_mechanisms"][0]
    assert proof["proof_data"]["document_sha256"] == "ab" * 32


def test_each_channel_of_several_may_hold_anybody() -> None:
    found = exported(ALLOWED.with_evidence(ACK), replace(LEG, channels=2, duration_ms=None))
    check(found, SHAPE)
    assert found["dialog"][0]["parties"] == [[0, 1], [0, 1]]
    assert "duration" not in found["dialog"][0]
