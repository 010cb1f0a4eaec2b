"""The search for card numbers on a server: every key of every database in use, page by page, without changing one.

A producer or a worker may write meanwhile: what is new or moves during the search may be missed, or told twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis

from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.redis_errors import read_errors_as
from epay_transfers.runtime.card_scan import SHORT, Report, search, shown

_PAGE = 500

#: Elements of a list, a set, a hash, a stream that are read at once.
_ELEMENTS = 100

_DENIED = "this server user may not read it"

#: A score of more digits is no time that we set: it could be a card number.
_LARGE = 10**12

_SETTINGS = {"ledger": "REDIS_URL", "queue": "BROKER_URL"}

#: An element's place, which is put into words where a card number is there, and what stands there.
_Element = tuple[Callable[[], str], bytes]


def scan_servers(ledger_url: str, queue_url: str, report: Report, may_read: Sequence[str] = ("*",)) -> None:
    """Search both, or the one that is both. Raises `LedgerUnavailable`.

    `may_read`: patterns of the keys that our server user may read. Another key is told and not tried: the server would
    log an attack.
    """
    servers = {"ledger": ledger_url}
    if _server(queue_url) != _server(ledger_url):
        servers["queue"] = queue_url
    with read_errors_as(LedgerUnavailable):
        for name, url in servers.items():
            setting = _SETTINGS[name]
            with connect(url, setting, text=False) as client:
                databases = [int(each.removeprefix("db")) for each in client.info("keyspace")]
            for database in sorted(databases):
                with connect(_with_database(url, database), setting, text=False) as client:
                    _Database(client, f"{name}, database {database}", report, may_read).scan()


class _Database:
    def __init__(self, client: redis.Redis, where: str, report: Report, may_read: Sequence[str]) -> None:
        self._client = client
        self._where = where
        self._report = report
        self._may_read = may_read

    def scan(self) -> None:
        cursor = None
        self._report.looked[self._where] += 0
        while cursor != 0:
            cursor, keys = cast("tuple[int, list[bytes]]", self._client.scan(cursor or 0, count=_PAGE))
            self._scan_page(keys)

    def _scan_page(self, keys: list[bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        readable = []
        for key in keys:
            self._search(key, lambda: "name", key)
            if not any(fnmatchcase(_text(key), pattern) for pattern in self._may_read):
                self._could_not_read(key, _DENIED)
            else:
                readable.append(key)
                pipeline.type(key)
        kinds = dict(zip(readable, pipeline.execute(raise_on_error=False), strict=True))
        whole = self._whole(kinds)
        for key, kind in kinds.items():
            self._scan_key(key, kind, whole.get(key))

    def _whole(self, kinds: Mapping[bytes, bytes | Exception]) -> dict[bytes, list[_Element]]:
        """Of the short strings and hashes, which most keys are, all that stands there: in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        asked = [key for key, kind in kinds.items() if kind in {b"string", b"hash"}]
        for key in asked:
            if kinds[key] == b"string":
                pipeline.getrange(key, 0, SHORT - 1)
            else:
                pipeline.hscan(key, count=_ELEMENTS)
        found: dict[bytes, list[_Element]] = {}
        for key, reply in zip(asked, pipeline.execute(raise_on_error=False), strict=True):
            if isinstance(reply, bytes) and len(reply) < SHORT:
                found[key] = [(_value, reply)]
            elif isinstance(reply, tuple) and reply[0] == 0:
                found[key] = list(_of_fields(reply[1].items()))
        return found

    def _scan_key(self, key: bytes, kind: bytes | Exception, whole: list[_Element] | None) -> None:
        """`whole`: what is read already."""
        try:
            if isinstance(kind, Exception):
                raise kind
            if whole is not None:
                elements: Iterable[_Element] | None = whole
            elif kind == b"string":
                self._search(key, _value, _String(self._client, key))
                elements = ()
            else:
                elements = _elements(self._client, key, _text(kind))
            if elements is not None:
                for place, data in elements:
                    self._search(key, place, data)
            elif kind != b"none":  # gone since it was found
                self._could_not_read(key, f"its type {shown(kind)} is unknown")
                return
        except redis.exceptions.NoPermissionError:
            self._could_not_read(key, _DENIED)
        except redis.ResponseError:
            self._could_not_read(key, "the server refused to read it, or its type changed meanwhile")
        else:
            self._report.looked[self._where] += 1

    def _search(self, key: bytes, place: Callable[[], str], data: "bytes | _String") -> None:
        for _, card in search(data):
            self._report.found(self._where, f"{shown(key)}: {place()}", card)

    def _could_not_read(self, key: bytes, why: str) -> None:
        self._report.could_not_read(f"{self._where}: {_kind_of(key)}", why)


class _String:
    """The value of a string, read in pieces: one may have 512 MB."""

    def __init__(self, client: redis.Redis, key: bytes) -> None:
        self._client = client
        self._key = key
        self._at = 0

    def read(self, size: int, /) -> bytes:
        piece = cast("bytes", self._client.getrange(self._key, self._at, self._at + size - 1))
        self._at += len(piece)
        return piece


def _elements(client: redis.Redis, key: bytes, kind: str) -> Iterator[_Element] | None:
    """Of a collection, page by page. None: no collection that we know."""
    readers = {"hash": _of_hash, "list": _of_list, "set": _of_set, "zset": _of_sorted_set, "stream": _of_stream}
    return readers[kind](client, key) if kind in readers else None


def _of_hash(client: redis.Redis, key: bytes) -> Iterator[_Element]:
    yield from _of_fields(client.hscan_iter(key, count=_ELEMENTS))


def _of_fields(fields: Iterable[tuple[bytes, bytes]]) -> Iterator[_Element]:
    for name, value in fields:
        place = partial(_named, "field", name)
        yield place, name
        yield place, value


def _of_list(client: redis.Redis, key: bytes) -> Iterator[_Element]:
    """From its end: messages are taken from its beginning, and the others keep their places from the end."""
    last = -1
    while page := cast("list[bytes]", client.lrange(key, last - _ELEMENTS + 1, last)):
        for at, value in enumerate(reversed(page)):
            yield partial("element {}".format, last - at), value
        last -= len(page)


def _of_set(client: redis.Redis, key: bytes) -> Iterator[_Element]:
    for member in client.sscan_iter(key, count=_ELEMENTS):
        yield partial(_named, "member", member), member


def _of_sorted_set(client: redis.Redis, key: bytes) -> Iterator[_Element]:
    for member, score in client.zscan_iter(key, count=_ELEMENTS):
        yield partial(_named, "member", member), member
        if _LARGE <= score < _LARGE**2:
            yield partial(_named, "score of the member", member), f"{score:.0f}".encode()


def _of_stream(client: redis.Redis, key: bytes) -> Iterator[_Element]:
    last = b"0"
    while page := client.xread({key: last}, count=_ELEMENTS):
        [(_, entries)] = cast("list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]", page)
        for entry, fields in entries:
            yield partial(_in_entry, entry), entry
            for name, value in fields.items():
                place = partial(_in_entry, entry, name)
                yield place, name
                yield place, value
            last = entry


def _value() -> str:
    return "value"


def _named(kind: str, name: bytes) -> str:
    return f"{kind} {shown(name)}"


def _in_entry(entry: bytes, name: bytes | None = None) -> str:
    return f"entry {_entry_shown(entry)}" + ("" if name is None else f", field {shown(name)}")


def _entry_shown(entry: bytes) -> str:
    """A moment and a count: unless it is a card number that a writer chose, no digit of it is starred."""
    text = _text(entry)
    return shown(text) if holds_card_number(text) else text


def _kind_of(key: bytes) -> str:
    """A key of ours is told by its kind: there are as many as transfers."""
    root = redis_keys.every("")[:-1]
    name = _text(key)
    if not name.startswith(root):
        return shown(key)
    kind, parted, _ = name.removeprefix(root).partition(":")
    return shown(redis_keys.every(f"{kind}:") if parted else name)


def _text(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def _server(url: str) -> tuple[str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or 6379, parts.path if parts.scheme == "unix" else ""


def _with_database(url: str, database: int) -> str:
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "db"]
    if parts.scheme == "unix":
        return parts._replace(query=urlencode([*query, ("db", str(database))])).geturl()
    return parts._replace(path=f"/{database}", query=urlencode(query)).geturl()
