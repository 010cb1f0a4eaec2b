"""What is wrong, in order of gravity: facts → judgements. Pure. Each rule has a part of the facts."""

from collections.abc import Sequence

from epay_transfers.ops.overview import judge_bank, judge_servers, judge_transfers, judge_workers
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judgement import Judgement, Level, Trouble

_RULES = (
    judge_servers.ledger,
    judge_servers.vault,
    judge_servers.queue,
    judge_servers.servers,
    judge_workers.workers,
    judge_bank.bank,
    judge_bank.pauses,
    judge_transfers.transfers,
    judge_transfers.contradictions,
    judge_transfers.alarms,
    judge_transfers.suffixes,
    judge_transfers.requests,
    judge_transfers.outcomes,
    judge_transfers.unknown,
)


def judge(facts: Facts) -> list[Judgement]:
    """The gravest first; none where all is well."""
    found = [judgement for rule in _RULES for judgement in rule(facts)]
    order = list(Trouble)
    return sorted(found, key=lambda each: (-each.level, order.index(each.what)))


def level_of(judgements: Sequence[Judgement]) -> Level:
    return max((judgement.level for judgement in judgements), default=Level.WELL)
