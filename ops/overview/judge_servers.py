"""Judgements of the servers: the ledger, the vault, the queue, and how they must be. Pure."""

from collections.abc import Iterator

from epay_transfers.ledger.errors import ServerProblem
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.pauses import Cause
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judgement import (
    FOR_A_WORKER,
    NOTHING_IS_SENT,
    UNKNOWN_MONEY,
    Concern,
    Judgement,
    Level,
    Trouble,
    all_in,
    do_not_pay,
    first_part,
    joined,
    span_of,
)

#: From this share of its memory on the ledger takes no more soon, and from that one on it takes nothing.
FILLING, FULL = 0.85, 0.98

_BELIEVED_PAST = "do not restore, flush or replace the server, and restart no vault and no worker for it"


def _cure(problem: ServerProblem, server: str) -> str:
    """With the name of what is to be started, and how to tell a server that ended from a wrong address."""
    start = f"start it, or correct {problem.setting}"
    if start not in problem.cure:
        return problem.cure
    tell = (
        f"see on its machine whether it runs. If not, start {server}; if it runs, {problem.setting} is wrong: "
        "correct it, and restart what has the wrong one"
    )
    return problem.cure.replace(start, tell, 1)


def _megabytes(size: int) -> str:
    return f"{size / 1_048_576:.1f} MB"


def ledger(facts: Facts) -> Iterator[Judgement]:
    ledger = facts.ledger
    if ledger.problem is not None:
        yield Judgement(
            Trouble.LEDGER_AWAY,
            Level.ACT,
            f"the ledger can't be used ({ledger.problem.problem}): no transfer is taken, sent or recorded",
            f"{_cure(ledger.problem, 'the same ledger server with the same data')}; `transfers doctor` says more",
            safe="to leave the workers running: they write down what the bank said as soon as the ledger is back",
            unsafe=f"{_BELIEVED_PAST}; pay nothing another way: what is recorded can't be seen now",
            concerns=Concern(()),
            setting=ledger.setting,
        )
        return
    share = ledger.share
    if share is not None and share >= FILLING:
        full = share >= FULL
        yield Judgement(
            Trouble.LEDGER_FULL if full else Trouble.LEDGER_FILLS,
            Level.ACT if full else Level.ATTENTION,
            f"the ledger's server {'is full' if full else 'fills'}: {share:.0%} of its memory is used "
            f"({_megabytes(ledger.memory)} of {_megabytes(ledger.limit)})"
            + (", so it takes no transfer, and workers can record nothing" if full else ""),
            f"raise maxmemory of the ledger's server ({ledger.setting}) as the runbook says, then `transfers doctor`",
            safe="reading; what waits goes on where it was once there is room" if full else "",
            unsafe=joined("delete no key and no event to make room", do_not_pay(facts) if full else ""),
            concerns=all_in(facts, *FOR_A_WORKER) if full else None,
            setting=ledger.setting,
        )
    yield from _went_back(facts)


def _went_back(facts: Facts) -> Iterator[Judgement]:
    causes = [pause for pause in facts.pauses or () if pause.cause in {Cause.LEDGER_BACK, Cause.FAILOVER}]
    is_behind = facts.mark is not None and facts.sequence is not None and facts.sequence < facts.mark
    if is_behind or causes:
        why = f"pause {causes[0].id}" if causes else f"it has {facts.sequence} moves, and the vault knows {facts.mark}"
        has_lost = is_behind or any(pause.cause is Cause.LEDGER_BACK for pause in causes)
        says = "has lost moves that it had confirmed" if has_lost else "may have lost moves: its server was replaced"
        yield Judgement(
            Trouble.LEDGER_BACK,
            Level.ACT,
            f"the ledger {says} ({why}): nothing may be sent",
            "follow the runbook, 'The ledger went back'; `transfers pauses` shows what holds",
            safe="reading; the workers send nothing",
            unsafe="end no pause, requeue and settle nothing before the ledger was compared with the bank's statement",
            concerns=all_in(facts, *FOR_A_WORKER, *UNKNOWN_MONEY),
            setting=facts.ledger.setting,
            passes=False,
        )


def vault(facts: Facts) -> Iterator[Judgement]:
    sights = [worker.sees["vault"] for worker in facts.alive if "vault" in worker.sees]
    problem = facts.vault.problem if facts.vault is not None else None
    away = [sight for sight in sights if sight.why]
    if any("older copy" in sight.why for sight in away):
        yield Judgement(
            Trouble.VAULT_BACK,
            Level.ACT,
            "the vault is an older copy of itself, and workers stand still: its cards may have been sent",
            "restart the vault's server, empty, as the runbook says; `transfers events --limit 20` shows when",
            safe="reading",
            unsafe="requeue nothing",
            concerns=all_in(facts, *FOR_A_WORKER),
            setting=facts.vault.setting if facts.vault else "VAULT_URL",
        )
    elif problem is not None or (sights and len(away) == len(sights)):
        why = problem.problem if problem else away[0].why
        cure = _cure(problem, "the vault's server") if problem else "see on its machine whether the vault's server runs"
        since = f" for {span_of(min(sight.since_ms for sight in away), facts)}" if away else ""
        yield Judgement(
            Trouble.VAULT_AWAY,
            Level.ACT,
            f"the vault can't be used{since} ({first_part(why)}): nothing is sent or confirmed",
            f"{cure}; `transfers doctor` says more",
            safe=f"to wait: {NOTHING_IS_SENT}; producers are refused, and call again with the same reference",
            unsafe="restart no vault that still runs: that empties it, and cards are lost; start no second one, "
            "restore no copy of it",
            concerns=all_in(facts, State.QUEUED, State.RESUMED),
            setting=facts.vault.setting if facts.vault else "VAULT_URL",
        )
    elif facts.lost_cards:
        yield Judgement(
            Trouble.CARDS_LOST,
            Level.ACT,
            f"the vault was restarted {span_of(facts.vault_since_ms, facts)} ago and is empty: the cards of "
            f"{facts.lost_cards} queued transfers are gone",
            "let the producers enqueue them again, with the same references: `transfers list queued`",
            safe="enqueue again under the same reference; what is not brought again expires, unsent",
            unsafe="a new reference is a second payout; what was sending is in doubt, and is not paid another way",
            concerns=all_in(facts, State.QUEUED),
        )


def queue(facts: Facts) -> Iterator[Judgement]:
    sights = [worker.sees["queue"] for worker in facts.alive if "queue" in worker.sees]
    away = [sight for sight in sights if sight.why]
    problem = None if facts.ledger.is_away else facts.queue.problem
    if problem is None and not (sights and len(away) == len(sights)):
        return
    why = problem.problem if problem else away[0].why
    server = "the queue's server"
    yield Judgement(
        Trouble.QUEUE_AWAY,
        Level.ACT,
        f"the queue's server can't be used ({first_part(why)}): no worker is told of a transfer",
        f"{_cure(problem, server) if problem else f'start {server}'}; then `transfers queues`",
        safe="to start it empty: the ledger has every transfer, and workers go on by themselves",
        unsafe="restart no worker that has the right address; do not leave it: what waits beyond its deadline expires",
        concerns=all_in(facts, *FOR_A_WORKER),
        setting=facts.queue.setting,
    )


def servers(facts: Facts) -> Iterator[Judgement]:
    known = {look.setting for look in (facts.ledger, facts.queue, facts.vault) if look is not None and look.is_away}
    wrong = [finding for finding in facts.findings if finding.name not in known]
    lost = "the ledger has lost moves"
    wrong = [finding for finding in wrong if lost not in finding.problem or facts.mark is None]
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        acts = not all(finding.passing for finding in wrong)
        yield Judgement(
            Trouble.SERVERS_WRONG,
            Level.ACT if acts else Level.ATTENTION,
            f"{wrong[0].name}: {wrong[0].problem}{more}",
            f"{wrong[0].cure}; `transfers doctor` names all",
            safe="reading; workers that see it send nothing",
            unsafe="end no pause before it is mended" if acts else "",
            concerns=all_in(facts, *FOR_A_WORKER) if acts else None,
            setting=wrong[0].name,
            passes=not acts,
        )
