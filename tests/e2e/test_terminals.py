"""Two worker processes, of which only one holds the credentials of a terminal."""

import json

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.producers import TransferIntent, Verdict
from epay_transfers.sandbox import PUBLIC_TEST
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.waiting import until


def intent(reference: str, description: str = "Payout") -> TransferIntent:
    return payout(reference, description, terminal="kiosk")


def test_a_terminal_that_one_of_two_workers_knows_is_served_by_that_one(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transfers and a confirm get done, none has taken a try, and the log of the other names the terminal once."""
    at_the_bank = {"terminal_id": PUBLIC_TEST.terminals[0], "client_id": PUBLIC_TEST.client_id}
    credentials = {"kiosk": at_the_bank | {"client_secret": PUBLIC_TEST.client_secret}}
    knows = {"EPAY_TERMINALS": '{"kiosk": {"space": "main"}}', "EPAY_CREDENTIALS": json.dumps(credentials)}
    for name, value in knows.items():
        monkeypatch.setenv(name, value)
    transfers = platform.transfers(monkeypatch)
    platform.start_worker()
    first = transfers.enqueue(intent("first"))
    until(lambda: "terminal.unknown" in platform.log_text())
    platform.start_worker(**knows)

    plain = [first, *(transfers.enqueue(intent(f"plain-{number}")) for number in range(10))]
    secure = transfers.enqueue(intent("secure", "[3ds]"))
    until(lambda: transfers.challenge(secure.handle) is not None)
    challenge = transfers.challenge(secure.handle)
    assert challenge is not None
    pa_res = platform.answer(challenge.md)
    assert transfers.confirm(md=challenge.md, pa_res=pa_res, handle=secure.handle) is Verdict.ACCEPTED

    for receipt in (*plain, secure):
        assert transfers.wait(receipt.key, timeout=60).state is State.PAID
    attempts = [
        platform.ledger_client.hget(name, "attempts") or "0" for name in platform.ledger_client.keys("*:r:main:*")
    ]
    assert (len(attempts), set(attempts)) == (len(plain) + 1, {"0"})
    assert platform.log_text().count("terminal.unknown") == 1
    assert platform.books()["totals"]["executed_twice"] == []
    transfers.close()
