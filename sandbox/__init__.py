"""A sandbox bank to run against: the bank's contract, its 3-D Secure page, faults on demand, its own books.

It imports nothing of the rest of the product: it is a second reading of the contract, and tests compare the two.
"""

try:
    import jinja2 as _jinja2  # noqa: F401 - each is asked for here, so that the sentence below is the first word
    import python_multipart as _python_multipart  # noqa: F401
    import starlette as _starlette  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ModuleNotFoundError as _error:
    _SENTENCE = "The sandbox needs the extra `demo`: pip install 'epay-transfers[demo]'"
    raise ImportError(_SENTENCE, name=_error.name) from None

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
