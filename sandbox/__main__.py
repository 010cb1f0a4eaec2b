"""`python -m epay_transfers.sandbox`: runs the sandbox bank. It prints its address and its calls, if asked."""

import argparse
import sys
from pathlib import Path
from typing import get_args

from epay_transfers.sandbox.options import ConfirmAnswer, Options
from epay_transfers.sandbox.server import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m epay_transfers.sandbox", description="A bank to run against.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--print-address", action="store_true", help="one line, once calls are taken")
    parser.add_argument("--print-calls", action="store_true", help="a line for each call, on standard error")
    parser.add_argument("--books", type=Path, metavar="FILE", help="go on with these books, and write them at the end")
    parser.add_argument("--refuse-duplicates", action="store_true", help="a second transfer call executes nothing")
    parser.add_argument("--notify", action="store_true", help="post notifications, to this machine only")
    parser.add_argument("--confirm-answer", choices=(*get_args(ConfirmAnswer), "alternate"), default="redirect")
    parser.add_argument("--confirm-auth", choices=("bearer", "none"), default="bearer")
    parser.add_argument("--challenge-ttl", type=float, default=900, metavar="SECONDS")
    parser.add_argument("--lag", type=float, default=0, metavar="SECONDS", help="how late the status inquiry is")
    given = parser.parse_args()
    options = Options(
        refuse_duplicates=given.refuse_duplicates,
        notify=given.notify,
        confirm_answer=given.confirm_answer,
        confirm_auth=given.confirm_auth,
        challenge_ttl_s=given.challenge_ttl,
        lag_s=given.lag,
        on_call=_say_call if given.print_calls else None,
    )
    serve(given.host, given.port, on_ready=_say if given.print_address else None, options=options, books=given.books)


def _say(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def _say_call(call: str, invoice: str, status: int) -> None:
    sys.stderr.write(f"{call} {invoice or '-'}: {status}\n")


if __name__ == "__main__":
    main()
