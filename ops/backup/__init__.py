"""`transfers verify-backup`: a copy of a ledger's files, a server on that copy, and what stands in it."""
