"""The alerts and the dashboard of `deploy/`: the tool takes them, each trouble has its alert, each alert has its place
in the runbook, and every metric that they name is exported.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ops.exporter.exporter import Own
from epay_transfers.ops.exporter.series import Exposition
from epay_transfers.ops.overview.judgement import Trouble
from epay_transfers.worker.activity import Activity
from epay_transfers.worker.metrics import Metrics
from tests.ops.test_judge import WELL
from tests.support import promtool

DASHBOARD = promtool.ROOT / "deploy/grafana/transfers.json"
RUNBOOK = promtool.ROOT / "deploy/runbook.md"
ENDS = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def exported() -> str:
    registry = CollectorRegistry()
    registry.register(Exposition(replace(WELL, contradictions={}), []))
    registry.register(Own(0.1))
    activity = Activity(SystemClock())
    return generate_latest(registry).decode() + Metrics().text(activity, 4, is_fit=True).decode()


def metrics() -> set[str]:
    """Every one that the exporter or a worker exports."""
    types = re.findall(r"^# TYPE (\S+) (\w+)$", exported(), re.MULTILINE)
    return {name + end for name, kind in types for end in ENDS[kind]}


def names_in(expression: str) -> set[str]:
    """The metrics that an expression reads. Raises for one that is no PromQL."""
    parser = pytest.importorskip("promql_parser")
    parser.parse(expression)
    without = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without|ignoring)\s*\([^)]*\)', " ", expression)
    return set(re.findall(r"\btransfers_\w+|\bprocess_\w+", without))


def expressions_of_the_dashboard() -> Iterator[str]:
    def walk(panel: dict[str, Any]) -> Iterator[str]:
        yield from (target["expr"] for target in panel.get("targets", []))
        for each in panel.get("panels", []):
            yield from walk(each)

    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from walk(panel)


def expressions_of_the_alerts() -> list[str]:
    found = re.findall(
        r"^        expr: (?:\|-\n((?:          .*\n)+)|(.*)\n)", promtool.ALERTS.read_text(), re.MULTILINE
    )
    return [block or line for block, line in found]


def test_the_tool_takes_the_rules() -> None:
    said = promtool.run("check", "rules", str(promtool.ALERTS))
    assert said.returncode == 0, said.stdout + said.stderr


def test_each_alert_fires_on_its_own_trouble_and_none_while_nothing_is_wrong() -> None:
    said = promtool.run("test", "rules", "alerts_test.yml", folder=promtool.ALERTS.parent)
    assert said.returncode == 0, said.stdout + said.stderr


def test_each_alert_and_each_severity_has_a_test() -> None:
    tested = set(
        re.findall(
            r"name: (\w+) (page|ticket)$", (promtool.ALERTS.parent / "alerts_test.yml").read_text(), re.MULTILINE
        )
    )
    rules = re.findall(
        r"alert: Transfers(\w+)$.*?severity: (\w+)$", promtool.ALERTS.read_text(), re.MULTILINE | re.DOTALL
    )
    assert tested == set(rules)


def test_each_trouble_of_the_overview_has_an_alert() -> None:
    assert set(promtool.alerts().values()) == set(Trouble)


@pytest.mark.parametrize("what", sorted(set(promtool.alerts().values())))
def test_each_alert_has_its_place_in_the_runbook(what: str) -> None:
    """A heading of its own: what it means, what to do, what not."""
    assert re.search(rf"^#+ `?{what}`?$", RUNBOOK.read_text(), re.MULTILINE)


def test_each_expression_reads_metrics_that_are_exported() -> None:
    known = metrics()
    for expression in [*expressions_of_the_alerts(), *expressions_of_the_dashboard()]:
        names = names_in(expression)
        assert names, expression
        assert names <= known, (expression, names - known)


def test_the_labels_that_expressions_ask_for_exist() -> None:
    """A trouble, a state or a server that is spelled otherwise would be a line that is always empty."""
    text = "\n".join([*expressions_of_the_alerts(), *expressions_of_the_dashboard()])
    exposition = exported()
    assert set(re.findall(r'what="(\w+)"', text)) <= set(Trouble)
    for label in ("state", "server", "fact"):
        asked = {value for values in re.findall(rf'{label}=~?"([^"]+)"', text) for value in values.split("|")}
        assert asked <= set(re.findall(rf'{label}="([^"]+)"', exposition)), label


def test_the_dashboard_shows_every_panel_with_an_expression_and_a_unit() -> None:
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    assert len(panels) > 10
    for panel in panels:
        assert panel["title"]
        assert panel["targets"]
        assert "unit" in panel["fieldConfig"]["defaults"], panel["title"]


def test_what_both_export_is_well_made() -> None:
    promtool.assert_well_made(exported())
