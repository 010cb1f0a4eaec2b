"""Hostile values of settings. Most have a mark in them, which stands for a secret: no complaint may show it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

#: What stands for a secret in a hostile value: no six characters of it may be shown.
MARK = "Qz7vKx2Lp9Rw4Tn6"
_LONGEST_PIECE = 5

_SIGNS = st.text(
    alphabet="#[]?@/:%\\ \"'&=;{}<>|^`,.-_~+*!$()\t\r\n\u2100\uff16\u212a\xe9\u0130\udc80\udcff", max_size=3
)
_MARKED = st.builds("{}{}{}".format, _SIGNS, st.just(MARK), _SIGNS)

_QUERY = st.lists(
    st.sampled_from([
        "db=1", "db=-1", "db=x", "db=", "db=%31", "socket_timeout=1", "socket_timeout=x", "retry_on_timeout=true",
        "decode_responses=0", "max_connections=0", "max_connections=x", "health_check_interval=1", "protocol=9",
        "ssl_ca_certs=/none", "ssl_ca_certs=/", "ssl_ca_certs=", "ssl_certfile=/none", "ssl_keyfile=/none",
        "ssl_cert_reqs=none", "ssl_check_hostname=0", "ssl_min_version=x", f"password={MARK}", f"username={MARK}",
        f"{MARK}=1", f"timeout={MARK}", "timeout=1", "client_name=a b", "host=elsewhere", "port=1", "path=/x",
    ]),
    max_size=2,
).map("&".join)  # fmt: skip

_HOSTS = st.sampled_from([
    "127.0.0.1", "localhost", "h", "", "[::1]", "[::1", "::1", "a..b", ".a", "*", "a" * 64, "a b", "a%00b", "a%2fb",
    "\u2100", "\xfc.example", "xn--a", "-", "_", "a_b", "1", "999.1.1.1", "h\\x", "{x}", "{invoice_id}.example", MARK,
])  # fmt: skip
_PORTS = st.sampled_from(["", ":", ":0", ":1", ":6379", ":65535", ":65536", ":99999", ":-1", ":x", ":\uff16", ":1e3"])
_PATHS = st.sampled_from([
    "", "/", "/0", "/1", "/15", "/-1", "/x", "/0/1", "/%30", "//", "/a b", "/" + "9" * 30, "/" + "9" * 5000,
    "/{invoice_id}", "/{x}/{invoice_id}", "/{", "/a%zz", "/a%ff", "/\xe9", "/" + "x" * 200,
])  # fmt: skip

URLS = st.builds(
    lambda scheme, user, host, port, path, query, tail: f"{scheme}{user}{host}{port}{path}{query}{tail}",
    st.sampled_from(["redis://", "rediss://", "unix://", "http://", "https://", " redis://", "REDIS://", "redis:", ""]),
    st.one_of(
        st.just(""),
        st.just("@"),
        _MARKED.map("{}@".format),
        _MARKED.map(":{}@".format),
        _MARKED.map("u:{}@".format),
        st.sampled_from(["%ff:%ff@", "%:%@", ":%00@", "a:b:c@"]),
    ),
    _HOSTS,
    _PORTS,
    _PATHS,
    st.one_of(st.just(""), _QUERY.map("?{}".format), _MARKED.map("?{}".format)),
    st.one_of(st.just(""), st.just("#"), st.just(f"#{MARK}"), st.just(" "), st.just("\n")),
)

NUMBERS = st.one_of(
    st.sampled_from([
        "0", "-0", "1", "2", "-1", "inf", "-inf", "Infinity", "nan", "1e-320", "5e-324", "1e-9", "0.001", "1e308",
        "1e999", "9" * 30, "9" * 400, "9" * 5000, "1_000", " 5", "5 ", "\uff15", "0x10", "1,5", "1e5", "3.0", "1e22",
        "2147483648", "9223372036854775808", "true", "1/3", "86400", "3600", "604800", "60", "46", "900",
    ]),
    st.floats().map(str),
    st.integers().map(str),
)  # fmt: skip

_KEYS = st.sampled_from(
    ["main", "kiosk", "nobody", "", MARK, "KZT", "transfer", "space", "terminal_id", "a b", "client_id"]
)
_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.floats(),
        st.integers(),
        st.sampled_from(["AUTH", "charge", "5", "", MARK, "kiosk"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=6,
)
JSONS = st.one_of(
    _JSON.map(json.dumps),
    st.sampled_from([
        "{", "[", "", "null", '"AUTH"', '["AUTH","AUTH"]', "[]", '["charge"]', "{}",
        '{"main":1e-320}', '{"main":1e400}',
        '{"main":NaN}', '{"main":Infinity}', '{"nobody":5}', '{"main":5,"main":6}', f'{{"{MARK}":5}}', "[" * 5000,
        '{"a":' * 3000, '{"main":' + "9" * 5000 + "}", '{"main":{"KZT":{"transfer":"1e999999999999999999"}}}',
        '{"main":{"KZT":{"transfer":"1e-999999999999999999"}}}', '{"main":{"KZT":{"transfer":"NaN"}}}',
        '{"main":{"KZT":{"transfer":"-Infinity"}}}', '{"main":{"KZT":{"transfer":5},"KZT":{"transfer":6}}}',
        f'{{"main":{{"{MARK}":{{"transfer":5}}}}}}', f'{{"main":{{"KZT":{{"{MARK}":5}}}}}}', '{"main":"\\ud800"}',
        '{"kiosk":{"space":"kiosk"},"kiosk":{}}', '{"kiosk":{"space":"main","' + MARK + '":1}}', '{"\\u0000":{}}',
        f'{{"kiosk":{{"terminal_id":"t","client_id":"c","client_secret":"{MARK}\\n"}}}}',
        f'{{"kiosk":{{"terminal_id":"\\udc80","client_id":"c","client_secret":"{MARK}"}}}}',
        f'{{"main":{{"terminal_id":"t","client_id":"c","client_secret":"{MARK}"}}}}',
    ]),
)  # fmt: skip

DSNS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "ftp://", ""]),
    st.one_of(st.just(f"{MARK}@"), _MARKED.map("{}@".format), st.just("@"), st.just("")),
    _HOSTS,
    _PORTS,
    st.sampled_from(["/1", "/", "", "/x", "/a/1", "/1?x", "/1#", "/\uff11", "/-1", "/" + "9" * 5000]),
)

TEXTS = st.one_of(_MARKED, st.text(max_size=8).map(f"{MARK}{{}}".format), st.text(max_size=40))


class Paths(list[str]):
    """A list that is short where a failing test shows it."""

    def __repr__(self) -> str:
        return "Paths()"


def files_in(folder: Path) -> Paths:
    """Paths of files that are not what a setting needs, one of them with the mark in it."""
    (folder / "garbage.pem").write_bytes(b"\x00\xff" + MARK.encode())
    (folder / "empty").write_text("")
    (folder / "latin").write_bytes("caf\xe9".encode("latin-1") + MARK.encode())
    (folder / "text.pem").write_text(f"-----BEGIN CERTIFICATE-----\n{MARK}\n-----END CERTIFICATE-----\n")
    (folder / "a folder").mkdir(exist_ok=True)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "gone").symlink_to(folder / "nothing")
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(0o600)
    return Paths([
        *(str(path) for path in sorted(folder.iterdir())),
        f"/{MARK}/none",
        "/",
        ".",
        "/dev/null",
        "x" * 5000,
        "x" * 300,
    ])  # fmt: skip


def value_for(name: str, paths: list[str]) -> st.SearchStrategy[str]:
    """Mostly of the form that the setting has, so that some get far; sometimes of another's."""
    likely: Mapping[str, st.SearchStrategy[str]] = {
        "sentry_dsn": DSNS,
        "bank_ca_file": st.sampled_from(paths),
        "epay_terminals": JSONS,
        "epay_credentials": JSONS,
        "epay_paid_statuses": JSONS,
        "epay_rate": JSONS,
        "epay_limits": JSONS,
        "operator_limits": JSONS,
    }
    if name.endswith("_file"):
        return st.one_of(st.sampled_from(paths), TEXTS)
    if name.endswith("_url"):
        return st.one_of(URLS, URLS, TEXTS, JSONS)
    of_its_form = likely.get(name, NUMBERS)
    return st.one_of(of_its_form, of_its_form, TEXTS, URLS, JSONS, NUMBERS)


def shown_of(text: str) -> list[str]:
    """The pieces of the mark that a complaint shows."""
    width = _LONGEST_PIECE + 1
    pieces = (MARK[at : at + width] for at in range(len(MARK) - width + 1))
    return [piece for piece in pieces if piece.casefold() in text.casefold()]


def can_be_in_an_environment(value: str) -> bool:
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return "\0" not in value


#: An argument of a call may be of any type.
ARGUMENTS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=4), st.lists(TEXTS, max_size=2),
    st.dictionaries(TEXTS, TEXTS, max_size=2), st.just(object()), st.text(max_size=4).map(f"{MARK}\0\ud800{{}}".format),
)  # fmt: skip
