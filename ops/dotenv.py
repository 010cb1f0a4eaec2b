"""Writes a `.env`: every setting with its meaning, in the order of the table. `.env.example` is one without keys.

`python -m epay_transfers.ops.dotenv` prints the example; a test compares the committed file with it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

from epay_transfers.ops.settings_table import CHAPTERS, Setting

#: The public test values of the bank's own page: no secrets.
PUBLIC_TEST_VALUES = {
    "EPAY_ENVIRONMENT": "test",
    "EPAY_TERMINAL_ID": "40a348cb-68a3-45d5-9002-a4836d79c3b5",
    "EPAY_CLIENT_ID": "test",
    "EPAY_CLIENT_SECRET": "yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG",
}

SERVERS = {"REDIS_URL": "redis://127.0.0.1:6379/0", "VAULT_URL": "redis://127.0.0.1:6380/0"}

_KEYS = ("VAULT_PUBLIC_KEY", "VAULT_PRIVATE_KEYS", "FINGERPRINT_KEYS")

#: A remark for a setting whose value needs one.
_REMARKS = {
    "EPAY_TERMINAL_ID": "the bank's public test value",
    "EPAY_CLIENT_ID": "the bank's public test value",
    "EPAY_CLIENT_SECRET": "the bank's public test value",
    "EPAY_TEST_HOSTS": "newer: test-epay-oauth.epayment.kz and test-epay-api.epayment.kz, seen on the bank's pages",
    "EPAY_CONFIRM_URL": "a guess for test: https://testepay.homebank.kz/api/p2p/api/confirm",
}


@dataclass(frozen=True, slots=True)
class FreshKeys:
    """What `keygen` prints."""

    public: str
    private: str
    fingerprint: str

    def as_dict(self) -> dict[str, str]:
        return dict(zip(_KEYS, (self.public, self.private, self.fingerprint), strict=True))


def fresh_keys(made: date | None = None) -> FreshKeys:
    """`made`: today, for keys that are to be kept."""
    from epay_transfers.ledger import fingerprint_keys  # noqa: PLC0415 - with the next one, 100 ms for the example
    from epay_transfers.ledger.vault import sealing  # noqa: PLC0415

    pair = sealing.generate(made)
    return FreshKeys(pair.public, pair.private.reveal(), fingerprint_keys.generate(made).reveal())


def text_of(values: Mapping[str, str], remarks: Mapping[str, str] = MappingProxyType({})) -> str:
    """A `.env`. What is not in `values` stands there as a comment, with its default. `remarks`: more of them."""
    return "\n".join(_lines(values, _REMARKS | dict(remarks))) + "\n"


def example() -> str:
    return text_of(SERVERS | PUBLIC_TEST_VALUES | dict.fromkeys(_KEYS, ""))


def write(file: Path, text: str) -> None:
    """Write the file at once, and never readable by other users. Raises `OSError`."""
    written = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as new:
            new.write(text)
        written.replace(file)
    except OSError:
        written.unlink(missing_ok=True)
        raise


def _lines(values: Mapping[str, str], remarks: Mapping[str, str]) -> Iterator[str]:
    yield "# Settings. The environment comes before this file. It holds keys: keep it to yourself (mode 0600)."
    yield "# If another program has one of these names: TRANSFERS_NAME goes before NAME."
    yield "# Production: give each process only the settings that it reads: docs/settings.md has the table."
    for chapter in CHAPTERS:
        yield ""
        yield f"# --- {chapter.title} ---"
        for setting in chapter.settings:
            yield f"# {_comment(setting, remarks)}"
            yield _assignment(setting, values)


def _comment(setting: Setting, remarks: Mapping[str, str]) -> str:
    remark = remarks.get(setting.name)
    return f"{setting.meaning} ({remark})" if remark else setting.meaning


def _assignment(setting: Setting, values: Mapping[str, str]) -> str:
    if setting.name in values:
        return f"{setting.name}={values[setting.name]}"
    default = "" if setting.required else setting.default
    return f"#{setting.name}={default}"


if __name__ == "__main__":
    print(example(), end="")
