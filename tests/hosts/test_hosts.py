"""Seven hosts, whose links are cut and slow, under load. `TRANSFERS_ROUNDS` makes it long, as `make torture` does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.network import own_network
from tests.support.tools import tool

ROUNDS = int(os.environ.get("TRANSFERS_ROUNDS", "0"))
LONG = ["--rounds", str(ROUNDS)]
SHORT = ["--short", "--rounds", "1", "--slow", "1", "--cut", "2"]

ROOT = Path(__file__).parents[2]
TROUBLES = {"cut off: the ledger", "cut off: worker-1", "cut off: the replica"}


@pytest.mark.slow
@pytest.mark.timeout(600 + 600 * ROUNDS)
def test_hosts_are_cut_off_and_links_are_slow_and_nothing_is_paid_twice_or_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each payout has ended, and the ledger says of each what the bank's books say."""
    for name in ("ip", "tc"):
        tool(name, "iproute2")
    network = own_network()
    if not network:
        pytest.skip("this machine gives no network namespaces: allow user namespaces, or run as root")
    done = subprocess.run(  # noqa: S603 - this very program
        [*network, sys.executable, "-m", "tests.hosts.run", *(LONG if ROUNDS else SHORT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    *_, last = done.stdout.splitlines() or [""]
    assert last, done.stderr
    found = json.loads(last)
    with capsys.disabled():
        print("\n" + done.stdout.removesuffix(last + "\n"))  # noqa: T201 - for how long nothing was sent
    assert {name.partition(" (")[0] for name, *_ in found["troubles"]} >= TROUBLES
    assert found["paid_twice"] == []
    assert found["lost"] == []
    assert found["under_way"] == []
    assert done.returncode == 0, done.stderr
