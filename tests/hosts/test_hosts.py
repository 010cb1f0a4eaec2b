"""Eight hosts, their links slow and cut one after the other, under load: what `make torture` does for longer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.network import own_network
from tests.support.tools import tool

ROOT = Path(__file__).parents[2]
TROUBLES = ["slow: all links", "cut off: worker-1", "cut off: the replica", "cut off: the ledger"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hosts_are_cut_off_and_links_are_slow_and_nothing_is_paid_twice_or_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each payout has ended, and the ledger says of each what the bank's books say."""
    for name in ("ip", "tc"):
        tool(name, "iproute2")
    network = own_network()
    if not network:
        pytest.skip("this machine gives no network namespaces: allow user namespaces, or run as root")
    words = ["--short", "--rounds", "1", "--slow", "2", "--cut", "4", "--gap", "0.15"]
    done = subprocess.run(  # noqa: S603 - this very program
        [*network, sys.executable, "-m", "tests.hosts.run", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    found = json.loads(last)
    with capsys.disabled():
        print("\n" + done.stdout.removesuffix(last + "\n"))  # noqa: T201 - for how long nothing was sent
    assert [name for name, *_ in found["troubles"]] == TROUBLES
    assert found["paid_twice"] == []
    assert found["lost"] == []
    assert found["under_way"] == 0
