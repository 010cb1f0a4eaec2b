"""`transfers demo`: every way that a transfer can go, with real processes, on a machine with nothing installed.

`stage` holds the processes, `scenes` what is played, `play` tells each story from top to bottom, `board` shows it, and
`ending` lays the bank's books beside the ledger's.
"""
