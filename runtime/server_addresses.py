"""The address of a server, as a setting gives it: what is wrong with it, its database, the place that it names.

An address holds a password. So each complaint is a sentence of ours: the words of a library repeat a part of it.
"""

import ipaddress
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlencode, urlsplit

from epay_transfers.ledger.safe_urls import LOOPBACK
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store import sentinels
from epay_transfers.ledger.store.connection import AddressUnreadable, connect

#: What the name of each operator's server user begins with.
OPERATORS_USER = "ops-"

_NOT_READ = "can't be read: each of @ : / ? # % in a user or a password must be percent-encoded (@ as %40)"

#: What may follow the `?`. Any other option of the client changes what it does with a reply, or repeats a command.
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_CHECKS = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
_OPTIONS = frozenset(
    {
        *("db", "username", "password", "ssl_password", *_TLS_FILES, *_TLS_CHECKS),
        *(sentinels.OPTION, *sentinels.OF_THEIR_OWN),
    }
)

#: The servers number their databases from 0; the default of both is 16, and no configuration has this many.
_MOST_DATABASES = 1_000_000

#: Bytes: what the kernel takes as the path of a socket.
_LONGEST_SOCKET = 107


def complaint_of(url: Secret) -> str:
    """What is wrong with the address; empty for one that the client can be built on."""
    text = url.reveal()
    if text.partition("://")[0] not in {"redis", "rediss", "unix"}:
        return "is not a redis://, rediss:// or unix:// address"
    try:
        parts = urlsplit(text)
        if "#" in text or "@" in parts.path + parts.query:  # a sign of the password, not encoded, cuts the address
            return _NOT_READ
        complaint = _complaint_of(parts, parse_qs(parts.query, keep_blank_values=True))
        return complaint or _not_built(text)
    except (AddressUnreadable, ValueError):
        return _NOT_READ


def operator_of(url: Secret) -> str:
    """The operator whose server user is in the address; empty where it is another user's, or has none."""
    user = unquote(urlsplit(url.reveal()).username or "")
    return user.removeprefix(OPERATORS_USER) if user.startswith(OPERATORS_USER) else ""


def database_of(url: Secret) -> int | None:
    """The database in an address, as the client reads it: `?db=` comes before the path. None: not a number."""
    parts = urlsplit(url.reveal())
    return _database(parts, parse_qs(parts.query, keep_blank_values=True))


def next_database(url: Secret) -> str:
    """The same server's address, with the database after this one."""
    text, database = url.reveal(), (database_of(url) or 0) + 1
    address, _, query = text.partition("?")
    others = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "db"]
    scheme, _, rest = address.partition("://")
    if scheme == "unix":
        return f"{address}?{urlencode([('db', database), *others], safe='/')}"
    return f"{scheme}://{rest.partition('/')[0]}/{database}" + (f"?{urlencode(others, safe='/')}" if others else "")


def with_user(url: str, user: str, password: str) -> str:
    """The same server's address, for this user. The password is of letters, digits, dashes and underscores."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()


def complaint_of_clear_text(url: Secret) -> str:
    """What crosses the network in clear by it; empty where nothing does."""
    parts = urlsplit(url.reveal())
    if parts.scheme == "redis" and not _is_this_machine(parts.hostname or "localhost"):
        return "leads over the network without TLS: give a rediss:// address"
    query = parse_qs(parts.query, keep_blank_values=True)
    if sentinels.PASSWORD in query and sentinels.TLS not in query:
        places = sentinels.places_of(query[sentinels.OPTION][0])
        if not all(_is_this_machine(host) for host, _ in places):
            return "sends Sentinels a password without TLS: add sentinel_ssl=true"
    return ""


def place_of(url: Secret) -> tuple[str | None, int | None, int | None]:
    """Which database of which server it is. Two addresses of one place are equal, with another user too."""
    parts = urlsplit(url.reveal())
    if parts.scheme == "unix":
        return unquote(parts.path), None, database_of(url)
    return unquote(parts.hostname or "localhost"), parts.port or 6379, database_of(url)


def _complaint_of(parts: SplitResult, query: Mapping[str, list[str]]) -> str:
    """Raises `ValueError` for what can't be read."""
    for part in (parts.username, parts.password):
        unquote(part or "", errors="strict")  # the client would put another sign in the place of a wrong byte
    if any(values != [_TLS_CHECKS[name.lower()]] for name, values in query.items() if name.lower() in _TLS_CHECKS):
        return "turns off the check of the server's certificate: name its authority with ssl_ca_certs"
    if not query.keys() <= _OPTIONS or any(len(values) > 1 for values in query.values()):
        return f"asks for what is not taken here: after the `?` give each of {', '.join(sorted(_OPTIONS))} once at most"
    if parts.scheme != "rediss" and any(name.lower().startswith("ssl_") for name in query):
        return "names files or checks of TLS, but not TLS: give a rediss:// address"
    if complaint := _complaint_of_sentinels(parts, query):
        return complaint
    database = _database(parts, query)
    if database is None or database >= _MOST_DATABASES:
        return "names a database that is no number"
    return _complaint_of_path(parts) if parts.scheme == "unix" else _complaint_of_host(parts)


def _complaint_of_host(parts: SplitResult) -> str:
    host = unquote(parts.hostname or "localhost", errors="strict")
    try:
        is_port = parts.port != 0  # the client would take its default for 0
    except ValueError:
        is_port = False
    if not is_port:
        return "names a port that is not from 1 to 65535"
    try:
        signs = set(host) - set("-._:%" if ":" in host else "-._")
        is_host = all(sign.isalnum() for sign in signs) and bool(":" in host or host.encode("idna"))
    except UnicodeError:
        is_host = False
    return "" if is_host else "names a host that can't be looked up"


def _complaint_of_sentinels(parts: SplitResult, query: Mapping[str, list[str]]) -> str:
    own = query.keys() & {*sentinels.OF_THEIR_OWN}
    if sentinels.OPTION not in query:
        return f"says {', '.join(sorted(own))}, but names no Sentinels: give sentinels=HOST:PORT too" if own else ""
    if complaint := _complaint_of_places(parts, query[sentinels.OPTION][0]):
        return complaint
    if sentinels.USER in own and not query.get(sentinels.PASSWORD, [""])[0]:
        return "names a user of the Sentinels without a password: give sentinel_password too"
    if sentinels.TLS in own and (query[sentinels.TLS] != ["true"] or parts.scheme != "rediss"):
        return "wants TLS of the Sentinels in another way than rediss://NAME/0?sentinels=HOST:PORT&sentinel_ssl=true"
    return ""


def _complaint_of_places(parts: SplitResult, places: str) -> str:
    is_name = parts.scheme != "unix" and bool(parts.hostname) and parts.port is None
    try:
        sentinels.places_of(places)
    except ValueError:
        is_name = False
    if is_name:
        return ""
    return (
        "names Sentinels in another way than redis://NAME/0?sentinels=HOST:PORT,HOST:PORT: "
        "NAME is what they call the server, without a port"
    )


def names_sentinels(url: Secret) -> bool:
    """Is the server found by Sentinels, so that another one may take its place?"""
    return sentinels.OPTION in parse_qs(urlsplit(url.reveal()).query, keep_blank_values=True)


def _complaint_of_path(parts: SplitResult) -> str:
    path = unquote(parts.path, errors="strict")
    if not path.isprintable() or not 2 <= len(path.encode()) <= _LONGEST_SOCKET:
        return f"names no path of a socket: give unix:///path, the path at most {_LONGEST_SOCKET} bytes long"
    return ""


def _not_built(text: str) -> str:
    """What keeps a client from being built on it; nothing connects. A client reads these files when it connects."""
    with connect(text) as client:
        options = client.connection_pool.connection_kwargs
    if not text.startswith("rediss://"):
        return ""
    context = ssl.create_default_context()
    try:
        if authority := options.get("ssl_ca_certs"):
            context.load_verify_locations(authority)
        if certificate := options.get("ssl_certfile"):
            context.load_cert_chain(certificate, options.get("ssl_keyfile"), lambda: options.get("ssl_password") or "")
        elif options.get("ssl_keyfile"):
            return "names an ssl_keyfile without an ssl_certfile"
    except (OSError, ValueError, TypeError):  # `ssl.SSLError` is an `OSError`
        return "names a file of certificates that can't be read, or holds none: give PEM files"
    return ""


def _database(parts: SplitResult, query: Mapping[str, list[str]]) -> int | None:
    path = "" if parts.scheme == "unix" else parts.path.strip("/")
    text = query.get("db", [path or "0"])[0]
    return int(text) if text.isascii() and text.isdigit() else None


def _is_this_machine(host: str) -> bool:
    try:
        return host in LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
