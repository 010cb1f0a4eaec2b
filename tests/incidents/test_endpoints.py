"""A worker's own `/metrics`, `/live` and `/ready`, on real parts: what it counts, and what a supervisor is told."""

import signal
import urllib.error
import urllib.request

from epay_transfers.sandbox.faults import Rule
from tests.incidents.conftest import System
from tests.support import promtool
from tests.support.servers import free_port
from tests.support.waiting import until


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as said:
            return said.status, said.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def started(system: System, **more: str) -> int:
    port = free_port()
    system.start_worker(METRICS_ADDRESS=f"127.0.0.1:{port}", **more)
    return port


def test_a_worker_counts_its_calls_its_moves_and_its_breakers(system: System) -> None:
    """By kind, outcome and evidence. Nothing secret is there: no card, no key, no terminal's password."""
    port = started(system, HTTP_READ_TIMEOUT="1")
    system.pay_one()
    until(lambda: 'outcome="answered"' in get(port, "/metrics")[1])
    system.bank.faults.add(Rule("transfer", "hang", "before"))
    keys = system.enqueue(8)
    until(lambda: "transfers_breaker_trips_total{" in get(port, "/metrics")[1])

    text = get(port, "/metrics")[1]

    for line in (
        'transfers_bank_calls_total{evidence="answered",kind="token",outcome="answered"}',
        'transfers_bank_calls_total{evidence="answered",kind="transfer",outcome="answered"} 1.0',
        'transfers_bank_calls_total{evidence="maybe_sent",kind="transfer",outcome="unclear"}',
        'transfers_bank_call_seconds_count{kind="transfer"}',
        'transfers_moves_total{verb="pay"} 1.0',
        'transfers_moves_total{verb="claim"}',
        "transfers_breaker_failures_total{",
        "transfers_worker_fit 1.0",
    ):
        assert line in text, line
    secrets = [
        system.env["EPAY_CLIENT_SECRET"], system.env["VAULT_PRIVATE_KEYS"], system.env["FINGERPRINT_KEYS"],
        "4405639704015096", "5522042705066736", "Payout", "payout-", *keys,
    ]  # fmt: skip
    assert [secret for secret in secrets if secret in text] == []
    promtool.assert_well_made(text)


def test_a_worker_that_is_fit_and_heard_is_ready_and_one_without_its_ledger_is_not(system: System) -> None:
    """It lives all the same: started anew it would do no better."""
    port = started(system)
    assert get(port, "/live") == (200, "ok\n")
    until(lambda: get(port, "/ready") == (200, "ok\n"))

    system.ledger_server.kill()

    until(lambda: "not heard: the ledger has no heartbeat of it" in get(port, "/ready")[1])
    assert get(port, "/ready")[0] == 503
    assert get(port, "/live") == (200, "ok\n")
    system.ledger_server.restart()
    until(lambda: get(port, "/ready") == (200, "ok\n"))


def test_an_address_that_is_taken_keeps_no_money_from_moving(system: System) -> None:
    """The log says it, and what to do; the worker runs."""
    port = started(system)
    other = system.start_worker(METRICS_ADDRESS=f"127.0.0.1:{port}")

    system.pay_one()

    log = (system.folder / "worker.log").read_text()
    assert f"METRICS_ADDRESS: can't listen at 127.0.0.1:{port}" in log
    assert "give this worker another" in log
    assert other.poll() is None


def test_a_worker_that_is_told_to_stop_is_not_ready_any_more(system: System) -> None:
    """So a supervisor sends it nothing, and waits for what is on the wire."""
    port = started(system)
    until(lambda: get(port, "/ready") == (200, "ok\n"))
    system.bank.faults.add(Rule("transfer", "latency", "before", seconds=3))
    system.enqueue(1)
    until(lambda: "transfers_worker_busy_threads 1.0" in get(port, "/metrics")[1])

    system.workers[0].send_signal(signal.SIGTERM)

    until(lambda: "stopping" in get(port, "/ready")[1])
    assert get(port, "/live") == (200, "ok\n")
    assert system.workers[0].wait(30) == 0
