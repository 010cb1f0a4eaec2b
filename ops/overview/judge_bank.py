"""Judgements of the bank, by how its calls went, by the breakers, and by the pauses of its terminals. Pure."""

from collections.abc import Iterator
from statistics import median

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.circuit_breakers import OpenBreaker
from epay_transfers.ledger.store.heartbeats import Calls, calls_of
from epay_transfers.ledger.store.pauses import ALL, Cause, Pause
from epay_transfers.ops import screen
from epay_transfers.ops.behind import behind, states_behind, terminal_of
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judgement import (
    ON_THE_WAY,
    Concern,
    Judgement,
    Level,
    Trouble,
    all_in,
    count_of,
    do_not_pay,
    in_words,
    joined,
    span_of,
)

#: Calls of the bank are slow where their p95 is so many times the usual one, and so long; or so long, where no usual
#: one is known.
_TIMES_USUAL, _SLOW_MS, _VERY_SLOW_MS = 3, 2_000, 10_000
FEW = 3  #: calls that say nothing about a rate
_SHARE_OF_FAILURES = 0.2


def bank(facts: Facts) -> Iterator[Judgement]:
    calls = calls_of(facts.alive)
    hosts: dict[str, list[str]] = {}
    for worker in facts.alive:
        for kind, host in worker.hosts.items():
            hosts.setdefault(host, [])
            hosts[host] += [kind] if kind not in hosts[host] else []
    if facts.breakers:
        for breaker in facts.breakers:
            kinds = hosts.get(breaker.host, [])
            yield _breaker(facts, breaker, [kind for kind in kinds if kind in calls] or kinds, calls)
        return
    failing = [(kind, its) for kind, its in calls.items() if _fails(its)]
    slow = [(kind, its) for kind, its in calls.items() if is_slow(its, usual_ms(facts, kind))]
    if slow:
        kind, its = slow[0]
        usual, p95 = usual_ms(facts, kind), its.percentile_ms(0.95) or 0
        longest = f"p95 {p95 / 1000:.1f} s" if p95 >= its.longest_s * 1000 else f"{its.longest_s:.0f} s so far"
        yield Judgement(
            Trouble.BANK_SLOW,
            Level.ATTENTION,
            f"the bank is slow: {kind} calls take {longest}"
            + (f", usually {usual / 1000:.1f} s" if usual else "")
            + (f"; {its.failures} of {its.count} got no answer" if its.failures else ""),
            "`transfers doubt` shows what is in doubt by it; if that grows, stop sending: "
            '`transfers pause send --cause bank --reason "the bank is slow"`',
            safe="to wait; a pause of send keeps more out of doubt",
            unsafe=do_not_pay(facts),
            concerns=all_in(facts, *ON_THE_WAY, State.IN_DOUBT),
        )
    elif failing:
        kind, its = failing[0]
        yield Judgement(
            Trouble.BANK_FAILS,
            Level.ATTENTION,
            f"{its.failures} of {its.count} {kind} calls got no usable answer ({in_words(its.why) or 'various'}) in "
            "five minutes",
            "`transfers doubt` shows what is in doubt by it",
            safe="to wait: the bank is asked about each",
            unsafe=do_not_pay(facts),
            concerns=all_in(facts, State.IN_DOUBT),
        )


def _fails(calls: Calls) -> bool:
    return calls.failures >= FEW and calls.failures >= calls.count * _SHARE_OF_FAILURES


def usual_ms(facts: Facts, kind: str) -> int | None:
    """The median of the p95s of this kind, without the last ten minutes; None where few are known."""
    known = [
        sample.p95_ms[kind]
        for sample in facts.samples or ()
        if kind in sample.p95_ms and sample.at_ms < facts.now_ms - 600_000
    ]
    return int(median(known)) if len(known) >= FEW else None


def is_slow(calls: Calls, usual: int | None) -> bool:
    p95 = calls.percentile_ms(0.95) or 0
    longest_ms = max(p95 if calls.count >= FEW else 0, calls.longest_s * 1000)
    return longest_ms >= (max(usual * _TIMES_USUAL, _SLOW_MS) if usual else _VERY_SLOW_MS)


def _breaker(facts: Facts, breaker: OpenBreaker, kinds: list[str], calls: dict[str, Calls]) -> Judgement:
    host = breaker.host
    answered = [kind for kind in ("token", "status") if kind in calls and not calls[kind].why]
    hanging = [kind for kind in ("transfer", "confirm") if kind in kinds and kind in calls and calls[kind].why]
    since = [sight.since_ms for worker in facts.alive if (sight := worker.sees.get("bank")) is not None and sight.why]
    span = f" for {span_of(min(since), facts)}" if since and facts.now_ms - min(since) >= 1000 else ""
    doubt = count_of(facts, State.IN_DOUBT)
    in_doubt = f"; {doubt} in doubt by now" if doubt else ""
    waiting = (State.QUEUED, State.RESUMED)
    if hanging and answered:
        words = " and ".join(f"{kind}s" for kind in hanging)
        return Judgement(
            Trouble.TRANSFERS_HANG,
            Level.ACT,
            f"{words} get no answer from {host} ({in_words(calls[hanging[0]].why)}){span}, while "
            f"{' and '.join(answered)} calls are answered: the breaker is open, so workers send one at a time to "
            f"try{in_doubt}",
            'ring the bank; to try none meanwhile: `transfers pause send --cause bank --reason "transfers hang"`; '
            "`transfers doubt` lists what to read out",
            safe="to wait: one transfer at a time is tried, and a pause keeps even that one back",
            unsafe=do_not_pay(facts),
            concerns=all_in(facts, *waiting, *ON_THE_WAY, State.IN_DOUBT),
        )
    why = next((calls[kind].why for kind in kinds if kind in calls and calls[kind].why), "")
    return Judgement(
        Trouble.BANK_DOWN,
        Level.ACT,
        f"the bank does not answer at {host}{f' ({in_words(why)})' if why else ''}{span}: the breaker is open, so "
        f"nothing is sent{_tried(breaker)}{in_doubt}",
        "ring the bank; workers go on by themselves when it answers: `transfers list queued` shows what waits",
        safe="to wait: no try is used up; what is queued was not sent",
        unsafe=joined("what waits beyond its deadline expires", do_not_pay(facts)),
        concerns=all_in(facts, *waiting, *ON_THE_WAY, State.IN_DOUBT),
    )


def _tried(breaker: OpenBreaker) -> str:
    is_tried = breaker.is_half_open or breaker.trial
    return ", but one transfer at a time, to try whether the bank serves it" if is_tried else ""


def pauses(facts: Facts) -> Iterator[Judgement]:
    refused = {Cause.SETUP_CODE, Cause.CREDENTIALS}
    totals = facts.totals
    for pause in facts.pauses or ():
        sums = [] if totals is None else screen.sums(behind(pause, totals))
        concern = Concern(sums, states_behind(pause), terminal_of(pause))
        if pause.cause in {Cause.LEDGER_BACK, Cause.FAILOVER}:
            continue
        where = "all terminals" if pause.terminal == ALL else f"terminal {pause.terminal}"
        if pause.cause in refused:
            yield _refused(pause, where, concern)
        else:
            until = f", until {screen.when(pause.until_ms)}" if pause.until_ms else ", until it is ended by hand"
            yield Judgement(
                Trouble.PAUSED,
                Level.ATTENTION,
                f"{pause.lane} is paused for {where}: {pause.cause}, by {pause.actor}{until}: {pause.reason}",
                f"where it is over: `transfers unpause {pause.id} --reason TEXT`",
                safe="to leave it: what waits goes on waiting until its deadline",
                unsafe="end no pause of another's without asking" if pause.cause is Cause.FRAUD else "",
                concerns=concern,
            )


def _refused(pause: Pause, where: str, concern: Concern) -> Judgement:
    is_secret = pause.cause is Cause.CREDENTIALS
    what = "client id or secret" if is_secret else "set-up"
    mend = "ring the bank, and once it says that it is mended"
    if is_secret:
        mend = (
            "compare EPAY_CLIENT_ID and EPAY_CLIENT_SECRET of the workers with the bank's, correct what differs, "
            "restart the workers"
        )
    return Judgement(
        Trouble.TERMINAL_REFUSED,
        Level.ACT,
        f"the bank refuses the {what} of {where} ({pause.reason}): its {pause.lane} lane is paused",
        f"{mend}, then let one through: `transfers unpause {pause.id} --try 1 --reason TEXT`",
        safe="to wait: what waits was not sent, and no try is used up; beyond its deadline it expires",
        unsafe="do not end the pause without --try before one was served: all that wait could be declined",
        concerns=concern,
    )
