"""`Context`: what a command works with, built once: settings, clock, ledger, events, lanes, queues.

Nothing connects before it is used.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import redis

from epay_transfers.ledger.clock import Clock, SystemClock
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.queue.stats import Queues
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.store import inboxes
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.inboxes import Inboxes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_format import check_format
from epay_transfers.ledger.store.outcomes_aside import OutcomesAside
from epay_transfers.ledger.store.pauses import Pauses
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.settings import OpsSettings
from epay_transfers.runtime.setting_sources import ENV_FILE


@dataclass(frozen=True)
class Context:
    settings: OpsSettings
    clock: Clock
    client: redis.Redis

    @classmethod
    def connect(cls) -> Self:
        """From the environment. Raises `SettingsWrong`."""
        settings = OpsSettings.load(env_file=ENV_FILE)
        return cls(settings, SystemClock(), connect(settings.redis_url.reveal(), settings.name_of("REDIS_URL")))

    @cached_property
    def sound_client(self) -> redis.Redis:
        """The ledger's, once its format was looked at: a command shows and asks nothing of a ledger of another one."""
        check_format(self.client)
        return self.client

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.sound_client)

    @cached_property
    def events(self) -> Events:
        return Events(self.sound_client)

    @cached_property
    def pauses(self) -> Pauses:
        return Pauses(self.sound_client)

    @cached_property
    def queue_client(self) -> redis.Redis:
        return connect(self.settings.queue_url, self.settings.queue_setting, text=False)

    @cached_property
    def queues(self) -> Queues:
        return Queues(self.queue_client, self.clock)

    @cached_property
    def inboxes(self) -> Inboxes:
        return Inboxes(self.sound_client)

    @cached_property
    def outcomes_aside(self) -> OutcomesAside:
        return OutcomesAside(self.sound_client)

    @property
    def operator(self) -> str:
        """The operator's name, as the server knows it; the label where the server has no users."""
        return (
            self.settings.server_operator
            or re.sub(r"[^A-Za-z0-9_.-]", "-", self.settings.operator)[:32].lstrip(".-")
            or "operator"
        )

    @property
    def sender(self) -> str:
        """Whose inbox it is."""
        return inboxes.operator(self.operator)

    def find(self, text: str) -> Record:
        """The transfer with this key or reference, or the bank's id or reference. No error repeats what may be a card.

        The bank's names come last: another system gave them, and ours name one transfer each.
        """
        by_key = self.ledger.get(text) if is_key(text) else None
        by_reference = self.ledger.by_reference(text)
        if by_key and by_reference and by_key.key != by_reference.key:
            raise Refusal("this is the key of one transfer and the reference of another: give its other name")
        record = by_key or by_reference
        if record is not None:
            return record
        by_id = self.ledger.by_bank_id(text)
        records = ([by_id] if by_id else []) + list(self.ledger.by_bank_reference(text))
        found = {record.key: record for record in records}
        if len(found) > 1:
            raise Refusal(f"the bank gave this to several: give one of {', '.join(found)}")
        if not found:
            raise Refusal(
                "there is no transfer with this key or reference, nor one with this id or reference of the bank's"
            )
        return records[0]
