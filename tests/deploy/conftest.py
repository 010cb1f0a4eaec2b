"""A production install, which the hosts of these tests have at `/opt/transfers`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from epay_transfers.sandbox import addresses
from tests.console.conftest import public_keys
from tests.deploy.host import Host, running_host
from tests.packaging.conftest import Environment, distributions, installed, production, production_console
from tests.support.waiting import until

__all__ = ["distributions", "installed", "production", "production_console"]

BANK = "http://127.0.0.1:8801"

#: The bank's public test values, as files; and what leads to a bank that runs on the host.
BANKS_FILES = {
    "EPAY_TERMINAL_ID": "40a348cb-68a3-45d5-9002-a4836d79c3b5",
    "EPAY_CLIENT_ID": "test",
    "EPAY_CLIENT_SECRET": "yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG",
}

INTENT = (
    '{"reference": "payout-42", "amount": "15000", "description": "Payout 42", "sender": {"card_id": '
    '"88481433-595e-4c01-941f-34569db2426e"}, "receiver": {"card_id": "86496cb0-bb5d-4791-bb49-cc27a0f660ce"}}'
)


def settings_of_test() -> str:
    """`settings.env` of an installation whose bank is the sandbox."""
    at = addresses(BANK)
    found = {
        "EPAY_ENVIRONMENT": "test", "EPAY_TOKEN_URL": at.token, "EPAY_TRANSFER_URL": at.transfer,
        "EPAY_CONFIRM_URL": at.confirm, "EPAY_STATUS_URL": at.status,
    }  # fmt: skip
    return "".join(f"{name}={value}\n" for name, value in found.items())


def start_bank(host: Host) -> None:
    host.start(sys.executable, "-m", "epay_transfers.sandbox", "--port", "8801", name="bank", env={})
    until(lambda: host.run("/opt/transfers/bin/transfers", "probe", "127.0.0.1:8801").stderr.find("not answer") < 0)


_SEE = """
import sys, urllib.request
page = urllib.request.Request("http://127.0.0.1:9480" + sys.argv[1], headers={"X-Signed-Person": sys.argv[2]})
print(urllib.request.urlopen(page, timeout=20).read().decode())
"""


class SigningProxy:
    """What stands before the console, and says who a person is."""

    SETTINGS = (
        "CONSOLE_ORIGIN=http://127.0.0.1:9480\nCONSOLE_IDENTITY_HEADER=X-Signed-Person\n"
        "CONSOLE_IDENTITY_ISSUER=https://proxy.test\nCONSOLE_IDENTITY_AUDIENCE=transfers-console\n"
    )

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.keys = public_keys(self._key)

    def sees(self, host: Host, path: str, name: str) -> str:
        """A page as this person sees it, or why it is none; without a name, by a token that is none."""
        told = {"email": name, "iss": "https://proxy.test", "aud": "transfers-console", "exp": time.time() + 60}
        token = jwt.encode(told, self._key, algorithm="ES256", headers={"kid": "of-the-tests"}) if name else "none"
        done = host.run(sys.executable, "-c", _SEE, path, token)
        return done.stdout or done.stderr


@pytest.fixture(scope="module")
def host(
    production: Environment, production_console: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    with made_host(production, tmp_path_factory.mktemp("host"), production_console) as made:
        yield made


@contextmanager
def made_host(production: Environment, folder: Path, console: Environment | None = None) -> Iterator[Host]:
    installs = {"/opt/transfers": production.home} | ({"/opt/transfers-console": console.home} if console else {})
    for home in installs.values():
        home.chmod(0o755)
    with running_host(folder, installs) as made:
        yield made
