"""A program that is no Redis, or one in trouble: it answers each connection with the bytes that a test gives it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def speaking(answer: bytes, *, at_once: bool = False) -> Iterator[str]:
    """`host:port`. It answers the first bytes that it gets, or `at_once`, and closes."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer_one(link: socket.socket) -> None:
        with link, suppress(OSError):
            if not at_once:
                link.recv(4096)
            link.sendall(answer)
            link.shutdown(socket.SHUT_WR)
            while link.recv(4096):  # so that no reset overtakes the answer
                pass

    def serve() -> None:
        with suppress(OSError):  # it is closed
            while True:
                link, _ = server.accept()
                threading.Thread(target=answer_one, args=(link,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()
