"""The mapping file: which column of a statement is what, and how the bank writes it. TOML; pure but for one file.

What form the bank's statement has is not known, and each bank changes its own: so nothing of it is assumed here.
"""

import codecs
import tomllib
from datetime import tzinfo
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from epay_transfers.ledger.invoice import ALMATY, DEFAULT_SPACE, is_space
from epay_transfers.ledger.money import EXPONENTS
from epay_transfers.ops.exit_status import Refusal

#: The bank's time zone: known without the machine's list of zones, which may be old.
_BANKS_ZONE = "Asia/Almaty"

_LARGEST = 64 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_min_length=1)


class Columns(_Part):
    """The names in the statement's first row."""

    invoice_id: str | None = None
    bank_reference: str | None = None
    amount: str
    currency: str | None = None
    state: str | None = None
    at: str | None = None

    @model_validator(mode="after")
    def _names_each_transfer(self) -> Self:
        if self.invoice_id is None and self.bank_reference is None:
            raise ValueError("give invoice_id or bank_reference: by one of them a row names its transfer")
        return self

    @property
    def named(self) -> list[str]:
        given = (self.invoice_id, self.bank_reference, self.amount, self.currency, self.state, self.at)
        return [name for name in given if name is not None]


class Values(_Part):
    """What stands in the column `state`. A value that is in none of the three is an error."""

    executed: tuple[str, ...] = Field(min_length=1)
    refunded: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()  #: no money moved by such a row

    @model_validator(mode="after")
    def _each_means_one_thing(self) -> Self:
        all_of_them = [*self.executed, *self.refunded, *self.ignored]
        if len(set(all_of_them)) < len(all_of_them):
            raise ValueError("a value stands twice: it can mean one thing alone")
        return self


class Mapping(_Part):
    columns: Columns
    values: Values | None = None
    executed_sign: Literal["+", "-"] | None = None  #: of the amount, where there is no column `state`
    currency: str | None = None  #: of all rows, where there is no column for it
    space: str = DEFAULT_SPACE  #: of the transfers, see EPAY_TERMINALS
    delimiter: str = Field(default=",", max_length=1)
    encoding: str = "utf-8-sig"
    decimal: Literal[".", ","] = "."
    thousands: str = Field(default="", min_length=0, max_length=1)
    skip_rows: int = Field(default=0, ge=0, le=1000)  #: before the row with the names
    date_format: str | None = None  #: as Python's `strptime` has it; if not given, ISO 8601
    zone: str = _BANKS_ZONE

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except (LookupError, ValueError):
            raise ValueError("is no encoding that is known here: give utf-8, or windows-1251") from None
        return value

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            _zone(value)
        except (LookupError, ValueError, OSError):
            raise ValueError("is no time zone that is known here: give one like Asia/Almaty, or UTC") from None
        return value

    @field_validator("currency")
    @classmethod
    def _is_a_currency(cls, value: str | None) -> str | None:
        if value is not None and value not in EXPONENTS:
            raise ValueError(f"give one of {', '.join(sorted(EXPONENTS))}")
        return value

    @field_validator("space")
    @classmethod
    def _is_a_space(cls, value: str) -> str:
        if not is_space(value):
            raise ValueError("give the name of a space of EPAY_TERMINALS, or main")
        return value

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> Self:
        if (self.columns.state is None) != (self.values is None):
            raise ValueError("columns.state and values: give both, or neither")
        if (self.columns.state is None) == (self.executed_sign is None):
            raise ValueError("executed_sign: give it where there is no columns.state, and only there")
        if (self.columns.currency is None) == (self.currency is None):
            raise ValueError("currency: give it where there is no columns.currency, and only there")
        if self.decimal == self.thousands or self.delimiter in {'"', "\r", "\n"}:
            raise ValueError("delimiter, decimal, thousands: they can't be told apart")
        return self

    @property
    def zone_info(self) -> tzinfo:
        return _zone(self.zone)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `Refusal`, which names the field and repeats no value."""
        try:
            with path.open("rb") as file:
                raw = tomllib.loads(file.read(_LARGEST).decode())
        except OSError as error:
            raise Refusal(f"the mapping can't be read: {error.strerror}") from None
        except ValueError:  # `tomllib.TOMLDecodeError` and `UnicodeDecodeError` are some
            raise Refusal("the mapping is no TOML in UTF-8: see the example in docs/reconcile.md") from None
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(each) for each in first["loc"] if isinstance(each, str)) or "the mapping"
            raise Refusal(f"the mapping: {_named(where)}{first['msg'].removeprefix('Value error, ')}") from None


def _named(where: str) -> str:
    return "" if where == "the mapping" else f"{where}: "


def _zone(name: str) -> tzinfo:
    return ALMATY if name == _BANKS_ZONE else ZoneInfo(name)
