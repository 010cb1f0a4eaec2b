"""The console as a real process on real servers, behind the sandbox bank and a worker; people by a signed header."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.platform import Platform, bank_url, platform
from tests.support.servers import free_port

__all__ = ["bank_url", "platform"]

HEADER, ISSUER, AUDIENCE = "X-Signed-Person", "https://proxy.test", "transfers-console"

#: Of each test's people: name → role.
PEOPLE = {"vera@test": "viewer", "olga@test": "operator", "omar@test": "operator", "anna@test": "approver"} | {
    "amir@test": "approver"
}


@dataclass(frozen=True)
class RunningConsole:
    url: str
    log: Path
    key: ec.EllipticCurvePrivateKey
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """It dies, wherever it is."""
        self.process.kill()
        self.process.wait(30)

    def token(self, name: str, **claims: object) -> str:
        """As the proxy signs it, for a minute."""
        told = {"email": name, "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60} | claims
        return jwt.encode(told, self.key, algorithm="ES256", headers={"kid": "of-the-tests"})

    def session(self, name: str = "") -> requests.Session:
        """A browser without a screen; with a name, of that person."""
        session = requests.Session()
        session.headers["Origin"] = self.url
        if name:
            session.headers[HEADER] = self.token(name)
        return session


def public_keys(key: ec.EllipticCurvePrivateKey) -> str:
    told = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return json.dumps({"keys": [told | {"kid": "of-the-tests", "alg": "ES256", "use": "sig"}]})


@contextmanager
def running_console(platform: Platform, folder: Path, log: IO[bytes], **settings: str) -> Iterator[RunningConsole]:
    """With people where `settings` don't say otherwise."""
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "proxy.json").write_text(public_keys(key), encoding="utf-8")
    lines = []
    for name, role in PEOPLE.items():
        file = folder / f"url-of-{name}"
        file.write_text(platform.env["REDIS_URL"], encoding="utf-8")
        lines += [f'[people."{name}"]', f'role = "{role}"', f'redis_url_file = "{file}"']
    (folder / "people.toml").write_text("\n".join(lines), encoding="utf-8")
    (folder / "plans").mkdir(exist_ok=True)
    port = free_port()
    env = platform.env | {
        "CONSOLE_ADDRESS": f"127.0.0.1:{port}",
        "CONSOLE_ORIGIN": f"http://127.0.0.1:{port}",
        "CONSOLE_IDENTITY": "header",
        "CONSOLE_IDENTITY_HEADER": HEADER,
        "CONSOLE_IDENTITY_KEYS": str(folder / "proxy.json"),
        "CONSOLE_IDENTITY_ISSUER": ISSUER,
        "CONSOLE_IDENTITY_AUDIENCE": AUDIENCE,
        "CONSOLE_PEOPLE": str(folder / "people.toml"),
        "CONSOLE_PLANS": str(folder / "plans"),
    }
    command = [sys.executable, "-m", "epay_transfers", "console"]
    with subprocess.Popen(  # noqa: S603 - this very program
        command, env=env | settings, stdout=subprocess.PIPE, stderr=log, cwd=folder
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert b"The console is at" in said, Path(log.name).read_text(encoding="utf-8")
            yield RunningConsole(f"http://127.0.0.1:{port}", Path(log.name), key, process)
        finally:
            process.terminate()
        assert process.wait(30) in {0, -signal.SIGKILL}


@pytest.fixture
def console(platform: Platform, tmp_path: Path) -> Iterator[RunningConsole]:
    """With people; a worker runs only where a test starts one: `platform.start_worker()`."""
    with (tmp_path / "console.log").open("wb") as log, running_console(platform, tmp_path, log) as running:
        yield running
    assert "Traceback" not in (tmp_path / "console.log").read_text(encoding="utf-8")
