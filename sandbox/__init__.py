"""A sandbox bank to run against: the bank's contract, its 3-D Secure page, faults on demand, its own books.

It imports nothing of the rest of the product: it is a second reading of the contract, and tests compare the two.
"""

from epay_transfers.extras import needed as _needed

with _needed("demo", "The sandbox"):
    import python_multipart as _  # noqa: F401 - Starlette imports it at the first form only

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
