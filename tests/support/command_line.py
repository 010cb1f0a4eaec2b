"""The command as a person types it: on the two real servers, in an environment and a folder of the test's own.

What a command prints is searched for card numbers, in every test.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.vault import sealing
from epay_transfers.ops.cli import app
from epay_transfers.ops.settings_table import SETTINGS
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from epay_transfers.runtime.setting_sources import PREFIX

OPERATOR = "aigul"

#: A number as long as a card number that is no piece of an identifier.
CARD = re.compile(r"(?<![0-9a-f])[0-9]{15,19}(?![0-9a-f-])")


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Said]


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ledger_server: EmbeddedServer, vault_server: EmbeddedServer
) -> dict[str, str]:
    for name in [*(setting.name for setting in SETTINGS), "SECRETS_DIR", "CREDENTIALS_DIRECTORY"]:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{PREFIX}{name}", raising=False)
    values = {
        "REDIS_URL": ledger_server.url,
        "VAULT_URL": vault_server.url,
        "VAULT_PUBLIC_KEY": sealing.generate().public,
        "FINGERPRINT_KEYS": fingerprint_keys.generate().reveal(),
        "OPERATOR": OPERATOR,
        "LOG_LEVEL": "ERROR",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return values


@pytest.fixture
def transfers(environment: dict[str, str], ledger_client: redis.Redis, vault_client: redis.Redis) -> Cli:
    """`transfers("status", key)`: as typed, on empty servers."""

    def run(*arguments: str, stdin: str | None = None) -> Said:
        result = CliRunner().invoke(app, list(arguments), input=stdin, prog_name="transfers")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert not CARD.search(result.output)
        return Said(result.exit_code, result.stdout, result.stderr)

    return run
