"""The settings of who operates: where the ledger is, and whose name stands beside what is changed."""

import getpass
import os

from pydantic import Field, field_validator

from epay_transfers.producers.validators import short_text
from epay_transfers.runtime.settings import ServerSettings


def login_name() -> str:
    """A container may run as a number that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


class OpsSettings(ServerSettings):
    operator: str = Field(default_factory=login_name, min_length=1, description="give the name of who operates")

    @field_validator("operator")
    @classmethod
    def _operator(cls, value: str) -> str:
        return short_text(value)

    @property
    def actor(self) -> str:
        """What stands in the events of what is changed."""
        return f"operator {self.operator}"
