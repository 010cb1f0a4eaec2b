"""A team tests its own application with our routes mounted in it: no server, no environment."""

from collections.abc import Callable

import pytest

from epay_transfers.producers import LedgerUnavailable, ProducerAndWebSettings, SettingsWrong, State, VaultUnavailable
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.testing.web import BASE_URL, NOTIFY_SECRET, fake_web, on_fake
from epay_transfers.producers.web import Web
from tests.web.calling import Call
from tests.web.conftest import FORM, PA_RES, intent
from tests.web.test_frameworks import APPS


@pytest.fixture(params=APPS)
def mount(request: pytest.FixtureRequest) -> Callable[[Web], Call]:
    return APPS[request.param]


def pays(call: Call, fake: FakeTransfers) -> None:
    """A client, from its order to the outcome."""
    receipt = fake.enqueue(intent())
    challenge = fake.park("order-1")
    page = call("GET", f"/transfers/pay/{receipt.handle}")
    assert f'value="{BASE_URL}/3ds/{receipt.handle}"'.encode() in page.body
    body = f"PaRes={PA_RES.replace('+', '%2B')}&MD={challenge.md}".encode()
    assert call("POST", f"/transfers/3ds/{receipt.handle}", headers={"Content-Type": FORM}, body=body).status == 303
    fake.pay("order-1")
    assert call("GET", f"/transfers/result/{receipt.handle}").headers["transfer-page"] == "paid"
    assert call("POST", f"/transfers/notify/{NOTIFY_SECRET}", body=b'{"invoiceId": "1"}').status == 200


def test_a_web_tier_of_a_test_is_mounted_as_the_real_one(mount: Callable[[Web], Call]) -> None:
    """In every framework, by the same line."""
    fake = FakeTransfers()

    pays(mount(fake_web(fake)), fake)


def test_one_that_is_mounted_already_works_on_a_fake_for_a_while(
    mount: Callable[[Web], Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application is imported without an environment; each test has a fake of its own."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    web = Web.from_env(ProducerAndWebSettings.load)
    call = mount(web)

    for _ in range(2):
        with on_fake(web) as fake:
            pays(call, fake)
            assert web.transfers is fake
    with pytest.raises(SettingsWrong):
        web.check()


def test_a_check_of_a_fake_says_which_server_is_away() -> None:
    """A team's own health check is tested with it."""
    fake = FakeTransfers()
    web = fake_web(fake)
    web.check()
    for away, error in (("ledger", LedgerUnavailable), ("vault", VaultUnavailable)):
        fake.set_away(**{away: True})
        with pytest.raises(error):
            web.check()
    fake.set_away()
    web.check()
    assert fake.enqueue(intent()).state is State.QUEUED
