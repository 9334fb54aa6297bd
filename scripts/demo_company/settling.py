"""Settling the complaint: checklist, what the client sent, verdict, hours, answer, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo_company.api import Unexpected
from demo_company.report import say
from demo_company.stage import Stage
from demo_company.story import FOLDER, Told

_LANGUAGES = ("ru", "en")


def settle(stage: Stage, folder: Path) -> None:
    """Work the dispute whose recording was handed over, to its end."""
    told = stage.story.company["dispute"]["settling"]
    path = f"/v1/disputes/{stage.dispute}"
    _set_rates(stage, told["rates"])
    _move(stage, path, "calling_back", "checking")
    _step(stage, path, told["steps"])
    _documents(stage, path, told["request"])
    _move(stage, path, "with_specialist")
    for finding in told["findings"]:
        _post(stage, f"{path}/findings", finding)
    _post(stage, f"{path}/verdicts", told["verdict"])
    _step(stage, path, told["last_steps"])
    for worked in told["hours"]:
        _post(stage, f"{path}/hours", worked)
    _post(stage, f"{path}/bases", told["basis"])
    _move(stage, path, "decided", "handed_over")
    _post(stage, f"{path}/answers", told["answer"])
    _move(stage, path, "answered")
    early = stage.api.ask("manager", "POST", f"{path}/moves", body={"to": "closed"})
    stage.report.expect("a dispute without an outcome is not closed", 409, early.status_code)
    _post(stage, f"{path}/outcomes", told["outcome"])
    for lesson in told["lessons"]:
        _post(stage, f"{path}/lessons", lesson)
    _move(stage, path, "closed")
    _look(stage, path, told, folder)


def _look(stage: Stage, path: str, told: Told, folder: Path) -> None:
    """Compare what the dispute has become, and take its report and the client's figures."""
    found = stage.api.must("approver", "GET", path)
    stage.report.expect("the dispute is closed", "closed", found["state"])
    stage.report.expect("it names its release", 1, len(found["releases"]))
    left = [step["kind"] for step in found["steps"] if step["state"] == "todo"]
    stage.report.expect("no step is left", [], left)
    cost = found["cost"]["total_minor"]
    stage.report.expect("what the dispute cost", told["cost_minor"], cost)
    query = {"limit": "200"}
    lines = stage.api.must("manager", "GET", f"{path}/timeline", query=query)["items"]
    kinds = {line["kind"] for line in lines}
    missing = set(told["timeline_has"]) - kinds
    stage.report.expect("kinds that the timeline lacks", set(), missing)
    for language in _LANGUAGES:
        answer = stage.api.ask("manager", "GET", f"{path}/report", query={"lang": language})
        if not answer.is_success:
            raise Unexpected(f"GET {path}/report: {answer.status_code} {answer.text[:600]}")
        stage.report.expect(f"the report in {language} is a PDF", b"%PDF", answer.content[:4])
        (folder / f"dispute.{language}.pdf").write_bytes(answer.content)
    figures = _figures(stage, found["client"])
    say(
        f"The dispute is settled: {told['verdict']['value']}, {told['outcome']['value']}; "
        f"it cost {_money(cost)}, a month of the contract brings {_money(figures)}."
    )
    say(f"Its report, with {len(lines)} lines of time: {folder / 'dispute.ru.pdf'}")


def _figures(stage: Stage, client: str) -> dict[str, int]:
    period = stage.story.company["dispute"]["settling"]["figures"]
    found = stage.api.must("manager", "GET", f"/v1/client-figures/{client}", query=period)
    brings: dict[str, int] = found["contracts_bring"]["minor"]
    stage.report.expect("currencies of the client's contracts", ["RUB"], list(brings))
    return brings


def _money(minor: dict[str, int]) -> str:
    return ", ".join(f"{amount / 100:.2f} {currency}" for currency, amount in minor.items())


def _set_rates(stage: Stage, rates: list[Told]) -> None:
    for rate in rates:
        _post(stage, "/v1/work-rates", rate)


def _move(stage: Stage, path: str, *states: str) -> None:
    for to in states:
        _post(stage, f"{path}/moves", {"to": to})


def _step(stage: Stage, path: str, wanted: list[Told]) -> None:
    """Do or skip the steps of these kinds."""
    ids = {step["kind"]: step["id"] for step in stage.api.must("manager", "GET", path)["steps"]}
    for one in wanted:
        how = "skip" if "reason" in one else "done"
        body = {name: value for name, value in one.items() if name != "kind"}
        _post(stage, f"{path}/steps/{ids[one['kind']]}/{how}", body)


def _documents(stage: Stage, path: str, wanted: Told) -> None:
    """Ask the client for what is needed, take what came, and say of it that it is valid."""
    asked = _post(stage, f"{path}/requests", {"asked": wanted["asked"]})
    link = _post(stage, f"{path}/requests/{asked['id']}/link", {})
    stage.report.expect("the link's token is of 256 bits", 43, len(link["token"]))
    told = {
        "upload_id": wanted["file"],
        "role": "other",
        "title": wanted["title"],
        "client": wanted["client"],
    }
    document = stage.api.must_upload("manager", "/v1/documents", told, FOLDER / wanted["file"])
    came = {"document_ids": [document["id"]]}
    _post(stage, f"{path}/requests/{asked['id']}/received", came)
    checked = {"state": "valid", "words": wanted["words"]}
    found = _post(stage, f"{path}/requests/{asked['id']}/check", checked)
    stage.report.expect("what the client sent is valid", "valid", found["state"])


def _post(stage: Stage, path: str, body: Any) -> Any:  # noqa: ANN401 - JSON of any shape.
    return stage.api.must("manager", "POST", path, body=body)
