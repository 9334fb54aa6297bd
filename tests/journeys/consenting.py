"""What people do with a recording until its link is in the client's hands, through the API."""

from __future__ import annotations

import time
from typing import Any

from tests.live import Live

PHONE = "+74950008414"
_INSPECTION_SECONDS = 180
_CONTRACT = {
    "number": "7/2026",
    "signed_on": "2026-01-10",
    "our_entity": "ООО «Сервис»",
    "document_sha256": "0" * 64,
    "signature_kind": "wet_scan",
    "valid_from": "2026-01-10T00:00:00+03:00",
}
_ACKNOWLEDGED = {"act_number": "7", "act_version": "1", "signed_on": "2026-01-10", "log": "x"}
_AGREED = {
    "question": {"from_ms": 0, "quote": "Согласны ли вы, что запись услышит ваше руководство?"},
    "answer": {"from_ms": 100, "quote": "Да."},
    "identity_basis": "Назвал себя.",
}


def must(live: Live, who: str, method: str, path: str, **body: object) -> dict[str, Any]:
    """Return what the archive answers when it does what was asked."""
    answer = live.call(method, path, who=who, json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    found: dict[str, Any] = answer.json()
    return found


def make_client(live: Live) -> str:
    """Make the client known, with a contract; return the id of its director."""
    director = {"name": "Директор", "phones": [PHONE], "is_management": True}
    told = {"name": "ООО «Ромашка»", "contacts": [director], "contracts": [_CONTRACT]}
    found = must(live, "manager", "PUT", "/v1/clients/romashka", **told)
    return str(found["contacts"][0]["id"])


def wait_for_inspection(live: Live, recording_id: str) -> dict[str, Any]:
    """Return the recording when a worker has looked into it."""
    give_up_at = time.monotonic() + _INSPECTION_SECONDS
    while True:
        found = must(live, "reviewer", "GET", f"/v1/recordings/{recording_id}")
        if found["inspection"]["state"] != "pending":
            return found
        assert time.monotonic() < give_up_at, "no worker has looked into the recording"
        time.sleep(0.2)


def release(live: Live, recording_id: str, contact_id: str) -> dict[str, Any]:
    """Gather the evidence, ask, approve; return the release and its link."""
    _assert_and_verify(
        live, recording_id, kind="employee_ack", party="own", wide=True, evidence=_ACKNOWLEDGED
    )
    _assert_and_verify(
        live,
        recording_id,
        kind="verbal_consent",
        party="cli",
        from_ms=0,
        purposes=["dispute_client"],
        recipients=["client_same_entity"],
        evidence=_AGREED,
    )
    path = f"/v1/recordings/{recording_id}/screenings"
    must(live, "reviewer", "POST", path, result="clear")
    bases = {"identity_basis": "Паспорт", "mandate_basis": "Устав"}
    must(live, "reviewer", "POST", f"/v1/contacts/{contact_id}/verify", **bases)
    items = [{"recording_id": recording_id}]
    asked = must(live, "manager", "POST", "/v1/releases", contact_id=contact_id, items=items)
    return must(live, "approver", "POST", f"/v1/releases/{asked['id']}/approve")


def _assert_and_verify(live: Live, recording_id: str, **said: object) -> None:
    path = f"/v1/recordings/{recording_id}/assertions"
    found = must(live, "manager", "POST", path, **said)
    must(live, "reviewer", "POST", f"/v1/assertions/{found['id']}/verify")
