"""What the processes log, as one stream: each line with the time and its process's name, in colour on a terminal.

Each process writes into a pipe, which a thread reads to its end: so no process ever waits for another's output.
"""

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO

from rich.console import Console
from rich.text import Text

from epay_transfers.ledger.clock import Clock
from epay_transfers.runtime.output import OutputError

_COLOURS = {"shop": "cyan", "bank": "magenta", "worker": "green", "ledger": "blue", "vault": "bright_black"}
_LEVELS = {"warning": "yellow", "error": "red", "critical": "red"}

#: Fields of a line of ours that are shown otherwise, or not at all.
_SHOWN_OTHERWISE = frozenset({"at", "level", "event", "logger", "trace"})

#: `12:M 29 Nov 2026 15:13:00.123 # Can't open the log file`: the sign says how urgent it is. A signal has another form.
_OF_A_SERVER = re.compile(r"\d+:(?:[A-Z] \d+ \w+ \d{4} [\d:.]+ ([-.*#])|signal-handler \(\d+\)) (.*)")

#: What a server warns of at each start and end, and what is nothing to a developer's machine.
_OF_NO_USE = re.compile(r".* # (WARNING Memory overcommit|Valkey is now ready to exit)")

_WIDTH = max(map(len, _COLOURS))

#: A process that has ended has said all; one that another process holds the pipe of is waited for no longer.
_LAST_WORDS_S = 2.0


@dataclass(slots=True)
class Stream:
    console: Console
    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def pipe(self, name: str) -> IO[bytes]:
        """Where the process of this name writes to. Close it once the process has it."""
        reading, writing = os.pipe()
        thread = threading.Thread(target=self._copy, args=(name, reading), name=f"log of {name}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return os.fdopen(writing, "wb")

    def end(self) -> None:
        """After all processes have ended: show what they said last."""
        for thread in self._threads:
            thread.join(_LAST_WORDS_S)

    def _copy(self, name: str, reading: int) -> None:
        is_read = True
        with os.fdopen(reading, "rb") as source:
            for raw in source:
                line = raw.decode("utf-8", "replace")
                if not is_read or _OF_NO_USE.match(line):
                    continue  # read all the same: the process must be able to write
                try:
                    with self._lock:
                        self.console.print(shown(name, line, self.clock.now_ms()), soft_wrap=True)
                except (OSError, OutputError, SystemExit):  # the last one: rich ends the thread so
                    is_read = False
                    os.kill(os.getpid(), signal.SIGHUP)  # what reads our output has gone, as a terminal goes


def shown(name: str, line: str, now_ms: int) -> Text:
    """A line of a process's log, with the time and the name before it, and before each line of a trace."""
    level, told = _told(line)
    at = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone()
    made = Text("\n").join(
        Text.assemble(
            (f"{at:%H:%M:%S} {name:<{_WIDTH}} ", _COLOURS.get(name, "")), (_printable(each), _LEVELS.get(level, ""))
        )
        for each in told
    )
    made.no_wrap = True
    return made


def _told(line: str) -> tuple[str, list[str]]:
    """How urgent it is, and what is shown of it."""
    if server := _OF_A_SERVER.fullmatch(line.rstrip()):
        return "warning" if server[1] == "#" else "info", [server[2]]
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or "event" not in said:
        return "info", [line.rstrip()]
    return str(said.get("level", "info")), list(_lines(said))


def _lines(said: dict[str, object]) -> Iterator[str]:
    fields = (f"{name}={value}" for name, value in said.items() if name not in _SHOWN_OTHERWISE)
    yield " ".join((str(said["event"]), *fields))
    yield from str(said.get("trace", "")).splitlines()


def _printable(text: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)
