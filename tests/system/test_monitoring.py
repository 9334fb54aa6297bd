"""What is counted is watched: rules and dashboard name figures that are there, and all of them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import yaml  # type: ignore[import-untyped]  # no stubs of it are installed
from procrastinate.jobs import Status

from app.core.problems import known_refusals
from app.mail.models import MailState
from app.providers.models import NoticeState
from app.providers.told import MediaState
from app.recordings.stages import Stage
from app.releases.models import BundleState
from app.retention.models import ErasureState
from tests.conftest import Urls
from tests.docs.markdown import section
from tests.factories import wav
from tests.live import Live, metadata

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "monitoring"
ALERTS = FOLDER / "alerts.yaml"
_NAME = re.compile(r"\baudiatur_\w+")
_CHOSEN = re.compile(r'(audiatur_\w+)\{([a-z]+)=~?"([^"]+)"')
_PARTS = ("_bucket", "_count", "_sum")
STATES: dict[tuple[str, str], set[str]] = {
    ("audiatur_mails", "state"): set(MailState),
    ("audiatur_bundles", "state"): set(BundleState),
    ("audiatur_erasures", "state"): set(ErasureState),
    ("audiatur_jobs", "state"): {state.value for state in Status},
    ("audiatur_provider_media", "state"): set(MediaState),
    ("audiatur_provider_notices", "state"): set(NoticeState),
    ("audiatur_webhook_deliveries", "state"): {"waiting", "failing", "delivered", "dead"},
    ("audiatur_onec_returns", "state"): {"waiting", "failing", "dead"},
    ("audiatur_refusals_total", "told"): {"yes", "no", "by_room", "limited", "failed"},
}


def alerts() -> list[dict[str, Any]]:
    found = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))[
        "panels"
    ]
    return found


def expressions() -> Iterator[str]:
    """Give everything that rules and dashboard ask Prometheus."""
    yield from (rule["expr"] for rule in alerts())
    yield from (asked["expr"] for panel in panels() for asked in panel.get("targets", ()))


def counted(live: Live) -> set[str]:
    """Return the figures of a running archive, those of an empty list too."""
    told = live.call("GET", "/metrics", who=None).text
    types = dict(re.findall(r"^# TYPE (audiatur_\w+) (\w+)$", told, re.MULTILINE))
    return {name for name in types if not name.endswith("_created")}


def base(name: str) -> str:
    for part in _PARTS:
        name = name.removesuffix(part) if "_seconds_" in name else name
    return name


def test_rules_and_dashboard_name_figures_that_are_there_and_the_dashboard_all(live: Live) -> None:
    there = counted(live)
    named = {base(name) for asked in expressions() for name in _NAME.findall(asked)}
    assert named - there == set()
    shown = {
        base(name)
        for panel in panels()
        for asked in panel.get("targets", ())
        for name in _NAME.findall(asked["expr"])
    }
    assert there - shown == set()
    documented = section(ROOT / "docs" / "operations.md", "Figures")
    assert {name for name in there if f"`{name}" not in documented} == set()


def test_rules_choose_by_words_that_there_are() -> None:
    chosen = [found for asked in expressions() for found in _CHOSEN.findall(asked)]
    assert chosen
    known = set(known_refusals())
    stages = {str(stage) for stage in Stage}
    for name, label, words in chosen:
        if label == "refusal":
            assert set(words.split("|")) <= known
        elif label == "stage":
            assert set(words.split("|")) <= stages
        elif (name, label) in STATES:
            assert set(words.split("|")) <= STATES[name, label], name


def test_each_rule_says_how_urgent_it_is_and_has_a_name_of_its_own() -> None:
    found = alerts()
    assert len({rule["alert"] for rule in found}) == len(found)
    for rule in found:
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule
        assert rule["annotations"]["summary"].endswith("."), rule


def _check(rules: Path) -> None:
    done = subprocess.run(  # noqa: S603 - a file of our own.
        ["promtool", "check", "rules", str(rules)],  # noqa: S607 - found where it is installed.
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_loads_the_rules_and_what_the_dashboard_asks(tmp_path: Path) -> None:
    _check(ALERTS)
    asked = [a["expr"] for panel in panels() for a in panel.get("targets", ())]
    rules = [{"record": f"asked:{n}", "expr": expr} for n, expr in enumerate(asked)]
    of_dashboard = tmp_path / "dashboard.yaml"
    of_dashboard.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    _check(of_dashboard)


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        places = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not places & taken, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        taken |= places


def _figures(live: Live) -> dict[str, float]:
    told = live.call("GET", "/metrics", who=None).text
    return {
        name: float(value)
        for name, value in re.findall(r"^(audiatur_[^ ]+) (\S+)$", told, re.MULTILINE)
    }


def test_what_waits_is_counted_with_its_age(live: Live, own_database: Urls) -> None:
    assert _figures(live)["audiatur_oldest_uninspected_seconds"] == 0
    assert live.send(metadata("c1"), wav(0.1)).status_code == 201
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("UPDATE recordings SET received_at = received_at - interval '2 hours'")
    found = _figures(live)
    assert found["audiatur_uninspected_recordings"] == 1
    assert found["audiatur_oldest_uninspected_seconds"] >= 2 * 3600
    assert found['audiatur_jobs_due{task="inspection.inspect"}'] == 1
    assert found['audiatur_oldest_job_seconds{task="inspection.inspect"}'] > 0
    assert found['audiatur_mails{state="queued"}'] == 0
    assert found["audiatur_workers"] == 0
    assert found["audiatur_database_up"] == 1
    live.work()
    after = _figures(live)
    assert after["audiatur_uninspected_recordings"] == 0
    assert after["audiatur_oldest_uninspected_seconds"] == 0
    assert 'audiatur_jobs_due{task="inspection.inspect"}' not in after
