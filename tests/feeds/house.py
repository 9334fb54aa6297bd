"""An archive with an exchange that tells of its calls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from app.custody.notes import PublicKey
from app.custody.signing import Purpose
from app.identity.models import Device
from tests.factories import wav
from tests.live import Live, metadata

DAY = "2026-11-20"
START = datetime.fromisoformat(f"{DAY}T10:00:00+03:00")
PHONE = "+74950008414"


def at(second: float) -> str:
    return (START + timedelta(seconds=second)).isoformat()


def call(name: str, second: float = 0, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "call_id": name,
        "started_at": at(second),
        "duration_ms": 65_000,
        "talk_ms": 60_000,
        "direction": "inbound",
        "from": PHONE,
        "to": "106",
        "disposition": "answered",
    } | more


class FeedHouse:
    """An archive, an exchange `pbx` and a softphone `phone`."""

    def __init__(self, live: Live) -> None:
        self.live = live
        live.key("pbx")
        live.key("phone")
        with live.tools.database.transaction() as session:
            session.execute(update(Device).where(Device.name == "pbx").values(is_exchange=True))

    def ask(self, method: str, path: str, who: str | None = "manager", **more: Any) -> Any:  # noqa: ANN401
        return self.live.call(method, f"/v1{path}", who=who, **more)

    def got(self, path: str, who: str = "manager", **params: Any) -> Any:  # noqa: ANN401
        answer = self.ask("GET", path, who, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def tell(self, *calls: dict[str, Any], who: str = "pbx") -> dict[str, Any]:
        answer = self.ask("POST", "/calls", who, json={"calls": list(calls)})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def record(self, name: str, second: float = 0, **told: Any) -> str:  # noqa: ANN401
        sent = metadata(name, started_at=at(second), **{"from": PHONE} | told)
        answer = self.live.send(sent, wav(0.2))
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["id"])

    def work(self) -> None:
        self.live.work()

    def day(self, day: str = DAY) -> dict[str, Any]:
        found: dict[str, Any] = self.got(f"/reconciliation/{day}")
        return found

    def gaps(self, **params: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        found: list[dict[str, Any]] = self.got("/reconciliation/gaps", **params)["items"]
        return found

    def reasons(self, **params: Any) -> dict[str, str]:  # noqa: ANN401
        return {str(gap["call_id"]): gap["reason"] for gap in self.gaps(**params)}

    def explain(self, gap: dict[str, Any], reason: str, who: str = "manager") -> Any:  # noqa: ANN401
        body = {"reason": reason, "words": "=Разобрались со станцией."}
        return self.ask("POST", f"/reconciliation/gaps/{gap['id']}/reason", who, json=body)

    def log_keys(self) -> tuple[PublicKey, ...]:
        return self.live.tools.log.ring.keys.public(Purpose.LOG)
