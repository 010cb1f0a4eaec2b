"""For the unit tests of a project that uses this one: `FakeTransfers`, the whole surface in memory, without a server.

It is the real `Transfers` on servers that are dictionaries, so it refuses what the real one refuses; one suite of tests
runs on both. What a worker and the bank would do, the test says: `fake.pay("payout-42")`.
"""

from epay_transfers.producers.testing.fake import FakeTransfers

__all__ = ["FakeTransfers"]
