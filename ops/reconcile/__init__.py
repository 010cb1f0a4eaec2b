"""The bank's statement beside the ledger: what both have, what one of them lacks, and what differs."""
