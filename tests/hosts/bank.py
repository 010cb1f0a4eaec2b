"""The sandbox bank behind TLS, as a bank on another host is: `python -m tests.hosts.bank ADDRESS PORT CERTIFICATE`.

It prints a line for each call that can move money, at the moment when it has answered it.
"""

import sys

from epay_transfers.sandbox import Options
from epay_transfers.sandbox import server as sandbox
from epay_transfers.sandbox.app import SandboxBank

_MOVES = ("transfer", "confirm")


def main() -> None:
    address, port, certificate = sys.argv[1:]
    server = sandbox._Server(SandboxBank(Options(on_call=_say)))
    server.config.ssl_certfile = certificate
    listener, _ = sandbox._listen(address, int(port))
    server.run_on(listener)


def _say(call: str, invoice: str, status: int) -> None:
    if call in _MOVES:
        print(call, invoice, status, flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
