"""Fourteen incidents on real parts: what the first line of `overview` says, what it tells to type, that `doctor` is
never healthier, and that the alert fires on what is exported. None of it shows while nothing is wrong: each incident
begins with a system that is well.
"""

import re
import signal
from collections.abc import Callable

import pytest

from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.heartbeats import SILENT_MS, Heartbeats
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ops.overview.judgement import Trouble
from epay_transfers.sandbox.faults import Rule
from tests.incidents.conftest import System
from tests.support import factories, promtool
from tests.support.clocks import FakeClock
from tests.support.runbook import is_quoted, name_of, part_of
from tests.support.waiting import until

ACT, ATTENTION = 20, 10


def told(system: System, what: str, level: int, *words: str, command: str) -> list[str]:
    """The page, whose first line names this trouble, and next to it the command (a pattern); `doctor` says it too."""
    lines = system.page()
    said = system.says("overview", "--json")
    first = said.json["judgements"][0]
    assert (first["what"], said.status) == (what, level), said.json["judgements"]
    opening = " ".join(line.strip() for line in lines[:12])
    assert ("ACT: " if level == ACT else "ATTENTION: ") in lines[0]
    for word in words:
        assert word in opening, opening
    assert re.match(command, first["command"]), first["next"]
    assert "next" in opening
    assert is_quoted(Trouble(what), first["says"]), "the runbook has this sentence"
    assert name_of(first["command"]) in part_of(Trouble(what), "Do:"), "and names the same command"
    assert system.says("doctor").status in {75, 78}, "doctor is never healthier"
    until(lambda: seen_alike(system))
    alerts = {name for name, anchor in promtool.alerts().items() if anchor == what}
    assert alerts & system.firing()
    return lines


def seen_alike(system: System) -> bool:
    """The console's first page says and advises first what the terminal does; only how long it lasts goes on."""
    seen = system.in_a_browser()
    said = system.says("overview", "--json").json["judgements"][0]
    words = {"level": said["level"].upper(), "says": said["says"], "Next": said["next"], "Runbook": said["runbook"]}
    words |= {name: said[key] for name, key in (("Safe", "safe"), ("NOT SAFE", "unsafe")) if said[key]}
    seen.pop("Concerns", "")
    numbers = re.compile(r"[0-9]+")
    return {name: numbers.sub("#", text) for name, text in seen.items()} == {
        name: numbers.sub("#", text.replace("`", "")) for name, text in words.items()
    }


def lost(system: System) -> Callable[[], bool]:
    """No worker is heard any more."""
    return lambda: not Heartbeats(system.client).alive()


def test_where_nothing_is_wrong_nothing_is_said(well: System) -> None:
    """`doctor` agrees, and the page still shows money, bank, workers and servers."""
    until(lambda: any("transfer" in told.calls for told in Heartbeats(well.client).alive()))

    lines = well.page()

    assert "WELL" in lines[0]
    assert well.says("doctor").status == 0
    seen = well.in_a_browser()
    assert (seen["level"], seen["says"]) == ("WELL", "Nothing is wrong, as far as can be seen from here.")
    text = "\n".join(lines)
    for part in ("MONEY", "BANK", "WORKERS", "PAUSES", "SERVERS", "SUFFIXES", "REQUESTS", "LAST ACT"):
        assert part in text
    assert "1 heard, 0 silent" in text
    assert "token" in text
    assert well.firing() == set()


def test_the_bank_is_down(well: System) -> None:
    well.bank.faults.add(Rule("token", "drop", "before"))
    well.enqueue(8)

    until(lambda: well.is_first("bank_down"))

    told(well, "bank_down", ACT, "the bank does not answer", "nothing is sent", command="transfers list queued")


def test_the_bank_is_slow(well: System) -> None:
    well.bank.faults.add(Rule("transfer", "latency", "before", seconds=3))
    well.enqueue(6)

    until(lambda: well.is_first("bank_slow"))

    told(well, "bank_slow", ATTENTION, "the bank is slow: transfer", "usually", command="transfers doubt")


def test_transfers_hang_while_status_answers(system: System) -> None:
    system.five_minutes_ago()
    system.start_worker(HTTP_READ_TIMEOUT="1")
    system.pay_one()
    until(lambda: system.found() == [])
    system.bank.faults.add(Rule("transfer", "hang", "before"))
    system.enqueue(8)

    until(lambda: system.is_first("transfers_hang"))

    words = ("transfers get no answer", "timeout", "token")
    told(system, "transfers_hang", ACT, *words, command="transfers pause send --cause bank")


@pytest.mark.parametrize("code", [487, 464])
def test_the_bank_refuses_the_terminal(well: System, code: int) -> None:
    well.enqueue(5, f"Payout [decline:{code}]")

    until(lambda: well.is_first("terminal_refused"))
    well.enqueue(3, first=20)

    words = ("the bank refuses the set-up of terminal main", str(code), " transfers with ")  # the three, at least
    told(well, "terminal_refused", ACT, *words, command=r"transfers unpause setup_code-send-main-\w{4} --try 1")


def test_the_bank_refuses_the_secret(system: System) -> None:
    system.five_minutes_ago()
    system.start_worker(EPAY_CLIENT_SECRET="none of the bank's")
    until(lambda: system.found() == [])
    system.enqueue(5)

    until(lambda: system.is_first("terminal_refused"))

    words = ("the bank refuses the client id or secret of terminal main", "EPAY_CLIENT_SECRET")
    told(system, "terminal_refused", ACT, *words, command=r"transfers unpause credentials-send-main-\w{4} --try 1")


def test_doubt_grows(well: System) -> None:
    well.enqueue(8, "Payout [garbage][lag:600]")

    until(lambda: well.is_first("doubt_grows"))

    told(well, "doubt_grows", ACT, "more transfers in five minutes", command="transfers pause send --cause bank")


def test_suffixes_run_out(well: System) -> None:
    well.five_minutes_ago(used=998_900)
    well.client.hset(redis_keys.COUNTERS, "used:main", 999_000)

    words = ("99.9% of the invoice ids", "1000 are left, for 3 h at this rate")
    told(well, "suffixes_out", ACT, *words, command="transfers terminals")


def test_the_ledger_is_full(well: System) -> None:
    well.client.config_set("maxmemory", 1_000_000)

    told(well, "ledger_full", ACT, "full", "maxmemory", command="transfers doctor")


def test_the_ledger_is_away(well: System) -> None:
    well.ledger_server.kill()

    lines = told(well, "ledger_away", ACT, "the ledger can't be used", command="transfers doctor")

    money = next(line for line in lines if line.startswith(" all"))
    assert money.split() == ["all", "?", "?", "?", "?", "?"], "unknown is ?, never 0"
    well.ledger_server.restart()


def test_the_queues_server_is_away(well: System) -> None:
    well.queue_server.kill()
    well.enqueue(3)

    words = ("no worker is told of a transfer", "start the queue's server", "3 transfers with 450.00 KZT")
    told(well, "queue_away", ACT, *words, command="transfers queues")


def test_the_vault_is_away(well: System) -> None:
    well.vault_server.kill()

    told(well, "vault_away", ACT, "the vault can't be used", "nothing is sent", command="transfers doctor")


def test_an_operator_without_the_vaults_address_learns_of_it_from_the_workers(well: System) -> None:
    """An operator's environment may have no VAULT_URL."""
    well.monkeypatch.delenv("VAULT_URL")
    assert well.found() == []
    well.vault_server.kill()

    until(lambda: well.is_first("vault_away"))

    told(well, "vault_away", ACT, "the vault can't be used", command="transfers doctor")


def test_the_vault_was_restarted_and_is_empty(well: System) -> None:
    well.says("pause", "send", "--cause", "maintenance", "--reason", "a new vault")
    well.enqueue(3)
    put_ms = well.ledger.now_ms()
    until(lambda: well.ledger.now_ms() > put_ms + 7_000)
    well.vault_server.kill()
    well.vault_server.restart()

    until(lambda: well.is_first("cards_lost"))

    words = ("the vault was restarted", "the cards of 3 queued transfers are gone", "same reference")
    told(well, "cards_lost", ACT, *words, command="transfers list queued")


def test_the_workers_were_killed(well: System) -> None:
    well.workers[0].kill()
    well.workers[0].wait(10)
    well.enqueue(2)

    until(lost(well))

    words = ("every worker was killed or has ended", "2 transfers wait")
    told(well, "no_worker", ACT, *words, command="transfers worker")


def test_the_workers_are_stopped(well: System) -> None:
    """SIGSTOP: the processes are there, and do nothing."""
    well.workers[0].send_signal(signal.SIGSTOP)
    well.enqueue(2)

    until(lost(well))

    pid = well.workers[0].pid
    words = ("every worker is stopped (SIGSTOP)", "2 transfers wait", f"pid {pid}")
    told(well, "no_worker", ACT, *words, command=f"kill -CONT {pid}")


def test_parked_ones_pile_up(well: System) -> None:
    """The web tier is down: clients who answered do not come back."""
    clock = FakeClock(well.ledger.now_ms() - 400_000)
    earlier = Ledger(well.client, clock)
    for number in range(12):
        record = factories.create(earlier, f"parked-{number}")
        claimed = factories.claim(earlier, record)
        assert isinstance(claimed, Moved)
        park = Change(due_in=900_000, times_in={"parked_until": 900_000}, challenge=factories.CHALLENGE)
        assert isinstance(earlier.move(factories.found(earlier, record), Verb.PARK, park, actor="worker"), Moved)

    words = ("12 clients wait at 3-D Secure", "none has come back")
    told(well, "parked_piles", ACT, *words, command="transfers parked")


def test_one_worker_of_two_is_silent(well: System) -> None:
    """The other one does the work; the one that was replaced on its machine is not missed."""
    other = well.start_worker()
    other.kill()
    other.wait(10)
    until(lambda: len(Heartbeats(well.client).alive()) == 1)

    told(well, "worker_silent", ATTENTION, "1 of 2 workers are silent", command="transfers worker")
    well.start_worker()
    assert well.found() == []


def test_silence_is_told_after_twenty_seconds(well: System) -> None:
    """And not before: a worker that is heard late is no alarm."""
    told_ms = Heartbeats(well.client).alive()[0].at_ms
    well.workers[0].send_signal(signal.SIGSTOP)
    until(lost(well))

    assert well.ledger.now_ms() - told_ms >= SILENT_MS
