"""How a plan is made: the transfers that a filter chooses, the caps on them, and what the bank says of each now.

Asking costs an inquiry for each transfer, at the rate that all workers share: it changes nothing but what an inquiry
may change. A transfer that the bank's word ended meanwhile is left out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import listing, requests
from epay_transfers.ops.acts.possible import NOT_REQUEUEABLE
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import NotYet, Refusal
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.plans.answers import Answers
from epay_transfers.ops.plans.draft import Draft
from epay_transfers.ops.plans.plan import MOST_ITEMS, UNKNOWN, Item, Plan, What

_PAGE = 500

#: So many questions stand at a time.
_ASKED_AT_ONCE = 20

_WHY = "asked for a plan"

Say = Callable[[str], None]


@dataclass(slots=True)
class Chosen:
    records: list[Record] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  #: why → how many


def make(context: Context, draft: Draft, *, wait_s: float, say: Say) -> Plan:
    """What a draft comes to now. `say` hears how far it is, and what is left out. It changes no transfer.

    Raises `BadParameter`, `Refusal`, and `NotYet` where no worker asks the bank.
    """
    chosen = choose(context, draft.what, draft.wanted(context))
    _say_left_out(chosen.left_out, say)
    plan = _plan(context, draft, [Item.of(record) for record in chosen.records])
    draft.caps.check(plan.count, plan.sums)
    if chosen.records and draft.asks:
        items, ended = with_verdicts(context, chosen.records, draft.states, wait_s=wait_s, say=say)
        _say_left_out(Counter({f"it is {state} by now": count for state, count in ended.items()}), say)
        plan = _plan(context, draft, items)
    return plan


def verdicts_of(plan: Plan) -> list[tuple[str, int]]:
    """The bank's words when the plan was made, and of how many transfers: the most frequent first."""
    return Counter(item.verdict for item in plan.items).most_common()


def _plan(context: Context, draft: Draft, items: Sequence[Item]) -> Plan:
    return Plan(
        what=draft.what,
        items=items,
        made_at=context.ledger.now_ms(),
        made_by=context.operator,
        chosen_by=draft.chosen_by,
        how=draft.how,
        evidence=draft.evidence,
    )


def _say_left_out(left_out: Counter[str], say: Say) -> None:
    for why, count in left_out.most_common():
        say(f"{count} left out: {why}")


def choose(context: Context, what: What, wanted: Wanted) -> Chosen:
    """All that the filter means, however many pages they are."""
    chosen, seen, cursor = Chosen(), set[str](), None
    while True:
        found = listing.find(context.ledger, wanted, after=cursor, limit=_PAGE)
        for record in found.records:
            if record.key in seen:
                continue
            seen.add(record.key)
            if what is What.REQUEUE and record.reason in NOT_REQUEUEABLE:
                chosen.left_out["its card is gone, so it can't be sent again: discard it"] += 1
            else:
                chosen.records.append(record)
        if found.unreadable:
            chosen.left_out["its record can't be read"] += len(found.unreadable)
        if len(chosen.records) > MOST_ITEMS:
            raise Refusal(f"a plan has at most {MOST_ITEMS} transfers: narrow the filter")
        cursor = found.cursor
        if cursor is None:
            return chosen


def with_verdicts(
    context: Context, records: Sequence[Record], states: Iterable[State], *, wait_s: float, say: Say
) -> tuple[list[Item], Counter[str]]:
    """As they are once the bank was asked; and how many its word ended meanwhile, by the state. Raises `NotYet`."""
    answers, verdicts = Answers(context, wait_s), dict[str, str]()
    for start in range(0, len(records), _ASKED_AT_ONCE):
        keys = {
            requests.put(context, Kind.ASK, {"key": record.key, "why": _WHY}): record.key
            for record in records[start : start + _ASKED_AT_ONCE]
        }
        is_answered = False
        for entry_id, event in answers.to(keys):
            is_answered = True
            said = event.fields.get("bank_said", "")
            is_word = event.fields.get("verb") not in requests.REFUSALS and said.isprintable()
            verdicts[keys[entry_id]] = (said or "nothing") if is_word else UNKNOWN
        if not is_answered:
            raise NotYet(
                f"no worker has asked the bank in {wait_s:g} s. Does a worker run? --no-ask makes the plan without"
            )
        say(f"{min(start + _ASKED_AT_ONCE, len(records))} of {len(records)}: the bank was asked")
    items, ended, wanted = list[Item](), Counter[str](), set(states)
    for record in fresh(context, records):
        if record.state in wanted:
            items.append(Item.of(record, verdicts.get(record.key, UNKNOWN)))
        else:
            ended[record.state] += 1
    return items, ended


def fresh(context: Context, those: Sequence[Record] | Sequence[Item]) -> list[Record]:
    """Read again, in this order; those that can't be read are left out."""
    unreadable: list[RecordUnreadable] = []
    read: list[Record] = []
    for start in range(0, len(those), _PAGE):
        keys = [each.key for each in those[start : start + _PAGE]]
        read += context.ledger.get_many(keys, unreadable.append)
    return read
