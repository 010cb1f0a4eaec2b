"""The operators' settings: where the ledger is, and the operator's name for the events of what they change."""

import getpass
import os

from pydantic import Field, ValidationInfo, field_validator

from epay_transfers.ledger.short_texts import short_text
from epay_transfers.runtime.listen_address import ADVICE, read_address
from epay_transfers.runtime.server_addresses import operator_of
from epay_transfers.runtime.settings import ServerSettings


def login_name() -> str:
    """The login name; `uid-N` in a container whose user has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


class OpsSettings(ServerSettings):
    operator: str = Field(default_factory=login_name, min_length=1, description="give the operator's name")

    exporter_address: str = Field(default="127.0.0.1:9464", description=ADVICE)

    follower_address: str = Field(default="", description=ADVICE)

    @field_validator("exporter_address", "follower_address")
    @classmethod
    def _listens(cls, value: str, info: ValidationInfo) -> str:
        if value or info.field_name == "exporter_address":
            read_address(value)
        return value

    @field_validator("operator")
    @classmethod
    def _operator(cls, value: str) -> str:
        return short_text(value)

    @property
    def server_operator(self) -> str:
        """The operator whose server user REDIS_URL names (`ops-NAME`): this, and no label, proves who asked."""
        return operator_of(self.redis_url)
