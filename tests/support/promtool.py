"""Prometheus' own tool: which of our alerts fire on metrics that were exported, and whether metrics are well made."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.tools import tool

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"

#: So long the metrics stay as they are: longer than the `for` of any alert.
_MINUTES = 40


def run(*arguments: str, stdin: str | None = None, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Without the tool the test is skipped."""
    return subprocess.run(  # noqa: S603 - the tool
        [tool("promtool", "prometheus"), *arguments],
        input=stdin,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_well_made(text: str) -> None:
    """By the rules for names, units and help that Prometheus' makers give."""
    said = run("check", "metrics", stdin=text)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def firing(folder: Path, text: str) -> set[str]:
    """The alerts that fire, by name, where these metrics stay as they are. It is the file that is deployed."""
    series = [line for sample in _samples(text) for line in sample]
    lines = [
        "rule_files:",
        f"  - {ALERTS}",
        "evaluation_interval: 1m",
        "tests:",
        "  - interval: 1m",
        *(["    input_series:", *series] if series else []),
        "    promql_expr_test:",
        "      - expr: ALERTS{alertstate='firing'}",
        f"        eval_time: {_MINUTES}m",
    ]
    (folder / "fired.yml").write_text("\n".join(lines) + "\n")
    said = run("test", "rules", str(folder / "fired.yml"), folder=folder)
    found = set(re.findall(r'alertname="Transfers(\w+)"', said.stdout + said.stderr))
    assert found or said.returncode == 0, said.stdout + said.stderr
    return found


def _samples(text: str) -> Iterator[Sequence[str]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in (sample.labels | {"instance": "a"}).items())
            yield f"      - series: '{sample.name}{{{labels}}}'", f"        values: '{sample.value}x{_MINUTES}'"


def alerts() -> dict[str, str]:
    """Alert → the anchor of its runbook."""
    rules = re.split(r"^      - alert: Transfers", ALERTS.read_text(), flags=re.MULTILINE)[1:]
    return {
        rule.splitlines()[0]: re.findall(r"runbook: deploy/runbook\.md#(\w+)$", rule, re.MULTILINE)[0] for rule in rules
    }
