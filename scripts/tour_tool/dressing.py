"""What the sample company lacks for the tour: praise, an appraisal, a call in the library."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import httpx

_PRAISED = "Спокойно выслушал и назвал срок."
_QUESTIONS = [
    {"key": "greeted", "text": "Представился и назвал компанию", "weight": 1},
    {"key": "solved", "text": "Решил вопрос или назвал срок", "weight": 3},
    {"key": "warned", "text": "Не обещал лишнего", "weight": 2, "is_critical": True},
]
_CALM = {"greeted": "yes", "solved": "partly", "warned": "yes"}


class _Caller:
    """Asks the archive as one of the people."""

    def __init__(self, address: str, accounts: Mapping[str, Any]) -> None:
        self._address = address
        self._keys = accounts["keys"]

    def __call__(self, who: str, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401 - JSON.
        answer = self.ask(who, method, path, **more)
        if answer.is_error:
            sys.exit(f"tour: {method} {path} as {who}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def ask(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own.
        headers = {"Authorization": f"Bearer {self._keys[who]}"} | more.pop("headers", {})
        return httpx.request(method, self._address + path, headers=headers, timeout=60, **more)


def dress(address: str, accounts: Mapping[str, Any]) -> dict[str, str]:
    """Add what the tour shows; return ids for the holes of its paths."""
    call = _Caller(address, accounts)
    recordings = call("manager", "GET", "/v1/recordings?limit=200")["items"]
    dispute = call("manager", "GET", "/v1/disputes")["items"][0]
    release = call("approver", "GET", "/v1/releases")["releases"][0]
    agents = [name for name, role in accounts["roles"].items() if role == "agent"]
    known = [one for one in recordings if one["agent"] in agents]
    told = [one for one in known if one["flag"] == "notified" and one["event"]["client"]]
    agreed = [one for one in known if one["flag"] == "consented"]  # Dressed before.
    own = (agreed or told)[0]
    found = {
        "recording": own["id"],
        "client": _client_of(call, dispute),
        "dispute": dispute["id"],
        "release": release["id"],
        "link": accounts["link"],
        "agent": own["agent"],
        "colleague": next(name for name in agents if name != own["agent"]),
    }
    here = f"/v1/recordings/{own['id']}"
    there = call("manager", "GET", f"{here}/appraisals")["items"]
    if there:  # A folder that is used again was dressed before.
        found["appraisal"] = next(one["id"] for one in there if not one["calibration_id"])
        found["calibration"] = call("manager", "GET", "/v1/calibrations")["items"][0]["id"]
        return found
    for kind, at, note in (
        ("praise", 2000, _PRAISED),
        ("key_moment", 5000, "Назван срок."),
        ("mistake", 7000, "Не повторил номер заявки."),
    ):
        call("reviewer", "POST", f"{here}/marks", json={"kind": kind, "from_ms": at, "note": note})
    form = call(
        "manager",
        "POST",
        "/v1/call-forms",
        json={"name": "Разговор с клиентом", "questions": _QUESTIONS},
    )["id"]
    for who in ("reviewer", "approver"):
        call.ask(who, "GET", f"{here}/audio", headers={"Range": "bytes=0-99"})
    filled = {"form_id": form, "answers": _CALM, "notes": {"solved": "Срок назван, но не точный."}}
    found["appraisal"] = call("reviewer", "POST", f"{here}/appraisals", json=filled)["id"]
    asked = {"recording_id": own["id"], "form_id": form}
    calibration = call("manager", "POST", "/v1/calibrations", json=asked)["id"]
    for who, solved in (("reviewer", "partly"), ("approver", "yes")):
        blind = {"form_id": form, "answers": _CALM | {"solved": solved}}
        call(who, "POST", f"{here}/appraisals", json=blind | {"calibration_id": calibration})
    call("manager", "POST", f"/v1/calibrations/{calibration}/close")
    found["calibration"] = calibration
    _teach(call, own["id"])
    return found


def _client_of(call: _Caller, dispute: Mapping[str, Any]) -> str:
    return str(call("manager", "GET", f"/v1/clients/{dispute['client']}")["id"])


def _teach(call: _Caller, recording_id: str) -> None:
    """Put a call into the library, after its client has agreed to that aloud."""
    told = {
        "kind": "verbal_consent",
        "party": "cli",
        "from_ms": 0,
        "purposes": ["internal_quality", "internal_training"],
        "recipients": ["own_staff_manager"],
        "evidence": {
            "question": {"from_ms": 0, "quote": "Можно разобрать этот разговор на занятии?"},
            "answer": {"from_ms": 1000, "quote": "Да, пожалуйста."},
            "identity_basis": "Назвал себя и номер договора.",
        },
    }
    here = f"/v1/recordings/{recording_id}"
    parties = call("manager", "GET", here)["consent"]["parties"]
    told["party"] = next(one["label"] for one in parties if one["side"] != "own")
    made = call("manager", "POST", f"{here}/assertions", json=told)
    call("reviewer", "POST", f"/v1/assertions/{made['id']}/verify", json={})
    call(
        "manager",
        "POST",
        "/v1/exemplary-calls",
        json={
            "recording_id": recording_id,
            "title": "Претензия без спора",
            "why": "Выслушал до конца, повторил своими словами и назвал срок, который сдержал.",
            "topics": ["претензия", "срок"],
            "start_ms": 2000,
        },
    )
