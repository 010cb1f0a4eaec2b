"""The worker's settings: the only process that holds the bank's secrets and the vault's private keys."""

from collections.abc import Mapping
from dataclasses import astuple
from functools import cached_property
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from epay_transfers.ledger.invoice import DEFAULT_SPACE
from epay_transfers.ledger.limits import Limits
from epay_transfers.ledger.safe_urls import LOOPBACK, is_safe_url
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.inboxes import complaint_of
from epay_transfers.ledger.store.replicas import Replicas
from epay_transfers.ledger.vault.vault import TOMBSTONE_STANDS_S
from epay_transfers.runtime.key_source import KeySource
from epay_transfers.runtime.listen_address import ADVICE, read_address
from epay_transfers.runtime.settings import JSON, Durability, of_chance, one_line, one_line_secret, shown
from epay_transfers.runtime.web_addresses import WebTierSettings
from epay_transfers.worker.bank import PRESETS, Addresses, BankConfig, Terminal
from epay_transfers.worker.bank.codes import PAID_WORDS
from epay_transfers.worker.bank.transport import check_callable, tls_context
from epay_transfers.worker.limits import read_limits
from epay_transfers.worker.operator_limits import DEFAULT_LIMITS, read_operator_limits

_ADDRESS = "give an https:// address (http:// only for loopback)"

_SHORTEST_HORIZON_S = 3600
_SHORTEST_LETTER = 10
_HASH_KEY_LENGTH = 32


def _hosts(*presets: str) -> frozenset[str]:
    return frozenset(urlsplit(url).hostname or "" for name in presets for url in astuple(PRESETS[name]) if url)


#: By environment: the bank's hosts.
_HOSTS = {"test": _hosts("test", "test-newer"), "production": _hosts("production")}


class TerminalCredentials(BaseModel):
    """Credentials of a further terminal."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    terminal_id: Annotated[str, AfterValidator(one_line)]
    client_id: Annotated[str, AfterValidator(one_line)]
    client_secret: Annotated[Secret, AfterValidator(one_line_secret)]
    client_secret_next: Annotated[Secret, AfterValidator(one_line_secret)] | None = None


#: Bounds of the numbers: what lies beyond one is a mistake, and some of it would overflow a later sum.
_HOUR_S, _DAY_S, _TEN_YEARS_S = 3600, 86_400, 10 * 365 * 86_400
_SHORTEST_S = 0.001
_RATES = (0.00001, 1000)  #: transfers a second: the slowest is one in 28 hours
_MOST_TRIES = 1_000_000
_MOST_REPLICAS = 9


class WorkerSettings(KeySource, WebTierSettings):
    vault_url: Secret = Field(description="give a second server without persistence, like redis://127.0.0.1:6380/0")

    epay_test_hosts: Literal["documented", "newer"] = Field(
        default="documented", description="give documented, or newer (in test alone)"
    )
    epay_token_url: str = Field(default="", description=_ADDRESS, validate_default=True)
    epay_transfer_url: str = Field(default="", description=_ADDRESS, validate_default=True)
    epay_confirm_url: str = Field(
        default="",
        description="give the address that the bank named to you (`docs/bank.md` has a guess for test)",
        validate_default=True,
    )
    epay_status_url: str = Field(
        default="", description=f"{_ADDRESS} with {{invoice_id}} in it, or `none`", validate_default=True
    )
    epay_terminal_id: Annotated[str, AfterValidator(one_line)] = Field(
        description="give the TerminalID that the bank gave you"
    )
    epay_client_id: Annotated[str, AfterValidator(one_line)] = Field(
        description="give the ClientID that the bank gave you"
    )
    epay_client_secret: Annotated[Secret, AfterValidator(one_line_secret)] = Field(
        description="give the ClientSecret that the bank gave you"
    )
    epay_client_secret_next: Annotated[Secret, AfterValidator(one_line_secret)] | None = Field(
        default=None, description="give the next ClientSecret while the bank changes it, or leave it out"
    )
    epay_secret_hash_key: Secret | None = Field(
        default=None, description=f"give at least {_HASH_KEY_LENGTH} random characters, or leave it out"
    )
    epay_credentials: Annotated[dict[str, TerminalCredentials], *JSON] = Field(
        default_factory=dict,
        description="give JSON with terminal_id, client_id and client_secret for each name in EPAY_TERMINALS",
        validate_default=True,
    )
    epay_confirm_auth: Literal["bearer", "none"] = Field(default="bearer", description="give bearer or none")
    epay_receiver_id_field: Literal["both", "id", "cardCred"] = Field(
        default="cardCred", description="give both, id or cardCred"
    )
    epay_saved_sender_fields: Literal["all", "given"] = Field(default="all", description="give all or given")
    epay_paid_statuses: Annotated[tuple[str, ...], *JSON] = Field(
        default=PAID_WORDS, description=f'give one or more of {" and ".join(PAID_WORDS)}, as JSON like ["AUTH"]'
    )
    epay_not_found_letter: str = Field(
        default="",
        description="name the bank's letter that says so, with its date, in one line; or leave it out",
    )
    epay_rate: Annotated[dict[str, float], *JSON] = Field(
        default_factory=dict, description='give transfers a second by terminal, as JSON like {"main": 5}'
    )

    epay_limits: Annotated[dict[str, dict[str, Limits]], BeforeValidator(read_limits), *JSON] = Field(
        default_factory=dict,
        description='give JSON like {"main": {"KZT": {"transfer": "500000", "terminal_day": "20000000"}}}',
    )

    operator_limits: Annotated[dict[str, int], BeforeValidator(read_operator_limits), *JSON] = Field(
        default_factory=lambda: dict(DEFAULT_LIMITS), description='give JSON like {"transfers": 100, "KZT": "10000000"}'
    )

    http_connect_timeout: float = Field(default=5, ge=_SHORTEST_S, le=_HOUR_S, description="give seconds")
    http_read_timeout: float = Field(default=30, ge=_SHORTEST_S, le=_HOUR_S, description="give seconds")
    http_deadline: float = Field(default=45, ge=_SHORTEST_S, le=_HOUR_S, description="give seconds")
    lease: float = Field(
        default=60, gt=0, le=_DAY_S, description="give seconds, more than HTTP_DEADLINE", validate_default=True
    )
    bank_ca_file: str | None = Field(default=None, description="give a PEM file, or leave it out")

    ledger_replicas: int = Field(default=0, ge=0, le=_MOST_REPLICAS, description="give a whole number from 0 to 9")

    retry_attempts: int = Field(default=20, ge=1, le=_MOST_TRIES, description="give a whole number from 1")
    retry_min_backoff: float = Field(default=1, ge=_SHORTEST_S, le=_DAY_S, description="give seconds")
    retry_max_backoff: float = Field(
        default=60, ge=_SHORTEST_S, le=_DAY_S, description="give seconds, not fewer than RETRY_MIN_BACKOFF",
        validate_default=True,
    )  # fmt: skip
    park_ttl: int = Field(default=900, gt=0, le=86_400, description="give seconds, at most a day")
    doubt_horizon: int = Field(
        default=86_400, le=TOMBSTONE_STANDS_S, description="give seconds, more than LEASE, at most 6 days",
        validate_default=True,
    )  # fmt: skip
    doubt_reads: int = Field(default=3, ge=1, le=_MOST_TRIES, description="give a whole number from 1")
    events_keep: int = Field(default=30 * 86_400, gt=0, le=_TEN_YEARS_S, description="give seconds, at most ten years")
    metrics_address: str = Field(default="", description=ADVICE)
    worker_threads: int = Field(default=16, ge=2, le=1000, description="give a whole number from 2")
    worker_one_core: bool = Field(default=True, description="give 1 or 0")

    @field_validator("metrics_address")
    @classmethod
    def _listens(cls, value: str) -> str:
        if value:
            read_address(value)
        return value

    @field_validator("epay_secret_hash_key")
    @classmethod
    def _long_key(cls, value: Secret | None) -> Secret | None:
        if value is not None and len(value.reveal()) < _HASH_KEY_LENGTH:
            raise ValueError("is too short")
        return of_chance(value)

    @field_validator("epay_test_hosts")
    @classmethod
    def _for_test(cls, value: str, info: ValidationInfo) -> str:
        if value != "documented" and info.data.get("epay_environment") == "production":
            raise ValueError("is for test, and EPAY_ENVIRONMENT says production")
        return value

    @field_validator("epay_token_url", "epay_transfer_url", "epay_confirm_url", "epay_status_url")
    @classmethod
    def _preset(cls, value: str, info: ValidationInfo) -> str:
        """What is not set comes from the environment's preset; the page has no confirm address for test."""
        field = str(info.field_name)
        if not value:
            environment = info.data.get("epay_environment") or "test"
            is_newer = environment == "test" and info.data.get("epay_test_hosts") == "newer"
            preset = PRESETS["test-newer" if is_newer else environment]
            value = getattr(preset, field.removeprefix("epay_")) or ""
        if not value:
            raise ValueError("is not set, and the bank documents none for this environment")
        if field == "epay_status_url" and value == "none":
            return value
        if not is_safe_url(value):
            raise ValueError("is not a safe address")
        if field == "epay_status_url" and "{invoice_id}" not in value:
            raise ValueError("has no {invoice_id} in it")
        check_callable(value)
        _is_of_this_environment(value, info)
        return value

    @field_validator("epay_credentials")
    @classmethod
    def _all_terminals(
        cls, value: dict[str, TerminalCredentials], info: ValidationInfo
    ) -> dict[str, TerminalCredentials]:
        _check_names(value, info)
        if "main" in value:
            raise ValueError("names main, whose credentials are EPAY_TERMINAL_ID, EPAY_CLIENT_ID, EPAY_CLIENT_SECRET")
        missing = set(info.data.get("epay_terminals", {})) - set(value) - {"main"}
        if missing:
            raise ValueError(f"lacks {', '.join(sorted(missing))}")
        ids = {name: given.terminal_id for name, given in value.items()}
        ids = {"main": info.data.get("epay_terminal_id", "")} | ids
        spaces = {name: plan.space for name, plan in info.data.get("epay_terminals", {}).items()}
        for terminal_id in sorted(set(ids.values())):
            names = sorted(name for name, its in ids.items() if its == terminal_id)
            if len({spaces.get(name, DEFAULT_SPACE) for name in names}) > 1:
                raise ValueError(f"gives one TerminalID to {', '.join(names)}, which EPAY_TERMINALS puts in two spaces")
        return value

    @field_validator("epay_paid_statuses")
    @classmethod
    def _can_be_heard(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """The page of success and the notification name no status: they stand for AUTH, the first one."""
        if "AUTH" not in value and info.data.get("epay_status_url") == "none":
            raise ValueError("lacks AUTH, and without a status inquiry (EPAY_STATUS_URL=none) no other word is heard")
        return value

    @field_validator("epay_not_found_letter")
    @classmethod
    def _is_a_letter(cls, value: str) -> str:
        """`false` or `1` are no letter: they must not switch on what they seem to switch off."""
        if value and (len(value) < _SHORTEST_LETTER or not any(char.isdigit() for char in value)):
            raise ValueError("names no letter and no date")
        if value and (complaint := complaint_of(value)):
            raise ValueError(complaint)
        return value

    @field_validator("epay_rate")
    @classmethod
    def _rates(cls, value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        least, most = _RATES
        if not all(least <= rate <= most for rate in value.values()):
            raise ValueError(f"has a rate that is not from {least:.5f} to {most} a second")
        _check_names(value, info)
        return value

    @field_validator("epay_limits")
    @classmethod
    def _limits_of_all(cls, value: dict[str, dict[str, Limits]], info: ValidationInfo) -> dict[str, dict[str, Limits]]:
        """A terminal that was forgotten would be one without a limit, and a producer chooses the terminal."""
        forgotten = {"main", *info.data.get("epay_terminals", {})} - set(value)
        if value and forgotten:
            raise ValueError(f"lacks {', '.join(sorted(forgotten))}: give its limits, or {{}} for none")
        _check_names(value, info)
        return value

    @field_validator("epay_paid_statuses")
    @classmethod
    def _paid_words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not set(value) <= set(PAID_WORDS):
            raise ValueError("names another word, or none; the words are in capitals")
        return value

    @field_validator("bank_ca_file")
    @classmethod
    def _authorities(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                tls_context(value)
            except (OSError, ValueError):  # `ssl.SSLError` is an `OSError`
                raise ValueError("can't be read, or holds no certificate") from None
        return value

    @field_validator("retry_max_backoff")
    @classmethod
    def _longest_wait(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("retry_min_backoff", 0):
            raise ValueError("is less than RETRY_MIN_BACKOFF")
        return value

    @field_validator("lease")
    @classmethod
    def _outlives_request(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("http_deadline", 0) + 1:
            raise ValueError("is not a second longer than HTTP_DEADLINE: a request could outlive its lease")
        return value

    @field_validator("doubt_horizon")
    @classmethod
    def _outlives_lease(cls, value: int, info: ValidationInfo) -> int:
        if value <= info.data.get("lease", 0):
            raise ValueError("is not longer than LEASE: a request could still be under way")
        if info.data.get("epay_environment") == "production" and value < _SHORTEST_HORIZON_S:
            raise ValueError("is less than an hour, in production: the bank's word may come later")
        return value

    @cached_property
    def terminals(self) -> dict[str, Terminal]:
        main = TerminalCredentials(
            terminal_id=self.epay_terminal_id,
            client_id=self.epay_client_id,
            client_secret=self.epay_client_secret,
            client_secret_next=self.epay_client_secret_next,
        )
        return {
            name: Terminal(name, given.terminal_id, given.client_id, given.client_secret, given.client_secret_next)
            for name, given in ({"main": main} | self.epay_credentials).items()
        }

    @cached_property
    def spaces(self) -> dict[str, str]:
        """TerminalID → the space of its transfers."""
        return {terminal.terminal_id: self.space_of(name) or DEFAULT_SPACE for name, terminal in self.terminals.items()}

    @cached_property
    def replicas(self) -> Replicas:
        """Disks count where the ledger's own has to: `attested` and `relaxed` say nothing of a replica's."""
        return Replicas(self.ledger_replicas, on_disk=self.durability is Durability.STRICT)

    @cached_property
    def bank(self) -> BankConfig:
        status = None if self.epay_status_url == "none" else self.epay_status_url
        return BankConfig(
            addresses=Addresses(self.epay_token_url, self.epay_transfer_url, self.epay_confirm_url, status),
            connect_timeout_s=self.http_connect_timeout,
            read_timeout_s=self.http_read_timeout,
            deadline_s=self.http_deadline,
            ca_file=self.bank_ca_file,
            confirm_auth=self.epay_confirm_auth,
            receiver_id_field=self.epay_receiver_id_field,
            saved_sender_fields=self.epay_saved_sender_fields,
            paid_words=self.epay_paid_statuses,
        )


def _check_names(given: Mapping[str, object], info: ValidationInfo) -> None:
    """Raises `ValueError` for a name that is no terminal's: the one that was meant would go without."""
    if "epay_terminals" not in info.data:
        return  # what is wrong there has a line of its own
    strangers = {shown(name) for name in set(given) - {"main", *info.data["epay_terminals"]}}
    if strangers:
        raise ValueError(
            f"names {', '.join(sorted(strangers))}, which is no terminal of this worker: see EPAY_TERMINALS"
        )


def _is_of_this_environment(address: str, info: ValidationInfo) -> None:
    """Raises `ValueError` for production's address in what is no production, or may be none.

    The environment decides which other settings are refused, so an address may not say otherwise.
    """
    host = (urlsplit(address).hostname or "").removesuffix(".")  # with the dot, it is the same host
    environment = info.data.get("epay_environment", "production")  # what is wrong there has a line of its own
    if environment != "production" and host in _HOSTS["production"]:
        raise ValueError("is the bank's address for production, and EPAY_ENVIRONMENT does not say production")
    if environment is None and host not in LOOPBACK | _HOSTS["test"]:
        raise ValueError("is not the bank's address for test, and EPAY_ENVIRONMENT is not set")
