"""The judgements as findings of `doctor`: it says all that `overview` says, and is never healthier."""

from collections.abc import Sequence

from epay_transfers.ops.overview.judgement import Judgement, Trouble
from epay_transfers.runtime.health import Finding

#: An examination of the servers says the same of that server, in more detail.
_OF_SERVERS = frozenset({Trouble.LEDGER_AWAY, Trouble.VAULT_AWAY, Trouble.QUEUE_AWAY, Trouble.SERVERS_WRONG})


def findings_of(judgements: Sequence[Judgement], examined: Sequence[Finding]) -> list[Finding]:
    """What was examined, and each judgement that it does not say already."""
    said = {finding.name for finding in examined}
    return [
        *examined,
        *(
            Finding(judgement.setting or judgement.what, judgement.says, judgement.next, passing=judgement.passes)
            for judgement in judgements
            if not (judgement.what in _OF_SERVERS and judgement.setting in said)
        ),
    ]
