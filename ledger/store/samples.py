"""Samples: the ledger's numbers of each minute of the last four hours, for trends and for what is usual.

One worker of all brings each: it takes the turn, reads, and writes. A minute without a sample is a gap, and no zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import redis
from pydantic import TypeAdapter, ValidationError

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts

#: As many minutes.
KEPT = 240

#: A little less than a minute: a turn that is still taken would cost a whole one.
_TURN_MS = 58_000


@dataclass(frozen=True, slots=True)
class Sample:
    """`counts` by state; `p95_ms` by kind of call of the bank; `used` by space; `memory` in bytes, with its limit.

    `sums`: state → currency → minor units, of states with transfers. None: a worker of an older version did not say.
    """

    at_ms: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    p95_ms: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    used: Mapping[str, int] = field(default_factory=dict)
    memory: int = 0
    limit: int = 0
    sums: Mapping[str, Mapping[str, int]] | None = None


class Samples:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._scripts = Scripts(client, ("remember_sample",))

    def is_turn(self) -> bool:
        """Is it for this worker to bring the next one?"""
        return self._remember("")[0] == "TURN"

    def put(self, sample: Sample) -> None:
        self._remember(_ADAPTER.dump_json(sample).decode())

    def read(self) -> list[Sample]:
        """The newest first. What can't be read is left out."""
        with read_errors_as(LedgerUnavailable):
            raw = cast("list[str]", self._client.lrange(redis_keys.SAMPLES, 0, KEPT - 1))
        return [sample for text in raw if (sample := _read(text)) is not None]

    def _remember(self, text: str) -> Sequence[str]:
        with redis_errors_as(LedgerUnavailable):
            return self._scripts.run(
                "remember_sample", (redis_keys.SAMPLES, redis_keys.SAMPLE_TURN), (text, _TURN_MS, KEPT)
            )


_ADAPTER: TypeAdapter[Sample] = TypeAdapter(Sample)


def _read(text: str) -> Sample | None:
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None
