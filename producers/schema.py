"""The intent's JSON schema, for who makes intents in another language: `python -m producers.schema`."""

import json
import sys

from epay_transfers.producers.intent import TransferIntent


def main() -> None:
    sys.stdout.write(json.dumps(TransferIntent.json_schema(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
