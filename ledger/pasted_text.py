"""Text as people paste it: blanks that do not break, narrow blanks, soft hyphens, characters that show nothing.

What was cleaned is printable in Python's sense wherever it was one line of text, and so it fits all that is stored,
shown and sent. An emoji that joins several stands as these several.
"""

import unicodedata


def cleaned(text: str) -> str:
    """Every kind of blank as an ordinary one; format characters, which show nothing, left out."""
    return text if text.isprintable() else "".join(map(_plain, text))


def _plain(char: str) -> str:
    match unicodedata.category(char):
        case "Zs":
            return " "
        case "Cf":
            return ""
        case _:
            return char


def without_separators(text: str) -> str:
    """A number without the blanks and dashes of any kind that stand between its digits, or around it."""
    if text.isascii() and text.isdigit():
        return text
    return "".join(
        char for char in cleaned(text) if not (char.isspace() or unicodedata.category(char) == "Pd" or char == "\u2212")
    )
