"""What operators do with one transfer. A command and a form of the console ask a worker for it by the same functions.

`possible` says what a state allows and what may go wrong by it, `one_transfer` finds the transfer, asks, and says what
came of it, by a `wish`: why, for how long to wait, and what its operator saw. Nothing here changes a transfer itself.
"""
