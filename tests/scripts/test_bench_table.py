"""The table of all targets: a row for each, whatever was measured, and the same in the document."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/bench itself does.

from bench_tool import targets  # noqa: E402  # Needs the line above.
from bench_tool.figures import Comparison, Run, Target, Verdict  # noqa: E402  # The same.
from bench_tool.targets import Line  # noqa: E402  # The same.

LINE = Line(
    number="S10",
    path="ingest transaction, c = 16",
    against="pgbench",
    figure="0.70 (0.60–0.80)",
    wanted="0.3 / 0.6",
    verdict="stretch met",
    cost="2.00 / 1.00 ms each",
)
RUN = Run(
    requests=10,
    wall_s=1.0,
    cpu_s=0.5,
    growth_bytes=0,
    p50_ms=1.0,
    p95_ms=2.0,
    p99_ms=3.0,
    errors=0,
    first_error="",
)
ALL = [f"S{number}" for number in range(1, 19)]


def numbers(table: str) -> list[str]:
    """Return the first cells of the rows of a table."""
    return re.findall(r"^\| (S\d+) ", table, re.MULTILINE)


def test_each_target_has_a_row_even_where_nothing_was_measured() -> None:
    table = targets.shown(targets.whole([], {"search": "no part measures it"}))
    assert numbers(table) == ALL
    assert table.count("not measured: no part measures it") == 2


def test_what_was_measured_stands_in_the_order_of_the_targets() -> None:
    second = replace(LINE, path="another cell")
    early = replace(LINE, number="S4")
    found = targets.whole([LINE, second, early], {})
    assert [line.number for line in found] == [*ALL[:10], "S10", *ALL[10:]]
    assert [line for line in found if line.number == "S10"] == [LINE, second]
    assert found[3] == early


def test_a_wrong_answer_leaves_no_figure_in_the_table() -> None:
    target = Target(number="S9", against="without", must=0.8, stretch=0.95)
    wrong = replace(RUN, errors=1, first_error="refused")
    right = Comparison(cell="slow", target=target, ours=(RUN,), other=(RUN,))
    assert targets.of_comparison(right).figure == "1.00 (1.00–1.00)"
    assert targets.of_comparison(right).verdict == Verdict.STRETCH
    line = targets.of_comparison(replace(right, ours=(wrong,)))
    assert (line.figure, line.cost, line.verdict) == ("–", "–", Verdict.NONE)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(1.0, Verdict.MISSED), (0.9, Verdict.MET), (0.5, Verdict.STRETCH)],
)
def test_a_figure_that_should_be_low_is_judged_so(value: float, verdict: Verdict) -> None:
    assert targets.at_most(value, 0.9, 0.5) is verdict


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.4, Verdict.MISSED), (0.5, Verdict.MET), (0.9, Verdict.STRETCH)],
)
def test_a_figure_that_should_be_high_is_judged_so(value: float, verdict: Verdict) -> None:
    assert targets.at_least(value, 0.5, 0.9) is verdict


def test_the_document_has_a_row_for_each_target_under_the_header_of_the_table() -> None:
    document = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    _, _, rest = document.partition(targets.BEGIN)
    table, end, _ = rest.partition(targets.END)
    assert end
    assert list(dict.fromkeys(numbers(table))) == ALL
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    rows = [row for row in cells if row]
    wanted = targets.shown([LINE]).splitlines()[0]
    assert rows[0] == [cell.strip() for cell in wanted.split("|")[1:-1]]
    verdicts = {verdict.value for verdict in Verdict}
    for row in rows[2:]:
        assert row[5] in verdicts or row[5].startswith(targets.NOT_MEASURED), row


def test_the_script_writes_the_very_table_that_it_prints(tmp_path: Path) -> None:
    document, kept = tmp_path / "performance.md", tmp_path / "figures.json"
    document.write_text(f"before\n{targets.BEGIN}\nold\n{targets.END}\nbehind\n")
    lines = targets.whole([LINE], {})
    kept.write_text(
        json.dumps(
            {
                "machine": "2 processors",
                "command": "scripts/bench all",
                "parts": {},
                "table": [line.as_json() for line in lines],
            }
        )
    )
    told = subprocess.run(  # noqa: S603  # Our own script.
        [ROOT / "scripts" / "bench", "table", kept, "--write", document],
        capture_output=True,
        text=True,
        check=True,
    )
    assert numbers(told.stdout) == ALL
    assert "| stretch met |" in re.sub(" +", " ", told.stdout)
    written = document.read_text(encoding="utf-8")
    assert written == f"before\n{targets.BEGIN}\n\n{told.stdout}\n{targets.END}\nbehind\n"


@pytest.mark.parametrize(
    "document",
    ["nothing", targets.BEGIN, targets.END + targets.BEGIN, 2 * (targets.BEGIN + targets.END)],
)
def test_a_document_without_one_pair_of_marks_is_left_alone(document: str) -> None:
    with pytest.raises(ValueError, match="needs one"):
        targets.written_into(document, "table")
