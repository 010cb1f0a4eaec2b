"""A Sentinel of a test's own, which calls the server that it watches `ledger`."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from tests.support.servers import free_port
from tests.support.waiting import until

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


def _sees_replica(sentinel: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        return len(sentinel.execute_command("SENTINEL", "REPLICAS", "ledger")) == 1  # type: ignore[no-untyped-call]  # redis-py does not type it
    return False
