"""The intent's JSON schema, for callers in another language: `python -m epay_transfers.producers.schema`.

A module of its own, since Python warns when it runs one that its package has imported.
"""

import json
import sys

from epay_transfers.producers.intent import TransferIntent


def main() -> None:
    sys.stdout.write(json.dumps(TransferIntent.json_schema(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
