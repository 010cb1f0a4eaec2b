"""What lies in the queue and in the ledger, and what a worker does with what is no message of ours."""

from typing import Any, cast

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker

from epay_transfers.ledger.queue.broker import NAMESPACE, NOW
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.producers import PanCard, Receiver, TransferIntent
from tests.support.platform import Platform, messages
from tests.support.servers import queue_url
from tests.support.waiting import until

PAN, CVC, RECEIVER, NAME = "4405639704015096", "815", "5522042705066736", "Sergey Frolov"


#: A card, nothing, a transfer that nobody has made, an actor that nobody has declared.
FOREIGN: list[tuple[str, tuple[str, ...]]] = [
    ("execute", (PAN,)),
    ("execute", ()),
    ("execute", ("251124000001",)),
    ("nobody", ("251124000001",)),
]


def intent(reference: str) -> TransferIntent:
    return TransferIntent(
        reference=reference,
        amount=150,
        description="Payout",
        sender=PanCard(number=PAN, expiry="01/25", cvc=CVC, name=NAME),
        receiver=Receiver(number=RECEIVER),
    )


def test_a_message_is_a_key_and_the_ledger_holds_no_card(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queue and ledger together, every byte of them: no card number, no name; the key is the only argument."""
    transfers = platform.transfers(monkeypatch)

    receipt = transfers.enqueue(intent("payout-1"))

    (message,) = messages(platform)
    assert f'"args":["{receipt.key}"]' in message.replace(" ", "")
    everything = dump(platform)
    assert receipt.key in everything, "the search itself works"
    for canary in (PAN, RECEIVER, NAME, "Frolov"):
        assert canary not in message
        assert canary not in everything
    transfers.close()


def test_what_is_no_ring_is_quarantined_and_the_queue_goes_on(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes, a card, an unknown transfer, an unknown actor: all in the dead letters, and the next is paid."""
    transfers = platform.transfers(monkeypatch)
    client = connect(queue_url(platform.env["REDIS_URL"]), text=False)
    broker = cast("Any", RedisBroker)(client=client, middleware=[], namespace=NAMESPACE)  # not ours, which refuses
    for number, data in enumerate([b"\xff\xfe garbage", b"{}", b"[1]"]):
        client.hset(f"{NAMESPACE}:{NOW}.msgs", f"id-{number}", data)
        client.rpush(f"{NAMESPACE}:{NOW}", f"id-{number}")
    for actor, args in FOREIGN:
        broker.enqueue(dramatiq.Message(queue_name=NOW, actor_name=actor, args=args, kwargs={}, options={}))
    receipt = transfers.enqueue(intent("payout-1"))
    platform.start_worker()

    assert transfers.wait(receipt.key, timeout=60).state is State.PAID
    until(lambda: client.zcard(f"{NAMESPACE}:{NOW}.XQ") == 3 + len(FOREIGN))
    platform.stop()
    platform.log.flush()
    log = platform.log_text()
    assert "message.quarantined" in log
    assert PAN not in log
    client.close()
    transfers.close()


def dump(platform: Platform) -> str:
    """Every key and value of the ledger's server, all databases."""
    texts = []
    for database in (0, 1):
        client = connect(platform.env["REDIS_URL"].removesuffix("/0") + f"/{database}")
        for key in client.keys("*"):
            texts.append(str(key))
            match client.type(key):
                case "string":
                    texts.append(str(client.get(key)) if "suffixes" not in key else "")
                case "hash":
                    texts.append(str(client.hgetall(key)))
                case "zset":
                    texts.append(str(client.zrange(key, 0, -1)))
                case "list":
                    texts.append(str(client.lrange(key, 0, -1)))
                case "stream":
                    texts.append(str(client.xrange(key)))
                case "set":
                    texts.append(str(client.smembers(key)))
        client.close()
    return "\n".join(texts)
