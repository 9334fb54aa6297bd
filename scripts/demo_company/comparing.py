"""Comparing: what the company's exchange and telephones know of calls, against what came in."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from demo_company.api import wait_until
from demo_company.report import say
from demo_company.stage import Stage
from demo_company.story import Call

_PATIENCE_SECONDS = 120
_OFFICE = ZoneInfo("Europe/Moscow")
_WAITED_FOR = timedelta(hours=6)
_LOST_BESIDE, _PRIVATE_BESIDE = "d07", "d11"
_TALK_MS = 60_000


def compare(stage: Stage) -> None:
    """Let each device tell of its calls, one of them lost, one missed and one private."""
    told = {call.id: _told(call, stage) for call in stage.story.calls}
    beside, own = stage.story.call(_LOST_BESIDE), stage.story.call(_PRIVATE_BESIDE)
    told["lost"] = _other(told[beside.id], "lost", hours=1)
    told["missed"] = _other(told[beside.id], "missed", hours=2) | {
        "disposition": "no_answer",
        "talk_ms": 0,
    }
    told["private"] = _other(told[own.id], "private", hours=1) | {"not_recorded": "private"}
    senders = {call.id: call.device for call in stage.story.calls}
    senders |= {"lost": beside.device, "missed": beside.device, "private": own.device}
    for device in sorted(set(senders.values())):
        calls = [told[name] for name in told if senders[name] == device]
        stage.api.must(device, "POST", "/v1/calls", body={"calls": calls})
    last = (datetime.now(UTC) - _WAITED_FOR).astimezone(_OFFICE).date() - timedelta(days=1)
    days = {day for one in told.values() if (day := _day(one)) <= last}
    wait_until(lambda: _stated(stage, days).keys() == days, patience_seconds=_PATIENCE_SECONDS)
    _report(stage, told, _stated(stage, days), days)


def _told(call: Call, stage: Stage) -> dict[str, Any]:
    found = stage.api.must("manager", "GET", f"/v1/recordings/{stage.recordings[call.id]}")
    talk_ms = found["inspection"]["duration_ms"] or _TALK_MS
    kept = {k: call.told[k] for k in ("started_at", "direction", "from", "to") if k in call.told}
    return kept | {
        "call_id": call.told["source_call_id"],
        "duration_ms": talk_ms,
        "talk_ms": talk_ms,
        "disposition": "answered",
    }


def _other(told: dict[str, Any], name: str, *, hours: int) -> dict[str, Any]:
    """Return another call of the same people some hours later."""
    begun = datetime.fromisoformat(told["started_at"]) + timedelta(hours=hours)
    return told | {"call_id": f"demo-{name}", "started_at": begun.isoformat()}


def _day(told: dict[str, Any]) -> date:
    return datetime.fromisoformat(told["started_at"]).astimezone(_OFFICE).date()


def _stated(stage: Stage, days: set[date]) -> dict[date, dict[str, Any]]:
    query = {"from": min(days).isoformat(), "to": max(days).isoformat()}
    page = stage.api.must("manager", "GET", "/v1/reconciliation", query=query)
    found = {date.fromisoformat(one["day"]): one for one in page["items"]}
    return {day: one for day, one in found.items() if day in days}


def _report(
    stage: Stage,
    told: dict[str, dict[str, Any]],
    stated: dict[date, dict[str, Any]],
    days: set[date],
) -> None:
    calls = sum(one["calls"] for one in stated.values())
    recorded = sum(one["matched"] for one in stated.values())
    missed = sum(one["not_answered"] for one in stated.values())
    gaps: Counter[str] = Counter()
    for one in stated.values():
        gaps.update(one["gaps"])
    compared = {name for name, one in told.items() if _day(one) in days}
    extra = compared & {"lost", "missed", "private"}
    wanted = {"lost": "unexplained", "private": "private"}
    expected = dict(Counter(reason for name, reason in wanted.items() if name in extra))
    stage.report.expect("calls that were told of", len(compared), calls)
    stage.report.expect("calls that have their recording", len(compared - extra), recorded)
    stage.report.expect("why calls have none", expected, dict(gaps))
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(gaps.items())) or "none"
    say(
        f"Exchange and telephones tell of {calls} calls on {len(stated)} days, "
        f"{recorded} recorded, {missed} not answered; gaps with reason: {reasons}."
    )
