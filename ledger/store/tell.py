"""Tells an event that is no move of a transfer, and makes the change that it reports in the same script.

So no pause, no opened breaker and no alarm is ever without its event, and each event has the next number.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger_format import broken
from epay_transfers.ledger.store.redis_errors import redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts


@dataclass(frozen=True, slots=True)
class HashChange:
    """What changes in one hash. With `once`, nothing is told where the hash is so already.

    `leaves`: another hash, and the field that is taken out of it as well; with `must_leave`, it must be there. `was`:
    what these fields must be ("" for a field that is not there). `while_state`: what state the event's transfer must be
    in. `unless_ended`: a digest that may not be among the ended pauses. Else nothing is told and nothing is changed.
    `ends`: digests that come among these.
    """

    key: str
    set: Mapping[str, str] = field(default_factory=dict)
    remove: Sequence[str] = ()
    once: bool = False
    leaves: tuple[str, str] | None = None
    must_leave: bool = False
    was: Mapping[str, str] | None = None
    while_state: str = ""
    ends: Sequence[str] = ()
    unless_ended: str = ""


class Teller:
    def __init__(self, client: redis.Redis) -> None:
        self._scripts = Scripts(client, ("tell",))

    def tell(self, verb: Alarm, fields: Mapping[str, str], change: HashChange | None = None) -> bool:
        """False: the hash was so already, or not as it must be, and nothing was told. Raises `LedgerUnavailable`."""
        return self._tell(verb, fields, change, is_counted=False) is not None

    def tell_counted(self, verb: Alarm, fields: Mapping[str, str], change: HashChange) -> int:
        """As `tell`, and the ledger's sequence rises, as by a move; it, or 0 where nothing was told."""
        return self._tell(verb, fields, change, is_counted=True) or 0

    def _tell(
        self, verb: Alarm, fields: Mapping[str, str], change: HashChange | None, *, is_counted: bool
    ) -> int | None:
        event = [word for pair in ({"verb": str(verb)} | dict(fields)).items() for word in pair]
        words: dict[str, object] = {"event": event, "set": {}, "remove": [], "counted": is_counted}
        keys = [redis_keys.COUNTERS, redis_keys.EVENTS]
        if change is not None:
            keys.append(change.key)
            words["hash"] = len(keys)
            words |= {"of": change.key.rpartition(":")[2], "set": dict(change.set), "remove": list(change.remove)}
            words["once"] = change.once
            words["was"] = dict(change.was or {})
            if change.leaves is not None:
                keys.append(change.leaves[0])
                words |= {"other": len(keys), "leaves": change.leaves[1], "must_leave": change.must_leave}
            if change.ends or change.unless_ended:
                keys.append(redis_keys.ENDED_PAUSES)
                words |= {"ended": len(keys), "ends": list(change.ends), "unless_ended": change.unless_ended}
        if is_key(key := fields.get("key", "")):
            keys.append(redis_keys.record(key))
            words["record"] = len(keys)
            if change is not None and change.while_state:
                words["state"] = change.while_state
        with redis_errors_as(LedgerUnavailable):
            reply = self._scripts.run("tell", keys, [json.dumps(words)])
        if reply[0] == "BROKEN":
            raise broken(reply[1])
        return int(reply[1]) if reply[0] == "TOLD" else None
