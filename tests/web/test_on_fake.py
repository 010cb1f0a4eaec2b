"""A team tests its own application with our routes mounted in it: no server, no environment."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from epay_transfers.producers import (
    AsyncTransfers,
    LedgerUnavailable,
    NotFound,
    ProducerAndWebSettings,
    ProducerSettings,
    SettingsWrong,
    State,
    Transfers,
    VaultUnavailable,
    WrongCall,
)
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


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.mark.usefixtures("no_settings")
def test_no_name_that_a_module_took_before_pays_for_real() -> None:
    """A module-level name, an `AsyncTransfers` made of it, a method: all are the fake's, and afterwards real again."""
    web = Web.from_env(ProducerAndWebSettings.load)
    kept, in_tasks, enqueue = web.transfers, AsyncTransfers(web.transfers), web.transfers.enqueue

    for _ in range(2):
        with on_fake(web) as fake:
            receipts = [kept.enqueue(intent()), asyncio.run(in_tasks.enqueue(intent())), enqueue(intent())]
            assert [each.replayed for each in receipts] == [False, True, True]
            assert asyncio.run(in_tasks.wait(receipts[0].key)).state is State.QUEUED
            assert fake.pay("order-1").state is kept.get(receipts[0].key).state is State.PAID
            assert [each.state for each in kept.outcomes("payouts")] == ["queued", "paid"]
    assert web.transfers is kept
    assert type(kept) is Transfers
    for call in (kept.check, lambda: enqueue(intent()), lambda: asyncio.run(in_tasks.check())):
        with pytest.raises(SettingsWrong):
            call()


@pytest.mark.usefixtures("no_settings")
def test_a_fake_within_a_fake_is_everywhere_too() -> None:
    web = Web.from_env(ProducerAndWebSettings.load)
    kept = web.transfers

    with on_fake(web) as outer:
        kept.enqueue(intent("outer"))
        with on_fake(web) as inner:
            kept.enqueue(intent("inner"))
            with on_fake(web, inner):  # the same one again changes nothing
                assert kept.enqueue(intent("inner")).replayed
            assert kept.enqueue(intent("inner")).replayed
            assert inner.find("inner").reference == "inner"
        for transfers in (kept, outer):
            assert transfers.find("outer").reference == "outer"
            with pytest.raises(NotFound):
                transfers.find("inner")
    with pytest.raises(SettingsWrong):
        kept.check()


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize("face", [Transfers, AsyncTransfers])
def test_a_backend_without_a_web_tier_puts_a_fake_in_place_of_its_own(face: Any) -> None:
    transfers = face.from_env(ProducerSettings.load)

    def enqueue() -> Any:
        receipt = transfers.enqueue(intent())
        return asyncio.run(receipt) if asyncio.iscoroutine(receipt) else receipt

    with FakeTransfers().in_place_of(transfers) as fake:
        assert fake.get(enqueue().key).state is State.QUEUED
    with pytest.raises(SettingsWrong):
        enqueue()
    with pytest.raises(WrongCall, match="in_place_of"), on_fake(cast("Web", transfers)):
        pass


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
