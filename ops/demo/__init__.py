"""`transfers demo`: every way that a transfer can go, with real processes, on a machine with nothing installed.

`stage` runs the processes, `scenes` lists the transfers, `play` has the story of each, `board` shows them, and `ending`
compares the bank's books with the ledger.
"""
