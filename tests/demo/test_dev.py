"""`transfers dev`: real processes on fixed ports, a backend beside them, and data that outlives them."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from epay_transfers.ops.dev.folder import BOOKS, MARKER
from tests.demo.played import LONGEST_S, command, left, playing, wait_for
from tests.support.waiting import until

FOLDER = ".transfers-dev"

#: The last line before what the processes log.
IS_UP = "Ctrl-C ends all"

#: Which process is which, by its command line; a server's names its port.
PARTS = {
    "shop": "epay_transfers.ops.demo.shop",
    "bank": "epay_transfers.sandbox",
    "worker": "epay_transfers.worker",
    "ledger": ":{ledger}",
    "vault": ":{vault}",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the processes are found in /proc"),
]


def free_base() -> int:
    """The first of four ports in a row that are free."""
    for base in range(20_000 + os.getpid() % 5_000, 32_000, 4):
        with ExitStack() as sockets, suppress(OSError):
            for port in range(base, base + 4):
                sockets.enter_context(socket.create_server(("127.0.0.1", port)))
            return base
    raise AssertionError("no four ports are free")


@dataclass(frozen=True)
class Dev:
    process: "subprocess.Popen[str]"
    base: int
    said: str

    def ends(self) -> str:
        """What it says until its end."""
        return self.process.communicate(timeout=LONGEST_S)[0]

    def interrupted(self) -> str:
        self.process.send_signal(signal.SIGINT)
        return self.ends()

    def pid_of(self, part: str) -> int:
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        known_by = PARTS[part].format(ledger=self.base + 2, vault=self.base + 3)
        (pid,) = [int(pid) for pid in children if known_by in Path(f"/proc/{pid}/cmdline").read_text()]
        return pid

    def is_gone(self) -> bool:
        """No process listens any more: a server names itself anew, so `left` does not know it."""
        with ExitStack() as sockets:
            for port in range(self.base, self.base + 4):
                sockets.enter_context(socket.create_server(("127.0.0.1", port)))
        return True

    @property
    def bank_url(self) -> str:
        return f"http://127.0.0.1:{self.base + 1}"


@contextmanager
def running(folder: Path, *options: str, base: int = 0) -> Iterator[Dev]:
    base = base or free_base()
    with playing(folder, command("dev", "--port-base", str(base), *options)) as process:
        yield Dev(process, base, wait_for(process, IS_UP))


def refused(folder: Path, *options: str) -> str:
    """What it says where it does not start."""
    with playing(folder, command("dev", *options)) as process:
        said, _ = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 1, said
    return said


def backend(folder: Path, script: str) -> str:
    """A backend's code, in a process of its own, where `transfers dev` was started; it has no settings but the .env."""
    head = f"from epay_transfers.producers import Transfers\ntransfers = Transfers.from_env(env_file='{FOLDER}/.env')\n"
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", head + script],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def indented(said: str, title: str) -> str:
    """What it prints below this line to be typed, as a person would copy it."""
    block = re.search(rf"^{re.escape(title)}.*\n\n((?: {{4}}.*\n)+)", said, re.MULTILINE)
    assert block, said
    return re.sub(r"^ {4}", "", block[1], flags=re.MULTILINE)


PAID = "key = transfers.find('payout-1').key\nprint(transfers.wait(key, timeout=60).state)"
FIND = """
from epay_transfers.producers import NotFound
try:
    print(transfers.find("payout-1").state)
except NotFound:
    print("not found")
"""


def test_a_payout_is_paid_and_kept_from_run_to_run_until_a_reset(tmp_path: Path) -> None:
    """What it prints to be typed works as printed. The second run pays, too: nothing is paused."""
    with running(tmp_path) as first:
        backend(tmp_path, indented(first.said, "Enqueue a transfer"))
        assert backend(tmp_path, PAID) == "paid"
        watched = subprocess.run(  # noqa: S603 - what it printed
            ["/bin/sh", "-c", indented(first.said, "Watch").replace(" --watch", "")],
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        said = first.interrupted()
    assert (watched.returncode, watched.stderr) == (0, ""), watched.stdout
    assert first.process.returncode == 0, said
    assert "\x1b" not in first.said + said
    for name in PARTS:
        assert re.search(rf"^\d\d:\d\d:\d\d {name} +\S", first.said + said, re.MULTILINE), name
    assert left(tmp_path) == {}
    assert first.is_gone()

    with running(tmp_path, base=first.base) as second:
        assert backend(tmp_path, FIND) == "paid"
        orders = requests.get(f"{second.bank_url}/books", timeout=10).json()["orders"]
        again = indented(second.said, "Enqueue a transfer").replace("payout-1", "payout-2")
        backend(tmp_path, again)
        assert backend(tmp_path, PAID.replace("payout-1", "payout-2")) == "paid"
        second.interrupted()
    assert [(order["executions"], order["state"]) for order in orders.values()] == [(1, "AUTH")]

    with running(tmp_path, "--reset", base=first.base) as third:
        assert backend(tmp_path, FIND) == "not found"
        assert requests.get(f"{third.bank_url}/books", timeout=10).json()["orders"] == {}
        third.interrupted()


def test_its_folder_is_its_owners_and_no_secret_of_the_worker_is_in_the_env_file(tmp_path: Path) -> None:
    """Git sees nothing of it, and a backend can neither open a card nor speak to the bank."""
    with running(tmp_path) as dev:
        dev.interrupted()
    folder = tmp_path / FOLDER
    given = {line.partition("=")[0] for line in (folder / ".env").read_text().splitlines() if re.match(r"\w+=.", line)}

    assert (folder / ".gitignore").read_text() == "*\n"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o077 for path in (folder / ".env", folder / "keys.env")] == [0, 0]
    assert given == {
        "EPAY_ENVIRONMENT", "REDIS_URL", "VAULT_URL", "VAULT_PUBLIC_KEY", "FINGERPRINT_KEYS", "WEB_BASE_URL",
        "NOTIFY_SECRET",
    }  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_a_process_that_dies_ends_all_with_its_name(tmp_path: Path, part: str) -> None:
    with running(tmp_path) as dev:
        os.kill(dev.pid_of(part), signal.SIGKILL)
        said = dev.ends()

    assert dev.process.returncode == 1, said
    assert said.splitlines()[-1].startswith(f"the {part} ended by itself (signal 9 ended it)")
    assert left(tmp_path) == {}
    assert dev.is_gone()


def test_a_second_start_in_the_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as dev:
        said = refused(tmp_path, "--reset", "--port-base", str(free_base()))
        assert backend(tmp_path, FIND) == "not found"
        dev.interrupted()

    assert said == f"this command runs in {FOLDER} already: end it, or give another --folder\n"


@pytest.mark.parametrize("part", ["shop", "bank", "ledger", "vault"])
def test_a_taken_port_is_told_with_its_option_and_nothing_is_started(tmp_path: Path, part: str) -> None:
    base = free_base()
    port = base + ["shop", "bank", "ledger", "vault"].index(part)
    with socket.create_server(("127.0.0.1", port)):
        said = refused(tmp_path, "--port-base", str(base))

    assert said.startswith(f"can't listen on 127.0.0.1:{port}, the {part}'s port: Address already in use; ")
    assert "--port-base" in said
    assert said.count("\n") == 1
    assert left(tmp_path) == {}


@pytest.mark.parametrize("options", [[], ["--reset"]])
def test_a_folder_that_it_did_not_make_is_left_alone(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "mine/ledger-server").mkdir(parents=True)
    (tmp_path / "mine/.env").write_text("REDIS_URL=mine")
    before = (tmp_path / "mine").stat().st_mode

    said = refused(tmp_path, "--folder", "mine", *options)

    assert said.startswith("--folder: this command did not make mine, and it is not empty: nothing was changed there")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [".env", "ledger-server"]
    assert (tmp_path / "mine/.env").read_text() == "REDIS_URL=mine"
    assert (tmp_path / "mine").stat().st_mode == before


def test_a_reset_leaves_what_another_put_into_the_folder(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / MARKER).touch()
    (tmp_path / FOLDER / "notes.txt").write_text("mine")
    (tmp_path / FOLDER / "keys.env").write_text("FINGERPRINT_KEYS=\n")

    assert "--reset begins with new keys" in refused(tmp_path, "--port-base", str(free_base()))
    with running(tmp_path, "--reset") as dev:
        dev.interrupted()

    assert (tmp_path / FOLDER / "notes.txt").read_text() == "mine"


def test_a_reset_that_was_interrupted_is_done_to_its_end_by_the_next_start(tmp_path: Path) -> None:
    """Half a ledger, or books without their ledger, would be run as if they were whole."""
    with running(tmp_path) as dev:
        backend(tmp_path, indented(dev.said, "Enqueue a transfer"))
        assert backend(tmp_path, PAID) == "paid"
        dev.interrupted()
    code = (
        "import os, pathlib, shutil\n"
        "from epay_transfers.ops.dev import folder\n"
        "shutil.rmtree = lambda path: os._exit(9)\n"
        f"with folder.opened(pathlib.Path({FOLDER!r}), reset=True): pass"
    )
    died = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)  # noqa: S603 - ours
    assert died.returncode == 9

    with running(tmp_path, base=dev.base) as again:
        assert backend(tmp_path, FIND) == "not found"
        assert requests.get(f"{again.bank_url}/books", timeout=10).json()["orders"] == {}
        backend(tmp_path, indented(again.said, "Enqueue a transfer"))
        again.interrupted()
    with running(tmp_path, base=dev.base) as last:
        assert backend(tmp_path, FIND) != "not found"
        last.interrupted()


def test_a_ledger_whose_keys_are_gone_is_not_run_with_others(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "ledger-server").mkdir(parents=True)
    (tmp_path / FOLDER / MARKER).touch()

    said = refused(tmp_path, "--port-base", str(free_base()))

    assert re.fullmatch(r"\S+/keys.env: is missing, and the ledger beside it is of no use without; --reset .*\n", said)
    assert not (tmp_path / FOLDER / "keys.env").exists()


def test_the_env_file_names_where_the_web_tier_of_a_backend_is_and_not_the_shop(tmp_path: Path) -> None:
    """Else a client of a backend's own would come back from the bank to the shop."""
    for options, url in (
        ((), "http://127.0.0.1:8000/transfers"),
        (("--web-base-url", "http://127.0.0.1:5000/pay"), "http://127.0.0.1:5000/pay"),
    ):
        with running(tmp_path, *options) as dev:
            written = (tmp_path / FOLDER / ".env").read_text()
            assert f"(of your own web tier: transfers dev --web-base-url)\nWEB_BASE_URL={url}\n" in written
            notified = url if options else f"http://127.0.0.1:{dev.base}/transfers"  # the worker tells the bank where
            assert f"WEB_BASE_URL={notified}\0" in Path(f"/proc/{dev.pid_of('worker')}/environ").read_text()
            bought = requests.post(
                f"http://127.0.0.1:{dev.base}/buy", {"good": "concert"} | CARD, timeout=10, allow_redirects=False
            )
            assert bought.headers["location"].startswith("/transfers/pay/")
            page = challenge_of(f"http://127.0.0.1:{dev.base}{bought.headers['location']}")
            assert f'value="http://127.0.0.1:{dev.base}/transfers/3ds/' in page
            dev.interrupted()

    with playing(tmp_path, command("dev", "--web-base-url", "http://shop.example")) as process:
        said, _ = process.communicate(timeout=LONGEST_S)
    assert (process.returncode, "web-base-url: is not a plain https:// address" in said) == (2, True), said


CARD = {"number": "4111 1111 1111 1111", "expiry": "12/40", "cvc": "123", "name": "CARD HOLDER", "order": "a1"}


def challenge_of(url: str) -> str:
    """The page with the bank's form, once the worker has come to it."""
    pages: list[requests.Response] = []

    def is_at_the_bank() -> bool:
        pages.append(requests.get(url, timeout=10))
        return pages[-1].headers["Transfer-Page"] == "challenge"

    until(is_at_the_bank)
    return pages[-1].text


@pytest.mark.parametrize("name", ["file", "nowhere/folder"])
def test_a_folder_that_can_not_be_used_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    said = refused(tmp_path, "--folder", name)

    assert re.fullmatch(rf"--folder: can't use {name} \([\w ]+\); give another --folder\n", said)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel is not asked to end them")
def test_after_a_kill_the_next_start_finds_all_again(tmp_path: Path) -> None:
    """The kernel ends the others, and lets go of the lock. The bank knows what it paid, as the ledger does."""
    with running(tmp_path) as dev:
        backend(tmp_path, indented(dev.said, "Enqueue a transfer"))
        assert backend(tmp_path, PAID) == "paid"
        books = requests.get(f"{dev.bank_url}/books", timeout=10).json()["orders"]
        until(lambda: all(order in (tmp_path / FOLDER / BOOKS).read_text() for order in books))  # within a second
        dev.process.kill()
        dev.ends()
    for pid in left(tmp_path):
        with suppress(ProcessLookupError):
            watched = os.pidfd_open(pid)
            select.select([watched], [], [], LONGEST_S)
            os.close(watched)

    assert left(tmp_path) == {}
    with running(tmp_path, base=dev.base) as again:
        assert backend(tmp_path, FIND) == "paid"
        kept = requests.get(f"{again.bank_url}/books", timeout=10).json()["orders"]
        again.interrupted()
    assert [order["executions"] for order in kept.values()] == [1]
    assert kept.keys() == books.keys()


def test_settings_of_the_shell_that_go_before_the_env_file_are_named(tmp_path: Path) -> None:
    """A backend would read yours, and the payouts would go elsewhere. But a web tier of your own has its own place."""
    words = command("dev", "--port-base", str(free_base()))
    yours = {"TRANSFERS_REDIS_URL": "redis://127.0.0.1:1/0", "WEB_BASE_URL": "http://127.0.0.1:5000/transfers"}
    with playing(tmp_path, words, **yours) as process:
        said = wait_for(process, IS_UP)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LONGEST_S)

    assert "Your environment sets REDIS_URL, which goes before that .env" in said
    assert "Your environment sets WEB_BASE_URL: right for a web tier of your own; the shop keeps its own." in said
