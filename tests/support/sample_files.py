"""The files of `samples`: what the bank and browsers really send, as bytes."""

from pathlib import Path

FOLDER = Path(__file__).parent / "samples"


def sample(name: str) -> bytes:
    """As it is sent: nothing is decoded."""
    return (FOLDER / name).read_bytes()
