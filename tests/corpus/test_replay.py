"""A worker of this version goes on with the ledgers and vaults that older versions left in the middle of their work."""

from collections import Counter
from typing import cast

import pytest
import redis

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from tests.corpus import lines, standing
from tests.corpus.lines import Line
from tests.corpus.sealing_key import keys
from tests.support.redis_state import assert_agrees
from tests.support.stage import Stage

_STANDING = list(lines.of_kind(lines.kept(), "standing"))


@pytest.mark.parametrize("line", _STANDING, ids=str)
def test_it_carries_on_what_an_older_version_left(
    stage: Stage, ledger_client: redis.Redis, vault_client: redis.Redis, line: Line
) -> None:
    """Each transfer ends as that version would have ended it, paid once or not at all, and the ledger's parts agree."""
    content = standing.of_this_run(line.content, vault_client)
    stage.keys = keys()
    stage.build()
    standing.put(ledger_client, content["ledger"])
    standing.put(vault_client, content["vault"])
    stage.clock.advance((content["now_ms"] - stage.clock.now_ms()) / 1000)
    transfers = content["transfers"]

    stage.later(10)
    for hours in (1, 1, 1, 1, 24):
        stage.later(hours * 3600)

    assert {name: stage.state(key) for name, key in transfers.items()} == {
        name: State(end) for name, end in line.means.items()
    }
    executed = Counter({name: stage.executions(key) for name, key in transfers.items()})
    assert +executed == Counter({name: 1 for name, end in line.means.items() if end == "paid"})
    counters = cast("list[str]", ledger_client.hkeys(redis_keys.COUNTERS))
    vaults = [name for name in counters if name.startswith("vault:")]
    ledger_client.hdel(redis_keys.COUNTERS, *vaults)  # they count no transfers
    assert_agrees(ledger_client)
