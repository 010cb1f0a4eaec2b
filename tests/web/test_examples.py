"""Each example of the documents runs as it stands, on real servers, in the environment that its first line names."""

import asyncio
import importlib.util
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.vault import sealing
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers import Receiver, SavedCard, SettingsWrong, TransferIntent, Transfers
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Web
from epay_transfers.runtime import embedded_servers
from tests.producers.conftest import NOWHERE
from tests.support.intents import payout
from tests.web.calling import Answer, Call, call_asgi, call_wsgi
from tests.web.conftest import BASE, FORM

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
WEBS = {"with_django": call_wsgi, "with_fastapi": call_asgi, "with_flask": call_wsgi}


@pytest.fixture
def environment(
    ledger_server: embedded_servers.EmbeddedServer,
    vault_server: embedded_servers.EmbeddedServer,
    ledger_client: object,
    vault_client: object,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", ledger_server.url)
    monkeypatch.setenv("VAULT_URL", vault_server.url)
    monkeypatch.setenv("VAULT_PUBLIC_KEY", sealing.generate().public)
    monkeypatch.setenv("FINGERPRINT_KEYS", fingerprint_keys.generate().reveal())
    monkeypatch.setenv("WEB_BASE_URL", BASE)


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=WEBS)
def shop(request: pytest.FixtureRequest, environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    module = _django(monkeypatch) if request.param == "with_django" else load(request.param, monkeypatch)
    yield WEBS[request.param](module.app)
    module.web.transfers.close()


def _django(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Django's settings are made once a process, and another test may have been first: then the addresses count."""
    from django import urls  # noqa: PLC0415 - Django wants its settings first
    from django.conf import settings  # noqa: PLC0415

    if settings.configured:
        monkeypatch.setattr(type(settings), "configure", lambda *_, **__: None)  # its own attributes are the settings
    module = load("with_django", monkeypatch)
    monkeypatch.setattr(settings, "ROOT_URLCONF", "with_django")
    urls.clear_url_caches()
    urls.set_urlconf(None)
    return module


CARD = {"number": "4405639704015096", "expiry": "01/30", "cvc": "815"}


def buy(shop: Call, **wrong: str) -> Answer:
    return shop("POST", "/buy/7", headers={"Content-Type": FORM}, body=urlencode(CARD | wrong).encode())


def test_one_buys_and_is_led_to_the_page_that_waits_for_the_bank(shop: Call) -> None:
    bought = buy(shop)
    assert bought.status == 303

    page = shop("GET", bought.headers["location"])
    assert (page.status, page.headers["transfer-page"]) == (200, "waiting")


def test_a_click_after_an_error_is_the_same_payment(shop: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has it, the vault does not answer, and the client clicks again: there is one transfer."""

    def away(*_: object, **__: object) -> None:
        raise VaultUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(Vault, "put_cards", away)
        with suppress(VaultUnavailable):  # some frameworks hand it on to their server, which answers 500
            assert buy(shop).status == 500

    again = buy(shop)

    assert again.status == 303
    with Transfers.from_env() as transfers:
        assert [each.reference for each in transfers.list().items] == ["order-7"]


def test_a_wrong_card_is_an_answer_without_the_card(shop: Call) -> None:
    refused = buy(shop, number="4405639704015097")

    assert (refused.status, b"check digit" in refused.body, b"44056397" in refused.body) == (422, True, False)


def test_an_intent_as_a_body_is_taken_or_refused_without_its_card(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    example: Any = load("json_with_fastapi", monkeypatch)
    call, headers = call_asgi(example.app), {"Content-Type": "application/json"}
    card = {"number": "4405639704015096", "expiry": "01/30", "cvc": "815", "name": "CARD HOLDER"}
    intent = {"reference": "p-1", "amount": "15000", "description": "P", "sender": card}

    taken = call("POST", "/payouts", headers=headers, body=_json(intent, number="5522042705066736"))
    refused = call("POST", "/payouts", headers=headers, body=_json(intent, number="5522042705066731"))
    doubled = _json(intent, number="5522042705066736").replace(b'"amount"', b'"amount": "1", "amount"', 1)
    twice = call("POST", "/payouts", headers=headers, body=doubled)
    example.transfers.close()

    assert (twice.status, json.loads(twice.body)["reason"]) == (422, "gives amount twice in one object")
    assert (taken.status, json.loads(taken.body)["state"]) == (200, "queued")
    assert refused.status == 422
    wrong = {"field": "receiver.number", "reason": "is not a card number: its check digit is wrong"}
    assert json.loads(refused.body) == wrong


def _json(intent: dict[str, Any], **receiver: str) -> bytes:
    return json.dumps(intent | {"receiver": receiver}).encode()


def test_the_reader_of_outcomes_deals_with_each_once(
    environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example: Any = load("outcomes", monkeypatch)
    saved = SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e")
    with Transfers.from_env() as transfers:
        receipt = transfers.enqueue(
            TransferIntent(
                reference="payout-42",
                amount="15000",
                description="Payout 42",
                sender=saved,
                receiver=Receiver(number="5522042705066736"),
            )
        )
        transfers.cancel(receipt.key, reason="a mistake")

    example.main(threading.Event(), idle=0)
    example.main(threading.Event(), idle=0)

    assert capsys.readouterr().out == "payout-42: not paid (cancelled); it may be paid another way\n"


def test_a_table_of_outcomes_only_goes_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes twice or late, and of another backend."""
    example: Any = load("outcomes_with_sqlalchemy", monkeypatch)
    engine = sqlalchemy.create_engine("sqlite://")
    example.Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(example.Payout(reference="payout-1"))
    fake = FakeTransfers()
    for reference in ("payout-1", "another-1"):
        fake.enqueue(payout(reference))
    fake.decline("payout-1", code="484")
    first, *later = [each for each in fake.outcomes("payouts") if each.reference == "payout-1"]

    fake.run_outcomes(partial(example.take, engine), group="payouts-too")
    for outcome in (*later, first):
        example.take(engine, outcome)

    with Session(engine) as session:
        (row,) = session.scalars(sqlalchemy.select(example.Payout))
        assert (row.reference, row.state, row.version, row.final, row.money, row.code) == (
            "payout-1", "declined", 2, True, "none", "484",
        )  # fmt: skip


@pytest.mark.parametrize("name", ["outcomes", "outcomes_with_asyncio"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_reader_of_outcomes_waits_for_the_ledger_and_a_signal_ends_it(
    environment: None, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    monkeypatch.setenv("REDIS_URL", NOWHERE)
    command = [sys.executable, "-u", str(EXAMPLES / f"{name}.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:  # noqa: S603 - our own
        assert reader.stdout is not None
        assert "refused the connection" in reader.stdout.readline()
        reader.send_signal(number)
        _, said = reader.communicate(timeout=60)

    assert (reader.returncode, said) == (0, "")


def test_an_asyncio_application_enqueues_and_reads_outcomes_until_it_ends(
    environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its lifespan is entered as its server does; the reader tells of the payout, and ends with it."""
    example: Any = load("asyncio_with_fastapi", monkeypatch)
    intent = TransferIntent(
        reference="payout-42",
        amount="15000",
        description="Payout 42",
        sender=SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e"),
        receiver=Receiver(number="5522042705066736"),
    )
    said = ""

    async def served() -> None:
        nonlocal said
        async with asyncio.timeout(30), example.lifespan(example.app):
            assert (await example.pay(intent))["key"]
            while "payout-42" not in said:
                await asyncio.sleep(0.01)
                said += capsys.readouterr().out

    for _ in range(2):  # an application's own tests start it many times
        asyncio.run(served())
    assert said == "payout-42 is queued\n"


def test_each_example_is_short() -> None:
    """One with a table and its functions may be longer."""
    lines = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}

    assert {
        name: count for name, count in lines.items() if count > (75 if name.startswith(("outbox", "on_commit")) else 45)
    } == {}


def test_from_env_says_what_the_web_tier_lacks(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEB_BASE_URL")

    with pytest.raises(Exception, match="WEB_BASE_URL: is not set; give the https"):
        Web.from_env()


BUILD = """
import sys
sys.path.insert(0, sys.argv[1])
import with_django
from django.core.management import call_command
call_command("check")
call_command("makemigrations", "--check", "--dry-run")
"""


def test_a_build_checks_a_django_project_without_a_server_and_without_settings(tmp_path: Path) -> None:
    """`manage.py check` and `makemigrations` import the addresses, and with them the web tier."""
    command = [sys.executable, "-c", BUILD, str(EXAMPLES)]
    built = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)  # noqa: S603 - our own

    assert (built.returncode, built.stderr) == (0, "")
    assert "System check identified no issues" in built.stdout
    assert "No changes detected" in built.stdout


@pytest.mark.parametrize("name", ["with_fastapi", "with_flask", "json_with_fastapi", "asyncio_with_fastapi"])
def test_the_others_are_imported_without_a_server(
    environment: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Their settings are read at once, so that a wrong one ends the process as it starts."""
    monkeypatch.setenv("REDIS_URL", NOWHERE)
    monkeypatch.setenv("VAULT_URL", NOWHERE)

    load(name, monkeypatch)

    monkeypatch.delenv("VAULT_URL")
    with pytest.raises(SettingsWrong, match="VAULT_URL: is not set"):
        load(name, monkeypatch)
