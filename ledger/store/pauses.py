"""The lanes send, confirm and inquire, and what pauses them: for one terminal or for all, with a cause, by whom, why.

Pauses stand side by side, each under an id of its own: a lane is open when none of them holds. `claim` and `create`
read them inside their scripts. One with an `until` ends by itself, by the ledger's time. An operator adds a pause,
which holds at once and without a worker (`add`); a worker writes down by whom and why, and it alone removes one.

A pause may let some transfers through, to try whether its cause is over: what becomes of such a trial tells.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import cast

import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable, TransfersError
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import Added, Inboxes
from epay_transfers.ledger.store.ledger_format import check_format
from epay_transfers.ledger.store.redis_errors import of_its_type, read_errors_as, redis_errors_as
from epay_transfers.ledger.store.tell import HashChange, Teller

ALL = "*"


class Lane(StrEnum):
    SEND = "send"
    CONFIRM = "confirm"
    INQUIRE = "inquire"


class Cause(StrEnum):
    """Why a lane is paused."""

    # A person's.
    FRAUD = "fraud"
    MAINTENANCE = "maintenance"
    BANK = "bank"  #: the bank asked for it, or is to be spared
    OTHER = "other"

    # A worker's.
    SETUP_CODE = "setup_code"  #: the bank's codes blame the terminal's set-up, several in a row
    CREDENTIALS = "credentials"  #: the bank refuses the credentials of the terminal
    TERMINAL_LIMIT = "terminal_limit"  #: the bank's limit for the terminal, until the next day
    MONEY_LIMIT = "money_limit"  #: a limit of EPAY_LIMITS
    LEDGER_BACK = "ledger_back"  #: the ledger lost what it had confirmed
    FAILOVER = "failover"  #: another server took the ledger's place


class TooManyPauses(TransfersError):
    """There are so many pauses that they hold everything."""

    def __init__(self) -> None:
        super().__init__(
            f"nothing was added: there are more than {MOST_PAUSES} pauses that operators added, and they hold every "
            "lane. `transfers pauses` shows them"
        )


PEOPLES_CAUSES = (Cause.FRAUD, Cause.MAINTENANCE, Cause.BANK, Cause.OTHER)

_ID = re.compile(r"[a-z0-9_.*-]{1,120}", re.IGNORECASE | re.ASCII)
_VALUE = re.compile(r"(\d{1,15}) (send|confirm|inquire) (\S{1,64}) (-|\d{1,4}) (\S{1,40}) (.*)", re.ASCII | re.DOTALL)
_NO_TRIES, _NO_TRIAL = "-", "-"

#: Without letters that are taken for digits.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_ID_LENGTH = 4
_MARK = re.compile(f"[{_ALPHABET}]{{{_ID_LENGTH}}}")

#: As `_pauses.lua` has it: with more in one hash, every lane is held.
MOST_PAUSES = 200

#: The ids under which that is shown. It is no pause, and no request ends it.
TOO_MANY = "too-many"

#: A pause may have a name that is no id, where a server's user put it in: its id is a digest of that.
_ODD = "odd"

#: How much of a hash is read in one round trip, and how many of these are looked through in one go.
_PAGE = 2 * MOST_PAUSES
_PAGES = 25

#: Of a pause that several reasons have been added to.
_LONGEST_REASON = 600

_NOT_WRITTEN = "an operator", "no worker has written down the reason yet"


@dataclass(frozen=True, slots=True)
class Pause:
    """`until_ms` 0: until an operator opens it. `tries`: so many transfers may still go, to see whether it is over;
    None: none was asked for. `trial`: the key of the last transfer that went so.
    """

    id: str
    lane: Lane
    terminal: str
    cause: Cause = Cause.OTHER
    until_ms: int = 0
    actor: str = ""
    reason: str = ""
    since_ms: int = 0
    tries: int | None = None
    trial: str = ""
    tried_ms: int = 0  #: when the tries were given
    mark: str = field(default="", compare=False)  #: of a worker's: new with each reason, and the end of the id
    name: str | None = field(default=None, compare=False)  #: its field in the hash; None where that is the id
    written: str = field(default="", repr=False, compare=False)  #: as it stands; "" until a worker wrote it

    def holds_at(self, now_ms: int) -> bool:
        """As `claim.lua` has it."""
        return self.until_ms == 0 or self.until_ms > now_ms

    def is_for(self, lane: Lane, terminal: str) -> bool:
        return self.lane is lane and self.terminal in {ALL, terminal}

    def is_successor_of(self, pause_id: str) -> bool:
        """Of one of the same cause, lane and terminal that stood before, under that id."""
        return bool(self.mark) and pause_id.rpartition("-")[0] == self.field_name and pause_id != self.id

    @property
    def field_name(self) -> str:
        return self.id if self.name is None else self.name

    def to_text(self) -> str:
        """The scripts read what stands before the JSON."""
        tries = _NO_TRIES if self.tries is None else str(self.tries)
        words = [self.cause, self.actor, self.reason, self.since_ms]
        words += [self.tried_ms] * bool(self.tried_ms or self.mark) + [self.mark] * bool(self.mark)
        return f"{self.until_ms} {self.lane} {self.terminal} {tries} {self.trial or _NO_TRIAL} {json.dumps(words)}"


class Pauses:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._client = client
        self._test_clock = test_clock
        self._teller = Teller(client)
        self._seen: list[Pause] = []
        self._cleared_to = 0  #: where `clear_added` goes on
        self.sequence = 0  #: of the ledger, at the last pause that this process wrote or ended

    def add(
        self,
        lane: Lane,
        terminal: str,
        cause: Cause,
        until_ms: int = 0,
        *,
        inboxes: Inboxes | None = None,
        sender: str = "",
        fields: Mapping[str, str] = MappingProxyType({}),
        entry_id: str = "",
    ) -> str:
        """An operator's pause, from now on; its id. The same server user can neither change nor remove one.

        `sender`: whose inbox gets the entry with these fields, so that a worker writes down by whom and why. Raises
        `TooManyPauses`: nothing was added.
        """
        inboxes = inboxes or Inboxes(self._client)
        while True:
            pause_id = _chance()
            text = Pause(pause_id, lane, terminal, cause, until_ms).to_text()
            match inboxes.put_pause(sender, pause_id, text, fields, entry_id):
                case Added.KNOWN:
                    continue
                case Added.MANY:
                    raise TooManyPauses
                case Added.ADDED | Added.UNASKED:
                    return pause_id

    def pause(
        self,
        lane: Lane,
        terminal: str,
        *,
        actor: str,
        reason: str,
        cause: Cause = Cause.OTHER,
        until_ms: int = 0,
        pause_id: str = "",
        request: str = "",
    ) -> str:
        """A worker's, or what a worker writes down of an operator's (`pause_id`). Returns the id; "": it was ended.

        Many workers that see the same make one, of each cause, lane and terminal, and it is never shortened. A second
        reason is added to the first, and changes the id: who ends it has read both. `request`: the id of the
        operator's entry that this answers.
        """
        name = pause_id or f"{cause}-{lane}-{'all' if terminal == ALL else terminal}"
        while True:
            with self._reading():
                was = cast("str | None", self._client.hget(redis_keys.PAUSES, name)) or ""
                now_ms = ledger_ms(self._client, self._test_clock)
            there = _read(name, was, is_written=True)[0] if was else None
            if there and not there.holds_at(now_ms):
                there = None
            if pause_id and there:
                return pause_id
            reasons, ends_ms, since_ms = reason, until_ms, now_ms
            if there:
                is_known = reason in there.reason
                reasons = there.reason if is_known else f"{there.reason}; {reason}"[:_LONGEST_REASON]
                is_longer = there.until_ms and (until_ms == 0 or until_ms > there.until_ms)
                if (is_known or reasons == there.reason) and not is_longer and there.tries is None:
                    return there.id
                ends_ms, since_ms = until_ms if is_longer else there.until_ms, there.since_ms
            mark = "" if pause_id else _chance()
            shown = _shown_id(name, mark)
            made = Pause(shown, lane, terminal, cause, ends_ms, actor, reasons, since_ms, mark=mark, name=name)
            change = HashChange(
                redis_keys.PAUSES,
                set={name: made.to_text()},
                leaves=(redis_keys.ADDED_PAUSES, name),
                must_leave=bool(pause_id),
                was={name: was},
            )
            if self._tell(Alarm.LANE_PAUSED, made, actor, reason, change, request):
                return made.id
            if pause_id and not self.is_there(name):
                return ""

    def is_there(self, name: str) -> bool:
        """By its field. Whether its time is over or not; whether a worker wrote it or not."""
        with redis_errors_as(LedgerUnavailable):
            hashes = (redis_keys.PAUSES, redis_keys.ADDED_PAUSES)
            return any(self._client.hget(key, name) is not None for key in hashes)

    def unpause(self, pause: Pause, *, actor: str, reason: str, request: str = "") -> bool:
        """False: it stands otherwise by now, or not any more. `request`: as for `pause`."""
        change = HashChange(
            redis_keys.PAUSES,
            remove=[pause.field_name],
            leaves=(redis_keys.ADDED_PAUSES, pause.field_name),
            was={pause.field_name: pause.written},
            ends=_standings(pause),
        )
        return self._tell(Alarm.LANE_RESUMED, pause, actor, reason, change, request)

    def let_try(self, pause: Pause, tries: int, *, actor: str, reason: str, request: str = "") -> bool:
        """The next `tries` claims go through it. False: it stands otherwise by now, or not any more."""
        changed = replace(pause, tries=tries, trial="", tried_ms=self._now_ms())
        change = HashChange(
            redis_keys.PAUSES,
            set={pause.field_name: changed.to_text()},
            leaves=(redis_keys.ADDED_PAUSES, pause.field_name),
            was={pause.field_name: pause.written},
        )
        return self._tell(Alarm.LANE_TRIED, pause, actor, reason, change, request)

    def standing(self) -> list[Pause]:
        """Those that hold now, the longest first. What can't be read holds everything, and is shown so."""
        written, added = self._hashes()
        now_ms = self._now_ms() if written or added else 0
        texts = [(name, text, True) for name, text in written.items()]
        texts += [(name, text, False) for name, text in added.items() if name not in written]
        found = [pause for name, text, is_written in texts for pause in _read(name, text, is_written=is_written)]
        found = [pause for pause in found if pause.holds_at(now_ms)]
        return _too_many(written, added) + sorted(found, key=lambda pause: (pause.since_ms, pause.id))

    def there(self) -> dict[str, str]:
        """All, by their fields, as they stand, also those whose time is over; those that no worker wrote yet, too.

        So many of these as the scripts read: where there are more, everything is held.
        """
        written, added = self._hashes()
        unwritten = {name: _unwritten_text(name, text) for name, text in sorted(added.items())[: MOST_PAUSES + 1]}
        return unwritten | written

    def over(self, *, since_ms: int) -> list[Pause]:
        """Those whose time has been over for so long, by the ledger's clock: the caller must trust it."""
        written, added = self._hashes()
        then_ms = self._now_ms() - since_ms
        found = [pause for name, text in written.items() for pause in _read(name, text, is_written=True)]
        found += [
            pause
            for name, text in added.items()
            if name not in written and len(added) <= MOST_PAUSES
            for pause in _read(name, text, is_written=False)
        ]
        return [pause for pause in found if not pause.holds_at(then_ms)]

    def clear_added(self, *, since_ms: int, actor: str) -> int:
        """Of more added pauses than the scripts read, those whose time has been over for so long go. How many.

        Each page of them is one event: a thief of an operator's password can add any number.
        """
        with self._reading():
            if self._client.hlen(redis_keys.ADDED_PAUSES) <= MOST_PAUSES:
                return 0
        gone = 0
        for _ in range(_PAGES):
            then_ms = self._now_ms() - since_ms
            with self._reading():
                place, page = self._page_of(redis_keys.ADDED_PAUSES, self._cleared_to)
            self._cleared_to = place
            over = {
                name: pause
                for name, text in page.items()
                for pause in _read(name, text, is_written=False)
                if not pause.holds_at(then_ms)
            }
            if over:
                first = next(iter(over.values()))
                change = HashChange(redis_keys.ADDED_PAUSES, remove=list(over), was={name: page[name] for name in over})
                of_all = replace(first, id=f"{first.id} and {len(over) - 1} more")
                gone += len(over) * self._tell(Alarm.LANE_RESUMED, of_all, actor, "their time is over", change, "")
            if not place:
                break
        return gone

    def _hashes(self) -> tuple[dict[str, str], dict[str, str]]:
        """The first page of each comes in one round trip, and there is hardly ever another."""
        with self._reading():
            pipeline = self._client.pipeline(transaction=False)
            for key in (redis_keys.PAUSES, redis_keys.ADDED_PAUSES):
                pipeline.hscan(key, 0, count=_PAGE)
            written, added = pipeline.execute(raise_on_error=False)
            for page in (written, added):
                if isinstance(page, Exception):  # as the server said it: the library would put the command before it
                    raise page
            return self._some_of(redis_keys.PAUSES, *written), self._some_of(redis_keys.ADDED_PAUSES, *added)

    def _page_of(self, key: str, place: int) -> tuple[int, dict[str, str]]:
        return cast("tuple[int, dict[str, str]]", self._client.hscan(key, place, count=_PAGE))

    def _some_of(self, key: str, place: int, page: Mapping[str, str]) -> dict[str, str]:
        """From its first page on. All, or more than the scripts read: then everything is held, whatever they say."""
        found = dict(page)
        while place and len(found) <= MOST_PAUSES:
            place, page = self._page_of(key, place)
            found |= page
        return found

    def is_over(self, pause_id: str, text: str, *, since_ms: int = 0) -> bool:
        return not _holds(pause_id, text, self._now_ms() - since_ms)

    def has_ended(self, name: str, text: str) -> bool:
        """Did a worker end the pause that this is a text of? Not where its time alone is over."""
        with self._reading():
            return self._client.zscore(redis_keys.ENDED_PAUSES, _standing(name, text)) is not None

    def restore(self, name: str, text: str, *, actor: str, was: str = "") -> None:
        """Set one again that the ledger has lost, or of which it has an older text (`was`). No try is left to it.

        What a worker has ended stays ended.
        """
        standing = _standing(name, text)
        pause = _read(name, text, is_written=True)[0]
        if pause.tries:
            pause = replace(pause, tries=0)
            text = pause.to_text()
        change = HashChange(redis_keys.PAUSES, set={name: text}, was={name: was}, unless_ended=standing)
        reason = f"the ledger has lost it, and the vault has kept it: {pause.reason}"
        self._tell(Alarm.LANE_PAUSED, pause, actor, reason, change, "")

    def vanished(self, standing: Iterable[Pause]) -> bool:
        """Is one gone since the last `refresh`, and not by its time? It was ended, or the ledger has lost it.

        `standing`: those that hold now.
        """
        if not self._seen:
            return False
        now_ms = self._now_ms()
        known = {pause.id for pause in self._seen if pause.holds_at(now_ms)}
        return bool(known - {pause.id for pause in standing})

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """In a ledger of another format the key of the pauses is another thing."""
        try:
            with read_errors_as(LedgerUnavailable), of_its_type("pauses"):
                yield
        except LedgerBroken:
            check_format(self._client)
            raise

    def _now_ms(self) -> int:
        with read_errors_as(LedgerUnavailable):
            return ledger_ms(self._client, self._test_clock)

    def get(self, pause_id: str) -> Pause | None:
        """The first of this id that stands now."""
        return next((pause for pause in self.standing() if pause.id == pause_id), None)

    def refresh(self) -> None:
        """Read them; `holding` answers from memory until the next time."""
        self.see(self.standing())

    def see(self, standing: Iterable[Pause]) -> None:
        """As `refresh`, by what the caller has read."""
        self._seen = list(standing)

    def holding(self, lane: Lane, terminal: str, now_ms: int) -> Pause | None:
        """What holds this lane, as of the last `refresh`: half a second old at the most. `claim` sees them as they are.

        One that lets a trial through does not count. `now_ms`: what the caller knows of the ledger's time.
        """
        those = (pause for pause in self._seen if pause.is_for(lane, terminal) and not pause.tries)
        return next((pause for pause in those if pause.holds_at(now_ms)), None)

    def trying(self, lane: Lane, terminal: str, now_ms: int) -> list[Pause]:
        """Those that let a trial through, as `holding` reads them."""
        those = (pause for pause in self._seen if pause.is_for(lane, terminal) and pause.tries)
        return [pause for pause in those if pause.holds_at(now_ms)]

    def credentials_refused(self, terminal: str, now_ms: int) -> Pause | None:
        """Does the bank give the terminal no token? The same, also of one that lets a trial through."""
        those = (
            pause for pause in self._seen if pause.cause is Cause.CREDENTIALS and pause.terminal in {ALL, terminal}
        )
        return next((pause for pause in those if pause.holds_at(now_ms)), None)

    def trials(self) -> list[Pause]:
        """Those that have let a transfer through, as of the last `refresh`."""
        return [pause for pause in self._seen if pause.trial]

    def _tell(self, verb: Alarm, pause: Pause, actor: str, why: str, change: HashChange, request: str) -> bool:
        entry = {"lane": str(pause.lane), "terminal": pause.terminal, "pause": pause.id, "cause": str(pause.cause)}
        entry |= {"actor": actor, "reason": why} | ({"request": request} if request else {})
        sequence = self._teller.tell_counted(verb, entry, change)
        self.sequence = max(self.sequence, sequence)
        return sequence > 0


def _holds(name: str, text: str, now_ms: int) -> bool:
    return any(pause.holds_at(now_ms) for pause in _read(name, text, is_written=True))


def _standing(name: str, text: str) -> str:
    """One standing of a pause, whatever reasons and tries its texts have: the name is used again after its end."""
    since = str(_read(name, text, is_written=True)[0].since_ms) if _VALUE.fullmatch(text) else text
    return _digest_of(name, since)


def _standings(pause: Pause) -> list[str]:
    """As `_standing` has them: an operator's has a text of before a worker wrote it down, too, without a time."""
    if pause.written and not _VALUE.fullmatch(pause.written):
        return [_standing(pause.field_name, pause.written)]
    times = {pause.since_ms} if pause.mark else {pause.since_ms, 0}
    return [_digest_of(pause.field_name, str(since_ms)) for since_ms in sorted(times)]


def _digest_of(name: str, since: str) -> str:
    return hashlib.sha256(f"{name} {since}".encode()).hexdigest()[:32]


def uses_more_tries(copy: str, text: str) -> bool:
    """Of the same tries, have more been used in the copy? Then the text is an older one."""
    ours, theirs = (_read("", each, is_written=True)[0] for each in (copy, text))
    return (
        ours.tries is not None
        and theirs.tries is not None
        and (ours.since_ms, ours.tried_ms) == (theirs.since_ms, theirs.tried_ms)
        and ours.tries < theirs.tries
    )


def _unwritten_text(name: str, text: str) -> str:
    """What is kept of an operator's pause before a worker has written it down."""
    found = _read(name, text, is_written=False)
    return found[0].to_text() if len(found) == 1 else text


def is_pause_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def _read(name: str, text: str, *, is_written: bool) -> list[Pause]:
    """One for each lane where it can't be read: then the scripts hold all of them."""
    match, written = _VALUE.fullmatch(text), text if is_written else ""
    if match is None:
        shown = _shown_id(name, "")
        return [
            Pause(shown, lane, ALL, actor="?", reason="it can't be read", name=name, written=written) for lane in Lane
        ]
    until, lane, terminal, tries, trial, rest = match.groups()
    cause, actor, reason, since_ms, tried_ms, mark = _words(rest)
    if not is_written:
        actor, reason = _NOT_WRITTEN
    return [
        Pause(
            id=_shown_id(name, mark),
            lane=Lane(lane),
            terminal=terminal,
            cause=cause,
            until_ms=int(until),
            actor=actor,
            reason=reason,
            since_ms=since_ms,
            tries=None if tries == _NO_TRIES else int(tries),
            trial="" if trial == _NO_TRIAL else trial,
            tried_ms=tried_ms,
            mark=mark,
            name=name,
            written=written,
        )
    ]


def _words(text: str) -> tuple[Cause, str, str, int, int, str]:
    try:
        cause, actor, reason, since_ms, *more = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return Cause.OTHER, "?", "it can't be read", 0, 0, ""
    tried_ms, mark = (*more, *(0, "")[len(more) :])[:2]
    known: Mapping[str, Cause] = {each.value: each for each in Cause}
    return (
        known.get(str(cause), Cause.OTHER),
        str(actor),
        str(reason),
        since_ms if isinstance(since_ms, int) else 0,
        tried_ms if isinstance(tried_ms, int) else 0,
        mark if isinstance(mark, str) and _MARK.fullmatch(mark) else "",
    )


def _shown_id(name: str, mark: str) -> str:
    shown = f"{name}-{mark}" if mark else name
    return shown if is_pause_id(shown) else f"{_ODD}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _too_many(written: Mapping[str, str], added: Mapping[str, str]) -> list[Pause]:
    """As the scripts have it: then every lane is held, whatever else stands."""
    whose = {"that workers wrote": written, "that operators added": added}
    return [
        Pause(
            f"{TOO_MANY}-{lane}",
            lane,
            ALL,
            actor="?",
            reason=f"there are more than {MOST_PAUSES} pauses {words}, which holds everything: end those that are none "
            "by their ids; a worker removes one whose time has been over for an hour. Whose password added them?",
        )
        for words, those in whose.items()
        if len(those) > MOST_PAUSES
        for lane in Lane
    ]


def _chance() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
