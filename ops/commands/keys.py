"""`transfers keys`: lists the vault's keys of this environment by id and age. It never shows a key.

It is for the keeper of the keys, and runs with a worker's settings: an operator's environment has no private key.
"""

from dataclasses import dataclass
from datetime import date

import typer
from pydantic import Field, field_validator

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.transfer import moment
from epay_transfers.ledger.vault.keyring import KeyRing, PrivateKey, read_public
from epay_transfers.ops import screen
from epay_transfers.ops.options import AsJson
from epay_transfers.runtime.key_source import KeySource
from epay_transfers.runtime.settings import EX_CONFIG

app = typer.Typer()

_SAYS = {
    "seals": "opens; VAULT_PUBLIC_KEY here seals for it",
    "opens": "opens what was sealed for it, and seals nothing",
    "destroyed": "destroyed: what was sealed for it can't be opened any more",
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
    """A private key, as it is shown."""

    key_id: str
    made: str | None
    age_days: int | None
    state: str  #: `seals`, `opens`, `destroyed`

    @classmethod
    def of(cls, key: PrivateKey, seals: str, today: date) -> "Held":
        state = "seals" if key.key_id == seals else "opens"
        if key.key is None:
            state = "destroyed"
        age = (today - key.made).days if key.made else None
        return cls(key.key_id, key.made.isoformat() if key.made else None, age, state)


@app.command()
def keys(*, as_json: AsJson = False) -> None:
    """The vault's keys of this environment: id, age, and what each may do. Ends with 78 if one is missing."""
    settings = _Keys.load()
    ring = KeyRing(settings.vault_private_keys)
    today = moment(SystemClock().now_ms()).date()
    seals = read_public(settings.vault_public_key).key_id if settings.vault_public_key else ""
    held = [Held.of(key, seals, today) for key in ring]
    if as_json:
        screen.say_json([{name: getattr(key, name) for name in Held.__slots__} for key in held])
    else:
        rows = [(key.key_id, key.made or "-", _age(key.age_days), _SAYS[key.state]) for key in held]
        screen.say(screen.table(("key", "made", "age", "what it does"), rows))
    opening = {key.key_id for key in ring if key.key}
    if seals and seals not in opening:
        typer.echo(f"VAULT_PUBLIC_KEY: producers seal with {seals}, and no key here opens that", err=True)
        raise typer.Exit(EX_CONFIG)


def _age(days: int | None) -> str:
    return "not known" if days is None else f"{days} d"
