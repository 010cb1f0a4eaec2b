"""Each page is served, says what the terminal says, and leads to lists that have what it counts."""

import pytest

from tests.console.conftest import RunningConsole
from tests.support.intents import payout
from tests.support.platform import Platform


def test_the_overview_counts_what_its_lists_have(
    console: RunningConsole, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each count is a link, and the list has so many rows."""
    with platform.transfers(monkeypatch) as transfers:
        for number in range(3):
            transfers.enqueue(payout(f"payout-{number}"))
    page = console.session("vera@test").get(f"{console.url}/", timeout=10)

    assert page.status_code == 200
    assert '<a href="/transfers?state=queued">3</a>' in page.text
    listed = console.session("vera@test").get(f"{console.url}/transfers?state=queued", timeout=10)
    assert listed.text.count('<a href="/transfer/') == 3
