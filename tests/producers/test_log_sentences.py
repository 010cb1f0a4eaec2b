"""What a person reads in a backend's log, under `logging.basicConfig`, which shows a message and no extras."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.store.connection import connect
from epay_transfers.producers import Transfers
from epay_transfers.producers.context import Context
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
    assert list(texts) == [
        f"The transfer {key} is queued, for the reference order-1",
        f"The transfer {second} is queued, for the reference order-2",
        f"No wake-up was sent for {second}: the queue transfers.now did not take it, and the sweeper sends one later",
        f"A second, different 3-D Secure answer came for {key} (resumed): the first one stands",
        "The route pay answers 503, 'try again': LedgerUnavailable",
    ]
    assert levels == ("INFO", "INFO", "WARNING", "WARNING", "WARNING")


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
