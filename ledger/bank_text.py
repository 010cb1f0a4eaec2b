"""Text of the bank, which writes pages and answers in UTF-8 or in windows-1251, and does not always say which."""


def decoded(raw: bytes) -> str:
    """UTF-8, else windows-1251. ASCII is the same in both, and all that decides is ASCII."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1251", errors="replace")
