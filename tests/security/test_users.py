"""The servers' users in `deploy/`: each can do its work, the whole of it, and nothing that is somebody else's."""

import re
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, cast

import dramatiq
import pytest
import redis
from redis.exceptions import NoPermissionError
from typer.testing import CliRunner

from epay_transfers.ledger import invoice
from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import LedgerUnavailable, RecordUnreadable, VaultUnavailable, VaultWentBack
from epay_transfers.ledger.queue.broker import BEGINNINGS, NOW, Broker
from epay_transfers.ledger.queue.stats import Queues
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys, terminals
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.circuit_breakers import Breakers
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.heartbeats import Heartbeat, Heartbeats
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_server import LedgerServer
from epay_transfers.ledger.store.new_transfer import NewTransfer
from epay_transfers.ledger.store.pauses import Lane, Pauses
from epay_transfers.ledger.store.replicas import Replicas
from epay_transfers.ledger.store.replies import Lost, Moved, Run
from epay_transfers.ledger.store.samples import Sample, Samples
from epay_transfers.ledger.store.tell import HashChange
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import PutBack, Taken, Vault
from epay_transfers.ops import server_users
from epay_transfers.ops.cli import app
from epay_transfers.ops.context import Context
from epay_transfers.ops.exporter.exporter import Exporter
from epay_transfers.ops.follower import Follower, Output, Position
from epay_transfers.ops.search import search
from epay_transfers.producers import Conflict, Outcome, PanCard, Receiver, SavedCard, TransferIntent, Transfers, Verdict
from epay_transfers.runtime.server_addresses import OPERATORS_USER as USER
from epay_transfers.runtime.trail import TrailAlarm
from epay_transfers.sandbox import PUBLIC_TEST, RunningSandbox
from tests.security.guarded import (
    NAMES,
    OPTIONS,
    USERS,
    Guarded,
    act_as,
    address,
    bank,
    command,
    guarded,
    lines_of,
    worker_of,
)  # fmt: skip
from tests.security.listening import listening
from tests.support import factories
from tests.support.pausing import end_pauses
from tests.support.redis_state import snapshot
from tests.support.server_users import ROOT
from tests.support.servers import free_port, running_server
from tests.support.tools import PRODUCTS, server_binary

__all__ = ["act_as", "bank", "guarded"]

_QUEUE = "{transfers}"


def intent(reference: str, description: str = "Payout") -> TransferIntent:
    return TransferIntent(
        reference=reference,
        amount=150,
        description=description,
        sender=PanCard(number="4405639704015096", expiry="01/25", cvc="815", name="Sergey Frolov"),
        receiver=Receiver(number="5522042705066736"),
    )


def _suffix_of(reference: str) -> int:
    """Where the search for a suffix begins."""
    return NewTransfer(
        reference=reference, space="main", terminal="main", amount=1, currency="KZT", urgency="now", order_details="",
        fingerprints="", lasts_ms=1, day_ms=1, sender_card="", receiver_card="", related="",
    ).first_suffix()  # fmt: skip


def ops(*arguments: str) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


@contextmanager
def limited() -> Iterator[None]:
    """Backends count the queued before they enqueue."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUEUE_LIMIT", "1000")
        yield


def paused() -> str:
    """The id of a pause that an operator adds."""
    found = re.search(r"pause (\w+)\. ", ops("pause", "send", "--reason", "a test"))
    assert found is not None
    return found[1]


def refusals(guarded: Guarded) -> list[str]:
    """What the servers have refused to anybody: who, and what."""
    found = []
    for server in OPTIONS:
        with guarded.client(server, "admin") as client:
            log = cast("list[dict[str, Any]]", client.acl_log())
            found += [f"{server}: {entry['username']} {entry['object']}" for entry in log]
    return found


def forget_refusals(guarded: Guarded) -> None:
    for server in OPTIONS:
        with guarded.client(server, "admin") as client:
            client.acl_log_reset()


def test_a_worker_may_ask_what_replicas_have_and_take_nothing_by_it(guarded: Guarded) -> None:
    """The rule has a whole category of commands, and no key: those of them that need one are refused."""
    forget_refusals(guarded)
    with guarded.client("ledger", "worker") as client:
        assert Replicas(1).ask(client).startswith("0 of 1 replicas")
        assert refusals(guarded) == []
        for words in (("BLPOP", redis_keys.inbox("web"), 1), ("XREAD", "BLOCK", 1, "STREAMS", redis_keys.EVENTS, 0)):
            with pytest.raises(NoPermissionError):
                client.execute_command(*words)
    with guarded.client("ledger", "producer") as client:
        assert "may not ask" in Replicas(1).ask(client)
    forget_refusals(guarded)


@pytest.mark.parametrize("user", ["replica", "sentinel"])
def test_neither_a_replica_nor_sentinels_touch_a_key(guarded: Guarded, user: str) -> None:
    """They are off in the file; turned on, each has its few commands, and none that names a key."""
    password = secrets.token_hex(8)
    url = f"redis://{user}:{password}@127.0.0.1:{guarded.ports['ledger']}/0"
    with guarded.client("ledger", "root") as root, connect(url) as client:
        with pytest.raises(redis.AuthenticationError):
            client.ping()
        root.execute_command("ACL", "SETUSER", user, "on", f">{password}")
        try:
            assert client.ping()
            for words in (
                ("HGETALL", RECORD), ("HSET", RECORD, "state", "paid"), ("XADD", redis_keys.EVENTS, "*", "a", "b"),
                ("EVAL", "return 0", 0), ("SCAN", 0), ("CONFIG", "GET", "masterauth"), ("ACL", "LIST"),
            ):  # fmt: skip
                with pytest.raises(NoPermissionError):
                    client.execute_command(*words)
        finally:
            root.execute_command("ACL", "SETUSER", user, "off", f"<{password}")
    forget_refusals(guarded)


def test_the_whole_system_runs_under_its_users(  # noqa: PLR0915 - a list of what they do
    guarded: Guarded, act_as: Callable[[str], None], bank: RunningSandbox, tmp_path: Path
) -> None:
    """Backend, web tier, worker and operator, each under its own name: all ends well, and nothing was refused."""
    forget_refusals(guarded)
    run = secrets.token_hex(4)  # the bank of these tests remembers what it was sent before
    with worker_of(guarded, tmp_path / "worker.log"), limited():
        act_as("producer")
        with Transfers.from_env() as backend:
            linked = intent(f"{run}-one").model_copy(update={"back_link": "https://shop.kz/ok"})
            plain, secure = backend.enqueue(linked), backend.enqueue(intent(f"{run}-two", "[3ds]"))
            late = backend.enqueue(intent(f"{run}-three", "[3ds]"))
            saved = SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e")
            batch = TransferIntent(
                reference=f"{run}-four", amount=1, description="Payout", sender=saved,
                receiver=Receiver(number="5522042705066736"), urgency="batch",
            )  # fmt: skip
            assert backend.enqueue(linked).replayed
            ends = [backend.wait(receipt.key, timeout=60) for receipt in (plain, secure, late, backend.enqueue(batch))]
            assert [end.state for end in ends] == [State.PAID, State.PARKED, State.PARKED, State.PAID], ends
            assert backend.cancel(late.key, reason="the client left") == "asked"
            outcomes = states_told(backend)
            given = intent(f"{run}-given").model_copy(update={"invoice_id": plain.invoice_id})
            assert isinstance(backend.enqueue_many([given])[0], Conflict)
            made = invoice.make_invoice_id(_suffix_of(f"{run}-five"), SystemClock().now_ms())
            backend.enqueue(intent(f"{run}-uses-its-suffix").model_copy(update={"invoice_id": made}))
        assert State.PAID in outcomes

        assert_watched(guarded, act_as, plain.key)

        act_as("web")
        with Transfers.from_env() as web:
            challenge = web.challenge(secure.handle)
            assert challenge is not None
            answer = bank_answer(bank, challenge.md)
            assert web.confirm(md=challenge.md, pa_res=answer) is Verdict.ACCEPTED
            assert web.wait(secure.key, timeout=60).state is State.PAID
            assert web.notify({"invoiceId": late.invoice_id}) is not None
            assert not web.is_guessing()

        with guarded.client("ledger", "root") as root:  # a queue that no worker serves, for the scan to read
            root.rpush(f"{_QUEUE}:unserved", "x")
        act_as("ops")
        ops("doctor")
        for words in (*LOOKING, ("status", plain.key), ("explain", plain.key)):
            ops(*words)
        assert_searched(plain.key)
        pause_id = paused()
        ops("scan")  # there is an added pause now
        act_as("producer")
        with Transfers.from_env() as backend:
            assert_handled(backend, fails_at=plain.key)
            held_back, second = (backend.enqueue(intent(f"{run}-{name}")) for name in ("five", "six"))
            cancelled = backend.cancel(second.key, reason="not wanted"), backend.get(second.key).state
            assert cancelled == ("cancelled", State.CANCELLED), "with a look for the bank's contradiction"
            assert_listed(backend, second.key)
        act_as("ops")
        assert plain.key in ops("outcomes", "list", "--group", "books")
        ops("outcomes", "replay", "--group", "books", "--reference", f"{run}-one")
        assert "books" in ops("outcomes", "groups")
        act_as("producer")
        with Transfers.from_env() as backend:
            assert_handled(backend, replayed=plain.key)
        act_as("ops")
        ops("cancel", held_back.key, "--reason", "not wanted")
        ops("queue", "rebuild", "--apply", "--reason", "a test")
        ops("unpause", pause_id, "--reason", "a test")
        ops("audit")

    assert refusals(guarded) == []


def assert_searched(key: str) -> None:
    """As the console's box looks for it, by what the bank calls it."""
    ledger = Context.connect().ledger
    record = ledger.get(key)
    assert record is not None
    for name in (record.bank_id, record.bank_reference, record.reference):
        found = search(ledger, name)
        assert {each.key for look in found.looks for each in look.records} >= {key}
        assert [look.unknown for look in found.looks if look.unknown] == []


def states_told(backend: Transfers) -> list[State]:
    states = []
    for outcome in backend.outcomes("payouts", idle=0.1):
        states.append(outcome.state)
        outcome.ack()
    return states


def assert_listed(backend: Transfers, key: str) -> None:
    """In both orders, of one terminal and of all, with a look for the bank's contradictions."""
    for page in (backend.list(newest=True), backend.list(State.CANCELLED, terminal="main", limit=1000)):
        assert key in [transfer.key for transfer in page.items]


def assert_handled(backend: Transfers, *, fails_at: str = "", replayed: str = "") -> None:
    """By a consumer whose handler fails at one transfer; later it gets what an operator replays."""
    keys = []

    def handler(outcome: Outcome) -> None:
        keys.append(outcome.key)
        if outcome.key == fails_at:
            raise ValueError

    backend.run_outcomes(handler, group="books", consumer="one", idle=0.1, set_aside_after=2)
    assert (fails_at or replayed) in keys


def assert_exported(guarded: Guarded, act_as: Callable[[str], None]) -> None:
    """Each fact is known under the exporter's own user."""
    with guarded.client("ledger", "root") as root:  # of which the overview would read the record
        root.hset(redis_keys.CONTRADICTED, KEY, "paid")
    act_as("exporter")
    told = Exporter(Context.connect()).metrics().decode()
    assert re.findall(r"^transfers_fact_up.* 0\.0$", told, re.MULTILINE) == []
    assert 'transfers_trouble{what="servers_wrong"} 0.0' in told
    assert 'transfers_trouble{what="contradiction"} 2.0' in told
    with guarded.client("ledger", "root") as root:
        root.hdel(redis_keys.CONTRADICTED, KEY)


def assert_watched(guarded: Guarded, act_as: Callable[[str], None], key: str) -> None:
    """By the exporter; and by a follower that stops after what there is: the transfer's events, and no alarm."""
    assert_exported(guarded, act_as)
    act_as("follower")
    assert key in ops("events", "--json", "--limit", "1000")
    keys: list[str | None] = []
    alarms: list[TrailAlarm] = []
    output = Output(
        event=lambda event: keys.append(event.fields.get("key")),
        alarm=alarms.append,
        flush=lambda: None,
        trouble=pytest.fail,
    )
    with guarded.client("ledger", "follower") as client:
        Follower(
            Events(client), Position(), output, SystemClock(), is_stopping=lambda: bool(keys), sleep=lambda _: None
        ).run()
    assert key in keys
    assert alarms == []


LOOKING = [
    ("list",), ("list", "--json"), ("events",), ("queues",), ("parked",), ("doubt",), ("dead", "list"),
    ("list", "paid", "--code", "0"), ("pauses",), ("terminals",), ("scan",), ("overview",), ("overview", "--json"),
]  # fmt: skip


def test_what_a_worker_does_seldom_is_not_refused_either(guarded: Guarded) -> None:  # noqa: PLR0915 - a list of what it does
    """A breaker that opens and closes, a lane that stops by itself, the event log's trimming, the queue's housekeeping,
    a message that is none: nothing of it comes up in an ordinary hour, and each needs its own leave.
    """
    forget_refusals(guarded)
    with (
        guarded.client("ledger", "worker") as client,
        connect(address("worker", guarded.ports["ledger"]).removesuffix("/0") + "/1", text=False) as queue,
        guarded.client("ledger", "producer") as producer,
    ):
        events, pauses = Events(client), Pauses(client)
        Events(producer).join("seldom")
        assert Events(producer).take("seldom", "one", count=1) is not None
        breakers = Breakers(client, events, "worker")
        breakers.trip("bank.example", "a test")
        assert breakers.refresh() == {"bank.example"}
        client.hset(redis_keys.BREAKERS, "open:bank.example", "1")
        assert breakers.may_probe("bank.example")
        assert breakers.half_open("bank.example")
        assert breakers.has_turn("251124999999", ["host bank.example"])
        breakers.close("bank.example")
        with guarded.client("ledger", "root") as root:
            root.hset(redis_keys.SERVER, "is", "another")
        server = LedgerServer(client, "worker")
        server.take_first(server.look())
        assert server.take(server.look(), "a test")
        assert Replicas(1).ask(client).startswith("0 of 1 replicas")
        pauses.pause(Lane.SEND, "kiosk", actor="worker", reason="its limit")
        (ended_pause,) = (pause for pause in pauses.standing() if pause.terminal == "kiosk")
        end_pauses(pauses, Lane.SEND, "kiosk")
        assert pauses.has_ended(ended_pause.field_name, ended_pause.written)
        assert events.newest(1), "whether the worker that died on an entry has answered it"
        events.trim(1)
        unreadable = RecordUnreadable("251124999999", "its state is unknown")
        Ledger(client)._aside.set([unreadable], Ledger(client).now_ms())
        client.zadd(redis_keys.DUE, {"251124999999": 1})
        assert Ledger(client).due(10).records == []
        client.zrem(redis_keys.DUE, "251124999999")
        with guarded.client("ledger", "root") as root:
            root.hset(redis_keys.WORKERS, "one that is gone", "1 {}")
            root.delete(redis_keys.SAMPLE_TURN)
        Heartbeats(client).tell("worker", Heartbeat())
        assert "one that is gone" not in [told.worker for told in Heartbeats(client).told()]
        Heartbeats(client).leave("worker")
        assert Samples(client).is_turn()
        Samples(client).put(Sample(at_ms=1))
        with guarded.client("ledger", "root") as root:
            ended = factories.into(Ledger(root), (State.DECLINED, Phase.SEND), f"ended-{secrets.token_hex(4)}")
        against = {"key": ended.key, "bank_said": "paid"}
        change = HashChange(redis_keys.CONTRADICTED, set={ended.key: "paid"}, once=True)
        assert events.tell(Alarm.CONTRADICTION, against, change)
        with guarded.client("ledger", "web") as web:
            assert Ledger(web).is_contradicted(ended.key, State.DECLINED)
        corrected = Ledger(client).move(ended, Verb.CORRECT_PAID, Change(watch_in=0), actor="worker")
        assert isinstance(corrected, Moved)
        assert ended.key in {record.key for record in Ledger(client).watched(20)}
        lost = f"261128{secrets.randbelow(10**6):06d}"
        with guarded.client("ledger", "root") as root:
            root.setbit(redis_keys.suffixes("main"), int(lost[-6:]), 1)
            root.delete(redis_keys.record(lost))
            root.hset(redis_keys.LOST, f"main:{int(lost[-6:])}", lost)
            root.hincrby(redis_keys.COUNTERS, "sum:queued:main:KZT:", 10**16)  # Lua's numbers are not exact there
        much = factories.create(Ledger(producer), f"much-{secrets.token_hex(4)}")
        with guarded.client("ledger", "root") as root:
            root.hincrby(redis_keys.COUNTERS, "sum:queued:main:KZT:", -(10**16))
        Ledger(producer).move(much, Verb.CANCEL, Change(), actor="backend")  # it has no card: an audit would say so
        again = factories.new_transfer(f"lost-{lost}", invoice_id=lost)
        assert Ledger(producer).create([again], actor="backend") == [Lost(lost)]
        terminals.bind(client, {PUBLIC_TEST.terminals[0]: "main"})
        broker = Broker(queue, [], {NOW: 1})
        assert Wakeups(broker).waiting(NOW) < 1_000_000
        queue.hset(f"{_QUEUE}:{NOW}.msgs", "id-1", "no message")
        queue.rpush(f"{_QUEUE}:{NOW}", "id-1")
        with connect(address("ops-first", guarded.ports["ledger"]).removesuffix("/0") + "/1", text=False) as looks:
            assert [each.waiting for each in Queues(looks, SystemClock()).read() if each.name == NOW] == [1]
        queue.zadd(f"{_QUEUE}:__heartbeats__", {"one that died": 1})
        queue.sadd(f"{_QUEUE}:__acks__.one that died.{NOW}", "id-1")
        broker._chance = 1_000_000
        assert broker.do_fetch(NOW, 1) == []
        broker._again.add("id-1")
        assert broker.begin(_wakeup_of("id-1")) == 2, "it was fetched again: a round trip counts it"
        queue.hdel(BEGINNINGS, "id-1")

    key = f"251124{secrets.randbelow(10**6):06d}"
    with guarded.client("vault", "producer") as producer, guarded.client("vault", "worker") as worker:
        Vault(producer).put(Purpose.CARD, key, 1, "sealed", 60_000)
        taken = Vault(worker).take(Purpose.CARD, key, 1, 1, "n" * 16)
        assert isinstance(taken, Taken)
        assert Vault(worker).put_back(Purpose.CARD, key, 1, taken, 60_000) is PutBack.DONE
        assert Vault(worker).refence(Purpose.CARD, key, 2)
        Vault(worker).drop(key)

    assert refusals(guarded) == []


def _wakeup_of(message_id: str) -> dramatiq.MessageProxy:
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=NOW,
        actor_name="execute",
        args=("251124000001",),
        kwargs={},
        options={"redis_message_id": message_id},
    )
    return dramatiq.MessageProxy(message)


#: `doctor` asks the worker's own checks in a process of its own, which is taken for the worker here. WAITAOF, which a
#: worker sends, is allowed by its category alone.
OUT_OF_SIGHT = {"ops-first": {redis_keys.TERMINALS}, "worker": {"@blocking"}}

#: `tests/ledger/test_sentinels.py` has a replica and Sentinels come by theirs, `test_console_users.py` the console.
ELSEWHERE = {"backend", "console", "admin", "repair", "archive", "replica", "sentinel"}


def test_every_leave_is_used(
    guarded: Guarded, act_as: Callable[[str], None], bank: RunningSandbox, tmp_path: Path
) -> None:
    """A command or a key that a user has leave for, and that the product uses nowhere, is a thief's alone."""
    with guarded.client("ledger", "root") as root:
        root.script_flush()  # so each user loads its own
    with listening(guarded, "ledger") as ledger, listening(guarded, "vault") as vault:
        test_the_whole_system_runs_under_its_users(guarded, act_as, bank, tmp_path)
        test_what_a_worker_does_seldom_is_not_refused_either(guarded)
    unused = {}
    for server, heard in (("ledger", ledger), ("vault", vault)):
        for name, user in server_users.users(server, ["first"]).items():
            for at, rule in enumerate(user.rules):
                left = heard.unused(name, rule, scripts=at == 0) - OUT_OF_SIGHT.get(name, set())
                if left and name not in ELSEWHERE:
                    unused[server, name, at] = sorted(left)
    assert unused == {}


def bank_answer(bank: RunningSandbox, md: str) -> str:
    import requests  # noqa: PLC0415 - only the client of the bank needs it

    answer = requests.post(f"{bank.url}/acs/answer", json={"md": md, "password": "secret"}, timeout=30)
    return str(answer.json()["PaRes"])


KEY = "251124000001"
RECORD = redis_keys.record(KEY)

#: The server, who, and what it is that is not theirs to do.
FORBIDDEN = [
    *(("ledger", user, ("CONFIG", "GET", "masterauth")) for user in ("admin", "follower")),
    ("vault", "producer", ("GET", redis_keys.sealed_card(KEY))),
    ("vault", "producer", ("GETRANGE", redis_keys.sealed_card(KEY), "0", "9")),
    ("vault", "producer", ("GET", redis_keys.sealed_pares(KEY))),
    ("vault", "backend", ("GET", redis_keys.sealed_card(KEY))),
    ("vault", "backend", ("GET", redis_keys.sealed_pares(KEY))),
    ("vault", "admin", ("GET", redis_keys.sealed_pares(KEY))),
    ("vault", "web", ("GET", redis_keys.sealed_card(KEY))),
    ("vault", "producer", ("SET", redis_keys.sealed_card(KEY), "x", "GET")),
    ("vault", "producer", ("DUMP", redis_keys.sealed_card(KEY))),
    ("vault", "producer", ("GETDEL", redis_keys.sealed_card(KEY))),
    ("vault", "producer", ("SET", redis_keys.HIGH_WATER, "1")),
    ("vault", "producer", ("SET", redis_keys.pares(KEY), "B:1:")),
    ("vault", "web", ("SET", redis_keys.card(KEY), "B:1:")),
    ("vault", "web", ("GET", redis_keys.card(KEY))),
    ("vault", "web", ("SET", redis_keys.sealed_card(KEY), "x")),
    ("vault", "web", ("GET", redis_keys.sealed_pares(KEY))),
    ("vault", "web", ("SET", redis_keys.WRITES, "0:99")),
    ("vault", "web", ("SET", redis_keys.HIGH_WATER, "99")),
    ("vault", "ops", ("GET", redis_keys.sealed_pares(KEY))),
    ("vault", "ops", ("GET", redis_keys.sealed_card(KEY))),
    ("vault", "ops", ("SET", redis_keys.sealed_card(KEY), "x")),
    ("vault", "ops", ("SET", redis_keys.card(KEY), "B:1:")),
    ("vault", "ops", ("DEL", redis_keys.card(KEY))),
    ("vault", "admin", ("GET", redis_keys.sealed_card(KEY))),
    ("vault", "admin", ("GET", redis_keys.card(KEY))),
    ("vault", "admin", ("ACL", "SETUSER", "admin", "+@all")),
    ("vault", "admin", ("CONFIG", "SET", "save", "1 1")),
    ("vault", "worker", ("SET", "anything", "x")),
    ("ledger", "producer", ("SET", redis_keys.bank_id("a9e1"), KEY)),
    ("ledger", "producer", ("HSET", redis_keys.bank_ids("a9e1")[0], redis_keys.bank_id_name("a9e1"), KEY)),
    ("ledger", "producer", ("HSET", redis_keys.references("204978430339")[0], "204978430339", KEY)),
    ("ledger", "producer", ("DEL", redis_keys.EVENTS)),
    ("ledger", "producer", ("SET", redis_keys.EVENTS, "x")),
    ("ledger", "producer", ("PEXPIRE", redis_keys.EVENTS, "1")),
    ("ledger", "producer", ("XTRIM", redis_keys.EVENTS, "MAXLEN", "0")),
    ("ledger", "producer", ("XDEL", redis_keys.EVENTS, "1-1")),
    ("ledger", "producer", ("DEL", RECORD)),
    ("ledger", "producer", ("SET", RECORD, "x")),
    ("ledger", "producer", ("RPUSH", redis_keys.inbox("web"), "x")),
    ("ledger", "producer", ("RPUSH", redis_keys.inbox("ops:first"), "x")),
    ("ledger", "producer", ("RPUSH", f"{_QUEUE}:confirms", "x")),
    ("ledger", "producer", ("LPOP", f"{_QUEUE}:transfers.now")),
    ("ledger", "producer", ("GET", redis_keys.md("md"))),
    ("ledger", "producer", ("HSET", redis_keys.BREAKERS, "open:bank", "0")),
    *(
        ("ledger", user, ("GET", redis_keys.prints(KEY)))
        for user in ("web", "worker", "ops", "follower", "exporter", "console", "admin")
    ),
    ("ledger", "producer", ("HDEL", redis_keys.ADDED_PAUSES, "k7f3")),
    ("ledger", "producer", ("HDEL", redis_keys.PAUSES, "k7f3")),
    ("ledger", "producer", ("HSET", redis_keys.OUTCOME_REPLAYS, "payouts 1", "x")),
    ("ledger", "web", ("HSET", redis_keys.OUTCOME_REPLAYS, "payouts 1", "x")),
    ("ledger", "web", ("HGETALL", redis_keys.OUTCOMES_ASIDE)),
    ("ledger", "ops", ("HSET", redis_keys.OUTCOMES_ASIDE, "payouts 1 1-1", "x")),
    ("ledger", "ops", ("HDEL", redis_keys.OUTCOMES_ASIDE, "payouts 1 1-1")),
    ("ledger", "ops", ("HDEL", redis_keys.OUTCOME_REPLAYS, "payouts 1")),
    ("ledger", "ops", ("XCLAIM", redis_keys.EVENTS, "payouts", "one", "0", "1-1")),
    ("ledger", "ops", ("XACK", redis_keys.EVENTS, "payouts", "1-1")),
    ("ledger", "worker", ("HDEL", redis_keys.OUTCOMES_ASIDE, "payouts 1 1-1")),
    ("ledger", "exporter", ("HGETALL", redis_keys.OUTCOMES_ASIDE)),
    ("ledger", "web", ("HSET", RECORD, "amount", "9990000")),
    ("ledger", "web", ("HSET", RECORD, "state", "declined")),
    ("ledger", "web", ("HDEL", RECORD, "deadline_at")),
    ("ledger", "web", ("XADD", redis_keys.EVENTS, "*", "verb", "decline")),
    ("ledger", "web", ("XADD", redis_keys.EVENTS, "MAXLEN", "0", "*", "verb", "x")),
    ("ledger", "web", ("HINCRBY", redis_keys.COUNTERS, "sequence", "1")),
    ("ledger", "web", ("ZADD", redis_keys.DUE, "1", KEY)),
    ("ledger", "web", ("SET", redis_keys.handle("h"), KEY)),
    ("ledger", "web", ("DEL", redis_keys.handle("h"))),
    ("ledger", "web", ("SET", redis_keys.challenge(KEY), "x")),
    ("ledger", "web", ("SET", redis_keys.bank_id("a9e1"), KEY)),
    ("ledger", "web", ("HSET", redis_keys.bank_ids("a9e1")[0], redis_keys.bank_id_name("a9e1"), KEY)),
    ("ledger", "web", ("SETBIT", redis_keys.suffixes("main"), "1", "1")),
    ("ledger", "web", ("SET", redis_keys.reference("payout"), KEY)),
    ("ledger", "web", ("RPUSH", f"{_QUEUE}:transfers.now", "x")),
    ("ledger", "web", ("RPUSH", f"{_QUEUE}:confirms", "x")),
    ("ledger", "web", ("HSET", f"{_QUEUE}:confirms.msgs", "a", "x")),
    ("ledger", "web", ("HSET", redis_keys.PAUSES, "k7f3", "0 send * - - []")),
    ("ledger", "web", ("HSETNX", redis_keys.ADDED_PAUSES, "k7f3", "0 send * - - []")),
    ("ledger", "web", ("LRANGE", redis_keys.inbox("web"), "0", "-1")),
    ("ledger", "web", ("LPOP", redis_keys.inbox("web"))),
    ("ledger", "web", ("DEL", redis_keys.inbox("web"))),
    ("ledger", "web", ("RPUSH", redis_keys.inbox("ops:first"), "x")),
    ("ledger", "ops", ("HSET", RECORD, "state", "declined")),
    ("ledger", "ops", ("HSET", RECORD, "amount", "9990000")),
    ("ledger", "ops", ("XADD", redis_keys.EVENTS, "*", "verb", "decline")),
    ("ledger", "ops", ("DEL", redis_keys.EVENTS)),
    ("ledger", "ops", ("ZADD", redis_keys.DUE, "1", KEY)),
    ("ledger", "ops", ("HSET", redis_keys.COUNTERS, "sequence", "1")),
    ("ledger", "ops", ("HDEL", redis_keys.ADDED_PAUSES, "k7f3")),
    ("ledger", "ops", ("HSET", redis_keys.ADDED_PAUSES, "k7f3", "1 send * - - []")),
    ("ledger", "ops", ("HSETNX", redis_keys.PAUSES, "k7f3", "1 send * - - []")),
    ("ledger", "ops", ("DEL", redis_keys.PAUSES)),
    ("ledger", "ops", ("HDEL", redis_keys.PAUSES, "k7f3")),
    ("ledger", "ops", ("RPUSH", redis_keys.inbox("ops:second"), "x")),
    ("ledger", "ops", ("RPUSH", redis_keys.inbox("web"), "x")),
    ("ledger", "ops", ("LPOP", redis_keys.inbox("ops:first"))),
    ("ledger", "ops", ("HSET", redis_keys.TERMINALS, "t", "main")),
    ("ledger", "ops", ("HDEL", redis_keys.UNREADABLE, KEY)),
    ("ledger", "ops", ("SET", redis_keys.reference("payout"), KEY)),
    ("ledger", "ops", ("RPUSH", f"{_QUEUE}:inquiries", "x")),
    ("ledger", "ops", ("LPOP", f"{_QUEUE}:transfers.now")),
    ("ledger", "worker", ("DEL", redis_keys.EVENTS)),
    ("ledger", "worker", ("DEL", RECORD)),
    ("ledger", "worker", ("HDEL", redis_keys.bank_ids("a9e1")[0], redis_keys.bank_id_name("a9e1"))),
    ("ledger", "worker", ("SET", redis_keys.bank_id("a9e1"), KEY)),
    ("ledger", "worker", ("SET", redis_keys.EVENTS, "x")),
    ("ledger", "worker", ("PEXPIRE", RECORD, "1")),
    ("ledger", "worker", ("RPUSH", redis_keys.inbox("ops:first"), "x")),
    ("ledger", "worker", ("SETBIT", redis_keys.suffixes("main"), "1", "1")),
    ("ledger", "worker", ("SET", redis_keys.reference("payout"), KEY)),
    ("ledger", "follower", ("HGETALL", RECORD)),
    ("ledger", "follower", ("HGET", RECORD, "amount")),
    ("ledger", "follower", ("HGETALL", redis_keys.COUNTERS)),
    ("ledger", "follower", ("GET", redis_keys.reference("payout"))),
    ("ledger", "follower", ("GET", redis_keys.handle("h"))),
    ("ledger", "follower", ("GET", redis_keys.challenge(KEY))),
    ("ledger", "follower", ("LRANGE", redis_keys.inbox("web"), "0", "-1")),
    ("ledger", "follower", ("LLEN", f"{_QUEUE}:transfers.now")),
    ("ledger", "follower", ("SMEMBERS", redis_keys.PAUSES)),
    ("ledger", "follower", ("SCAN", "0")),
    ("ledger", "follower", ("XADD", redis_keys.EVENTS, "*", "verb", "decline")),
    ("ledger", "follower", ("XTRIM", redis_keys.EVENTS, "MAXLEN", "0")),
    ("ledger", "follower", ("XDEL", redis_keys.EVENTS, "1-1")),
    ("ledger", "follower", ("DEL", redis_keys.EVENTS)),
    ("ledger", "follower", ("XGROUP", "CREATE", redis_keys.EVENTS, "payouts", "0")),
    ("ledger", "follower", ("XREADGROUP", "GROUP", "payouts", "a", "STREAMS", redis_keys.EVENTS, ">")),
    ("ledger", "follower", ("HSET", redis_keys.COUNTERS, "events", "1")),
    ("ledger", "follower", ("SADD", redis_keys.PAUSES, "send:*")),
    ("ledger", "follower", ("RPUSH", redis_keys.inbox("web"), "x")),
    ("ledger", "follower", ("CONFIG", "GET", "requirepass")),
    ("ledger", "follower", ("INFO",)),
    ("ledger", "console", ("RPUSH", redis_keys.inbox("web"), "x")),
    ("ledger", "console", ("RPUSH", redis_keys.inbox("ops:first"), "x")),
    ("ledger", "console", ("RPUSH", redis_keys.inbox("ops:console"), "x")),
    ("ledger", "console", ("LRANGE", redis_keys.inbox("ops:first"), "0", "-1")),
    ("ledger", "console", ("SADD", redis_keys.OPERATORS, "console")),
    ("ledger", "console", ("HSETNX", redis_keys.ADDED_PAUSES, "k7f3", "x")),
    ("ledger", "console", ("HSET", redis_keys.OUTCOME_REPLAYS, "payouts 1", "x")),
    ("ledger", "console", ("HSET", RECORD, "state", "paid")),
    ("ledger", "console", ("XADD", redis_keys.EVENTS, "*", "verb", "decline")),
    ("ledger", "console", ("GET", redis_keys.handle("h"))),
    ("ledger", "console", ("GET", redis_keys.challenge(KEY))),
    ("ledger", "console", ("SCAN", "0")),
    ("vault", "console", ("GET", redis_keys.sealed_card(KEY))),
    ("vault", "console", ("GET", redis_keys.pares(KEY))),
    ("vault", "console", ("SET", redis_keys.HIGH_WATER, "1")),
    ("vault", "console", ("SCAN", "0")),
    ("ledger", "exporter", ("HGETALL", RECORD)),
    ("ledger", "exporter", ("GET", redis_keys.reference("payout"))),
    ("ledger", "exporter", ("GET", redis_keys.handle("h"))),
    ("ledger", "exporter", ("GET", redis_keys.challenge(KEY))),
    ("ledger", "exporter", ("LRANGE", redis_keys.inbox("web"), "0", "-1")),
    ("ledger", "exporter", ("LINDEX", f"{_QUEUE}:transfers.now", "0")),
    ("ledger", "exporter", ("SCAN", "0")),
    ("ledger", "exporter", ("XADD", redis_keys.EVENTS, "*", "verb", "decline")),
    ("ledger", "exporter", ("XTRIM", redis_keys.EVENTS, "MAXLEN", "0")),
    ("ledger", "exporter", ("HSET", RECORD, "state", "paid")),
    ("ledger", "exporter", ("HSET", redis_keys.COUNTERS, "events", "1")),
    ("ledger", "exporter", ("HSETNX", redis_keys.ADDED_PAUSES, "k7f3", "x")),
    ("ledger", "exporter", ("RPUSH", redis_keys.inbox("web"), "x")),
    ("ledger", "exporter", ("RPUSH", redis_keys.inbox("ops:first"), "x")),
    ("vault", "exporter", ("GET", redis_keys.card(KEY))),
    ("vault", "exporter", ("GET", redis_keys.sealed_card(KEY))),
    ("vault", "exporter", ("GET", redis_keys.WRITES)),
    ("vault", "exporter", ("SCAN", "0")),
    ("vault", "exporter", ("SET", redis_keys.HIGH_WATER, "1")),
    ("ledger", "admin", ("HSET", RECORD, "state", "paid")),
    ("ledger", "admin", ("HGETALL", RECORD)),
    ("ledger", "admin", ("DEL", redis_keys.EVENTS)),
    ("ledger", "admin", ("ACL", "SETUSER", "admin", "+@all")),
    ("ledger", "admin", ("CONFIG", "SET", "appendonly", "no")),
    ("ledger", "admin", ("FLUSHALL",)),
]

#: What no process of ours does on any server: copying it, stopping it, watching others, writing scripts of its own.
NOBODYS = [
    "FLUSHALL", "CONFIG SET save 1", "SAVE", "BGSAVE", "MONITOR", "REPLICAOF ::1 1", "SLOWLOG GET", "ACL LIST",
    "ACL SETUSER worker +@all", "CLIENT LIST", "EVAL return 0", "FUNCTION LIST", "FUNCTION LOAD x", "FCALL x 0",
    "MODULE LIST", "SHUTDOWN", "PUBLISH a b", "RANDOMKEY", "DBSIZE", "SCRIPT FLUSH", "SCRIPT KILL",
]  # fmt: skip


@pytest.mark.parametrize(
    ("server", "user", "words"), FORBIDDEN, ids=[f"{server}-{user}-{words[0]}" for server, user, words in FORBIDDEN]
)
def test_what_is_not_theirs_is_refused(guarded: Guarded, server: str, user: str, words: tuple[str, ...]) -> None:
    with guarded.client(server, user) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*words)


@pytest.mark.parametrize(
    ("server", "user"),
    [*product(OPTIONS, ["producer", "web", "backend", "worker", "ops", "exporter", "console"]), ("ledger", "follower")],
)
def test_no_process_of_ours_may_copy_stop_or_watch_a_server(guarded: Guarded, server: str, user: str) -> None:
    with guarded.client(server, user) as client:
        for command in NOBODYS:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command.split())


#: A script that never ends by itself: it makes a server answer BUSY, and one that has written can't be killed.
ENDLESS = "redis.call('SET', KEYS[1], 'x') while true do end"


@pytest.mark.parametrize(
    ("server", "user"),
    [
        *product(OPTIONS, ["producer", "web", "backend", "worker", "ops", "exporter", "console", "admin"]),
        ("ledger", "follower"),
    ],
)
def test_a_user_runs_no_script_but_its_own(guarded: Guarded, server: str, user: str) -> None:
    """One that a thief has loaded may stand there, and one of another user as well: neither is run."""
    own = {server_users.digest(script) for script in server_users.users(server, ["first"])[its_name(user)].scripts}
    theirs = {
        server_users.digest(script)
        for other in server_users.users(server, ["first"]).values()
        for script in other.scripts
    } - own
    with guarded.client(server, "root") as root, guarded.client(server, user) as client:
        foreign = root.script_load(ENDLESS)
        for digest in (foreign, *theirs):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.evalsha(digest, 1, redis_keys.WRITES)
        assert client.ping()


def its_name(user: str) -> str:
    return f"{USER}first" if user == "ops" else user


def test_the_web_tier_can_not_enqueue(guarded: Guarded, act_as: Callable[[str], None]) -> None:
    """Its `enqueue` makes no record, uses no suffix, puts no card into the vault and rings no wakeup."""
    act_as("web")
    with guarded.client("ledger", "root") as ledger, guarded.client("vault", "root") as vault:
        before = (ledger.bitcount(redis_keys.suffixes("main")), ledger.dbsize(), vault.dbsize())
        with Transfers.from_env() as web, pytest.raises(LedgerUnavailable):
            web.enqueue(intent("by-the-web-tier"))
        after = (ledger.bitcount(redis_keys.suffixes("main")), ledger.dbsize(), vault.dbsize())

    assert before == after
    with guarded.client("vault", "web") as client, pytest.raises(VaultUnavailable):
        Vault(client).put(Purpose.CARD, "251124000001", 1, "sealed", 1000)


def test_the_web_tier_is_told_of_a_vault_that_went_back_without_leave_to_write_the_count(guarded: Guarded) -> None:
    """Its calls are held to the count that guards cards, and change nothing of it."""
    with guarded.client("vault", "root") as root, guarded.client("vault", "web") as client:
        place, before = "251124000777", root.get(redis_keys.WRITES)
        web = Vault(client)
        web.put(Purpose.PARES, place, 1, "sealed", 60_000)
        assert root.get(redis_keys.WRITES) == before
        run = web.seen
        assert run is not None
        web.know(Run(run.id, run.writes + 1))
        for call in (lambda: web.put(Purpose.PARES, place, 2, "x", 1000), lambda: web.look(Purpose.PARES, place)):
            with pytest.raises(VaultWentBack):
                call()
        root.delete(redis_keys.pares(place), redis_keys.sealed_pares(place))


def test_nobody_comes_in_without_a_name(guarded: Guarded) -> None:
    for port in guarded.ports.values():
        with connect(f"redis://127.0.0.1:{port}/0") as client, pytest.raises(redis.AuthenticationError):
            client.ping()


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_ledger_with_its_users_that_is_killed_comes_up_with_all_that_scripts_wrote(
    product: str, tmp_path: Path
) -> None:
    """Many servers read their append-only file as the user `default`, and leave out what it may not do."""
    port, folder = free_port(), tmp_path / "ledger"
    folder.mkdir()
    (folder / "users.acl").write_text(USERS.filled("ledger"))
    words = command(server_binary(product), "ledger", folder, port)
    with running_server(words, address("admin", port), is_killed=True), connect(address(ROOT, port)) as client:
        factories.into(Ledger(client), (State.SENDING, Phase.SEND), "payout-1")
        before = snapshot(client)
    with running_server(words, address("admin", port)), connect(address(ROOT, port)) as client:
        assert snapshot(client) == before


@pytest.mark.parametrize("name", OPTIONS)
def test_a_file_whose_holes_are_not_filled_starts_no_server(name: str, tmp_path: Path) -> None:
    """So no password is anybody's default."""
    (tmp_path / "users.acl").write_text("\n".join(lines_of(name)) + "\n")

    done = subprocess.run(  # noqa: S603 - the server that the package ships
        command(server_binary("valkey"), name, tmp_path, free_port()), timeout=30, check=False
    )

    assert done.returncode != 0
    assert "ACL errors" in (tmp_path / "server.log").read_text()


def test_the_users_are_the_same_in_both_files_and_none_is_a_default() -> None:
    names = [[line.split()[1] for line in lines_of(name)] for name in OPTIONS]

    assert names[0] == ["default", *NAMES]
    off = {"repair", "archive", "replica", "sentinel"}
    assert [name for name in names[0] if name not in {"follower", *off}] == names[1]
    assert {"follower", *off} < set(names[0])
    assert all(f"user {name} off " in "\n".join(lines_of("ledger")) for name in off)
    assert all("nopass" not in line and ">" not in line for name in OPTIONS for line in lines_of(name))


@pytest.mark.parametrize("name", OPTIONS)
def test_the_files_in_deploy_are_what_the_code_writes(name: str) -> None:
    """`transfers acl deploy --operator first --operator second` writes them anew."""
    assert "\n".join(lines_of(name)) + "\n" == server_users.file_text(name, ["first", "second"])


def test_during_an_upgrade_the_scripts_of_the_release_before_are_allowed_as_well(tmp_path: Path) -> None:
    """Of each user its own, beside those of this release; and no user gets one that it did not have."""
    before, older = tmp_path / "before", "0" * 40
    before.mkdir()
    for name in OPTIONS:
        text = server_users.file_text(name, ["first"])
        (before / f"users-{name}.acl").write_text(text.replace("+script|load", f"+script|load +evalsha|{older}", 1))
    ops("acl", str(tmp_path / "now"), "--operator", "first", "--previous", str(before))

    for name in OPTIONS:
        lines = (tmp_path / "now" / f"users-{name}.acl").read_text().splitlines()
        with_it = [line.split()[1] for line in lines if older in line]
        assert with_it == ["producer"]
        assert "\n".join(lines).replace(f" +evalsha|{older}", "") + "\n" == server_users.file_text(name, ["first"])


def test_each_user_stays_on_or_off_under_its_password(tmp_path: Path) -> None:
    """The files of an upgrade, out of those in use; a user that is new has a placeholder, and the command names it."""
    in_use, now = tmp_path / "in-use", tmp_path / "now"
    in_use.mkdir()
    for name in OPTIONS:
        text = server_users.file_text(name, ["first"])
        filled = server_users.with_passwords(text, {user: f"of {user}" for user in server_users.users_in(text)})
        (in_use / f"users-{name}.acl").write_text(
            filled.replace("user replica off #", f"user replica on #{'0' * 64} #")
        )

    said = ops("acl", str(now), "--operator", "first", "--operator", "second", "--passwords-of", str(in_use))

    for name in OPTIONS:
        before, after = (
            dict(re.findall(r"^user (\S+) ((?:on|off)(?: #\w{64})*)", text, re.MULTILINE))
            for text in ((folder / f"users-{name}.acl").read_text() for folder in (in_use, now))
        )
        assert {user: after[user] for user in before} == before
        assert after.keys() - before.keys() == {"ops-second"}
        assert f"users-{name}.acl: these lack a password: ops-second." in said
        assert server_users.users_in((now / f"users-{name}.acl").read_text()) == ["ops-second"]
    assert "replica" not in re.findall("user (.*) off", (now / "users-ledger.acl").read_text())


@pytest.mark.parametrize("name", ["", "a b", "x" * 33, "first) ~*", "-first"])
def test_a_name_that_would_be_read_as_rules_is_refused(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["acl", str(tmp_path), "--operator", name])

    assert result.exit_code != 0
    assert list(tmp_path.iterdir()) == []
