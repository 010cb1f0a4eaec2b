"""A ledger as the version before format 2 left it: nine transfers, and the pauses of operators and workers.

`ledger_format_1.json` has every key of it, as the code of commit cf3273a wrote them.
"""

import json
from pathlib import Path

import redis

from tests.support.keys_by_kind import put_key

_KEYS = Path(__file__).with_name("ledger_format_1.json")


def put(client: redis.Redis) -> None:
    """Every key of it. Its times begin where the tests' clock does."""
    for key, (kind, value) in json.loads(_KEYS.read_text(encoding="utf-8")).items():
        put_key(client, key, kind, value)
