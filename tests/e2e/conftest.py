"""Each test of this folder has the whole system as real processes, which `tests.support.platform` starts."""

from tests.support.platform import bank_url, platform

__all__ = ["bank_url", "platform"]
