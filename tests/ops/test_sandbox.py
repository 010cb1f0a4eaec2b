"""`transfers sandbox`: in the foreground, and it says what leads to it."""

import signal
import subprocess
import sys

import requests

from tests.support.command_line import Cli


def test_it_takes_calls_at_the_addresses_that_it_prints_and_ctrl_c_ends_it(environment: dict[str, str]) -> None:
    command = [sys.executable, "-u", "-c", "from epay_transfers.ops.cli import main; main()", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(6)]
        settings = dict(line.split("=", 1) for line in said if line.startswith("EPAY_"))
        answer = requests.post(settings["EPAY_TRANSFER_URL"], json={}, timeout=30)
        process.send_signal(signal.SIGINT)
        status = process.wait(30)

    assert sorted(settings) == ["EPAY_CONFIRM_URL", "EPAY_STATUS_URL", "EPAY_TOKEN_URL", "EPAY_TRANSFER_URL"]
    assert "{invoice_id}" in settings["EPAY_STATUS_URL"]
    assert answer.status_code in {400, 401}
    assert status == 0


def test_a_port_that_is_taken_is_a_sentence(transfers: Cli, environment: dict[str, str]) -> None:
    taken = environment["REDIS_URL"].rpartition(":")[2].removesuffix("/0")

    said = transfers("sandbox", "--port", taken)

    assert said.status == 1
    assert "give another --port" in said.err
