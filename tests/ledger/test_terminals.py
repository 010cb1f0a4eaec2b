"""The space of a TerminalID: the first worker's word is kept, whatever a later one says."""

import redis

from epay_transfers.ledger.store import redis_keys, terminals


def test_the_first_word_counts_and_the_second_is_told_of_it(ledger_client: redis.Redis) -> None:
    assert terminals.bind(ledger_client, {"t": "main", "u": "kiosk"}) == {"t": "main", "u": "kiosk"}
    assert terminals.bind(ledger_client, {"t": "other", "v": "main"}) == {"t": "main", "u": "kiosk", "v": "main"}
    assert ledger_client.ttl(redis_keys.TERMINALS) == -1


def test_to_look_binds_nothing(ledger_client: redis.Redis) -> None:
    assert terminals.bound(ledger_client) == {}
    assert ledger_client.dbsize() == 0
