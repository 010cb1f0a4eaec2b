"""Judgements of the transfers: doubt, delay, what waits for clients and for people, invoice ids. Pure."""

from collections.abc import Iterator, Sequence

from epay_transfers.ledger.invoice import SUFFIXES
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.heartbeats import Calls, calls_of
from epay_transfers.ops import descriptions, screen
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judgement import (
    DO_NOT_PAY,
    FOR_A_WORKER,
    UNKNOWN_MONEY,
    Judgement,
    Level,
    Trouble,
    all_in,
    count_of,
    do_not_pay,
    in_words,
    those_named,
)

#: Of a space's million invoice ids.
NEARLY_USED, USED_UP = 0.8, 0.99

#: Due for so long: no worker does it.
OVERDUE_MS = 60_000

#: No transfer was enqueued in a space for so long: producers may have moved to another one.
_QUIET_MS = 3 * 3_600_000

#: In five minutes.
_DOUBT_GROWS_BY = 5
_MANY_PARKED = 10


def transfers(facts: Facts) -> Iterator[Judgement]:
    doubt, earlier = count_of(facts, *UNKNOWN_MONEY), facts.earlier
    if earlier is not None:
        then = sum(earlier.counts.get(state, 0) for state in UNKNOWN_MONEY)
        if doubt - then >= max(_DOUBT_GROWS_BY, then // 5):
            yield Judgement(
                Trouble.DOUBT_GROWS,
                Level.ACT,
                f"doubt grows: {doubt - then} more transfers in five minutes may have moved money or not "
                f"({doubt} in all){_why(facts)}",
                'keep more out of it: `transfers pause send --cause bank --reason "doubt grows"`; then ring the bank: '
                "`transfers doubt` lists them",
                safe="a pause of send; workers ask the bank about each by themselves",
                unsafe=DO_NOT_PAY,
                concerns=all_in(facts, *UNKNOWN_MONEY),
            )
    if facts.lag_ms is not None and facts.lag_ms > OVERDUE_MS:
        yield Judgement(
            Trouble.OVERDUE,
            Level.ACT,
            f"transfers are due for {screen.span(facts.lag_ms)}, and no worker does it",
            "`transfers events --limit 20` shows what happened last; then the workers' log",
            safe="a restart of the workers, one after the other",
            unsafe=do_not_pay(facts),
            concerns=all_in(facts, *FOR_A_WORKER),
        )
    yield from _parked(facts)
    review = count_of(facts, State.NEEDS_REVIEW)
    if review:
        yield Judgement(
            Trouble.NEEDS_REVIEW,
            Level.ATTENTION,
            f"{review} transfers wait for you: the bank's words do not settle whether their money moved",
            "`transfers list needs_review`, ask the bank about each, then transfers settle",
            safe="to wait: the bank is asked once a day",
            unsafe=DO_NOT_PAY,
            concerns=all_in(facts, State.NEEDS_REVIEW),
        )
    dead = count_of(facts, State.DEAD)
    if dead and (totals := facts.totals) is not None:
        words = [
            f"{word or '?'} ×{those.count}"  # noqa: RUF001 - a sign of multiplication
            for word, those in totals.of(State.DEAD).by_reason()
        ]
        yield Judgement(
            Trouble.DEAD,
            Level.ATTENTION,
            f"{dead} dead transfers wait for you, none of them sent: {', '.join(words[:3])}",
            "`transfers dead list`, then requeue or discard each",
            safe="to wait; a requeue asks the bank first",
            concerns=all_in(facts, State.DEAD),
        )


def _why(facts: Facts) -> str:
    totals = facts.totals
    words = [] if totals is None else [word for word, _ in totals.of(State.IN_DOUBT).by_reason() if word]
    return f" ({', '.join(map(in_words, words[:2]))})" if words else ""


def _parked(facts: Facts) -> Iterator[Judgement]:
    if facts.workers is None or facts.old_parked is None or not facts.alive:
        return
    confirms = calls_of(facts.alive).get("confirm", Calls())
    if facts.old_parked < _MANY_PARKED or confirms.count or confirms.under_way:
        return
    earlier = facts.earlier
    grown = count_of(facts, State.PARKED) - (earlier.counts.get(State.PARKED, 0) if earlier else 0)
    soon = facts.deadlines.get(State.PARKED) if facts.deadlines else None
    ends = f"; {soon.soon} of them end within five minutes" if soon and soon.soon else ""
    yield Judgement(
        Trouble.PARKED_PILES,
        Level.ACT if grown > 0 else Level.ATTENTION,
        f"{count_of(facts, State.PARKED)} clients wait at 3-D Secure, {facts.old_parked} for more than five minutes, "
        f"and none has come back meanwhile{ends}",
        "see the web tier (its pages, its log, its way to the ledger); `transfers parked` lists the waiting clients",
        safe="to wait: no money has moved, and what ends is asked about first",
        unsafe="do not enqueue them under a new reference while they are parked",
        concerns=all_in(facts, State.PARKED),
    )


def contradictions(facts: Facts) -> Iterator[Judgement]:
    """It stands until it is corrected, however old: a producer may have paid again, or never will."""
    if not facts.contradictions:
        return
    keys = sorted(facts.contradictions)
    key = keys[0]
    named = ", ".join(f"{each} (the bank: {facts.contradictions[each]})" for each in keys[:3])
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    yield Judgement(
        Trouble.CONTRADICTION,
        Level.ACT,
        f"the bank says the opposite of how these ended: {named}{more}",
        f"`transfers explain {key}`; then two operators, each with transfers correct",
        safe="reading, and asking the bank: `transfers ask`",
        unsafe="let none of them be paid again, and deliver nothing for them, until the bank's books are seen",
        concerns=those_named(facts, keys),
        passes=False,
    )


def alarms(facts: Facts) -> Iterator[Judgement]:
    alarms = facts.alarms
    if alarms:
        key = alarms[0].fields.get("key", "")
        more = f" (and {len(alarms) - 1} more in the last hour)" if len(alarms) > 1 else ""
        yield Judgement(
            Trouble.ALARM,
            Level.ACT,
            f"{key}: {descriptions.happened(alarms[0])}{more}".removeprefix(": "),
            f"`transfers explain {key}`" if key else "`transfers events --limit 50`",
            safe="reading, and asking the bank",
            unsafe=DO_NOT_PAY,
            concerns=those_named(facts, _keys_of(alarms)),
        )


def _keys_of(alarms: Sequence[Event]) -> list[str]:
    return sorted({event.fields["key"] for event in alarms if event.fields.get("key")})


def suffixes(facts: Facts) -> Iterator[Judgement]:
    for space in facts.spaces if facts.counters is not None else ():
        used = (facts.counters or {}).get(f"used:{space}", 0)
        if used < SUFFIXES * NEARLY_USED:
            continue
        if quiet_ms := _quiet_ms(facts, space, used):
            yield Judgement(
                Trouble.SUFFIXES_LOW,
                Level.ATTENTION,
                f"{used / SUFFIXES:.1%} of the invoice ids of the space {space} are used, for ever, and none in the "
                f"last {screen.span(quiet_ms)}: {SUFFIXES - used} are left",
                "`transfers terminals` shows each space; where producers have moved to another one, do nothing",
                safe="to leave it as it is, where no producer uses it any more",
                unsafe="never use a number again: the bank may take it for the old transfer",
                setting="EPAY_TERMINALS",
                passes=False,
            )
            continue
        out = used >= SUFFIXES * USED_UP
        left = f"{SUFFIXES - used} are left" + (f", for {span} at this rate" if (span := lasts(facts, space)) else "")
        yield Judgement(
            Trouble.SUFFIXES_OUT if out else Trouble.SUFFIXES_LOW,
            Level.ACT if out else Level.ATTENTION,
            f"{used / SUFFIXES:.1%} of the invoice ids of the space {space} are used, for ever: {left}",
            "ring the bank for one more terminal, with a space of invoice ids of its own, and move producers to it: "
            "`transfers terminals` shows each space",
            safe="to let go on what has its invoice id; no more transfers are taken once none is left",
            unsafe="never use a number again: the bank may take it for the old transfer",
            setting="EPAY_TERMINALS",
            passes=False,
        )


def _quiet_ms(facts: Facts, space: str, used: int) -> int:
    """For how long no transfer was enqueued in it, as far as the samples go; 0 where one was, or it is not known."""
    known = [sample for sample in facts.samples or () if space in sample.used]
    if not known or any(sample.used[space] != used for sample in known):
        return 0
    span_ms = facts.now_ms - known[-1].at_ms
    return span_ms if span_ms >= _QUIET_MS else 0


def lasts(facts: Facts, space: str) -> str:
    """For how long the unused ones last, at the rate of the last hours; empty where it is not known."""
    left_ms = lasts_ms(facts, space)
    return screen.span(left_ms) if left_ms else ""


def lasts_ms(facts: Facts, space: str) -> int:
    """The same as a number; 0 where it is not known."""
    known = [sample for sample in facts.samples or () if space in sample.used]
    used = (facts.counters or {}).get(f"used:{space}")
    if not known or used is None:
        return 0
    oldest = known[-1]
    spent, span_ms = used - oldest.used[space], facts.now_ms - oldest.at_ms
    if span_ms < 600_000 or spent <= 0:
        return 0
    return int((SUFFIXES - used) * span_ms / spent)


def requests(facts: Facts) -> Iterator[Judgement]:
    waiting = sum((facts.requests or {}).values())
    if waiting and facts.alive and waiting > 5:
        yield Judgement(
            Trouble.REQUESTS_WAIT,
            Level.ATTENTION,
            f"{waiting} requests wait in the inboxes: workers take them within a second as a rule",
            "look again: `transfers overview`; if they stay, the workers' log",
            safe="to wait; a request that is made twice is done once",
        )


def outcomes(facts: Facts) -> Iterator[Judgement]:
    for group, count in (facts.outcomes_aside or {}).items():
        were = "outcome of group {} was" if count == 1 else "outcomes of group {} were"
        yield Judgement(
            Trouble.OUTCOMES_ASIDE,
            Level.ATTENTION,
            f"{count} {were.format(group)} set aside: the backend's handler failed at each delivery",
            f"`transfers outcomes list --group {group}`, mend the handler, then `transfers outcomes replay --group "
            f"{group}`",
            safe="to wait: they are kept, and the outcomes of the other transfers go on",
            unsafe="the backend may not know how these transfers ended: do not pay them another way",
        )


_NAMES = {
    "counters": "the counts of transfers",
    "lag_ms": "what is due",
    "workers": "the workers",
    "pauses": "the pauses",
    "breakers": "the breakers",
    "samples": "the samples",
    "requests": "the inboxes",
    "events": "the events",
    "outcomes_aside": "the outcomes that were set aside",
    "contradictions": "what the bank says against an end",
}


def unknown(facts: Facts) -> Iterator[Judgement]:
    lacking = [words for name, words in _NAMES.items() if getattr(facts, name) is None]
    if lacking and not facts.ledger.is_away:
        yield Judgement(
            Trouble.UNKNOWN,
            Level.ATTENTION,
            f"the ledger answers, but not about {', '.join(lacking[:3])}",
            "`transfers doctor` says why, as a rule: rights, or a broken key",
            unsafe="what is shown as ? is not known to be well",
            setting=facts.ledger.setting,
        )
