"""Archived transfers: what the ledger keeps of one that ended long ago, once its details were exported.

It keeps the transfer's key, its end, and a digest of its reference: so a producer that repeats the reference is
answered, and nothing is paid again. One script reduces a record, if it still says exactly what was exported.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum

import redis

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.record import ARCHIVED_FIELDS
from epay_transfers.ledger.states import FINAL
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger_format import broken
from epay_transfers.ledger.store.redis_errors import redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts

#: Of SHA-256: two references with the same digest are not to be found.
_BYTES = 16
_MARK = "sha256."


def reference_digest(reference: str) -> str:
    """It has no key, for it is to be found as long as the ledger is kept, and keys are rotated."""
    digest = hashlib.sha256(f"reference of a transfer\n{reference}".encode()).digest()[:_BYTES]
    return _MARK + base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Why(StrEnum):
    """Why a transfer is left as it is."""

    CHANGED = "changed"  #: it is not as it was exported: it is exported again
    STATE = "state"
    YOUNG = "young"
    QUESTION = "question"
    DUE = "due"
    CONTRADICTION = "contradiction"
    REFERENCE = "reference"
    ALARM = "alarm"
    OUTCOME = "outcome"
    UNREADABLE = "unreadable"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Why.CHANGED: "changed since they were exported: the next run exports them again",
    Why.STATE: "have not ended",
    Why.YOUNG: "ended later",
    Why.QUESTION: "the bank is still asked about",
    Why.DUE: "stand in `due`, though they have ended: see `transfers audit`",
    Why.CONTRADICTION: "the bank contradicts: see the runbook, 'contradiction'",
    Why.REFERENCE: "have a reference that leads to another transfer, or nowhere: see `transfers audit`",
    Why.ALARM: "have an alarm in the event log that is younger than EVENTS_KEEP",
    Why.OUTCOME: "have an outcome that a group of readers has not dealt with",
    Why.UNREADABLE: "can't be read: run the version that wrote them",
}


class Archived:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._test_clock = test_clock
        self._scripts = Scripts(client, ("archive",))

    def reduce(
        self, exported: Mapping[str, str], *, before_ms: int, file: str, actor: str, why: str = ""
    ) -> Why | None:
        """None: it is archived now, or was by this file before. Else it is as it was. Raises `LedgerBroken`.

        `exported`: every field of the record, as it was read back from `file`. It may do nothing if the record differs.
        """
        keys, said = script_argument(exported, file=file, actor=actor, why=why)
        now = str(self._test_clock.now_ms()) if self._test_clock else ""
        with redis_errors_as(LedgerUnavailable):
            word, *more = self._scripts.run("archive", keys, (said, now, before_ms))
        match word:
            case "ARCHIVED" | "KNOWN":
                return None
            case "CHANGED":
                return Why.CHANGED
            case "OPEN":
                return Why(more[0])
            case "BROKEN":
                raise broken(more[0])
            case _:
                raise AssertionError(f"the script answered a word that is not in its header: {word}")


def script_argument(exported: Mapping[str, str], *, file: str, actor: str, why: str) -> tuple[tuple[str, ...], str]:
    """The script's keys, and the first of its arguments."""
    reference = exported["reference"]
    digest = reference if exported.get("archived_at") else reference_digest(reference)
    keys = (
        redis_keys.record(exported["key"]),
        redis_keys.DUE,
        redis_keys.COUNTERS,
        redis_keys.EVENTS,
        redis_keys.reference(reference),
        redis_keys.archived(digest),
        redis_keys.CONTRADICTED,
        redis_keys.WATCHED,
    )
    said = {
        "record": dict(exported),
        "ends": sorted(FINAL),
        "keep": ARCHIVED_FIELDS,
        "digest": digest,
        "file": file,
        "actor": actor,
        "why": why,
    }
    return keys, json.dumps(said)


def is_whole(record: Mapping[str, str]) -> bool:
    """Does it say more than an archived transfer keeps? So one does that was corrected since: it is archived again."""
    return bool(record.keys() - set(ARCHIVED_FIELDS)) or not record.get("archived_at")
