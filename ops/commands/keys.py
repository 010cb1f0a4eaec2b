"""`transfers keys`: lists the keys of this environment by id and age, and rotates them. It never shows a secret key.

It is for the keeper of the keys: the vault's private keys are where a worker's settings are, the fingerprint keys where
a producer's are. An operator's environment has neither.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field, field_validator

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.fingerprint_keys import FingerprintKey, FingerprintKeys
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.transfer import moment
from epay_transfers.ledger.vault import sealing
from epay_transfers.ledger.vault.keyring import KeyRing, PrivateKey, read_public
from epay_transfers.ops import key_files, screen, typed
from epay_transfers.ops.exit_status import Misconfigured, Refusal
from epay_transfers.ops.options import AsJson
from epay_transfers.runtime.key_source import FingerprintKeySource, KeySource, place_of
from epay_transfers.runtime.setting_sources import ENV_FILE

app = typer.Typer(help="The keys of this environment: list, rotate.")


class Ring(StrEnum):
    """Which keys."""

    VAULT = "vault"
    FINGERPRINT = "fingerprint"


RingOption = Annotated[Ring, typer.Option("--ring", help="Which keys: the vault's, or those that compare intents.")]

_SAYS = {
    "seals": "opens; VAULT_PUBLIC_KEY here seals for it",
    "opens": "opens what was sealed for it, and seals nothing",
    "prints": "makes the fingerprints of new transfers",
    "compares": "compares what it printed, and prints nothing new",
    "destroyed": "destroyed: what it was used for can't be opened or compared any more",
}


class _Keys(KeySource):
    vault_public_key: str = Field(default="", description="give the public key that `transfers keygen` prints")

    @field_validator("vault_public_key")
    @classmethod
    def _public_key(cls, value: str) -> str:
        if value:
            read_public(value)
        return value


@dataclass(frozen=True, slots=True)
class Held:
    """A key, as it is shown. `public`: the public key that belongs to a private one."""

    key_id: str
    made: str | None
    age_days: int | None
    state: str  #: a word of `_SAYS`
    public: str = ""

    @classmethod
    def of(cls, key: PrivateKey | FingerprintKey, state: str, today: date) -> "Held":
        age = (today - key.made).days if key.made else None
        public = key.public if isinstance(key, PrivateKey) else ""
        return cls(key.key_id, key.made.isoformat() if key.made else None, age, state, public)


@app.callback(invoke_without_command=True)
def keys(context: typer.Context, *, ring: RingOption = Ring.VAULT, as_json: AsJson = False) -> None:
    """The keys of this environment: id, age, and what each may do. Ends with 78 if one is missing."""
    if context.invoked_subcommand:
        return
    if ring is Ring.FINGERPRINT:
        _show(_fingerprint_keys(), as_json=as_json)
        return
    settings = _Keys.load(env_file=ENV_FILE)
    private = KeyRing(settings.vault_private_keys)
    seals = read_public(settings.vault_public_key).key_id if settings.vault_public_key else ""
    _show([Held.of(key, _state(key, seals), _today()) for key in private], as_json=as_json)
    opening = {key.key_id for key in private if key.key}
    if seals and seals not in opening:
        raise Misconfigured(f"VAULT_PUBLIC_KEY: producers seal with {seals}, and no key here opens that")


@app.command()
def rotate(*, ring: RingOption = Ring.VAULT) -> None:
    """Write a new key in front of the others, into their file (mode 0600), and say what to do next."""
    if ring is Ring.FINGERPRINT:
        fingerprint = FingerprintKeySource.load(env_file=ENV_FILE)
        old = FingerprintKeys(fingerprint.fingerprint_keys).newest.key_id
        _write("FINGERPRINT_KEYS", fingerprint.fingerprint_keys_file, fingerprint_keys.generate(_today()))
        screen.say("Next: give the new list to every producer, and restart them.")
        screen.say(f"The key {old} compares what it printed, until `destroyed.{old}` stands in its place.")
        return
    vault = KeySource.load(env_file=ENV_FILE)
    old = next(key.key_id for key in KeyRing(vault.vault_private_keys) if key.key)
    pair = sealing.generate(_today())
    _write("VAULT_PRIVATE_KEYS", vault.vault_private_keys_file, pair.private)
    screen.say(
        "Next: give the new list to every worker, and restart them. Only then give producers and web tiers this:"
    )
    screen.say_typed(f"VAULT_PUBLIC_KEY={pair.public}")
    screen.say(f"`{typed.command()} doctor`, where that is set, says whether every worker opens what it seals.")
    screen.say(
        f"When what {old} sealed has ended: `destroyed.{old}` in its place. The runbook says how long that takes."
    )


def _write(name: str, file: Path | None, key: Secret) -> None:
    place = place_of(name, file)
    if place is None:
        raise Refusal(
            f"{name} is in the environment, which no command can change: put the keys into a file, name it in "
            f"{name}_FILE, and run this again"
        )
    if place.is_copy:
        raise Refusal(
            f"{name} is a systemd credential, a copy that is gone with the service: run this with {name}_FILE naming "
            "the file that the credential is made from"
        )
    key_files.put_in_front(place, key)
    screen.say(f"A new key stands in front of the others in {place.path} (mode 0600).")


def _fingerprint_keys() -> list[Held]:
    held = FingerprintKeys(FingerprintKeySource.load(env_file=ENV_FILE).fingerprint_keys)
    states = {key.key_id: "compares" if key.text else "destroyed" for key in held.all()}
    states[held.newest.key_id] = "prints"
    return [Held.of(key, states[key.key_id], _today()) for key in held.all()]


def _state(key: PrivateKey, seals: str) -> str:
    if key.key is None:
        return "destroyed"
    return "seals" if key.key_id == seals else "opens"


def _show(held: list[Held], *, as_json: bool) -> None:
    if as_json:
        screen.say_json([{name: getattr(key, name) for name in Held.__slots__} for key in held])
        return
    rows = [(key.key_id, key.made or "-", _age(key.age_days), _SAYS[key.state]) for key in held]
    screen.say(screen.table(("key", "made", "age", "what it does"), rows))


def _today() -> date:
    return moment(SystemClock().now_ms()).date()


def _age(days: int | None) -> str:
    return "not known" if days is None else f"{days} d"
