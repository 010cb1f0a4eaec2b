"""The validators of `make lint`: each takes our files, and each is red when one of them is broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy import validators
from tests.deploy.validators import ROOT, VALIDATORS, Missing, Validator

BY_NAME = {each.name: each for each in VALIDATORS}

#: Validator, file, what is written in place of what, and a word of the complaint.
BROKEN = [
    ("systemd units", "systemd/transfers-worker@.service", "=on-failure", "=on-trouble", "restart specifier"),
    ("systemd units", "systemd/transfers-worker@.service", "RestartSec=", "RestartSecs=", "Unknown key 'RestartSecs'"),
    ("systemd units", "systemd/transfers-ledger.service", "=/usr/bin/redis-server", "=/usr/bin/redis-sever",
     "redis-sever is not executable"),
    ("systemd units", "systemd/transfers-follower.service", "TimeoutStopSec=60", "TimeoutStopSec=soon", "soon"),
    ("exposure of the units", "systemd/transfers-worker@.service", "ProtectHome=yes\n", "", "more exposed than 1.2"),
    ("exposure of the units", "systemd/transfers-vault.service", "ProtectHome=yes\n", "", "more exposed than 1.0"),
    ("users of the units", "systemd/transfers.sysusers", "u transfers-vault ", "v transfers-vault ", "v"),
    ("compose.yaml", "compose.yaml", "stop_grace_period: 90s", "stop_grace_periods: 90s", "stop_grace_periods"),
    ("compose.yaml", "compose.yaml", "cap_drop: [ALL]", "cap_drop: ALL", "cap_drop"),
    ("compose.yaml", "compose.yaml", "services:\n", "services: [\n", "compose.yaml"),
    ("Dockerfile", "Dockerfile", "WORKDIR /\n", "WORKDIR here\n", "DL3000"),
    ("Dockerfile", "Dockerfile", 'ENTRYPOINT ["transfers"]', "ENTRYPOINT transfers worker", "DL3025"),
    ("Dockerfile", "Dockerfile", "COPY . .", "COPIES . .", "expecting"),
    ("prometheus.yml", "prometheus/prometheus.yml", "scrape_interval: 15s", "scrape_interval: often", "often"),
    ("prometheus.yml", "prometheus/alerts.yml", "expr: ", "expr: ((", "alerts.yml"),
    ("prometheus.yml", "prometheus/prometheus.yml", "- alerts.yml", "- alarms.yml", "alarms.yml"),
]  # fmt: skip


def said(validator: Validator, root: Path) -> list[str]:
    try:
        return list(validator.complaints(root))
    except Missing as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", BY_NAME)
def test_our_files_are_sound(name: str) -> None:
    assert said(BY_NAME[name], ROOT) == []


@pytest.mark.parametrize(("name", "file", "old", "new", "word"), BROKEN)
def test_a_broken_file_is_seen(name: str, file: str, old: str, new: str, word: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    path = tmp_path / "deploy" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))

    found = said(BY_NAME[name], tmp_path)

    assert found != []
    assert word in "\n".join(found)


def test_each_validator_has_a_file_that_it_was_seen_red_on() -> None:
    assert {name for name, *_ in BROKEN} == set(BY_NAME)


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_a_tool_that_is_missing_is_a_line_and_in_ci_a_failure(
    ci: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(validators, "find_tool", lambda _name: None)
    monkeypatch.setattr("sys.executable", "/nowhere/python")

    assert validators.main() == status
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(VALIDATORS)
    assert all(": not here (" in line for line in lines)


def test_make_lint_calls_them() -> None:
    """By the very line of the Makefile."""
    assert "\t@$(BIN)/python -m tests.deploy.validators\n" in (ROOT / "Makefile").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "tests.deploy.validators"],
        cwd=ROOT, env=os.environ | {"CI": ""}, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
