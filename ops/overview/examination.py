"""What `doctor` and the console find: the servers, all that the overview judges, and the keys of this environment.

Keys are told by their ids, and of when they were made where their text is here and says so; no key is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable
from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.transfer import moment
from epay_transfers.ledger.vault.keyring import read_public
from epay_transfers.ops.context import Context
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.findings import findings_of
from epay_transfers.ops.overview.judgement import Judgement
from epay_transfers.producers.known_keys import finding_of
from epay_transfers.runtime.health import Finding
from epay_transfers.runtime.key_source import FingerprintKeySource
from epay_transfers.runtime.setting_sources import ENV_FILE
from epay_transfers.runtime.settings import ServerSettings, SettingsWrong

#: Worker → the ids of the vault's keys that it opens with.
Opening = Mapping[str, Sequence[str]]


class _Sealing(ServerSettings):
    """The public key, if this environment has one: a producer's has. It is no secret, and an operator's may have it."""

    vault_public_key: str = ""


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """Those of this environment, as far as it has any: a producer's has, and few others. Of each its id, and its day.

    `sealing`: the key that VAULT_PUBLIC_KEY is.
    """

    sealing: str
    made: Mapping[str, date | None]
    fingerprint: Sequence[str]

    @classmethod
    def load(cls) -> "OwnKeys":
        """What is wrong with a key, the settings of the process that needs it say."""
        text = _Sealing.load(env_file=ENV_FILE).vault_public_key
        try:
            sealing = read_public(text) if text else None
        except ValueError:
            sealing = None
        try:
            fingerprint = FingerprintKeys(FingerprintKeySource.load(env_file=ENV_FILE).fingerprint_keys).all()
        except SettingsWrong:
            fingerprint = []
        made = {key.key_id: key.made for key in ([sealing] if sealing else [])} | {
            key.key_id: key.made for key in fingerprint
        }
        return cls(sealing.key_id if sealing else "", made, [key.key_id for key in fingerprint])


@dataclass(frozen=True, slots=True)
class KeyRow:
    key_id: str
    kind: str  #: `vault` or `fingerprint`
    made: str  #: the day; `not known` where its text is not here, or does not say so
    does: str


def opening_keys(facts: Facts) -> Opening | None:
    """By the workers that are heard; None: unknown."""
    return None if facts.workers is None else {one.worker: list(one.vault_keys) for one in facts.alive}


def examined(context: Context, facts: Facts, judgements: Sequence[Judgement], own: OwnKeys) -> list[Finding]:
    found = findings_of(judgements, facts.findings)
    return found + _vault_keys(opening_keys(facts) or {}, own) + _fingerprint_keys(context, own)


def shared(opening: Opening) -> list[str]:
    """The keys that every worker opens with."""
    return sorted(set.intersection(*map(set, opening.values()))) if opening else []


def key_rows(context: Context, facts: Facts, own: OwnKeys) -> list[KeyRow] | None:
    """None: they can't be known now."""
    opening = opening_keys(facts)
    if opening is None:
        return None
    try:
        known = Ledger(context.client).fingerprint_keys()
    except LedgerUnavailable:
        return None
    today = moment(facts.now_ms).date()
    sealing = [own.sealing] if own.sealing else []
    rows = []
    for key_id in dict.fromkeys([*sealing, *(each for keys in opening.values() for each in keys)]):
        opened = sum(key_id in keys for keys in opening.values())
        seals = "; VAULT_PUBLIC_KEY here seals for it" if key_id in sealing else ""
        does = f"{opened} of {len(opening)} workers open with it{seals}"
        rows.append(KeyRow(key_id, "vault", _made(own, key_id, today), does))
    does = "producers compare intents by it"
    return rows + [KeyRow(key_id, "fingerprint", _made(own, key_id, today), does) for key_id in known]


def _made(own: OwnKeys, key_id: str, today: date) -> str:
    made = own.made.get(key_id)
    return f"{made.isoformat()}, {(today - made).days} d ago" if made else "not known"


def _vault_keys(opening: Opening, own: OwnKeys) -> list[Finding]:
    """Does every worker open what this environment's public key seals? Only workers have private keys."""
    key_id = own.sealing
    if not key_id:
        return []
    without = [worker for worker, key_ids in opening.items() if key_id not in key_ids]
    if not without:
        return []
    return [
        Finding(
            "VAULT_PUBLIC_KEY",
            f"{len(without)} of {len(opening)} workers do not open what it seals (key {key_id}): {', '.join(without)}",
            "give its private key to these workers, or producers a key that all of them have: a worker that can't open "
            "a card ends its transfer",
        )
    ]


def _fingerprint_keys(context: Context, own: OwnKeys) -> list[Finding]:
    """Where this environment has a producer's keys: does the ledger know one of them? It changes nothing there."""
    ids = own.fingerprint
    if not ids:
        return []  # there are none, or a producer's settings say what is wrong with them
    known: list[str] = []
    try:
        known = Ledger(context.client).fingerprint_keys()  # they are kept so in every format
    except LedgerBroken as error:
        problem, _, cure = str(error).partition(": ")
        return [Finding(context.settings.name_of("REDIS_URL"), problem, cure)]
    except LedgerUnavailable:
        return []  # the findings say so already
    if not known or set(ids) & set(known):
        return []
    return [finding_of(ids, known)]
