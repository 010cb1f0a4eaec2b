"""Every key that the ledger and the vault have in Redis is spelled here, and nowhere else.

All lie under `transfers:`, with one hash tag, so that a script's keys always share a slot. Scripts get them from here
and build none. A record's key *is* its space and last six digits: that is what makes a suffix unique for ever.
"""

import base64
import hashlib
import zlib
from functools import lru_cache

from epay_transfers.ledger import invoice

_ROOT = "transfers:{t}:"

#: An index is so many short hashes, which the server keeps small (128 fields): an entry takes a quarter of what a key
#: of its own does. The few take what comes while the ledger is young, as `_move.lua` has it, and the many what comes
#: later: so this holds in a ledger of a thousand transfers as it does in one of a million.
_FEW, _MANY = 256, 8192

DUE = f"{_ROOT}due"  #: zset: every unfinished transfer, by the time (ms) at which it must be looked at again
BY_STATE = f"{_ROOT}by_state"  #: zset by name: `state:terminal:since_ms:key` of every transfer, for lists
COUNTERS = f"{_ROOT}counters"  #: hash: how many and how much, by what lists are asked for; and the ledger's sequence
EVENTS = f"{_ROOT}events"  #: stream: every move, with who and why
PAUSES = f"{_ROOT}pauses"  #: hash: the id of a pause → until when, lane, terminal, who, why. Workers alone may write
KEPT_PAUSES = f"{_ROOT}kept_pauses"  #: in the vault: a copy of `pauses`, for a ledger that loses its own
ADDED_PAUSES = f"{_ROOT}pauses:added"  #: the same of operators' pauses: they may add, and neither change nor remove
ENDED_PAUSES = f"{_ROOT}pauses:ended"  #: zset: digests of the pauses that were ended last, by the time (ms)
OPERATORS = f"{_ROOT}operators"  #: set: the names of the operators' inboxes
TAKEN = f"{_ROOT}taken"  #: zset: entries that a worker is at, by the time (ms) when another may take them
BREAKERS = f"{_ROOT}breakers"  #: hash: what the breaker of each of the bank's hosts knows
TURNS = f"{_ROOT}turns"  #: hash: what lets a try through → until when a transfer goes for it, and which
RATES = f"{_ROOT}rates"  #: hash: terminal → when its next transfer may go
TERMINALS = f"{_ROOT}terminals"  #: hash: TerminalID → the space that its transfers are in
WORKERS = f"{_ROOT}workers"  #: hash: a worker → when it said so, and what it says of itself, as JSON
SAMPLES = f"{_ROOT}samples"  #: list: the ledger's numbers of each minute, the newest first
SAMPLE_TURN = f"{_ROOT}samples:turn"  #: string: a worker brings this minute's
FINGERPRINT_KEYS = f"{_ROOT}fingerprint_keys"  #: set: the ids of the fingerprint keys that producers have
WATCHED = f"{_ROOT}watched"  #: zset: what the bank is asked about beside `due`, by the time (ms) of the next inquiry
CONTRADICTED = f"{_ROOT}contradicted"  #: hash: key → what the bank says against the end that the record has
LOST = f"{_ROOT}lost"  #: hash: `space:suffix` → an invoice id that the bank executed, and whose record is lost
OUTCOMES_ASIDE = f"{_ROOT}outcomes:aside"  #: hash: `group key place` of an outcome → why it was set aside, as JSON
OUTCOME_REPLAYS = f"{_ROOT}outcomes:replays"  #: hash: `group key` → an operator: what was set aside is replayed
UNREADABLE = f"{_ROOT}unreadable"  #: hash: key → what can't be read of its record, as the alarm said it
SERVER = f"{_ROOT}server"  #: hash: which server the workers compared with the vault last, and when it was seen (ms)
HIGH_WATER = f"{_ROOT}high_water"  #: in the vault: the highest sequence of the ledger that a process saw
WRITES = f"{_ROOT}writes"  #: in the vault: its server's run, and how many counted writes it has seen

# Of format 1, before the first number (`ledger_format`). `upgrade` leaves a text in the place of the first two: so no
# process of that version can change the ledger any more.
OLDER_LANES = f"{_ROOT}lanes"  #: hash: `lane:terminal` → until when, who, why; `pauses` was a set of those names
OLDER_OPEN = f"{_ROOT}open"  #: zset: the list of unfinished transfers
OLDER_VAULT_KEYS = f"{_ROOT}vault_keys"  #: hash: a running worker → when it said so, and more


def every(kind: str) -> str:
    """A pattern of the keys of this kind: `r:` of records, say."""
    return f"{_ROOT}{kind}*"


def limits(day: str) -> str:
    """Hash: what was claimed on a day of the bank, by terminal and currency. Workers alone may write here."""
    return f"{_ROOT}limits:{day}"


def receiver_limits(day: str) -> str:
    """Hash: the same by receiver's card, as digests of one day. Workers alone may read and write here."""
    return f"{_ROOT}limits:cards:{day}"


def operator_limits(day: str) -> str:
    """Hash: what each operator alone requeued, discarded and cancelled. Workers alone may read and write here."""
    return f"{_ROOT}limits:operators:{day}"


def record(key: str) -> str:
    return f"{_ROOT}r:{place(key)}"


def suffix_record(space: str, suffix: int) -> str:
    return f"{_ROOT}r:{space}:{suffix:06d}"


def inbox(sender: str) -> str:
    """A list of entries for a worker. The sender's server user may add to it, and may read or remove nothing."""
    return f"{_ROOT}inbox:{sender}"


def guesses(minute: int) -> str:
    """How many requests of that minute (since 1970) came with a handle, an MD or an address that is none."""
    return f"{_ROOT}guesses:{minute}"


def suffixes(space: str) -> str:
    """A bitmap of 10^6 bits: which suffixes of the space are used."""
    return f"{_ROOT}suffixes:{space}"


def reference(text: str) -> str:
    return f"{_ROOT}ref:{text}"


def archived(digest: str) -> str:
    """A hash: the digest of an archived transfer's reference → its key. Many short ones, as of an index."""
    return f"{_ROOT}archived:{zlib.crc32(digest.encode()) % _MANY:x}"


def handle(text: str) -> str:
    """The key of the handle's transfer; of one that has ended with its way home behind it (`ledger.order`)."""
    return f"{_ROOT}handle:{text}"


def md(text: str) -> str:
    """An MD is the bank's, of any length and alphabet: its digest is the key."""
    return f"{_ROOT}md:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def bank_id(text: str) -> str:
    """Of before `bank_ids`: it is read, and written no more."""
    return f"{_ROOT}bank:{text}"


def bank_ids(text: str) -> tuple[str, str]:
    """An index: `bank_id_name` → the transfer's key. The bank's own id belongs to one transfer of ours, for ever."""
    return _index("bank_ids", text)


def bank_id_name(text: str) -> str:
    """A digest of the bank's id, which may be long. That two of 10^9 ids have the same: one chance in 9,000."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:9]).decode()


def references(text: str) -> tuple[str, str]:
    """An index: the bank's reference of a transfer → its key, or the few keys that have it, with blanks between."""
    return _index("refs", text)


def _index(kind: str, text: str) -> tuple[str, str]:
    """The one of the few hashes in which this text has its place, and the one of the many."""
    number = zlib.crc32(text.encode())
    return f"{_ROOT}{kind}:few:{number % _FEW:x}", f"{_ROOT}{kind}:{number % _MANY:x}"


def card(key: str) -> str:
    """In the vault: what stands in the place of a transfer's cards, and under which epoch."""
    return f"{_ROOT}card:{place(key)}"


def pares(key: str) -> str:
    """In the vault: the same of its PaRes."""
    return f"{_ROOT}pares:{place(key)}"


def sealed_card(key: str) -> str:
    """In the vault: the sealed cards themselves. Workers alone may read here."""
    return f"{_ROOT}sealed:card:{place(key)}"


def sealed_pares(key: str) -> str:
    """In the vault: the sealed PaRes itself. Workers alone may read here."""
    return f"{_ROOT}sealed:pares:{place(key)}"


@lru_cache(maxsize=1024)  # each step of a transfer asks for it
def place(key: str) -> str:
    """A transfer's space and last six digits, as its record is named too.

    A ledger that forgot a transfer makes it anew on another day, under another date: it is to meet its own tombstone.
    """
    space, invoice_id = invoice.split_key(key)
    return f"{space}:{invoice.suffix_of(invoice_id):06d}"


def prints(key: str) -> str:
    """The fingerprints of an unfinished transfer's cards. Producers alone may read here."""
    return f"{_ROOT}prints:{place(key)}"


def challenge(key: str) -> str:
    """The 3-D Secure challenge of a parked transfer, apart from its record, which stays small."""
    return f"{_ROOT}challenge:{key}"
