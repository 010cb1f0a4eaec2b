"""Each test of this folder has a worker without threads, on a clock that the test moves: `tests.support.stage`."""

from tests.support.stage import _bank, sandbox, stage

__all__ = ["_bank", "sandbox", "stage"]
