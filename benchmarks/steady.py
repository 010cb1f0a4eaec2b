"""A producer that enqueues so many a second for so long: `python -m benchmarks.steady FIRST RATE SECONDS`.

It keeps to the times that it began with: where the machine was busy, it catches up.
"""

import sys
import time

from benchmarks.ours import payout
from epay_transfers.producers import Transfers


def main() -> None:
    first, rate, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    with Transfers.from_env() as transfers:
        begun = time.monotonic()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            transfers.enqueue(payout(first + number))


if __name__ == "__main__":
    main()
