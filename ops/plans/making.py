"""How a plan is made: the transfers that a filter chooses, the caps on them, and what the bank says of each now.

Asking costs an inquiry for each transfer, at the rate that all workers share: it changes nothing but what an inquiry
may change. A transfer that the bank's word ended meanwhile is left out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.money import to_minor
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import listing, requests, screen
from epay_transfers.ops.acts.possible import NOT_REQUEUEABLE
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import NotYet, Refusal
from epay_transfers.ops.listing import Wanted
from epay_transfers.ops.plans.answers import Answers
from epay_transfers.ops.plans.plan import MOST_ITEMS, UNKNOWN, Item, What

_PAGE = 500

#: So many questions stand at a time.
_ASKED_AT_ONCE = 20

_WHY = "asked for a plan"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Caps:
    """More than this is refused, so that a filter that chose too much is seen in time. `money`: of each currency."""

    count: int
    money: str  #: in units of the currency

    def check(self, count: int, sums: Mapping[str, int]) -> None:
        """Raises `Refusal`."""
        if count > self.count:
            raise Refusal(
                f"these are {count} transfers, and --max-count is {self.count}: narrow the filter, or say --max-count "
                f"{count} where so many are meant"
            )
        for currency, minor in sums.items():
            if minor > self._minor(currency):
                raise Refusal(
                    f"the sum is {screen.amount(minor, currency)}, and --max-sum is {self.money}: narrow the filter, "
                    "or raise --max-sum where so much is meant"
                )

    def _minor(self, currency: str) -> int:
        try:
            return to_minor(self.money, currency)
        except ValueError as error:
            raise Refusal(f"--max-sum: {error}") from None


@dataclass(slots=True)
class Chosen:
    records: list[Record] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  #: why → how many


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


def fresh(context: Context, records: Sequence[Record]) -> list[Record]:
    """Read again, in this order; those that can't be read are left out."""
    unreadable: list[RecordUnreadable] = []
    read: list[Record] = []
    for start in range(0, len(records), _PAGE):
        keys = [record.key for record in records[start : start + _PAGE]]
        read += context.ledger.get_many(keys, unreadable.append)
    return read
