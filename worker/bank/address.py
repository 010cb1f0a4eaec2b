"""The addresses by which the bank answers a confirm (contract section 4): found in a body, and read, never followed.

Pure, and total.
"""

import re
from urllib.parse import parse_qsl, urlsplit

from epay_transfers.worker.bank.json_fields import Fields
from epay_transfers.worker.bank.order import is_safe

#: In JSON, and in HTML. A general unescape would read `&currency=` as a currency sign and `cy=`.
_AMPERSAND = re.compile(r"\\u0026|&amp;|&#38;|&#x26;", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")


def find_addresses(body: bytes) -> list[str]:
    """Every different address with a query in it: plain, JSON-quoted, or in HTML."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return []
    unquoted = _AMPERSAND.sub("&", text.replace(r"\/", "/"))
    return sorted({address for address in _ADDRESS.findall(unquoted) if "?" in address})


def read_address(address: str) -> tuple[bool, Fields | None]:
    """Is it the page of success, and what is in its query? None where it is neither of the bank's two pages."""
    if not is_safe(address.partition("?")[0]):  # the query may hold a description in any script
        return False, None
    parts = urlsplit(address)
    is_success = parts.path.endswith("/payform/success.html")
    if not is_success and not parts.path.removesuffix("/").endswith("/payform"):
        return False, None
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        return False, None
    fields = dict(pairs)
    return is_success, fields if len(fields) == len(pairs) else None
