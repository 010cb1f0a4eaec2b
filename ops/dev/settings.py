"""The settings of `transfers dev`: keys that are kept from run to run, and the `.env` that a backend reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dotenv import dotenv_values

from epay_transfers.ops import dotenv
from epay_transfers.ops.demo import shop
from epay_transfers.ops.demo.stage import Ports
from epay_transfers.ops.dev.folder import KEYS, LEDGER
from epay_transfers.ops.exit_status import Refusal

#: What a backend, a web tier and the operators' commands read. Neither the bank's secret nor the vault's private key is
#: one of them: the worker alone has those.
FOR_A_BACKEND = (
    "REDIS_URL",
    "VAULT_URL",
    "VAULT_PUBLIC_KEY",
    "FINGERPRINT_KEYS",
    "EPAY_ENVIRONMENT",
    "WEB_BASE_URL",
    "NOTIFY_SECRET",
)

ENV_FILE = ".env"

#: Where the web tier of a backend is, which is not the shop: the port of FastAPI and of Django, and the path of our
#: documents.
WEB_BASE_URL = "http://127.0.0.1:8000/transfers"

_BEGIN_ANEW = "--reset begins with new keys, and without the data"


@dataclass(frozen=True, slots=True)
class Places:
    """Where all of it is: four ports from `base` on."""

    base: int

    @property
    def ports(self) -> Ports:
        return Ports(bank=self.base + 1, ledger=self.base + 2, vault=self.base + 3)

    @property
    def shop_url(self) -> str:
        return f"http://{shop.HOST}:{self.base}"

    @property
    def servers(self) -> dict[str, str]:
        ports = self.ports
        return {
            "REDIS_URL": f"redis://{shop.HOST}:{ports.ledger}/0",
            "VAULT_URL": f"redis://{shop.HOST}:{ports.vault}/0",
        }


def kept_keys(folder: Path, today: date) -> dict[str, str]:
    """The keys of this folder, made at its first run. A ledger and its keys belong together, so a part is refused."""
    file = folder / KEYS
    fresh = dotenv.fresh_keys(today).as_dict() | shop.web_settings("")
    del fresh["WEB_BASE_URL"]
    if not file.exists():
        if (folder / LEDGER).exists():
            raise Refusal(f"{file}: is missing, and the ledger beside it is of no use without; {_BEGIN_ANEW}")
        dotenv.write(file, "".join(f"{name}={value}\n" for name, value in fresh.items()))
        return fresh
    kept = dotenv_values(file, interpolate=False)
    missing = sorted(name for name in fresh if not kept.get(name))
    if missing:
        raise Refusal(f"{missing[0]}: is missing in {file}; {_BEGIN_ANEW}")
    return {name: str(kept[name]) for name in fresh}


def write_env(folder: Path, settings: Mapping[str, str]) -> None:
    """Write the backend's `.env`, anew at each start: the ports may be others."""
    remarks = {"WEB_BASE_URL": "of your own web tier: transfers dev --web-base-url"}
    dotenv.write(folder / ENV_FILE, dotenv.text_of({name: settings[name] for name in FOR_A_BACKEND}, remarks))
