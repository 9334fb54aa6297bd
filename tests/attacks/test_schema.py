"""The API answers as it says of itself, whatever is sent: by schemathesis, over every operation.

`scripts/schema-trial` does the same as each role and for longer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.live import Live

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/schema-trial itself does.

from schema_tool.archive import furnish  # noqa: E402  # Needs the line above.
from schema_tool.trial import ALONE, CHAINED, Asked, Trial, run  # noqa: E402  # The same.

SECONDS = int(os.environ.get("AUDIATUR_TEST_SCHEMA_SECONDS", "25"))
LEAST_OPERATIONS = 250


def test_every_operation_is_answered_as_it_is_described(live: Live, tmp_path: Path) -> None:
    furnish(live)
    asked = Asked(seconds=SECONDS, seed=1, examples=5)
    for who, phases in (("manager", ALONE), ("reviewer", ALONE), ("manager", CHAINED)):
        found = run(live.url, tmp_path, asked, who=who, key=live.key(who), phases=phases)
        assert found.is_good, f"{found}\n{found.told}"
        if phases == ALONE:
            assert found.operations > LEAST_OPERATIONS
            # How many there is time for is the machine's; each is called once at least.
            assert found.cases >= found.operations


@pytest.mark.parametrize(
    ("tested", "cases", "failures"), [(0, 0, 0), (1, 0, 0), (1, 5, 0), (2, 5, 1)]
)
def test_a_trial_that_called_nothing_or_not_all_is_no_pass(
    tested: int, cases: int, failures: int
) -> None:
    found = Trial(
        who="manager",
        phases=ALONE,
        operations=2,
        tested=tested,
        cases=cases,
        failures=failures,
        told="",
    )
    assert not found.is_good


def test_days_before_the_first_that_is_kept_are_asked_for(live: Live) -> None:
    for path in ("/v1/reconciliation?to=1970-01-01", "/reconciliation?to=1970-01-01"):
        assert live.call("GET", path, who="admin").status_code == 200, path


def test_the_description_says_who_may_call_and_how_refusals_look(live: Live) -> None:
    told = live.call("GET", "/openapi.json", who=None).json()
    assert set(told["components"]["securitySchemes"]) == {"key", "session"}
    assert "security" in told["paths"]["/v1/recordings"]["get"]
    assert "security" not in told["paths"]["/v1/session"]["post"]
    assert "security" in told["paths"]["/v1/session"]["delete"]
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if status[0] in "45" and status != "416":
                    kinds = set(answer.get("content", {}))
                    assert kinds <= {"application/problem+json", "application/json"}, path
                    assert "application/problem+json" in kinds or path == "/readyz", (method, path)
