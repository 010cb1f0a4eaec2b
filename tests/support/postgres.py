"""A PostgreSQL server of a test's own: on a socket in its own folder, without durability, and gone with the test."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from epay_transfers.runtime import embedded_servers
from tests.support.tools import tool

USER = "backend"

#: It refuses to run as root; this one owns nothing.
_NOT_ROOT = "nobody"

_QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=30", "shared_buffers=8MB")
_STARTS_WITHIN_S = 60.0


@contextmanager
def running_postgres() -> Iterator[Path]:
    """Where its socket is; its user is `USER`, its database `postgres`. Without PostgreSQL the test is skipped."""
    initdb, postgres = tool("initdb", "postgresql"), tool("postgres", "postgresql")
    folder = Path(mkdtemp(prefix="transfers-postgres-", dir="/tmp"))  # the path of a socket is short
    as_user: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        user = pwd.getpwnam(_NOT_ROOT)
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    try:
        data = str(folder / "data")
        subprocess.run(  # noqa: S603 - a tool of this machine
            [initdb, "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
            capture_output=True, check=True, **as_user,
        )  # fmt: skip
        options = [word for option in _QUICK for word in ("-c", option)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - as above
                [postgres, "-D", data, "-k", str(folder), "-h", "", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=embedded_servers.end_with_parent, **as_user,  # noqa: PLW1509 - no lock is held in the child
            )  # fmt: skip
        try:
            _await_socket(folder, process)
            yield folder
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await_socket(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        if "ready to accept connections" in (folder / "log").read_text(errors="replace"):
            return
        time.sleep(0.02)
    raise AssertionError((folder / "log").read_text(errors="replace"))
