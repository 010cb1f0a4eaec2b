"""Judgements of the workers: which are heard, silent or standing still, and which threads hang. Pure."""

from collections.abc import Iterator, Sequence

from epay_transfers.ledger.store.heartbeats import Heartbeat
from epay_transfers.ops import screen
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judgement import (
    FOR_A_WORKER,
    NOTHING_IS_SENT,
    ON_THE_WAY,
    Judgement,
    Level,
    Trouble,
    all_in,
    count_of,
    do_not_pay,
    first_part,
)
from epay_transfers.ops.overview.processes import Process

#: Why a worker is unfit while it looks whether a ledger's server that was started has all that it confirmed.
_COMPARES = "failover"

#: Why it is while too few replicas of the ledger have what it confirmed.
_REPLICAS = "replicas"


def workers(facts: Facts) -> Iterator[Judgement]:
    if facts.workers is None:
        return
    alive, waiting = facts.alive, count_of(facts, *FOR_A_WORKER)
    if not alive and (waiting or facts.silent):
        yield _no_worker(facts, waiting)
        return
    unfit = [worker for worker in alive if worker.unfit]
    if unfit and len(unfit) == len(alive):
        yield _unfit(facts, unfit)
    elif unfit:
        yield Judgement(
            Trouble.WORKERS_UNFIT,
            Level.ATTENTION,
            f"{len(unfit)} of {len(alive)} workers stand still ({_why_unfit(unfit[0])}): {_names(unfit)}",
            "see that machine; `transfers doctor` on it says more",
            safe="the other workers do its work",
        )
    yield from _credentials(facts)
    hung = [(worker, worker.hung) for worker in alive if worker.hung]
    if hung:
        yield Judgement(
            Trouble.WORKER_HANGS,
            Level.ACT,
            f"threads hang in {len(hung)} of {len(alive)} workers: {_name(hung[0][0])}: {', '.join(hung[0][1][:3])}",
            f"restart it: on {hung[0][0].host} `kill {hung[0][0].pid}`, and again after a minute if it is still there",
            safe="a restart: what it had on the wire becomes in doubt, and the bank is asked",
            unsafe=do_not_pay(facts),
            concerns=all_in(facts, *ON_THE_WAY),
        )
    missed = _missed(facts)
    if missed:
        yield Judgement(
            Trouble.WORKER_SILENT,
            Level.ATTENTION,
            f"{len(missed)} of {len(alive) + len(missed)} workers are silent: {_silence(facts, missed)}",
            _look_at(facts, missed[0]),
            safe="the others do its work",
        )


def unheld_terminals(facts: Facts) -> list[str]:
    """Whose credentials are needed, and no worker that is heard holds. A worker of an older version may hold any."""
    held: set[str] = set()
    for worker in facts.alive:
        if worker.terminals is None:
            return []
        held |= {*worker.terminals}
    return sorted({terminal for worker in facts.alive for terminal in worker.lacks} - held)


def _credentials(facts: Facts) -> Iterator[Judgement]:
    if unheld := unheld_terminals(facts):
        yield Judgement(
            Trouble.WORKERS_UNFIT,
            Level.ACT,
            f"no worker holds the credentials of {', '.join(unheld)}, and transfers or requests wait for them",
            "give them to a worker (EPAY_CREDENTIALS, or EPAY_CLIENT_ID and its others for main), and restart it",
            safe="to wait: nothing of these terminals is sent",
            unsafe="what waits to be sent ends at its deadline, and the bank is not asked about the rest",
            setting="worker",
        )


def _missed(facts: Facts) -> list[Heartbeat]:
    """The silent ones, without those in whose place another was started on their machine since: one for each."""
    started = sorted(facts.workers or (), key=lambda worker: worker.since_ms)
    missed = []
    for silent in facts.silent:
        later = (worker for worker in started if worker.host == silent.host and worker.since_ms > silent.at_ms)
        if (other := next(later, None)) is None:
            missed.append(silent)
        else:
            started.remove(other)
    return missed


def _no_worker(facts: Facts, waiting: int) -> Judgement:
    silent = facts.silent
    says = f"no worker runs, and {waiting} transfers wait for one"
    if silent:
        states = {facts.local.get(worker.worker) for worker in silent}
        word = {
            frozenset({Process.STOPPED}): "every worker is stopped (SIGSTOP)",
            frozenset({Process.GONE}): "every worker was killed or has ended",
        }.get(frozenset(state for state in states if state), "no worker is heard")
        says = f"{word}, and {waiting} transfers wait: {_silence(facts, silent)}"
    return Judgement(
        Trouble.NO_WORKER,
        Level.ACT,
        says,
        _look_at(facts, silent[-1]) if silent else "start `transfers worker`",
        safe="to start workers, as many as before: the ledger knows where each transfer stands",
        unsafe=f"what is sending may have been sent: {do_not_pay(facts)}"
        if count_of(facts, *ON_THE_WAY)
        else do_not_pay(facts),
        concerns=all_in(facts, *FOR_A_WORKER),
        setting="worker",
    )


def _silence(facts: Facts, silent: Sequence[Heartbeat]) -> str:
    shown = [f"{_name(worker)}, silent for {screen.span(worker.silent_ms(facts.now_ms))}" for worker in silent[-3:]]
    return "; ".join(shown) + (f" and {len(silent) - 3} more" if len(silent) > 3 else "")


def _look_at(facts: Facts, worker: Heartbeat) -> str:
    match facts.local.get(worker.worker):
        case Process.STOPPED:
            return f"let it go on: `kill -CONT {worker.pid}`; the bank is asked about what it had on the wire"
        case Process.GONE:
            return "start it again, by its supervisor or with `transfers worker`; its log says why it ended"
        case _:
            command = f"`ps -o pid,stat,etime -p {worker.pid}`"
            return f"on {worker.host}: {command} (T: stopped; nothing: it ended), then its log"


def _unfit(facts: Facts, unfit: Sequence[Heartbeat]) -> Judgement:
    if all(worker.unfit == [_COMPARES] for worker in unfit):
        return Judgement(
            Trouble.WORKERS_UNFIT,
            Level.ATTENTION,
            f"all {len(unfit)} workers stand still for some seconds: the ledger's server was started anew, and they "
            "compare it with the vault",
            "look again in ten seconds: `transfers overview`; if it stays, `transfers doctor`",
            safe=f"to wait; {NOTHING_IS_SENT}",
            concerns=all_in(facts, *FOR_A_WORKER),
            setting="worker",
        )
    if all(worker.unfit == [_REPLICAS] for worker in unfit):
        _, _, cure = (unfit[0].findings or [""])[0].partition("; ")
        return Judgement(
            Trouble.WORKERS_UNFIT,
            Level.ACT,
            f"all {len(unfit)} workers stand still: {_why_unfit(unfit[0])}",
            f"{cure or 'start a replica of it'}; they go on by themselves then: `transfers overview`",
            safe=f"to wait; {NOTHING_IS_SENT}, and no try is used up",
            unsafe="promote no replica while the ledger's own server runs",
            concerns=all_in(facts, *FOR_A_WORKER),
            setting="worker",
        )
    return Judgement(
        Trouble.WORKERS_UNFIT,
        Level.ACT,
        f"all {len(unfit)} workers stand still: {_why_unfit(unfit[0])}",
        "`transfers doctor` names the cure; they go on by themselves after it",
        safe=NOTHING_IS_SENT,
        unsafe="what is in doubt is not asked about meanwhile",
        concerns=all_in(facts, *FOR_A_WORKER),
        setting="worker",
    )


def _why_unfit(worker: Heartbeat) -> str:
    if "clock" in worker.unfit:
        return f"its clock is {worker.clock_ms / 1000:+.1f} s off the ledger's"
    if worker.findings:
        return first_part(worker.findings[0])
    if _REPLICAS in worker.unfit:  # a claim has met it, and its maintenance has not looked yet
        return "too few replicas of the ledger have what it confirmed"
    return f"{', '.join(worker.unfit)} not as it must be"


def _name(worker: Heartbeat) -> str:
    return f"{worker.host} pid {worker.pid}"


def _names(workers: Sequence[Heartbeat]) -> str:
    return ", ".join(_name(worker) for worker in workers[:3])
