"""Outcomes that were set aside: a group's handler failed at them again and again, or an earlier one is set aside.

Consumers write them (`OutcomeFeed`). Operators read them here, and ask for a replay, which a consumer does.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self, cast

import redis

from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as

#: A field of the hash: group, key and place.
_FIELD = re.compile(r"([^ ]+) ([^ ]+) ([0-9]{1,20}-[0-9]{1,20})")

#: The class of an error, as a consumer writes it. Nothing else is shown: another program may write a card there.
_ERROR = re.compile(r"[A-Za-z_][\w.]{0,79}")

#: Of a reference.
_LONGEST = 255

#: No clock says more for thousands of years, and no transfer moves so often.
_MOST = 10**14


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideOutcome:
    group: str
    key: str
    place: str  #: of its event in the log
    reference: str
    version: int
    state: str
    deliveries: int  #: how often it was handed to the handler
    error: str  #: the class of the handler's last error; empty where its consumer ended, or an earlier outcome is aside
    is_behind: bool  #: it was not handed out: an earlier outcome of the transfer was set aside
    at_ms: int

    @property
    def field(self) -> str:
        return aside_field(self.group, self.key, self.place)

    def to_json(self) -> str:
        return json.dumps(
            {
                "reference": self.reference,
                "version": self.version,
                "state": self.state,
                "deliveries": self.deliveries,
                "error": self.error,
                "behind": self.is_behind,
                "at": self.at_ms,
            }
        )

    @classmethod
    def of(cls, field: str, text: str) -> Self | None:
        """None for a field that no consumer wrote. What can't be read of the rest is empty."""
        words = _FIELD.fullmatch(field)
        if words is None:
            return None
        told = _object_in(text)
        return cls(
            group=words[1],
            key=words[2],
            place=words[3],
            reference=_text(told.get("reference"), _is_plain),
            version=_number(told.get("version")),
            state=_text(told.get("state"), _is_state),
            deliveries=_number(told.get("deliveries")),
            error=_text(told.get("error"), _ERROR.fullmatch),
            is_behind=told.get("behind") is True,
            at_ms=_number(told.get("at")),
        )


class OutcomesAside:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def all(self) -> list[AsideOutcome]:
        """By group, and in each in the order in which the transfers moved."""
        with read_errors_as(LedgerUnavailable):
            kept = cast("dict[str, str]", self._client.hgetall(redis_keys.OUTCOMES_ASIDE))
        found = [aside for field, text in kept.items() if (aside := AsideOutcome.of(field, text))]
        return sorted(found, key=lambda aside: (aside.group, _place_of(aside.place)))

    def of_group(self, group: str, *, start: int, limit: int) -> tuple[list[AsideOutcome], int]:
        """So many of a group, from the place `start` on, in the order in which the transfers moved; and of how many."""
        fields = sorted((words for words in self._fields() if words[1] == group), key=lambda words: _place_of(words[3]))
        shown = [words[0] for words in fields[start : start + limit]]
        with read_errors_as(LedgerUnavailable):
            texts = cast("list[str | None]", self._client.hmget(redis_keys.OUTCOMES_ASIDE, shown)) if shown else []
        found = (AsideOutcome.of(field, text or "") for field, text in zip(shown, texts, strict=True))
        return [aside for aside in found if aside], len(fields)

    def counts(self) -> dict[str, int]:
        """How many of each group."""
        return dict(sorted(Counter(words[1] for words in self._fields()).items()))

    def places(self) -> list[str]:
        """Of their events: the log is not trimmed past them."""
        return [words[3] for words in self._fields()]

    def replays(self) -> set[tuple[str, str]]:
        """The groups and keys whose replay is asked for, and which no consumer has taken yet."""
        with read_errors_as(LedgerUnavailable):
            asked = cast("dict[str, str]", self._client.hgetall(redis_keys.OUTCOME_REPLAYS))
        return {(group, key) for group, _, key in (field.partition(" ") for field in asked)}

    def ask_replay(self, group: str, keys: Iterable[str], operator: str) -> None:
        """All that is set aside of these transfers in that group. Asked twice, it is done once."""
        asked = {replay_field(group, key): operator for key in keys}
        with redis_errors_as(LedgerUnavailable):
            self._client.hset(redis_keys.OUTCOME_REPLAYS, mapping=asked)  # type: ignore[arg-type]  # str is a field's type

    def _fields(self) -> list[re.Match[str]]:
        with read_errors_as(LedgerUnavailable):
            fields = cast("list[str]", self._client.hkeys(redis_keys.OUTCOMES_ASIDE))
        return [words for field in fields if (words := _FIELD.fullmatch(field))]


def aside_field(group: str, key: str, place: str) -> str:
    return f"{group} {key} {place}"


def replay_field(group: str, key: str) -> str:
    return f"{group} {key}"


def _object_in(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else 0


def _text(value: object, is_one: Callable[[str], object]) -> str:
    return value if isinstance(value, str) and is_one(value) else ""


def _is_plain(text: str) -> bool:
    return text.isprintable() and len(text) <= _LONGEST and not holds_card_number(text)


def _is_state(text: str) -> bool:
    return text in {*State}


def _place_of(place: str) -> tuple[int, ...]:
    return tuple(map(int, place.split("-")))
