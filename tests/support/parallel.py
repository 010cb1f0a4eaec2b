"""Hands: a long search is cut into pieces, and each core of this machine has one in hand.

A piece is the very test that cut it, run by a pytest of its own, whose environment says which piece is meant.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

HANDS = os.cpu_count() or 1
_PYTEST = (sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider")


def shares(count: int) -> list[int]:
    """As many as there are hands, none of them of nothing."""
    return [share for hand in range(HANDS) if (share := count // HANDS + (hand < count % HANDS))]


def work(test: str, folder: Path, pieces: Sequence[Mapping[str, str]]) -> None:
    """Fails with all that was said of the pieces that failed."""
    hands = [
        subprocess.Popen(  # noqa: S603 - this very program
            [*_PYTEST, f"--basetemp={folder / str(number)}", test],
            cwd=Path(__file__).parents[2],
            env=os.environ | piece,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, piece in enumerate(pieces)
    ]
    said = [hand.communicate()[0] for hand in hands]
    if wrong := [text for hand, text in zip(hands, said, strict=True) if hand.returncode]:
        pytest.fail("\n\n".join(wrong), pytrace=False)
