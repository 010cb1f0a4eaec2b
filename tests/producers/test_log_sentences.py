"""What a person reads in a backend's log, under `logging.basicConfig`, which shows a message and no extras."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.connection import connect
from epay_transfers.producers import Transfers, fingerprints
from epay_transfers.producers.context import Context
from epay_transfers.producers.fingerprints import compute
from epay_transfers.producers.web import Request, Web
from epay_transfers.runtime import logs
from epay_transfers.runtime.web_addresses import Places
from tests.producers.conftest import NOWHERE, Hands, build, by_pan

LOG = logging.getLogger("epay_transfers.producers.somewhere")


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logging.basicConfig(stream=stream, level=logging.INFO, force=True)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_plain_formatter_shows_sentences_with_their_ids(
    printed: io.StringIO, transfers: Transfers, parts: Context, hands: Hands, without_ledger: Transfers
) -> None:
    """The calls are real: enqueue, without the queue too, two 3-D Secure answers, a route without its ledger."""
    key = transfers.enqueue(by_pan()).key
    silent = build(parts, wakeups=Wakeups(Broker(connect(NOWHERE), [], {})))
    second = silent.enqueue(by_pan("order-2")).key
    hands.park(key, "md-1")
    transfers.confirm(md="md-1", pa_res="cGFyZXM=")
    transfers.confirm(md="md-1", pa_res="b3RoZXI=")
    web = Web(without_ledger, Places("https://shop.example/transfers"))
    web.answer("pay", "a" * 43, Request("GET"))

    said = [line for line in printed.getvalue().splitlines() if "expiry" not in line]
    levels, texts = zip(*((line.split(":", 2)[0], line.split(":", 2)[2]) for line in said), strict=True)
    away = "the server at 127.0.0.1:1 refused the connection"
    assert list(texts) == [
        f"The transfer {key} is queued, for the reference order-1",
        f"The transfer {second} is queued, for the reference order-2",
        f"No wake-up can be sent or received now: {away}; start it, or correct its address",
        f"A second, different 3-D Secure answer came for {key} (resumed): the first one stands",
        f"The route pay answers 503, 'try again': {away}; start it, or correct its address",
    ]
    assert levels == ("INFO", "INFO", "ERROR", "WARNING", "WARNING")


def test_the_extras_hold_the_events_name_and_each_id(transfers: Transfers, caplog: pytest.LogCaptureFixture) -> None:
    """A structured formatter, and a search for a name that the documents tell, read them there."""
    caplog.set_level(logging.INFO)
    key = transfers.enqueue(by_pan()).key

    (line,) = [line for line in caplog.records if getattr(line, "event", "") == "enqueue.accepted"]
    assert (vars(line)["key"], vars(line)["reference"]) == (key, "order-1")
    assert line.funcName != "log_line"


def test_our_own_formatters_show_each_id_once(caplog: pytest.LogCaptureFixture) -> None:
    log_line(LOG.warning, "a.name", "The transfer %(key)s waits", key="251124000001", queue="transfers.now")
    (record,) = caplog.records
    logs.without_cards(record)

    line = json.loads(logs.JsonFormatter().format(record))
    assert (line["event"], line["key"], line["queue"]) == ("a.name", "251124000001", "transfers.now")
    for text in (logs.JsonFormatter().format(record), logs.PlainFormatter().format(record)):
        assert text.count("251124000001") == text.count("transfers.now") == 1
    assert logs.PlainFormatter().format(record).endswith("The transfer 251124000001 waits queue=transfers.now")


def test_a_log_line_without_fields_is_a_sentence_too(caplog: pytest.LogCaptureFixture) -> None:
    log_line(LOG.warning, "a.name", "Nothing is known")

    assert [record.getMessage() for record in caplog.records] == ["Nothing is known"]


def test_a_missing_key_is_said_once_a_process(caplog: pytest.LogCaptureFixture) -> None:
    """A replay may come at any moment, and a service may replay thousands."""
    keys = FingerprintKeys([fingerprint_keys.generate()])
    for key_id in ("0123abcd", "0123abcd", "4567abcd"):
        made = compute(by_pan(), FingerprintKeys([fingerprint_keys.generate()])).others
        fingerprints._read(made.replace(made.split(".")[1], key_id), keys, cards=False)

    assert [vars(line)["key_id"] for line in caplog.records] == ["0123abcd", "4567abcd"]


def test_a_notification_is_logged_with_its_invoice_id(transfers: Transfers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    key = transfers.enqueue(by_pan()).key
    places = Places("https://shop.example/transfers", Secret("n" * 32))
    body = json.dumps({"invoiceId": key}).encode()
    Web(transfers, places).answer("notify", "n" * 32, Request("POST", body=body))
    Web(transfers, places).answer("notify", "n" * 32, Request("POST", body=b'{"invoiceId": "4405639704015096"}'))

    assert [line.getMessage() for line in caplog.records if vars(line).get("event") == "notify.taken"] == [
        f"A notification of the bank came for the invoice id {key}: not_needed",
        "A notification of the bank came for the invoice id (none): unknown",
    ]
