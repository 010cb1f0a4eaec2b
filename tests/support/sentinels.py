"""A Sentinel of a test's own, which calls the server that it watches `ledger`."""

import hashlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from tests.support.servers import free_port
from tests.support.waiting import until

_DEPLOYED = Path(__file__).parents[2] / "deploy/sentinel.conf"

_CONFIGURATION = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor ledger 127.0.0.1 {primary} 1
sentinel down-after-milliseconds ledger {down_after_ms}
sentinel failover-timeout ledger 2000
"""


@contextmanager
def running_sentinel(
    binary: str, folder: Path, primary: int, *, down_after_ms: int = 300, more: str = ""
) -> Iterator[int]:
    """Its port, once it has seen the one replica of the server at the port `primary`."""
    port, file = free_port(), folder / "sentinel.conf"
    file.write_text(
        _CONFIGURATION.format(port=port, folder=folder, primary=primary, down_after_ms=down_after_ms) + more
    )
    with subprocess.Popen([binary, str(file), "--sentinel"], stdout=subprocess.DEVNULL) as process:  # noqa: S603 - ours
        try:
            with redis.Redis(port=port, decode_responses=True) as sentinel:
                until(lambda: _sees_replica(sentinel))
            yield port
        finally:
            process.kill()


@contextmanager
def deployed_sentinel(
    binary: str, folder: Path, primary: int, *, port: int, passwords: Mapping[str, str], authority: str = ""
) -> Iterator[None]:
    """As deploy/sentinel.conf has it, filled in. `passwords`: of `client`, `sentinel`, `admin`, and `ledger` for its
    server user. Without an `authority`, a folder of certificates, it speaks no TLS, which the embedded server can't.
    """
    folder.mkdir()
    text = with_passwords(_DEPLOYED.read_text(encoding="utf-8"), passwords)
    text = _filled(text, "monitor ledger 127.0.0.1 6379 2\n", f"monitor ledger 127.0.0.1 {primary} 2\n")
    text = _filled(text, "down-after-milliseconds ledger 10000\n", "down-after-milliseconds ledger 300\n")
    text = _filled(text, "failover-timeout ledger 60000\n", "failover-timeout ledger 2000\n")
    if authority:
        text = _filled(text, "tls-port 26379\n", f"tls-port {port}\n")
        for name, its in {"tls.crt": "127.0.0.1.pem", "tls.key": "127.0.0.1.pem", "ca.crt": "ca.pem"}.items():
            text = _filled(text, f"/var/lib/transfers-sentinel/{name}", f"{authority}/{its}")
    else:
        text = _filled(re.sub(r"^tls-.*\n", "", text, flags=re.MULTILINE), "port 0\n", f"port {port}\n")
    text = _filled(text, "dir /var/lib/transfers-sentinel\n", f"dir {folder}\n")
    file = folder / "sentinel.conf"
    file.write_text(text, encoding="utf-8")
    with subprocess.Popen([binary, str(file), "--sentinel"], stdout=subprocess.DEVNULL) as process:  # noqa: S603 - ours
        try:
            yield
        finally:
            process.kill()


def with_passwords(text: str, passwords: Mapping[str, str]) -> str:
    """Of deploy/sentinel.conf: what stands there in the place of passwords is filled in."""
    for name in ("client", "sentinel", "admin"):
        digest = hashlib.sha256(passwords[name].encode()).hexdigest()
        text = _filled(text, f"#SHA256-OF-THE-PASSWORD-OF-{name.upper()} ", f"#{digest} ")
    text = _filled(text, "PASSWORD-OF-SENTINEL\n", passwords["sentinel"] + "\n")
    return _filled(text, "PASSWORD-OF-THE-LEDGERS-USER-SENTINEL\n", passwords["ledger"] + "\n")


def _filled(text: str, old: str, new: str) -> str:
    assert old in text, f"deploy/sentinel.conf has no {old!r}"
    return text.replace(old, new)


def _sees_replica(sentinel: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        return len(sentinel.execute_command("SENTINEL", "REPLICAS", "ledger")) == 1  # type: ignore[no-untyped-call]  # redis-py does not type it
    return False
