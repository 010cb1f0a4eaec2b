"""What the bank and browsers really send is taken: each sample of the folder, through the routes."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.producers import Notified, Receipt, State, Verdict
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.exchange import BODY_BYTES
from epay_transfers.runtime.web_addresses import Places, secret_hash
from tests.support.sample_files import FOLDER, sample
from tests.web.conftest import BASE, FORM, SECRET, Visitor, WorkedTransfers, intent

RETURNS = ["return-cp1251.form", "return-extra.form", "return-raw-plus.form"]
PA_RES = "BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYn+++++g=="
INVOICE = "261128000017"
KEY = Secret("k" * 40)


def posted(name: str, md: str) -> bytes:
    """The sample, with the MD of this transfer's challenge."""
    return re.sub(rb"MD=[^&]*", f"MD={md}".encode(), sample(name))


@pytest.mark.parametrize("name", RETURNS)
def test_a_return_is_taken_and_the_bank_gets_its_own_answer(
    fake: FakeTransfers, visitor: Visitor, receipt: Receipt, name: str
) -> None:
    """A Cyrillic button, an unknown field twice, plusses that were not encoded: the client pays all the same."""
    challenge = fake.park(receipt.key)

    reply = visitor.post("3ds", receipt.handle, posted(name, challenge.md))

    assert reply.status == 303
    assert fake.get(receipt.key).state is State.RESUMED
    assert fake.confirm(md=challenge.md, pa_res=PA_RES, handle=receipt.handle) is Verdict.DUPLICATE


def test_the_samples_of_one_answer_are_one_answer(fake: FakeTransfers, visitor: Visitor, receipt: Receipt) -> None:
    """A page that sends it again, encoded otherwise, conflicts with nothing."""
    challenge = fake.park(receipt.key)

    assert [visitor.post("3ds", receipt.handle, posted(name, challenge.md)).status for name in RETURNS] == [303] * 3


@pytest.mark.parametrize("raw", ["%CF%EE%E4%F2", "Подтвердить"])
@pytest.mark.parametrize("encoding", ["cp1251", "utf-8", "utf-16"])
def test_raw_bytes_beside_the_answer_do_not_matter(
    fake: FakeTransfers, visitor: Visitor, receipt: Receipt, raw: str, encoding: str
) -> None:
    """In whatever encoding: they are not read."""
    challenge = fake.park(receipt.key)
    body = posted("return-extra.form", challenge.md) + b"&" + raw.encode(encoding).replace(b"&", b"") + b"=1"

    assert visitor.post("3ds", receipt.handle, body, f"{FORM}; charset=windows-1251").status == 303


def _web(fake: WorkedTransfers) -> Web:
    return Web(fake, Places(BASE, Secret(SECRET)))


@pytest.fixture
def invoiced() -> WorkedTransfers:
    """A transfer with the invoice id and the amount of the samples; its worker can prove notifications."""
    fake = WorkedTransfers()
    fake.play_worker(KEY)
    fake.enqueue(intent(invoice_id=INVOICE, amount="100"))
    fake.doubt(INVOICE)
    return fake


def _as_json(**more: Any) -> bytes:
    return json.dumps(json.loads(sample("notification.json")) | more, ensure_ascii=False).encode()


def _in_cp1251(body: bytes) -> bytes:
    return body.decode().encode("cp1251")


HASH = secret_hash(KEY, INVOICE)
NOTIFICATIONS: dict[str, Callable[[], bytes]] = {
    "json": lambda: _as_json(secret_hash=HASH),
    "json in windows-1251": lambda: _in_cp1251(_as_json(secret_hash=HASH)),
    "json with a mark": lambda: b"\xef\xbb\xbf\r\n" + _as_json(secret_hash=HASH),
    "json in utf-16": lambda: _as_json(secret_hash=HASH).decode().encode("utf-16"),
    "json with a float": lambda: _as_json(secret_hash=HASH, amount=100.00),
    "json with another name twice": lambda: _as_json(secret_hash=HASH)[:-1] + b', "ip": "1", "ip": "2"}',
    "form": lambda: sample("notification.form") + f"&secret_hash={HASH}".encode(),
    "form in windows-1251": lambda: b"name=%CF%E5%F0&" + sample("notification.form") + f"&secret_hash={HASH}".encode(),
    "form with raw bytes": lambda: b"name=\xcf\xe5&" + sample("notification.form") + f"&secret_hash={HASH}".encode(),
    "form with a name twice": lambda: sample("notification.form") + f"&ip=1&secret_hash={HASH}".encode(),
}
TYPES = ["application/json", "application/json; charset=windows-1251", FORM, "text/plain", ""]


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("kind", NOTIFICATIONS)
def test_a_notification_is_taken_under_any_content_type_and_proved(
    invoiced: WorkedTransfers, kind: str, content_type: str
) -> None:
    """JSON or a form, in either encoding: what it is shows in itself, and its 32 names are no hindrance."""
    visitor = Visitor(_web(invoiced))

    reply = visitor.post("notify", SECRET, NOTIFICATIONS[kind](), content_type)

    assert (reply.status, reply.body) == (200, b"ok\n")
    assert invoiced._named(INVOICE).notification.endswith(":0")


@pytest.mark.parametrize("name", ["invoiceId", "amount", "secret_hash", "code"])
def test_a_name_that_is_read_and_comes_twice_proves_nothing(invoiced: WorkedTransfers, name: str) -> None:
    """Nothing says which of the two is meant: a worker asks the bank at most."""
    as_json = _as_json(secret_hash=HASH)[:-1] + f', "{name}": "1"}}'.encode()
    as_form = sample("notification.form") + f"&secret_hash={HASH}&{name}=1".encode()

    for body in (as_json, as_form):
        assert Visitor(_web(invoiced)).post("notify", SECRET, body, "").status == 200

    assert invoiced._named(INVOICE).notification == ""


@pytest.mark.parametrize("name", ["invoiceId", "amount", "secret_hash", "code"])
def test_a_name_that_comes_twice_with_one_value_is_one(invoiced: WorkedTransfers, name: str) -> None:
    """As JSON and as a form alike."""
    whole = json.loads(_as_json(secret_hash=HASH))
    again = json.dumps({name: whole[name]})[1:].encode()

    assert Visitor(_web(invoiced)).post("notify", SECRET, _as_json(secret_hash=HASH)[:-1] + b", " + again).status == 200

    assert invoiced._named(INVOICE).notification.endswith(":0")


@pytest.mark.parametrize("loads", [json.loads, lambda body: json.loads(body, parse_float=Decimal)])
def test_a_notification_that_a_backend_parsed_itself_is_proved(
    invoiced: WorkedTransfers, loads: Callable[[bytes], dict[str, Any]]
) -> None:
    """`json.loads` makes a float of 100.00."""
    body = _as_json(secret_hash=HASH).replace(b'"amount": 100,', b'"amount": 100.00,')

    assert invoiced.notify(loads(body)) is Notified.ASKED

    assert invoiced._named(INVOICE).notification.endswith(":0")


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), 1e300, 1e-320, True, None, [100.0], 100.01])
def test_an_amount_that_is_none_proves_nothing(invoiced: WorkedTransfers, amount: object) -> None:
    """Nor does it break anything."""
    assert invoiced.notify(json.loads(_as_json(secret_hash=HASH)) | {"amount": amount}) is Notified.ASKED

    assert invoiced._named(INVOICE).notification == ""


def test_every_sample_fits_into_the_limits_four_times() -> None:
    """A limit that a real sample comes near to is met one day."""
    names = [path.name for path in FOLDER.iterdir() if path.suffix in {".form", ".json"}]

    assert len(names) > 8
    assert [name for name in names if len(sample(name)) * 4 > BODY_BYTES] == []
