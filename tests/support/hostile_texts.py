"""Texts of any size with which a search for card numbers could take for ever: each function makes one of that size."""

from collections.abc import Callable


def _repeated(piece: str) -> Callable[[int], str]:
    return lambda size: piece * (size // len(piece))


HOSTILE: dict[str, Callable[[int], str]] = {
    "one number": _repeated("4"),
    "single digits": _repeated("4 "),
    "single digits, far apart": _repeated("4/ *+"),
    "numbers of a hundred digits": _repeated("4" * 100 + "-"),
    "card numbers": _repeated("4405639704015096 "),
    "card numbers in fours": _repeated("4405 6397 0401 5096 "),
    "nearly a card number": _repeated("4405639704015097/"),
    "twelve digits": _repeated("440563970401x"),
    "hexadecimal": _repeated("4405639704015096a"),
    "pieces of a UUID": _repeated("44056397-0401-5096-"),
    "pieces of an IBAN": _repeated("KZ12 4405 6397 "),
    "percent signs": _repeated("%25"),
    "percent-encoded digits": _repeated("%34"),
    "backslashes": _repeated("\\"),
    "ampersands": _repeated("&a"),
    "separators": _repeated(" -./"),
    "zero-width": lambda size: "4" + "\u200b" * size + "4",
    "full-width": _repeated("\uff14"),
    "marks": _repeated("4\u0301"),
}
