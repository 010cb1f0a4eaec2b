"""The ledger knows the ids of the producers' fingerprint keys, and a host with a wrong list enqueues nothing."""

import hashlib
import secrets
import threading
from collections.abc import Callable
from typing import NoReturn

import pytest

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable
from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.record import kept_as
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.server_problems import Server, ServerReason, problem_of
from epay_transfers.producers import Conflict, Receipt, SettingsWrong, Transfers, TransfersError
from epay_transfers.producers.context import Context
from epay_transfers.producers.fingerprints import compute
from tests.producers.conftest import NOWHERE, build, by_pan, by_saved_card

Host = Callable[..., Transfers]

OLD, NEW, LOST, STRANGE = (fingerprint_keys.generate() for _ in range(4))


def id_of(key: Secret) -> str:
    return FingerprintKeys([key]).newest.key_id


def destroyed(key: Secret) -> Secret:
    return Secret(f"destroyed.{id_of(key)}")


@pytest.fixture
def host(parts: Context) -> Host:
    """A process that starts with these keys."""

    def start(*keys: Secret) -> Transfers:
        settings = parts.settings.model_copy(update={"fingerprint_keys": list(keys)})
        vars(settings).pop("print_keys", None)
        return build(parts, settings=settings)

    return start


def test_a_broken_list_is_told_as_broken(host: Host, ledger: Ledger) -> None:
    """As every other part of the ledger: no server that is away, nothing that may be stored, and its runbook page."""
    ledger.client.set(redis_keys.FINGERPRINT_KEYS, "4405639704015096")

    for call in (host(OLD).check, lambda: host(OLD).enqueue(by_pan("order-1"))):
        with pytest.raises(LedgerBroken) as caught:
            call()
        assert str(caught.value) == (
            "the ledger's fingerprint keys can't be written: they have a wrong type, or a number is missing or too "
            "high; nothing was changed: see the runbook, 'A part of the ledger is broken'"
        )
        assert not caught.value.is_passing
    with pytest.raises(LedgerBroken):
        ledger.fingerprint_keys()
    assert isinstance(host(OLD).enqueue_many([by_pan("order-1")])[0], LedgerBroken)


def test_what_is_no_id_in_the_ledgers_list_is_not_shown(host: Host, ledger: Ledger) -> None:
    """Another program can write a card number there."""
    ledger.client.sadd(redis_keys.FINGERPRINT_KEYS, "4405639704015096", "44056397", "no id")

    with pytest.raises(SettingsWrong) as caught:
        host(OLD).check()

    assert "4405" not in str(caught.value)
    assert "no id" not in str(caught.value)


def test_a_new_key_has_an_id_that_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key in forty would have an id of digits alone, and its host would be told of "ids that are none"."""
    raw = [hashlib.sha256(seed.to_bytes(2)).digest() for seed in range(400)]
    monkeypatch.setattr(secrets, "token_bytes", lambda _length: raw.pop())

    ids = [id_of(fingerprint_keys.generate()) for _ in range(300)]

    assert len(raw) < 100, "some were thrown away"
    assert [key_id for key_id in ids if key_id.isdigit()] == []


def test_a_host_with_another_key_enqueues_nothing_and_is_told_why(host: Host, ledger: Ledger) -> None:
    """Before anything is stored; the sentence names the setting, the ids, and the chapter for a lost key."""
    host(OLD).enqueue(by_pan("order-1"))

    with pytest.raises(SettingsWrong) as caught:
        host(STRANGE).enqueue(by_pan("order-2"))
    with pytest.raises(SettingsWrong):
        host(STRANGE).enqueue_many([by_pan("order-1"), by_pan("order-2")])

    (line,) = caught.value.lines
    assert line.startswith(f"FINGERPRINT_KEYS: the ledger's producers have the keys {id_of(OLD)}, and none of them")
    assert f"destroyed.{id_of(OLD)}" in line
    assert ledger.by_reference("order-2") is None
    assert ledger.fingerprint_keys() == [id_of(OLD)]


def test_keys_are_rotated_host_by_host(host: Host, ledger: Ledger) -> None:
    """A host that was restarted with the new list, one that was not, and the old key's end: all go on."""
    lists = [[OLD], [NEW, OLD], [OLD], [NEW, OLD], [NEW, destroyed(OLD)], [NEW]]

    receipts = [host(*keys).enqueue(by_pan(f"order-{number}")) for number, keys in enumerate(lists)]

    assert all(isinstance(receipt, Receipt) for receipt in receipts)
    assert ledger.fingerprint_keys() == sorted([id_of(OLD), id_of(NEW)])


def test_a_lost_key_is_named_and_the_producers_go_on(host: Host, ledger: Ledger) -> None:
    """By its id, which the refusal says. What it printed is then compared by what the record keeps."""
    first = host(LOST).enqueue(by_pan())

    again = host(NEW, destroyed(LOST)).enqueue(by_pan())

    assert (again.key, again.replayed) == (first.key, True)
    assert isinstance(host(NEW).enqueue(by_pan("order-2")), Receipt)
    with pytest.raises(SettingsWrong):
        host(STRANGE).enqueue(by_pan("order-3"))


def test_a_restored_ledger_that_knows_an_older_key_takes_the_list_that_has_it(host: Host, ledger: Ledger) -> None:
    """An empty one takes any list: that is the first."""
    host(NEW, OLD).enqueue(by_pan("order-1"))
    ledger.client.srem(redis_keys.FINGERPRINT_KEYS, id_of(NEW))

    host(NEW, OLD).enqueue(by_pan("order-2"))
    assert ledger.fingerprint_keys() == sorted([id_of(OLD), id_of(NEW)])
    ledger.client.delete(redis_keys.FINGERPRINT_KEYS)

    host(STRANGE).enqueue(by_pan("order-3"))
    assert ledger.fingerprint_keys() == [id_of(STRANGE)]


def test_of_two_hosts_that_meet_an_empty_ledger_with_different_keys_one_goes_on(host: Host, ledger: Ledger) -> None:
    """One script decides, so they can't both be the first."""
    hosts = [host(fingerprint_keys.generate()) for _ in range(8)]
    barrier, answers = threading.Barrier(len(hosts)), list[object]()

    def start(at: int) -> None:
        barrier.wait()
        try:
            answers.append(hosts[at].enqueue(by_pan(f"order-{at}")))
        except TransfersError as error:
            answers.append(error)

    threads = [threading.Thread(target=start, args=(at,)) for at in range(len(hosts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(type(answer).__name__ for answer in answers) == ["Receipt", *["SettingsWrong"] * 7]
    assert len(ledger.fingerprint_keys()) == 1


def test_the_list_of_known_ids_is_bounded(host: Host, ledger: Ledger) -> None:
    """A thief of a producer's password may add ids; a producer that has one of the true keys goes on all the same."""
    ledger.client.sadd(redis_keys.FINGERPRINT_KEYS, id_of(OLD), *(f"{number:08x}" for number in range(150)))

    assert isinstance(host(NEW, OLD).enqueue(by_pan()), Receipt)
    with pytest.raises(SettingsWrong) as caught:
        host(STRANGE).enqueue(by_pan("order-2"))

    assert ledger.client.scard(redis_keys.FINGERPRINT_KEYS) == 151
    assert str(caught.value).count(",") < 110


def test_it_is_asked_once_a_process(host: Host, ledger: Ledger) -> None:
    transfers = host(OLD)
    transfers.enqueue(by_pan("order-1"))
    ledger.client.delete(redis_keys.FINGERPRINT_KEYS)

    transfers.enqueue(by_pan("order-2"))

    assert ledger.fingerprint_keys() == []


def test_an_early_check_asks_the_same_and_enqueues_nothing(host: Host, ledger: Ledger) -> None:
    """`Transfers.check()`, at the start of a process."""
    host(OLD).check()

    with pytest.raises(SettingsWrong, match="FINGERPRINT_KEYS: "):
        host(STRANGE).check()

    assert ledger.counters() == {}


def test_a_ledger_that_is_away_may_have_the_transfer(parts: Context) -> None:
    """It was asked for the keys alone; but an earlier call of the same reference may have stored it."""
    away = build(parts, ledger=Ledger(connect(NOWHERE, "REDIS_URL"), parts.clock))

    with pytest.raises(LedgerUnavailable, match="may or may not be stored: call again with the same reference"):
        away.enqueue(by_pan())
    assert away.enqueue_many([]) == []


def test_a_replay_that_can_not_be_read_may_be_stored(
    transfers: Transfers, parts: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is about a change, whichever of its reads was not answered; and it keeps the reason."""
    transfers.enqueue(by_pan())
    problem = problem_of(ServerReason.WRONG_PASSWORD, Server("REDIS_URL", "ledger:6379"))

    def unanswered(_key: str) -> NoReturn:
        raise LedgerUnavailable(problem, reading=True)

    for read in ("get", "card_prints"):
        with monkeypatch.context() as patch:
            patch.setattr(parts.ledger, read, unanswered)
            with pytest.raises(LedgerUnavailable, match="may or may not be stored: call again") as caught:
                transfers.enqueue(by_pan())
        assert caught.value.__cause__ is problem


def test_a_conflict_of_every_field_points_at_the_keys(transfers: Transfers, parts: Context, ledger: Ledger) -> None:
    """Two intents of one reference have their currency in common; a conflict of one field does not speak of keys."""
    receipt = transfers.enqueue(by_pan())
    other = compute(by_pan(), FingerprintKeys([STRANGE]))
    own_id = parts.producer.print_keys.newest.key_id
    forged = other.others.replace(id_of(STRANGE), own_id)
    ledger.client.hset(redis_keys.record(receipt.key), kept_as("fingerprints"), forged)
    ledger.client.set(redis_keys.prints(receipt.key), other.cards.replace(id_of(STRANGE), own_id))

    with pytest.raises(Conflict, match="FINGERPRINT_KEYS") as caught:
        transfers.enqueue(by_pan())
    assert caught.value.all_differ

    transfers.enqueue(by_saved_card("order-2"))
    with pytest.raises(Conflict) as one:
        transfers.enqueue(by_saved_card("order-2", amount="1"))
    assert not one.value.all_differ
    assert "FINGERPRINT_KEYS" not in str(one.value)
