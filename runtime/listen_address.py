"""The form of a setting that says where a process listens. Settings read it, so it imports nothing."""

_HIGHEST_PORT = 65_535

ADVICE = "give HOST:PORT, like 127.0.0.1:9108, or leave it out"


def read_address(text: str) -> tuple[str, int]:
    """Host and port. Raises `ValueError`. Port 0 takes a free one, which the log names."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
        raise ValueError("is no HOST:PORT")
    return host, int(port)
