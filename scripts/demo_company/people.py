"""Gathering the evidence: the announcement, who was told, who refused, what may not leave.

The announcement is found in the audio by the archive itself. What was said aloud agents and the
manager assert, and another person listens and decides.
"""

from __future__ import annotations

from typing import Any

from demo_company.report import say
from demo_company.stage import Stage
from demo_company.story import FOLDER, Call

Json = dict[str, Any]
_PAPERS = {"contract": "contract-17-2026.pdf", "acknowledgement": "acknowledged-3-zp.pdf"}


def post_notice(stage: Stage) -> None:
    """Let the administrator post the announcement and the approver approve it."""
    notice = stage.story.company["notice"]
    made = stage.api.must_upload(
        "admin", "/v1/notice-texts", notice["told"], FOLDER / notice["audio"]
    )
    stage.api.must("approver", "POST", f"/v1/notice-texts/{made['id']}/approve")
    stage.notice = {"id": made["id"], "version": made["version"]}
    announced = ", ".join(notice["told"]["purposes"])
    say(f"The administrator posts the announcement, which announces {announced}; it is approved.")


def keep_papers(stage: Stage) -> None:
    """Let the manager upload the papers that evidence rests on."""
    for role, name in _PAPERS.items():
        told = {"upload_id": name, "role": role, "title": name}
        stage.papers[role] = stage.api.must_upload(
            "manager", "/v1/documents", told, FOLDER / "papers" / name
        )
    papers = len(stage.papers)
    say(f"The manager uploads {papers} papers: a contract, and who was told of recording.")


def acknowledge(stage: Stage) -> None:
    """Write down, once per employee, that he was told that he is recorded."""
    by_agent: dict[str, Call] = {}
    for call in stage.story.calls:
        if call.ask:
            by_agent.setdefault(call.told["agent"], call)
    for call in by_agent.values():
        said = {"kind": "employee_ack", "party": "own", "wide": True}
        _verified(stage, _propose(stage, "manager", call, said | {"evidence": _signed(stage)}))
    say(f"The acknowledgements of {', '.join(sorted(by_agent))} are written down and verified.")


def assert_clauses(stage: Stage) -> None:
    """Write down the clause by which a client lets its management hear; two people verify."""
    for clause in stage.story.company["clauses"]:
        evidence = {
            "contract_id": stage.contracts[clause["contract"]],
            "clause_ref": clause["clause_ref"],
        }
        said = {"kind": "contract_clause", "evidence": evidence}
        call = stage.story.call(clause["by_call"])
        found = _propose(stage, clause["proposed_by"], call, said)
        first = _verified(stage, found)
        stage.report.expect("a contract's first use after one verdict", "proposed", first["status"])
        second = _verified(stage, found, by="approver")
        stage.report.expect("a contract's first use after two", "verified", second["status"])
        say(
            f"Clause {clause['clause_ref']} of contract {clause['contract']} is verified "
            "by the reviewer and, as its first use, by the approver."
        )


def tell_what_was_found(stage: Stage) -> None:
    """Say in which calls the archive has heard the announcement, and how much of it."""
    heard = []
    for call in stage.story.calls:
        found = stage.api.must("reviewer", "GET", f"/v1/recordings/{stage.recordings[call.id]}")
        for hit in found["inspection"]["notices"]:
            how = "whole" if hit["complete"] else f"{hit['share']:.0%}"
            heard.append(f"{call.id} {how} at {hit['start_ms'] / 1000:.1f} s")
    say(f"The announcement is heard by the archive itself: {', '.join(heard)}.")


def gather(stage: Stage) -> None:
    """Let people say of each call what they heard in it, and others decide on it."""
    for call in stage.story.calls:
        for one in call.evidence:
            said = {k: v for k, v in one.items() if k not in {"proposed_by", "verdict", "reason"}}
            found = _propose(stage, one["proposed_by"], call, said)
            if one["verdict"] is not None:
                _listen(stage, call)
            if one["verdict"] == "verify":
                _verified(stage, found)
            elif one["verdict"] == "reject":
                path = f"/v1/assertions/{found['id']}/reject"
                stage.api.must("reviewer", "POST", path, body={"reason": one["reason"]})
    pieces = sum(len(call.evidence) for call in stage.story.calls)
    say(f"{pieces} pieces of evidence are proposed by those who heard the calls.")


def leave_for_review(stage: Stage) -> None:
    """Leave evidence that nobody has decided on: some of it is right, and some is not.

    An announcement that tells nobody of recording, half of the right one, words that were never
    said; beside them what can be heard, and papers.
    """
    waiting = stage.story.company["to_review"]
    for one in waiting:
        call = stage.story.call(one["call"])
        said = {name: one[name] for name in one if name not in {"call", "proposed_by"}}
        match said["kind"]:
            case "ivr_notice":
                said["evidence"] = said["evidence"] | {"notice": stage.notice}
            case "employee_ack":
                said["evidence"] = _signed(stage)
        _propose(stage, one["proposed_by"], call, said)
    found = stage.api.must("reviewer", "GET", "/v1/review")["queues"]
    counted = {queue["queue"]: queue["waiting"] for queue in found}
    stage.report.expect("evidence that waits for the reviewer", len(waiting), counted["proposed"])
    say(f"{len(waiting)} more pieces of evidence wait for the reviewer, right ones and wrong ones.")


def screen(stage: Stage) -> None:
    """Let the reviewer listen for what must not leave, in all calls but one that is asked for."""
    screened = [call for call in stage.story.calls if call.is_screened]
    for call in screened:
        path = f"/v1/recordings/{stage.recordings[call.id]}/screenings"
        stage.api.must("reviewer", "POST", path, body={"result": "clear"})
    say(f"The reviewer finds nothing private in {len(screened)} calls.")


def verify_contacts(stage: Stage) -> None:
    """Let the reviewer check who the recipients are and that they speak for their firms."""
    mandates = stage.story.company["mandates"]
    for mandate in mandates:
        path = f"/v1/contacts/{stage.contacts[mandate['contact']]}/verify"
        body = {
            "identity_basis": "Звонок на номер из договора",
            "mandate_basis": "Выписка из реестра юридических лиц",
        }
        stage.api.must("reviewer", "POST", path, body=body)
    say(f"The reviewer checks who {len(mandates)} recipients are and whom they speak for.")


def withdraw(stage: Stage, call: Call) -> None:
    """Take in that somebody heard in a call takes his permission back."""
    evidence = {"received_at": call.told["started_at"], "channel": "письмо"}
    said = {"kind": "withdrawal", "party": "cli", "evidence": evidence}
    _propose(stage, "reviewer", call, said)


def _signed(stage: Stage) -> Json:
    """Return what proves that an employee was told."""
    paper = stage.papers["acknowledgement"]
    signature = {"document_id": paper["id"], "document_sha256": paper["sha256"]}
    staff: Json = stage.story.company["staff"]
    return staff | {"signature": signature}


def _listen(stage: Stage, call: Call) -> None:
    """Let the reviewer hear a call before he decides on what was said in it."""
    path = f"/v1/recordings/{stage.recordings[call.id]}/audio"
    answer = stage.api.ask("reviewer", "GET", path)
    stage.report.expect(f"the reviewer hears {call.id}", 200, answer.status_code)


def _propose(stage: Stage, who: str, call: Call, said: Json) -> Json:
    path = f"/v1/recordings/{stage.recordings[call.id]}/assertions"
    found: Json = stage.api.must(who, "POST", path, body=said)
    return found


def _verified(stage: Stage, found: Json, *, by: str = "reviewer") -> Json:
    answer: Json = stage.api.must(by, "POST", f"/v1/assertions/{found['id']}/verify")
    return answer
