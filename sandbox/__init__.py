"""A bank to run against: the contract, its 3-D Secure page, faults on demand, its own books.

It imports none of the other rooms: two readings of one contract must meet in a test and not in an import.
"""

from epay_transfers.sandbox.book import Book, BookedOrder
from epay_transfers.sandbox.faults import Faults, Rule
from epay_transfers.sandbox.options import PUBLIC_TEST, Merchant, Options
from epay_transfers.sandbox.server import RunningSandbox, SandboxAddresses, addresses, running, serve

__all__ = [
    "PUBLIC_TEST",
    "Book",
    "BookedOrder",
    "Faults",
    "Merchant",
    "Options",
    "Rule",
    "RunningSandbox",
    "SandboxAddresses",
    "addresses",
    "running",
    "serve",
]
